"""Gamma and Poisson draws from random bits, written twice: as scalar expressions and with NumPy.

Both are rejection methods with a bounded number of proposals, so that an element is a pure
function of its number, parameter, key and run, without a loop. The proposals run out with a
probability of 4·10⁻¹¹ (gamma) or 6·10⁻⁸ (Poisson, at a mean of 10; less above) at most; then the
element is the middle of the distribution. Everything is computed in float64 and rounded once.

Sources: Marsaglia and Tsang, "A simple method for generating gamma variables", ACM TOMS 26 (2000);
Hörmann, "The transformed rejection method for generating Poisson random variables", Insurance:
Mathematics and Economics 12 (1993), algorithm PTRS.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.dtypes import DType
from graphflow.loop_ir import Expr, ScalarBuilder, semantics
from graphflow.ops.random_bits import block_words, blocks, join_words

GAMMA_BLOCKS = 4  # each makes two proposals, both refused with probability 0.0025 at most
POISSON_BLOCKS = 6  # each makes two proposals, both refused with probability 0.062 at most
_FEW = 10.0  # below this mean, a Poisson draw is a search in the distribution function
_STEPS = 50  # P(X > 50) < 10⁻¹⁶ at the mean 10
_LOG_FACTORIALS = [math.lgamma(k + 1) for k in range(10)]
_SMALLEST = 1e-300


def _fraction(b: ScalarBuilder, word: Expr) -> Expr:
    """A uint32 as the middle of its interval in (0, 1)."""
    return (b.cast(word, dt.float64) + 0.5) * 2.0**-32


def _fractions(words: np.ndarray) -> np.ndarray:
    return (words.astype(np.float64) + 0.5) * 2.0**-32


# ---- gamma -----------------------------------------------------------------------------------


def gamma_body(
    b: ScalarBuilder, alpha: Expr, index: Expr, counter: Expr, key0: int, key1: int
) -> Expr:
    """d·v with v = (1 + c·z)³, z normal, accepted where log u < z²/2 + d·(1 − v + log v).

    For α < 1 the draw is one for α + 1, times a uniform to the power 1/α.
    """
    a = b.cast(alpha, dt.float64)
    small = b.lt(a, 1.0)
    d = b.select(small, a + 1.0, a) - 1.0 / 3.0
    c = 1.0 / b.sqrt(d * 9.0)
    first = index * (GAMMA_BLOCKS + 1)
    value = d
    for number in reversed(range(GAMMA_BLOCKS)):
        w = block_words(b, first + number, counter, key0, key1)
        radius = b.sqrt(b.log(_fraction(b, w[0])) * -2.0)
        turn = b.cast(w[1], dt.float64) * 2.0**-32
        tries = [_gamma_try(b, radius * b.cos((turn - shift) * math.tau), c, d, w[2 + k])
                 for k, shift in enumerate((0.0, 0.25))]
        second = b.select(tries[1][0], tries[1][1], value)
        # Later blocks are needed for one element in 400: worth a branch.
        refused = b.logical_not(b.logical_or(tries[0][0], tries[1][0]))
        drawn = b.select(tries[0][0], tries[0][1], tries[1][1])
        value = b.rarely(refused, second, drawn)
    w = block_words(b, first + GAMMA_BLOCKS, counter, key0, key1)
    u = (b.cast(join_words(b, w[0], w[1]) >> 11, dt.float64) + 0.5) * 2.0**-53
    return b.cast(b.select(small, value * b.exp(b.log(u) / a), value), alpha.dtype)


def _gamma_try(b: ScalarBuilder, z: Expr, c: Expr, d: Expr, word: Expr) -> tuple[Expr, Expr]:
    t = z * c + 1.0
    v = t * t * t
    bound = z * z * 0.5 + d * (1.0 - v + b.log(b.max(v, _SMALLEST)))
    accepted = b.logical_and(b.gt(t, 0.0), b.lt(b.log(_fraction(b, word)), bound))
    return accepted, d * v


def gamma(
    alpha: np.ndarray, index: np.ndarray, counter: np.ndarray, key0: int, key1: int
) -> np.ndarray:
    alpha, index = np.broadcast_arrays(alpha, index)
    shape, dtype = alpha.shape, alpha.dtype
    a, first = alpha.ravel().astype(np.float64), index.ravel() * (GAMMA_BLOCKS + 1)
    small = a < 1.0
    d = np.where(small, a + 1.0, a) - 1.0 / 3.0
    with np.errstate(all="ignore"):  # parameters that are not positive give NaN
        value, open_ = _gamma_proposals(d, first, counter, key0, key1), small
        if open_.any():
            w = blocks(first[open_] + GAMMA_BLOCKS, counter, key0, key1).astype(np.uint64)
            u = (((w[:, 1] << np.uint64(32) | w[:, 0]) >> np.uint64(11)) + 0.5) * 2.0**-53
            value[open_] *= np.exp(np.log(u) / a[open_])
        return value.astype(dtype).reshape(shape)


def _gamma_proposals(
    d: np.ndarray, first: np.ndarray, counter: Any, key0: int, key1: int
) -> np.ndarray:
    value, c = d.copy(), 1.0 / np.sqrt(d * 9.0)
    left = np.arange(len(d))
    for number in range(GAMMA_BLOCKS):
        w = blocks(first[left] + number, counter, key0, key1)
        radius = np.sqrt(np.log(_fractions(w[:, 0])) * -2.0)
        turn = w[:, 1].astype(np.float64) * 2.0**-32
        done = np.zeros(len(left), bool)
        for k, shift in enumerate((0.0, 0.25)):
            z = radius * np.cos((turn - shift) * math.tau)
            t = z * c[left] + 1.0
            v = t * t * t
            bound = z * z * 0.5 + d[left] * (1.0 - v + np.log(np.maximum(v, _SMALLEST)))
            good = ~done & (t > 0) & (np.log(_fractions(w[:, 2 + k])) < bound)
            value[left[good]] = (d[left] * v)[good]
            done |= good
        left = left[~done]
    return value


# ---- Poisson ---------------------------------------------------------------------------------


def poisson_body(
    b: ScalarBuilder, rate: Expr, index: Expr, counter: Expr, key0: int, key1: int, dtype: DType
) -> Expr:
    """Below a mean of 10 the number of k with P(X ≤ k) < u; above it Hörmann's PTRS."""
    mean = b.cast(rate, dt.float64)
    first = index * (POISSON_BLOCKS + 1)
    w = block_words(b, first + POISSON_BLOCKS, counter, key0, key1)
    u = (b.cast(join_words(b, w[0], w[1]) >> 11, dt.float64) + 0.5) * 2.0**-53
    chance = b.exp(-mean)
    below, few = chance, b.select(b.lt(chance, u), b.const(1.0, dt.float64), 0.0)
    for k in range(1, _STEPS):
        chance = chance * mean * (1.0 / k)
        below = below + chance
        few = few + b.select(b.lt(below, u), b.const(1.0, dt.float64), 0.0)
    many = _poisson_many(b, b.max(mean, _FEW), first, counter, key0, key1)
    value = b.select(b.ge(mean, _FEW), many, few)
    return b.cast(b.select(b.ge(mean, 0.0), value, math.nan), dtype)


def _poisson_many(
    b: ScalarBuilder, mean: Expr, first: Expr, counter: Expr, key0: int, key1: int
) -> Expr:
    root, log_mean = b.sqrt(mean), b.log(mean)
    width = root * 2.53 + 0.931
    slope = width * 0.02483 - 0.059
    log_scale = b.log(1.1328 / (width - 3.4) + 1.1239)
    sure = 0.9277 - 3.6224 / (width - 2.0)
    value = b.floor(mean)
    for number in reversed(range(POISSON_BLOCKS)):
        w = block_words(b, first + number, counter, key0, key1)
        tries = []
        for k in (0, 2):
            u, v = _fraction(b, w[k]) - 0.5, _fraction(b, w[k + 1])
            room = 0.5 - b.abs(u)
            count = b.floor((slope * 2.0 / room + width) * u + mean + 0.43)
            inner = b.logical_and(b.ge(room, 0.07), b.le(v, sure))
            outer = b.logical_or(b.lt(count, 0.0), b.logical_and(
                b.lt(room, 0.013), b.gt(v, room)))
            height = b.log(v) + log_scale - b.log(slope / (room * room) + width)
            fits = b.le(height, _log_chance(b, b.max(count, 0.0), mean, log_mean))
            tries.append((b.logical_or(inner, b.logical_and(b.logical_not(outer), fits)), count))
        (taken, one), (also, two) = tries
        refused = b.logical_not(b.logical_or(taken, also))
        value = b.rarely(refused, value, b.select(taken, one, two))
    return value


def _log_chance(b: ScalarBuilder, count: Expr, mean: Expr, log_mean: Expr) -> Expr:
    """log P(X = count): for 10 and more by Stirling's series about the mean."""
    k = b.max(count, 10.0)
    inverse = 1.0 / k
    series = inverse * (1 / 12 - inverse * inverse * (1 / 360 - inverse * inverse * (1 / 1260)))
    far = mean - k
    large = k * b.log1p(far * inverse) - far - b.log(k * math.tau) * 0.5 - series
    factorial = b.const(_LOG_FACTORIALS[-1], dt.float64)
    for i in reversed(range(9)):
        factorial = b.select(b.le(count, float(i)), b.const(_LOG_FACTORIALS[i], dt.float64),
                             factorial)
    return b.select(b.lt(count, 10.0), count * log_mean - mean - factorial, large)


def poisson(
    rate: np.ndarray, index: np.ndarray, counter: np.ndarray, key0: int, key1: int, dtype: DType
) -> np.ndarray:
    rate, index = np.broadcast_arrays(rate, index)
    mean, first = rate.ravel().astype(np.float64), index.ravel() * (POISSON_BLOCKS + 1)
    value = np.full(mean.shape, np.nan)
    few = np.flatnonzero((mean >= 0) & (mean < _FEW))
    w = blocks(first[few] + POISSON_BLOCKS, counter, key0, key1).astype(np.uint64)
    u = (((w[:, 1] << np.uint64(32) | w[:, 0]) >> np.uint64(11)) + 0.5) * 2.0**-53
    chance = np.exp(-mean[few])
    below, count = chance, (chance < u).astype(np.float64)
    for k in range(1, _STEPS):
        chance = chance * mean[few] * (1.0 / k)
        below = below + chance
        count += below < u
    value[few] = count
    many = np.flatnonzero(mean >= _FEW)
    value[many] = _poisson_many_reference(mean[many], first[many], counter, key0, key1)
    return np.asarray(semantics.convert(value, dtype)).astype(dtype.numpy).reshape(rate.shape)


def _poisson_many_reference(
    mean: np.ndarray, first: np.ndarray, counter: Any, key0: int, key1: int
) -> np.ndarray:
    root, log_mean = np.sqrt(mean), np.log(mean)
    width = root * 2.53 + 0.931
    slope = width * 0.02483 - 0.059
    log_scale = np.log(1.1328 / (width - 3.4) + 1.1239)
    sure = 0.9277 - 3.6224 / (width - 2.0)
    value, left = np.floor(mean), np.arange(len(mean))
    for number in range(POISSON_BLOCKS):
        w = blocks(first[left] + number, counter, key0, key1)
        done = np.zeros(len(left), bool)
        m, s, wide = mean[left], slope[left], width[left]
        for k in (0, 2):
            u, v = _fractions(w[:, k]) - 0.5, _fractions(w[:, k + 1])
            room = 0.5 - np.abs(u)
            count = np.floor((s * 2.0 / room + wide) * u + m + 0.43)
            inner = (room >= 0.07) & (v <= sure[left])
            outer = (count < 0) | ((room < 0.013) & (v > room))
            height = np.log(v) + log_scale[left] - np.log(s / (room * room) + wide)
            fits = height <= _log_chance_reference(np.maximum(count, 0.0), m, log_mean[left])
            good = ~done & (inner | (~outer & fits))
            value[left[good]] = count[good]
            done |= good
        left = left[~done]
    return value


def _log_chance_reference(
    count: np.ndarray, mean: np.ndarray, log_mean: np.ndarray
) -> np.ndarray:
    k = np.maximum(count, 10.0)
    inverse = 1.0 / k
    series = inverse * (1 / 12 - inverse * inverse * (1 / 360 - inverse * inverse * (1 / 1260)))
    far = mean - k
    large = k * np.log1p(far * inverse) - far - np.log(k * math.tau) * 0.5 - series
    factorial = np.array(_LOG_FACTORIALS)[np.minimum(count, 9).astype(np.int64)]
    return np.where(count < 10, count * log_mean - mean - factorial, large)
