"""Convolution and both of its adjoints in NumPy.

Each is one matrix product per few images over their unfolded windows ("im2col"), so that BLAS
does the arithmetic and the unfolded copy stays small. Channels are last inside; groups of
channels are convolved one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from graphflow.errors import InvalidArgumentError
from graphflow.opdef import RunError
from graphflow.ops.convolution_geometry import WindowAxis, from_nhwc, to_nhwc, window_axes
from graphflow.ops.precision import widened

_UNFOLDED_ELEMENTS = 1 << 20  # a few MB: about what the caches hold


@widened
def conv2d(input: np.ndarray, filter: np.ndarray, **attrs: Any) -> np.ndarray:
    """input: a batch of images, filter [kh, kw, cin / groups, cout] → a batch of images."""
    x = to_nhwc(input, attrs["data_format"])
    axes = window_axes(x.shape[1:3], filter.shape[:2], attrs)
    out = np.zeros((x.shape[0], axes[0].out, axes[1].out, filter.shape[3]), x.dtype)
    for ins, outs in _groups(x.shape[3], filter):
        matrix = _matrix(filter[..., outs])
        for images, columns in _unfolded(x[..., ins], axes):
            target = out[images, ..., outs]
            if target.flags.c_contiguous:
                np.matmul(columns, matrix, out=_matrix(target))
            else:
                target[...] = (columns @ matrix).reshape(target.shape)
    return from_nhwc(out, attrs["data_format"])


@widened
def conv2d_backprop_input(
    out_backprop: np.ndarray, filter: np.ndarray, input_sizes: np.ndarray, **attrs: Any
) -> np.ndarray:
    """The adjoint in the input: what each input element receives from all windows over it."""
    g = to_nhwc(out_backprop, attrs["data_format"])
    dx = np.zeros([int(d) for d in input_sizes], g.dtype)
    view = to_nhwc(dx, attrs["data_format"])
    axes = window_axes(view.shape[1:3], filter.shape[:2], attrs)
    _check_output(g, (view.shape[0], axes[0].out, axes[1].out, filter.shape[3]))
    for ins, outs in _groups(view.shape[3], filter):
        matrix = _matrix(filter[..., outs]).T
        step = _images_at_once(axes, filter.shape[2])
        for start in range(0, g.shape[0], step):
            images = slice(start, start + step)
            part = np.ascontiguousarray(g[images, ..., outs])
            windows = (_matrix(part) @ matrix).reshape(*part.shape[:3], *filter.shape[:3])
            _fold(windows, view[images, ..., ins], axes)
    return dx


@widened
def conv2d_backprop_filter(
    input: np.ndarray, out_backprop: np.ndarray, filter_sizes: np.ndarray, **attrs: Any
) -> np.ndarray:
    """The adjoint in the filter: products of windows and outputs, summed over all places."""
    x = to_nhwc(input, attrs["data_format"])
    g = to_nhwc(out_backprop, attrs["data_format"])
    df = np.zeros([int(d) for d in filter_sizes], x.dtype)
    axes = window_axes(x.shape[1:3], df.shape[:2], attrs)
    _check_output(g, (x.shape[0], axes[0].out, axes[1].out, df.shape[3]))
    for ins, outs in _groups(x.shape[3], df):
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
    group_in, cout = filter.shape[2:]
    groups = channels // group_in if group_in else 1
    group_out = cout // groups if groups else 0
    for k in range(groups):
        yield (slice(k * group_in, (k + 1) * group_in),
               slice(k * group_out, (k + 1) * group_out))


def _images_at_once(axes: tuple[WindowAxis, WindowAxis], channels: int) -> int:
    per_image = channels
    for axis in axes:
        per_image *= axis.out * axis.window
    return max(1, _UNFOLDED_ELEMENTS // max(1, per_image))


def _unfolded(
    x: np.ndarray, axes: tuple[WindowAxis, WindowAxis]
) -> Iterator[tuple[slice, np.ndarray]]:
    """Some images at a time: their slice of the batch, their windows as rows of a matrix."""
    height, width = axes
    if not height.out or not width.out:
        return
    step = _images_at_once(axes, x.shape[3])
    for start in range(0, x.shape[0], step):
        images = slice(start, start + step)
        padded = _padded(x[images], axes)
        n, h, w, c = padded.strides
        windows = np.lib.stride_tricks.as_strided(
            padded,
            (padded.shape[0], height.out, width.out, height.window, width.window, x.shape[3]),
            (n, h * height.stride, w * width.stride, h * height.dilation, w * width.dilation, c),
            writeable=False)
        rows = padded.shape[0] * height.out * width.out
        yield images, windows.reshape(rows, height.window * width.window * x.shape[3])


def _padded(x: np.ndarray, axes: tuple[WindowAxis, WindowAxis]) -> np.ndarray:
    """x with zeros around it as far as the windows reach."""
    reach = [(a.out - 1) * a.stride + (a.window - 1) * a.dilation + 1 for a in axes]
    if all(a.before == 0 and r <= a.size for a, r in zip(axes, reach)):
        return x
    sizes = [max(a.before + a.size, r) for a, r in zip(axes, reach)]
    out = np.zeros((x.shape[0], *sizes, x.shape[3]), x.dtype)
    top, left = axes[0].before, axes[1].before
    out[:, top:top + x.shape[1], left:left + x.shape[2]] = x
    return out


def _fold(
    windows: np.ndarray, image: np.ndarray, axes: tuple[WindowAxis, WindowAxis]
) -> None:
    """Adds windows [n, oh, ow, kh, kw, c] to the places of `image` that they were taken from."""
    for i, out_rows, rows in axes[0].slices():
        for j, out_columns, columns in axes[1].slices():
            image[:, rows, columns] += windows[:, out_rows, out_columns, i, j]


def _check_output(g: np.ndarray, expected: tuple[int, ...]) -> None:
    if g.shape != expected:
        raise RunError(
            InvalidArgumentError,
            f"out_backprop has batch, height, width, channels {list(g.shape)}; this convolution "
            f"gives {list(expected)}", "Check the sizes, strides and padding.")
