"""Signals in overlapping frames: `frame`, `overlap_and_add`, windows, short-time transforms."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert, op_function
from graphflow.dtypes import as_dtype
from graphflow.errors import DTypeError, ShapeError
from graphflow.ops.arguments import failure, is_tensor, static_int
from graphflow.ops.scope import scope

Window = Callable[..., Any]


def _raised_cosine(
    op: str, name: str | None, window_length: Any, periodic: Any, dtype: Any, a: float, b: float
) -> Any:
    """a − b · cos(2π · j / n) for j = 0 … window_length − 1.

    A periodic window of even length has period n = window_length; otherwise n is one less.
    """
    dtype = as_dtype(dtype)
    if not dtype.is_floating:
        raise failure(op, name, f"dtype must be a floating point type, got {dtype.name}",
                      cls=DTypeError)
    with scope(name, op) as last:
        length = F.cast(convert(window_length), dt.int32)
        if length.shape.rank not in (0, None):
            raise failure(op, name, f"window_length must be a scalar, got {length.shape}",
                          cls=ShapeError)
        wide = dt.float64 if dtype is dt.float64 else dt.float32
        even = 1 - F.floormod(length, 2)
        n = length + F.cast(convert(periodic), dt.int32) * even - 1
        angle = 2 * np.pi * F.cast(F.range(length), wide) / F.cast(F.maximum(n, 1), wide)
        window = F.where_v2(F.equal(length, 1), F.ones_like(angle), a - b * F.cos(angle))
        return F.cast(window, dtype, name=last)


@op_function
def hann_window(
    window_length: Any, periodic: Any = True, dtype: Any = dt.float32, name: str | None = None
) -> Any:
    """0.5 − 0.5 · cos(2π · j / n): [window_length].

    window_length: an int or integer scalar. periodic: for spectra (True) or symmetric, for the
    design of filters; it matters for even lengths. dtype: a floating point type.
    """
    return _raised_cosine("hann_window", name, window_length, periodic, dtype, 0.5, 0.5)


@op_function
def hamming_window(
    window_length: Any, periodic: Any = True, dtype: Any = dt.float32, name: str | None = None
) -> Any:
    """0.54 − 0.46 · cos(2π · j / n): [window_length]. Arguments as for `hann_window`."""
    return _raised_cosine("hamming_window", name, window_length, periodic, dtype, 0.54, 0.46)


def _as_last(x: Any, axis: int) -> tuple[Any, list[int]]:
    """x with `axis` moved to the end, and the order that undoes it."""
    rank = x.shape.rank
    order = [i for i in range(rank) if i != axis] + [axis]
    return (x if axis == rank - 1 else F.transpose(x, order)), order


@op_function
def frame(
    signal: Any, frame_length: Any, frame_step: Any, pad_end: bool = False, pad_value: Any = 0,
    axis: int = -1, name: str | None = None,
) -> Any:
    """Pieces of `frame_length` elements along an axis, one every `frame_step`.

    signal: [..., n, ...], of known rank → [..., frames, frame_length, ...]. There are
    1 + (n − frame_length) // frame_step frames, none if the signal is too short; with pad_end,
    ⌈n / frame_step⌉, filled up with `pad_value`.
    Raises ShapeError for an unknown rank, AttributeValueError for a wrong axis.
    """
    with scope(name, "frame") as last:
        signal = convert(signal)
        rank = signal.shape.rank
        if rank is None or rank < 1:
            raise failure("frame", name, f"signal must have known rank of at least 1, got "
                                         f"{signal.shape}", cls=ShapeError)
        axis = static_int("frame", name, "axis", axis)
        if not -rank <= axis < rank:
            raise failure("frame", name, f"axis must be in [{-rank}, {rank}), got {axis}")
        axis %= rank
        length, step = (F.cast(convert(v), dt.int32) for v in (frame_length, frame_step))
        size = F.shape(signal)[axis]
        if pad_end:
            count = F.maximum(0, -F.floordiv(-size, step))
            missing = F.maximum(0, length + step * (count - 1) - size)
            around = F.concat([[0, 0] * axis, [0], F.reshape(missing, [1]),
                               [0, 0] * (rank - 1 - axis)], 0)
            signal = F.pad(signal, F.reshape(around, [rank, 2]),
                           constant_values=F.cast(convert(pad_value), signal.dtype))
        else:
            count = F.maximum(0, 1 + F.floordiv(size - length, step))
        places = F.expand_dims(F.range(count) * step, 1) + F.expand_dims(F.range(length), 0)
        return F.gather(signal, places, axis=axis, name=last)


@op_function
def overlap_and_add(signal: Any, frame_step: Any, name: str | None = None) -> Any:
    """The signal whose frames add up where they overlap: what undoes `frame`.

    signal: [..., frames, frame_length], frame_length known; frame_step: an int →
    [..., (frames − 1) · frame_step + frame_length]. Raises ShapeError for a rank below 2 or an
    unknown frame length.
    """
    with scope(name, "overlap_and_add") as last:
        signal = convert(signal)
        step = static_int("overlap_and_add", name, "frame_step", frame_step)
        rank = signal.shape.rank
        if rank is None or rank < 2 or signal.shape.as_list()[-1] is None:
            raise failure("overlap_and_add", name, "signal must be [..., frames, frame_length] of "
                          f"known rank and frame length, got {signal.shape}",
                          "Use set_shape if you know more.", ShapeError)
        if step < 1:
            raise failure("overlap_and_add", name, f"frame_step must be positive, got {step}")
        sizes, length = F.shape(signal), signal.shape.as_list()[-1]
        pieces = -(-length // step)
        none = [[0, 0]] * (rank - 2)
        padded = F.pad(signal, [*none, [0, 0], [0, pieces * step - length]])
        parts = F.reshape(padded, F.concat([sizes[:-1], [pieces, step]], 0))
        total = F.add_n([
            F.pad(parts[..., k, :], [*none, [k, pieces - 1 - k], [0, 0]]) for k in range(pieces)])
        flat = F.reshape(total, F.concat([sizes[:-2], [-1]], 0))
        return F.identity(flat[..., :(sizes[-2] - 1) * step + length], name=last)


def _power_of_two(length: Any) -> Any:
    """The least power of two that is not below a length; an int if the length is one."""
    if not is_tensor(length):
        return 1 << (max(int(length), 1) - 1).bit_length()
    powers = np.left_shift(1, np.arange(31, dtype=np.int32))
    return F.reduce_min(F.boolean_mask(powers, powers >= F.cast(length, dt.int32)))


@op_function
def stft(
    signals: Any, frame_length: Any, frame_step: Any, fft_length: Any = None,
    window_fn: Window | None = hann_window, pad_end: bool = False, name: str | None = None,
) -> Any:
    """The short-time Fourier transform: the transforms of windowed frames.

    signals: float32 or float64 [..., n] → complex [..., frames, fft_length // 2 + 1].
    frame_length, frame_step, pad_end: as for `frame`. fft_length: to which frames are padded; the
    least power of two that holds a frame by default. window_fn: a function (length, dtype=…) →
    window, or None.
    """
    with scope(name, "stft") as last:
        signals = convert(signals)
        frames = frame(signals, frame_length, frame_step, pad_end)
        if window_fn is not None:
            frames = frames * window_fn(frame_length, dtype=frames.dtype)
        size = _power_of_two(frame_length) if fft_length is None else fft_length
        return F.rfft(frames, F.reshape(F.cast(convert(size), dt.int32), [1]), name=last)


@op_function
def inverse_stft(
    stfts: Any, frame_length: Any, frame_step: Any, fft_length: Any = None,
    window_fn: Window | None = hann_window, name: str | None = None,
) -> Any:
    """The signal of overlapping frames given by their transforms.

    stfts: complex [..., frames, fft_length // 2 + 1] → real [..., (frames − 1) · frame_step +
    frame_length]. window_fn: of the frames before they are added; `inverse_stft_window_fn` gives
    the one that undoes `stft`. frame_length and frame_step must be known while building.
    """
    with scope(name, "inverse_stft") as last:
        length = static_int("inverse_stft", name, "frame_length", frame_length)
        size = _power_of_two(length) if fft_length is None else static_int(
            "inverse_stft", name, "fft_length", fft_length)
        frames = F.irfft(stfts, [size])
        if length > size:
            frames = F.pad(frames, [[0, 0]] * (frames.shape.rank - 1) + [[0, length - size]])
        frames = frames[..., :length]
        if window_fn is not None:
            frames = frames * window_fn(length, dtype=frames.dtype)
        return overlap_and_add(frames, frame_step, name=last)


@op_function
def inverse_stft_window_fn(
    frame_step: Any, forward_window_fn: Window = hann_window, name: str | None = None
) -> Window:
    """The window function for `inverse_stft` that undoes a window of `stft`: (length, dtype) → w.

    The window, divided by the sum of the squares of all windows that overlap at a place.
    Source: Griffin & Lim, "Signal estimation from modified short-time Fourier transform", 1984.
    """
    step = static_int("inverse_stft_window_fn", name, "frame_step", frame_step)
    return partial(_undoing_window, step, forward_window_fn, name)


def _undoing_window(
    step: int, forward: Window, name: str | None, frame_length: Any, dtype: Any = dt.float32
) -> Any:
    with scope(name, "inverse_stft_window_fn") as last:
        length = static_int("inverse_stft_window_fn", name, "frame_length", frame_length)
        window = forward(length, dtype=dtype)
        pieces = -(-length // step)
        squares = F.pad(F.square(window), [[0, pieces * step - length]])
        sums = F.reduce_sum(F.reshape(squares, [pieces, step]), 0)
        return F.divide(window, F.tile(sums, [pieces])[:length], name=last)
