"""Unary functions as users call them, float32 → float32, beside NumPy and SciPy in float64.

`CASES` says for each what it is, what it must equal and how far it may be off, in units of the
last place of the exact value (ULP). `worst_error` compares a piece of results; a wrong sign, a NaN
that should be a number or a number that should be NaN is infinitely far off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import scipy.special

import graphflow as tf

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Case:
    """One function.

    Attributes:
      function: gives a tensor of a float32 tensor.
      exact: the same of a float64 array, to some 2⁻⁴⁰ of the result.
      bound: the largest error allowed, in ULP.
      low, high: where most of its work is done.
    """

    function: Callable[[Any], Any]
    exact: Callable[[Array], Array]
    bound: float
    low: float
    high: float


def _gelu(x: Array) -> Array:
    return np.where(np.isneginf(x), -0.0, x * scipy.special.ndtr(x))


def _softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _selu(x: Array) -> Array:
    scale, alpha = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
    return np.where(x < 0, scale * alpha * np.expm1(np.minimum(x, 0)), scale * x)


CASES = {
    "exp": Case(tf.exp, np.exp, 1, -104, 89),
    "expm1": Case(tf.math.expm1, np.expm1, 2, -18, 89),
    "log": Case(tf.math.log, np.log, 1, 0, 3),
    "log1p": Case(tf.math.log1p, np.log1p, 1.5, -1, 3),
    "sin": Case(tf.sin, np.sin, 2, -1e5, 1e5),
    "cos": Case(tf.cos, np.cos, 2, -1e5, 1e5),
    "tan": Case(tf.tan, np.tan, 2, -1e5, 1e5),
    "asin": Case(tf.asin, np.arcsin, 2, -1, 1),
    "acos": Case(tf.acos, np.arccos, 2, -1, 1),
    "atan": Case(tf.atan, np.arctan, 2, -5, 5),
    "sinh": Case(tf.sinh, np.sinh, 2, -90, 90),
    "cosh": Case(tf.cosh, np.cosh, 2, -90, 90),
    "tanh": Case(tf.tanh, np.tanh, 2, -10, 10),
    "asinh": Case(tf.asinh, np.arcsinh, 2, -10, 10),
    "acosh": Case(tf.acosh, np.arccosh, 2, 1, 10),
    "atanh": Case(tf.atanh, np.arctanh, 2.5, -1, 1),
    "erf": Case(tf.math.erf, scipy.special.erf, 2, -4, 4),
    "erfc": Case(tf.math.erfc, scipy.special.erfc, 2, -4, 11),
    "sqrt": Case(tf.sqrt, np.sqrt, 0.5, 0, 10),
    "rsqrt": Case(tf.math.rsqrt, lambda x: 1 / np.sqrt(x), 1.5, 0, 10),
    "reciprocal": Case(tf.math.reciprocal, np.reciprocal, 0.5, -10, 10),
    "square": Case(tf.square, np.square, 0.5, -10, 10),
    "sigmoid": Case(tf.sigmoid, scipy.special.expit, 3, -104, 20),
    "log_sigmoid": Case(tf.math.log_sigmoid, lambda x: -_softplus(-x), 3, -20, 104),
    "softplus": Case(tf.nn.softplus, _softplus, 3, -104, 20),
    "gelu": Case(tf.nn.gelu, _gelu, 9, -14, 6),  # 4.2, but for subnormal Φ
    # 2.5, but where sigmoid(x) has lost bits to underflow, which x then multiplies
    "swish": Case(tf.nn.swish, lambda x: x * scipy.special.expit(x), 53, -104, 20),
    "elu": Case(tf.nn.elu, lambda x: np.where(x < 0, np.expm1(x), x), 2, -18, 5),
    "selu": Case(tf.nn.selu, _selu, 3, -18, 5),
    "softsign": Case(tf.nn.softsign, lambda x: x / (np.abs(x) + 1), 2, -10, 10),
}


def compiled(name: str) -> Callable[[Array], Array]:
    """The function as machine code: float32 array [n] → float32 array [n]."""
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [None])
        y = CASES[name].function(x)
    return tf.Session(graph=graph).make_callable(y, [x])


@cache
def _comparison() -> Callable[[Array, Array, Array], tuple[float, int]]:
    """Numba's, since 2³² comparisons in NumPy take three times as long as what they compare."""
    import numba

    def worst(actual: Array, exact: Array, per_quantum: Array) -> tuple[float, int]:
        largest, where = -1.0, 0
        bits = exact.view(np.int64)
        for i in range(actual.size):
            a, e = np.float64(actual[i]), exact[i]
            if a != a or e != e:
                distance = 0.0 if a != a and e != e else np.inf
            elif (actual.view(np.int32)[i] < 0) != (bits[i] < 0):
                distance = np.inf
            else:  # an overflow counts as the power of two that the format just lacks
                if abs(a) > 2.0**127 and abs(e) < np.inf:
                    a = min(max(a, -2.0**128), 2.0**128)
                    e = min(max(e, -2.0**128), 2.0**128)
                distance = 0.0 if a == e else (
                    abs(a - e) * per_quantum[(bits[i] >> 52) & 0x7FF])
            if distance > largest:
                largest, where = distance, i
        return largest, where

    return numba.njit(nogil=True)(worst)


# By the exponent field of a float64: how many float32 quanta there are in 1 at that size.
_PER_QUANTUM = 2.0 ** -np.maximum(np.minimum(np.arange(2048) - 1023, 127) - 23.0, -149.0)


def worst_error(actual: Array, exact: Array) -> tuple[float, int]:
    """The largest error in ULP, and its place. actual: float32 [n], exact: float64 [n], n > 0."""
    return _comparison()(actual, exact, _PER_QUANTUM)
