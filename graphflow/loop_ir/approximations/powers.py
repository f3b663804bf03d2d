"""pow, for floats and for integers.

|x|^y = e^(y·log |x|). The logarithm needs as many more bits as y·log |x| has before the point: for
float32 it is computed in float64; for float64 as an unevaluated sum of two floats, from
log m = 2 artanh s, s = (m − 1)/(m + 1), as in fdlibm. Zeros, infinities and NaN are C99's (annex
F.9.4.4). Minimax coefficients: Remez' exchange, see `exponential`.
"""

from __future__ import annotations

from graphflow import dtypes
from graphflow.loop_ir.approximations.exponential import (
    LOG2_E,
    power_of_e,
    scale_by_power,
)
from graphflow.loop_ir.approximations.floats import (
    INFINITY,
    NAN,
    at_least,
    at_most,
    fast_two_sum,
    flip,
    format_of,
    horner,
    is_single,
    nearest_integer,
    power_of_two,
    sign_of,
    two_product,
)
from graphflow.loop_ir.approximations.logarithm import split
from graphflow.loop_ir.builder import b
from graphflow.loop_ir.expr import Expr

LN2 = (0.6931471805599453, 2.3190468138462996e-17)
# (log(1 + f) − f) / f² for √½ − 1 ≤ f ≤ √2 − 1: 2^-35.7.
LOG_TO_35_BITS = (
    -0.50000000021503765, 0.3333333404358016, -0.24999994830928648, 0.19999898145676756,
    -0.16666927395779324, 0.14290570905009239, -0.12497413512534669, 0.11009615253480609,
    -0.09927299836568429, 0.10015361088967428, -0.098719077461994029, 0.053587208634145379)
# eʳ for |r| ≤ ln 2 / 2, to float32.
EXP_TO_28_BITS = (
    1.0, 1.0, 0.49999994, 0.166665167, 0.0416681021, 0.00836920086, 0.00138390623)
# ((2 artanh s − 2s) / s³ − 2/3) / s² as a polynomial in s², s ≤ 0.1716: 2^-73.5.
ARTANH = (
    0.3999999999999998, 0.28571428571443869, 0.22222222217778617, 0.18181818845732414,
    0.15384558290986525, 0.1333627035016039, 0.11675652910381701, 0.11982879139912109)
TWO_THIRDS = (0.66666666666666663, 3.7007434154171886e-17)


def power(x: Expr, y: Expr) -> Expr:
    """x to the power y: float32 within 1 ULP, float64 within 2; integers exactly, wrapping."""
    if x.dtype.is_integer:
        return _integer_power(x, y)
    short = _short(x, y.attr) if y.op == "const" else None
    if short is not None:
        return short
    magnitude = abs(x)
    result = _single(magnitude, y) if is_single(x) else _double(magnitude, y)
    integer = b.eq(b.trunc(y), y)  # infinite y are even integers
    half = y * 0.5
    odd = b.logical_and(integer, b.ne(b.trunc(half), half))
    signed = flip(result, b.select(odd, sign_of(x), 0))
    outside = (x < 0.0) & (x > -INFINITY) & ~integer
    endless = b.eq(magnitude, 1.0) & b.eq(abs(y), INFINITY)
    one = b.eq(y, 0.0) | b.eq(x, 1.0) | endless
    return b.select(one, 1.0, b.select(outside, NAN, signed))


def _short(x: Expr, exponent: float) -> Expr | None:
    """x to a constant power that a few multiplications give, within 2 ULP."""
    if exponent == 0.0:
        return b.const(1.0, x)
    if exponent < 0.0 and exponent in (-1.0, -2.0):
        inverse = 1.0 / x
        return inverse if exponent == -1.0 else inverse * inverse
    if abs(exponent) == 0.5:
        root = b.sqrt(b.select(b.eq(x, -INFINITY), INFINITY, x)) + 0.0  # √−0 is −0
        return root if exponent > 0.0 else 1.0 / root
    square = x * x
    return {1.0: x, 2.0: square, 3.0: square * x, 4.0: square * square}.get(exponent)


def _single(x: Expr, y: Expr) -> Expr:
    """x^y for float32 x ≥ 0, but for the cases where the exponent is 0 · ∞."""
    e, m = split(x)
    f = b.cast(m - 1.0, dtypes.float64)
    log_m = b.fma(f * f, horner(f, LOG_TO_35_BITS), f)
    logarithm = b.fma(b.cast(e, dtypes.float64), LN2[0], log_m)
    logarithm = _at_the_ends(b.cast(x, dtypes.float64), logarithm)
    exponent = at_most(at_least(b.cast(y, dtypes.float64) * logarithm, -104.0), 89.0)
    n, bits = nearest_integer(exponent, LOG2_E, format_of(exponent).bias)
    r = b.cast(b.fma(n, -LN2[0], exponent), dtypes.float32)
    scale = power_of_two(bits, format_of(exponent))
    grown = b.cast(horner(r, EXP_TO_28_BITS), dtypes.float64) * scale
    return b.cast(grown, dtypes.float32)  # rounds into the subnormal numbers too


def _double(x: Expr, y: Expr) -> Expr:
    """x^y for float64 x ≥ 0, but for the cases where the exponent is 0 · ∞."""
    high, low = _logarithm(x)
    high = _at_the_ends(x, high)
    product, rest = two_product(y, high)
    inside = abs(product) < 750.0
    rest = b.select(inside, b.fma(y, low, rest), 0.0)
    exponent = at_most(at_least(product, -746.0), 711.0)
    result = power_of_e(exponent, rest)
    return scale_by_power(b.fma(result.r, result.slope, 1.0), result)


def _at_the_ends(x: Expr, logarithm: Expr) -> Expr:
    """The logarithm of x ≥ 0, −∞ at 0, ∞ at ∞, NaN at NaN."""
    finite = b.select(x < INFINITY, logarithm, x)
    return b.select(b.eq(x, 0.0), -INFINITY, finite)


def _logarithm(x: Expr) -> tuple[Expr, Expr]:
    """log x as a sum of two, with an error of 2⁻⁶⁵ or so of it, 0 < x < ∞."""
    e, m = split(x)
    below = m + 1.0
    below_low = m - (below - 1.0)
    inverse = 1.0 / below
    f = m - 1.0
    s = f * inverse
    s_low = b.fma(-s, below_low, b.fma(-s, below, f)) * inverse
    square, square_low = two_product(s, s)
    square_low = b.fma(s + s, s_low, square_low)
    factor, factor_low = fast_two_sum(b.const(TWO_THIRDS[0], x), square * horner(square, ARTANH))
    factor_low = factor_low + TWO_THIRDS[1]
    cubic, cubic_low = two_product(square, factor)
    cubic_low = cubic_low + b.fma(square, factor_low, square_low * factor)
    rest, rest_low = two_product(s, cubic)
    rest_low = rest_low + b.fma(s, cubic_low, s_low * cubic)
    log_m, log_m_low = fast_two_sum(s + s, rest)
    log_m_low = log_m_low + (rest_low + (s_low + s_low))
    whole, whole_low = two_product(e, b.const(LN2[0], x))
    total, total_low = fast_two_sum(whole, log_m)
    total_low = total_low + (b.fma(e, LN2[1], whole_low) + log_m_low)
    return fast_two_sum(total, total_low)


def _integer_power(x: Expr, y: Expr) -> Expr:
    """By repeated squaring, wrapping. 1/xⁿ truncated where y = −n is negative, and 0 if x is 0."""
    if y.op == "const":
        bits = max(y.attr, 0).bit_length()
    else:
        bits = 8 * y.dtype.size - (0 if y.dtype.is_unsigned else 1)
    result, factor = b.const(1, x), x
    for bit in range(bits):
        taken = b.ne(y & (1 << bit), 0)
        result = b.select(taken, result * factor, result)
        factor = factor * factor
    if y.dtype.is_unsigned or (y.op == "const" and y.attr >= 0):
        return result
    minus_one = b.select(b.ne(y & 1, 0), b.const(-1, x), 1)
    inverse = b.select(b.eq(x, 1), 1, b.select(b.eq(x, -1), minus_one, 0))
    return b.select(y < 0, inverse, result)
