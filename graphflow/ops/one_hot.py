"""`one_hot`: indices as rows with one place switched on."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, convert, op_function
from graphflow.dims import Dim, SymDim, as_known_size, fresh
from graphflow.errors import AttributeValueError, DTypeError, InvalidArgumentError, ShapeError
from graphflow.lowering import Composite
from graphflow.opdef import Attr, ErrorSample, Infer, RunError, Sample, TensorType
from graphflow.ops.arguments import failure, is_tensor, static_int, typed
from graphflow.ops.declare import declare
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape

_INDEX_TYPES = (dt.uint8, *dt.INDICES)


def _one_hot_type(c: Infer) -> list[TensorType]:
    for i in (1, 2, 3):
        c.require_rank(i, 0)
    axis, shape = c.attrs["axis"], c.shape(0)
    value = c.value(1)
    depth: Dim = fresh() if value is None else as_known_size(value.reshape(()).item())
    if not isinstance(depth, SymDim) and depth < 0:
        raise c.error(f"depth must not be negative, got {depth}")
    if axis < -1 or (shape.rank is not None and axis > shape.rank):
        limit = "rank of indices" if shape.rank is None else shape.rank
        raise c.error(f"axis {axis} is outside [-1, {limit}] for {c.show(0)}",
                      cls=AttributeValueError)
    if shape.rank is None:
        return [TensorType(c.dtype(2), UNKNOWN_SHAPE)]
    place = shape.rank if axis == -1 else axis
    return [TensorType(c.dtype(2), TensorShape.of(
        (*shape.sizes[:place], depth, *shape.sizes[place:])))]


def _one_hot(
    indices: np.ndarray, depth: np.ndarray, on_value: np.ndarray, off_value: np.ndarray, axis: int
) -> np.ndarray:
    count = int(depth)
    if count < 0:
        raise RunError(InvalidArgumentError, f"depth must not be negative, got {count}")
    flat = indices.reshape(-1).astype(np.int64)
    out = np.full((flat.size, count), off_value, on_value.dtype)
    rows = np.flatnonzero((flat >= 0) & (flat < count))
    out[rows, flat[rows]] = on_value
    return np.moveaxis(out.reshape((*indices.shape, count)), -1, axis)


def _expand(F: Any, indices: Any, depth: Any, on_value: Any, off_value: Any, axis: int) -> Any:
    rank = indices.shape.rank
    place = rank if axis == -1 else axis
    wide = F.cast(F.expand_dims(indices, place), dt.int64)
    places = F.cast(F.range(0, depth), dt.int64)
    row = F.reshape(places, [1] * place + [-1] + [1] * (rank - place))
    return F.where_v2(F.equal(wide, row), on_value, off_value)


def _one_hot_gradient(F: Any, op: Any, g: Any) -> list[Any]:
    indices, depth = op.inputs[:2]
    hot = F.one_hot(indices, depth, True, False, axis=op.attrs["axis"], dtype=dt.bool_)
    zero = np.zeros((), g.dtype.numpy)
    return [None, None, F.reduce_sum(F.where_v2(hot, g, zero)),
            F.reduce_sum(F.where_v2(hot, zero, g))]


def _samples() -> list[Sample]:
    def sample(indices: Any, depth: int, axis: int = -1, dtype: Any = np.int32) -> Sample:
        return Sample((np.array(indices, dtype), np.array(depth, np.int32), np.array(5.0),
                       np.array(2.0)), {"axis": axis})

    return [
        sample([0, 2, 1], 3), sample([[0, 1], [2, -1]], 3, axis=0, dtype=np.int64),
        sample([[0, 1], [2, 5]], 3, axis=1), sample(1, 4), sample([1, 0], 2, dtype=np.uint8),
        sample([0, 1], 0), sample(np.zeros((0,)), 3),
    ]


def _errors() -> list[ErrorSample]:
    one, zero = np.float32(1), np.float32(0)
    indices = typed(dt.int32, 4, 2)
    return [
        ErrorSample((indices, np.int32(3), one, zero), {"axis": 3}, AttributeValueError,
                    r"axis 3 is outside \[-1, 2\]"),
        ErrorSample((indices, np.int32(-3), one, zero), {}, ShapeError, "must not be negative"),
        ErrorSample((indices, typed(dt.int32, 1), one, zero), {}, ShapeError,
                    "depth must have rank 0"),
        ErrorSample((typed(dt.float32, 4), np.int32(3), one, zero), {}, DTypeError, "indices"),
    ]


ONE_HOT = declare(
    "OneHot", "indices: I, depth: int32, on_value: T, off_value: T",
    attrs={"axis": Attr("int", -1)}, infer=_one_hot_type, reference=_one_hot,
    grad=_one_hot_gradient, lowering=Composite(_expand), samples=_samples, errors=_errors,
    I=_INDEX_TYPES, T=dt.ALL)


@op_function
def one_hot(
    indices: Any, depth: Any, on_value: Any = None, off_value: Any = None, axis: Any = None,
    dtype: Any = None, name: str | None = None,
) -> Any:
    """`on_value` (1) at the place of each index on a new axis of size `depth`, else `off_value`.

    indices: uint8, int32 or int64 of any shape; one outside [0, depth) gives all `off_value` (0).
    depth: int32 scalar, which may be computed at run time. axis: of the result; −1, the last, by
    default. dtype: of the result; that of the values given, else float32.
    Raises DTypeError if the values' types differ from `dtype` or each other, ShapeError for a
    wrong rank or depth, AttributeValueError for a wrong axis.
    """
    indices = convert(indices)
    depth = convert(depth, None if is_tensor(depth) else dt.int32)
    wanted = _value_type(on_value, off_value, dtype, name)
    on, off = (_value(v, default, wanted)
               for v, default in ((on_value, 1), (off_value, 0)))
    place = -1 if axis is None else static_int("OneHot", name, "axis", axis)
    return apply(ONE_HOT, (indices, depth, on, off), {"axis": place}, name=name or "one_hot")


def _value_type(on_value: Any, off_value: Any, dtype: Any, name: str | None) -> dt.DType:
    """The result's element type: `dtype`, else that of the values, else float32."""
    given = {what: v.dtype if is_tensor(v) else dt.array_dtype(dt.to_array(v))
             for what, v in (("on_value", on_value), ("off_value", off_value)) if v is not None}
    if dtype is not None:
        wanted = dt.as_dtype(dtype)
    elif given:
        fixed = [t for (what, t), v in zip(given.items(), _present(on_value, off_value))
                 if is_tensor(v) or isinstance(v, (np.ndarray, np.generic))]
        wanted = fixed[0] if fixed else next(iter(given.values()))
    else:
        return dt.float32
    for (what, found), value in zip(given.items(), _present(on_value, off_value)):
        if is_tensor(value) and found is not wanted:
            raise failure("OneHot", name, f"{what} is {found.name}, the result {wanted.name}",
                          f"Use gf.cast({what}, gf.{wanted.name}).", DTypeError)
    return wanted


def _present(*values: Any) -> list[Any]:
    return [v for v in values if v is not None]


def _value(value: Any, default: int, dtype: dt.DType) -> Any:
    if value is None:
        return np.array(default).astype(dtype.numpy)
    return convert(value, dtype)
