"""The inverse of the normal distribution function, without loops.

Algorithm AS 241 (Wichura, "The percentage points of the normal distribution", Applied Statistics
37, 1988, 477–484). `quantile` has only the two branches that probabilities in (Φ(−2), Φ(2))
need: PPND16 (about 16 digits) in float64, PPND7 (about 7 digits) in float32. `full_quantile` is
PPND16 with its far tails, for every type.

Written twice from one table of coefficients: as scalar expressions and with NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from graphflow import dtypes as dt
from graphflow.dtypes import DType
from graphflow.loop_ir import Expr, ScalarBuilder

SPLIT = 0.425  # |p − ½| up to which the central branch holds
_CENTRE = 0.180625  # SPLIT²
_SHIFT = 1.6
_FAR_SHIFT = 5.0  # the root of −log(tail) from which the far branch holds


@dataclass(frozen=True, slots=True)
class _Rational:
    """Coefficients of a quotient of polynomials, highest power first."""

    above: tuple[float, ...]
    below: tuple[float, ...]


_CENTRAL_16 = _Rational(
    (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4,
     4.5921953931549871457e4, 1.3731693765509461125e4, 1.9715909503065514427e3,
     1.3314166789178437745e2, 3.3871328727963666080e0),
    (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4,
     2.1213794301586595867e4, 5.3941960214247511077e3, 6.8718700749205790830e2,
     4.2313330701600911252e1, 1.0))
_TAIL_16 = _Rational(
    (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
     1.27045825245236838258e0, 3.64784832476320460504e0, 5.76949722146069140550e0,
     4.63033784615654529590e0, 1.42343711074968357734e0),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
     1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940e0,
     2.05319162663775882187e0, 1.0))
_FAR_16 = _Rational(
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
     2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580e0,
     5.46378491116411436990e0, 6.65790464350110377720e0),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
     7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
     5.99832206555887937690e-1, 1.0))
_CENTRAL_7 = _Rational(
    (5.9109374720e1, 1.5929113202e2, 5.0434271938e1, 3.3871327179e0),
    (6.7187563600e1, 7.8757757664e1, 1.7895169469e1, 1.0))
_TAIL_7 = _Rational(
    (1.7023821103e-1, 1.3067284816e0, 2.7568153900e0, 1.4234372777e0),
    (1.2021132975e-1, 7.3700164250e-1, 1.0))


def _branches(dtype: DType) -> tuple[_Rational, _Rational]:
    return (_CENTRAL_16, _TAIL_16) if dtype is dt.float64 else (_CENTRAL_7, _TAIL_7)


def quantile_body(b: ScalarBuilder, q: Expr) -> Expr:
    """Φ⁻¹(½ + q) for |q| < 0.4998 (float32 or float64)."""
    central, tail = _branches(q.dtype)
    near = _divided(b, central, b.const(_CENTRE, q) - q * q) * q
    far = _divided(b, tail, b.sqrt(-b.log(b.const(0.5, q) - abs(q))) - _SHIFT)
    return b.select(abs(q) <= SPLIT, near, b.select(q < 0, -far, far))


def full_quantile_body(b: ScalarBuilder, q: Expr, tail: Expr) -> Expr:
    """Φ⁻¹(½ + q), where `tail` is ½ − |q| without its rounding error; ±∞ where that is 0."""
    near = _divided(b, _CENTRAL_16, b.const(_CENTRE, q) - q * q) * q
    root = b.sqrt(-b.log(tail))
    far = b.select(root <= _FAR_SHIFT, _divided(b, _TAIL_16, root - _SHIFT),
                   _divided(b, _FAR_16, root - _FAR_SHIFT))
    far = b.select(b.eq(tail, 0), math.inf, far)
    return b.select(abs(q) <= SPLIT, near, b.select(q < 0, -far, far))


def full_quantile(q: np.ndarray, tail: np.ndarray) -> np.ndarray:
    """`full_quantile_body` on arrays, float32 or float64."""
    near = _divided_array(_CENTRAL_16, q.dtype.type(_CENTRE) - q * q) * q
    root = np.sqrt(-np.log(tail))
    far = np.where(root <= _FAR_SHIFT, _divided_array(_TAIL_16, root - q.dtype.type(_SHIFT)),
                   _divided_array(_FAR_16, root - q.dtype.type(_FAR_SHIFT)))
    far = np.where(tail == 0, q.dtype.type(np.inf), far)
    return np.where(np.abs(q) <= SPLIT, near, np.copysign(far, q))


def _divided(b: ScalarBuilder, quotient: _Rational, r: Expr) -> Expr:
    def polynomial(coefficients: Sequence[float]) -> Expr:
        return reduce(lambda total, c: total * r + c, coefficients[1:],
                      b.const(coefficients[0], r))

    return polynomial(quotient.above) / polynomial(quotient.below)


def quantile(q: np.ndarray) -> np.ndarray:
    """`quantile_body` on an array, float32 or float64, of one dimension."""
    central, tail = _branches(dt.as_dtype(q.dtype))
    out = _divided_array(central, q.dtype.type(_CENTRE) - q * q) * q
    outside = np.abs(q) > q.dtype.type(SPLIT)
    ends = q[outside]
    root = np.sqrt(-np.log(q.dtype.type(0.5) - np.abs(ends)))
    out[outside] = np.copysign(_divided_array(tail, root - q.dtype.type(_SHIFT)), ends)
    return out


def _divided_array(quotient: _Rational, r: np.ndarray) -> np.ndarray:
    def polynomial(coefficients: Sequence[float]) -> np.ndarray:
        total = np.full_like(r, coefficients[0])
        for c in coefficients[1:]:
            total = total * r + r.dtype.type(c)
        return total

    return polynomial(quotient.above) / polynomial(quotient.below)
