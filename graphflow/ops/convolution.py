"""Two-dimensional convolution and its two adjoints.

Images are [batch, height, width, channels] ("NHWC") or [batch, channels, height, width] ("NCHW");
filters are [height, width, input channels / groups, output channels].
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.builder import apply, op_function
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.opdef import ErrorSample
from graphflow.ops.arguments import failure, shape_argument
from graphflow.ops.convolution_family import declare_convolution
from graphflow.ops.convolution_family import ramp as _ramp
from graphflow.ops.convolution_geometry import WINDOW_ATTRS, window_attrs

# ---- samples ----------------------------------------------------------------------------------


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

_FAMILY = declare_convolution(
    ("Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter"), WINDOW_ATTRS, _CASES,
    (_forward_errors, _backprop_input_errors, _backprop_filter_errors))
CONV2D = _FAMILY.forward
BACKPROP_INPUT = _FAMILY.backprop_input
BACKPROP_FILTER = _FAMILY.backprop_filter


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
    filter = one_of("Conv2D", name, "filter", filter, "filters", filters)
    attrs = conv_attrs("Conv2D", name, strides, padding, data_format, dilations)
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
    filter = one_of(op, name, "filter", filter, "filters", filters)
    attrs = conv_attrs(op, name, strides, padding, data_format, dilations)
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
    attrs = conv_attrs(op, name, strides, padding, data_format, dilations)
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
    value = one_of(op, name, "value", value, "input", input)
    filter = one_of(op, name, "filter", filter, "filters", filters)
    if output_shape is None:
        raise failure(op, name, "output_shape is missing",
                      "Give the four sizes of the result.")
    attrs = conv_attrs(op, name, strides, padding, data_format, dilations)
    sizes = shape_argument(op, name, output_shape, "output_shape")
    return apply(BACKPROP_INPUT, (value, filter, sizes), attrs, name=name,
                 default_name=op)


def one_of(
    op: str, name: str | None, first: str, value: Any, alias: str, other: Any
) -> Any:
    """The argument given under its name or its alias. Raises AttributeValueError otherwise."""
    if (value is None) == (other is None):
        problem = "is missing" if value is None else f"and {alias} are both given"
        raise failure(op, name, f"{first} {problem}", f"Give {first} or {alias}.")
    return other if value is None else value


def conv_attrs(
    op: str, name: str | None, strides: Any, padding: Any, data_format: Any, dilations: Any,
    axes: int = 2,
) -> dict[str, Any]:
    """`window_attrs`, with strides and padding required."""
    for argument, value in (("strides", strides), ("padding", padding)):
        if value is None:
            raise failure(op, name, f"{argument} is missing",
                          f"For example strides={[1] * (axes + 2)}, padding='SAME'.")
    return window_attrs(op, name, strides, padding, data_format, dilations, axes)
