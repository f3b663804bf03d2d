"""What the pooling ops share: attributes, inference, windows in NumPy, index maps, samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from graphflow.errors import AttributeValueError
from graphflow.lowering import LoweringContext
from graphflow.opdef import Attr, Infer
from graphflow.ops.convolution_geometry import (
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
Axes = tuple[WindowAxis, WindowAxis]


# ---- inference --------------------------------------------------------------------------------


def pooled_shape(c: Infer, i: int = 0) -> TensorShape:
    """The shape of the pool of input `i`. Raises ShapeError or AttributeValueError."""
    check_window_attrs(c)
    ksize = c.attrs["ksize"]
    if len(ksize) != 2 or min(ksize) < 1:
        raise c.error(f"ksize must be two positive numbers (height, width), got {list(ksize)}",
                      cls=AttributeValueError)
    if any(d != 1 for d in c.attrs["dilations"]):
        raise c.error(f"pooling has no dilations, got {list(c.attrs['dilations'])}",
                      cls=AttributeValueError)
    pads = c.attrs["explicit_paddings"]
    if any(max(pair) >= k for pair, k in zip(pads, ksize)):
        raise c.error(f"padding {list(pads)} must be smaller than the window {list(ksize)}",
                      cls=AttributeValueError)
    n, h, w, channels = image_sizes(c, i)
    height, width = checked_axes(c, (h, w), ksize)
    return image_shape(n, height.out, width.out, channels, c.attrs["data_format"])


def require_shape(c: Infer, i: int, expected: TensorShape) -> None:
    """Raises ShapeError if input `i` cannot have the shape `expected`."""
    if not c.shape(i).is_compatible_with(expected):
        raise c.error(f"{c.arg_name(i)} must have the shape {expected}, got {c.show(i)}")


# ---- windows in NumPy -------------------------------------------------------------------------


def pool_axes(x: np.ndarray, ksize: tuple[int, int], attrs: dict[str, Any]) -> Axes:
    """The geometry of pooling x, whose channels are last."""
    return window_axes(x.shape[1:3], ksize, attrs)


def places(axes: Axes) -> Iterator[tuple[int, tuple, tuple]]:
    """For each window position: (its number, outputs, the inputs that they see there)."""
    for i, out_rows, rows in axes[0].slices():
        for j, out_columns, columns in axes[1].slices():
            number = i * axes[1].window + j
            yield number, np.s_[:, out_rows, out_columns], np.s_[:, rows, columns]


def out_shape(x: np.ndarray, axes: Axes) -> tuple[int, ...]:
    """The shape of the pool of x, channels last."""
    return (x.shape[0], axes[0].out, axes[1].out, x.shape[3])


# ---- index maps -------------------------------------------------------------------------------


def pool_extents(ctx: LoweringContext) -> tuple:
    """The window's sizes."""
    return ctx.attrs["ksize"]


def pool_source(out: tuple, k: tuple, ctx: LoweringContext) -> tuple:
    """The element that output `out` sees at window position `k`."""
    data_format = ctx.attrs["data_format"]
    _, h, w, _ = split_layout(ctx.in_shapes[0], data_format)
    height, width = window_axes((h, w), ctx.attrs["ksize"], ctx.attrs)
    n, oh, ow, channel = split_layout(out, data_format)
    return join_layout(n, height.source(oh, k[0]), width.source(ow, k[1]), channel, data_format)


# ---- samples ----------------------------------------------------------------------------------


def distinct(*sizes: int) -> np.ndarray:
    """Different numbers in no order, apart enough to be no tie after a small change."""
    count = int(np.prod(sizes))
    order = np.random.default_rng(count).permutation(count)
    return (order.astype(np.float64) - count // 2).reshape(sizes) / 2


def settings(ksize: tuple[int, int] = (2, 2), **changes: Any) -> dict[str, Any]:
    """Attributes of a pool."""
    return {"ksize": ksize, "strides": (2, 2), "padding": "VALID", **changes}


CASES: list[tuple[tuple, dict[str, Any]]] = [
    # image sizes in NHWC, attributes
    ((2, 4, 4, 1), settings()),
    ((1, 5, 4, 2), settings((3, 2), padding="SAME")),
    ((1, 5, 5, 1), settings((3, 3), strides=(1, 2), padding="SAME")),
    ((1, 4, 5, 2), settings((2, 3), strides=(1, 1), data_format="NCHW")),
    ((1, 5, 3, 2), settings((1, 2), strides=(2, 1), data_format="NCHW", padding="SAME")),
    ((1, 3, 4, 1), settings(padding="EXPLICIT", explicit_paddings=((1, 0), (0, 1)))),
    ((0, 3, 3, 1), settings()),
    ((1, 0, 3, 1), settings(padding="SAME")),
]


def case_arrays(case: tuple) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """(image, an array in the shape of its pool, attributes)."""
    image, attrs = case
    full = {**{k: a.default for k, a in WINDOW_ATTRS.items()}, **attrs}
    axes = window_axes(image[1:3], attrs["ksize"], full)
    data_format = full["data_format"]
    n, h, w, channels = image
    out = join_layout(n, axes[0].out, axes[1].out, channels, data_format)
    return distinct(*join_layout(n, h, w, channels, data_format)), distinct(*out), attrs
