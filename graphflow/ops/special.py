"""Special functions: error functions, the logarithm of gamma and its derivatives, Hurwitz zeta."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.errors import ShapeError
from graphflow.loop_ir import semantics
from graphflow.lowering import Composite
from graphflow.opdef import Sample, broadcast_inputs
from graphflow.ops.arguments import failure
from graphflow.ops.declare import declare, unary
from graphflow.ops.precision import widened
from graphflow.ops.scope import scope

Array = np.ndarray


def _both_signs() -> list[Sample]:
    return [Sample((np.array([[-2.0, -0.5, 0.25], [0.75, 1.5, 3.0]]),)), Sample((np.array(0.5),)),
            Sample((np.zeros((0, 2)),))]


def _off_the_poles() -> list[Sample]:
    return [Sample((np.array([[-1.5, -0.25, 0.75], [1.25, 2.5, 12.0]]),)),
            Sample((np.array(3.5),)), Sample((np.zeros((0, 2)),))]


# ---- error functions --------------------------------------------------------------------


def _erf_slope(F: Any, x: Any) -> Any:
    return F.exp(F.negative(F.square(x))) * (2 / math.sqrt(math.pi))


erf = unary(
    "Erf", "erf", dt.FLOATS, keeps_zero=True,
    body=lambda b, x: b.erf(x), reference=widened(semantics.erf),
    grad=lambda F, op, g: [g * _erf_slope(F, op.inputs[0])],
    samples=_both_signs,
    doc="The error function 2/√π · ∫₀ˣ e^−t² dt, elementwise.")

erfc = unary(
    "Erfc", "erfc", dt.FLOATS,
    body=lambda b, x: b.erfc(x), reference=widened(semantics.erfc),
    grad=lambda F, op, g: [F.negative(g) * _erf_slope(F, op.inputs[0])],
    samples=_both_signs,
    doc="1 − erf(x), elementwise, accurate for large x.")

# ---- log Γ and its derivatives ----------------------------------------------------------

lgamma = unary(
    "Lgamma", "lgamma", dt.FLOATS,
    body=lambda b, x: b.lgamma(x), reference=widened(semantics.log_gamma),
    grad=lambda F, op, g: [g * F.digamma(op.inputs[0])],
    samples=_off_the_poles,
    doc="log |Γ(x)|, elementwise; +∞ at 0, −1, −2, ….")

# ψ(z) ~ log z − 1/(2z) − Σ B₂ₖ / (2k·z²ᵏ): Abramowitz & Stegun 6.3.18, the coefficients of
# z⁻², z⁻⁴ …; from z = 10 on, seven of them are exact to double precision.
_DIGAMMA_SERIES = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)
_SHIFT = 10


def _digamma(x: Array) -> Array:
    """By the recurrence ψ(x) = ψ(x + 1) − 1/x up to x ≥ 10, and by reflection below 0."""
    reflected = x <= 0
    z = np.where(reflected, 1 - x, x)
    total = -(np.pi / np.tan(np.pi * (x - np.floor(x)))) * reflected.astype(x.dtype)
    total = np.where(reflected, total, x.dtype.type(0))
    for _ in range(_SHIFT):
        total, z = total - 1 / z, z + 1
    square = 1 / (z * z)
    tail = np.zeros_like(z)
    for coefficient in reversed(_DIGAMMA_SERIES):
        tail = (tail + x.dtype.type(coefficient)) * square
    value = total + np.log(z) - 0.5 / z - tail
    return np.where(reflected & (x == np.floor(x)), x.dtype.type(np.nan), value)


def _digamma_body(b: Any, x: Any) -> Any:
    reflected = x <= 0
    z = b.select(reflected, 1 - x, x)
    total = b.select(reflected, -(math.pi / b.tan((x - b.floor(x)) * math.pi)), 0)
    for _ in range(_SHIFT):
        total, z = total - 1 / z, z + 1
    square = 1 / (z * z)
    tail = b.const(0, x)
    for coefficient in reversed(_DIGAMMA_SERIES):
        tail = (tail + coefficient) * square
    value = total + b.log(z) - 0.5 / z - tail
    return b.select(reflected & b.eq(x, b.floor(x)), math.nan, value)


digamma = unary(
    "Digamma", "digamma", dt.FLOATS,
    body=_digamma_body, reference=widened(_digamma),
    grad=lambda F, op, g: [g * _polygamma_of(F, 1, op.inputs[0])],
    samples=_off_the_poles,
    doc="ψ(x) = Γ′(x) / Γ(x), elementwise; NaN at 0, −1, −2, ….")

# B₂ₖ / (2k)! for the Euler–Maclaurin sum of Hurwitz zeta: Abramowitz & Stegun 23.1.30.
_ZETA_SERIES = (
    1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000,
    1 / 74724249600, -3617 / 10670622842880000,
)
_MOST_TERMS = 10_000


def _zeta(x: Array, q: Array) -> Array:
    """Ten direct terms, or more until q + n ≥ 10, then the Euler–Maclaurin formula."""
    dtype = x.dtype
    x, q = np.broadcast_arrays(x.astype(np.float64), q.astype(np.float64))
    terms = np.clip(np.ceil(_SHIFT - q), _SHIFT, _MOST_TERMS + _SHIFT)
    terms = np.where(np.isnan(terms), 0, terms)
    total = np.zeros(x.shape)
    for k in range(int(terms.max(initial=0))):
        total = total + np.where(k < terms, np.power(q + k, -x), 0)
    z = q + terms
    z = np.where(np.isinf(z), np.finfo(np.float64).max, z)  # ∞ gives 0, without 0 · ∞ on the way
    power = np.power(z, -x)
    total = total + power * z / (x - 1) + power / 2
    factor = x * power / z
    for k, coefficient in enumerate(_ZETA_SERIES):
        total = total + coefficient * factor
        factor = factor * (x + (2 * k + 1)) * (x + (2 * k + 2)) / (z * z)
    pole = (x == 1) | ((q <= 0) & (q == np.floor(q)))
    outside = (x < 1) | (q < -_MOST_TERMS) | ((q <= 0) & (x != np.floor(x)))
    return np.where(outside, np.nan, np.where(pole, np.inf, total)).astype(dtype)


def _expand_zeta(F: Any, x: Any, q: Any) -> Any:
    """The same for q > 0, in float64, the direct terms along an axis of their own.

    A negative q = f − n, 0 < f ≤ 1, goes back to that: its n terms more than those of ζ(x, f) have
    the bases −(1 − f), −(2 − f), …, −|q|; for a whole x they sum to ± (ζ(x, 1 − f) − ζ(x, 1 − q)).
    """
    dtype = x.dtype
    x, q = F.cast(x, dt.float64), F.cast(q, dt.float64)
    zeros = F.zeros_like(x + q)
    x, q = x + zeros, q + zeros
    below = q <= 0
    pole = F.logical_or(F.equal(x, 1), F.logical_and(below, F.equal(q, F.floor(q))))
    outside = F.logical_or(
        F.logical_or(x < 1, q < -_MOST_TERMS), F.logical_and(below, F.not_equal(x, F.floor(x))))
    plain = F.logical_not(F.logical_and(below, F.logical_not(F.logical_or(pole, outside))))
    safe = F.where_v2(plain, F.ones_like(q), q)
    fraction = safe - F.floor(safe)
    parts = F.stack([F.where_v2(plain, q, fraction), 1 - fraction, 1 - safe])
    values = _expand_zeta_above_0(F, x, parts)
    odd = F.equal(F.floormod(x, 2), 1)
    more = values[1] - values[2]
    more = F.where_v2(odd, F.negative(more), more)
    total = F.where_v2(plain, values[0], values[0] + more)
    total = F.where_v2(pole, F.fill(F.shape(total), np.float64(np.inf)), total)
    return F.cast(F.where_v2(outside, F.fill(F.shape(total), np.float64(np.nan)), total), dtype)


def _expand_zeta_above_0(F: Any, x: Any, q: Any) -> Any:
    """ζ(x, q) for q > 0 by `_SHIFT` direct terms and the Euler–Maclaurin formula."""
    bases = F.expand_dims(q, -1) + np.arange(_SHIFT, dtype=np.float64)
    total = F.reduce_sum(F.pow(bases, F.expand_dims(F.negative(x), -1)), axis=-1)
    z = F.minimum(q + _SHIFT, np.finfo(np.float64).max)
    power = F.pow(z, F.negative(x))
    total = total + power * z / (x - 1) + power / 2
    factor = x * power / z
    for k, coefficient in enumerate(_ZETA_SERIES):
        total = total + coefficient * factor
        factor = factor * (x + (2 * k + 1)) * (x + (2 * k + 2)) / (z * z)
    return total


def _zeta_samples() -> list[Sample]:
    return [
        Sample((np.array([[2.0, 3.0], [1.5, 4.0]]), np.array([0.5, 12.0]))),
        Sample((np.array([2.0, 4.0]), np.array([-0.5, -2.25]))),
        Sample((np.zeros((0, 2)), np.ones(2))),
    ]


ZETA = declare(
    "Zeta", "x: T, q: T", infer=broadcast_inputs, reference=widened(_zeta),
    grad=lambda F, op, g: [
        None, F.negative(g) * op.inputs[0] * F.zeta(op.inputs[0] + 1, op.inputs[1])],
    lowering=Composite(_expand_zeta), broadcasts=True, samples=_zeta_samples,
    T=(dt.float32, dt.float64))


@op_function
def zeta(x: Any, q: Any, name: str | None = None) -> Any:
    """Hurwitz zeta, Σ (q + n)^−x over n ≥ 0, elementwise with broadcasting.

    x, q: float32 or float64, x > 1 (NaN below 1, +∞ at 1 and at the poles q = 0, −1, …; NaN for
      negative q unless x is whole). Differentiable in q alone.
    """
    return apply(ZETA, (x, q), name=name)


def _polygamma(a: Array, x: Array) -> Array:
    sign = np.where(np.mod(a, 2) == 0, a.dtype.type(-1), a.dtype.type(1))
    value = sign * np.exp(semantics.log_gamma(a + 1)) * _zeta(a + 1, x)
    value = np.where(a == 0, _digamma(np.asarray(x)), value)
    return np.where((a < 0) | (a != np.floor(a)), a.dtype.type(np.nan), value)


def _expand_polygamma(F: Any, a: Any, x: Any) -> Any:
    """ψ⁽ᵃ⁾(x) = (−1)^(a+1) · a! · ζ(a + 1, x): Abramowitz & Stegun 6.4.10."""
    sign = F.where_v2(F.equal(F.floormod(a, 2), 0), F.negative(F.ones_like(a)), 1)
    value = sign * F.exp(F.lgamma(a + 1)) * F.zeta(a + 1, x)
    value = F.where_v2(F.equal(a, 0), F.digamma(x), value)
    return F.where_v2(F.logical_or(a < 0, F.not_equal(a, F.floor(a))), math.nan, value)


POLYGAMMA = declare(
    "Polygamma", "a: T, x: T", infer=broadcast_inputs, reference=widened(_polygamma),
    grad=lambda F, op, g: [None, g * F.polygamma(op.inputs[0] + 1, op.inputs[1])],
    lowering=Composite(_expand_polygamma), broadcasts=True,
    samples=lambda: [
        Sample((np.array([[1.0], [2.0], [0.0]]), np.array([0.5, 2.5, 11.0]))),
        Sample((np.zeros((0, 2)), np.ones(2))),
    ], T=(dt.float32, dt.float64))


@op_function
def polygamma(a: Any, x: Any, name: str | None = None) -> Any:
    """The a-th derivative of digamma, elementwise with broadcasting.

    a: whole numbers ≥ 0 (NaN for others), x: of the same type, float32 or float64.
    Differentiable in x alone.
    """
    return apply(POLYGAMMA, (a, x), name=name)


def _polygamma_of(F: Any, order: int, x: Any) -> Any:
    """polygamma for any float type: half types go through float32."""
    wide = x if x.dtype in (dt.float32, dt.float64) else F.cast(x, dt.float32)
    return F.cast(F.polygamma(float(order), wide), x.dtype)


@op_function
def lbeta(x: Any, name: str | None = None) -> Any:
    """log |B(x)| = Σ log |Γ(xᵢ)| − log |Γ(Σ xᵢ)| over the last axis; −∞ if that is empty.

    x: [b…, n], floats → [b…]. Raises ShapeError for a scalar.
    """
    with scope(name, "lbeta") as last:
        x = convert(x)
        if x.shape.rank == 0:
            raise failure("lbeta", name, "x must have rank at least 1", cls=ShapeError)
        each = F.reduce_sum(F.lgamma(x), axis=[-1])
        return F.subtract(each, F.lgamma(F.reduce_sum(x, axis=[-1])), name=last)
