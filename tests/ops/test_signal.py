"""Fourier and cosine transforms, frames and spectra, against NumPy, SciPy and TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
import scipy.signal

import graphflow as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def run(fetch, feeds=None):
    with tf.Session() as session:
        return session.run(fetch, feeds)


def noise(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


# ---- Fourier transforms -----------------------------------------------------------------------

LENGTHS = [*range(1, 34), 49, 64, 97, 121, 128, 143, 169, 210, 289, 1000, 1024, 1009, 2310]


def test_transforms_of_any_length_are_right_to_the_last_digits():
    found = run([(tf.fft(x), tf.ifft(x)) for x in (noise(2, n, seed=n) for n in LENGTHS)])
    for n, (forward, backward) in zip(LENGTHS, found):
        x = noise(2, n, seed=n)
        size = np.linalg.norm(x)
        np.testing.assert_allclose(forward, np.fft.fft(x), rtol=0,
                                   atol=1e-15 * size * np.log2(n + 1))
        np.testing.assert_allclose(backward, np.fft.ifft(x), rtol=0, atol=1e-15 * size)


def test_real_transforms_cut_and_pad():
    x = np.random.default_rng(1).normal(size=(3, 10)).astype(np.float32)
    y = noise(3, 6).astype(np.complex64)
    found = run([[tf.signal.rfft(x), tf.signal.irfft(y)]] + [
        [tf.spectral.rfft(x, [n]), tf.spectral.irfft(y, [n])] for n in (7, 10, 16)])
    for n, (forward, backward) in zip((10, 7, 10, 16), found):
        assert forward.dtype == np.complex64 and backward.dtype == np.float32
        np.testing.assert_allclose(forward, np.fft.rfft(x, n), atol=1e-5)
        np.testing.assert_allclose(backward, np.fft.irfft(y, n), atol=1e-6)


def test_transforms_of_several_axes():
    x, real = noise(2, 3, 4, 6), np.random.default_rng(2).normal(size=(2, 3, 4, 6))
    found = run([
        tf.fft2d(x), tf.ifft2d(x), tf.fft3d(x), tf.ifft3d(x), tf.signal.rfft2d(real),
        tf.signal.rfft3d(real, [4, 4, 5]), tf.signal.irfft2d(x), tf.signal.irfft3d(x, [3, 2, 9])])
    axes = (-3, -2, -1)
    expected = [
        np.fft.fft2(x), np.fft.ifft2(x), np.fft.fftn(x, axes=axes), np.fft.ifftn(x, axes=axes),
        np.fft.rfft2(real), np.fft.rfftn(real, [4, 4, 5], axes), np.fft.irfft2(x),
        np.fft.irfftn(x, [3, 2, 9], axes)]
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_sizes_that_are_known_when_the_graph_runs():
    signal = tf.placeholder(tf.float64, [None, None])
    length = tf.placeholder(tf.int32, [1])
    own, cut = tf.signal.rfft(signal), tf.signal.rfft(signal, length)
    back = tf.signal.irfft(own, tf.shape(signal)[1:])
    assert own.dtype == tf.complex128 and own.shape.as_list() == [None, None]
    for n in (5, 8):
        x = np.random.default_rng(n).normal(size=(2, n))
        a, b, c = run([own, cut, back], {signal: x, length: [6]})
        np.testing.assert_allclose(a, np.fft.rfft(x), atol=1e-12)
        np.testing.assert_allclose(b, np.fft.rfft(x, 6), atol=1e-12)
        np.testing.assert_allclose(c, x, atol=1e-12)


def test_gradients_are_transforms():
    """Of Σ w · |y|² for y = F·x: 2 · n · F⁻¹(w ∘ F·x) (Parseval for w = 1)."""
    x, w = np.random.default_rng(3).normal(size=9), np.random.default_rng(4).uniform(size=5)
    signal = tf.constant(x)
    power = tf.reduce_sum(w * tf.square(tf.abs(tf.signal.rfft(signal))))
    half = np.fft.rfft(x) * w
    full = np.concatenate([half, np.zeros(4)])
    np.testing.assert_allclose(run(tf.gradients(power, signal)[0]),
                               2 * 9 * np.fft.ifft(full).real, rtol=1e-12)


def test_shifts_are_those_of_numpy():
    x = np.arange(30.0).reshape(5, 6)
    found = run([tf.signal.fftshift(x), tf.signal.fftshift(x, 0), tf.signal.ifftshift(x, [1])])
    for a, b in zip(found, [np.fft.fftshift(x), np.fft.fftshift(x, 0), np.fft.ifftshift(x, 1)]):
        np.testing.assert_array_equal(a, b)


# ---- cosine transforms ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [1, 2, 3])
@pytest.mark.parametrize("norm", [None, "ortho"])
@pytest.mark.parametrize("n", [None, 4, 11])
def test_cosine_transforms_are_those_of_scipy(kind, norm, n):
    if kind == 1 and norm:
        with pytest.raises(ValueError, match="not supported for type 1"):
            tf.signal.dct(np.ones(3), kind, norm=norm)
        return
    x = np.random.default_rng(5).normal(size=(2, 7))
    forward, back = tf.signal.dct(x, kind, n, norm=norm), tf.signal.idct(x, kind, n, norm=norm)
    inverse = {1: 1, 2: 3, 3: 2}[kind]
    found = run([forward, back])
    np.testing.assert_allclose(found[0], scipy.fft.dct(x, kind, n, norm=norm), atol=1e-12)
    np.testing.assert_allclose(found[1], scipy.fft.dct(x, inverse, n, norm=norm), atol=1e-12)


def test_an_orthonormal_transform_is_undone():
    x = np.random.default_rng(6).normal(size=(3, 8)).astype(np.float32)
    np.testing.assert_allclose(
        run(tf.spectral.idct(tf.spectral.dct(x, norm="ortho"), norm="ortho")), x, atol=1e-6)


# ---- frames -----------------------------------------------------------------------------------


@pytest.mark.parametrize("length, step, pad_end", [(3, 2, False), (3, 2, True), (2, 5, True),
                                                   (9, 1, False), (4, 4, True)])
@pytest.mark.parametrize("known", [True, False])
def test_frames_are_slices(length, step, pad_end, known):
    x = np.arange(14.0).reshape(7, 2)
    signal = tf.constant(x) if known else tf.placeholder(tf.float64, [None, 2])
    frames = run(tf.signal.frame(signal, length, step, pad_end, pad_value=-1, axis=0),
                 None if known else {signal: x})
    starts = range(0, 7, step) if pad_end else range(0, 7 - length + 1, step)
    padded = np.concatenate([x, np.full((length, 2), -1.0)])
    expected = np.array([padded[i:i + length] for i in starts]).reshape(-1, length, 2)
    np.testing.assert_array_equal(frames, expected)


@pytest.mark.parametrize("length, step", [(4, 2), (5, 2), (3, 3), (2, 5), (4, 3)])
def test_frames_add_up(length, step):
    frames = np.random.default_rng(7).normal(size=(2, 4, length))
    expected = np.zeros((2, 3 * step + length))
    for i in range(4):
        expected[:, i * step:i * step + length] += frames[:, i]
    signal = tf.constant(frames)
    total = tf.signal.overlap_and_add(signal, step)
    weights = np.arange(3.0 * step + length)
    found, slope = run([total, tf.gradients(tf.reduce_sum(total * weights), signal)[0]])
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(
        slope, np.stack([[weights[i * step:][:length] for i in range(4)]] * 2))


def test_windows_are_those_of_scipy_and_tensorflow():
    found = run([tf.signal.hann_window(8), tf.signal.hann_window(8, periodic=False),
                 tf.signal.hamming_window(6, dtype=tf.float64), tf.signal.hann_window(1),
                 tf.signal.hann_window(7)])
    expected = [scipy.signal.get_window("hann", 8), scipy.signal.windows.hann(8),
                scipy.signal.get_window("hamming", 6), [1.0],
                # TensorFlow's periodic window of odd length is the symmetric one
                [0.0, 0.25, 0.75, 1.0, 0.75, 0.25, 0.0]]
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_short_time_transform_is_that_of_tensorflow():
    """tf.signal.stft(sin(0 … 19), 6, 3)[2], by TensorFlow 2.21."""
    found = run(tf.signal.stft(np.sin(np.arange(20, dtype=np.float32)), 6, 3))
    assert found.shape == (5, 5)
    np.testing.assert_allclose(found[2], [
        0.6603707, 0.4095187 - 1.3263452j, -1.1500344 + 0.4978692j, 0.4065128 + 0.1576922j,
        0.0076352], atol=1e-5)


@pytest.mark.parametrize("length, step, fft_length", [(16, 8, None), (12, 5, 16), (10, 3, None)])
def test_a_short_time_transform_is_undone(length, step, fft_length):
    x = np.random.default_rng(8).normal(size=(2, 80))
    spectra = tf.signal.stft(x, length, step, fft_length)
    back = tf.signal.inverse_stft(spectra, length, step, fft_length,
                                  tf.signal.inverse_stft_window_fn(step))
    found = run(back)
    inner = slice(length, found.shape[1] - length)
    np.testing.assert_allclose(found[:, inner], x[:, inner], atol=1e-6)


def test_mel_filters_are_those_of_tensorflow():
    """tf.signal.linear_to_mel_weight_matrix(4, 9, 8000, 125, 3800), by TensorFlow 2.21."""
    matrix = tf.signal.linear_to_mel_weight_matrix(4, 9, 8000, 125.0, 3800.0)
    np.testing.assert_allclose(run(matrix), [
        [0, 0, 0, 0], [0.89565384, 0.10434615, 0, 0], [0, 0.8690782, 0.13092178, 0],
        [0, 0.1091703, 0.8908297, 0], [0, 0, 0.505573, 0.494427], [0, 0, 0.00482433, 0.99517566],
        [0, 0, 0, 0.5769244], [0, 0, 0, 0.20334473], [0, 0, 0, 0]], atol=1e-5)


def test_cepstral_coefficients_are_those_of_tensorflow():
    x = np.arange(6, dtype=np.float32) ** 2 - 5
    np.testing.assert_allclose(
        run(tf.signal.mfccs_from_log_mel_spectrograms(x)),
        [14.433757, -20.812809, 6.0, -2.0412414, 1.1547011, -0.40039435], atol=1e-5)


@pytest.mark.parametrize("call, error, message", [
    (lambda: tf.fft(tf.zeros([3])), TypeError, "must be one of complex64"),
    (lambda: tf.fft2d(tf.zeros([3], tf.complex64)), ValueError, "rank of at least 2"),
    (lambda: tf.signal.rfft(tf.zeros([3], tf.complex64)), TypeError, "float32 or float64"),
    (lambda: tf.signal.irfft(tf.zeros([3])), TypeError, "complex64 or complex128"),
    (lambda: tf.signal.rfft(tf.zeros([3]), [4, 4]), ValueError, r"must have shape \[1\]"),
    (lambda: tf.signal.rfft(tf.zeros([3]), [-4]), ValueError, "not be negative"),
    (lambda: tf.signal.dct(tf.zeros([3]), 5), ValueError, "Only Types"),
    (lambda: tf.signal.dct(tf.zeros([3]), norm="x"), ValueError, "Unknown normalization"),
    (lambda: tf.signal.dct(tf.zeros([3, 3]), axis=0), NotImplementedError, "axis must be -1"),
    (lambda: tf.signal.frame(tf.zeros([3]), 2, 1, axis=1), ValueError, "axis must be in"),
    (lambda: tf.signal.overlap_and_add(tf.zeros([3]), 1), ValueError, "frames, frame_length"),
    (lambda: tf.signal.hann_window([3]), ValueError, "must be a scalar"),
    (lambda: tf.signal.linear_to_mel_weight_matrix(0), ValueError, "num_mel_bins"),
    (lambda: tf.signal.linear_to_mel_weight_matrix(upper_edge_hertz=5000.0), ValueError,
     "Nyquist"),
])
def test_mistakes_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
