"""Float formats bit by bit, and the small pieces that all expansions are made of.

Everything here takes and gives expressions of one float dtype, float32 or float64, and builds
basic ops only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphflow import dtypes
from graphflow.dtypes import DType
from graphflow.loop_ir.builder import b
from graphflow.loop_ir.expr import Expr

INFINITY = float("inf")
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Format:
    """An IEEE binary format.

    Attributes:
      dtype: the float dtype.
      integer: the signed integer dtype of its size.
      fraction_bits: bits of the significand behind the point.
      bias: the exponent field of 1.
    """

    dtype: DType
    integer: DType
    fraction_bits: int
    bias: int

    @property
    def width(self) -> int:
        """Bits in all."""
        return 8 * self.dtype.size

    @property
    def sign_bit(self) -> int:
        """The integer whose only bit is the sign."""
        return -(1 << (self.width - 1))

    @property
    def fraction_mask(self) -> int:
        """The bits of the fraction."""
        return (1 << self.fraction_bits) - 1

    @property
    def smallest_normal(self) -> float:
        """The smallest positive number of full precision."""
        return 2.0 ** (1 - self.bias)

    def power_bits(self, exponent: int) -> int:
        """The bits of 2^exponent."""
        return (self.bias + exponent) << self.fraction_bits


_SINGLE = Format(dtypes.float32, dtypes.int32, 23, 127)
_DOUBLE = Format(dtypes.float64, dtypes.int64, 52, 1023)
_FORMATS = {dtypes.float32: _SINGLE, dtypes.int32: _SINGLE,
            dtypes.float64: _DOUBLE, dtypes.int64: _DOUBLE}


def format_of(x: Expr) -> Format:
    """The format of a float32 or float64 expression, or of its bits as int32 or int64."""
    return _FORMATS[x.dtype]


def is_single(x: Expr) -> bool:
    """Is x float32?"""
    return x.dtype is dtypes.float32


def to_bits(x: Expr) -> Expr:
    """The bits of a float as a signed integer."""
    return b.bitcast(x, format_of(x).integer)


def from_bits(bits: Expr) -> Expr:
    """The float with these bits; for int32 and int64."""
    return b.bitcast(bits, format_of(bits).dtype)


def horner(x: Expr, coefficients: Sequence[float]) -> Expr:
    """c₀ + c₁x + c₂x² + …: one fma for each coefficient but the last."""
    total = b.const(coefficients[-1], x)
    for coefficient in reversed(coefficients[:-1]):
        total = b.fma(total, x, coefficient)
    return total


def at_most(x: Expr, limit: float) -> Expr:
    """min(x, limit); NaN stays. One instruction, where `min` of two unknowns takes four."""
    return b.select(x > limit, limit, x)


def at_least(x: Expr, limit: float) -> Expr:
    """max(x, limit); NaN stays."""
    return b.select(x < limit, limit, x)


def sign_of(x: Expr) -> Expr:
    """The sign bit of x, all other bits 0."""
    return to_bits(x) & format_of(x).sign_bit


def flip(x: Expr, sign: Expr) -> Expr:
    """x, negated where the sign bit of `sign` (from `sign_of`) is set."""
    return from_bits(to_bits(x) ^ sign)


def copy_sign(x: Expr, y: Expr) -> Expr:
    """|x| with the sign of y."""
    return from_bits((to_bits(x) & ~format_of(x).sign_bit) | sign_of(y))


def nearest_integer(x: Expr, factor: float, bias: int = 0) -> tuple[Expr, Expr]:
    """n = x · factor rounded to an integer, as a float, and bits whose lowest hold n + bias.

    Adding 1.5 · 2^fraction_bits leaves the integer in the lowest bits of the sum, so that no
    conversion between floats and integers is needed. For |n| below 2^(fraction_bits − 2).
    """
    magic = 1.5 * 2.0 ** format_of(x).fraction_bits + bias
    shifted = b.fma(x, factor, magic)
    return shifted - magic, to_bits(shifted)


def power_of_two(bits: Expr, layout: Format) -> Expr:
    """The float whose exponent field is in the lowest bits of `bits`."""
    return from_bits(bits << layout.fraction_bits)


def small_to_float(n: Expr) -> Expr:
    """An integer of few bits as a float of its size.

    The 64-bit conversion is missing in AVX2, so there the bits are put behind 1.5 · 2^52.
    """
    if n.dtype is dtypes.int32:
        return b.cast(n, dtypes.float32)
    magic = 1.5 * 2.0**52
    return b.bitcast(n + 0x4338000000000000, dtypes.float64) - magic


def two_sum(x: Expr, y: Expr) -> tuple[Expr, Expr]:
    """x + y rounded, and what the rounding left (Knuth, TAOCP 2, 4.2.2)."""
    total = x + y
    back = total - x
    return total, (x - (total - back)) + (y - back)


def fast_two_sum(x: Expr, y: Expr) -> tuple[Expr, Expr]:
    """`two_sum` for |x| ≥ |y| or x = 0 (Dekker 1971)."""
    total = x + y
    return total, (x - total) + y


def two_product(x: Expr, y: Expr) -> tuple[Expr, Expr]:
    """x · y rounded, and what the rounding left."""
    product = x * y
    return product, b.fma(x, y, -product)
