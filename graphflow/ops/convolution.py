"""Two-dimensional convolution and its two adjoints; each differentiates to the other two.

As in TensorFlow, "convolution" does not flip the filter: output[o] = Σ input[o·s + k·d − pad] ·
filter[k]. Images are [batch, height, width, channels] ("NHWC") or [batch, channels, height,
width] ("NCHW"); filters are [height, width, input channels / groups, output channels].
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function
from graphflow.dims import Dim, never_negative, same
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.opdef import ErrorSample, Infer, Sample, TensorType
from graphflow.ops import convolution_lowering, convolution_reference
from graphflow.ops.arguments import failure, shape_argument
from graphflow.ops.convolution_geometry import (
    LAYOUTS,
    WINDOW_ATTRS,
    check_window_attrs,
    checked_axes,
    image_shape,
    image_sizes,
    join_layout,
    split_layout,
    window_attrs,
    window_axes,
)
from graphflow.ops.declare import declare
from graphflow.shapes import TensorShape, unknown_shape

# ---- inference --------------------------------------------------------------------------------


def _filter_sizes(c: Infer, i: int) -> tuple[Dim, ...]:
    shape = c.shape(i)
    if shape.rank is None:
        shape = unknown_shape(4)
    if shape.rank != 4:
        raise c.error(
            f"{c.arg_name(i)} must have rank 4 [height, width, input channels, output channels], "
            f"got {c.show(i)}")
    return shape.sizes


def _sizes_input(c: Infer, i: int) -> tuple[Dim, ...]:
    """The four sizes that integer input `i` holds, fresh symbols where they are not known."""
    shape, value = c.shape(i), c.value(i)
    if shape.rank not in (None, 1) or (shape.rank == 1 and same(shape.sizes[0], 4) is False):
        raise c.error(f"{c.arg_name(i)} must be a vector of four sizes, got {c.show(i)}")
    if value is None:
        return unknown_shape(4).sizes
    return TensorShape([d if never_negative(d) else None for d in value.tolist()]).sizes


def _check_channels(c: Infer, cin: Dim, group_in: Dim, cout: Dim, what: str) -> None:
    """Raises ShapeError unless the channels fit, in groups if the filter has fewer."""
    if same(cin, group_in) is not False:
        return
    problem = f"input has {cin} channels, filter expects {group_in}: {what}"
    if not (isinstance(cin, int) and isinstance(group_in, int)):
        return
    if group_in and not cin % group_in:
        groups = cin // group_in
        if not isinstance(cout, int) or not cout % groups:
            return
        problem += (f" (in {groups} groups of channels, the filter's {cout} output channels would "
                    f"have to be a multiple of {groups})")
    fix = "A filter is [height, width, input channels, output channels]."
    other = {"NHWC": "NCHW", "NCHW": "NHWC"}[c.attrs["data_format"]]
    image = c.shape(0)
    if image.rank == 4 and same(image.sizes[LAYOUTS[other][3]], group_in):
        fix = f"Did you mean data_format='{other}'?"
    raise c.error(problem, fix)


def _forward_type(c: Infer) -> list[TensorType]:
    check_window_attrs(c)
    n, h, w, cin = image_sizes(c, 0)
    kh, kw, group_in, cout = _filter_sizes(c, 1)
    _check_channels(c, cin, group_in, cout, f"{c.show(0)}, {c.show(1)}")
    height, width = checked_axes(c, (h, w), (kh, kw))
    shape = image_shape(n, height.out, width.out, cout, c.attrs["data_format"])
    return [TensorType(c.dtype(0), shape)]


def _check_backprop(c: Infer, gradient: int, image: tuple, filter_sizes: tuple) -> None:
    """Raises ShapeError unless input `gradient` has the shape that the convolution gives."""
    n, h, w, cin = image
    kh, kw, group_in, cout = filter_sizes
    _check_channels(c, cin, group_in, cout, f"input {_listed(image)}, filter "
                                            f"{_listed(filter_sizes)}")
    height, width = checked_axes(c, (h, w), (kh, kw))
    expected = (n, height.out, width.out, cout)
    if any(same(a, b) is False for a, b in zip(image_sizes(c, gradient), expected)):
        shape = image_shape(*expected, c.attrs["data_format"])
        raise c.error(f"{c.arg_name(gradient)} must have the shape {shape} that this convolution "
                      f"gives, got {c.show(gradient)}")


def _listed(sizes: tuple) -> str:
    return f"[{', '.join(map(str, sizes))}]"


def _backprop_input_type(c: Infer) -> list[TensorType]:
    check_window_attrs(c)
    sizes = _sizes_input(c, 2)
    image = split_layout(sizes, c.attrs["data_format"])
    _check_backprop(c, 0, image, _filter_sizes(c, 1))
    return [TensorType(c.dtype(0), TensorShape.of(sizes))]


def _backprop_filter_type(c: Infer) -> list[TensorType]:
    check_window_attrs(c)
    sizes = _sizes_input(c, 2)
    _check_backprop(c, 1, image_sizes(c, 0), sizes)
    return [TensorType(c.dtype(0), TensorShape.of(sizes))]


# ---- gradients --------------------------------------------------------------------------------


def _forward_grad(F: Any, op: Any, g: Any) -> list[Any]:
    x, f = op.inputs
    return [apply(BACKPROP_INPUT, (g, f, F.shape(x)), op.attrs),
            apply(BACKPROP_FILTER, (x, g, F.shape(f)), op.attrs)]


def _backprop_input_grad(F: Any, op: Any, gx: Any) -> list[Any]:
    """The op is linear in out_backprop and in the filter, and the adjoint of `Conv2D`."""
    out_backprop, f, _ = op.inputs
    return [apply(CONV2D, (gx, f), op.attrs),
            apply(BACKPROP_FILTER, (gx, out_backprop, F.shape(f)), op.attrs), None]


def _backprop_filter_grad(F: Any, op: Any, gf: Any) -> list[Any]:
    x, out_backprop, _ = op.inputs
    return [apply(BACKPROP_INPUT, (out_backprop, gf, F.shape(x)), op.attrs),
            apply(CONV2D, (x, gf), op.attrs), None]


# ---- samples ----------------------------------------------------------------------------------


def _ramp(*sizes: int) -> np.ndarray:
    """Distinct small numbers of both signs."""
    count = int(np.prod(sizes))
    return (np.arange(count, dtype=np.float64) * 7 % 11 - 5).reshape(sizes) / 4


def _settings(**changes: Any) -> dict[str, Any]:
    return {"strides": (1, 1), "padding": "VALID", **changes}


_CASES: list[tuple[tuple, tuple, dict[str, Any]]] = [
    # image sizes in NHWC, filter sizes, attributes
    ((2, 4, 5, 1), (2, 3, 1, 2), _settings()),
    ((1, 5, 4, 2), (3, 3, 2, 1), _settings(padding="SAME")),
    ((1, 5, 6, 1), (3, 2, 1, 2), _settings(padding="SAME", strides=(2, 3))),
    ((1, 4, 5, 2), (2, 2, 2, 2), _settings(data_format="NCHW", strides=(1, 2))),
    ((1, 6, 5, 1), (2, 3, 1, 1), _settings(dilations=(3, 2))),
    ((1, 5, 5, 1), (3, 3, 1, 1), _settings(dilations=(2, 1), padding="SAME")),
    ((1, 3, 4, 1), (2, 2, 1, 1), _settings(
        padding="EXPLICIT", explicit_paddings=((2, 0), (0, 3)), strides=(2, 1))),
    ((1, 3, 3, 4), (2, 2, 2, 4), _settings()),
    ((1, 3, 3, 3), (1, 1, 3, 2), _settings(padding="SAME", strides=(3, 2))),
    ((0, 3, 3, 1), (2, 2, 1, 1), _settings()),
    ((1, 0, 3, 1), (2, 2, 1, 1), _settings(padding="SAME")),
]


def _case_arrays(case: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    """(image, filter, an array in the shape of the output, attributes)."""
    image, filter_sizes, attrs = case
    axes = window_axes(image[1:3], filter_sizes[:2], {
        **{k: a.default for k, a in WINDOW_ATTRS.items()}, **attrs})
    data_format = attrs.get("data_format", "NHWC")
    n, h, w, cin = image
    out = join_layout(n, axes[0].out, axes[1].out, filter_sizes[3], data_format)
    return (_ramp(*join_layout(n, h, w, cin, data_format)), _ramp(*filter_sizes)[::-1],
            _ramp(*out)[:, ::-1], attrs)


def _forward_samples() -> list[Sample]:
    return [Sample((x, f), attrs) for x, f, _, attrs in map(_case_arrays, _CASES)]


def _backprop_input_samples() -> list[Sample]:
    return [Sample((g, f, np.array(x.shape, np.int32)), attrs)
            for x, f, g, attrs in map(_case_arrays, _CASES)]


def _backprop_filter_samples() -> list[Sample]:
    return [Sample((x, g, np.array(f.shape, np.int32)), attrs)
            for x, f, g, attrs in map(_case_arrays, _CASES)]


def _forward_errors() -> list[ErrorSample]:
    x, f = _ramp(1, 4, 4, 3), _ramp(2, 2, 3, 2)
    return [
        ErrorSample((x, _ramp(2, 2, 2, 2)), _settings(), ShapeError,
                    r"input has 3 channels, filter expects 2: input \[1, 4, 4, 3\]"),
        ErrorSample((x, _ramp(2, 2, 1, 2)), _settings(), ShapeError,
                    "input has 3 channels, filter expects 1.*multiple of 3"),
        ErrorSample((_ramp(1, 3, 4, 5), f), _settings(), ShapeError,
                    "Did you mean data_format='NCHW'"),
        ErrorSample((_ramp(4, 48), f), _settings(), ShapeError,
                    r"input must have rank 4 .*got input \[4, 48\].*gf.reshape"),
        ErrorSample((x, _ramp(2, 2)), _settings(), ShapeError, "filter must have rank 4"),
        ErrorSample((x, _ramp(5, 2, 3, 2)), _settings(), ShapeError,
                    r"window \[5, 2\] is larger than the input's height and width \[4, 4\]"),
        ErrorSample((x, f), _settings(strides=(0, 1)), AttributeValueError, "strides must be"),
        ErrorSample((x, f), _settings(dilations=(1,)), AttributeValueError, "dilations must be"),
        ErrorSample((x, f), _settings(padding="EXPLICIT"), AttributeValueError,
                    "explicit_paddings"),
        ErrorSample((x, f), _settings(padding="FULL"), AttributeValueError, "padding"),
    ]


def _backprop_input_errors() -> list[ErrorSample]:
    f = _ramp(2, 2, 3, 2)
    sizes = np.array([1, 4, 4, 3], np.int32)
    return [
        ErrorSample((_ramp(1, 4, 4, 2), f, sizes), _settings(), ShapeError,
                    r"out_backprop must have the shape \[1, 3, 3, 2\]"),
        ErrorSample((_ramp(1, 3, 3, 2), f, sizes[:3]), _settings(), ShapeError, "four sizes"),
    ]


def _backprop_filter_errors() -> list[ErrorSample]:
    sizes = np.array([2, 2, 3, 2], np.int32)
    return [
        ErrorSample((_ramp(1, 4, 4, 3), _ramp(1, 4, 4, 2), sizes), _settings(), ShapeError,
                    r"out_backprop must have the shape \[1, 3, 3, 2\]"),
        ErrorSample((_ramp(1, 4, 4, 2), _ramp(1, 3, 3, 2), sizes), _settings(), ShapeError,
                    "input has 2 channels, filter expects 3"),
    ]


# ---- declarations -----------------------------------------------------------------------------

CONV2D = declare(
    "Conv2D", "input: T, filter: T", attrs=WINDOW_ATTRS, infer=_forward_type,
    reference=convolution_reference.conv2d, grad=_forward_grad,
    lowering=convolution_lowering.FORWARD,
    samples=_forward_samples, errors=_forward_errors, T=dt.FLOATS)

BACKPROP_INPUT = declare(
    "Conv2DBackpropInput", "out_backprop: T, filter: T, input_sizes: I", attrs=WINDOW_ATTRS,
    infer=_backprop_input_type, reference=convolution_reference.conv2d_backprop_input,
    grad=_backprop_input_grad,
    lowering=convolution_lowering.BACKPROP_INPUT,
    samples=_backprop_input_samples, errors=_backprop_input_errors, T=dt.FLOATS, I=dt.INDICES)

BACKPROP_FILTER = declare(
    "Conv2DBackpropFilter", "input: T, out_backprop: T, filter_sizes: I", attrs=WINDOW_ATTRS,
    infer=_backprop_filter_type, reference=convolution_reference.conv2d_backprop_filter,
    grad=_backprop_filter_grad,
    lowering=convolution_lowering.BACKPROP_FILTER,
    samples=_backprop_filter_samples, errors=_backprop_filter_errors, T=dt.FLOATS, I=dt.INDICES)


# ---- public functions -------------------------------------------------------------------------


@op_function
def conv2d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str | None = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
    filters: Any = None,
) -> Any:
    """The convolution of images: output[o] = Σ input[o·stride + k·dilation − pad] · filter[k].

    input: [batch, height, width, cin], or [batch, cin, height, width] with data_format "NCHW".
    filter (or filters): [height, width, cin / groups, cout]; with fewer input channels than
      the image has, the channels are convolved in groups.
    strides, dilations: an int, or a list of 1, 2 (height, width) or 4 ints (`data_format` order).
    padding: "SAME" (⌈size / stride⌉ outputs), "VALID" (windows inside the image only), or four
      pairs [before, after] in the order of `data_format`.
    Raises ShapeError if ranks or channels do not fit or the window is larger than the image,
    AttributeValueError for strides, padding, data_format or dilations that make no sense.
    """
    filter = _one_of("Conv2D", name, "filter", filter, "filters", filters)
    attrs = _conv_attrs("Conv2D", name, strides, padding, data_format, dilations)
    return apply(CONV2D, (input, filter), attrs, name=name)


@op_function
def conv2d_backprop_input(
    input_sizes: Any,
    filter: Any = None,
    out_backprop: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str | None = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
    filters: Any = None,
) -> Any:
    """The gradient of `conv2d` in its input, of shape `input_sizes` (four integers).

    out_backprop: the gradient in the output; other arguments and errors as in `conv2d`.
    """
    op = "Conv2DBackpropInput"
    filter = _one_of(op, name, "filter", filter, "filters", filters)
    attrs = _conv_attrs(op, name, strides, padding, data_format, dilations)
    sizes = shape_argument(op, name, input_sizes, "input_sizes")
    return apply(BACKPROP_INPUT, (out_backprop, filter, sizes), attrs, name=name)


@op_function
def conv2d_backprop_filter(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    use_cudnn_on_gpu: bool = True,
    data_format: str | None = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> Any:
    """The gradient of `conv2d` in its filter, of shape `filter_sizes` (four integers).

    out_backprop: the gradient in the output; other arguments and errors as in `conv2d`.
    """
    op = "Conv2DBackpropFilter"
    attrs = _conv_attrs(op, name, strides, padding, data_format, dilations)
    sizes = shape_argument(op, name, filter_sizes, "filter_sizes")
    return apply(BACKPROP_FILTER, (input, out_backprop, sizes), attrs, name=name)


@op_function
def conv2d_transpose(
    value: Any = None,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = None,
    padding: Any = "SAME",
    data_format: str | None = "NHWC",
    name: str | None = None,
    input: Any = None,
    filters: Any = None,
    dilations: Any = None,
) -> Any:
    """The transpose of `conv2d` ("deconvolution"): from a convolution's output to its input.

    value (or input): images with cin channels; filter (or filters): [height, width, cout, cin];
    output_shape: the four sizes of the result, whose channels are cout. strides, padding,
    data_format, dilations as in `conv2d`. Raises ShapeError if `conv2d` of an image of
    `output_shape` would not have the shape of `value`.
    """
    op = "conv2d_transpose"
    value = _one_of(op, name, "value", value, "input", input)
    filter = _one_of(op, name, "filter", filter, "filters", filters)
    if output_shape is None:
        raise failure(op, name, "output_shape is missing",
                             "Give the four sizes of the result.")
    attrs = _conv_attrs(op, name, strides, padding, data_format, dilations)
    sizes = shape_argument(op, name, output_shape, "output_shape")
    return apply(BACKPROP_INPUT, (value, filter, sizes), attrs, name=name,
                 default_name=op)


def _one_of(
    op: str, name: str | None, first: str, value: Any, alias: str, other: Any
) -> Any:
    if (value is None) == (other is None):
        problem = "is missing" if value is None else f"and {alias} are both given"
        raise failure(op, name, f"{first} {problem}", f"Give {first} or {alias}.")
    return other if value is None else value


def _conv_attrs(
    op: str, name: str | None, strides: Any, padding: Any, data_format: Any, dilations: Any
) -> dict[str, Any]:
    for argument, value in (("strides", strides), ("padding", padding)):
        if value is None:
            raise failure(op, name, f"{argument} is missing",
                                 "For example strides=[1, 1, 1, 1], padding='SAME'.")
    return window_attrs(op, name, strides, padding, data_format, dilations)
