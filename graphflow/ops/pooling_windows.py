"""What the pooling ops share: attributes, inference, windows in NumPy, index maps, samples."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from graphflow.errors import AttributeValueError
from graphflow.lowering import LoweringContext
from graphflow.opdef import Attr, Infer
from graphflow.ops.convolution_geometry import (
    AXIS_NAMES,
    VOLUME_ATTRS,
    WINDOW_ATTRS,
    WindowAxis,
    check_window_attrs,
    checked_axes,
    image_shape,
    image_sizes,
    join_layout,
    split_layout,
    window_axes,
)
from graphflow.shapes import TensorShape

POOL_ATTRS = {"ksize": Attr("ints"), **WINDOW_ATTRS}
VOLUME_POOL_ATTRS = {"ksize": Attr("ints"), **VOLUME_ATTRS}
Axes = Sequence[WindowAxis]


# ---- inference --------------------------------------------------------------------------------


def pooled_shape(c: Infer, i: int = 0) -> TensorShape:
    """The shape of the pool of input `i`. Raises ShapeError or AttributeValueError."""
    check_window_attrs(c)
    ksize, axes = c.attrs["ksize"], len(c.attrs["data_format"]) - 2
    if len(ksize) != axes or min(ksize) < 1:
        raise c.error(f"ksize must be {('two', 'three')[axes - 2]} positive numbers "
                      f"({', '.join(AXIS_NAMES[axes])}), got {list(ksize)}",
                      cls=AttributeValueError)
    pads = c.attrs["explicit_paddings"]
    if any(max(pair) >= k for pair, k in zip(pads, ksize)):
        raise c.error(f"padding {list(pads)} must be smaller than the window {list(ksize)}",
                      cls=AttributeValueError)
    n, *spatial, channels = image_sizes(c, i)
    outs = [a.out for a in checked_axes(c, spatial, ksize)]
    return image_shape(n, outs, channels, c.attrs["data_format"])


def require_shape(c: Infer, i: int, expected: TensorShape) -> None:
    """Raises ShapeError if input `i` cannot have the shape `expected`."""
    if not c.shape(i).is_compatible_with(expected):
        raise c.error(f"{c.arg_name(i)} must have the shape {expected}, got {c.show(i)}")


# ---- windows in NumPy -------------------------------------------------------------------------


def pool_axes(x: np.ndarray, ksize: Sequence[int], attrs: dict[str, Any]) -> Axes:
    """The geometry of pooling x, whose channels are last."""
    return window_axes(x.shape[1:-1], ksize, attrs)


def places(axes: Axes) -> Iterator[tuple[int, tuple, tuple]]:
    """For each window position: (its number, outputs, the inputs that they see there)."""
    for steps in itertools.product(*(a.slices() for a in axes)):
        number = 0
        for axis, step in zip(axes, steps):
            number = number * axis.window + step[0]
        _, outputs, inputs = zip(*steps)
        yield number, (slice(None), *outputs), (slice(None), *inputs)


def out_shape(x: np.ndarray, axes: Axes) -> tuple[int, ...]:
    """The shape of the pool of x, channels last."""
    return (x.shape[0], *(a.out for a in axes), x.shape[-1])


# ---- index maps -------------------------------------------------------------------------------


def pool_extents(ctx: LoweringContext) -> tuple:
    """The window's sizes."""
    return ctx.attrs["ksize"]


def pool_source(out: tuple, k: tuple, ctx: LoweringContext) -> tuple:
    """The element that output `out` sees at window position `k`."""
    data_format = ctx.attrs["data_format"]
    _, *sizes, _ = split_layout(ctx.in_shapes[0], data_format)
    axes = window_axes(sizes, ctx.attrs["ksize"], ctx.attrs)
    n, *place, channel = split_layout(out, data_format)
    seen = [a.source(o, w) for a, o, w in zip(axes, place, k)]
    return join_layout(n, seen, channel, data_format)


def place_in_window(index: tuple, position: Any, image: tuple, ctx: LoweringContext) -> tuple:
    """The element of `image` at `position` in the window of output `index`."""
    data_format, ksize = ctx.attrs["data_format"], ctx.attrs["ksize"]
    _, *sizes, _ = split_layout(image, data_format)
    n, *place, channel = split_layout(index, data_format)
    seen: list[Any] = []
    for axis, o, window in reversed(list(zip(
            window_axes(sizes, ksize, ctx.attrs), place, ksize))):
        outermost = len(seen) == len(ksize) - 1
        seen.insert(0, axis.source(o, position if outermost else position % window))
        position = position // window
    return join_layout(n, seen, channel, data_format)


# ---- samples ----------------------------------------------------------------------------------


def distinct(*sizes: int) -> np.ndarray:
    """Different numbers in no order, apart enough to be no tie after a small change."""
    count = int(np.prod(sizes))
    order = np.random.default_rng(count).permutation(count)
    return (order.astype(np.float64) - count // 2).reshape(sizes) / 2


def settings(ksize: tuple[int, ...] = (2, 2), **changes: Any) -> dict[str, Any]:
    """Attributes of a pool."""
    return {"ksize": ksize, "strides": (2,) * len(ksize), "padding": "VALID", **changes}


CASES: list[tuple[tuple, dict[str, Any]]] = [
    # image sizes in NHWC, attributes
    ((2, 4, 4, 1), settings()),
    ((1, 5, 4, 2), settings((3, 2), padding="SAME")),
    ((1, 5, 5, 1), settings((3, 3), strides=(1, 2), padding="SAME")),
    ((1, 4, 5, 2), settings((2, 3), strides=(1, 1), data_format="NCHW")),
    ((1, 5, 3, 2), settings((1, 2), strides=(2, 1), data_format="NCHW", padding="SAME")),
    ((1, 3, 4, 1), settings(padding="EXPLICIT", explicit_paddings=((1, 0), (0, 1)))),
    ((1, 5, 4, 1), settings(strides=(1, 1), dilations=(2, 3))),
    ((0, 3, 3, 1), settings()),
    ((1, 0, 3, 1), settings(padding="SAME")),
]


VOLUME_CASES: list[tuple[tuple, dict[str, Any]]] = [
    ((1, 2, 4, 4, 1), settings((2, 2, 2))),
    ((1, 3, 3, 4, 1), settings((2, 3, 1), padding="SAME", strides=(1, 2, 2))),
    ((1, 2, 3, 2, 2), settings((1, 2, 2), strides=(1, 1, 1), data_format="NCDHW")),
    ((1, 2, 2, 3, 1), settings((2, 2, 2), padding="EXPLICIT",
                               explicit_paddings=((1, 0), (0, 0), (0, 1)))),
    ((0, 2, 2, 2, 1), settings((2, 2, 2))),
]


def case_arrays(
    case: tuple, schema: dict[str, Attr] = WINDOW_ATTRS
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """(image, an array in the shape of its pool, attributes)."""
    image, attrs = case
    full = {**{k: a.default for k, a in schema.items()}, **attrs}
    axes = window_axes(image[1:-1], attrs["ksize"], full)
    data_format = full["data_format"]
    n, *spatial, channels = image
    out = join_layout(n, [a.out for a in axes], channels, data_format)
    return distinct(*join_layout(n, spatial, channels, data_format)), distinct(*out), attrs
