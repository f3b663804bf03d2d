"""`random_crop`: a part of a tensor at a random place."""

from __future__ import annotations

from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert, op_function
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure, shape_argument
from graphflow.ops.scope import scope


@op_function
def random_crop(
    value: Any, size: Any, seed: int | None = None, name: str | None = None
) -> Any:
    """A part of `value` of shape `size`, each place equally likely.

    value: [v0, …]; size: [rank] integers, none larger than in value → [size…].
    Raises ShapeError if a size is known to be too large; InvalidArgumentError at run time.
    """
    with scope(name, "random_crop") as last:
        value = convert(value)
        size = F.cast(convert(shape_argument("random_crop", name, size, "size")), dt.int32)
        known, shape = size.symbolic_value, value.shape
        if known is not None and shape.rank is not None and (len(known) != shape.rank or any(
                isinstance(n, int) and isinstance(d, int) and n > d
                for n, d in zip(known.tolist(), shape.sizes))):
            raise failure("random_crop", name, f"Need value.shape >= size, got value {shape}, "
                                               f"size {known.tolist()}", cls=ShapeError)
        sizes = F.shape(value)
        room = F.require(sizes - size + 1, size <= sizes)
        # Of 31 random bits, the remainder is as uniform as TensorFlow's.
        offset = F.random_uniform(F.shape(sizes), maxval=dt.int32.max, dtype=dt.int32,
                                  seed=seed) % room
        return F.slice(value, offset, size, name=last)
