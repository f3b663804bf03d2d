"""`repeat`: each element along an axis several times, one copy after the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert, op_function
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure, is_tensor, static_int, static_value
from graphflow.ops.scope import scope


@op_function
def repeat(input: Any, repeats: Any, axis: Any = None, name: str | None = None) -> Any:
    """The elements of `input` along `axis`, element k `repeats[k]` times.

    input: [a…, n, b…], flattened first if axis is None; repeats: an integer for all elements, or
      a vector with one for each, which may be computed when the graph runs
      → [a…, Σ repeats, b…].
    Raises ShapeError if there is not one number per element or a known one is negative.
    """
    with scope(name, "Repeat") as last:
        x = convert(input)
        if axis is None:
            x, axis = F.reshape(x, [-1]), 0
        where = static_int("Repeat", name, "axis", axis)
        if x.shape.rank is None:
            raise failure("Repeat", name, "input must have a known rank", cls=ShapeError)
        if not -x.shape.rank <= where < x.shape.rank:
            raise failure("Repeat", name, f"axis {where} is outside of input {x.shape}")
        where %= x.shape.rank
        known = static_value(repeats)
        if known is None:
            return _by_tensor(x, convert(repeats), where, name, last)
        return _by_numbers(x, known, where, name, last)


def _by_numbers(x: Any, counts: np.ndarray, axis: int, name: str | None, last: str | None) -> Any:
    if counts.dtype.kind not in "iu" or counts.ndim > 1 or np.any(counts < 0):
        raise failure("Repeat", name, "repeats must be a number or a vector of them, none "
                      f"negative, got {counts.tolist()}", cls=ShapeError)
    if counts.size == 1:
        return _each(x, int(counts.reshape(())), axis, last)
    size = x.shape.sizes[axis]
    if isinstance(size, int) and size != counts.size:
        raise failure("Repeat", name, f"repeats has {counts.size} numbers for the {size} elements "
                      f"along axis {axis} of input {x.shape}", cls=ShapeError)
    places = np.repeat(np.arange(counts.size, dtype=np.int32), counts)
    if not isinstance(size, int):
        x = F.ensure_shape(x, [counts.size if a == axis else None for a in range(x.shape.rank)])
    return F.gather(x, places, axis=axis, name=last)


def _each(x: Any, count: Any, axis: int, last: str | None) -> Any:
    """Every element `count` times, a number or an int scalar."""
    rank = x.shape.rank
    copies: list[Any] = [1] * (rank + 1)
    copies[axis + 1] = count
    many = F.tile(F.expand_dims(x, axis + 1), F.stack(copies) if is_tensor(count) else copies)
    shape = F.shape(x)
    total = F.reshape(shape[axis] * count, [1])
    return F.reshape(many, F.concat([shape[:axis], total, shape[axis + 1:]], 0), name=last)


def _by_tensor(x: Any, counts: Any, axis: int, name: str | None, last: str | None) -> Any:
    counts = F.cast(counts, dt.int32)
    if counts.shape.rank == 0:
        return _each(x, counts, axis, last)
    if counts.shape.rank != 1:
        raise failure("Repeat", name, f"repeats must have rank 0 or 1, got {counts.shape}",
                      cls=ShapeError)
    counts = F.broadcast_to(counts, F.reshape(F.shape(x)[axis], [1]))
    mask = F.sequence_mask(counts)
    rows = F.expand_dims(F.range(F.shape(x)[axis]), 1)
    places = F.boolean_mask(F.broadcast_to(rows, F.shape(mask)), mask)
    return F.gather(x, places, axis=axis, name=last)
