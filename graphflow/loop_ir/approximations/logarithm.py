"""log, log1p, asinh, acosh, atanh.

log x = e·ln 2 + log(1 + f) with x = 2ᵉ·(1 + f), √½ ≤ 1 + f < √2, as in fdlibm; log(1 + f) is
f − f²/2 + f³·P(f) with a minimax P (Remez' exchange, see `exponential`) in place of fdlibm's
division, which costs a vector unit more than the longer polynomial does.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphflow import dtypes
from graphflow.loop_ir.approximations.floats import (
    INFINITY,
    NAN,
    flip,
    format_of,
    from_bits,
    horner,
    sign_of,
    small_to_float,
    to_bits,
)
from graphflow.loop_ir.builder import b
from graphflow.loop_ir.expr import Expr

LN2 = 0.6931471805599453


@dataclass(frozen=True, slots=True)
class _Constants:
    """What depends on the format.

    Attributes:
      sqrt_half: the bits of √½.
      ln2: ln 2 in two parts.
      log: (log(1 + f) − f + f²/2) / f³ for √½ − 1 ≤ f ≤ √2 − 1.
      large: from here on, x² + 1 is x².
    """

    sqrt_half: int
    ln2: tuple[float, float]
    log: tuple[float, ...]
    large: float


_CONSTANTS = {
    dtypes.float32: _Constants(
        sqrt_half=0x3F3504F3,
        ln2=(0.693147182464599609375, -1.904654323148236e-09),
        log=(  # 2^-27.3
            0.333333313, -0.250008225, 0.200012594, -0.166233495, 0.142011061, -0.131595477,
            0.127653033, -0.0764048472),
        large=2.0**28),
    dtypes.float64: _Constants(
        sqrt_half=0x3FE6A09E667F3BCD,
        ln2=(0.6931471805599453, 2.3190468138462996e-17),
        log=(  # 2^-56.6
            0.33333333333333143, -0.2499999999998796, 0.20000000000067025,
            -0.16666666669829394, 0.14285714280040518, -0.12499999691130602,
            0.11111111150519644, -0.10000015221389526, 0.090909238374324575,
            -0.083329131009112739, 0.076915314469383295, -0.071494473916120821,
            0.066845743406952013, -0.061965933340962627, 0.056684264681236461,
            -0.056782908108370354, 0.065036686377125313, -0.059804280669097147,
            0.026138062154976757),
        large=2.0**57),
}


def log(x: Expr) -> Expr:
    """The natural logarithm within 1 ULP, subnormal x included; −∞ at ±0, NaN below."""
    e, m = split(x)
    result = _assemble(e, m - 1.0)
    return special_logarithm(x, result)


def special_logarithm(x: Expr, result: Expr) -> Expr:
    """`result` where 0 < x < ∞; elsewhere what every logarithm of x is."""
    at_zero = b.select(b.eq(x, 0.0), b.const(-INFINITY, x), NAN)
    return b.select(x > 0.0, b.select(x < INFINITY, result, x), at_zero)


def split(x: Expr) -> tuple[Expr, Expr]:
    """e and m with x = 2ᵉ·m, √½ ≤ m < √2, for 0 < x < ∞; e is a float."""
    layout, constants = format_of(x), _CONSTANTS[x.dtype]
    shift = layout.fraction_bits + 1
    subnormal = x < layout.smallest_normal
    bits = to_bits(b.select(subnormal, x * 2.0**shift, x))
    start = b.const(constants.sqrt_half, bits)
    offset = bits - b.select(
        subnormal, constants.sqrt_half + (shift << layout.fraction_bits), start)
    e = small_to_float(offset >> layout.fraction_bits)
    return e, from_bits((offset & layout.fraction_mask) + start)


def log1p(x: Expr) -> Expr:
    """log(1 + x) within 2 ULP; keeps −0."""
    result = _log1p(x)
    at_one = b.select(b.eq(x, -1.0), b.const(-INFINITY, x), NAN)
    inside = b.select(x < INFINITY, result, x)
    return b.select(_is_tiny(x), x, b.select(x > -1.0, inside, at_one))


def asinh(x: Expr) -> Expr:
    """log1p(|x| + x²/(1 + √(x² + 1))) with the sign of x, within 3 ULP."""
    magnitude, one = abs(x), b.const(1.0, x)
    large = magnitude > _CONSTANTS[x.dtype].large
    square = magnitude * magnitude
    beyond = magnitude + square / (b.sqrt(b.fma(magnitude, magnitude, one)) + 1.0)
    result = flip(_of_large(magnitude, large, beyond), sign_of(x))
    return b.select(_is_tiny(x), x, result)


def acosh(x: Expr) -> Expr:
    """log1p(t + √(2t + t²)) with t = x − 1, within 3 ULP; NaN below 1."""
    large = x > _CONSTANTS[x.dtype].large
    t = x - 1.0
    beyond = t + b.sqrt(b.fma(t, t, t + t))
    return b.select(x >= 1.0, _of_large(x, large, beyond), NAN)


def atanh(x: Expr) -> Expr:
    """log1p(2|x| / (1 − |x|)) / 2 with the sign of x, within 3 ULP; ±∞ at ±1, NaN outside."""
    magnitude = abs(x)
    inside = _log1p((magnitude + magnitude) / (1.0 - magnitude)) * 0.5
    outside = b.select(b.eq(magnitude, 1.0), b.const(INFINITY, x), NAN)
    result = b.select(magnitude < 1.0, inside, outside)
    return b.select(_is_tiny(x), x, flip(result, sign_of(x)))


def _is_tiny(x: Expr) -> Expr:
    """Is log1p(x) nothing but x? So small x may lose bits on the way, and −0 its sign."""
    return abs(x) < 2.0 ** -(format_of(x).fraction_bits + 2)


def _of_large(x: Expr, large: Expr, beyond: Expr) -> Expr:
    """log1p(beyond), or log(2x) where x is large; x itself where that is ∞."""
    result = _log1p(b.select(large, x, beyond)) + b.select(large, b.const(LN2, x), 0.0)
    return b.select(x < INFINITY, result, x)


def _log1p(x: Expr) -> Expr:
    """log(1 + x) for −1 < x < ∞.

    With 1 + x ≈ 2ᵉ·m the rest f = x·2⁻ᵉ + (2⁻ᵉ − 1) comes from x itself, so nothing is lost that
    1 + x has rounded away.
    """
    layout, constants = format_of(x), _CONSTANTS[x.dtype]
    offset = to_bits(x + 1.0) - constants.sqrt_half
    exponent_field = offset & ~layout.fraction_mask
    # 2⁻ᵉ is below the smallest normal number for the largest x: 8·2⁻ᵉ is not.
    octuple = from_bits(layout.power_bits(3) - exponent_field)
    f = b.fma(x * 0.125, octuple, b.fma(octuple, 0.125, -1.0))
    return _assemble(small_to_float(offset >> layout.fraction_bits), f)


def _assemble(e: Expr, f: Expr) -> Expr:
    """e·ln 2 + log(1 + f)."""
    constants = _CONSTANTS[f.dtype]
    high, low = constants.ln2
    square = f * f
    rest = b.fma(square, -0.5, square * f * horner(f, constants.log))
    return b.fma(e, high, f + b.fma(e, low, rest))
