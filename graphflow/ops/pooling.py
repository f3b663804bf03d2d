"""Maximum and average over sliding windows, with gradients to any order.

The gradient of the maximum goes to the first largest element of a window in row-major order (as
TensorFlow's CPU kernels do); the average leaves padding out of the count.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function, publish
from graphflow.dims import same
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import Composite, LoweringContext, Window
from graphflow.opdef import ErrorSample, Infer, RunError, Sample, TensorType
from graphflow.ops.arguments import failure
from graphflow.ops.convolution_geometry import (
    check_window_attrs,
    checked_axes,
    from_nhwc,
    image_shape,
    join_layout,
    spatial_pair,
    split_layout,
    to_nhwc,
    window_attrs,
)
from graphflow.ops.declare import declare
from graphflow.ops.numerics import accumulator, lowest
from graphflow.ops.pooling_windows import (
    CASES,
    POOL_ATTRS,
    Axes,
    case_arrays,
    distinct,
    out_shape,
    places,
    pool_axes,
    pool_extents,
    pool_source,
    pooled_shape,
    require_shape,
    settings,
)
from graphflow.ops.precision import widened
from graphflow.shapes import TensorShape, unknown_shape

# ---- inference --------------------------------------------------------------------------------


def _pool_type(c: Infer) -> list[TensorType]:
    return [TensorType(c.dtype(0), pooled_shape(c))]


def _avg_grad_type(c: Infer) -> list[TensorType]:
    check_window_attrs(c)
    shape, value = c.shape(1), c.value(1)
    if shape.rank not in (None, 1) or (shape.rank == 1 and same(shape.sizes[0], 4) is False):
        raise c.error(f"orig_input_shape must be a vector of four sizes, got {c.show(1)}")
    sizes = unknown_shape(4).sizes if value is None else tuple(value.tolist())
    n, h, w, channels = split_layout(sizes, c.attrs["data_format"])
    axes = checked_axes(c, (h, w), c.attrs["ksize"])
    require_shape(c, 0, image_shape(
        n, axes[0].out, axes[1].out, channels, c.attrs["data_format"]))
    return [TensorType(c.dtype(0), TensorShape.of(sizes))]


# ---- references -------------------------------------------------------------------------------


def _max_pool(input: np.ndarray, ksize: tuple[int, int], **attrs: Any) -> np.ndarray:
    x = to_nhwc(input, attrs["data_format"])
    axes = pool_axes(x, ksize, attrs)
    out = np.full(out_shape(x, axes), lowest(dt.as_dtype(x.dtype)), x.dtype)
    for _, outputs, inputs in places(axes):
        np.maximum(out[outputs], x[inputs], out=out[outputs])
    return from_nhwc(out, attrs["data_format"])


def _inverse_counts(axes: Axes, dtype: np.dtype) -> np.ndarray:
    counts = axes[0].counts()[:, None, None] * axes[1].counts()[:, None]
    return (1 / np.maximum(counts, 1)).astype(dtype)


@widened
def _avg_pool(value: np.ndarray, ksize: tuple[int, int], **attrs: Any) -> np.ndarray:
    x = to_nhwc(value, attrs["data_format"])
    axes = pool_axes(x, ksize, attrs)
    out = np.zeros(out_shape(x, axes), x.dtype)
    for _, outputs, inputs in places(axes):
        out[outputs] += x[inputs]
    out *= _inverse_counts(axes, x.dtype)
    return from_nhwc(out, attrs["data_format"])


@widened
def _avg_pool_grad(
    grad: np.ndarray, orig_input_shape: np.ndarray, ksize: tuple[int, int], **attrs: Any
) -> np.ndarray:
    g = to_nhwc(grad, attrs["data_format"])
    dx = np.zeros([int(d) for d in orig_input_shape], g.dtype)
    view = to_nhwc(dx, attrs["data_format"])
    axes = pool_axes(view, ksize, attrs)
    if g.shape != out_shape(view, axes):
        raise RunError(
            InvalidArgumentError,
            f"grad has batch, height, width, channels {list(g.shape)}; the pool of "
            f"{list(view.shape)} has {list(out_shape(view, axes))}")
    g = g * _inverse_counts(axes, g.dtype)
    for _, outputs, inputs in places(axes):
        view[inputs] += g[outputs]
    return dx


# ---- gradients and lowerings ------------------------------------------------------------------


def _max_pool_gradient(F: Any, op: Any, g: Any) -> list[Any]:
    x, = op.inputs
    position = apply("MaxPoolPosition", (x,), op.attrs)
    return [apply("MaxPoolScatter", (g, position, F.shape(x)), op.attrs)]


def _avg_pool_gradient(F: Any, op: Any, g: Any) -> list[Any]:
    return [apply(AVG_POOL_GRAD, (g, F.shape(op.inputs[0])), op.attrs)]


def _avg_pool_grad_gradient(F: Any, op: Any, gg: Any) -> list[Any]:
    return [apply(AVG_POOL, (gg,), op.attrs), None]


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
    F: Any, grad: Any, orig_input_shape: Any, ksize: tuple[int, int], **attrs: Any
) -> Any:
    """The adjoint of a convolution with a filter of ones, of the gradient by the counts."""
    data_format = attrs["data_format"]
    sizes = F.unstack(orig_input_shape, 4)
    n, h, w, channels = split_layout(sizes, data_format)
    one = grad.dtype.numpy.type(1)
    image = F.fill(F.stack(join_layout(1, h, w, 1, data_format)), one)
    counts = apply("Conv2D", (image, F.fill([*ksize, 1, 1], one)), attrs)
    ones = F.fill(F.stack([*ksize, 1, channels]), one)
    return apply("Conv2DBackpropInput", (grad / counts, ones, orig_input_shape), attrs)


# ---- samples ----------------------------------------------------------------------------------


def _pool_samples() -> list[Sample]:
    return [Sample((x,), attrs) for x, _, attrs in map(case_arrays, CASES)]


def _avg_grad_samples() -> list[Sample]:
    return [Sample((g, np.array(x.shape, np.int32)), attrs)
            for x, g, attrs in map(case_arrays, CASES)]


def _pool_errors() -> list[ErrorSample]:
    x = distinct(1, 3, 4, 2)
    return [
        ErrorSample((x[0],), settings(), ShapeError,
                    r"must have rank 4 .*\[3, 4, 2\].*expand_dims"),
        ErrorSample((x,), settings((4, 1)), ShapeError,
                    r"window \[4, 1\] is larger than the input's height and width \[3, 4\]"),
        ErrorSample((x,), settings((0, 1)), AttributeValueError, "ksize must be two positive"),
        ErrorSample((x,), settings(strides=(1, 0)), AttributeValueError, "strides must be two"),
        ErrorSample((x,), settings(dilations=(2, 2)), AttributeValueError,
                    r"no dilations, got \[2, 2\]"),
        ErrorSample((x,), settings(padding="EXPLICIT", explicit_paddings=((2, 0), (0, 0))),
                    AttributeValueError, "smaller than the window"),
        ErrorSample((x,), settings(data_format="CHWN"), AttributeValueError, "data_format"),
    ]


def _avg_grad_errors() -> list[ErrorSample]:
    x, sizes = distinct(1, 4, 4, 1), np.array([1, 4, 4, 1], np.int32)
    return [ErrorSample((x, sizes), settings(), ShapeError,
                        r"grad must have the shape \[1, 2, 2, 1\]"),
            ErrorSample((x, sizes[:2]), settings(), ShapeError, "vector of four sizes")]


# ---- declarations -----------------------------------------------------------------------------

MAX_POOL = declare(
    "MaxPool", "input: T", attrs=POOL_ATTRS, infer=_pool_type, reference=_max_pool,
    grad=_max_pool_gradient, lowering=_MAX_WINDOW, samples=_pool_samples, errors=_pool_errors,
    T=dt.REALS)

AVG_POOL = declare(
    "AvgPool", "value: T", attrs=POOL_ATTRS, infer=_pool_type, reference=_avg_pool,
    grad=_avg_pool_gradient, lowering=_AVG_WINDOW, samples=_pool_samples, errors=_pool_errors,
    T=dt.FLOATS)

AVG_POOL_GRAD = declare(
    "AvgPoolGrad", "grad: T, orig_input_shape: I", attrs=POOL_ATTRS, infer=_avg_grad_type,
    reference=_avg_pool_grad, grad=_avg_pool_grad_gradient, lowering=Composite(_expand_avg_grad),
    samples=_avg_grad_samples, errors=_avg_grad_errors, T=dt.FLOATS, I=dt.INDICES)


# ---- public functions -------------------------------------------------------------------------


@op_function
def max_pool(
    value: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Any:
    """The largest element of each window.

    value (or input): [batch, height, width, channels], or [batch, channels, height, width] with
      data_format "NCHW"; any real dtype. NaN is larger than everything.
    ksize, strides: an int, or a list of 1, 2 (height, width) or 4 ints (`data_format` order; 1
      for batch and channels).
    padding: "SAME", "VALID", or four pairs [before, after]; padding is never the largest.
    Its gradient goes to the first largest element of a window, in row-major order.
    Raises ShapeError for another rank and for a window larger than the image,
    AttributeValueError for ksize, strides, padding or data_format that make no sense.
    """
    return _pool(MAX_POOL, value, ksize, strides, padding, data_format, name, input)


@op_function
def avg_pool(
    value: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Any:
    """The mean of each window, of its elements inside the image (padding is not counted).

    value (or input): images of a float dtype; other arguments and errors as in `max_pool`.
    """
    return _pool(AVG_POOL, value, ksize, strides, padding, data_format, name, input)


@op_function
def max_pool2d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = "NHWC",
    name: str | None = None,
) -> Any:
    """`max_pool`, with its first argument under the name that TensorFlow gives it here."""
    return _pool(MAX_POOL, input, ksize, strides, padding, data_format, name, None)


publish(avg_pool, "avg_pool2d")


def _pool(
    opdef: Any, value: Any, ksize: Any, strides: Any, padding: Any, data_format: Any,
    name: str | None, alias: Any,
) -> Any:
    op = opdef.name
    if (value is None) == (alias is None):
        problem = "is missing" if value is None else "and input are both given"
        raise failure(op, name, f"value {problem}", "Give value or input.")
    for argument, given in (("ksize", ksize), ("strides", strides), ("padding", padding)):
        if given is None:
            raise failure(op, name, f"{argument} is missing", "For example "
                                 "ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding='SAME'.")
    attrs = window_attrs(op, name, strides, padding, data_format)
    attrs["ksize"] = spatial_pair(op, name, "ksize", ksize, attrs["data_format"])
    return apply(opdef, (alias if value is None else value,), attrs, name=name)
