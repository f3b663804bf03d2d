"""Three-dimensional convolution, over volumes or videos, and its adjoints.

Volumes are [batch, depth, height, width, channels] ("NDHWC") or [batch, channels, depth, height,
width] ("NCDHW"); filters are [depth, height, width, input channels / groups, output channels].
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.builder import apply, op_function, publish
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.opdef import ErrorSample
from graphflow.ops.arguments import failure, shape_argument
from graphflow.ops.convolution import conv_attrs, one_of
from graphflow.ops.convolution_family import declare_convolution, ramp
from graphflow.ops.convolution_geometry import VOLUME_ATTRS

_ONES = (1, 1, 1, 1, 1)


def _settings(**changes: Any) -> dict[str, Any]:
    return {"strides": (1, 1, 1), "padding": "VALID", **changes}


_CASES: list[tuple[tuple, tuple, dict[str, Any]]] = [
    # volume sizes in NDHWC, filter sizes, attributes
    ((1, 2, 3, 3, 2), (2, 1, 2, 2, 1), _settings()),
    ((1, 3, 2, 4, 1), (2, 2, 3, 1, 2), _settings(padding="SAME", strides=(2, 1, 2))),
    ((2, 2, 2, 3, 1), (1, 2, 2, 1, 1), _settings(data_format="NCDHW")),
    ((1, 5, 2, 3, 1), (3, 1, 2, 1, 1), _settings(dilations=(2, 1, 2))),
    ((1, 2, 2, 2, 2), (1, 2, 1, 1, 2), _settings()),
    ((1, 2, 2, 3, 1), (2, 2, 2, 1, 1), _settings(
        padding="EXPLICIT", explicit_paddings=((1, 0), (0, 0), (0, 2)), strides=(1, 1, 2))),
    ((0, 2, 2, 2, 1), (1, 1, 1, 1, 1), _settings()),
]


def _forward_errors() -> list[ErrorSample]:
    x, f = ramp(1, 2, 3, 3, 2), ramp(1, 1, 1, 2, 1)
    return [
        ErrorSample((x, ramp(1, 1, 1, 3, 2)), _settings(), ShapeError,
                    "input has 2 channels, filter expects 3"),
        ErrorSample((x[0], f), _settings(), ShapeError,
                    r"must have rank 5 \[batch, depth, height, width, channels\].*expand_dims"),
        ErrorSample((x, f), _settings(strides=(1, 1)), AttributeValueError,
                    "strides must be three positive"),
        ErrorSample((x, ramp(3, 1, 1, 2, 1)), _settings(), ShapeError,
                    r"window \[3, 1, 1\] is larger than the input's depth, height and width"),
    ]


def _backprop_input_errors() -> list[ErrorSample]:
    sizes = np.array([1, 2, 3, 3, 2], np.int32)
    return [ErrorSample((ramp(1, 2, 3, 3, 2), ramp(1, 1, 1, 2, 1), sizes), _settings(),
                        ShapeError, r"out_backprop must have the shape \[1, 2, 3, 3, 1\]"),
            ErrorSample((ramp(1, 2, 3, 3, 1), ramp(1, 1, 1, 2, 1), sizes[1:]), _settings(),
                        ShapeError, "vector of five sizes")]


def _backprop_filter_errors() -> list[ErrorSample]:
    sizes = np.array([1, 1, 1, 2, 1], np.int32)
    return [ErrorSample((ramp(1, 2, 3, 3, 2), ramp(1, 2, 3, 3, 2), sizes), _settings(),
                        ShapeError, r"out_backprop must have the shape \[1, 2, 3, 3, 1\]")]


_FAMILY = declare_convolution(
    ("Conv3D", "Conv3DBackpropInputV2", "Conv3DBackpropFilterV2"), VOLUME_ATTRS, _CASES,
    (_forward_errors, _backprop_input_errors, _backprop_filter_errors))


@op_function
def conv3d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    padding: Any = None,
    data_format: str | None = "NDHWC",
    dilations: Any = _ONES,
    name: str | None = None,
    filters: Any = None,
) -> Any:
    """The convolution of volumes: output[o] = Σ input[o·stride + k·dilation − pad] · filter[k].

    input: [batch, depth, height, width, cin], or [batch, cin, depth, height, width] with
      data_format "NCDHW". filter (or filters): [depth, height, width, cin / groups, cout].
    strides, dilations: an int, or a list of 1, 3 or 5 ints (`data_format` order).
    padding: "SAME", "VALID", or five pairs [before, after] in the order of `data_format`.
    Raises ShapeError if ranks or channels do not fit or the window is larger than the volume,
    AttributeValueError for strides, padding, data_format or dilations that make no sense.
    """
    filter = one_of("Conv3D", name, "filter", filter, "filters", filters)
    attrs = conv_attrs("Conv3D", name, strides, padding, data_format, dilations, 3)
    return apply(_FAMILY.forward, (input, filter), attrs, name=name)


@op_function
def conv3d_transpose(
    value: Any,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = None,
    padding: Any = "SAME",
    data_format: str | None = "NDHWC",
    name: str | None = None,
    input: Any = None,
    filters: Any = None,
    dilations: Any = None,
) -> Any:
    """The transpose of `conv3d` ("deconvolution"): from a convolution's output to its input.

    value (or input): volumes with cin channels; filter (or filters): [depth, height, width,
    cout, cin]; output_shape: the five sizes of the result, whose channels are cout. Other
    arguments and errors as in `conv3d`.
    """
    op = "conv3d_transpose"
    value = one_of(op, name, "value", value, "input", input)
    filter = one_of(op, name, "filter", filter, "filters", filters)
    if output_shape is None:
        raise failure(op, name, "output_shape is missing", "Give the five sizes of the result.")
    attrs = conv_attrs(op, name, strides, padding, data_format, dilations, 3)
    sizes = shape_argument(op, name, output_shape, "output_shape")
    return apply(_FAMILY.backprop_input, (value, filter, sizes), attrs, name=name,
                 default_name=op)


@op_function
def conv3d_backprop_filter_v2(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = "NDHWC",
    dilations: Any = _ONES,
    name: str | None = None,
) -> Any:
    """The gradient of `conv3d` in its filter, of shape `filter_sizes` (five integers).

    out_backprop: the gradient in the output; other arguments and errors as in `conv3d`.
    """
    op = "Conv3DBackpropFilterV2"
    attrs = conv_attrs(op, name, strides, padding, data_format, dilations, 3)
    sizes = shape_argument(op, name, filter_sizes, "filter_sizes")
    return apply(_FAMILY.backprop_filter, (input, out_backprop, sizes), attrs, name=name)


publish(conv3d_backprop_filter_v2, "conv3d_backprop_filter")
