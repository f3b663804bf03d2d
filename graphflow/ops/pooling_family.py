"""Maximum and average over sliding windows, with gradients to any order.

`declare_pooling` makes the ops of one number of spatial axes. The gradient of the maximum goes to
the first largest element of a window in row-major order (as TensorFlow's CPU kernels do); the
average leaves padding out of the count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply
from graphflow.dims import same
from graphflow.errors import InvalidArgumentError
from graphflow.lowering import Composite, LoweringContext, Window
from graphflow.opdef import Attr, ErrorSample, Infer, OpDef, RunError, Sample, TensorType
from graphflow.ops.convolution_geometry import (
    channels_last,
    check_window_attrs,
    checked_axes,
    from_channels_last,
    image_shape,
    join_layout,
    split_layout,
)
from graphflow.ops.declare import declare
from graphflow.ops.numerics import accumulator, lowest
from graphflow.ops.pooling_positions import Positions
from graphflow.ops.pooling_windows import (
    Axes,
    case_arrays,
    out_shape,
    places,
    pool_axes,
    pool_extents,
    pool_source,
    pooled_shape,
    require_shape,
)
from graphflow.ops.precision import widened
from graphflow.shapes import TensorShape, unknown_shape

Errors = Callable[[], Sequence[ErrorSample]]


@dataclass(frozen=True, slots=True)
class Pools:
    """The ops of one number of spatial axes."""

    maximum: OpDef
    average: OpDef
    average_grad: OpDef


# ---- inference --------------------------------------------------------------------------------


def _pool_type(c: Infer) -> list[TensorType]:
    return [TensorType(c.dtype(0), pooled_shape(c))]


def _avg_grad_type(c: Infer) -> list[TensorType]:
    check_window_attrs(c)
    shape, value = c.shape(1), c.value(1)
    rank = len(c.attrs["data_format"])
    if shape.rank not in (None, 1) or (shape.rank == 1 and same(shape.sizes[0], rank) is False):
        raise c.error(f"orig_input_shape must be a vector of {rank} sizes, got {c.show(1)}")
    sizes = unknown_shape(rank).sizes if value is None else tuple(value.tolist())
    n, *spatial, channels = split_layout(sizes, c.attrs["data_format"])
    axes = checked_axes(c, spatial, c.attrs["ksize"])
    require_shape(c, 0, image_shape(
        n, [a.out for a in axes], channels, c.attrs["data_format"]))
    return [TensorType(c.dtype(0), TensorShape.of(sizes))]


# ---- references -------------------------------------------------------------------------------


def _max_pool(input: np.ndarray, ksize: tuple[int, ...], **attrs: Any) -> np.ndarray:
    x = channels_last(input, attrs["data_format"])
    axes = pool_axes(x, ksize, attrs)
    out = np.full(out_shape(x, axes), lowest(dt.as_dtype(x.dtype)), x.dtype)
    for _, outputs, inputs in places(axes):
        np.maximum(out[outputs], x[inputs], out=out[outputs])
    return from_channels_last(out, attrs["data_format"])


def _inverse_counts(axes: Axes, dtype: np.dtype) -> np.ndarray:
    counts = np.ones((), np.int64)
    for axis in axes:
        counts = counts[..., None] * axis.counts()
    return (1 / np.maximum(counts, 1))[..., None].astype(dtype)


@widened
def _avg_pool(value: np.ndarray, ksize: tuple[int, ...], **attrs: Any) -> np.ndarray:
    x = channels_last(value, attrs["data_format"])
    axes = pool_axes(x, ksize, attrs)
    out = np.zeros(out_shape(x, axes), x.dtype)
    for _, outputs, inputs in places(axes):
        out[outputs] += x[inputs]
    out *= _inverse_counts(axes, x.dtype)
    return from_channels_last(out, attrs["data_format"])


@widened
def _avg_pool_grad(
    grad: np.ndarray, orig_input_shape: np.ndarray, ksize: tuple[int, ...], **attrs: Any
) -> np.ndarray:
    g = channels_last(grad, attrs["data_format"])
    dx = np.zeros([int(d) for d in orig_input_shape], g.dtype)
    view = channels_last(dx, attrs["data_format"])
    axes = pool_axes(view, ksize, attrs)
    if g.shape != out_shape(view, axes):
        raise RunError(
            InvalidArgumentError,
            f"grad has batch, spatial sizes, channels {list(g.shape)}; the pool of "
            f"{list(view.shape)} has {list(out_shape(view, axes))}")
    g = g * _inverse_counts(axes, g.dtype)
    for _, outputs, inputs in places(axes):
        view[inputs] += g[outputs]
    return dx


# ---- lowerings --------------------------------------------------------------------------------


def _mean_of_inside(b: Any, total: tuple, count: Any, ctx: LoweringContext) -> tuple:
    mean = total[0] / b.cast(b.max(count, 1), total[0].dtype)
    return (b.cast(mean, ctx.out_dtypes[0]),)


_MAX_WINDOW = Window(
    extents=pool_extents, source=pool_source,
    init=lambda b, ctx: (b.const(lowest(ctx.in_dtypes[0]), ctx.in_dtypes[0]),),
    lift=lambda b, x, position, ctx: (x,),
    combine=lambda b, left, right: (b.max(left[0], right[0]),),
    finish=lambda b, total, count, ctx: total)

_AVG_WINDOW = Window(
    extents=pool_extents, source=pool_source,
    init=lambda b, ctx: (b.const(0.0, accumulator(ctx.in_dtypes[0])),),
    lift=lambda b, x, position, ctx: (b.cast(x, accumulator(ctx.in_dtypes[0])),),
    combine=lambda b, left, right: (left[0] + right[0],),
    finish=_mean_of_inside)


def _expand_avg_grad(
    F: Any, grad: Any, orig_input_shape: Any, ksize: tuple[int, ...], **attrs: Any
) -> Any:
    """The adjoint of a convolution with a filter of ones, of the gradient by the counts."""
    data_format = attrs["data_format"]
    conv, back = (("Conv2D", "Conv2DBackpropInput") if len(ksize) == 2 else
                  ("Conv3D", "Conv3DBackpropInputV2"))
    sizes = F.unstack(orig_input_shape, len(data_format))
    _, *spatial, channels = split_layout(sizes, data_format)
    one = grad.dtype.numpy.type(1)
    image = F.fill(F.stack(join_layout(1, spatial, 1, data_format)), one)
    counts = apply(conv, (image, F.fill([*ksize, 1, 1], one)), attrs)
    ones = F.fill(F.stack([*ksize, 1, channels]), one)
    return apply(back, (grad / counts, ones, orig_input_shape), attrs)


# ---- declarations -----------------------------------------------------------------------------


def declare_pooling(
    names: tuple[str, str, str], schema: dict[str, Attr], cases: list[tuple],
    positions: Positions, errors: Errors, grad_errors: Errors,
) -> Pools:
    """Maximum, average and the average's gradient under TensorFlow's `names`.

    cases: (image sizes with channels last, attributes), the samples of all three.
    positions: the ops that the maximum's gradient is made of.
    """
    made: list[Pools] = []

    def maximum_grad(F: Any, op: Any, g: Any) -> list[Any]:
        x, = op.inputs
        position = apply(positions.position, (x,), op.attrs)
        return [apply(positions.scatter, (g, position, F.shape(x)), op.attrs)]

    def average_grad(F: Any, op: Any, g: Any) -> list[Any]:
        return [apply(made[0].average_grad, (g, F.shape(op.inputs[0])), op.attrs)]

    def average_grad_grad(F: Any, op: Any, gg: Any) -> list[Any]:
        return [apply(made[0].average, (gg,), op.attrs), None]

    def samples() -> list[Sample]:
        return [Sample((x,), attrs) for x, _, attrs in (case_arrays(c, schema) for c in cases)]

    made.append(Pools(
        declare(
            names[0], "input: T", attrs=schema, infer=_pool_type, reference=_max_pool,
            grad=maximum_grad, lowering=_MAX_WINDOW, samples=samples, errors=errors, depth=2,
            T=dt.REALS),
        declare(
            names[1], "value: T", attrs=schema, infer=_pool_type, reference=_avg_pool,
            grad=average_grad, lowering=_AVG_WINDOW, samples=samples, errors=errors, depth=2,
            T=dt.FLOATS),
        declare(
            names[2], "grad: T, orig_input_shape: I", attrs=schema, infer=_avg_grad_type,
            reference=_avg_pool_grad, grad=average_grad_grad,
            lowering=Composite(_expand_avg_grad),
            samples=lambda: [
                Sample((g, np.array(x.shape, np.int32)), attrs)
                for x, g, attrs in (case_arrays(c, schema) for c in cases)],
            errors=grad_errors, depth=2, T=dt.FLOATS, I=dt.INDICES)))
    return made[0]
