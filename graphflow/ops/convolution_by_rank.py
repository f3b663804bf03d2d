"""`nn.convolution` and `nn.pool`: convolution and pooling over one or two spatial axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.builder import F, convert, op_function
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure, renamed, static_ints
from graphflow.ops.scope import scope

_FORMATS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW")}


@op_function
def convolution(
    input: Any, filter: Any, padding: str, strides: Any = None,
    dilation_rate: Any = None, name: str | None = None, data_format: str | None = None,
    filters: Any = None, dilations: Any = None,
) -> Any:
    """The convolution of sequences or images, by the rank of the filter.

    input: [batch, width, cin] or [batch, height, width, cin], channels second with data_format
      "NCW" or "NCHW". filter (or filters): [width, cin, cout] or [height, width, cin, cout].
    padding: "SAME" or "VALID". strides, dilation_rate (or dilations): an int, or one per spatial
      axis. Otherwise as `conv2d`.
    Raises ShapeError for a filter of unknown or another rank, AttributeValueError for arguments
    that make no sense.
    """
    op = "convolution"
    kernel = convert(renamed(op, "filter", filter, "filters", filters))
    rate = renamed(op, "dilation_rate", dilation_rate, "dilations", dilations)
    if kernel.shape.rank not in (3, 4):
        raise failure(op, name, f"filter must have rank 3 or 4, got filter {kernel.shape}",
                      cls=ShapeError)
    axes = kernel.shape.rank - 2
    steps, rates = (_per_axis(op, name, what, v, axes)
                    for what, v in (("strides", strides), ("dilation_rate", rate)))

    def run(images: Any, layout: str, last: str | None) -> Any:
        window = kernel if axes == 2 else F.expand_dims(kernel, 0)
        return F.conv2d(images, window, steps, padding, data_format=layout, dilations=rates,
                        name=last)

    return _over_images(op, name, convert(input), axes, data_format, run)


@op_function
def pool(
    input: Any, window_shape: Any, pooling_type: str, padding: str, dilation_rate: Any = None,
    strides: Any = None, name: str | None = None, data_format: str | None = None,
    dilations: Any = None,
) -> Any:
    """The largest element ("MAX") or the mean ("AVG") of each window of sequences or images.

    input: as for `convolution`. window_shape: one int per spatial axis (one or two of them).
    strides: an int, or one per axis. padding: "SAME" or "VALID". Windows cannot be dilated.
    Raises AttributeValueError for arguments that make no sense.
    """
    op = "pool"
    window = static_ints(op, name, "window_shape", window_shape)
    if len(window) not in (1, 2):
        raise failure(op, name, f"window_shape must hold one or two ints, got {window_shape!r}")
    axes = len(window)
    functions = {"MAX": F.max_pool, "AVG": F.avg_pool}
    if pooling_type not in functions:
        raise failure(op, name, f"pooling_type must be 'MAX' or 'AVG', got {pooling_type!r}")
    rate = renamed(op, "dilation_rate", dilation_rate, "dilations", dilations)
    if any(r != 1 for r in _per_axis(op, name, "dilation_rate", rate, axes)):
        raise failure(op, name, f"dilation_rate must be 1, got {rate!r}",
                      "Pool x[:, i::rate] for each i instead.")
    steps = _per_axis(op, name, "strides", strides, axes)

    def run(images: Any, layout: str, last: str | None) -> Any:
        return functions[pooling_type](images, (1, *window)[-2:], steps, padding,
                                       data_format=layout, name=last)

    return _over_images(op, name, convert(input), axes, data_format, run)


def _per_axis(op: str, name: str | None, what: str, value: Any, axes: int) -> tuple[int, int]:
    """`value` for height and width; a missing height counts as 1."""
    given = (1,) if value is None else static_ints(op, name, what, value)
    if len(given) not in (1, axes):
        raise failure(op, name, f"{what} must be an int or {axes} of them, got {value!r}")
    both = (1, *given * axes) if axes == 1 else given * 2
    return both[0], both[1]


def _over_images(
    op: str, name: str | None, x: Any, axes: int, data_format: str | None,
    run: Callable[[Any, str, str | None], Any],
) -> Any:
    """`run(images, layout, name)` with sequences as images of height 1."""
    formats = _FORMATS[axes]
    layout = data_format or formats[0]
    if layout not in formats:
        raise failure(op, name, f"data_format must be {formats[0]!r} or {formats[1]!r} for "
                                f"{axes} spatial axes, got {data_format!r}")
    if x.shape.rank not in (None, axes + 2):
        raise failure(op, name, f"input must have rank {axes + 2}, got input {x.shape}",
                      cls=ShapeError)
    image_layout = _FORMATS[2][formats.index(layout)]
    with scope(name, op) as last:
        if axes == 2:
            return run(x, image_layout, last)
        height = 1 + formats.index(layout)
        images = run(F.expand_dims(x, height), image_layout, None)
        return F.squeeze(images, [height], name=last)
