"""The results that `loop_ir` defines: conversions, shifts, choice, rounding, fma."""

from __future__ import annotations

import itertools
import math
import warnings
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from graphflow import dtypes
from graphflow.dtypes import DType
from graphflow.errors import DTypeError
from graphflow.loop_ir import b, build, evaluate

PAIRS = list(itertools.product(dtypes.FIXED_SIZE, repeat=2))


def cast(values: np.ndarray, target: DType) -> np.ndarray:
    return evaluate(build("cast", b.arg(0, values.dtype), dtype=target), [values])


def samples(dtype: DType) -> np.ndarray:
    if dtype.is_bool:
        return np.array([False, True])
    if dtype.is_integer:
        low, high = int(dtype.min), int(dtype.max)
        values = {low, -129, -128, -1, 0, 1, 2, 127, 128, 255, 256, 2**24 + 1, 2**31, high}
        return np.array(sorted(v for v in values if low <= v <= high), dtype.numpy)
    floats = [0.0, -0.0, 0.5, 1.5, 2.5, -1.5, -0.9, 127.9, 128.0, -128.9, 255.5, 256.0, 65504.0,
              2.0**31, -(2.0**31), 2.0**32, 2.0**63, -(2.0**63), 2.0**64, 1e30, -1e30,
              np.inf, -np.inf, np.nan]
    with np.errstate(over="ignore"):
        return np.array(floats, dtype.numpy)


def expected_cast(value: object, target: DType) -> object:
    """The rules of `semantics.convert`, in Python numbers."""
    if target.is_bool:
        return value != 0
    if isinstance(value, complex) and not target.is_complex:
        value = value.real
    if target.is_integer:
        low, high = int(target.min), int(target.max)
        if isinstance(value, float):
            if math.isnan(value):
                return 0
            return low if value <= low else high if value >= high else math.trunc(value)
        return (int(value) - low) % (high - low + 1) + low
    if target.is_complex:
        return complex(target.numpy.type(value))
    if target.size == 2:
        value = np.float32(value)
    return float(target.numpy.type(value))


@pytest.mark.parametrize("source, target", PAIRS, ids=lambda d: d.name)
def test_cast(source: DType, target: DType) -> None:
    values = samples(source)
    result = cast(values, target)
    assert result.dtype == target.numpy
    with np.errstate(all="ignore"):
        numbers = values.astype(np.float64) if source.size == 2 and source.is_floating else values
        expected = [expected_cast(value, target) for value in numbers.tolist()]
        assert_same_values(result, np.array(expected, target.numpy))


def assert_same_values(actual: np.ndarray, expected: np.ndarray) -> None:
    if actual.dtype == ml_dtypes.bfloat16:  # NumPy does not see its NaNs as equal
        actual, expected = actual.astype(np.float32), expected.astype(np.float32)
    np.testing.assert_array_equal(actual, expected)
    if actual.dtype.kind == "f":
        number = ~np.isnan(actual)
        np.testing.assert_array_equal(np.signbit(actual[number]), np.signbit(expected[number]))


def test_cast_from_int64_to_float32_rounds_once() -> None:
    values = np.array([2**24 + 1, 2**24 + 3, 2**53 + 1, 2**63 - 1], np.int64)
    exact = [float(np.float32(2**24)), 2**24 + 4, 2**53, 2.0**63]
    assert cast(values, dtypes.float32).tolist() == exact


def test_a_cast_to_half_rounds_where_it_stands() -> None:
    x = b.arg(0, dtypes.float32)
    third = np.array([1 / 3], np.float32)
    narrowed = evaluate(b.cast(b.cast(x, dtypes.float16), dtypes.float32), [third])
    assert narrowed == np.float32(np.float16(1 / 3)) != third


@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.bfloat16], ids=str)
def test_half_bodies_compute_in_float32(dtype: DType) -> None:
    """(x · y) + z in float32, rounded once: 1 + 2⁻²⁰ survives until the 1 is taken away."""
    x, y, z = (b.arg(i, dtype) for i in range(3))
    values = [np.array(v, dtype.numpy) for v in (2.0**-10, 2.0**-10, 1.0)]
    result = evaluate(x * y + z - 1, values)
    assert result.dtype == dtype.numpy
    assert float(result) == 2.0**-20


@pytest.mark.parametrize("dtype", dtypes.INTEGERS, ids=str)
def test_shifts(dtype: DType) -> None:
    width, low, high = 8 * dtype.size, int(dtype.min), int(dtype.max)
    counts = [c for c in (-1, 0, 1, width - 1, width, width + 1, 100) if low <= c <= high]
    pairs = list(itertools.product([low, high, 0, 1, 37, high // 3], counts))
    x, y = (np.array(column, dtype.numpy) for column in zip(*pairs))
    args = [b.arg(0, dtype), b.arg(1, dtype)]
    left, right = evaluate(b.shl(*args), [x, y]), evaluate(b.shr(*args), [x, y])

    def wrapped(value: int) -> int:
        return (value - low) % (high - low + 1) + low

    inside = [0 <= c < width for _, c in pairs]
    assert left.tolist() == [wrapped(v << c) if ok else 0 for (v, c), ok in zip(pairs, inside)]
    assert right.tolist() == [v >> c if ok else (-1 if v < 0 else 0)
                              for (v, c), ok in zip(pairs, inside)]


def test_mulhi_u32() -> None:
    words = np.random.default_rng(0).integers(0, 2**32, (2, 1000), np.uint32)
    words[:, 0] = 2**32 - 1
    x, y = (b.arg(i, dtypes.uint32) for i in range(2))
    expected = [int(p) * int(q) >> 32 for p, q in words.T]
    assert evaluate(b.mulhi_u32(x, y), list(words)).tolist() == expected
    with pytest.raises(DTypeError, match="mulhi_u32: expects one of uint32; got int32"):
        b.mulhi_u32(b.arg(0, dtypes.int32), b.arg(1, dtypes.int32))


@pytest.mark.parametrize("name", ["select", "rarely"])
@pytest.mark.parametrize("dtype", dtypes.FIXED_SIZE, ids=str)
def test_select(dtype: DType, name: str) -> None:
    choose = getattr(b, name)
    condition = b.arg(0, dtypes.bool_)
    expr = choose(condition, b.arg(1, dtype), b.arg(2, dtype))
    x, y = np.ones(4, dtype.numpy), np.zeros(4, dtype.numpy)
    mask = np.array([True, False, False, True])
    np.testing.assert_array_equal(evaluate(expr, [mask, x, y]), np.where(mask, x, y))
    with pytest.raises(DTypeError, match=f"{name}: operands differ in dtype"):
        choose(condition, b.arg(1, dtype), condition if not dtype.is_bool else b.index(0))


def test_select_needs_a_bool() -> None:
    x = b.arg(0, dtypes.float32)
    with pytest.raises(DTypeError, match="select: expects a bool condition, got float32"):
        b.select(x, x, x)


@pytest.mark.parametrize("source, target", [
    (s, t) for s, t in PAIRS if s in dtypes.REALS and t in dtypes.REALS], ids=lambda d: d.name)
def test_bitcast(source: DType, target: DType) -> None:
    x = b.arg(0, source)
    if source.size != target.size:
        with pytest.raises(DTypeError, match="bitcast: sizes differ"):
            b.bitcast(x, target)
        return
    raw = np.random.default_rng(0).integers(0, 256, 40 * source.size).astype(np.uint8)
    values = raw.view(source.numpy)
    if source.size == 2 and (source.is_floating or target.is_floating):
        # On the way through float32 the payloads of NaNs are not kept.
        other = values.view(target.numpy)
        keep = ~np.isnan(values.astype(np.float64)) & ~np.isnan(other.astype(np.float64))
        values = values[keep]
    result = evaluate(b.bitcast(x, target), [values])
    assert result.dtype == target.numpy
    assert result.tobytes() == values.tobytes()


@pytest.mark.parametrize("part, whole", [(dtypes.float32, dtypes.complex64),
                                         (dtypes.float64, dtypes.complex128)])
def test_complex_from_parts(part: DType, whole: DType) -> None:
    expr = b.complex(b.arg(0, part), b.arg(1, part))
    real = np.array([1.0, np.inf, -0.0], part.numpy)
    imag = np.array([np.inf, 2.0, -0.0], part.numpy)
    result = evaluate(expr, [real, imag])
    assert result.dtype == whole.numpy
    np.testing.assert_array_equal(result.real, real)
    np.testing.assert_array_equal(result.imag, imag)
    assert np.signbit(result.real[2]) and np.signbit(result.imag[2])
    with pytest.raises(DTypeError, match="complex: expects one of float32, float64; got float16"):
        b.complex(b.arg(0, dtypes.float16), b.arg(1, dtypes.float16))


def test_minimum_and_maximum_of_zeros_give_the_second() -> None:
    x, y = b.arg(0, dtypes.float32), b.arg(1, dtypes.float32)
    zeros = [np.array([0.0, -0.0], np.float32), np.array([-0.0, 0.0], np.float32)]
    for expr in (b.min(x, y), b.max(x, y)):
        assert np.signbit(evaluate(expr, zeros)).tolist() == [True, False]


@pytest.mark.parametrize("dtype", [dtypes.float32, dtypes.float64], ids=str)
def test_fma_rounds_once(dtype: DType) -> None:
    rng = np.random.default_rng(0)
    size = 3000
    x, y = ((rng.normal(size=size) * 2.0 ** rng.integers(-40, 40, size)).astype(dtype.numpy)
            for _ in range(2))
    # Addends near −x·y, where the second rounding shows; and at the edge of the exponent range.
    z = (-(x * y) * (1 + rng.integers(-2, 3, size) * np.finfo(dtype.numpy).eps)).astype(
        dtype.numpy)
    x[:200] *= np.finfo(dtype.numpy).tiny
    with np.errstate(all="ignore"):
        y[200:300] *= dtype.numpy.type(2) ** (np.finfo(dtype.numpy).maxexp - 45)
    args = [b.arg(i, dtype) for i in range(3)]
    result = evaluate(b.fma(*args), [x, y, z])
    for i in range(size):
        if not np.isfinite([x[i], y[i], z[i]]).all():
            continue
        exact = Fraction(float(x[i])) * Fraction(float(y[i])) + Fraction(float(z[i]))
        assert_nearest(result[i], exact)


def assert_nearest(value: np.floating, exact: Fraction) -> None:
    """`value` is the float nearest to `exact`, the even one of two."""
    if not np.isfinite(value):
        limit = Fraction(float(np.finfo(value.dtype).max))
        ulp = limit - Fraction(float(np.nextafter(np.finfo(value.dtype).max, value.dtype.type(0))))
        assert abs(exact) >= limit + ulp / 2
        return
    error = abs(Fraction(float(value)) - exact)
    for neighbour in (np.nextafter(value, value.dtype.type(-np.inf)),
                      np.nextafter(value, value.dtype.type(np.inf))):
        if np.isfinite(neighbour):
            other = abs(Fraction(float(neighbour)) - exact)
            bits = int(value.view(np.int32 if value.dtype.itemsize == 4 else np.int64))
            assert error < other or (error == other and bits % 2 == 0)


def test_no_warning_leaks() -> None:
    x = b.arg(0, dtypes.float32)
    n = b.arg(1, dtypes.int32)
    values = np.array([0.0, -1.0, np.inf, np.nan, 1e30], np.float32)
    integers = np.array([0, 1, -1, 5, -(2**31)], np.int32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for expr in (b.log(x), 1 / x, b.exp(x), x * 1e30, b.cast(x, dtypes.int32), n // n * n - n,
                     b.cast(x, dtypes.float16), b.pow(n, n), n * n, b.lgamma(x), b.fma(x, x, x)):
            evaluate(expr, [values, integers])
            evaluate(expr, [values[4], integers[4]])


def test_ml_dtypes_scalars_are_constants() -> None:
    x = b.arg(0, dtypes.bfloat16)
    half = x * ml_dtypes.bfloat16(0.5)
    assert float(evaluate(half, [np.array(3, ml_dtypes.bfloat16)])) == 1.5
