"""Inverses of the normal distribution function and of the error functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert, op_function
from graphflow.opdef import Sample
from graphflow.ops.declare import unary
from graphflow.ops.normal_quantile import full_quantile, full_quantile_body
from graphflow.ops.precision import widened
from graphflow.ops.scope import scope


def _ndtri(p: np.ndarray) -> np.ndarray:
    p = np.asarray(p)
    inside = (p >= 0) & (p <= 1)
    value = full_quantile(p - p.dtype.type(0.5), np.minimum(p, 1 - p))
    return np.where(inside, value, p.dtype.type(np.nan))


def _ndtri_body(b: Any, p: Any) -> Any:
    value = full_quantile_body(b, p - 0.5, b.min(p, 1 - p))
    return b.select(b.logical_and(p >= 0, p <= 1), value, math.nan)


ndtri = unary(
    "Ndtri", "ndtri", dt.FLOATS,
    body=_ndtri_body, reference=widened(_ndtri),
    grad=lambda F, op, g: [g * math.sqrt(2 * math.pi) * F.exp(F.square(op.outputs[0]) / 2)],
    samples=lambda: [
        Sample((np.array([[0.5, 0.25, 0.88], [0.12, 0.2, 0.7]]),)),
        Sample((np.array([0.0, 1.0, -0.5, 1.5, 1e-30, 1e-12]),), dtypes=(dt.float32, dt.float64),
               grad=False),
        Sample((np.array(0.75),)), Sample((np.zeros((0, 2)),))],
    doc="""The quantile of the standard normal distribution: Φ⁻¹(x), elementwise.

    NaN outside of [0, 1], −∞ at 0, +∞ at 1.""")


def _erfinv(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x)
    half = x.dtype.type(0.5)
    value = full_quantile(half * x, half * (1 - np.abs(x))) * x.dtype.type(math.sqrt(0.5))
    return np.where(np.abs(x) <= 1, value, x.dtype.type(np.nan))


def _erfinv_body(b: Any, x: Any) -> Any:
    value = full_quantile_body(b, x * 0.5, (1 - abs(x)) * 0.5) * math.sqrt(0.5)
    return b.select(abs(x) <= 1, value, math.nan)


erfinv = unary(
    "Erfinv", "erfinv", dt.FLOATS,
    body=_erfinv_body, reference=widened(_erfinv),
    grad=lambda F, op, g: [g * (math.sqrt(math.pi) / 2) * F.exp(F.square(op.outputs[0]))],
    samples=lambda: [
        Sample((np.array([[0.25, -0.5, 0.8], [-0.9, 0.97, 0.01]]),)),
        Sample((np.array([1.0, -1.0, 1.5, -2.0, 0.0]),), grad=False),
        Sample((np.array(0.5),)), Sample((np.zeros((0, 2)),))],
    doc="""The inverse of the error function, elementwise; ±∞ at ±1, NaN beyond.""")


@op_function
def erfcinv(x: Any, name: str | None = None) -> Any:
    """The inverse of `erfc`, elementwise; accurate for x near 0 (+∞ at 0, −∞ at 2)."""
    with scope(name, "erfcinv") as last:
        x = convert(x)
        return F.multiply(F.negative(F.ndtri(x * 0.5)), math.sqrt(0.5), name=last)
