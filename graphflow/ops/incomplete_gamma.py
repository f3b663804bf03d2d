"""Incomplete gamma and beta functions, by quadrature.

With t = x·e^−r below and t = x·(1 + u) above, the integrals that define them are a factor times
∫₀^∞ e^φ dr with φ smooth and falling, from φ(0) = 0:

    γ(a, x) = x^a e^−x ∫ exp(−a·r − x·(e^−r − 1)) dr                                  x < a + 1
    Γ(a, x) = x^a e^−x ∫ exp((a − 1)·log(1 + u) − x·u) du                             x ≥ a + 1
    B(x; a, b) = x^a (1 − x)^(b−1) ∫ exp(−a·r + (b − 1)·log(1 + x(1 − e^−r)/(1 − x))) dr

The double exponential rule r = w·exp(s − exp(−s)) (Takahasi and Mori, Publ. RIMS 9, 1974) gives
such integrals to double precision with 80 nodes, w being the width of the peak; the factor costs
some digits where a is large. Everything is computed in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function
from graphflow.errors import ShapeError
from graphflow.loop_ir.semantics import log_gamma
from graphflow.lowering import Composite
from graphflow.opdef import ErrorSample, OpDef, Sample, broadcast_inputs
from graphflow.ops.arguments import typed
from graphflow.ops.declare import declare

Array = np.ndarray
_FIRST, _LAST, _COUNT = -3.6, 5.5, 80
_WIDE = (dt.float32, dt.float64)


def quadrature_nodes() -> tuple[Array, Array]:
    """The rule's points and weights for a peak of width 1."""
    s = np.linspace(_FIRST, _LAST, _COUNT)
    points = np.exp(s - np.exp(-s))
    return points, (s[1] - s[0]) * points * (1 + np.exp(-s))


# ---- incomplete gamma ------------------------------------------------------------------------


def _lower_and_upper(a: Array, x: Array) -> tuple[Array, Array]:
    """(P, Q): each where it is the small one by the choice of branch, the other its complement."""
    dtype = a.dtype
    a, x = np.broadcast_arrays(a.astype(np.float64), x.astype(np.float64))
    proper = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    one_a, one_x = (np.where(proper, v, 1.0)[..., None] for v in (a, x))
    points, weights = quadrature_nodes()
    below = one_x < one_a + 1
    root = np.sqrt(one_a)
    steep = np.where(below, np.maximum(one_a - one_x, 0) + one_a / (1 + root),
                     np.maximum(one_x - one_a + 1, 1) + root)
    r = points / steep
    phi = np.where(below, -one_a * r - one_x * np.expm1(-r),
                   (one_a - 1) * np.log1p(r) - one_x * r)
    total = np.sum(np.exp(phi) * weights, -1) / steep[..., 0]
    one_a, one_x, below = one_a[..., 0], one_x[..., 0], below[..., 0]
    part = np.exp(one_a * np.log(one_x) - one_x - log_gamma(one_a)) * total
    part = np.minimum(part, 1)
    at_end = np.where(np.isinf(x), 1.0, 0.0)
    outside = ~((a > 0) & (x >= 0))
    lower = np.where(proper, np.where(below, part, 1 - part), at_end)
    upper = np.where(proper, np.where(below, 1 - part, part), 1 - at_end)
    lower, upper = np.where(outside, np.nan, lower), np.where(outside, np.nan, upper)
    return lower.astype(dtype), upper.astype(dtype)


def _integrals(F: Any, a: Any, x: Any) -> tuple[Any, Any, Any, Any]:
    """(x < a + 1, part, ∂part/∂a, proper) in float64, part being P or Q.

    Where a or x is not positive and finite, 1 stands in for both. The nodes count as constants,
    so that the results can be differentiated.
    """
    zeros = F.zeros_like(a + x)
    a, x = a + zeros, x + zeros
    proper = F.logical_and(F.logical_and(a > 0, x > 0),
                           F.logical_and(F.is_finite(a), F.is_finite(x)))
    a, x = F.where_v2(proper, a, 1), F.where_v2(proper, x, 1)
    points, weights = quadrature_nodes()
    below = x < a + 1
    root = F.sqrt(a)
    steep = F.stop_gradient(F.where_v2(
        below, F.maximum(a - x, 0) + a / (1 + root), F.maximum(x - a + 1, 1) + root))
    wide = [F.expand_dims(v, -1) for v in (a, x, steep)]
    r = points / wide[2]
    side = F.expand_dims(below, -1)
    phi = F.where_v2(side, -wide[0] * r - wide[1] * F.expm1(-r),
                     (wide[0] - 1) * F.log1p(r) - wide[1] * r)
    terms = F.exp(phi) * weights
    factor = F.exp(a * F.log(x) - x - F.lgamma(a)) / steep
    part = factor * F.reduce_sum(terms, -1)
    slope = F.where_v2(side, -r, F.log1p(r))
    by_a = factor * F.reduce_sum(terms * slope, -1) + part * (F.log(x) - F.digamma(a))
    return below, part, by_a, proper


def _expand(lower: bool) -> Any:
    def expand(F: Any, a: Any, x: Any) -> Any:
        dtype = a.dtype
        a, x = F.cast(a, dt.float64), F.cast(x, dt.float64)
        below, part, _, proper = _integrals(F, a, x)
        part = F.minimum(part, 1)
        value = F.where_v2(below if lower else F.logical_not(below), part, 1 - part)
        at_end = F.cast(F.is_inf(x), dt.float64)
        value = F.where_v2(proper, value, at_end if lower else 1 - at_end)
        inside = F.logical_and(a > 0, x >= 0)
        return F.cast(F.where_v2(inside, value, np.float64(np.nan)), dtype)

    return expand


def _gradient(sign: int) -> Any:
    def gradient(F: Any, op: Any, g: Any) -> list[Any]:
        dtype = g.dtype
        a, x = (F.cast(v, dt.float64) for v in op.inputs)
        below, _, by_a, _ = _integrals(F, a, x)
        by_a = F.where_v2(below, by_a, F.negative(by_a)) * sign
        by_x = F.exp((a - 1) * F.log(x) - x - F.lgamma(a)) * sign
        return [g * F.cast(by_a, dtype), g * F.cast(by_x, dtype)]

    return gradient


def _samples() -> list[Sample]:
    return [
        Sample((np.array([[0.5, 2.0], [3.5, 1.0]]), np.array([[0.25, 4.5], [2.0, 3.0]]))),
        Sample((np.array(1.5), np.array([[0.75], [4.0]]))),
        Sample((np.array([0.0, 1.0, -1.0, 1.0, 2.0, np.nan]),
                np.array([1.0, 0.0, 1.0, -1.0, np.inf, 1.0])), grad=False),
        Sample((np.zeros((0, 2)), np.ones(2)))]


def _declare(name: str, which: int) -> OpDef:
    return declare(
        name, "a: T, x: T", infer=broadcast_inputs,
        reference=lambda a, x: _lower_and_upper(a, x)[which], grad=_gradient(1 - 2 * which),
        lowering=Composite(_expand(which == 0)), broadcasts=True, samples=_samples,
        errors=lambda: [ErrorSample((typed(dt.float32, 2), typed(dt.float32, 3)), {}, ShapeError,
                                    "cannot be broadcast")], depth=2, T=_WIDE)


IGAMMA, IGAMMAC = _declare("Igamma", 0), _declare("Igammac", 1)


@op_function
def igamma(a: Any, x: Any, name: str | None = None) -> Any:
    """P(a, x) = ∫₀ˣ t^(a−1) e^−t dt / Γ(a), elementwise with broadcasting.

    a, x: float32 or float64, a > 0 and x ≥ 0 (NaN otherwise). Differentiable in both.
    """
    return apply(IGAMMA, (a, x), name=name)


@op_function
def igammac(a: Any, x: Any, name: str | None = None) -> Any:
    """Q(a, x) = 1 − P(a, x), accurate where it is small; see `igamma`."""
    return apply(IGAMMAC, (a, x), name=name)
