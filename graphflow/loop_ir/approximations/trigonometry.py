"""sin, cos, tan.

x = n·π/2 + r, |r| ≤ π/4, with π/2 in three parts (Cody and Waite 1980; fused, so that r is right
to the last place or so), then two minimax polynomials of r (Remez' exchange, see `exponential`).
Where |x| is too large for that, the product x·2/π is taken modulo 4 in integers, with those bits
of 2/π that matter (Payne and Hanek 1983): right for every finite x. That arm is under `rarely`, so
that it costs nothing where an emitter branches.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphflow import dtypes
from graphflow.loop_ir.approximations.floats import (
    Format,
    fast_two_sum,
    flip,
    format_of,
    horner,
    is_single,
    nearest_integer,
    sign_of,
    two_product,
    two_sum,
)
from graphflow.loop_ir.approximations.magnitude import largest
from graphflow.loop_ir.builder import b
from graphflow.loop_ir.expr import Expr

TWO_OVER_PI = 0.6366197723675814
# 2/π · 2^1200, rounded down: more than x·2/π mod 4 needs for the largest float64.
TWO_OVER_PI_SCALE = 1200
TWO_OVER_PI_BITS = int(
    "A2F9836E4E441529FC2757D1F534DDC0DB6295993C439041FE5163ABDEBBC561B7246E3A424"
    "DD2E006492EEA09D1921CFE1DEB1CB129A73EE88235F52EBB4484E99C7026B45F7E413991D6"
    "39835339F49C845F8BBDF9283B1FF897FFDE05980FEF2F118B5A0A6D1F6D367ECF27CB09B74"
    "F463F669E5FEA2D7527BAC7EBE5F17B3D0739F78A5292EA6BFB5FB11F8D5D0856033046FC7B", 16)
_WORD = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class _Constants:
    """What depends on the format.

    Attributes:
      half_pi: π/2 in three parts.
      sin: (sin r − r) / r³ as a polynomial in r², |r| ≤ π/4.
      cos: (cos r − 1 + r²/2) / r⁴ as a polynomial in r².
      large: log₂ of the |x| from which on Payne and Hanek's method is used.
      words: 32-bit words of 2/π that the result needs: twice the significand, and the 31 (61)
        bits that the float nearest to a multiple of π/2 cancels.
    """

    half_pi: tuple[float, float, float]
    sin: tuple[float, ...]
    cos: tuple[float, ...]
    large: int
    words: int


_CONSTANTS = {
    dtypes.float32: _Constants(
        half_pi=(1.57079637050628662109375, -4.37113882867379114e-08, -1.71512451000588e-15),
        sin=(-0.166666538, 0.00833210628, -0.000195078843),  # 2^-27.8
        cos=(0.0416666456, -0.0013887306, 2.44316507e-05),  # 2^-32.9
        large=17, words=3),
    dtypes.float64: _Constants(
        half_pi=(1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33),
        sin=(  # 2^-57.8
            -0.1666666666666663, 0.0083333333333217834, -0.00019841269829286374,
            2.7557313507329284e-06, -2.5050728792700687e-08, 1.5895076278178162e-10),
        cos=(  # 2^-63.8
            0.041666666666666588, -0.0013888888888872186, 2.4801587288295396e-05,
            -2.7557314015126169e-07, 2.0875678085474494e-09, -1.1357336759942568e-11),
        large=28, words=6),
}


def sin(x: Expr) -> Expr:
    """The sine within 2 ULP for every x; keeps −0; NaN at ±∞."""
    s, c, quadrant = _sine_and_cosine(abs(x))
    return flip(b.select(_is_odd(quadrant), c, s), _second_bit(quadrant) ^ sign_of(x))


def cos(x: Expr) -> Expr:
    """The cosine within 2 ULP for every x; NaN at ±∞."""
    s, c, quadrant = _sine_and_cosine(abs(x))
    return flip(b.select(_is_odd(quadrant), s, c), _second_bit(quadrant + 1))


def tan(x: Expr) -> Expr:
    """The tangent within 2 ULP for every x: sin r / cos r or −cos r / sin r; keeps −0.

    Sine and cosine are sums of two floats, and the quotient is put right by what it leaves.
    """
    r, r_low, quadrant = _reduced_in_two(abs(x))
    odd = _is_odd(quadrant)
    (s, s_low), (c, c_low) = _polynomials_in_two(r)
    s_low, c_low = b.fma(r_low, c, s_low), b.fma(-r_low, s, c_low)
    above, above_low = b.select(odd, c, s), b.select(odd, c_low, s_low)
    below, below_low = b.select(odd, s, c), b.select(odd, s_low, c_low)
    one_part = 1.0 / below
    quotient = above * one_part
    left = b.fma(-quotient, below, above) + b.fma(-quotient, below_low, above_low)
    return flip(b.fma(left, one_part, quotient), _second_bit(quadrant << 1) ^ sign_of(x))


def sin_pi(x: Expr) -> Expr:
    """|sin(π·x)| within 2 ULP for 0 ≤ x: exact 0 at integers."""
    rest = x - b.floor(x)  # in [0, 1), exact
    folded = b.select(rest > 0.5, 1.0 - rest, rest)
    near = folded <= 0.25
    s, c = _polynomials(b.select(near, folded, 0.5 - folded) * 3.141592653589793)
    return b.select(near, s, c)


def _is_odd(quadrant: Expr) -> Expr:
    return b.ne(quadrant & 1, 0)


def _second_bit(quadrant: Expr) -> Expr:
    """Bit 1 at the place of the sign."""
    layout = format_of(quadrant)
    return (quadrant << (layout.width - 2)) & layout.sign_bit


def _sine_and_cosine(x: Expr) -> tuple[Expr, Expr, Expr]:
    """sin r, cos r and n, of which the lowest two bits count, for x ≥ 0."""
    n, quadrant = nearest_integer(x, TWO_OVER_PI)
    r = x
    for part in _CONSTANTS[x.dtype].half_pi:
        r = b.fma(n, -part, r)
    (r,), quadrant = _unless_large(x, (r,), quadrant)
    return *_polynomials(r), quadrant


def _reduced_in_two(x: Expr) -> tuple[Expr, Expr, Expr]:
    """r, what its rounding has lost, and n, of which the lowest two bits count, for x ≥ 0."""
    n, quadrant = nearest_integer(x, TWO_OVER_PI)
    first, second, third = _CONSTANTS[x.dtype].half_pi
    product, product_low = two_product(n, b.const(second, x))
    r, low = two_sum(b.fma(n, -first, x), -product)  # the difference is exact
    r, last = two_sum(r, n * -third)
    near = fast_two_sum(r, low - product_low + last)  # near a pole much of r cancels
    (r, low), quadrant = _unless_large(x, near, quadrant)
    return r, low, quadrant


def _unless_large(
    x: Expr, near: tuple[Expr, ...], quadrant: Expr
) -> tuple[tuple[Expr, ...], Expr]:
    """r, in one or two parts, and n: as they are given, or for large x by `_reduce_large`."""
    limit = 2.0**_CONSTANTS[x.dtype].large
    if largest(x) < limit:
        return near, quadrant
    large = x >= limit
    *parts, large_quadrant = _reduce_large(x)
    return (tuple(b.rarely(large, p, r) for p, r in zip(parts, near)),
            b.rarely(large, large_quadrant, quadrant))


def _polynomials(r: Expr) -> tuple[Expr, Expr]:
    constants = _CONSTANTS[r.dtype]
    square = r * r
    s = b.fma(square * r, horner(square, constants.sin), r)
    c = b.fma(square * square, horner(square, constants.cos), b.fma(square, -0.5, 1.0))
    return s, c


def _polynomials_in_two(r: Expr) -> tuple[tuple[Expr, Expr], tuple[Expr, Expr]]:
    """sin r and cos r, each with what its rounding has lost."""
    constants = _CONSTANTS[r.dtype]
    square = r * r
    s_rest = square * r * horner(square, constants.sin)
    c_rest = b.fma(square * square, horner(square, constants.cos), square * -0.5)
    return fast_two_sum(r, s_rest), fast_two_sum(b.const(1.0, r), c_rest)


def _reduce_large(x: Expr) -> tuple[Expr, Expr, Expr]:
    """r in two parts and n for x ≥ 2^large: Payne and Hanek's reduction, 32-bit words in uint64.

    x is m·2^(shift + large − fraction_bits) with an integer m, and shift ≥ 0. Modulo 4, m times
    the bits of 2/π from `shift` on is two bits of quadrant and a fraction of π/2.
    """
    layout, constants = format_of(x), _CONSTANTS[x.dtype]
    bits = b.cast(b.bitcast(x, dtypes.uint32 if is_single(x) else dtypes.uint64), dtypes.uint64)
    m = (bits & layout.fraction_mask) | (1 << layout.fraction_bits)
    shift = (bits >> layout.fraction_bits) - (layout.bias + constants.large)
    words = _times(m, _window(shift, layout, constants), is_single(x))
    head = (words[0] << 32) | words[1]
    quadrant = b.bitcast((head + (1 << 61)) >> 62, dtypes.int64)
    fraction = b.bitcast((head << 2) | (words[2] >> 30), dtypes.int64)  # in 2⁻⁶⁴ of π/2
    upper = b.cast(fraction >> 32, dtypes.float64) * 2.0**-32
    lower = b.cast(fraction & _WORD, dtypes.float64) * 2.0**-64
    not_finite = x - x  # NaN for ±∞ and NaN
    if is_single(x):
        exact = (upper + lower) * 1.5707963267948966
        r = b.cast(exact, dtypes.float32)
        r_low = b.cast(exact - b.cast(r, dtypes.float64), dtypes.float32)
        return r + not_finite, r_low, b.cast(quadrant, dtypes.int32)
    below = (words[2] << 34) | (words[3] << 2) | (words[4] >> 30)
    high, low = fast_two_sum(upper, lower)
    low = low + b.cast(below, dtypes.float64) * 2.0**-128
    half_pi, half_pi_low, _ = constants.half_pi
    r, error = two_product(high, b.const(half_pi, x))
    r, r_low = fast_two_sum(r, error + b.fma(high, half_pi_low, low * half_pi))
    return r + not_finite, r_low, quadrant


def _window(shift: Expr, layout: Format, constants: _Constants) -> list[Expr]:
    """Words of 2/π · 2^(large − fraction_bits) from bit `shift` on; bit 0 has weight 2."""
    count = constants.words
    largest = (layout.bias - constants.large) >> 5  # words that the largest x moves by: 2ⁿ − 1
    total = largest + count + 1
    scale = 32 * total - 2 + constants.large - layout.fraction_bits
    bits = TWO_OVER_PI_BITS >> (TWO_OVER_PI_SCALE - scale)
    words = [b.const(bits >> (32 * i) & _WORD, dtypes.uint64) for i in reversed(range(total))]
    step = (largest + 1) >> 1
    while step:
        moved = b.ne(shift & (32 * step), 0)
        words = [b.select(moved, words[i + step], words[i]) for i in range(count + step)]
        step >>= 1
    within = shift & 31
    return [(((words[i] << 32) | words[i + 1]) << within) >> 32 for i in range(count)]


def _times(m: Expr, words: list[Expr], short: bool) -> list[Expr]:
    """The words of m · words modulo 2^(32·words), the most significant first.

    m has 53 bits at most, and 32 if it is `short`.
    """
    carry = b.const(0, m)
    low, high = m & _WORD, m >> 32
    result = []
    for word in reversed(words):
        product = low * word
        total = (product & _WORD) + carry
        result.append(total & _WORD)
        carry = (total >> 32) + (product >> 32)
        carry = carry if short else carry + high * word
    return result[::-1]
