"""The first-order linear recurrence sᵢ = aᵢ·sᵢ₋₁ + bᵢ, and products of all elements but one.

The gradient of such a recurrence is the same recurrence run backwards, so gradients of any order
are exact, and none of them divides. `Prod` uses it: with zeros among the factors, its gradient
cannot be Πx / xᵢ.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply
from graphflow.errors import InvalidArgumentError, ShapeError
from graphflow.lowering import Cumulative, View
from graphflow.opdef import (
    Attr,
    ErrorSample,
    Infer,
    RunError,
    Sample,
    TensorType,
    same_as_input,
)
from graphflow.ops.arguments import typed
from graphflow.ops.declare import declare
from graphflow.ops.numerics import accumulator, widen
from graphflow.ops.rows import from_rows, to_rows
from graphflow.shapes import TensorShape


def _scan_type(c: Infer) -> list[TensorType]:
    a, b = c.shape(0), c.shape(1)
    c.require_rank(0, at_least=1)
    if a.rank is not None and b.rank is not None:
        problem = f"shapes differ: {c.show(0)}, {c.show(1)}"
        if a.rank != b.rank:
            raise c.error(problem)
        shape = TensorShape.of(c.require_same(x, y, problem) for x, y in zip(a.sizes, b.sizes))
        return [TensorType(c.dtype(0), shape)]
    return [TensorType(c.dtype(0), b if a.rank is None else a)]


def _scan_reference(a: np.ndarray, b: np.ndarray, reverse: bool) -> np.ndarray:
    if a.shape != b.shape:
        raise RunError(InvalidArgumentError,
                       f"shapes differ: a {list(a.shape)}, b {list(b.shape)}")
    step = -1 if reverse else 1
    factors, terms = (np.moveaxis(widen(v), -1, 0)[::step] for v in (a, b))
    out = np.empty(factors.shape, factors.dtype)
    state = np.zeros(factors.shape[1:], factors.dtype)
    with np.errstate(all="ignore"):
        for i in range(len(factors)):
            # s₋₁ is zero by definition, whatever a₀ is: inf·0 must not make it NaN.
            state = factors[i] * state + terms[i] if i else terms[i]
            out[i] = state
    return np.moveaxis(out[::step], 0, -1).astype(a.dtype, copy=False)


def _scan_grad(F: Any, op: Any, g: Any) -> list[Any]:
    """λᵢ = gᵢ + ā(i+1)·λᵢ₊₁ is the gradient of bᵢ; that of aᵢ is λᵢ·s̄ᵢ₋₁."""
    a, s, reverse = op.inputs[0], op.outputs[0], op.attrs["reverse"]
    backwards = linear_scan(F.conj(shifted(a, 1, not reverse)), g, not reverse)
    return [backwards * F.conj(shifted(s, 0, reverse)), backwards]


def _combine(b: Any, left: tuple, right: tuple) -> tuple:
    """(a₁, b₁) then (a₂, b₂): x → a₂·(a₁·x + b₁) + b₂."""
    return right[0] * left[0], right[0] * left[1] + right[1]


LINEAR_SCAN = declare(
    "LinearScan", "a: T, b: T", attrs={"reverse": Attr("bool", False)}, infer=_scan_type,
    reference=_scan_reference, grad=_scan_grad,
    lowering=Cumulative(
        axis=lambda ctx: len(ctx.in_shapes[0]) - 1,
        init=lambda b, ctx: (b.const(1, accumulator(ctx.in_dtypes[0])),
                             b.const(0, accumulator(ctx.in_dtypes[0]))),
        combine=_combine),
    samples=lambda: [
        Sample((np.array([[0.5, -2.0, 0.0, 1.5]]), np.array([[1.0, 2.0, -0.5, 3.0]])), attrs)
        for attrs in ({}, {"reverse": True})
    ] + [Sample((np.zeros((2, 0)), np.zeros((2, 0))))],
    errors=lambda: [ErrorSample((typed(dt.float32, 2), typed(dt.float32, 3)), {}, ShapeError,
                                r"shapes differ: a \[2\], b \[3\]")],
    T=dt.INEXACT)


def linear_scan(a: Any, b: Any, reverse: bool = False) -> Any:
    """sᵢ = aᵢ·sᵢ₋₁ + bᵢ along the last axis, s₋₁ being 0; from the end if `reverse`.

    a, b: [..., N] of one inexact dtype → [..., N].
    """
    return apply(LINEAR_SCAN, (a, b), {"reverse": reverse})


# ---- shift -----------------------------------------------------------------------------------


def _shift_reference(x: np.ndarray, edge: int, reverse: bool) -> np.ndarray:
    out = np.full_like(x, edge)
    if reverse:
        out[..., :-1] = x[..., 1:]
    else:
        out[..., 1:] = x[..., :-1]
    return out


def _shift_type(c: Infer) -> list[TensorType]:
    c.require_rank(0, at_least=1)
    return same_as_input(c)


SHIFT = declare(
    "Shift", "x: T", attrs={"edge": Attr("int"), "reverse": Attr("bool", False)},
    infer=_shift_type, reference=_shift_reference,
    grad=lambda F, op, g: [shifted(g, 0, not op.attrs["reverse"])],
    lowering=View(
        lambda i, ctx: (*i[:-1], i[-1] + (1 if ctx.attrs["reverse"] else -1)),
        fill=lambda ctx: ctx.attrs["edge"]),
    samples=lambda: [
        Sample((np.arange(6.0).reshape(2, 3),), {"edge": 1}),
        Sample((np.arange(6.0).reshape(2, 3),), {"edge": 0, "reverse": True}),
        Sample((np.zeros((2, 0)),), {"edge": 1}), Sample((np.array([2.0]),), {"edge": 0})],
    errors=lambda: [ErrorSample((typed(dt.float32),), {"edge": 0}, ShapeError,
                                "rank at least 1")],
    T=dt.NUMBERS)


def shifted(x: Any, edge: int, reverse: bool = False) -> Any:
    """x moved by one along its last axis, away from its start (towards it if `reverse`).

    The place that becomes free holds `edge`; what is moved out is lost. x: [..., N] → [..., N].
    """
    return apply(SHIFT, (x,), {"edge": edge, "reverse": reverse})


# ---- products --------------------------------------------------------------------------------


def product_of_others(F: Any, x: Any, axis: tuple[int, ...] | None) -> Any:
    """For each element of `x` the product of all others along `axis`; the shape of `x`.

    It is the product of those before it and those after it: two linear recurrences.
    """
    rows = to_rows(x, axis)
    zeros = F.zeros_like(rows)
    before = linear_scan(shifted(rows, 1), shifted(zeros, 1))
    after = linear_scan(shifted(rows, 1, reverse=True), shifted(zeros, 1, reverse=True),
                        reverse=True)
    return from_rows(before * after, x, axis)
