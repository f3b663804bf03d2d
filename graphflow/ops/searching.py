"""Binary search in sorted rows: `searchsorted`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dtypes import DType, as_dtype
from graphflow.errors import AttributeValueError, DTypeError, InvalidArgumentError, ShapeError
from graphflow.lowering import Library, LoweringContext
from graphflow.opdef import (
    Attr,
    ErrorSample,
    Infer,
    NotDifferentiable,
    OpDef,
    RunError,
    Sample,
    TensorType,
)
from graphflow.ops.arguments import failure, typed
from graphflow.ops.declare import declare
from graphflow.ops.numerics import widen
from graphflow.ops.scope import scope
from graphflow.shapes import TensorShape, unknown_shape


def _type(c: Infer) -> list[TensorType]:
    c.require_rank(0, 2)
    c.require_rank(1, 2)
    rows, values = (s.merge_with(unknown_shape(2)) for s in (c.shape(0), c.shape(1)))
    count = c.require_same(
        rows.sizes[0], values.sizes[0],
        f"each row of values needs its own sorted row: {c.show(0)}, {c.show(1)}")
    return [TensorType(c.attrs["out_type"], TensorShape.of((count, values.sizes[1])))]


def _reference(side: str) -> Callable[..., np.ndarray]:
    def search(sorted_inputs: np.ndarray, values: np.ndarray, out_type: DType) -> np.ndarray:
        if len(sorted_inputs) != len(values):
            raise RunError(
                InvalidArgumentError,
                f"each row of values needs its own sorted row: sorted_inputs "
                f"{list(sorted_inputs.shape)}, values {list(values.shape)}")
        out = np.empty(values.shape, out_type.numpy)
        for row, wanted, places in zip(widen(sorted_inputs), widen(values), out):
            places[:] = np.searchsorted(row, wanted, side)  # type: ignore[call-overload]
        return out

    return search


def _lowering(behind: int) -> Library:
    def sizes(ctx: LoweringContext) -> tuple:
        (count, length), (_, wanted) = ctx.in_shapes
        return count, length, wanted, behind

    return Library("search_sorted", sizes)


def _samples() -> list[Sample]:
    rows = np.array([[1.0, 3.0, 3.0, 5.0], [0.0, 2.0, 4.0, 6.0]])
    values = np.array([[3.0, 0.0, 6.0], [0.0, 6.0, 7.0]])
    return [
        Sample((rows, values), grad=False), Sample((rows, values), {"out_type": dt.int64},
                                                   grad=False),
        Sample((rows[:, :0], values), grad=False), Sample((rows, values[:, :0]), grad=False),
        Sample((rows[:0], values[:0]), grad=False)]


def _errors() -> list[ErrorSample]:
    return [
        ErrorSample((typed(dt.float32, 2, 4), typed(dt.float32, 3, 1)), {}, ShapeError,
                    r"own sorted row: sorted_inputs \[2, 4\], values \[3, 1\]"),
        ErrorSample((typed(dt.float32, 4), typed(dt.float32, 3, 1)), {}, ShapeError,
                    "sorted_inputs must have rank 2"),
        ErrorSample((typed(dt.float32, 2, 4), typed(dt.int32, 2, 1)), {}, DTypeError,
                    "same dtype")]


def _bound(name: str, side: str, behind: int) -> OpDef:
    return declare(
        name, "sorted_inputs: T, values: T", attrs={"out_type": Attr("dtype", dt.int32)},
        infer=_type, reference=_reference(side), lowering=_lowering(behind), samples=_samples,
        grad=NotDifferentiable("integer output"), errors=_errors, depth=2, T=dt.REALS)


LOWER_BOUND = _bound("LowerBound", "left", 0)
UPPER_BOUND = _bound("UpperBound", "right", 1)


@op_function
def searchsorted(
    sorted_sequence: Any, values: Any, side: str = "left", out_type: Any = dt.int32,
    name: str | None = None,
) -> Any:
    """Where each value would be inserted in its sorted row so that the row stays sorted.

    sorted_sequence: [..., n], real numbers, each row ascending (NaN last); values: [..., m] of the
    same dtype and with as many rows → [..., m] of out_type (int32 or int64), from 0 to n.
    side: "left" to insert before equal elements, "right" behind them.
    Raises AttributeValueError for another side, DTypeError for another out_type, ShapeError for
    scalars and if the numbers of rows differ.
    """
    if side not in ("left", "right"):
        raise failure("searchsorted", name, f"side must be 'left' or 'right', got {side!r}",
                      cls=AttributeValueError)
    out = as_dtype(out_type)
    if out not in dt.INDICES:
        raise failure("searchsorted", name, f"out_type must be int32 or int64, got {out.name}",
                      cls=DTypeError)
    with scope(name, "searchsorted"):
        rows = convert(sorted_sequence)
        values = convert(values, rows.dtype)
        for what, tensor in (("sorted_sequence", rows), ("values", values)):
            if tensor.shape.rank == 0:
                raise failure("searchsorted", name, f"{what} must have rank 1 or more, got a "
                              "scalar", cls=ShapeError)
        opdef = LOWER_BOUND if side == "left" else UPPER_BOUND
        found = apply(opdef, (_flat(rows), _flat(values)), {"out_type": out})
        return F.reshape(found, F.shape(values))


def _flat(tensor: Any) -> Any:
    """[..., n] as [rows, n]."""
    if tensor.shape.rank == 2:
        return tensor
    sizes = F.shape(tensor)
    return F.reshape(tensor, F.stack([F.reduce_prod(sizes[:-1]), sizes[-1]]))
