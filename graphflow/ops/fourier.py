"""Discrete Fourier transforms: `fft`, `ifft`, `rfft`, `irfft`, and of two and three axes.

yₖ = Σⱼ xⱼ · exp(−2πi · jk / n); the inverse divides by n. The transform is linear and symmetric,
so gradients are transforms too: by TensorFlow's convention for complex numbers that of `fft` is
n · ifft(g), that of `ifft` is fft(g) / n.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F as OPS
from graphflow.builder import apply, convert, op_function
from graphflow.dims import Dim, SymDim, equal, fresh, product
from graphflow.errors import DTypeError, ShapeError
from graphflow.lowering import Library, LoweringContext
from graphflow.opdef import Attr, ErrorSample, Infer, Sample, TensorType
from graphflow.ops.arguments import failure, typed
from graphflow.ops.declare import declare
from graphflow.ops.scope import scope
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape

_REAL = (dt.float32, dt.float64)
_SMALL_PRIMES = (2, 3, 5, 7, 11, 13)


def _room(n: Dim) -> tuple[Dim, Dim, Dim]:
    """Complex numbers in a work row, in the chirp and in the filter, for rows of length n."""
    if isinstance(n, SymDim):
        return 4 * n, n, 4 * n
    rest = max(n, 1)
    for prime in _SMALL_PRIMES:
        while rest % prime == 0:
            rest //= prime
    if rest == 1:
        return max(n, 1), 1, 1
    padded = 1 << (2 * n - 2).bit_length()
    return padded, n, padded


def fourier_scratch(n: Dim) -> tuple:
    """The scratch memory of the kernels in `kernels/fourier.py`."""
    work, chirp, filters = _room(n)
    return tuple((dt.float64, 2 * count) for count in (work, work, work, chirp, filters))


def real_scratch(n: Dim) -> tuple:
    """That of the kernels for real rows of length n."""
    return *fourier_scratch(n), (dt.float64, 2 * (n // 2 + 1))


def _scalar(F: Any, n: Any, dtype: Any) -> Any:
    """A length as a number of a complex or real type."""
    return F.cast(F.cast(n, dtype.real_dtype), dtype)


# ---- complex to complex -----------------------------------------------------------------------


def _same_type(c: Infer) -> list[TensorType]:
    c.require_rank(0, at_least=1)
    return [TensorType(c.dtype(0), c.shape(0))]


def _reference(input: np.ndarray, inverse: bool) -> np.ndarray:
    if not input.size:
        return np.zeros(input.shape, input.dtype)
    found = np.fft.ifft(input) if inverse else np.fft.fft(input)
    return found.astype(input.dtype)


def _gradient(F: Any, op: Any, g: Any) -> list[Any]:
    n = _scalar(F, F.shape(g)[-1], g.dtype)
    if op.attrs["inverse"]:
        return [apply(TRANSFORM, (g,), {"inverse": False}) / n]
    return [apply(TRANSFORM, (g,), {"inverse": True}) * n]


def _rows(shape: tuple) -> Dim:
    return product(shape[:-1])


def _complex_samples() -> list[Sample]:
    rng = np.random.default_rng(0)

    def rows(*shape: int) -> np.ndarray:
        return rng.normal(size=shape) + 1j * rng.normal(size=shape)

    shapes = [(8,), (2, 6), (1,), (2, 5), (3, 7), (34,), (2, 1, 12), (0, 4), (2, 0)]
    return [Sample((rows(*s),), {"inverse": inverse}) for s in shapes for inverse in (False, True)]


TRANSFORM = declare(
    "FFT", "input: C", attrs={"inverse": Attr("bool", False)}, infer=_same_type,
    reference=_reference, grad=_gradient,
    lowering=Library(
        "fft", lambda ctx: (_rows(ctx.in_shapes[0]), ctx.in_shapes[0][-1],
                            int(ctx.attrs["inverse"])),
        lambda ctx: fourier_scratch(ctx.in_shapes[0][-1])),
    samples=_complex_samples,
    errors=lambda: [
        ErrorSample((typed(dt.complex64),), {}, ShapeError, "input must have rank at least 1"),
        ErrorSample((typed(dt.float32, 3),), {}, DTypeError, "must be one of complex64")],
    C=dt.COMPLEX)


# ---- real rows --------------------------------------------------------------------------------


def _with_last(c: Infer, size: Dim, dtype: Any) -> list[TensorType]:
    if c.shape(0).rank is None:
        return [TensorType(dtype, UNKNOWN_SHAPE)]
    return [TensorType(dtype, TensorShape.of((*c.shape(0).sizes[:-1], size)))]


def _real_type(c: Infer) -> list[TensorType]:
    dtype = dt.complex64 if c.dtype(0) is dt.float32 else dt.complex128
    known = c.require_rank(0, at_least=1) is not None
    return _with_last(c, c.shape(0).sizes[-1] // 2 + 1 if known else fresh(), dtype)


def _inverse_type(c: Infer) -> list[TensorType]:
    c.require_rank(0, at_least=1)
    known = c.require_rank(1, at_least=1) is not None
    return _with_last(c, c.shape(1).sizes[-1] if known else fresh(), c.dtype(0).real_dtype)


def _real_reference(input: np.ndarray) -> np.ndarray:
    dtype = np.result_type(input.dtype, np.complex64)
    if not input.size:
        return np.zeros((*input.shape[:-1], input.shape[-1] // 2 + 1), dtype)
    return np.fft.rfft(input).astype(dtype)


def _inverse_reference(input: np.ndarray, like: np.ndarray) -> np.ndarray:
    n = like.shape[-1]
    if not n or not input.size:
        return np.zeros((*input.shape[:-1], n), input.real.dtype)
    return np.fft.irfft(input, n).astype(input.real.dtype)


def _weights(F: Any, n: Any, inner: float, dtype: Any) -> Any:
    """1 for the first and (n even) the middle number of a half transform, `inner` for others."""
    k = F.range(n // 2 + 1)
    single = F.logical_or(F.equal(k, 0), F.equal(2 * k, n))
    ones = F.ones_like(k, dtype=dtype.real_dtype)
    return F.cast(F.where_v2(single, ones, inner * ones), dtype)


def _real_gradient(F: Any, op: Any, g: Any) -> list[Any]:
    """Re Σₖ gₖ · exp(2πi · jk / n), as the inverse of a half transform."""
    x, = op.inputs
    n = F.shape(x)[-1]
    back = apply(REAL_INVERSE, (g * _weights(F, n, 0.5, g.dtype), x))
    return [back * F.cast(n, back.dtype)]


def _inverse_gradient(F: Any, op: Any, g: Any) -> list[Any]:
    """Each inner number of the half transform stands for two of the whole."""
    x, _ = op.inputs
    n = F.shape(g)[-1]
    found = apply(REAL_TRANSFORM, (g,)) * _weights(F, n, 2.0, x.dtype)
    found = found / _scalar(F, F.maximum(n, 1), x.dtype)
    have, given = found.shape[-1:], x.shape[-1:]
    if None not in (have.rank, given.rank) and equal(have.sizes[0], given.sizes[0]) is True:
        return [found, None]
    size = F.shape(x)[-1]
    found = found[..., :size]
    missing = F.reshape(size - F.shape(found)[-1], [1])
    rest = F.zeros(F.concat([F.shape(found)[:-1], missing], 0), found.dtype)
    return [F.concat([found, rest], -1), None]


def _half_sizes(ctx: LoweringContext) -> tuple:
    return _rows(ctx.in_shapes[0]), ctx.in_shapes[0][-1], ctx.out_shapes[0][-1]


def _real_samples() -> list[Sample]:
    rng = np.random.default_rng(1)
    return [Sample((rng.normal(size=shape),)) for shape in (
        (8,), (2, 6), (2, 5), (1,), (17,), (0, 4), (2, 2, 12), (2, 0))]


def _inverse_samples() -> list[Sample]:
    rng = np.random.default_rng(2)
    found = [Sample((rng.normal(size=shape) + 1j * rng.normal(size=shape), np.zeros(n)))
             for shape, n in (((5,), 8), ((2, 4), 6), ((2, 4), 7), ((7,), 4), ((2, 2), 9),
                              ((1,), 1), ((10,), 19), ((0, 3), 4), ((2, 2), 2))]
    single = np.array([[1 + 2j, 3 - 1j]], np.complex64)
    return [*found, Sample((single, np.zeros((2, 3))), grad=False)]


REAL_TRANSFORM = declare(
    "RFFT", "input: R", infer=_real_type, reference=_real_reference,
    grad=_real_gradient,
    lowering=Library("rfft", lambda ctx: (_rows(ctx.in_shapes[0]), ctx.in_shapes[0][-1]),
                     lambda ctx: real_scratch(ctx.in_shapes[0][-1])),
    samples=_real_samples,
    errors=lambda: [ErrorSample((typed(dt.float32),), {}, ShapeError, "rank at least 1"),
                    ErrorSample((typed(dt.complex64, 3),), {}, DTypeError,
                                "must be one of float32, float64")], R=_REAL)

# The length of the rows is that of `like`'s last axis, since half a transform does not tell it.
REAL_INVERSE = declare(
    "IRFFT", "input: C, like: R", infer=_inverse_type, reference=_inverse_reference,
    grad=_inverse_gradient,
    lowering=Library("irfft", _half_sizes,
                     lambda ctx: real_scratch(ctx.out_shapes[0][-1])),
    samples=_inverse_samples,
    errors=lambda: [
        ErrorSample((typed(dt.complex64), typed(dt.float32, 1)), {}, ShapeError,
                    "input must have rank at least 1"),
        ErrorSample((typed(dt.complex64, 3), typed(dt.float32)), {}, ShapeError,
                    "like must have rank at least 1")], C=dt.COMPLEX, R=_REAL)


# ---- public functions -------------------------------------------------------------------------


def _along(function: Callable[[Any], Any], x: Any, axis: int) -> Any:
    """`function` of rows along one of the last axes; `axis` is negative."""
    if axis == -1:
        return function(x)
    rank = x.shape.rank
    order = list(range(rank))
    order[axis], order[-1] = order[-1], order[axis]
    return OPS.transpose(function(OPS.transpose(x, order)), order)


def _ranked(op: str, name: str | None, x: Any, axes: int) -> Any:
    """x as a tensor, of known rank. Raises ShapeError if that is too small or not known."""
    x = convert(x)
    if x.shape.rank is None or x.shape.rank < axes:
        raise failure(op, name, f"input must have known rank of at least {axes}, got {x.shape}",
                      cls=ShapeError)
    return x


def _transform(op: str, name: str | None, x: Any, axes: int, inverse: bool) -> Any:
    if axes == 1:
        return apply(TRANSFORM, (x,), {"inverse": inverse}, name=name or op)
    with scope(name, op) as last:
        x = _ranked(op, name, x, axes)
        for axis in range(-1, -axes - 1, -1):
            x = _along(lambda v: apply(TRANSFORM, (v,), {"inverse": inverse}), x, axis)
        return OPS.identity(x, name=last)


def _given_lengths(op: str, name: str | None, fft_length: Any, axes: int) -> Any:
    """fft_length as an int32 vector. Raises ShapeError or AttributeValueError for a wrong one."""
    lengths = OPS.convert_to_tensor(fft_length, dt.int32)
    if not lengths.shape.is_compatible_with([axes]):
        raise failure(op, name, f"fft_length must have shape [{axes}], got {lengths.shape}",
                      cls=ShapeError)
    known = lengths.symbolic_value
    if known is not None and any(isinstance(n, (int, np.integer)) and n < 0 for n in known):
        raise failure(op, name, f"fft_length must not be negative, got {known.tolist()}")
    return lengths


def _cut_or_padded(x: Any, size: Any, axis: int) -> Any:
    """x with `size` (int32 [1]) elements along an axis, zeros beyond its own."""
    known, own = size.symbolic_value, x.shape.sizes[axis]
    if known is not None and equal(known[0], own) is True:
        return x

    def fit(rows: Any) -> Any:
        rows = rows[..., :size[0]]
        shape = OPS.shape(rows)
        rest = OPS.concat([shape[:-1], size - shape[-1:]], 0)
        return OPS.concat([rows, OPS.zeros(rest, rows.dtype)], -1)

    return _along(fit, x, axis)


def _real_forward(op: str, name: str | None, x: Any, fft_length: Any, axes: int) -> Any:
    with scope(name, op) as last:
        x = _ranked(op, name, x, axes)
        if x.dtype not in _REAL:
            raise failure(op, name, f"input must be float32 or float64, got {x.dtype.name}",
                          "fft takes complex numbers.", DTypeError)
        if fft_length is not None:
            lengths = _given_lengths(op, name, fft_length, axes)
            for i in range(axes):
                x = _cut_or_padded(x, lengths[i:i + 1], i - axes)
        x = apply(REAL_TRANSFORM, (x,), name=last if axes == 1 else None)
        for axis in range(-2, -axes - 1, -1):
            x = _along(lambda v: apply(TRANSFORM, (v,), {"inverse": False}), x, axis)
        return x if axes == 1 else OPS.identity(x, name=last)


def _real_backward(op: str, name: str | None, x: Any, fft_length: Any, axes: int) -> Any:
    with scope(name, op) as last:
        x = _ranked(op, name, x, axes)
        if x.dtype not in dt.COMPLEX:
            raise failure(op, name, f"input must be complex64 or complex128, got {x.dtype.name}",
                          "gf.cast(x, gf.complex64) makes complex numbers.", DTypeError)
        if fft_length is None:
            sizes = OPS.shape(x)[-axes:]
            lengths = OPS.concat([sizes[:-1], OPS.maximum(2 * (sizes[-1:] - 1), 0)], 0)
        else:
            lengths = _given_lengths(op, name, fft_length, axes)
        for i in range(axes - 1):
            x = _cut_or_padded(x, lengths[i:i + 1], i - axes)
            x = _along(lambda v: apply(TRANSFORM, (v,), {"inverse": True}), x, i - axes)
        like = OPS.zeros(lengths[-1:], dt.float32 if x.dtype is dt.complex64 else dt.float64)
        return apply(REAL_INVERSE, (x, like), name=last)


@op_function
def fft(input: Any, name: str | None = None) -> Any:
    """The discrete Fourier transform along the last axis.

    input: complex64 or complex128 [..., n] → the same. Raises DTypeError for other types,
    ShapeError for a scalar.
    """
    return _transform("FFT", name, input, 1, False)


@op_function
def ifft(input: Any, name: str | None = None) -> Any:
    """The inverse of `fft`: complex [..., n] → the same."""
    return _transform("IFFT", name, input, 1, True)


@op_function
def fft2d(input: Any, name: str | None = None) -> Any:
    """The discrete Fourier transform over the last two axes: complex [..., m, n] → the same."""
    return _transform("FFT2D", name, input, 2, False)


@op_function
def ifft2d(input: Any, name: str | None = None) -> Any:
    """The inverse of `fft2d`."""
    return _transform("IFFT2D", name, input, 2, True)


@op_function
def fft3d(input: Any, name: str | None = None) -> Any:
    """The discrete Fourier transform over the last three axes: complex [..., l, m, n]."""
    return _transform("FFT3D", name, input, 3, False)


@op_function
def ifft3d(input: Any, name: str | None = None) -> Any:
    """The inverse of `fft3d`."""
    return _transform("IFFT3D", name, input, 3, True)


@op_function
def rfft(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Any:
    """The first n // 2 + 1 numbers of the transform of real rows.

    input_tensor: float32 or float64 [..., have]; fft_length: int32 [1], n, to which the rows are
    cut or padded with zeros; `have` by default → complex [..., n // 2 + 1].
    """
    return _real_forward("RFFT", name, input_tensor, fft_length, 1)


@op_function
def irfft(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Any:
    """The real rows whose transforms begin with the given numbers: the inverse of `rfft`.

    input_tensor: complex [..., have]; fft_length: int32 [1], n; 2 · (have − 1) by default, which
    is right for rows of even length → real [..., n].
    """
    return _real_backward("IRFFT", name, input_tensor, fft_length, 1)


@op_function
def rfft2d(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Any:
    """`rfft` along the last axis, then `fft` along the one before; fft_length: int32 [2]."""
    return _real_forward("RFFT2D", name, input_tensor, fft_length, 2)


@op_function
def irfft2d(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Any:
    """The inverse of `rfft2d`."""
    return _real_backward("IRFFT2D", name, input_tensor, fft_length, 2)


@op_function
def rfft3d(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Any:
    """`rfft` along the last axis, then `fft` along the two before; fft_length: int32 [3]."""
    return _real_forward("RFFT3D", name, input_tensor, fft_length, 3)


@op_function
def irfft3d(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Any:
    """The inverse of `rfft3d`."""
    return _real_backward("IRFFT3D", name, input_tensor, fft_length, 3)


def _shifted(op: str, x: Any, axes: Any, name: str | None, places: Callable[[Any], Any]) -> Any:
    with scope(name, op) as last:
        x = convert(x)
        if axes is None:
            axes = list(range(x.shape.rank))
        listed = [axes] if isinstance(axes, int) else [int(a) for a in axes]
        sizes = OPS.shape(x)
        return OPS.roll(x, OPS.stack([places(sizes[a]) for a in listed]), listed, name=last)


@op_function
def fftshift(x: Any, axes: Any = None, name: str | None = None) -> Any:
    """Moves frequency 0 from the start of `axes` (all by default) to the middle."""
    return _shifted("fftshift", x, axes, name, lambda n: n // 2)


@op_function
def ifftshift(x: Any, axes: Any = None, name: str | None = None) -> Any:
    """The inverse of `fftshift`."""
    return _shifted("ifftshift", x, axes, name, lambda n: -(n // 2))
