"""Elementwise choice: minimum, maximum, clipping, `where`."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, convert, op_function
from graphflow.dims import dim_max, dim_min, fresh, product, same
from graphflow.errors import InvalidArgumentError, ShapeError
from graphflow.lowering import Composite, Library, Pointwise
from graphflow.opdef import ErrorSample, Infer, NotDifferentiable, RunError, Sample, TensorType
from graphflow.ops.declare import binary, declare
from graphflow.ops.scope import scope
from graphflow.shapes import TensorShape

# ---- extrema ------------------------------------------------------------------------------------


def _pair_samples() -> list[Sample]:
    return [
        Sample((np.array([[1.5, 4.0, 3.0], [0.5, 7.0, 1.0]]), np.array([2.0, 3.0, 0.25]))),
        Sample((np.array(2.0), np.array([[3.0], [1.0]]))),
        Sample((np.array([1.0, np.nan, 2.0]), np.array([1.0, 2.0, np.nan])), dtypes=dt.FLOATS,
               grad=False),
        Sample((np.zeros((0, 3)), np.ones((3,)))),
    ]


def _chosen_grad(x_wins: Any) -> Any:
    """The gradient goes to the chosen side; to x where both are equal."""
    def grad(F: Any, op: Any, g: Any) -> list[Any]:
        chosen = x_wins(F, *op.inputs)
        return [F.where_v2(chosen, g, 0), F.where_v2(chosen, 0, g)]

    return grad


def _symbolic(choose: Any) -> Any:
    table = np.frompyfunc(choose, 2, 1)

    def values(c: Infer) -> list[Any]:
        x, y = c.value(0), c.value(1)
        return [None if x is None or y is None else table(x, y)]

    return values


maximum = binary(
    "Maximum", "maximum", dt.REALS,
    body=lambda b, x, y: b.max(x, y),
    reference=np.maximum,
    grad=_chosen_grad(lambda F, x, y: x >= y),
    samples=_pair_samples, symbolic=_symbolic(dim_max), commutative=True,
    doc="""The larger of x and y, elementwise with broadcasting; NaN if either is NaN.

    Where they are equal the gradient goes to x.""")

minimum = binary(
    "Minimum", "minimum", dt.REALS,
    body=lambda b, x, y: b.min(x, y),
    reference=np.minimum,
    grad=_chosen_grad(lambda F, x, y: x <= y),
    samples=_pair_samples, symbolic=_symbolic(dim_min), commutative=True,
    doc="""The smaller of x and y, elementwise with broadcasting; NaN if either is NaN.

    Where they are equal the gradient goes to x.""")


@op_function
def clip_by_value(
    t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None
) -> Any:
    """`t` with every element moved into [clip_value_min, clip_value_max].

    t: real numbers, or IndexedSlices (whose rows are clipped); the bounds must broadcast to its
    shape. The gradient is 0 outside the bounds and 1 on them.
    Raises ShapeError if the bounds would make the result larger than `t`.
    """
    if hasattr(t, "map_dense"):
        return t.map_dense(
            lambda values: clip_by_value(values, clip_value_min, clip_value_max, name))
    t = convert(t)
    with scope(name, "clip_by_value") as inner:
        below = minimum(t, clip_value_max)
        clipped = maximum(below, clip_value_min, name=inner)
    if not t.shape.is_compatible_with(clipped.shape):
        raise ShapeError(
            f"clip_by_value: the bounds must broadcast to the shape of t, {t.shape}, but the "
            f"result has shape {clipped.shape}."
        )
    return clipped


# ---- where: choice with broadcasting ------------------------------------------------------------


def _v2_type(c: Infer) -> list[TensorType]:
    return [TensorType(c.dtype(1), c.broadcast())]


def _v2_samples() -> list[Sample]:
    mask = np.array([[True, False, True], [False, False, True]])
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    return [
        Sample((mask, x, 10 * x)),
        Sample((mask, x[0], np.array(7.0))),
        Sample((np.array(True), x, x[:, :1])),
        Sample((np.array([[True], [False]]), np.array(1.0), np.array([2.0, 3.0]))),
        Sample((np.zeros((0, 3), bool), np.zeros((0, 3)), np.ones(3))),
    ]


def _v2_errors() -> list[ErrorSample]:
    def typed(dtype: dt.DType, *sizes: int) -> TensorType:
        return TensorType(dtype, TensorShape(sizes))

    return [ErrorSample(
        (typed(dt.bool_, 2), typed(dt.float32, 3), typed(dt.float32, 3)), {}, ShapeError,
        r"cannot be broadcast together: condition \[2\], t \[3\]")]


SELECT_V2 = declare(
    "SelectV2", "condition: bool, t: T, e: T", infer=_v2_type, reference=np.where,
    grad=lambda F, op, g: [None, F.where_v2(op.inputs[0], g, 0), F.where_v2(op.inputs[0], 0, g)],
    lowering=Pointwise(lambda b, c, x, y: b.select(c, x, y)), broadcasts=True,
    samples=_v2_samples, errors=_v2_errors, T=dt.ALL)


@op_function
def where_v2(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Any:
    """`x` where `condition` holds and `y` elsewhere, all three broadcast together.

    condition: bool; x, y: of one dtype. No gradient flows into the elements not taken.
    Without x and y: the places where `condition` is not zero, as `where`.
    """
    if _both_or_none(x, y):
        return apply(SELECT_V2, (condition, x, y), name=name)
    return apply(WHERE, (condition,), name=name)


def _both_or_none(x: Any, y: Any) -> bool:
    if (x is None) != (y is None):
        raise ShapeError("where: x and y must both be given, or neither.")
    return x is not None


# ---- where: TensorFlow 1's rule -----------------------------------------------------------------


def _select_type(c: Infer) -> list[TensorType]:
    condition, x, y = c.shape(0), c.shape(1), c.shape(2)
    if not x.is_compatible_with(y):
        raise c.error(f"x and y must have one shape: {c.show(1)}, {c.show(2)}",
                      "To broadcast them, use gf.where_v2.")
    out = x.merge_with(y)
    if condition.rank is not None and out.rank is not None:
        as_rows = condition.rank == 1 and out.rank >= 1 and same(
            condition.sizes[0], out.sizes[0]) is not False
        if not (condition.rank == 0 or as_rows or condition.is_compatible_with(out)):
            raise c.error(
                f"the condition must have the shape of x, be a scalar, or be a vector that "
                f"selects rows of x: {c.show(0)}, {c.show(1)}",
                "To broadcast it, use gf.where_v2.")
        if condition.rank == out.rank:
            out = out.merge_with(condition)
    return [TensorType(c.dtype(1), out)]


def _select_reference(condition: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    fits = condition.ndim == 0 or condition.shape == x.shape or (
        condition.ndim == 1 and condition.shape == x.shape[:1])
    if x.shape != y.shape or not fits:
        raise RunError(
            InvalidArgumentError,
            f"x and y must have one shape, and the condition that shape, or rank 0, or the "
            f"length of x: got {list(condition.shape)}, {list(x.shape)}, {list(y.shape)}",
            "To broadcast them, use gf.where_v2.")
    if condition.ndim == 1 and x.ndim > 1:
        condition = condition.reshape(-1, *(1,) * (x.ndim - 1))
    return np.where(condition, x, y)


def _expand_select(F: Any, condition: Any, x: Any, y: Any) -> Any:
    rank = x.shape.rank if x.shape.rank is not None else y.shape.rank
    if condition.shape.rank == 1 and rank is not None and rank > 1:
        condition = F.reshape(condition, [-1] + [1] * (rank - 1))
    return F.where_v2(condition, x, y)


def _select_grad(F: Any, op: Any, g: Any) -> list[Any]:
    zeros = F.zeros_like(g)
    return [None, F.where(op.inputs[0], g, zeros), F.where(op.inputs[0], zeros, g)]


def _select_samples() -> list[Sample]:
    mask = np.array([[True, False, True], [False, False, True]])
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    return [
        Sample((mask, x, 10 * x)),
        Sample((np.array([True, False]), x, 10 * x)),
        Sample((np.array(False), x, 10 * x)),
        Sample((np.zeros((0,), bool), np.zeros((0, 3)), np.ones((0, 3)))),
    ]


def _select_errors() -> list[ErrorSample]:
    def typed(dtype: dt.DType, *sizes: int) -> TensorType:
        return TensorType(dtype, TensorShape(sizes))

    x = typed(dt.float32, 2, 3)
    return [
        ErrorSample((typed(dt.bool_, 2, 3), x, typed(dt.float32, 3)), {}, ShapeError,
                    r"one shape: x \[2, 3\], y \[3\]\..*where_v2"),
        ErrorSample((typed(dt.bool_, 3), x, x), {}, ShapeError,
                    r"selects rows of x: condition \[3\], x \[2, 3\]\..*where_v2"),
    ]


SELECT = declare(
    "Select", "condition: bool, x: T, y: T", infer=_select_type, reference=_select_reference,
    grad=_select_grad, lowering=Composite(_expand_select), samples=_select_samples,
    errors=_select_errors, T=dt.ALL)


@op_function
def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Any:
    """`x` where `condition` holds and `y` elsewhere; without x and y, the places where it holds.

    condition: bool, of the shape of x, or a scalar, or a vector that selects rows of x. x, y: of
      one shape and dtype (`where_v2` broadcasts). No gradient flows into elements not taken.
    With `condition` alone (bool or numbers, [d0, …]): int64 [number of places, rank], the places
      of its non-zero elements in row-major order.
    Raises ShapeError or DTypeError if the inputs do not fit, or only one of x and y is given.
    """
    if _both_or_none(x, y):
        return apply(SELECT, (condition, x, y), name=name)
    return apply(WHERE, (condition,), name=name)


def _where_type(c: Infer) -> list[TensorType]:
    rank = c.shape(0).rank
    return [TensorType(dt.int64, TensorShape.of((fresh(), fresh() if rank is None else rank)))]


def _where_reference(condition: np.ndarray) -> np.ndarray:
    if condition.ndim == 0:
        return np.zeros((int(bool(condition)), 0), np.int64)
    return np.argwhere(condition != 0).astype(np.int64)


_PLACES = Library(
    "where", unknowns=((0, 0),), bounds=lambda ctx: (product(ctx.in_shapes[0]),),
    sizes=lambda ctx: (product(ctx.in_shapes[0]), len(ctx.in_shapes[0]), *ctx.in_shapes[0]))


WHERE = declare(
    "Where", "condition: T", infer=_where_type, reference=_where_reference,
    grad=NotDifferentiable("integer output"), lowering=_PLACES,
    samples=lambda: [
        Sample((np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 3.0]]),)),
        Sample((np.array([True, False, True]),)),
        Sample((np.array(1.0),)),
        Sample((np.zeros((0, 2)),)),
        Sample((np.zeros((2, 3)),)),
    ], T=dt.FIXED_SIZE)
