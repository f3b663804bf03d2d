"""Reductions over axes: sum, mean, prod, max, min, any, all, and what such ops share.

Each public function has TensorFlow 1.15's signature: `axis` (an int, a list, None for all axes),
`keepdims`, and the deprecated `reduction_indices` and `keep_dims`. The attribute `axis` is a
sorted tuple of non-negative ints where the rank is known; for an input of unknown rank it stays as
given, and None means all axes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dtypes import DType
from graphflow.errors import AttributeValueError, DTypeError, InvalidArgumentError
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
from graphflow.ops.arguments import renamed, static_ints, typed
from graphflow.ops.broadcasting import broadcast_like
from graphflow.ops.declare import declare
from graphflow.ops.linear_scan import product_of_others
from graphflow.ops.numerics import accumulator, highest, lowest, widen
from graphflow.ops.reshaping import expand_axes
from graphflow.ops.scope import scope
from graphflow.ops.shape_ops import size_over
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape

Axes = tuple[int, ...]

AXIS_ATTRS = {"axis": Attr("ints", None, optional=True), "keepdims": Attr("bool", False)}


# ---- axes ------------------------------------------------------------------------------------


def axes_argument(op: str, name: str | None, axis: Any, rank: int | None) -> Axes | None:
    """The attribute for an `axis` argument: sorted and non-negative if the rank is known."""
    if axis is None:
        return None if rank is None else tuple(range(rank))
    numbers = static_ints(op, name, "axis", axis)
    if rank is None or any(not -rank <= a < rank for a in numbers):
        return numbers
    return tuple(sorted(a % rank for a in numbers))


def own_axes(axis: Axes | None, rank: int) -> Axes:
    """The attribute as sorted non-negative axes of an input whose rank is now known."""
    return tuple(range(rank)) if axis is None else tuple(sorted(a % rank for a in axis))


def run_axes(axis: Axes | None, rank: int) -> Axes:
    """`own_axes` for references: raises RunError for an axis outside, or named twice."""
    for a in axis or ():
        if not -rank <= a < rank:
            raise RunError(InvalidArgumentError, f"axis {a} is outside [{-rank}, {rank})")
    axes = own_axes(axis, rank)
    if len(set(axes)) != len(axes):
        raise RunError(InvalidArgumentError, f"axis {list(axis or ())} names an axis twice")
    return axes


def reduced_shape(c: Infer) -> TensorShape:
    """The shape of input 0 reduced over the attribute `axis`. Raises AttributeValueError."""
    axis, keepdims, shape = c.attrs["axis"], c.attrs["keepdims"], c.shape(0)
    if shape.rank is None:
        return TensorShape(()) if axis is None and not keepdims else UNKNOWN_SHAPE
    axes = [c.axis(a, shape.rank) for a in (range(shape.rank) if axis is None else axis)]
    if len(set(axes)) != len(axes):
        raise c.error(f"axis {list(axis)} names an axis of {c.show(0)} twice",
                      cls=AttributeValueError)
    if keepdims:
        return TensorShape.of(1 if a in axes else d for a, d in enumerate(shape.sizes))
    return TensorShape.of(d for a, d in enumerate(shape.sizes) if a not in axes)


def lowered_axes(ctx: LoweringContext) -> Axes:
    """The reduced axes, for a lowering."""
    return own_axes(ctx.attrs["axis"], len(ctx.in_shapes[0]))


def keep_axes(F: Any, op: Any, y: Any) -> Any:
    """`y`, of the shape of the output of reduction `op`, with its reduced axes of size 1."""
    axis, rank = op.attrs["axis"], op.inputs[0].shape.rank
    if op.attrs["keepdims"]:
        return y
    if axis is None and rank is None:
        return F.reshape(y, F.ones_like(F.shape(op.inputs[0])))
    return expand_axes(y, axis if rank is None else own_axes(axis, rank))


def reduce_with(
    opdef: OpDef, x: Any, axis: Any, keepdims: bool | None, name: str | None
) -> Any:
    """One node of a reduction, its axes normalised."""
    x = convert(x)
    attrs = {"axis": axes_argument(opdef.name, name, axis, x.shape.rank),
             "keepdims": bool(keepdims)}
    return apply(opdef, (x,), attrs, name=name)


# ---- declarations ----------------------------------------------------------------------------


def axis_samples(low: float = -2.0, high: float = 3.0) -> list[Sample]:
    """Distinct numbers under every kind of axis attribute, and empty inputs."""
    def spread(*sizes: int) -> np.ndarray:
        count = int(np.prod(sizes))
        order = np.random.default_rng(7).permutation(count)
        return np.linspace(low, high, count)[order].reshape(sizes)

    cases: list[tuple[np.ndarray, dict[str, Any]]] = [
        (spread(2, 3, 4), {"axis": (1,)}),
        (spread(2, 3, 4), {"axis": (0, 2), "keepdims": True}),
        (spread(2, 3, 4), {"axis": (-1, -3)}),
        (spread(3, 5), {"axis": None}),
        (spread(3, 5), {"axis": None, "keepdims": True}),
        (spread(2, 3), {"axis": ()}),
        (np.array(high), {"axis": None}),
        (np.zeros((2, 0)), {"axis": (0,)}),
    ]
    nothing = Sample((np.zeros((0, 3)),), {"axis": (0,)}, grad=False)
    return [*(Sample((x,), attrs) for x, attrs in cases), nothing]


def axis_errors() -> list[ErrorSample]:
    """Axes that do not exist or come twice."""
    return [
        ErrorSample((typed(dt.float32, 2, 3),), {"axis": (2,)}, AttributeValueError,
                    r"axis 2 is outside \[-2, 2\) for input_tensor \[2, 3\]"),
        ErrorSample((typed(dt.float32, 2, 3),), {"axis": (1, -1)}, AttributeValueError, "twice")]


def reduction(
    name: str,
    types: tuple[DType, ...],
    *,
    reference: Callable[..., np.ndarray],
    grad: Callable[..., Sequence[Any]] | NotDifferentiable,
    identity: Callable[[DType], Any],
    combine: Callable[..., Any],
    finish: Callable[..., Any] | None = None,
    out: Callable[[DType], DType] | None = None,
    samples: Callable[[], Sequence[Sample]] = axis_samples,
    errors: Callable[[], Sequence[ErrorSample]] | None = axis_errors,
    symbolic: bool = False,
) -> OpDef:
    """Declares a reduction with one accumulator.

    reference: `reference(x, axes, keepdims)` with checked axes and, for half types, x in float32.
    identity: the neutral element of `combine(b, left, right)` for an element type.
    finish: `finish(b, total, count)` → the output, the total by default.
    """
    def compute(x: np.ndarray, axis: Axes | None, keepdims: bool) -> np.ndarray:
        with np.errstate(all="ignore"):
            y = np.asarray(reference(widen(x), run_axes(axis, x.ndim), keepdims))
        return y.astype(x.dtype, copy=False)

    def lowered_finish(b: Any, total: tuple, count: Any, ctx: LoweringContext) -> tuple:
        value = finish(b, total[0], count) if finish else total[0]
        return (b.cast(value, ctx.out_dtypes[0]),)

    return declare(
        name, "input_tensor: T", attrs=AXIS_ATTRS,
        infer=lambda c: [TensorType(c.dtype(0), reduced_shape(c))],
        reference=compute, grad=grad,
        lowering=Reduce(
            axes=lowered_axes,
            init=lambda b, ctx: (b.const(identity(ctx.in_dtypes[0]),
                                         accumulator(ctx.in_dtypes[0])),),
            lift=lambda b, x, position, ctx: (b.cast(x, accumulator(ctx.in_dtypes[0])),),
            combine=lambda b, left, right: (combine(b, left[0], right[0]),),
            finish=lowered_finish),
        symbolic=symbolic, samples=samples, errors=errors, depth=2, T=types)


def _total(x: np.ndarray, axes: Axes, keepdims: bool) -> np.ndarray:
    return np.asarray(np.sum(x, axis=axes, keepdims=keepdims, dtype=x.dtype))


def _mean(x: np.ndarray, axes: Axes, keepdims: bool) -> np.ndarray:
    """Integers: the sum, which wraps, over the count, rounded towards zero."""
    count = int(np.prod([x.shape[a] for a in axes], dtype=np.int64))
    total = np.asarray(_total(x, axes, keepdims))
    if x.dtype.kind not in "iu":
        return total / np.asarray(count, x.real.dtype)
    if not count:
        return np.zeros_like(total)
    magnitude = np.abs(total) // np.asarray(count).astype(x.dtype)
    return np.where(total < 0, -magnitude, magnitude)


def _divide_by_count(b: Any, total: Any, count: Any) -> Any:
    divisor = b.cast(count, total.dtype)
    return b.truncdiv(total, divisor) if total.dtype.is_integer else total / divisor


def _extremum(ufunc: np.ufunc, identity: Callable[[DType], Any]) -> Callable[..., np.ndarray]:
    def reference(x: np.ndarray, axes: Axes, keepdims: bool) -> np.ndarray:
        initial = x.dtype.type(identity(dt.array_dtype(x)))
        return ufunc.reduce(x, axis=axes, keepdims=keepdims, initial=initial)

    return reference


# ---- gradients -------------------------------------------------------------------------------


def _sum_grad(F: Any, op: Any, g: Any) -> list[Any]:
    return [broadcast_like(keep_axes(F, op, g), op.inputs[0])]


def _mean_grad(F: Any, op: Any, g: Any) -> list[Any]:
    """Each of n elements gets g / n. A static n of 0 has no elements to give it to."""
    x = op.inputs[0]
    count = size_over(x, op.attrs["axis"])
    divisor = max(count, 1) if isinstance(count, int) else F.cast(count, x.dtype)
    return [broadcast_like(keep_axes(F, op, g / divisor), x)]


def _prod_grad(F: Any, op: Any, g: Any) -> list[Any]:
    """∂(Πx)/∂xᵢ is the product of the others, which needs no division and is right at zeros."""
    x = op.inputs[0]
    others = product_of_others(F, x, op.attrs["axis"])
    return [keep_axes(F, op, g) * F.conj(others)]


def _extremum_grad(F: Any, op: Any, g: Any) -> list[Any]:
    """Elements that tie for the extremum share its gradient equally, as in TensorFlow."""
    x = op.inputs[0]
    chosen = F.cast(F.equal(x, keep_axes(F, op, op.outputs[0])), x.dtype)
    ties = F.reduce_sum(chosen, op.attrs["axis"], keepdims=True)
    return [chosen / ties * keep_axes(F, op, g)]


# ---- the ops ---------------------------------------------------------------------------------

SUM = reduction(
    "Sum", dt.NUMBERS, reference=_total, grad=_sum_grad, identity=lambda dtype: 0,
    combine=lambda b, x, y: x + y, symbolic=True)

MEAN = reduction(
    "Mean", dt.NUMBERS, reference=_mean, grad=_mean_grad, identity=lambda dtype: 0,
    combine=lambda b, x, y: x + y, finish=_divide_by_count)

PROD = reduction(
    "Prod", dt.NUMBERS, grad=_prod_grad, identity=lambda dtype: 1,
    reference=lambda x, axes, keepdims: np.multiply.reduce(
        x, axis=axes, keepdims=keepdims, dtype=x.dtype),
    combine=lambda b, x, y: x * y, symbolic=True,
    samples=lambda: [*axis_samples(0.5, 2.0), Sample(
        (np.array([[0.0, 2.0, 3.0], [0.0, 0.0, -1.5], [1.0, 2.0, -1.5]]),), {"axis": (1,)})])

MAX = reduction(
    "Max", dt.REALS, reference=_extremum(np.maximum, lowest), grad=_extremum_grad,
    identity=lowest, combine=lambda b, x, y: b.max(x, y))

MIN = reduction(
    "Min", dt.REALS, reference=_extremum(np.minimum, highest), grad=_extremum_grad,
    identity=highest, combine=lambda b, x, y: b.min(x, y))


def _truth_samples() -> list[Sample]:
    return [Sample((s.inputs[0] > 0.5,), s.attrs, grad=False) for s in axis_samples()]


def _truth_errors() -> list[ErrorSample]:
    return [ErrorSample((typed(dt.float32, 2),), {}, DTypeError, "must be one of bool")]


ANY = reduction(
    "Any", dt.BOOL, grad=NotDifferentiable("the output is a truth value"),
    reference=lambda x, axes, keepdims: np.logical_or.reduce(x, axis=axes, keepdims=keepdims),
    identity=lambda dtype: False, combine=lambda b, x, y: b.logical_or(x, y),
    samples=_truth_samples, errors=_truth_errors)

ALL = reduction(
    "All", dt.BOOL, grad=NotDifferentiable("the output is a truth value"),
    reference=lambda x, axes, keepdims: np.logical_and.reduce(x, axis=axes, keepdims=keepdims),
    identity=lambda dtype: True, combine=lambda b, x, y: b.logical_and(x, y),
    samples=_truth_samples, errors=_truth_errors)


def _public(opdef: OpDef, public_name: str, doc: str) -> Callable[..., Any]:
    """The public function of a reduction, with TensorFlow 1.15's signature."""
    def function(
        input_tensor: Any,
        axis: Any = None,
        keepdims: bool | None = None,
        name: str | None = None,
        reduction_indices: Any = None,
        keep_dims: bool | None = None,
    ) -> Any:
        axis = renamed(opdef.name, "axis", axis, "reduction_indices", reduction_indices)
        keepdims = renamed(opdef.name, "keepdims", keepdims, "keep_dims", keep_dims)
        return reduce_with(opdef, input_tensor, axis, keepdims, name)

    function.__name__ = function.__qualname__ = public_name
    function.__doc__ = doc + """

    input_tensor: a tensor of any shape.
    axis: the axes to reduce, an int or a list, negative ones from the end; None for all.
    keepdims: keep the reduced axes, with size 1.
    reduction_indices, keep_dims: the old names of `axis` and `keepdims`.
    Raises AttributeValueError for an axis that does not exist or comes twice.
    """
    return op_function(function)


reduce_sum = _public(
    SUM, "reduce_sum",
    """The sum over `axis`; 0 where there are no elements. Half types are summed in float32.""")
reduce_mean = _public(
    MEAN, "reduce_mean",
    """The mean over `axis`; NaN where there are no elements. Of integers, rounded to zero.""")
reduce_prod = _public(
    PROD, "reduce_prod", """The product over `axis`; 1 where there are no elements.""")
reduce_max = _public(
    MAX, "reduce_max",
    """The largest element over `axis`; −inf (the least integer) where there are none.""")
reduce_min = _public(
    MIN, "reduce_min",
    """The smallest element over `axis`; +inf (the greatest integer) where there are none.""")
reduce_any = _public(
    ANY, "reduce_any", """Is any of the bools over `axis` true? False where there are none.""")
reduce_all = _public(
    ALL, "reduce_all", """Are all of the bools over `axis` true? True where there are none.""")


@op_function
def count_nonzero(
    input_tensor: Any = None,
    axis: Any = None,
    keepdims: bool | None = None,
    dtype: Any = dt.int64,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
    input: Any = None,
) -> Any:
    """The number of elements over `axis` that are not zero (False, or empty strings).

    dtype: the type of the count. `input`, `reduction_indices` and `keep_dims` are other names of
    `input_tensor`, `axis` and `keepdims`.
    """
    op = "count_nonzero"
    x = convert(renamed(op, "input_tensor", input_tensor, "input", input))
    axis = renamed(op, "axis", axis, "reduction_indices", reduction_indices)
    keepdims = renamed(op, "keepdims", keepdims, "keep_dims", keep_dims)
    with scope(name, "count_nonzero"):
        nonzero = F.not_equal(x, F.zeros([], x.dtype))
        count = reduce_sum(F.cast(nonzero, dt.int64), axis, keepdims)
        return F.cast(count, dtype)
