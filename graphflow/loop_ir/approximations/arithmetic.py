"""What is arithmetic but no single instruction: signs, quotients, remainders, predicates."""

from __future__ import annotations

from graphflow import dtypes
from graphflow.loop_ir.approximations.floats import (
    INFINITY,
    NAN,
    copy_sign,
    flip,
    format_of,
    from_bits,
    is_single,
    sign_of,
    to_bits,
)
from graphflow.loop_ir.builder import b
from graphflow.loop_ir.expr import Expr


def sign(x: Expr) -> Expr:
    """−1, 0 or 1; NaN for NaN."""
    above = b.select(x > 0, b.const(1, x), 0)
    if x.dtype.is_unsigned:
        return above
    result = b.select(x < 0, -1, above)
    return b.select(b.ne(x, x), x, result) if x.dtype.is_floating else result


def square(x: Expr) -> Expr:
    """x · x."""
    return x * x


def reciprocal(x: Expr) -> Expr:
    """1 / x."""
    return 1.0 / x


def rsqrt(x: Expr) -> Expr:
    """1 / √x, each rounded."""
    return 1.0 / b.sqrt(x)


def is_nan(x: Expr) -> Expr:
    """Is x NaN?"""
    return b.ne(x, x)


def is_inf(x: Expr) -> Expr:
    """Is x infinite?"""
    return b.eq(abs(x), INFINITY)


def is_finite(x: Expr) -> Expr:
    """Is x neither infinite nor NaN?"""
    return abs(x) < INFINITY


def floordiv(x: Expr, y: Expr) -> Expr:
    """⌊x / y⌋ of the rounded quotient."""
    return b.floor(x / y)


def truncdiv(x: Expr, y: Expr) -> Expr:
    """The rounded quotient without its fraction."""
    return b.trunc(x / y)


def truncmod(x: Expr, y: Expr) -> Expr:
    """C's fmod, exact: the sign is that of x."""
    return flip(_remainder(abs(x), abs(y)), sign_of(x))


def mod(x: Expr, y: Expr) -> Expr:
    """Python's %: fmod, moved by y where its sign is not that of y."""
    rest = truncmod(x, y)
    moved = b.select(b.logical_xor(rest < 0.0, y < 0.0), rest + y, rest)
    return b.select(b.eq(rest, 0.0), copy_sign(rest, y), moved)


def _remainder(x: Expr, y: Expr) -> Expr:
    """x mod y for x, y ≥ 0.

    While the quotient is exact to the unit, so is x − q·y as a fused operation.
    """
    quotient = x / y
    rest = b.fma(-b.trunc(quotient), y, x)
    rest = b.select(rest < 0.0, rest + y, rest)  # the quotient was rounded up to an integer
    large = quotient >= 2.0 ** (format_of(x).fraction_bits - 1)
    if is_single(x):
        far = b.cast(_far_remainder(b.cast(x, dtypes.float64), b.cast(y, dtypes.float64), 9),
                     dtypes.float32)
    else:
        far = _far_remainder(x, y, 12)
    result = b.select(x < y, x, b.rarely(large, far, rest))
    return b.select((x < INFINITY) & (y > 0.0), result, NAN)


def _far_remainder(x: Expr, y: Expr, bits: int) -> Expr:
    """x mod y in float64 where x / y is large, but below 2^(2^bits).

    With x = i·2ᵏ·2ⁿ and y = j·2ᵏ, i and j integers of 53 bits, it is 2ᵏ·(i·2ⁿ mod j); 2ⁿ mod j
    comes from squaring, bit by bit of n. Residues are kept in −j/2 … j/2: every sum is exact.
    """
    layout = format_of(x)
    subnormal = y < layout.smallest_normal
    lifted = b.select(subnormal, y * 2.0**54, y)
    i, j = _significand(x), _significand(lifted)
    n = (to_bits(x) >> layout.fraction_bits) - (to_bits(lifted) >> layout.fraction_bits)
    n = n + b.select(subnormal, b.const(54, n), 0)
    power = b.const(1.0, x)
    for bit in reversed(range(bits)):
        power = _product_modulo(power, power, j)
        doubled = _centred(power + power, j)
        power = b.select(b.ne(n & (1 << bit), 0), doubled, power)
    rest = _product_modulo(power, _centred(i - j, j), j)
    rest = b.select(rest < 0.0, rest + j, rest)
    return b.select(subnormal, rest * (lifted / j) * 2.0**-54, rest * (lifted / j))


def _significand(x: Expr) -> Expr:
    """The significand of x as an integer, 2^52 ≤ … < 2^53."""
    layout = format_of(x)
    return from_bits((to_bits(x) & layout.fraction_mask) | layout.power_bits(52))


def _centred(x: Expr, j: Expr) -> Expr:
    """x modulo j in −j/2 … j/2, for −j … j."""
    beyond = abs(x + x) > j
    return b.select(beyond, x - copy_sign(j, x), x)


def _product_modulo(x: Expr, y: Expr, j: Expr) -> Expr:
    """x·y modulo j for integers of at most half of j, exactly."""
    product = x * y
    error = b.fma(x, y, -product)
    rest = b.fma(-b.rint(product / j), j, product)
    return _centred(rest + error, j)
