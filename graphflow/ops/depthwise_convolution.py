"""Depthwise convolution: each input channel with its own filters; separable and dilated forms.

Depthwise filters are [height, width, cin, multiplier]: channel c gives the output channels
c · multiplier … (c + 1) · multiplier − 1. It is `conv2d` in cin groups of one channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F as OPS
from graphflow.builder import apply, convert, op_function, publish
from graphflow.dims import Dim, mul, never_negative, same
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.lowering import Composite
from graphflow.opdef import ErrorSample, Infer, Sample, TensorType
from graphflow.ops.arguments import failure, renamed, shape_argument
from graphflow.ops.convolution import conv_attrs
from graphflow.ops.convolution_family import ramp
from graphflow.ops.convolution_geometry import (
    WINDOW_ATTRS,
    channels_last,
    check_window_attrs,
    checked_axes,
    from_channels_last,
    image_shape,
    image_sizes,
    join_layout,
    split_layout,
    window_axes,
)
from graphflow.ops.declare import declare
from graphflow.ops.pooling_windows import places
from graphflow.ops.precision import widened
from graphflow.ops.scope import scope
from graphflow.shapes import TensorShape, unknown_shape

_ONES = (1, 1, 1, 1)
_ORDER = "[height, width, input channels, multiplier]"

# ---- inference --------------------------------------------------------------------------------


def _filter_sizes(c: Infer, i: int) -> tuple[Dim, ...]:
    shape = c.shape(i)
    if shape.rank not in (None, 4):
        raise c.error(f"{c.arg_name(i)} must have rank 4 {_ORDER}, got {c.show(i)}")
    return unknown_shape(4).sizes if shape.rank is None else shape.sizes


def _sizes_input(c: Infer, i: int) -> tuple[Dim, ...]:
    c.require_rank(i, 1)
    value = c.value(i)
    if value is None or len(value) != 4:
        if value is not None:
            raise c.error(f"{c.arg_name(i)} must be a vector of four sizes, got {c.show(i)}")
        return unknown_shape(4).sizes
    return TensorShape([d if never_negative(d) else None for d in value.tolist()]).sizes


def _out_shape(c: Infer, image: Sequence[Dim], window: Sequence[Dim]) -> TensorShape:
    n, h, w, cin = image
    if same(cin, window[2]) is False:
        raise c.error(f"input has {cin} channels, a depthwise filter for {window[2]}: "
                      f"{c.show(0)}, filter {list(window)}", f"A depthwise filter is {_ORDER}.")
    axes = checked_axes(c, (h, w), window[:2])
    return image_shape(n, [a.out for a in axes], mul(window[2], window[3]),
                       c.attrs["data_format"])


def _require_output(c: Infer, i: int, expected: TensorShape) -> None:
    if not c.shape(i).is_compatible_with(expected):
        raise c.error(f"{c.arg_name(i)} must have the shape {expected} that this convolution "
                      f"gives, got {c.show(i)}")


def _forward_type(c: Infer) -> list[TensorType]:
    check_window_attrs(c)
    return [TensorType(c.dtype(0), _out_shape(c, image_sizes(c, 0), _filter_sizes(c, 1)))]


def _backprop_input_type(c: Infer) -> list[TensorType]:
    check_window_attrs(c)
    sizes = _sizes_input(c, 2)
    image = split_layout(sizes, c.attrs["data_format"])
    _require_output(c, 0, _out_shape(c, image, _filter_sizes(c, 1)))
    return [TensorType(c.dtype(0), TensorShape.of(sizes))]


def _backprop_filter_type(c: Infer) -> list[TensorType]:
    check_window_attrs(c)
    sizes = _sizes_input(c, 2)
    _require_output(c, 1, _out_shape(c, image_sizes(c, 0), sizes))
    return [TensorType(c.dtype(0), TensorShape.of(sizes))]


# ---- references: one window position at a time ------------------------------------------------


def _per_channel(g: np.ndarray, channels: int) -> np.ndarray:
    """[…, cin · multiplier] as […, cin, multiplier]."""
    multiplier = g.shape[-1] // channels if channels else 0
    return g.reshape(*g.shape[:-1], channels, multiplier)


@widened
def _forward(input: np.ndarray, filter: np.ndarray, **attrs: Any) -> np.ndarray:
    x = channels_last(input, attrs["data_format"])
    axes = window_axes(x.shape[1:3], filter.shape[:2], attrs)
    out = np.zeros((x.shape[0], axes[0].out, axes[1].out, *filter.shape[2:]), x.dtype)
    for number, outputs, inputs in places(axes):
        out[outputs] += x[inputs][..., None] * filter[divmod(number, filter.shape[1])]
    merged = out.reshape(*out.shape[:3], filter.shape[2] * filter.shape[3])
    return from_channels_last(merged, attrs["data_format"])


@widened
def _backprop_input(
    out_backprop: np.ndarray, filter: np.ndarray, input_sizes: np.ndarray, **attrs: Any
) -> np.ndarray:
    g = _per_channel(channels_last(out_backprop, attrs["data_format"]), filter.shape[2])
    dx = np.zeros([int(d) for d in input_sizes], g.dtype)
    view = channels_last(dx, attrs["data_format"])
    for number, outputs, inputs in places(window_axes(view.shape[1:3], filter.shape[:2], attrs)):
        view[inputs] += (g[outputs] * filter[divmod(number, filter.shape[1])]).sum(-1)
    return dx


@widened
def _backprop_filter(
    input: np.ndarray, out_backprop: np.ndarray, filter_sizes: np.ndarray, **attrs: Any
) -> np.ndarray:
    x = channels_last(input, attrs["data_format"])
    df = np.zeros([int(d) for d in filter_sizes], x.dtype)
    g = _per_channel(channels_last(out_backprop, attrs["data_format"]), df.shape[2])
    for number, outputs, inputs in places(window_axes(x.shape[1:3], df.shape[:2], attrs)):
        terms = x[inputs][..., None] * g[outputs]
        df[divmod(number, df.shape[1])] = terms.sum((0, 1, 2))
    return df


# ---- gradients and lowerings ------------------------------------------------------------------


def _grouped(F: Any, filter: Any) -> Any:
    """The filter as `conv2d` takes it, for cin groups of one channel."""
    sizes = F.unstack(F.shape(filter), 4)
    return F.reshape(filter, F.stack([sizes[0], sizes[1], 1, sizes[2] * sizes[3]]))


def _expand_backprop_filter(
    F: Any, x: Any, out_backprop: Any, filter_sizes: Any, **attrs: Any
) -> Any:
    sizes = F.unstack(filter_sizes, 4)
    one = F.ones_like(sizes[0])
    grouped = F.stack([sizes[0], sizes[1], one, sizes[2] * sizes[3]])
    made = apply("Conv2DBackpropFilter", (x, out_backprop, grouped), attrs)
    return F.reshape(made, filter_sizes)


def _forward_grad(F: Any, op: Any, g: Any) -> list[Any]:
    x, f = op.inputs
    return [apply(BACKPROP_INPUT, (g, f, F.shape(x)), op.attrs),
            apply(BACKPROP_FILTER, (x, g, F.shape(f)), op.attrs)]


def _backprop_input_grad(F: Any, op: Any, gx: Any) -> list[Any]:
    out_backprop, f, _ = op.inputs
    return [apply(DEPTHWISE, (gx, f), op.attrs),
            apply(BACKPROP_FILTER, (gx, out_backprop, F.shape(f)), op.attrs), None]


def _backprop_filter_grad(F: Any, op: Any, gf: Any) -> list[Any]:
    x, out_backprop, _ = op.inputs
    return [apply(BACKPROP_INPUT, (out_backprop, gf, F.shape(x)), op.attrs),
            apply(DEPTHWISE, (x, gf), op.attrs), None]


# ---- samples and declarations -----------------------------------------------------------------


def _settings(**changes: Any) -> dict[str, Any]:
    return {"strides": (1, 1), "padding": "VALID", **changes}


_CASES: list[tuple[tuple, tuple, dict[str, Any]]] = [
    ((1, 3, 4, 2), (2, 2, 2, 2), _settings()),
    ((2, 3, 3, 2), (3, 2, 2, 1), _settings(padding="SAME", strides=(2, 2))),
    ((1, 4, 3, 3), (2, 2, 3, 1), _settings(data_format="NCHW")),
    ((1, 5, 4, 1), (2, 2, 1, 2), _settings(dilations=(3, 2))),
    ((1, 3, 3, 2), (2, 2, 2, 1), _settings(
        padding="EXPLICIT", explicit_paddings=((1, 0), (0, 2)))),
    ((0, 3, 3, 1), (2, 2, 1, 2), _settings()),
]


def _arrays() -> list[tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]]:
    """(image, filter, an array in the shape of the output, attributes) of each case."""
    found = []
    for image, sizes, attrs in _CASES:
        full = {**{k: a.default for k, a in WINDOW_ATTRS.items()}, **attrs}
        axes = window_axes(image[1:3], sizes[:2], full)
        layout = full["data_format"]
        out = join_layout(image[0], [a.out for a in axes], sizes[2] * sizes[3], layout)
        found.append((ramp(*join_layout(image[0], image[1:3], image[3], layout)),
                      ramp(*sizes)[::-1], ramp(*out)[:, ::-1], attrs))
    return found


def _forward_errors() -> list[ErrorSample]:
    x = ramp(1, 3, 3, 2)
    return [
        ErrorSample((x, ramp(2, 2, 3, 1)), _settings(), ShapeError,
                    "input has 2 channels, a depthwise filter for 3"),
        ErrorSample((x, ramp(2, 2, 2)), _settings(), ShapeError, "filter must have rank 4"),
        ErrorSample((x, ramp(4, 2, 2, 1)), _settings(), ShapeError, "is larger than the input"),
        ErrorSample((x, ramp(2, 2, 2, 1)), _settings(strides=(1,)), AttributeValueError,
                    "strides must be two"),
    ]


def _backprop_errors() -> list[ErrorSample]:
    f = ramp(2, 2, 2, 1)
    return [ErrorSample((ramp(1, 2, 2, 3), f, np.array([1, 3, 3, 2], np.int32)), _settings(),
                        ShapeError, r"out_backprop must have the shape \[1, 2, 2, 2\]"),
            ErrorSample((ramp(1, 2, 2, 2), f, np.array([3, 3, 2], np.int32)), _settings(),
                        ShapeError, "vector of four sizes")]


DEPTHWISE = declare(
    "DepthwiseConv2dNative", "input: T, filter: T", attrs=WINDOW_ATTRS, infer=_forward_type,
    reference=_forward, grad=_forward_grad,
    lowering=Composite(lambda F, x, f, **attrs: apply("Conv2D", (x, _grouped(F, f)), attrs)),
    samples=lambda: [Sample((x, f), attrs) for x, f, _, attrs in _arrays()],
    errors=_forward_errors, T=dt.FLOATS)

BACKPROP_INPUT = declare(
    "DepthwiseConv2dNativeBackpropInput", "out_backprop: T, filter: T, input_sizes: I",
    attrs=WINDOW_ATTRS, infer=_backprop_input_type, reference=_backprop_input,
    grad=_backprop_input_grad,
    lowering=Composite(lambda F, g, f, sizes, **attrs: apply(
        "Conv2DBackpropInput", (g, _grouped(F, f), sizes), attrs)),
    samples=lambda: [Sample((g, f, np.array(x.shape, np.int32)), attrs)
                     for x, f, g, attrs in _arrays()],
    errors=_backprop_errors, T=dt.FLOATS, I=dt.INDICES)

BACKPROP_FILTER = declare(
    "DepthwiseConv2dNativeBackpropFilter", "input: T, out_backprop: T, filter_sizes: I",
    attrs=WINDOW_ATTRS, infer=_backprop_filter_type, reference=_backprop_filter,
    grad=_backprop_filter_grad, lowering=Composite(_expand_backprop_filter),
    samples=lambda: [Sample((x, g, np.array(f.shape, np.int32)), attrs)
                     for x, f, g, attrs in _arrays()],
    errors=lambda: [ErrorSample(
        (ramp(1, 3, 3, 2), ramp(1, 2, 2, 3), np.array([2, 2, 2, 1], np.int32)), _settings(),
        ShapeError, r"out_backprop must have the shape \[1, 2, 2, 2\]")],
    T=dt.FLOATS, I=dt.INDICES)


# ---- public functions -------------------------------------------------------------------------


@op_function
def depthwise_conv2d_native(
    input: Any, filter: Any, strides: Any, padding: Any, data_format: str | None = "NHWC",
    dilations: Any = _ONES, name: str | None = None,
) -> Any:
    """Each channel of images convolved with filters of its own.

    input: as for `conv2d`; filter: [height, width, cin, multiplier] → cin · multiplier channels,
    those of input channel c at c · multiplier …. Other arguments and errors as in `conv2d`.
    """
    attrs = conv_attrs(DEPTHWISE.name, name, strides, padding, data_format, dilations)
    return apply(DEPTHWISE, (input, filter), attrs, name=name)


@op_function
def depthwise_conv2d(
    input: Any, filter: Any, strides: Any, padding: Any, rate: Any = None,
    name: str | None = None, data_format: str | None = None, dilations: Any = None,
) -> Any:
    """`depthwise_conv2d_native`, dilated by `rate` (or dilations): an int or one per axis.

    Raises AttributeValueError for a rate above 1 together with strides above 1, as TensorFlow.
    """
    op = "depthwise"
    rate = renamed(op, "rate", rate, "dilations", dilations)
    attrs = conv_attrs(op, name, strides, padding, data_format, rate)
    if max(attrs["dilations"]) > 1 and max(attrs["strides"]) > 1:
        raise failure(op, name, f"strides {list(attrs['strides'])} must be 1 where rate "
                                f"{list(attrs['dilations'])} is not")
    return apply(DEPTHWISE, (input, filter), attrs, name=name, default_name=op)


@op_function
def depthwise_conv2d_native_backprop_input(
    input_sizes: Any, filter: Any, out_backprop: Any, strides: Any, padding: Any,
    data_format: str | None = "NHWC", dilations: Any = _ONES, name: str | None = None,
) -> Any:
    """The gradient of `depthwise_conv2d_native` in its input, of shape `input_sizes`."""
    op = BACKPROP_INPUT.name
    attrs = conv_attrs(op, name, strides, padding, data_format, dilations)
    sizes = shape_argument(op, name, input_sizes, "input_sizes")
    return apply(BACKPROP_INPUT, (out_backprop, filter, sizes), attrs, name=name)


@op_function
def depthwise_conv2d_native_backprop_filter(
    input: Any, filter_sizes: Any, out_backprop: Any, strides: Any, padding: Any,
    data_format: str | None = "NHWC", dilations: Any = _ONES, name: str | None = None,
) -> Any:
    """The gradient of `depthwise_conv2d_native` in its filter, of shape `filter_sizes`."""
    op = BACKPROP_FILTER.name
    attrs = conv_attrs(op, name, strides, padding, data_format, dilations)
    sizes = shape_argument(op, name, filter_sizes, "filter_sizes")
    return apply(BACKPROP_FILTER, (input, out_backprop, sizes), attrs, name=name)


publish(depthwise_conv2d_native_backprop_input, "depthwise_conv2d_backprop_input")
publish(depthwise_conv2d_native_backprop_filter, "depthwise_conv2d_backprop_filter")


@op_function
def separable_conv2d(
    input: Any, depthwise_filter: Any, pointwise_filter: Any, strides: Any, padding: Any,
    rate: Any = None, name: str | None = None, data_format: str | None = None,
    dilations: Any = None,
) -> Any:
    """A depthwise convolution, then a 1 × 1 convolution that mixes the channels.

    depthwise_filter: [height, width, cin, multiplier]; pointwise_filter: [1, 1, cin · multiplier,
    cout]. strides, padding, rate (or dilations), data_format are those of the first one, as in
    `depthwise_conv2d`. Raises ShapeError if the filters do not fit.
    """
    op = "separable_conv2d"
    rate = renamed(op, "rate", rate, "dilations", dilations)
    with scope(name, op) as last:
        pointwise = convert(pointwise_filter)
        shape = pointwise.shape
        if shape.rank is not None and (shape.rank != 4 or any(
                same(size, 1) is False for size in shape.sizes[:2])):
            raise failure(op, name, "pointwise_filter must be [1, 1, channels, output channels], "
                                    f"got {shape}", cls=ShapeError)
        mixed = depthwise_conv2d(input, depthwise_filter, strides, padding, rate,
                                 name="depthwise", data_format=data_format)
        return OPS.conv2d(mixed, pointwise, 1, "VALID", data_format=data_format, name=last)


@op_function
def atrous_conv2d(
    value: Any, filters: Any, rate: int, padding: str, name: str | None = None
) -> Any:
    """`conv2d` of NHWC images with stride 1, its filter's elements `rate` apart ("à trous").

    Raises AttributeValueError for a rate below 1; other errors as in `conv2d`.
    """
    return OPS.convolution(value, filters, padding, dilation_rate=[rate, rate],
                           name=name)


@op_function
def atrous_conv2d_transpose(
    value: Any, filters: Any, output_shape: Any, rate: int, padding: str,
    name: str | None = None,
) -> Any:
    """The transpose of `atrous_conv2d`: filters [height, width, cout, cin].

    output_shape: the four sizes of the result. Errors as in `conv2d_transpose`.
    """
    return OPS.conv2d_transpose(
        value, filters, output_shape, 1, padding, dilations=[rate, rate],
        name=name or "atrous_conv2d_transpose")
