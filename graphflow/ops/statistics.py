"""Statistics over axes: moments, variance, standard deviation, norm, log-sum-exp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.lowering import LoweringContext, Reduce
from graphflow.opdef import Infer, TensorType
from graphflow.ops.arguments import renamed
from graphflow.ops.broadcasting import broadcast_like
from graphflow.ops.declare import declare
from graphflow.ops.numerics import accumulator, widen
from graphflow.ops.reduction import (
    AXIS_ATTRS,
    Axes,
    axes_argument,
    axis_errors,
    axis_samples,
    keep_axes,
    lowered_axes,
    reduce_with,
    reduced_shape,
    run_axes,
)
from graphflow.ops.scope import scope
from graphflow.ops.shape_ops import size_over

# ---- moments ---------------------------------------------------------------------------------


def _moments_type(c: Infer) -> list[TensorType]:
    return [TensorType(c.dtype(0), reduced_shape(c))] * 2


def _moments_reference(
    input_tensor: np.ndarray, axis: Axes | None, keepdims: bool
) -> tuple[np.ndarray, np.ndarray]:
    x, axes = widen(input_tensor), run_axes(axis, input_tensor.ndim)
    count = np.asarray(np.prod([x.shape[a] for a in axes], dtype=np.int64), x.dtype)
    with np.errstate(all="ignore"):
        mean = np.add.reduce(x, axis=axes, keepdims=True) / count
        variance = np.add.reduce(np.square(x - mean), axis=axes, keepdims=True) / count
    shape = mean.shape if keepdims else [d for a, d in enumerate(x.shape) if a not in axes]
    return tuple(v.reshape(shape).astype(input_tensor.dtype, copy=False)
                 for v in (mean, variance))


def _moments_grad(F: Any, op: Any, g_mean: Any, g_variance: Any) -> list[Any]:
    """∂mean/∂xᵢ = 1/n and ∂variance/∂xᵢ = 2(xᵢ − mean)/n: the mean's own share adds up to 0."""
    x = op.inputs[0]
    count = size_over(x, op.attrs["axis"])
    divisor = max(count, 1) if isinstance(count, int) else F.cast(count, x.dtype)
    mean, g_mean, g_variance = (
        keep_axes(F, op, v) for v in (op.outputs[0], g_mean, g_variance))
    return [broadcast_like(g_mean / divisor, x) + (x - mean) * (g_variance * 2 / divisor)]


def _moments_combine(b: Any, left: tuple, right: tuple) -> tuple:
    """Counts, sums and squared deviations of two sets joined.

    T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm for
    computing sample variances", 1979.
    """
    (n, s, d), (m, t, e) = left, right
    shift = t / b.max(m, 1) - s / b.max(n, 1)
    return n + m, s + t, d + e + shift * shift * (n * m / b.max(n + m, 1))


def _moments_lowering() -> Reduce:
    def constants(b: Any, ctx: LoweringContext) -> tuple:
        return (b.const(0, accumulator(ctx.in_dtypes[0])),) * 3

    def lift(b: Any, x: Any, position: Any, ctx: LoweringContext) -> tuple:
        wide = accumulator(ctx.in_dtypes[0])
        return b.const(1, wide), b.cast(x, wide), b.const(0, wide)

    def finish(b: Any, found: tuple, count: Any, ctx: LoweringContext) -> tuple:
        n = b.cast(count, found[1].dtype)
        return tuple(b.cast(v / n, ctx.out_dtypes[0]) for v in found[1:])

    return Reduce(lowered_axes, constants, lift, _moments_combine, finish, any_order=True,
                  moments=True)


MOMENTS = declare(
    "Moments", "input_tensor: T", attrs=AXIS_ATTRS, infer=_moments_type,
    reference=_moments_reference, grad=_moments_grad, lowering=_moments_lowering(),
    samples=axis_samples, errors=axis_errors, T=dt.FLOATS)


def _both_moments(x: Any, axis: Any, keepdims: bool | None, name: str | None) -> tuple[Any, Any]:
    x = convert(x)
    attrs = {"axis": axes_argument("Moments", name, axis, x.shape.rank),
             "keepdims": bool(keepdims)}
    return apply(MOMENTS, (x,), attrs, name=name)


@op_function
def moments(
    x: Any, axes: Any, shift: Any = None, name: str | None = None,
    keep_dims: bool | None = None, keepdims: bool | None = None,
) -> tuple[Any, Any]:
    """(mean, variance) of `x` over `axes`; the variance divides by the number of elements.

    x: floats of any shape; half types are accumulated in float32. axes: an int or a list.
    shift: not needed for accuracy, and ignored, as in TensorFlow 1.15.
    keepdims: keep the reduced axes, with size 1 (`keep_dims` is the old name).
    """
    keepdims = renamed("moments", "keepdims", keepdims, "keep_dims", keep_dims)
    return _both_moments(x, axes, keepdims, name or "moments")


@op_function
def weighted_moments(
    x: Any, axes: Any, frequency_weights: Any, name: str | None = None,
    keep_dims: bool | None = None, keepdims: bool | None = None,
) -> tuple[Any, Any]:
    """(mean, variance) of `x` over `axes`, each element counted `frequency_weights` times.

    frequency_weights: non-negative, of a shape that broadcasts with that of `x`.
    """
    keepdims = renamed("weighted_moments", "keepdims", keepdims, "keep_dims", keep_dims)
    with scope(name, "weighted_moments"):
        x = convert(x)
        weights = convert(frequency_weights, x.dtype)
        weights = weights + F.zeros_like(x)  # broadcast, so that the sum counts every element
        total = F.reduce_sum(weights, axes, keepdims=True)
        mean = F.reduce_sum(weights * x, axes, keepdims=True) / total
        deviation = F.reduce_sum(weights * F.square(x - mean), axes, keepdims=True)
        variance = deviation / total
        if keepdims:
            return mean, variance
        return _without(mean, x, axes), _without(variance, x, axes)


def _without(kept: Any, x: Any, axes: Any) -> Any:
    """`kept`, of the shape of `x` with `axes` of size 1, without these axes."""
    axis = axes_argument("weighted_moments", None, axes, x.shape.rank)
    if axis is None:
        return F.reshape(kept, [])
    return F.squeeze(kept, list(axis)) if axis else kept


@op_function
def reduce_variance(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Any:
    """The variance over `axis`, the mean of (x − mean)²; NaN where there are no elements.

    input_tensor: floats. Raises AttributeValueError for an axis that does not exist.
    """
    return _both_moments(input_tensor, axis, keepdims, name or "reduce_variance")[1]


@op_function
def reduce_std(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Any:
    """The standard deviation over `axis`: the square root of `reduce_variance`."""
    with scope(name, "reduce_std") as last:
        return F.sqrt(reduce_variance(input_tensor, axis, keepdims), name=last)


# ---- norm ------------------------------------------------------------------------------------


def _norm(x: np.ndarray, axes: Axes, keepdims: bool) -> np.ndarray:
    return np.sqrt(np.sum(np.square(x), axis=axes, keepdims=keepdims))


def _norm_grad(F: Any, op: Any, g: Any) -> list[Any]:
    """x / ‖x‖, which is NaN where the norm is 0, as in TensorFlow."""
    return [op.inputs[0] * keep_axes(F, op, g / op.outputs[0])]


def _norm_lowering() -> Reduce:
    def lift(b: Any, x: Any, position: Any, ctx: LoweringContext) -> tuple:
        return (b.square(b.cast(x, accumulator(ctx.in_dtypes[0]))),)

    return Reduce(
        axes=lowered_axes,
        init=lambda b, ctx: (b.const(0, accumulator(ctx.in_dtypes[0])),),
        lift=lift, combine=lambda b, left, right: (left[0] + right[0],),
        finish=lambda b, total, count, ctx: (b.cast(b.sqrt(total[0]), ctx.out_dtypes[0]),))


def _norm_reference(x: np.ndarray, axis: Axes | None, keepdims: bool) -> np.ndarray:
    y = _norm(widen(x), run_axes(axis, x.ndim), keepdims)
    return np.asarray(y).astype(x.dtype, copy=False)


EUCLIDEAN_NORM = declare(
    "EuclideanNorm", "input_tensor: T", attrs=AXIS_ATTRS,
    infer=lambda c: [TensorType(c.dtype(0), reduced_shape(c))], reference=_norm_reference,
    grad=_norm_grad, lowering=_norm_lowering(), samples=lambda: axis_samples(0.5, 3.0),
    errors=axis_errors, T=dt.FLOATS)


@op_function
def reduce_euclidean_norm(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Any:
    """√Σx² over `axis`; 0 where there are no elements. input_tensor: floats."""
    return reduce_with(EUCLIDEAN_NORM, input_tensor, axis, keepdims, name)


# ---- log-sum-exp -----------------------------------------------------------------------------


def _logsumexp_reference(x: np.ndarray, axis: Axes | None, keepdims: bool) -> np.ndarray:
    wide, axes = widen(x), run_axes(axis, x.ndim)
    with np.errstate(all="ignore"):
        top = np.maximum.reduce(wide, axis=axes, keepdims=True, initial=-np.inf)
        top = np.where(np.isfinite(top), top, 0).astype(wide.dtype)
        total = np.add.reduce(np.exp(wide - top), axis=axes, keepdims=True)
        y = np.log(total) + top
    shape = y.shape if keepdims else [d for a, d in enumerate(x.shape) if a not in axes]
    return y.reshape(shape).astype(x.dtype, copy=False)


def _logsumexp_grad(F: Any, op: Any, g: Any) -> list[Any]:
    """The softmax of x: exp(x − y). Where y is −inf every exp(x) is 0, and so is the softmax."""
    y = op.outputs[0]
    finite = F.where(F.is_finite(y), y, F.zeros_like(y))
    return [F.exp(op.inputs[0] - keep_axes(F, op, finite)) * keep_axes(F, op, g)]


def _rescaled(b: Any, total: Any, top: Any, new_top: Any) -> Any:
    """Σexp(x − top) with another top; a top that is not finite counts as 0."""
    return total * b.exp(top - b.select(b.is_finite(new_top), new_top, 0.0))


def _logsumexp_combine(b: Any, left: tuple, right: tuple) -> tuple:
    """Largest element and scaled sum of two sets joined."""
    top = b.max(left[0], right[0])
    return top, _rescaled(b, left[1], left[0], top) + _rescaled(b, right[1], right[0], top)


def _logsumexp_lowering() -> Reduce:
    def constants(b: Any, ctx: LoweringContext) -> tuple:
        wide = accumulator(ctx.in_dtypes[0])
        return b.const(-np.inf, wide), b.const(0, wide)

    def lift(b: Any, x: Any, position: Any, ctx: LoweringContext) -> tuple:
        wide = accumulator(ctx.in_dtypes[0])
        return b.cast(x, wide), b.const(1, wide)

    def finish(b: Any, found: Sequence[Any], count: Any, ctx: LoweringContext) -> tuple:
        return (b.cast(b.log(found[1]) + found[0], ctx.out_dtypes[0]),)

    return Reduce(lowered_axes, constants, lift, _logsumexp_combine, finish, any_order=True)


LOG_SUM_EXP = declare(
    "LogSumExp", "input_tensor: T", attrs=AXIS_ATTRS,
    infer=lambda c: [TensorType(c.dtype(0), reduced_shape(c))], reference=_logsumexp_reference,
    grad=_logsumexp_grad, lowering=_logsumexp_lowering(), samples=axis_samples,
    errors=axis_errors, T=dt.FLOATS)


@op_function
def reduce_logsumexp(
    input_tensor: Any, axis: Any = None, keepdims: bool | None = None, name: str | None = None,
    reduction_indices: Any = None, keep_dims: bool | None = None,
) -> Any:
    """log Σexp(x) over `axis`, without overflow; −inf where there are no elements, or all −inf.

    input_tensor: floats. reduction_indices, keep_dims: the old names of `axis` and `keepdims`.
    """
    axis = renamed("LogSumExp", "axis", axis, "reduction_indices", reduction_indices)
    keepdims = renamed("LogSumExp", "keepdims", keepdims, "keep_dims", keep_dims)
    return reduce_with(LOG_SUM_EXP, input_tensor, axis, keepdims, name or "ReduceLogSumExp")
