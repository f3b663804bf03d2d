"""Convolution and its adjoints as sums of products over index maps.

The maps are those of `convolution_geometry`: output o sees, at window position k, input
o · stride + k · dilation − before; a source outside the image is padding and contributes 0.
One set of maps serves images and volumes: the layout says how many spatial axes there are.
"""

from __future__ import annotations

from typing import Any

from graphflow.dims import same
from graphflow.lowering import Contraction, LoweringContext, Sliding
from graphflow.ops.convolution_geometry import WindowAxis, join_layout, split_layout, window_axes


def _axes_of(ctx: LoweringContext, image: tuple, window: tuple) -> tuple[WindowAxis, ...]:
    _, *spatial, _ = split_layout(image, ctx.attrs["data_format"])
    return window_axes(spatial, window[:-2], ctx.attrs)


def _group_count(ctx: LoweringContext, image: tuple, filter_sizes: tuple) -> Any:
    channels = split_layout(image, ctx.attrs["data_format"])[-1]
    return 1 if same(channels, filter_sizes[-2]) else channels // filter_sizes[-2]


def _input_channel(groups: Any, filter_sizes: tuple, within: Any, out_channel: Any) -> Any:
    """The input channel that is number `within` of the group of `out_channel`."""
    if same(groups, 1):
        return within
    return out_channel // (filter_sizes[-1] // groups) * filter_sizes[-2] + within


def _forward_left(out: tuple, k: tuple, ctx: LoweringContext) -> tuple:
    image, sizes = ctx.in_shapes[:2]
    n, *place, co = split_layout(out, ctx.attrs["data_format"])
    axes = _axes_of(ctx, image, sizes)
    channel = _input_channel(_group_count(ctx, image, sizes), sizes, k[-1], co)
    seen = [a.source(o, w) for a, o, w in zip(axes, place, k)]
    return join_layout(n, seen, channel, ctx.attrs["data_format"])


def _forward_right(out: tuple, k: tuple, ctx: LoweringContext) -> tuple:
    return (*k, split_layout(out, ctx.attrs["data_format"])[-1])


def _seen_from(ctx: LoweringContext, out: tuple, k: tuple) -> list[Any]:
    """Where input element `out` stands, in strides, for window position `k`; per axis."""
    axes = _axes_of(ctx, ctx.out_shapes[0], ctx.in_shapes[1])
    _, *place, _ = split_layout(out, ctx.attrs["data_format"])
    return [i + a.before - w * a.dilation for a, i, w in zip(axes, place, k)]


def _backprop_input_extents(ctx: LoweringContext) -> tuple:
    sizes = ctx.in_shapes[1]
    groups = _group_count(ctx, ctx.out_shapes[0], sizes)
    return (*sizes[:-2], sizes[-1] // groups)


def _back_input_channels(ctx: LoweringContext, out: tuple, k: tuple) -> tuple[Any, Any]:
    """(channel within the group, output channel) for input channel and k."""
    sizes = ctx.in_shapes[1]
    groups = _group_count(ctx, ctx.out_shapes[0], sizes)
    channel = split_layout(out, ctx.attrs["data_format"])[-1]
    if same(groups, 1):
        return channel, k[-1]
    return channel % sizes[-2], channel // sizes[-2] * (sizes[-1] // groups) + k[-1]


def _backprop_input_left(out: tuple, k: tuple, ctx: LoweringContext) -> tuple:
    windows = [p // s for p, s in zip(_seen_from(ctx, out, k), ctx.attrs["strides"])]
    return join_layout(out[0], windows, _back_input_channels(ctx, out, k)[1],
                       ctx.attrs["data_format"])


def _backprop_input_right(out: tuple, k: tuple, ctx: LoweringContext) -> tuple:
    return (*k[:-1], *_back_input_channels(ctx, out, k))


def _backprop_input_inside(out: tuple, k: tuple, ctx: LoweringContext) -> Any:
    """Windows start at whole strides only."""
    beside, *others = (p % s for p, s in zip(_seen_from(ctx, out, k), ctx.attrs["strides"]))
    for other in others:
        beside = beside + other
    return beside < 1


def _backprop_filter_extents(ctx: LoweringContext) -> tuple:
    return split_layout(ctx.in_shapes[1], ctx.attrs["data_format"])[:-1]


def _backprop_filter_left(out: tuple, place: tuple, ctx: LoweringContext) -> tuple:
    image, sizes = ctx.in_shapes[0], ctx.out_shapes[0]
    axes = _axes_of(ctx, image, sizes)
    channel = _input_channel(_group_count(ctx, image, sizes), sizes, out[-2], out[-1])
    seen = [a.source(o, w) for a, o, w in zip(axes, place[1:], out)]
    return join_layout(place[0], seen, channel, ctx.attrs["data_format"])


def _backprop_filter_right(out: tuple, place: tuple, ctx: LoweringContext) -> tuple:
    return join_layout(place[0], place[1:], out[-1], ctx.attrs["data_format"])


def _sliding(role: str, ctx: LoweringContext, image: tuple, window: tuple) -> Sliding:
    return Sliding(role, _axes_of(ctx, image, window), ctx.attrs["data_format"][-1] == "C",
                   _group_count(ctx, image, window))


FORWARD = Contraction(
    extents=lambda ctx: ctx.in_shapes[1][:-1], left=_forward_left, right=_forward_right,
    sliding=lambda ctx: _sliding("output", ctx, *ctx.in_shapes[:2]))

BACKPROP_INPUT = Contraction(
    extents=_backprop_input_extents, left=_backprop_input_left, right=_backprop_input_right,
    inside=_backprop_input_inside,
    sliding=lambda ctx: _sliding("image", ctx, ctx.out_shapes[0], ctx.in_shapes[1]))

BACKPROP_FILTER = Contraction(
    extents=_backprop_filter_extents, left=_backprop_filter_left, right=_backprop_filter_right,
    sliding=lambda ctx: _sliding("filter", ctx, ctx.in_shapes[0], ctx.out_shapes[0]))
