"""Fourier and cosine transforms, frames, windows, mel spectra: values, gradients, errors."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from programs.registry import case, evaluated, wave


def complex_wave(*shape: int) -> np.ndarray:
    """A fixed array of complex64."""
    return wave(*shape) + np.complex64(1j) * wave(*shape, phase=1.0)


def slopes(tf: ModuleType, y: Any, x: Any) -> Any:
    """The gradient of Σ k · |yₖ|², a loss that tells the elements apart."""
    weights = np.arange(1, 1 + np.prod(y.shape.as_list())).reshape(y.shape.as_list())
    return tf.gradients(tf.reduce_sum(tf.square(tf.abs(y)) * weights.astype(np.float32)), x)[0]


@case(rtol=1e-4, atol=1e-4)
def fourier(tf: ModuleType) -> Any:
    """Transforms of complex numbers over one to three axes, and their gradients."""
    x = tf.constant(complex_wave(2, 3, 4))
    names = ("fft", "ifft", "fft2d", "ifft2d", "fft3d", "ifft3d")
    found = {n: lambda n=n: getattr(tf, n)(x) for n in names}
    found |= {f"{n} slopes": lambda n=n: slopes(tf, getattr(tf.signal, n)(x), x)
              for n in ("fft", "ifft", "fft2d")}
    return evaluated(tf, found | {
        "fftshift": lambda: tf.signal.fftshift(tf.constant(wave(3, 4))),
        "ifftshift": lambda: tf.signal.ifftshift(tf.constant(wave(3, 4)), axes=[1]),
        "real input": lambda: tf.fft(tf.constant(wave(4)))})


@case(rtol=1e-4, atol=1e-4)
def real_fourier(tf: ModuleType) -> Any:
    """Transforms of real numbers, cut and padded, and their gradients."""
    x, y = tf.constant(wave(2, 7)), tf.constant(complex_wave(2, 4))
    return evaluated(tf, {
        "rfft": lambda: tf.spectral.rfft(x),
        "rfft cut": lambda: tf.signal.rfft(x, [4]),
        "rfft padded": lambda: tf.signal.rfft(x, [10]),
        "rfft slopes": lambda: slopes(tf, tf.signal.rfft(x), x),
        "irfft": lambda: tf.spectral.irfft(y),
        "irfft odd": lambda: tf.signal.irfft(y, [7]),
        "irfft padded": lambda: tf.signal.irfft(y, [9]),
        "irfft slopes": lambda: tf.abs(slopes(tf, tf.signal.irfft(y), y)),
        "rfft2d": lambda: tf.signal.rfft2d(x),
        "irfft2d": lambda: tf.signal.irfft2d(y, [2, 6]),
        "rfft3d": lambda: tf.signal.rfft3d(tf.constant(wave(2, 3, 4)))})


@case(rtol=1e-4, atol=1e-4)
def cosine(tf: ModuleType) -> Any:
    """The cosine transforms of three types."""
    x = tf.constant(wave(2, 6))
    found = {}
    for kind in (1, 2, 3):
        found[f"dct {kind}"] = lambda kind=kind: tf.signal.dct(x, kind)
        found[f"idct {kind}"] = lambda kind=kind: tf.signal.idct(x, kind)
    for kind in (2, 3):
        found[f"ortho {kind}"] = lambda kind=kind: tf.signal.dct(x, kind, norm="ortho")
        found[f"slopes {kind}"] = lambda kind=kind: slopes(tf, tf.signal.dct(x, kind), x)
    return evaluated(tf, found | {
        "cut": lambda: tf.signal.dct(x, n=4), "padded": lambda: tf.signal.dct(x, n=9),
        "other axis": lambda: tf.signal.dct(x, axis=0),
        "other type": lambda: tf.signal.dct(x, type=7)})


@case(rtol=1e-4, atol=1e-4)
def frames(tf: ModuleType) -> Any:
    """Frames, windows, short-time transforms and back."""
    x = tf.constant(wave(2, 23))

    def back(window: Any) -> Any:
        return tf.signal.inverse_stft(tf.signal.stft(x, 8, 4), 8, 4, window_fn=window)

    return evaluated(tf, {
        "frame": lambda: tf.signal.frame(x, 5, 3),
        "frame padded": lambda: tf.signal.frame(x, 5, 3, pad_end=True, pad_value=-1.0),
        "frame axis": lambda: tf.signal.frame(tf.constant(wave(7, 2)), 3, 2, axis=0),
        "frame short": lambda: tf.signal.frame(x, 30, 3),
        "overlap": lambda: tf.signal.overlap_and_add(tf.constant(wave(2, 4, 5)), 2),
        "overlap apart": lambda: tf.signal.overlap_and_add(tf.constant(wave(3, 2)), 3),
        "hann": lambda: [tf.signal.hann_window(n, p) for n in (1, 2, 7, 8) for p in (True, False)],
        "hamming": lambda: [tf.signal.hamming_window(n) for n in (1, 7, 8)],
        "stft": lambda: tf.signal.stft(x, 6, 3),
        "stft long": lambda: tf.signal.stft(x, 6, 3, fft_length=16, pad_end=True),
        "stft plain": lambda: tf.signal.stft(x, 6, 3, window_fn=None),
        "back": lambda: back(tf.signal.inverse_stft_window_fn(4)),
        "back windowed": lambda: back(tf.signal.hann_window),
        "back plain": lambda: back(None)})


@case(rtol=1e-4, atol=1e-4)
def mel(tf: ModuleType) -> Any:
    """Mel filters and cepstral coefficients."""
    return evaluated(tf, {
        "filters": lambda: tf.signal.linear_to_mel_weight_matrix(5, 17, 8000, 100.0, 3900.0),
        "mfcc": lambda: tf.signal.mfccs_from_log_mel_spectrograms(tf.constant(wave(2, 6))),
        "no bands": lambda: tf.signal.linear_to_mel_weight_matrix(0),
        "beyond": lambda: tf.signal.linear_to_mel_weight_matrix(upper_edge_hertz=4001.0)})
