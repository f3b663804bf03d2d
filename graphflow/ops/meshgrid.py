"""`meshgrid`: the coordinates of a grid."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F, convert, op_function
from graphflow.ops.arguments import failure
from graphflow.ops.scope import scope


@op_function
def meshgrid(*args: Any, **kwargs: Any) -> list[Any]:
    """The coordinates of every point of a grid, one tensor per axis.

    args: N tensors, taken as vectors, of any dtype; each gives a tensor of the grid's shape,
      [len(args[0]), len(args[1]), …] for indexing="ij", the first two axes exchanged for
      indexing="xy" (the default), as in NumPy.
    Raises TypeError for other keywords than `indexing` and `name`, AttributeValueError for
    another indexing.
    """
    indexing, name = kwargs.pop("indexing", "xy"), kwargs.pop("name", "meshgrid")
    if kwargs:
        raise TypeError(f"meshgrid: unexpected keyword arguments {sorted(kwargs)}.")
    if indexing not in ("xy", "ij"):
        raise failure("meshgrid", name, f"indexing must be 'xy' or 'ij', got {indexing!r}")
    with scope(name, "meshgrid"):
        vectors = [F.reshape(convert(a), [-1]) for a in args]
        places = list(range(len(vectors)))
        if indexing == "xy" and len(vectors) > 1:
            places[:2] = 1, 0
        counts = [F.size(vectors[p]) for p in places]
        found = []
        for vector, place in zip(vectors, places):
            shape = [1] * len(vectors)
            shape[place] = -1
            found.append(F.broadcast_to(F.reshape(vector, shape), counts))
        return found
