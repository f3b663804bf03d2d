"""Discrete cosine transforms, and what speech recognition makes of spectra: mel scale, MFCC.

The transforms are those of FFTPACK and SciPy, by a Fourier transform of twice the length (Makhoul,
"A fast cosine transform in one and two dimensions", 1980).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert, op_function
from graphflow.dtypes import as_dtype
from graphflow.errors import DTypeError, ShapeError, UnimplementedError
from graphflow.ops.arguments import failure, is_tensor
from graphflow.ops.scope import scope


def _checked(op: str, name: str | None, x: Any, type: int, n: Any, axis: int, norm: Any) -> Any:
    if type not in (1, 2, 3):
        raise failure(op, name, f"Only Types I, II and III (I)DCT are supported, got {type!r}")
    if axis != -1:
        raise UnimplementedError(
            None, None, f"{op}: axis must be -1. Got: {axis}. Use gf.transpose before.")
    if norm not in (None, "ortho"):
        raise failure(op, name, f"Unknown normalization. Expected None or 'ortho', got: {norm!r}")
    x = convert(x)
    if x.dtype not in (dt.float32, dt.float64):
        raise failure(op, name, f"input must be float32 or float64, got {x.dtype.name}",
                      cls=DTypeError)
    if not x.shape.rank:
        raise failure(op, name, f"input must have known rank of at least 1, got {x.shape}",
                      cls=ShapeError)
    return x if n is None else _resized(op, name, x, n)


def _resized(op: str, name: str | None, x: Any, n: Any) -> Any:
    size, known = int(n), x.shape.as_list()[-1]
    if size < 1:
        raise failure(op, name, f"n should be a positive integer or None, got {n}")
    missing = F.maximum(0, size - F.shape(x)[-1]) if known is None else max(0, size - known)
    x = x[..., :size]
    return F.pad(x, [[0, 0]] * (x.shape.rank - 1) + [[0, missing]]) if is_tensor(
        missing) or missing else x


def _angles(n: Any, dtype: Any) -> tuple[Any, Any]:
    """The parts of 2 · exp(iπ · k / 2n) for k = 0 … n − 1."""
    angle = F.cast(F.range(n), dtype) * (math.pi / 2) / F.cast(n, dtype)
    return 2 * F.cos(angle), 2 * F.sin(angle)


def _first(n: Any, first: Any, others: Any, dtype: Any) -> Any:
    """A vector of `others`, but for its first element."""
    return F.where_v2(F.equal(F.range(n), 0), F.cast(first, dtype), F.cast(others, dtype))


def _type1(x: Any) -> Any:
    return F.real(F.rfft(F.concat([x, x[..., -2:0:-1]], -1)))


def _type2(x: Any, norm: str | None) -> Any:
    n = F.shape(x)[-1]
    c, s = _angles(n, x.dtype)
    found = F.rfft(x, F.reshape(2 * n, [1]))[..., :n]
    y = F.real(found) * c + F.imag(found) * s
    if norm is None:
        return y
    root = F.rsqrt(F.cast(n, x.dtype))
    return y * _first(n, 0.5 * root, 0.5 * math.sqrt(2) * root, x.dtype)


def _type3(x: Any, norm: str | None) -> Any:
    n = F.shape(x)[-1]
    count = F.cast(n, x.dtype)
    if norm is None:
        x = x * count
    else:
        root = F.sqrt(count)
        x = x * _first(n, root, math.sqrt(0.5) * root, x.dtype)
    c, s = _angles(n, x.dtype)
    return F.irfft(F.complex(c * x, s * x), F.reshape(2 * n, [1]))[..., :n]


def _transformed(x: Any, type: int, norm: str | None, op: str, name: str | None) -> Any:
    if type == 1:
        if norm == "ortho":
            raise failure(op, name, "norm='ortho' is not supported for type 1")
        return _type1(x)
    return _type2(x, norm) if type == 2 else _type3(x, norm)


@op_function
def dct(
    input: Any, type: int = 2, n: int | None = None, axis: int = -1, norm: str | None = None,
    name: str | None = None,
) -> Any:
    """The discrete cosine transform along the last axis.

    input: float32 or float64 [..., size]; n: to which it is cut or padded with zeros. type: 1, 2
    or 3; norm: None, or "ortho" for an orthonormal transform (types 2 and 3). As scipy.fft.dct.
    Raises AttributeValueError (a ValueError) for another type or norm, UnimplementedError (a
    NotImplementedError) for another axis.
    """
    with scope(name, "dct") as last:
        x = _checked("dct", name, input, type, n, axis, norm)
        return F.identity(_transformed(x, type, norm, "dct", name), name=last)


@op_function
def idct(
    input: Any, type: int = 2, n: int | None = None, axis: int = -1, norm: str | None = None,
    name: str | None = None,
) -> Any:
    """The inverse of `dct` with norm="ortho"; without, 2 · size times it (type 1: size − 1).

    Arguments as for `dct`. That of type 2 is the transform of type 3, and the reverse.
    """
    with scope(name, "idct") as last:
        x = _checked("idct", name, input, type, n, axis, norm)
        inverse = {1: 1, 2: 3, 3: 2}[type]
        return F.identity(_transformed(x, inverse, norm, "idct", name), name=last)


def _mel(hertz: Any) -> Any:
    """O'Shaughnessy's mel scale, with the natural logarithm as in HTK."""
    return 1127.0 * F.log1p(hertz / 700.0)


@op_function
def linear_to_mel_weight_matrix(
    num_mel_bins: int = 20, num_spectrogram_bins: Any = 129, sample_rate: Any = 8000,
    lower_edge_hertz: float = 125.0, upper_edge_hertz: float = 3800.0, dtype: Any = dt.float32,
    name: str | None = None,
) -> Any:
    """Triangular filters that sum spectra into bands of the mel scale.

    → [num_spectrogram_bins, num_mel_bins]: `spectrogram · matrix` is in mel bands. The bins of the
    spectrum are from 0 to sample_rate / 2; the bands between the two edges are equally wide on
    the mel scale and overlap by half. Raises AttributeValueError for wrong numbers.
    """
    op = "linear_to_mel_weight_matrix"
    dtype = as_dtype(dtype)
    if int(num_mel_bins) <= 0:
        raise failure(op, name, f"num_mel_bins must be positive. Got: {num_mel_bins}")
    if lower_edge_hertz < 0 or lower_edge_hertz >= upper_edge_hertz:
        raise failure(op, name, "lower_edge_hertz must not be negative and be below "
                                f"upper_edge_hertz, got {lower_edge_hertz} and {upper_edge_hertz}")
    if not is_tensor(sample_rate) and (
            sample_rate <= 0 or upper_edge_hertz > sample_rate / 2):
        raise failure(op, name, "upper_edge_hertz must not be larger than the Nyquist frequency "
                                f"(sample_rate / 2). Got {upper_edge_hertz} for sample_rate: "
                                f"{sample_rate}")
    if not dtype.is_floating:
        raise failure(op, name, f"dtype must be a floating point type. Got: {dtype.name}",
                      cls=DTypeError)
    with scope(name, op) as last:
        nyquist = F.cast(convert(sample_rate), dt.float64) / 2
        bins = F.cast(convert(num_spectrogram_bins), dt.int32)
        places = F.cast(F.range(1, bins), dt.float64) / F.cast(bins - 1, dt.float64)
        spectrum = F.expand_dims(_mel(places * nyquist), 1)
        lowest, highest = (1127.0 * math.log1p(e / 700.0)
                           for e in (lower_edge_hertz, upper_edge_hertz))
        edges = np.linspace(lowest, highest, num_mel_bins + 2)
        low, middle, high = edges[:-2], edges[1:-1], edges[2:]
        rising = (spectrum - low) / (middle - low)
        falling = (high - spectrum) / (high - middle)
        weights = F.maximum(F.minimum(rising, falling), 0.0)
        # The bin of frequency 0 counts nowhere.
        return F.cast(F.pad(weights, [[1, 0], [0, 0]]), dtype, name=last)


@op_function
def mfccs_from_log_mel_spectrograms(log_mel_spectrograms: Any, name: str | None = None) -> Any:
    """Mel-frequency cepstral coefficients, as in HTK: [..., bands] → the same.

    The cosine transform of type 2, divided by √(2 · bands). Raises ShapeError for no bands.
    """
    op = "mfccs_from_log_mel_spectrograms"
    with scope(name, op) as last:
        x = convert(log_mel_spectrograms)
        if x.shape.rank and x.shape.as_list()[-1] == 0:
            raise failure(op, name, f"num_mel_bins must be positive. Got: {x.shape}",
                          cls=ShapeError)
        found = dct(x, type=2)
        return F.multiply(found, F.rsqrt(2.0 * F.cast(F.shape(x)[-1], x.dtype)), name=last)
