"""exp, expm1, sinh, cosh, tanh.

All reduce x = n·ln 2 + r, |r| ≤ ln 2 / 2 (Cody and Waite 1980: ln 2 in two parts, here with fma,
so that the first part needs no trailing zeros), and take eʳ from a polynomial. The polynomials are
minimax in relative error of the result, found with Remez' exchange in 50-digit arithmetic and
rounded to the format from the lowest coefficient up, the others fitted anew each time; the power
of two beside each is its relative error.

Underflow is gradual.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from graphflow import dtypes
from graphflow.loop_ir.approximations.floats import (
    at_least,
    at_most,
    flip,
    format_of,
    from_bits,
    horner,
    nearest_integer,
    power_of_two,
    sign_of,
)
from graphflow.loop_ir.builder import b
from graphflow.loop_ir.expr import Expr

LOG2_E = 1.4426950408889634


@dataclass(frozen=True, slots=True)
class _Constants:
    """What depends on the format.

    Attributes:
      ln2: ln 2 in two parts.
      exp, expm1: (eʳ − 1 − r) / r² on |r| ≤ ln 2 / 2: relative error of eʳ, of eʳ − 1.
      sinh, cosh: (sinh r − r) / r³ and (cosh r − 1) / r² as polynomials in r².
      exp_range: outside, exp is 0 or infinite.
      expm1_range: outside, expm1 is −1 or infinite.
      hyperbolic_high: above, sinh and cosh are infinite.
      tanh_high: above, tanh is 1.
      scale: exponent of the second of the two factors of 2ⁿ.
      tiny: below, expm1(x) and sinh(x) are x.
      one_sided: from this n on, 2⁻ⁿ does not count beside 2ⁿ.
    """

    ln2: tuple[float, float]
    exp: tuple[float, ...]
    expm1: tuple[float, ...]
    sinh: tuple[float, ...]
    cosh: tuple[float, ...]
    exp_range: tuple[float, float]
    expm1_range: tuple[float, float]
    hyperbolic_high: float
    tanh_high: float
    scale: int
    tiny: float
    one_sided: float


_CONSTANTS = {
    dtypes.float32: _Constants(
        ln2=(0.693147182464599609375, -1.904654323148236e-09),
        exp=(0.49999994, 0.166665167, 0.0416681021, 0.00836920086, 0.00138390623),  # 2^-28.2
        expm1=(0.49999997, 0.16666539, 0.041667752, 0.0083670821, 0.00138375314),  # 2^-26.1
        sinh=(0.166665435, 0.00836654566),  # 2^-26.2
        cosh=(0.5, 0.0416664593, 0.00139354286),  # 2^-33.2
        exp_range=(-104.0, 89.0), expm1_range=(-18.0, 89.0), hyperbolic_high=90.0,
        tanh_high=9.5, scale=64, tiny=2.0**-25, one_sided=30.0),
    dtypes.float64: _Constants(
        ln2=(0.6931471805599453, 2.3190468138462996e-17),
        exp=(  # 2^-57.4
            0.50000000000000111, 0.16666666666666377, 0.041666666666524944,
            0.0083333333334536363, 0.0013888888945806006, 0.00019841269697804231,
            2.4801490006989427e-05, 2.7557340970557624e-06, 2.7631614987318121e-07,
            2.5097840063990179e-08),
        expm1=(  # 2^-61.6
            0.5, 0.16666666666666677, 0.041666666666666685, 0.008333333333321806,
            0.0013888888888894458, 0.00019841269885310296, 2.4801587276133026e-05,
            2.7557245184322104e-06, 2.7557332874211804e-07, 2.5108676674398454e-08,
            2.089265619101368e-09),
        sinh=(  # 2^-61.7
            0.16666666666666677, 0.0083333333333213862, 0.00019841269886814413,
            2.7557243454445752e-06, 2.5109319849674412e-08),
        cosh=(  # 2^-70.0
            0.5, 0.041666666666666685, 0.0013888888888872783, 2.4801587349202185e-05,
            2.7557251819532098e-07, 2.0921769998394128e-09),
        exp_range=(-746.0, 711.0), expm1_range=(-38.0, 710.0), hyperbolic_high=711.0,
        tanh_high=20.0, scale=512, tiny=2.0**-54, one_sided=60.0),
}


class PowerOfE(NamedTuple):
    """(1 + r·slope) · 2ⁿ, with n + bias in the lowest of `bits`; `negative`: n ≤ 0, else n ≥ 0."""

    r: Expr
    slope: Expr
    bits: Expr
    negative: Expr


def power_of_e(x: Expr, low: Expr | None = None) -> PowerOfE:
    """e^(x + low) for x inside `exp_range`, or NaN, and a tiny `low`."""
    constants, layout = _CONSTANTS[x.dtype], format_of(x)
    n, bits = nearest_integer(x, LOG2_E, layout.bias)
    r = _rest(x, n) if low is None else _rest(x, n) + low
    return PowerOfE(r, horner(r, (1.0, *constants.exp)), bits, x < 0.0)


def exp(x: Expr) -> Expr:
    """eˣ within 1 ULP."""
    low, high = _CONSTANTS[x.dtype].exp_range
    power = power_of_e(at_most(at_least(x, low), high))
    return scale_by_power(b.fma(power.r, power.slope, 1.0), power)


def scale_by_power(y: Expr, power: PowerOfE) -> Expr:
    """y · 2ⁿ.

    In two factors: 2ⁿ itself may not exist where the result does. Only the second may underflow,
    so that the result is rounded once.
    """
    layout, scale = format_of(y), _CONSTANTS[y.dtype].scale
    part = scale << layout.fraction_bits
    first = from_bits(
        (power.bits << layout.fraction_bits)
        - b.select(power.negative, b.const(-part, power.bits), part))
    second = b.select(power.negative, b.const(2.0**-scale, y), 2.0**scale)
    return y * first * second


def expm1(x: Expr) -> Expr:
    """eˣ − 1 within 2 ULP: 2ⁿ·p + (2ⁿ − 1) with p = eʳ − 1, which is exact for n = 0."""
    constants, layout = _CONSTANTS[x.dtype], format_of(x)
    low, high = constants.expm1_range
    inside = at_most(at_least(x, low), high)
    n, bits = nearest_integer(inside, LOG2_E, layout.bias - 1)
    half = power_of_two(bits, layout)  # 2ⁿ⁻¹, for 2¹²⁸ would be infinite
    p = _expm1_polynomial(_rest(inside, n))
    total = b.fma(p, half, half - 0.5)
    return b.select(abs(x) < constants.tiny, x, total + total)


def sinh(x: Expr) -> Expr:
    """The hyperbolic sine within 2 ULP: (2ⁿ − 2⁻ⁿ)/2 · cosh r + (2ⁿ + 2⁻ⁿ)/2 · sinh r."""
    grown, shrunk, s, c = _halves(x)
    difference = grown - shrunk  # 0 for n = 0, where nothing may cancel
    eighth = difference + b.fma(grown + shrunk, s, difference * c)
    return b.select(abs(x) < _CONSTANTS[x.dtype].tiny, x, flip(eighth * 4.0, sign_of(x)))


def cosh(x: Expr) -> Expr:
    """The hyperbolic cosine within 2 ULP: 2ⁿ/2 · eʳ + 2⁻ⁿ/2 · e⁻ʳ."""
    grown, shrunk, s, c = _halves(x)
    return (grown + b.fma(grown, c + s, b.fma(shrunk, c - s, shrunk))) * 4.0


def tanh(x: Expr) -> Expr:
    """The hyperbolic tangent within 2 ULP; keeps −0.

    With e = e^(2|x|) − 1 it is t = e / (e + 2); for small e, e/2 − e/2 · t has fewer roundings.
    """
    constants, layout = _CONSTANTS[x.dtype], format_of(x)
    twice = at_most(abs(x), constants.tanh_high)
    twice = twice + twice
    n, bits = nearest_integer(twice, LOG2_E, layout.bias)
    power = power_of_two(bits, layout)
    e = b.fma(_expm1_polynomial(_rest(twice, n)), power, power - 1.0)
    t = e / (e + 2.0)
    half = e * 0.5
    return flip(b.select(half < 0.5, b.fma(-half, t, half), t), sign_of(x))


def _rest(x: Expr, n: Expr) -> Expr:
    high, low = _CONSTANTS[x.dtype].ln2
    return b.fma(n, -low, b.fma(n, -high, x))


def _expm1_polynomial(r: Expr) -> Expr:
    return b.fma(r * r, horner(r, _CONSTANTS[r.dtype].expm1), r)


def _halves(x: Expr) -> tuple[Expr, Expr, Expr, Expr]:
    """2ⁿ/8, 2⁻ⁿ/8, sinh r, cosh r − 1 for |x| = n·ln 2 + r; the eighths keep 2ⁿ finite.

    e^|x| and e^−|x| come from the same two polynomials without a division.
    """
    constants, layout = _CONSTANTS[x.dtype], format_of(x)
    magnitude = at_most(abs(x), constants.hyperbolic_high)
    bias = layout.bias - 3
    n, bits = nearest_integer(magnitude, LOG2_E, bias)
    grown = power_of_two(bits, layout)
    shrunk = b.select(n > constants.one_sided, 0.0, power_of_two(2 * bias - bits, layout))
    r = _rest(magnitude, n)
    square = r * r
    s = b.fma(square * r, horner(square, constants.sinh), r)
    return grown, shrunk, s, square * horner(square, constants.cosh)
