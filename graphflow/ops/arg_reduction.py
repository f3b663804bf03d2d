"""The places of the largest and the smallest element: argmax and argmin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function
from graphflow.dims import same
from graphflow.dtypes import as_dtype
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import LoweringContext, Reduce
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
from graphflow.ops.arguments import renamed, static_int, typed
from graphflow.ops.declare import declare
from graphflow.ops.numerics import accumulator, highest, lowest, widen
from graphflow.shapes import TensorShape


def _type(c: Infer) -> list[TensorType]:
    shape, out_type = c.shape(0), c.attrs["output_type"]
    if shape.rank is None:
        return [TensorType(out_type)]
    axis = c.axis(c.attrs["axis"], shape.rank)
    if same(shape.sizes[axis], 0):
        raise c.error(f"axis {axis} of {c.show(0)} has no elements to choose from")
    return [TensorType(out_type, TensorShape.of(
        shape.sizes[:axis] + shape.sizes[axis + 1:]))]


def _reference(choose: Callable[..., Any]) -> Callable[..., np.ndarray]:
    def reference(input: np.ndarray, axis: int, output_type: dt.DType) -> np.ndarray:
        rank = input.ndim
        if not -rank <= axis < rank:
            raise RunError(InvalidArgumentError, f"axis {axis} is outside [{-rank}, {rank})")
        if not input.shape[axis]:
            raise RunError(InvalidArgumentError, f"axis {axis} of input {list(input.shape)} has "
                                                 "no elements to choose from")
        return np.asarray(choose(widen(input), axis=axis)).astype(output_type.numpy)

    return reference


def _compared(dtype: dt.DType) -> dt.DType:
    """The type that elements are compared in."""
    return dt.uint8 if dtype.is_bool else accumulator(dtype)


def _lowering(identity: Callable[[dt.DType], Any], better: Callable[..., Any]) -> Reduce:
    """Accumulators: the best element so far and its position, −1 before there is any."""
    def init(b: Any, ctx: LoweringContext) -> tuple:
        compared = _compared(ctx.in_dtypes[0])
        return b.const(identity(compared), compared), b.const(-1, dt.int64)

    def lift(b: Any, x: Any, position: Any, ctx: LoweringContext) -> tuple:
        return b.cast(x, _compared(ctx.in_dtypes[0])), position

    def combine(b: Any, left: tuple, right: tuple) -> tuple:
        (x, i), (y, k) = left, right
        wins = better(b, y, x)
        if x.dtype.is_floating:  # the first NaN wins over every number, as in NumPy
            wins = b.logical_not(b.is_nan(x)) & (wins | b.is_nan(y))
        takes = b.lt(i, 0) | (b.ge(k, 0) & wins)
        return b.select(takes, y, x), b.select(takes, k, i)

    return Reduce(
        axes=lambda ctx: (ctx.attrs["axis"] % len(ctx.in_shapes[0]),),
        init=init, lift=lift, combine=combine,
        finish=lambda b, found, count, ctx: (b.cast(found[1], ctx.out_dtypes[0]),))


def _samples() -> list[Sample]:
    ties = np.array([[1.0, 3.0, 3.0, -2.0], [0.0, 0.0, -1.0, -1.0], [5.0, 4.0, 5.0, 4.0]])
    return [Sample((ties,), {"axis": axis}, grad=False) for axis in (0, 1, -1)] + [
        Sample((ties[0],), {"output_type": dt.int32}, grad=False),
        Sample((np.array([1.0, np.nan, 7.0, np.nan]),), dtypes=dt.FLOATS, grad=False),
        Sample((np.array([-np.inf, -np.inf]),), dtypes=dt.FLOATS, grad=False),
        Sample((np.zeros((0, 3)),), {"axis": 1}, grad=False)]


def _errors() -> list[ErrorSample]:
    return [ErrorSample((typed(dt.float32, 2, 3),), {"axis": 2}, AttributeValueError,
                        r"axis 2 is outside \[-2, 2\) for input \[2, 3\]"),
            ErrorSample((typed(dt.float32, 0, 3),), {"axis": 0}, ShapeError, "no elements")]


def _arg_reduction(
    name: str, choose: Callable[..., Any], identity: Callable[[dt.DType], Any],
    better: Callable[..., Any],
) -> OpDef:
    return declare(
        name, "input: T",
        attrs={"axis": Attr("int", 0), "output_type": Attr("dtype", dt.int64, choices=dt.INDICES)},
        infer=_type, reference=_reference(choose),
        grad=NotDifferentiable("the output is a position"),
        lowering=_lowering(identity, better), samples=_samples, errors=_errors, depth=2,
        T=dt.REALS + dt.BOOL)


ARG_MAX = _arg_reduction("ArgMax", np.argmax, lowest, lambda b, y, x: b.gt(y, x))
ARG_MIN = _arg_reduction("ArgMin", np.argmin, highest, lambda b, y, x: b.lt(y, x))


def _apply(
    opdef: OpDef, input: Any, axis: Any, name: str | None, dimension: Any, output_type: Any
) -> Any:
    axis = renamed(opdef.name, "axis", axis, "dimension", dimension)
    number = 0 if axis is None else static_int(opdef.name, name, "axis", axis)
    attrs = {"axis": number, "output_type": as_dtype(output_type)}
    return apply(opdef, (input,), attrs, name=name)


@op_function
def argmax(
    input: Any, axis: Any = None, name: str | None = None, dimension: Any = None,
    output_type: Any = dt.int64,
) -> Any:
    """The index of the largest element along `axis` (0 by default), without that axis.

    The first of equal elements, and the first NaN if there is one. output_type: int32 or int64.
    dimension: the old name of `axis`.
    Raises ShapeError (InvalidArgumentError at run time) if the axis is empty.
    """
    return _apply(ARG_MAX, input, axis, name, dimension, output_type)


@op_function
def argmin(
    input: Any, axis: Any = None, name: str | None = None, dimension: Any = None,
    output_type: Any = dt.int64,
) -> Any:
    """The index of the smallest element along `axis`; otherwise as `argmax`."""
    return _apply(ARG_MIN, input, axis, name, dimension, output_type)


@op_function
def arg_max(
    input: Any, dimension: Any, output_type: Any = dt.int64, name: str | None = None
) -> Any:
    """`argmax`, with its arguments in the order of TensorFlow's old function."""
    return _apply(ARG_MAX, input, dimension, name, None, output_type)


@op_function
def arg_min(
    input: Any, dimension: Any, output_type: Any = dt.int64, name: str | None = None
) -> Any:
    """`argmin`, with its arguments in the order of TensorFlow's old function."""
    return _apply(ARG_MIN, input, dimension, name, None, output_type)
