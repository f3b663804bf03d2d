"""What scalar ops compute where NumPy leaves a choice, warns, or has no function: one defined
result each, the same for the interpreter and for generated code.

Functions take and return NumPy arrays in the arithmetic dtype (`arithmetic_dtype`) of their
operands, elementwise with broadcasting. Floating-point warnings are silenced by the interpreter.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from graphflow import dtypes
from graphflow.dtypes import DType

Array = np.ndarray


def arithmetic_dtype(dtype: DType) -> np.dtype:
    """The NumPy dtype that values of `dtype` have inside a body: half and bfloat16 are stored
    in 16 bits and computed with in float32; every other dtype is computed with as it is stored.
    """
    return np.dtype(np.float32) if dtype in (dtypes.float16, dtypes.bfloat16) else dtype.numpy


# --- conversions ------------------------------------------------------------------------------


def convert(x: Array, target: DType) -> Array:
    """The value of `x` in `target`.

    - number → bool: `x != 0`, so NaN is True; bool → number: 0 or 1;
    - integer → integer wraps (two's complement);
    - float → integer truncates; NaN gives 0, values outside give the integer's min or max;
    - → float rounds to nearest even, and overflows to ±inf; to float16 and bfloat16 it goes
      through float32, from every type;
    - complex → real drops the imaginary part.
    """
    if target.is_bool:
        return x != 0
    if x.dtype.kind == "c" and not target.is_complex:
        x = x.real
    if target.is_integer and x.dtype.kind == "f":
        return _saturate(x, target)
    x = x.astype(arithmetic_dtype(target), copy=False)
    return round_to_storage(x, target)


def round_to_storage(x: Array, dtype: DType) -> Array:
    """`x`, in arithmetic dtype, rounded to a value that `dtype` can store."""
    if arithmetic_dtype(dtype) == dtype.numpy:
        return x
    return x.astype(dtype.numpy).astype(x.dtype)


def bitcast(x: Array, source: DType, target: DType) -> Array:
    """The bits of `x`, stored as `source`, read as `target`."""
    bits = np.ascontiguousarray(x.astype(source.numpy, copy=False)).reshape(x.shape)
    return bits.view(target.numpy).astype(arithmetic_dtype(target), copy=False)


def _saturate(x: Array, target: DType) -> Array:
    lowest, highest = int(target.min), int(target.max)
    x = np.trunc(x.astype(np.float64, copy=False))
    above = x >= float(highest + 1)  # a power of two: exact, where float(2**63 - 1) is not
    below = x < float(lowest)
    inside = np.where(above | below | np.isnan(x), 0.0, x).astype(target.numpy)
    edge = np.where(above, target.numpy.type(highest), target.numpy.type(lowest))
    return np.where(above | below, edge, inside)


# --- integers ---------------------------------------------------------------------------------


def floor_divide(x: Array, y: Array) -> Array:
    """⌊x / y⌋. Floats: the quotient is rounded before the floor, as in TensorFlow (1 // 0.1 is
    10). Integers: exact; x // 0 = 0 and INT_MIN // −1 = INT_MIN.
    """
    if x.dtype.kind == "f":
        return np.floor(x / y)
    return np.where(y == 0, _typed(0, x), np.floor_divide(x, y))


def floor_mod(x: Array, y: Array) -> Array:
    """The remainder with the sign of `y`, as Python's `%`. Integers: x mod 0 = 0."""
    if x.dtype.kind == "f":
        return np.mod(x, y)
    return np.where(y == 0, _typed(0, x), np.mod(x, y))


def truncate_divide(x: Array, y: Array) -> Array:
    """x / y rounded towards zero, as in C. Integers: x / 0 = 0 and INT_MIN / −1 = INT_MIN."""
    if x.dtype.kind == "f":
        return np.trunc(x / y)
    quotient = floor_divide(x, y)
    inexact = (quotient * y != x) & (y != 0)
    return quotient + (inexact & ((x < 0) != (y < 0))).astype(x.dtype)


def truncate_mod(x: Array, y: Array) -> Array:
    """The remainder with the sign of `x`, as C's `fmod` and `%`. Integers: x mod 0 = 0."""
    if x.dtype.kind == "f":
        return np.fmod(x, y)
    return np.where(y == 0, _typed(0, x), x - truncate_divide(x, y) * y)


def power(x: Array, y: Array) -> Array:
    """x to the power y. Integers wrap; a negative exponent gives 1/xⁿ truncated towards zero,
    and 0 where x is 0.
    """
    if x.dtype.kind != "i":
        return np.power(x, y)
    positive = np.power(x, np.maximum(y, _typed(0, y)))
    odd = (y & _typed(1, y)) != 0
    minus_one = np.where(odd, _typed(-1, x), _typed(1, x))
    inverse = np.where(x == 1, _typed(1, x), np.where(x == -1, minus_one, _typed(0, x)))
    return np.where(y < 0, inverse, positive)


def shift_left(x: Array, count: Array) -> Array:
    """x · 2^count, wrapping. A count outside 0 … width−1 gives 0."""
    inside = _shift_inside(x, count)
    shifted = np.left_shift(x, np.where(inside, count, _typed(0, count)))
    return np.where(inside, shifted, _typed(0, x))


def shift_right(x: Array, count: Array) -> Array:
    """⌊x / 2^count⌋: arithmetic for signed types, logical for unsigned. A count outside
    0 … width−1 gives 0, or −1 for a negative x.
    """
    inside = _shift_inside(x, count)
    shifted = np.right_shift(x, np.where(inside, count, _typed(0, count)))
    signs = np.where(x < 0, np.invert(_typed(0, x)), _typed(0, x))
    return np.where(inside, shifted, signs)


def multiply_high(x: Array, y: Array) -> Array:
    """The high 32 bits of the 64-bit product of two uint32."""
    return ((x.astype(np.uint64) * y.astype(np.uint64)) >> np.uint64(32)).astype(np.uint32)


def _shift_inside(x: Array, count: Array) -> Array:
    return (count >= 0) & (count < 8 * x.dtype.itemsize)


def _typed(value: int, like: Array) -> np.generic:
    return like.dtype.type(value)


# --- floats -----------------------------------------------------------------------------------


def minimum(x: Array, y: Array) -> Array:
    """The smaller value; NaN if either is NaN; `y` if they are equal (so min(−0, +0) = +0)."""
    return np.where((x < y) | (x != x), x, y)


def maximum(x: Array, y: Array) -> Array:
    """The larger value; NaN if either is NaN; `y` if they are equal (so max(+0, −0) = −0)."""
    return np.where((x > y) | (x != x), x, y)


def fused_multiply_add(x: Array, y: Array, z: Array) -> Array:
    """x · y + z, rounded once."""
    return _fma32(x, y, z) if x.dtype == np.float32 else _fma64(x, y, z)


def _fma32(x: Array, y: Array, z: Array) -> Array:
    """In float64 the product is exact; the sum is rounded to odd, after which rounding to
    float32 is right (Boldo and Melquiond 2008, Emulation of FMA and correctly rounded sums).
    """
    product, addend = np.broadcast_arrays(x.astype(np.float64) * y, z.astype(np.float64))
    total = product + addend
    back = total - product
    error = (product - (total - back)) + (addend - back)  # Knuth's TwoSum
    even = (np.asarray(total).view(np.int64) & 1) == 0
    towards = np.where(error > 0, np.inf, -np.inf)
    odd = np.where(even & np.isfinite(total) & (error != 0), np.nextafter(total, towards), total)
    return odd.astype(np.float32)


def _fma64(x: Array, y: Array, z: Array) -> Array:
    """The product and its error are exact (Dekker), and so is their sum with z as three floats;
    the small ones are added to odd (Boldo and Melquiond 2008, algorithm 5). What is too large or
    too small for that is done in rational numbers.
    """
    x, y, z = np.broadcast_arrays(x, y, z)
    product = x * y
    plain = (x == 0) | (y == 0) | ~np.isfinite(x) | ~np.isfinite(y)
    result = np.where(plain, product + z, z)  # else right if z is not finite
    safe = np.abs(x) < 2.0**990
    for value, low in ((y, 0.0), (product, 2.0**-900), (np.where(z == 0, 1, z), 2.0**-900)):
        safe &= (np.abs(value) >= low) & (np.abs(value) < 2.0**990)
    rest = ~plain & np.isfinite(z) & ~safe
    near = ~plain & safe
    result[near] = _fma64_inside(x[near], y[near], product[near], z[near])
    result[rest] = _fma64_by_element(x[rest], y[rest], z[rest])
    return result


def _fma64_inside(x: Array, y: Array, product: Array, z: Array) -> Array:
    x_high, x_low = _halves(x)
    y_high, y_low = _halves(y)
    error = x_low * y_low - (((product - x_high * y_high) - x_low * y_high) - x_high * y_low)
    middle, low = _two_sum(z, error)
    high, rest = _two_sum(product, middle)
    tail, lost = _two_sum(rest, low)
    even = (tail.view(np.int64) & 1) == 0
    odd = np.where(even & (lost != 0), np.nextafter(tail, np.where(lost > 0, np.inf, -np.inf)),
                   tail)
    return high + odd


def _halves(x: Array) -> tuple[Array, Array]:
    scaled = x * (2.0**27 + 1)  # Veltkamp: 26 bits each
    high = scaled - (scaled - x)
    return high, x - high


def _two_sum(x: Array, y: Array) -> tuple[Array, Array]:
    total = x + y
    back = total - x
    return total, (x - (total - back)) + (y - back)


def _multiply_add(x: float, y: float, z: float) -> float:
    if not (math.isfinite(x) and math.isfinite(y)) or x == 0 or y == 0:
        return x * y + z  # nothing is rounded, and the signs of zeros are right
    if not math.isfinite(z):
        return z  # where x · y may overflow, but must not turn an infinity into NaN
    from fractions import Fraction

    exact = Fraction(x) * Fraction(y) + Fraction(z)
    try:
        # An exact zero is +0 (round to nearest); an underflow keeps the sign of the quotient.
        return exact.numerator / exact.denominator
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def make_complex(real: Array, imag: Array) -> Array:
    """real + i·imag; written part by part, for `1j * inf` has a NaN in it."""
    shape = np.broadcast_shapes(real.shape, imag.shape)
    dtype = np.complex64 if real.dtype == np.float32 else np.complex128
    result = np.empty(shape, dtype)
    result.real = real
    result.imag = imag
    return result


def _log_gamma(x: float) -> float:
    if math.isinf(x) or (x <= 0 and x == math.floor(x)):
        return math.inf  # at −inf and at the poles, as in C
    try:
        return math.lgamma(x)
    except OverflowError:
        return math.inf


def _by_element(function: Callable[..., float], arity: int = 1) -> Callable[..., Array]:
    """`function` of Python floats, over arrays; computed in float64 and rounded once."""
    ufunc = np.frompyfunc(function, arity, 1)

    def apply(*operands: Array) -> Array:
        return np.asarray(ufunc(*operands), np.float64).astype(operands[0].dtype)
    return apply


_fma64_by_element = _by_element(_multiply_add, 3)
erf = _by_element(math.erf)
erfc = _by_element(math.erfc)
log_gamma = _by_element(_log_gamma)
