"""Convolution and both of its adjoints in NumPy.

Each is one matrix product per few images over their unfolded windows ("im2col"), so that BLAS
does the arithmetic and the unfolded copy stays small. Channels are last inside; groups of
channels are convolved one after the other.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from graphflow.errors import InvalidArgumentError
from graphflow.opdef import RunError
from graphflow.ops.convolution_geometry import (
    WindowAxis,
    channels_last,
    from_channels_last,
    window_axes,
)
from graphflow.ops.precision import widened

_UNFOLDED_ELEMENTS = 1 << 20  # a few MB: about what the caches hold


@widened
def convolve(input: np.ndarray, filter: np.ndarray, **attrs: Any) -> np.ndarray:
    """input: a batch of images, filter [window…, cin / groups, cout] → a batch of images."""
    x = channels_last(input, attrs["data_format"])
    axes = window_axes(x.shape[1:-1], filter.shape[:-2], attrs)
    out = np.zeros((x.shape[0], *(a.out for a in axes), filter.shape[-1]), x.dtype)
    for ins, outs in _groups(x.shape[-1], filter):
        matrix = _matrix(filter[..., outs])
        for images, columns in _unfolded(x[..., ins], axes):
            target = out[images, ..., outs]
            if target.flags.c_contiguous:
                np.matmul(columns, matrix, out=_matrix(target))
            else:
                target[...] = (columns @ matrix).reshape(target.shape)
    return from_channels_last(out, attrs["data_format"])


@widened
def backprop_input(
    out_backprop: np.ndarray, filter: np.ndarray, input_sizes: np.ndarray, **attrs: Any
) -> np.ndarray:
    """The adjoint in the input: what each input element receives from all windows over it."""
    g = channels_last(out_backprop, attrs["data_format"])
    dx = np.zeros([int(d) for d in input_sizes], g.dtype)
    view = channels_last(dx, attrs["data_format"])
    axes = window_axes(view.shape[1:-1], filter.shape[:-2], attrs)
    _check_output(g, (view.shape[0], *(a.out for a in axes), filter.shape[-1]))
    for ins, outs in _groups(view.shape[-1], filter):
        matrix = _matrix(filter[..., outs]).T
        step = _images_at_once(axes, filter.shape[-2])
        for start in range(0, g.shape[0], step):
            images = slice(start, start + step)
            part = np.ascontiguousarray(g[images, ..., outs])
            windows = (_matrix(part) @ matrix).reshape(*part.shape[:-1], *filter.shape[:-1])
            _fold(windows, view[images, ..., ins], axes)
    return dx


@widened
def backprop_filter(
    input: np.ndarray, out_backprop: np.ndarray, filter_sizes: np.ndarray, **attrs: Any
) -> np.ndarray:
    """The adjoint in the filter: products of windows and outputs, summed over all places."""
    x = channels_last(input, attrs["data_format"])
    g = channels_last(out_backprop, attrs["data_format"])
    df = np.zeros([int(d) for d in filter_sizes], x.dtype)
    axes = window_axes(x.shape[1:-1], df.shape[:-2], attrs)
    _check_output(g, (x.shape[0], *(a.out for a in axes), df.shape[-1]))
    for ins, outs in _groups(x.shape[-1], df):
        total = np.zeros_like(_matrix(df[..., outs]))
        for images, columns in _unfolded(x[..., ins], axes):
            part = np.ascontiguousarray(g[images, ..., outs])
            total += columns.T @ _matrix(part)
        df[..., outs] = total.reshape(df[..., outs].shape)
    return df


def _matrix(x: np.ndarray) -> np.ndarray:
    """x with all axes but the last as its rows; a view of a contiguous x."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _groups(channels: int, filter: np.ndarray) -> Iterator[tuple[slice, slice]]:
    """The input and output channels of each group."""
    group_in, cout = filter.shape[-2:]
    groups = channels // group_in if group_in else 1
    group_out = cout // groups if groups else 0
    for k in range(groups):
        yield (slice(k * group_in, (k + 1) * group_in),
               slice(k * group_out, (k + 1) * group_out))


def _images_at_once(axes: Sequence[WindowAxis], channels: int) -> int:
    per_image = channels
    for axis in axes:
        per_image *= axis.out * axis.window
    return max(1, _UNFOLDED_ELEMENTS // max(1, per_image))


def _unfolded(
    x: np.ndarray, axes: Sequence[WindowAxis]
) -> Iterator[tuple[slice, np.ndarray]]:
    """Some images at a time: their slice of the batch, their windows as rows of a matrix."""
    outs = [a.out for a in axes]
    windows = [a.window for a in axes]
    if not all(outs):
        return
    channels = x.shape[-1]
    step = _images_at_once(axes, channels)
    for start in range(0, x.shape[0], step):
        images = slice(start, start + step)
        padded = _padded(x[images], axes)
        n, *spatial, c = padded.strides
        unfolded = np.lib.stride_tricks.as_strided(
            padded, (padded.shape[0], *outs, *windows, channels),
            (n, *(s * a.stride for s, a in zip(spatial, axes)),
             *(s * a.dilation for s, a in zip(spatial, axes)), c),
            writeable=False)
        rows = padded.shape[0] * math.prod(outs)
        yield images, unfolded.reshape(rows, math.prod(windows) * channels)


def _padded(x: np.ndarray, axes: Sequence[WindowAxis]) -> np.ndarray:
    """x with zeros around it as far as the windows reach."""
    reach = [(a.out - 1) * a.stride + (a.window - 1) * a.dilation + 1 for a in axes]
    if all(a.before == 0 and r <= a.size for a, r in zip(axes, reach)):
        return x
    sizes = [max(a.before + a.size, r) for a, r in zip(axes, reach)]
    out = np.zeros((x.shape[0], *sizes, x.shape[-1]), x.dtype)
    inside = (slice(a.before, a.before + size) for a, size in zip(axes, x.shape[1:-1]))
    out[(slice(None), *inside)] = x
    return out


def _fold(windows: np.ndarray, image: np.ndarray, axes: Sequence[WindowAxis]) -> None:
    """Adds windows [n, out…, window…, c] to the places of `image` that they were taken from."""
    for steps in itertools.product(*(a.slices() for a in axes)):
        numbers, outputs, inputs = zip(*steps)
        image[(slice(None), *inputs)] += windows[(slice(None), *outputs, *numbers)]


def _check_output(g: np.ndarray, expected: tuple[int, ...]) -> None:
    if g.shape != expected:
        raise RunError(
            InvalidArgumentError,
            f"out_backprop has batch, spatial sizes, channels {list(g.shape)}; this convolution "
            f"gives {list(expected)}", "Check the sizes, strides and padding.")
