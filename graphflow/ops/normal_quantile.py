"""The inverse of the normal distribution function in the middle of its range, without loops.

Algorithm AS 241 (Wichura, "The percentage points of the normal distribution", Applied Statistics
37, 1988, 477–484): PPND16 (about 16 digits) in float64, PPND7 (about 7 digits) in float32. Only
the two branches that probabilities in (Φ(−2), Φ(2)) need; the far tails are left out.

Written twice from one table of coefficients: as scalar expressions and with NumPy.
"""

from __future__ import annotations

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
