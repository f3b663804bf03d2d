"""The regularised incomplete beta function, by the quadrature of `incomplete_gamma`."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function
from graphflow.errors import ShapeError
from graphflow.loop_ir.semantics import log_gamma
from graphflow.lowering import Composite
from graphflow.opdef import ErrorSample, Sample, broadcast_inputs
from graphflow.ops.arguments import typed
from graphflow.ops.declare import declare
from graphflow.ops.incomplete_gamma import quadrature_nodes

Array = np.ndarray


def _betainc(a: Array, b: Array, x: Array) -> Array:
    """By the integral from 0, or, beyond the peak, by that of I₁₋ₓ(b, a)."""
    dtype = a.dtype
    a, b, x = np.broadcast_arrays(*(v.astype(np.float64) for v in (a, b, x)))
    proper = (a > 0) & (b > 0) & (x > 0) & (x < 1)
    p, q = (np.where(proper, v, 1.0) for v in (a, b))
    t = np.where(proper, x, 0.5)
    turned = t > (p + 1) / (p + q + 2)
    p, q, t, u = (np.where(turned, v, w) for v, w in ((q, p), (p, q), (1 - t, t), (t, 1 - t)))
    points, weights = quadrature_nodes()
    odds = t / u
    steep = np.maximum(p - np.maximum(q - 1, 0) * odds, 0) + p / (1 + np.sqrt(p)) * np.sqrt(
        1 + p / q)
    r = points / steep[..., None]
    phi = -p[..., None] * r + (q - 1)[..., None] * np.log1p(-np.expm1(-r) * odds[..., None])
    factor = np.exp(p * np.log(t) + (q - 1) * np.log(u) + log_gamma(p + q) - log_gamma(p)
                    - log_gamma(q)) / steep
    part = factor * np.sum(np.exp(phi) * weights, -1)
    value = np.where(turned, 1 - part, part)
    value = np.where(proper, value, np.where(x == 1, 1.0, 0.0))
    inside = (a > 0) & (b > 0) & (x >= 0) & (x <= 1)
    return np.where(inside, value, np.nan).astype(dtype)


def _expand(F: Any, a: Any, b: Any, x: Any) -> Any:
    dtype = a.dtype
    zeros = F.cast(F.zeros_like(a + b + x), dt.float64)
    a, b, x = (F.cast(v, dt.float64) + zeros for v in (a, b, x))
    positive = F.logical_and(a > 0, b > 0)
    proper = F.logical_and(positive, F.logical_and(x > 0, x < 1))
    p, q, t = F.where_v2(proper, a, 1), F.where_v2(proper, b, 1), F.where_v2(proper, x, 0.5)
    turned = t > (p + 1) / (p + q + 2)
    p, q = F.where_v2(turned, q, p), F.where_v2(turned, p, q)
    t, u = F.where_v2(turned, 1 - t, t), F.where_v2(turned, t, 1 - t)
    points, weights = quadrature_nodes()
    odds = t / u
    steep = F.maximum(p - F.maximum(q - 1, 0) * odds, 0) + p / (1 + F.sqrt(p)) * F.sqrt(1 + p / q)
    r = points / F.expand_dims(steep, -1)
    phi = F.expand_dims(-p, -1) * r + F.expand_dims(q - 1, -1) * F.log1p(
        -F.expm1(-r) * F.expand_dims(odds, -1))
    factor = F.exp(p * F.log(t) + (q - 1) * F.log(u) + F.lgamma(p + q) - F.lgamma(p)
                   - F.lgamma(q)) / steep
    part = factor * F.reduce_sum(F.exp(phi) * weights, -1)
    value = F.where_v2(turned, 1 - part, part)
    value = F.where_v2(proper, value, F.cast(F.equal(x, 1), dt.float64))
    inside = F.logical_and(positive, F.logical_and(x >= 0, x <= 1))
    return F.cast(F.where_v2(inside, value, np.float64(np.nan)), dtype)


def _gradient(F: Any, op: Any, g: Any) -> list[Any]:
    a, b, x = op.inputs
    density = F.exp((a - 1) * F.log(x) + (b - 1) * F.log1p(-x) + F.lgamma(a + b) - F.lgamma(a)
                    - F.lgamma(b))
    return [None, None, g * density]


BETAINC = declare(
    "Betainc", "a: T, b: T, x: T", infer=broadcast_inputs, reference=_betainc, grad=_gradient,
    lowering=Composite(_expand), broadcasts=True,
    samples=lambda: [
        Sample((np.array([[0.5, 2.0], [3.5, 1.5]]), np.array([[1.5, 3.0], [0.75, 2.5]]),
                np.array([[0.25, 0.75], [0.5, 0.125]]))),
        Sample((np.array(1.5), np.array([2.0, 4.0]), np.array([[0.5], [0.25]]))),
        Sample((np.array([1.0, 1.0, 1.0, -1.0]), np.ones(4), np.array([0.0, 1.0, 1.5, 0.5])),
               grad=False),
        Sample((np.zeros((0, 2)), np.ones(2), np.array(0.5)))],
    errors=lambda: [ErrorSample(
        (typed(dt.float32, 2), typed(dt.float32, 2), typed(dt.float32, 3)), {}, ShapeError,
        "cannot be broadcast")],
    T=(dt.float32, dt.float64))


@op_function
def betainc(a: Any, b: Any, x: Any, name: str | None = None) -> Any:
    """I_x(a, b) = ∫₀ˣ t^(a−1) (1−t)^(b−1) dt / B(a, b), elementwise with broadcasting.

    a, b, x: float32 or float64, a, b > 0 and 0 ≤ x ≤ 1 (NaN otherwise). Differentiable in x alone.
    """
    return apply(BETAINC, (a, b, x), name=name)
