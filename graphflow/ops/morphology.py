"""Grey-scale morphology: dilation and erosion of images, with a filter for each channel."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F, convert, op_function
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure, renamed
from graphflow.ops.convolution import conv_attrs
from graphflow.ops.convolution_geometry import window_axis
from graphflow.ops.numerics import lowest
from graphflow.ops.scope import scope


@op_function
def dilation2d(
    input: Any, filter: Any = None, strides: Any = None, rates: Any = None, padding: Any = None,
    name: str | None = None, filters: Any = None, dilations: Any = None,
) -> Any:
    """max over k of input[o · stride + k · rate − pad] + filter[k]: the sum-max convolution.

    input: real numbers [batch, height, width, channels] of known height and width for "SAME";
    filter (or filters): [height, width, channels], of known shape. strides, rates (or dilations):
    4 ints. padding: "SAME" or "VALID"; the padding is never the largest.
    Raises ShapeError if the channels differ or a needed size is unknown.
    """
    op = "Dilation2D"
    kernel = convert(renamed(op, "filter", filter, "filters", filters))
    rates = renamed(op, "rates", rates, "dilations", dilations)
    attrs = conv_attrs(op, name, strides, padding, "NHWC", rates)
    with scope(name, op) as last:
        x = convert(input)
        if x.shape.rank != 4 or kernel.shape.rank != 3:
            raise failure(op, name, "input must be [batch, height, width, channels] and filter "
                                    f"[height, width, channels], got {x.shape}, {kernel.shape}",
                          cls=ShapeError)
        window = kernel.shape.as_list()[:2]
        sizes = x.shape.as_list()[1:3]
        if None in window or None in sizes:
            raise failure(op, name, f"heights and widths must be known, got input {x.shape}, "
                                    f"filter {kernel.shape}", cls=ShapeError)
        return _dilated(x, kernel, sizes, window, attrs, last)


def _dilated(
    x: Any, kernel: Any, sizes: list[Any], window: list[Any], attrs: dict[str, Any],
    last: str | None,
) -> Any:
    axes = [window_axis(size, k, s, r, attrs["padding"]) for size, k, s, r in zip(
        sizes, window, attrs["strides"], attrs["dilations"])]
    pads = []
    for axis in axes:
        reach = (axis.out - 1) * axis.stride + (axis.window - 1) * axis.dilation + 1
        pads.append([axis.before, max(reach - axis.size - axis.before, 0)])
    padded = F.pad(x, [[0, 0], *pads, [0, 0]], constant_values=lowest(x.dtype))
    rows, columns = axes
    best: Any = None
    for i in range(rows.window):
        for j in range(columns.window):
            top, left = i * rows.dilation, j * columns.dilation
            seen = padded[:, top:top + (rows.out - 1) * rows.stride + 1:rows.stride,
                          left:left + (columns.out - 1) * columns.stride + 1:columns.stride]
            here = seen + kernel[i, j]
            best = here if best is None else F.maximum(best, here)
    return F.identity(best, name=last)


@op_function
def erosion2d(
    value: Any, kernel: Any, strides: Any, rates: Any, padding: str, name: str | None = None
) -> Any:
    """min over k of value[o · stride + k · rate − pad] − kernel[−k]: the dual of `dilation2d`.

    Arguments and errors as there.
    """
    with scope(name, "erosion2d") as last:
        flipped = F.reverse(kernel, [0, 1])
        return F.negative(F.dilation2d(F.negative(value), flipped, strides, rates, padding),
                          name=last)
