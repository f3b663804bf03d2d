"""The expansions of real functions, to the last place, against a wider arithmetic.

Results are those of the interpreter on the expanded expression. The reference is NumPy in float64
for float32 and in extended precision for float64; erf, erfc and log Γ, which NumPy lacks, come
from the C library and, in extended precision, from their series and continued fraction below.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from graphflow import dtypes
from graphflow.dtypes import DType
from graphflow.loop_ir import b, build, evaluate
from graphflow.loop_ir.approximations import expand
from graphflow.loop_ir.expr import Expr

PIECE = 1 << 15  # elements evaluated at a time: they stay in the cache
POINTS = {dtypes.float32: 1_000_000, dtypes.float64: 250_000}
WIDE = {dtypes.float32: np.float64, dtypes.float64: np.longdouble}
# Where long double is double, the reference itself is off by a unit.
SLACK = {dtypes.float32: 0, dtypes.float64: 0 if np.finfo(np.longdouble).nmant > 60 else 1}


def by_element(function: Callable[[float], float]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.asarray(np.frompyfunc(function, 1, 1)(x), np.float64)


def erfc_far(x: np.ndarray) -> np.ndarray:
    """e^(−x²)/√π · 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + …)))), for x ≥ 2."""
    total = np.zeros_like(x)
    for k in range(150, 0, -1):
        total = np.longdouble(k) / 2 / (x + total)
    high = x.astype(np.float32).astype(x.dtype)  # its square is exact
    pi = np.longdouble("3.14159265358979323846264338327950288")
    return np.exp(-high * high) * np.exp((high - x) * (high + x)) / (x + total) / np.sqrt(pi)


def erf_near(x: np.ndarray) -> np.ndarray:
    """2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (1·3·5…(2n+1)): no term is negative."""
    term = total = x
    for n in range(1, 110):
        term = term * x * x * 2 / (2 * n + 1)
        total = total + term
    pi = np.longdouble("3.14159265358979323846264338327950288")
    return total * np.exp(-x * x) * 2 / np.sqrt(pi)


def erfc(x: np.ndarray) -> np.ndarray:
    if x.dtype == np.float64:
        return by_element(math.erfc)(x)
    far = erfc_far(np.clip(np.abs(x), 2, 200))
    result = np.where(np.abs(x) > 2, np.where(x < 0, 2 - far, far),
                      1 - erf_near(np.clip(x, -2, 2)))
    return np.where(np.isnan(x), x, result)


def erf(x: np.ndarray) -> np.ndarray:
    if x.dtype == np.float64:
        return by_element(math.erf)(x)
    far = np.copysign(1 - erfc_far(np.clip(np.abs(x), 2, 200)), x)
    return np.where(np.abs(x) < 2, erf_near(np.clip(x, -2, 2)), np.where(np.isnan(x), x, far))


def log_gamma(x: np.ndarray) -> np.ndarray:
    """Stirling's series at x + 16, less the logarithm of the factors between; for x > 0."""
    x = x.astype(np.longdouble)
    product = np.ones_like(x)
    y = x
    for _ in range(16):
        small = y < 16
        product = np.where(small, product * y, product)
        y = np.where(small, y + 1, y)
    series = np.zeros_like(x)
    for n, bernoulli in reversed([
            (1, (1, 6)), (2, (-1, 30)), (3, (1, 42)), (4, (-1, 30)), (5, (5, 66)),
            (6, (-691, 2730)), (7, (7, 6)), (8, (-3617, 510))]):
        coefficient = np.longdouble(bernoulli[0]) / bernoulli[1] / (2 * n * (2 * n - 1))
        series = series / (y * y) + coefficient
    half_log = np.longdouble("0.918938533204672741780329736405617640")
    return (y - 0.5) * np.log(y) - y + half_log + series / y - np.log(product)


class Case(NamedTuple):
    """`single`, `double`: the largest error in ULP that is allowed; `low`, `high`: where the
    function is interesting."""

    reference: Callable[..., Any]
    single: float
    double: float
    low: float
    high: float


CASES = {
    "exp": Case(np.exp, 1, 1, -104, 89),
    "expm1": Case(np.expm1, 2, 2, -18, 89),
    "log": Case(np.log, 1, 1, 0, 3),
    "log1p": Case(np.log1p, 1.5, 1.5, -1, 3),
    "sin": Case(np.sin, 2, 2, -1e5, 1e5),
    "cos": Case(np.cos, 2, 2, -1e5, 1e5),
    "tan": Case(np.tan, 2, 2, -1e5, 1e5),
    "asin": Case(np.arcsin, 2, 2.5, -1, 1),
    "acos": Case(np.arccos, 2, 2, -1, 1),
    "atan": Case(np.arctan, 2, 2, -5, 5),
    "sinh": Case(np.sinh, 2, 2, -90, 90),
    "cosh": Case(np.cosh, 2, 2, -90, 90),
    "tanh": Case(np.tanh, 2, 2, -10, 10),
    "asinh": Case(np.arcsinh, 2, 2, -10, 10),
    "acosh": Case(np.arccosh, 2, 2.5, 1, 10),
    "atanh": Case(np.arctanh, 2.5, 2.5, -1, 1),
    "erf": Case(erf, 2, 2, -4, 4),
    "erfc": Case(erfc, 2, 2, -4, 11),
    "rsqrt": Case(lambda x: 1 / np.sqrt(x), 2, 2, 0, 10),
    "reciprocal": Case(lambda x: 1 / x, 0.5, 0.5, -10, 10),
    "square": Case(lambda x: x * x, 0.5, 0.5, -10, 10),
}
DTYPES = pytest.mark.parametrize("dtype", [dtypes.float32, dtypes.float64], ids=str)


def values_of(expr: Expr, operands: list[np.ndarray]) -> np.ndarray:
    expanded = expand(expr)
    size = len(operands[0])
    result = np.empty(size, expr.dtype.numpy)
    for start in range(0, size, PIECE):
        piece = slice(start, start + PIECE)
        result[piece] = evaluate(expanded, [x[piece] for x in operands])
    return result


def special(dtype: DType) -> np.ndarray:
    info = np.finfo(dtype.numpy)
    positive = np.array([
        0.0, info.smallest_subnormal, 3 * info.smallest_subnormal, info.tiny * 0.75, info.tiny,
        info.eps, 2.0**-12, 0.25, 0.5, 0.75, 1 - info.epsneg, 1.0, 1 + info.eps, 1.5, 2.0, 3.0,
        math.pi / 4, math.pi / 2, math.pi, 4.0, 7.0, 8.0, 10.0, 27.25, 36.0, 87.5, 88.75, 89.5,
        103.5, 150.0, 700.5, 709.5, 709.875, 710.5, 745.25, 2.0**17, 2.0**28, 2.0**60, 1e30,
        info.max, np.inf])
    return np.concatenate([positive, -positive, [np.nan]]).astype(dtype.numpy)


def bit_patterns(dtype: DType, count: int, seed: int) -> np.ndarray:
    """Numbers of every sign and exponent alike, a few NaN among them."""
    bits = {4: np.uint32, 8: np.uint64}[dtype.size]
    rng = np.random.default_rng(seed)
    return rng.integers(0, np.iinfo(bits).max, count, bits, endpoint=True).view(dtype.numpy)


def samples(case: Case, dtype: DType) -> np.ndarray:
    """A third each: all exponents, the interesting range, and its neighbourhood of 0."""
    rng = np.random.default_rng(1)
    third = POINTS[dtype] // 3
    low, high = case.low, case.high
    if dtype is dtypes.float64 and 50 < high < 1000:
        low, high = 8 * low, 8 * high  # the range of the exponent
    inside = rng.uniform(low, high, third)
    near = rng.uniform(-1, 1, third) * 2.0 ** rng.integers(-20, 3, third)
    return joined(dtype, special(dtype), bit_patterns(dtype, third, 0), inside, near)


def joined(dtype: DType, *parts: np.ndarray) -> np.ndarray:
    return np.concatenate([part.astype(dtype.numpy) for part in parts])


def ulps(actual: np.ndarray, exact: np.ndarray, dtype: DType) -> np.ndarray:
    """|actual − exact| in units of the last place of `exact`; ∞ where only one of them is NaN or
    the signs differ. An overflow counts as the power of two that the format just lacks."""
    info = np.finfo(dtype.numpy)
    edge = np.ldexp(exact.dtype.type(1), info.maxexp)
    overflows = np.isfinite(exact)
    wide = actual.astype(exact.dtype)
    wide = np.where(np.isinf(wide) & overflows, np.copysign(edge, wide), wide)
    exact = np.where(overflows, np.clip(exact, -edge, edge), exact)
    exponent = np.maximum(np.frexp(np.abs(exact))[1] - info.nmant - 1, info.minexp - info.nmant)
    distance = np.abs(wide - exact) / np.ldexp(exact.dtype.type(1), exponent)
    same = (wide == exact) | (np.isnan(wide) & np.isnan(exact))
    wrong = (np.isnan(wide) != np.isnan(exact)) | (
        (np.signbit(wide) != np.signbit(exact)) & ~np.isnan(exact))
    return np.where(wrong, np.inf, np.where(same, 0, distance))


def check(
    actual: np.ndarray, exact: np.ndarray, operands: list[np.ndarray], dtype: DType, allowed: float
) -> None:
    distance = ulps(actual, exact, dtype)
    worst = int(np.argmax(distance))
    assert distance[worst] <= allowed + SLACK[dtype], (
        [x[worst] for x in operands], actual[worst], exact[worst], distance[worst])


@DTYPES
@pytest.mark.parametrize("name", CASES)
def test_functions_of_one_number(name: str, dtype: DType) -> None:
    case = CASES[name]
    x = samples(case, dtype)
    actual = values_of(build(name, b.arg(0, dtype)), [x])
    with np.errstate(all="ignore"):
        exact = case.reference(x.astype(WIDE[dtype]))
        check(actual, exact, [x], dtype, case.single if dtype.size == 4 else case.double)


@DTYPES
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_large_arguments_close_to_multiples_of_half_pi(name: str, dtype: DType) -> None:
    """Numbers with many bits of π/2, scaled, and the float64 that is closest of all to a multiple
    (W. Kahan's search; J.-M. Muller, Elementary Functions, 11.1)."""
    half_pi = np.longdouble("1.57079632679489661923132169163975144")
    count = np.random.default_rng(0).integers(1, 1 << 22, 40_000)
    x = (half_pi * count).astype(dtype.numpy)
    x = np.concatenate([x, np.nextafter(x, x / 2)])
    if dtype is dtypes.float64:
        x[0] = math.ldexp(6381956970095103.0, 797)
    actual = values_of(build(name, b.arg(0, dtype)), [x])
    with np.errstate(all="ignore"):
        exact = getattr(np, name)(x.astype(np.longdouble))
        check(actual, exact, [x], dtype, CASES[name].double)


@DTYPES
def test_log_gamma_of_positive_numbers(dtype: DType) -> None:
    """Within a few ULP, or where log Γ is near its zeros at 1 and 2, within as many of 2⁻⁴."""
    rng = np.random.default_rng(0)
    count = POINTS[dtype] // 10
    x = joined(dtype, np.abs(bit_patterns(dtype, count, 0)), rng.uniform(0, 12, 2 * count),
               rng.uniform(0, 300, count))
    x = x[(x > 1e-30) & (x < 1e30)]
    actual = values_of(b.lgamma(b.arg(0, dtype)), [x])
    exact = log_gamma(x)
    error = np.abs(actual - exact) / np.maximum(np.abs(exact), 2.0**-4) / np.finfo(x.dtype).eps
    assert error.max() <= (1 if dtype.size == 4 else 4), x[np.argmax(error)]


def test_log_gamma_of_other_numbers() -> None:
    x = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, -1.0, -2.0, -1e300, 5e-324, -5e-324, -1e-3,
                  -0.5, -1.5, -2.5, -10.25, -170.5, -1000.75, 1.0, 2.0])
    actual = values_of(b.lgamma(b.arg(0, dtypes.float64)), [x])
    poles = {0.0, -1.0, -2.0, -1e300}
    expected = [math.inf if v in poles or math.isinf(v) else math.lgamma(v) for v in x.tolist()]
    np.testing.assert_allclose(actual, expected, rtol=1e-14)


def binary_samples(dtype: DType, count: int) -> tuple[np.ndarray, np.ndarray]:
    values = special(dtype)[::2]
    grid = np.meshgrid(values, values)
    rng = np.random.default_rng(2)
    parts = [(grid[0].ravel(), grid[1].ravel()),
             (bit_patterns(dtype, count, 1), bit_patterns(dtype, count, 2)),
             (rng.normal(size=count), rng.normal(size=count)),
             (rng.normal(size=count) * 10, rng.integers(-40, 40, count)),
             (rng.integers(-8, 9, count), rng.integers(-8, 9, count) / 2)]
    x, y = (joined(dtype, *column) for column in zip(*parts))
    return x, y


@DTYPES
def test_power(dtype: DType) -> None:
    count = POINTS[dtype] // 8
    x, y = binary_samples(dtype, count)
    rng = np.random.default_rng(5)
    base = joined(dtype, np.abs(bit_patterns(dtype, 2 * count, 7)),
                  1 + rng.normal(size=2 * count) * 1e-3)
    limit = np.finfo(dtype.numpy).maxexp
    with np.errstate(all="ignore"):  # results of every exponent
        exponent = rng.uniform(-1.2 * limit, limit, len(base)) / np.log2(base.astype(np.float64))
        x, y = np.concatenate([x, base]), np.concatenate([y, exponent.astype(dtype.numpy)])
        actual = values_of(b.pow(b.arg(0, dtype), b.arg(1, dtype)), [x, y])
        exact = np.power(x.astype(WIDE[dtype]), y.astype(WIDE[dtype]))
        check(actual, exact, [x, y], dtype, 1.1)


@DTYPES
@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0, 4.0, -1.0, -2.0, 0.5, -0.5, 1.5, -3.0])
def test_constant_powers(exponent: float, dtype: DType) -> None:
    x = joined(dtype, special(dtype), bit_patterns(dtype, 10_000, 0),
               np.random.default_rng(0).normal(size=10_000))
    actual = values_of(b.pow(b.arg(0, dtype), exponent), [x])
    with np.errstate(all="ignore"):
        exact = np.power(x.astype(WIDE[dtype]), np.full(len(x), exponent, WIDE[dtype]))
        check(actual, exact, [x], dtype, 2)


@DTYPES
def test_angle_of_a_point(dtype: DType) -> None:
    y, x = binary_samples(dtype, POINTS[dtype] // 6)
    actual = values_of(b.atan2(b.arg(0, dtype), b.arg(1, dtype)), [y, x])
    with np.errstate(all="ignore"):
        exact = np.arctan2(y.astype(WIDE[dtype]), x.astype(WIDE[dtype]))
        check(actual, exact, [y, x], dtype, 2)


@DTYPES
@pytest.mark.parametrize("name", ["mod", "truncmod", "floordiv", "truncdiv"])
def test_remainders_and_quotients_are_exact(name: str, dtype: DType) -> None:
    x, y = binary_samples(dtype, 20_000)
    expr = build(name, b.arg(0, dtype), b.arg(1, dtype))
    with np.errstate(all="ignore"):
        expected = {"mod": np.mod, "truncmod": np.fmod, "floordiv": lambda x, y: np.floor(x / y),
                    "truncdiv": lambda x, y: np.trunc(x / y)}[name](x, y)
    actual = values_of(expr, [x, y])
    np.testing.assert_array_equal(actual, expected)
    number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(actual[number]), np.signbit(expected[number]))
