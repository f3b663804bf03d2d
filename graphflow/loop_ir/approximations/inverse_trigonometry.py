"""asin, acos, atan, atan2: odd polynomials, after the argument is made small.

atan(1/t) = π/2 − atan t leaves 0 ≤ t ≤ 1; asin x = π/2 − 2 asin √((1 − x)/2) leaves 0 ≤ x ≤ ½, as
in Cephes. The polynomials are minimax (Remez' exchange, see `exponential`).
"""

from __future__ import annotations

from dataclasses import dataclass

from graphflow import dtypes
from graphflow.loop_ir.approximations.floats import (
    copy_sign,
    flip,
    horner,
    sign_of,
    to_bits,
)
from graphflow.loop_ir.builder import b
from graphflow.loop_ir.expr import Expr


@dataclass(frozen=True, slots=True)
class _Constants:
    """What depends on the format.

    Attributes:
      half_pi: π/2 in two parts.
      atan: (atan t − t) / t³ as a polynomial in t², 0 ≤ t ≤ 1.
      asin: (asin t − t) / t³ as a polynomial in t², 0 ≤ t ≤ ½.
    """

    half_pi: tuple[float, float]
    atan: tuple[float, ...]
    asin: tuple[float, ...]


_CONSTANTS = {
    dtypes.float32: _Constants(
        half_pi=(1.57079637050628662109375, -4.37113882867379114e-08),
        atan=(  # 2^-28.5
            -0.333332986, 0.199985296, -0.142640144, 0.109508604, -0.0839920342, 0.0578787737,
            -0.0310934447, 0.0108662434, -0.00178214605),
        asin=(  # 2^-27.6
            0.166667521, 0.0749530941, 0.0454691499, 0.024184769, 0.0421583466)),
    dtypes.float64: _Constants(
        half_pi=(1.5707963267948966, 6.123233995736766e-17),
        atan=(  # 2^-56.6
            -0.33333333333333071, 0.19999999999951748, -0.14285714282584783,
            0.11111111007113238, -0.090909070011229665, 0.076922797769630305,
            -0.066664031886970884, 0.058805202319539861, -0.052534726434743981,
            0.04722120515107537, -0.042185200014538356, 0.036625677689905642,
            -0.029873503909211455, 0.021941774188239584, -0.013854504913109904,
            0.0071600389806853303, -0.0028641951879391316, 0.00082333055428582464,
            -0.00015028880315982334, 1.3023993518275091e-05),
        asin=(  # 2^-55.9
            0.16666666666665408, 0.075000000003371495, 0.044642856828201925,
            0.030381959142719801, 0.022371757901840102, 0.017359707132005922,
            0.013885211078473769, 0.012169376900585631, 0.0065272426163223507,
            0.019530310818739009, -0.01622751671128414, 0.031914538931965671)),
}


def atan(x: Expr) -> Expr:
    """The inverse tangent within 2 ULP; keeps −0."""
    magnitude = abs(x)
    inverted = magnitude > 1.0
    t = _atan_polynomial(b.select(inverted, 1.0 / magnitude, magnitude))
    high, low = _CONSTANTS[x.dtype].half_pi
    return flip(b.select(inverted, high - (t - low), t), sign_of(x))


def atan2(y: Expr, x: Expr) -> Expr:
    """The angle of (x, y) within 2 ULP; signed zeros and infinities as in C99, annex F."""
    across, up = abs(x), abs(y)
    steep, left = up > across, to_bits(x) < 0
    ratio = b.select(steep, across, up) / b.select(steep, up, across)
    same = b.select(b.eq(up, 0.0), up, 1.0)  # 0/0 and ∞/∞ among them
    t = _atan_polynomial(b.select(b.eq(up, across), same, ratio))
    high, low = _CONSTANTS[x.dtype].half_pi
    start = b.select(steep, b.const(high, x), b.select(left, b.const(2 * high, x), 0.0))
    start_low = b.select(steep, b.const(low, x), b.select(left, b.const(2 * low, x), 0.0))
    turned = b.select(b.logical_xor(steep, left), -t, t)
    return copy_sign(start + (turned + start_low), y)


def asin(x: Expr) -> Expr:
    """The inverse sine within 3 ULP; NaN outside [−1, 1]; keeps −0."""
    far, t = _asin_of_small(abs(x))
    high, low = _CONSTANTS[x.dtype].half_pi
    return flip(b.select(far, b.fma(t, -2.0, high) + low, t), sign_of(x))


def acos(x: Expr) -> Expr:
    """The inverse cosine within 2 ULP; NaN outside [−1, 1]."""
    far, t = _asin_of_small(abs(x))
    high, low = _CONSTANTS[x.dtype].half_pi
    negative = x < 0.0
    start = b.select(far, b.select(negative, b.const(2 * high, x), 0.0), b.const(high, x))
    start_low = b.select(far, b.select(negative, b.const(2 * low, x), 0.0), b.const(low, x))
    signed = flip(t, sign_of(x)) * b.select(far, b.const(-2.0, x), 1.0)
    return start - (signed - start_low)


def _atan_polynomial(t: Expr) -> Expr:
    square = t * t
    return b.fma(square * t, horner(square, _CONSTANTS[t.dtype].atan), t)


def _asin_of_small(x: Expr) -> tuple[Expr, Expr]:
    """Is x > ½? and asin √((1 − x)/2) where it is, else asin x; for x ≥ 0."""
    far = x > 0.5
    square = b.select(far, b.fma(x, -0.5, 0.5), x * x)
    t = b.select(far, b.sqrt(square), x)
    return far, b.fma(square * t, horner(square, _CONSTANTS[x.dtype].asin), t)
