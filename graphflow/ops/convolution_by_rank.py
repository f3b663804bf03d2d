"""Convolution by rank: over sequences, images or volumes, and its transposes.

Sequences are images of height 1, as in TensorFlow.
"""

from __future__ import annotations

from typing import Any

from graphflow.builder import F, convert, op_function
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure, holds_tensor, is_tensor, renamed, static_ints
from graphflow.ops.convolution import one_of
from graphflow.ops.scope import scope

FORMATS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}
_OLD_NAMES = {"NHWC": "NWC", "NCHW": "NCW"}


@op_function
def convolution(
    input: Any, filter: Any, padding: Any, strides: Any = None,
    dilation_rate: Any = None, name: str | None = None, data_format: str | None = None,
    filters: Any = None, dilations: Any = None,
) -> Any:
    """The convolution of sequences, images or volumes, by the rank of the filter.

    input: [batch, spatial axes…, cin] with one to three spatial axes, channels second with
      data_format "NCW", "NCHW" or "NCDHW". filter (or filters): [spatial axes…, cin, cout].
    padding: "SAME", "VALID", or pairs as in `conv2d`. strides, dilation_rate (or dilations): an
      int, or one per spatial axis. Otherwise as `conv2d`.
    Raises ShapeError for a filter of unknown or another rank, AttributeValueError for arguments
    that make no sense.
    """
    op = "convolution"
    kernel = convert(renamed(op, "filter", filter, "filters", filters))
    rate = renamed(op, "dilation_rate", dilation_rate, "dilations", dilations)
    axes = _spatial_rank(op, name, kernel)
    steps, rates = (per_axis(op, name, what, v, axes)
                    for what, v in (("strides", strides), ("dilation_rate", rate)))
    x, layout = convert(input), checked_format(op, name, data_format, axes)
    require_rank(op, name, x, axes)
    with scope(name, op) as last:
        if axes == 1:
            return _convolved_sequence(x, kernel, steps, padding, layout, rates, last)
        function = F.conv2d if axes == 2 else F.conv3d
        return function(x, kernel, steps, padding, data_format=layout, dilations=rates, name=last)


@op_function
def conv1d(
    value: Any = None, filters: Any = None, stride: Any = None, padding: Any = None,
    use_cudnn_on_gpu: bool | None = None, data_format: str | None = None,
    name: str | None = None, input: Any = None, dilations: Any = None,
) -> Any:
    """The convolution of sequences: output[o] = Σ value[o·stride + k·dilation − pad] · filters[k].

    value (or input): [batch, width, cin], or [batch, cin, width] with data_format "NCW" (the
      older names "NHWC" and "NCHW" are taken too). filters: [width, cin / groups, cout].
    stride, dilations: an int, or a list of 1 or 3 ints. padding: "SAME" or "VALID".
    Raises ShapeError if ranks or channels do not fit or the window is longer than the sequence,
    AttributeValueError for arguments that make no sense.
    """
    op = "conv1d"
    value = one_of(op, name, "value", value, "input", input)
    if padding is None or stride is None or filters is None:
        missing = next(n for n, v in (("filters", filters), ("stride", stride),
                                      ("padding", padding)) if v is None)
        raise failure(op, name, f"{missing} is missing",
                      "For example gf.nn.conv1d(x, filters, stride=1, padding='SAME').")
    layout = checked_format(op, name, _OLD_NAMES.get(data_format or "", data_format), 1)
    steps, rates = (_along_width(op, name, what, v, layout)
                    for what, v in (("stride", stride), ("dilations", dilations)))
    with scope(name, op):
        x, kernel = convert(value), convert(filters)
        require_rank(op, name, x, 1)
        if kernel.shape.rank not in (None, 3):
            raise failure(op, name, "filters must have rank 3 [width, input channels, output "
                                    f"channels], got filters {kernel.shape}", cls=ShapeError)
        return _convolved_sequence(x, kernel, steps, padding, layout, rates, None)


def _convolved_sequence(
    x: Any, kernel: Any, steps: tuple[int, ...], padding: Any, layout: str,
    rates: tuple[int, ...], last: str | None,
) -> Any:
    height = layout.index("W")
    images = F.conv2d(
        F.expand_dims(x, height), F.expand_dims(kernel, 0), (1, *steps), padding,
        data_format=image_format(layout), dilations=(1, *rates))
    return F.squeeze(images, [height], name=last)


@op_function
def conv1d_transpose(
    input: Any, filters: Any, output_shape: Any, strides: Any, padding: Any = "SAME",
    data_format: str | None = "NWC", dilations: Any = None, name: str | None = None,
) -> Any:
    """The transpose of `conv1d` ("deconvolution"): from a convolution's output to its input.

    input: sequences with cin channels; filters: [width, cout, cin]; output_shape: the three sizes
    of the result, whose channels are cout. strides, dilations: an int, or a list of 1 or 3 ints.
    Other arguments and errors as in `conv1d`.
    """
    op = "conv1d_transpose"
    layout = checked_format(op, name, data_format, 1)
    steps, rates = (_along_width(op, name, what, v, layout)
                    for what, v in (("strides", strides), ("dilations", dilations)))
    with scope(name, op):
        x, kernel = convert(input), convert(filters)
        require_rank(op, name, x, 1)
        height = layout.index("W")
        images = F.conv2d_transpose(
            F.expand_dims(x, height), F.expand_dims(kernel, 0), _with_one(output_shape, height),
            (1, *steps), padding, data_format=image_format(layout), dilations=(1, *rates))
        return F.squeeze(images, [height])


@op_function
def conv_transpose(
    input: Any, filters: Any, output_shape: Any, strides: Any, padding: Any = "SAME",
    data_format: str | None = None, dilations: Any = None, name: str | None = None,
) -> Any:
    """The transpose of `convolution`, by the rank of the filter.

    input: [batch, spatial axes…, cin]; filters: [spatial axes…, cout, cin] with one to three
    spatial axes; output_shape: the sizes of the result. strides, dilations: an int, one per
    spatial axis, or one per axis. Other arguments and errors as in `conv2d_transpose`.
    """
    op = "conv_transpose"
    kernel = convert(filters)
    axes = _spatial_rank(op, name, kernel)
    layout = data_format or FORMATS[axes][0]
    function = {1: F.conv1d_transpose, 2: F.conv2d_transpose, 3: F.conv3d_transpose}[axes]
    return function(input, kernel, output_shape, strides, padding, data_format=layout,
                    dilations=dilations, name=name or op)


# ---- arguments --------------------------------------------------------------------------------


def _spatial_rank(op: str, name: str | None, kernel: Any) -> int:
    if kernel.shape.rank not in (3, 4, 5):
        raise failure(op, name, f"filter must have rank 3, 4 or 5, got filter {kernel.shape}",
                      cls=ShapeError)
    return int(kernel.shape.rank) - 2


def per_axis(op: str, name: str | None, what: str, value: Any, axes: int) -> tuple[int, ...]:
    """`value`, None (1), an int or one per spatial axis, as one int per axis."""
    given = (1,) if value is None else static_ints(op, name, what, value)
    if len(given) not in (1, axes):
        raise failure(op, name, f"{what} must be an int or {axes} of them, got {value!r}")
    return given if len(given) == axes else given * axes


def _along_width(
    op: str, name: str | None, what: str, value: Any, layout: str
) -> tuple[int, ...]:
    """The entry for the width of an int, or of a list of 1 or 3 ints; None means 1."""
    given = (1,) if value is None else static_ints(op, name, what, value)
    if len(given) not in (1, 3):
        raise failure(op, name, f"{what} must be an int or a list of 1 or 3 ints, got {value!r}")
    width = given[layout.index("W")] if len(given) == 3 else given[0]
    if len(given) == 3 and sum(given) - width != 2:
        raise failure(op, name, f"{what} of the batch and channel axes must be 1, got "
                                f"{list(given)} for data_format {layout!r}")
    if width < 1:
        raise failure(op, name, f"{what} must be positive, got {value!r}")
    return (width,)


def checked_format(op: str, name: str | None, data_format: str | None, axes: int) -> str:
    """The layout, by default with channels last. Raises AttributeValueError for others."""
    formats = FORMATS[axes]
    layout = data_format or formats[0]
    if layout not in formats:
        noun = "axis" if axes == 1 else "axes"
        raise failure(op, name, f"data_format must be {formats[0]!r} or {formats[1]!r} for "
                                f"{axes} spatial {noun}, got {data_format!r}")
    return layout


def image_format(layout: str) -> str:
    """The layout of images that sequences in `layout` become."""
    return FORMATS[2][FORMATS[1].index(layout)]


def require_rank(op: str, name: str | None, x: Any, axes: int) -> None:
    """Raises ShapeError unless x has `axes` spatial axes, a batch and channels."""
    if x.shape.rank not in (None, axes + 2):
        raise failure(op, name, f"input must have rank {axes + 2}, got input {x.shape}",
                      cls=ShapeError)


def _with_one(sizes: Any, place: int) -> Any:
    """Three sizes, a list or a tensor, with a 1 put in at `place`."""
    if is_tensor(sizes) or holds_tensor(sizes):
        sizes = F.convert_to_tensor(sizes)
        one = F.ones([1], sizes.dtype)
        return F.concat([sizes[:place], one, sizes[place:]], 0)
    sizes = list(sizes)
    return [*sizes[:place], 1, *sizes[place:]]
