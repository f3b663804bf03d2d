"""What random ops compute from their bits, written twice: as scalar expressions and with NumPy.

Input: linear index or shape, run counter, key, and for integers the range. Output: draws. The
two forms do the same operations in the same order, so that they agree to the accuracy of log, cos
and sqrt; float16 and bfloat16 are computed in float32 and rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.dtypes import DType
from graphflow.errors import InvalidArgumentError
from graphflow.loop_ir import Expr, ScalarBuilder
from graphflow.opdef import RunError
from graphflow.ops.normal_quantile import quantile, quantile_body
from graphflow.ops.random_bits import (
    Key,
    block_words,
    join_words,
    wide_word,
    wide_words,
    word,
    words,
)

_SIGNIFICANT_BITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
_WITHIN_TWO = math.erf(math.sqrt(2.0))  # Φ(2) − Φ(−2)
_MASK64 = 0xFFFFFFFFFFFFFFFF


def _sizes(shape: np.ndarray) -> tuple[int, ...]:
    sizes = tuple(int(d) for d in shape)
    if any(d < 0 for d in sizes):
        raise RunError(InvalidArgumentError, f"sizes must not be negative, got {list(sizes)}")
    return sizes


# --- uniform floats ---------------------------------------------------------------------------


def uniform_body(
    b: ScalarBuilder, i: Expr, counter: Expr, key0: Key, key1: Key, dtype: DType
) -> Expr:
    """The top bits of a word, as many as the type holds exactly, as a fraction: never 1."""
    bits = _SIGNIFICANT_BITS[dtype.name]
    if dtype is dt.float64:
        return b.cast(wide_word(b, i, counter, key0, key1) >> 64 - bits, dtype) * 2.0**-bits
    top = word(b, i, counter, key0, key1) >> 32 - bits
    return b.cast(b.cast(top, dt.float32) * 2.0**-bits, dtype)


def uniform(
    shape: np.ndarray, counter: np.ndarray, key0: int, key1: int, dtype: DType
) -> np.ndarray:
    sizes, bits = _sizes(shape), _SIGNIFICANT_BITS[dtype.name]
    count = math.prod(sizes)
    if dtype is dt.float64:
        top = wide_words(count, counter, key0, key1) >> np.uint64(64 - bits)
        return (top.astype(np.float64) * 2.0**-bits).reshape(sizes)
    narrow = words(count, counter, key0, key1) >> np.uint32(32 - bits)
    values = narrow.astype(np.float32) * np.float32(2.0**-bits)
    return values.astype(dtype.numpy, copy=False).reshape(sizes)


# --- normal -----------------------------------------------------------------------------------


def normal_body(
    b: ScalarBuilder, i: Expr, counter: Expr, key0: Key, key1: Key, dtype: DType
) -> Expr:
    """Box and Muller (1958): elements 2p and 2p + 1 are √(−2 ln u) times cos and sin of 2πv.

    u in (0, 1] has all bits of its word (so that the tail reaches 6.7 σ, in float64 9.4 σ), and
    v in [0, 1) those that the type holds exactly; sin 2πv is cos 2π(v − ¼).
    """
    odd = i & 1
    if dtype is dt.float64:
        w = block_words(b, i >> 1, counter, key0, key1)
        first, second = join_words(b, w[0], w[1]), join_words(b, w[2], w[3]) >> 11
        work, bits, places = dt.float64, 53, 64
    else:
        w = block_words(b, i >> 2, counter, key0, key1)
        even_pair = b.eq(i & 2, 0)
        first = b.select(even_pair, w[0], w[2])
        second = b.select(even_pair, w[1], w[3]) >> 8
        work, bits, places = dt.float32, 24, 32
    u = b.cast(first, work) * 2.0**-places + 2.0**-(places + 1)
    turn = b.cast(second, work) * 2.0**-bits - b.cast(odd, work) * 0.25
    return b.cast(b.sqrt(b.log(u) * -2.0) * b.cos(turn * math.tau), dtype)


def normal(
    shape: np.ndarray, counter: np.ndarray, key0: int, key1: int, dtype: DType
) -> np.ndarray:
    sizes = _sizes(shape)
    count = math.prod(sizes)
    wide = dtype is dt.float64
    drawn = (wide_words if wide else words)(count + count % 2, counter, key0, key1).reshape(-1, 2)
    work: Any
    work, bits, places = (np.float64, 53, 64) if wide else (np.float32, 24, 32)
    u = drawn[:, 0].astype(work) * work(2.0**-places) + work(2.0**-(places + 1))
    turn = (drawn[:, 1] >> drawn.dtype.type(places - bits)).astype(work) * work(2.0**-bits)
    radius = np.sqrt(np.log(u) * work(-2.0))
    values = np.empty(drawn.shape, work)
    values[:, 0] = radius * np.cos(turn * work(math.tau))
    values[:, 1] = radius * np.cos((turn - work(0.25)) * work(math.tau))
    return values.reshape(-1)[:count].astype(dtype.numpy, copy=False).reshape(sizes)


# --- truncated normal -------------------------------------------------------------------------


def truncated_body(
    b: ScalarBuilder, i: Expr, counter: Expr, key0: Key, key1: Key, dtype: DType
) -> Expr:
    """The quantile of a uniform in (Φ(−2), Φ(2)): one word an element, no rejection loop.

    The uniform is (k + ½ − 2ⁿ⁻¹) / 2ⁿ, exact and symmetric about 0, of n = 24 or 53 bits.
    """
    if dtype is dt.float64:
        work, bits = dt.float64, 53
        top = wide_word(b, i, counter, key0, key1) >> 11
    else:
        work, bits = dt.float32, 24
        top = word(b, i, counter, key0, key1) >> 8
    centred = b.cast(top, work) - (2.0**(bits - 1) - 0.5)
    z = quantile_body(b, centred * (2.0**-bits * _WITHIN_TWO))
    return b.cast(b.max(b.min(z, 2.0), -2.0), dtype)


def truncated(
    shape: np.ndarray, counter: np.ndarray, key0: int, key1: int, dtype: DType
) -> np.ndarray:
    sizes = _sizes(shape)
    count = math.prod(sizes)
    work: Any
    if dtype is dt.float64:
        work, bits = np.float64, 53
        top = wide_words(count, counter, key0, key1) >> np.uint64(11)
    else:
        work, bits = np.float32, 24
        top = words(count, counter, key0, key1) >> np.uint32(8)
    centred = top.astype(work) - work(2.0**(bits - 1) - 0.5)
    z = np.clip(quantile(centred * work(2.0**-bits * _WITHIN_TWO)), work(-2.0), work(2.0))
    return z.astype(dtype.numpy, copy=False).reshape(sizes)


# --- uniform integers -------------------------------------------------------------------------


def _multiply_high(x: Any, y: Any, const: Callable[[int], Any]) -> Any:
    """The high 64 bits of the 128-bit product of two uint64, from 32-bit halves."""
    mask, shift = const(0xFFFFFFFF), const(32)
    a, b, c, d = x >> shift, x & mask, y >> shift, y & mask
    cross1, cross2 = a * d, b * c
    middle = (b * d >> shift) + (cross1 & mask) + (cross2 & mask)
    return a * c + (cross1 >> shift) + (cross2 >> shift) + (middle >> shift)


def integer_body(
    b: ScalarBuilder, i: Expr, minval: Expr, maxval: Expr, counter: Expr, key0: Key, key1: Key
) -> Expr:
    """minval + ⌊w · range / 2⁶⁴⌋ with a 64-bit word w; a bias of at most range / 2⁶⁴."""
    low = b.cast(minval, dt.uint64)
    span = b.cast(maxval, dt.uint64) - low
    drawn = wide_word(b, i, counter, key0, key1)
    steps = _multiply_high(drawn, span, lambda value: b.const(value, dt.uint64))
    return b.cast(low + steps, minval.dtype)


def integer(
    shape: np.ndarray, minval: np.ndarray, maxval: np.ndarray, counter: np.ndarray,
    key0: int, key1: int,
) -> np.ndarray:
    sizes, dtype = _sizes(shape), np.asarray(minval).dtype
    count, low, high = math.prod(sizes), int(minval), int(maxval)
    if count and low >= high:
        raise RunError(InvalidArgumentError, f"Need minval < maxval, got {low} >= {high}")
    drawn = wide_words(count, counter, key0, key1)
    steps = _multiply_high(drawn, np.uint64(max(high - low, 0)), np.uint64)
    return (steps + np.uint64(low & _MASK64)).astype(dtype).reshape(sizes)


# --- bits and shuffle -------------------------------------------------------------------------


def bits(shape: np.ndarray, counter: np.ndarray, key0: int, key1: int) -> np.ndarray:
    sizes = _sizes(shape)
    return wide_words(math.prod(sizes), counter, key0, key1).reshape(sizes)


def shuffle(value: np.ndarray, counter: np.ndarray, key0: int, key1: int) -> np.ndarray:
    value = np.asarray(value)
    if value.ndim == 0:
        return value.copy()
    order = np.argsort(wide_words(value.shape[0], counter, key0, key1), kind="stable")
    return value[order]
