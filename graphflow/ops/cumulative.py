"""Running sums, products and log-sum-exps along an axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function
from graphflow.dtypes import DType
from graphflow.errors import AttributeValueError, InvalidArgumentError
from graphflow.lowering import Cumulative
from graphflow.opdef import Attr, ErrorSample, Infer, OpDef, RunError, Sample, TensorType
from graphflow.ops.arguments import static_int, typed
from graphflow.ops.declare import Gradient, declare
from graphflow.ops.linear_scan import linear_scan, shifted
from graphflow.ops.numerics import accumulator, widen
from graphflow.ops.rows import from_rows, to_rows

_ATTRS = {"axis": Attr("int", 0), "exclusive": Attr("bool", False), "reverse": Attr("bool", False)}


def _type(c: Infer) -> list[TensorType]:
    rank = c.shape(0).rank
    if rank is not None:
        c.axis(c.attrs["axis"], rank)
    return [TensorType(c.dtype(0), c.shape(0))]


def _reference(accumulate: np.ufunc) -> Callable[..., np.ndarray]:
    def reference(x: np.ndarray, axis: int, exclusive: bool, reverse: bool) -> np.ndarray:
        if not -x.ndim <= axis < x.ndim:
            raise RunError(InvalidArgumentError, f"axis {axis} is outside [{-x.ndim}, {x.ndim})")
        wide = np.moveaxis(widen(x), axis, -1)
        wide = wide[..., ::-1] if reverse else wide
        with np.errstate(all="ignore"):
            if exclusive:
                first = np.full_like(wide[..., :1], accumulate.identity)
                wide = np.concatenate([first, wide[..., :-1]], axis=-1)
            out = accumulate.accumulate(wide, axis=-1, dtype=wide.dtype)
        out = out[..., ::-1] if reverse else out
        return np.moveaxis(out, -1, axis).astype(x.dtype, copy=False)

    return reference


def _samples(finite: bool) -> list[Sample]:
    """finite: the identity is a finite number, so that exclusive samples have gradients."""
    x = np.array([[0.5, -2.0, 1.5], [3.0, 0.25, -1.0]])
    tall = np.sin(np.arange(42.0)).reshape(3, 7, 2)
    return [
        *(Sample((x,), {"axis": axis}) for axis in (0, 1, -2)),
        *(Sample((x,), {"axis": 1, "exclusive": e, "reverse": r}, grad=finite or not e)
          for e in (False, True) for r in (False, True)),
        Sample((tall,), {"axis": 1, "reverse": True}),
        Sample((tall.reshape(6, 7),), {"axis": 1, "exclusive": True}, grad=finite),
        Sample((np.array([2.0, 0.0, -3.0, 0.0, 1.5]),)), Sample((np.zeros((2, 0)),), {"axis": 1}),
        Sample((np.zeros((2, 0)),), {"axis": 0, "exclusive": True})]


def _cumulative(
    name: str, accumulate: np.ufunc, combine: Callable[[Any, Any, Any], Any], grad: Gradient,
    dtypes: tuple[DType, ...] = dt.NUMBERS,
) -> OpDef:
    return declare(
        name, "x: T", attrs=_ATTRS, infer=_type, reference=_reference(accumulate), grad=grad,
        lowering=Cumulative(
            axis=lambda ctx: ctx.attrs["axis"] % len(ctx.in_shapes[0]),
            init=lambda b, ctx: (b.const(accumulate.identity, accumulator(ctx.in_dtypes[0])),),
            combine=lambda b, left, right: (combine(b, left[0], right[0]),)),
        samples=lambda: _samples(bool(np.isfinite(accumulate.identity))),
        errors=lambda: [ErrorSample((typed(dt.float32, 2, 3),), {"axis": 2}, AttributeValueError,
                                    r"axis 2 is outside \[-2, 2\) for x \[2, 3\]")],
        depth=2, T=dtypes)


def _sum_grad(F: Any, op: Any, g: Any) -> list[Any]:
    return [apply(op.opdef, (g,), {**op.attrs, "reverse": not op.attrs["reverse"]})]


def _prod_grad(F: Any, op: Any, g: Any) -> list[Any]:
    """Without division, so that it is exact where factors are 0.

    With pₖ the product before element k, ∂/∂xₖ = pₖ·λₖ, where λₖ = gₖ + xₖ₊₁·λₖ₊₁ sums the
    gradients of the outputs from k on, each times the factors behind k. Exclusive outputs stand
    one place later.
    """
    axis, backwards = (op.attrs["axis"],), not op.attrs["reverse"]
    x, g = to_rows(op.inputs[0], axis), to_rows(g, axis)
    if op.attrs["exclusive"]:
        g = shifted(g, 0, backwards)
    before = apply(CUMPROD, (x,), {**op.attrs, "axis": 1, "exclusive": True})
    behind = linear_scan(F.conj(shifted(x, 1, backwards)), g, backwards)
    return [from_rows(F.conj(before) * behind, op.inputs[0], axis)]


def _log_add_exp(b: Any, x: Any, y: Any) -> Any:
    """log(eˣ + eʸ); equal infinities have no difference."""
    apart = b.select(b.eq(x, y), 0.0, b.abs(x - y))
    return b.max(x, y) + b.log1p(b.exp(-apart))


def _logsumexp_grad(F: Any, op: Any, g: Any) -> list[Any]:
    """Without quotients of exponentials, which would overflow.

    With Lₖ the result up to element k, ∂/∂xₖ = exp(xₖ − Lₖ)·λₖ, where
    λₖ = gₖ + exp(Lₖ − Lₖ₊₁)·λₖ₊₁; neither exponent is above 0. Behind −inf alone, L counts as
    the lowest finite number: the derivative there is 0. Exclusive outputs stand one place later.
    """
    axis, backwards = (op.attrs["axis"],), not op.attrs["reverse"]
    x, g = to_rows(op.inputs[0], axis), to_rows(g, axis)
    if op.attrs["exclusive"]:
        g = shifted(g, 0, backwards)
        total = apply(op.opdef, (x,), {**op.attrs, "axis": 1, "exclusive": False})
    else:
        total = to_rows(op.outputs[0], axis)
    total = F.maximum(total, x.dtype.min)
    decay = F.exp(F.minimum(total - shifted(total, 0, backwards), 0))
    return [from_rows(F.exp(x - total) * linear_scan(decay, g, backwards), op.inputs[0], axis)]


CUMSUM = _cumulative("Cumsum", np.add, lambda b, x, y: x + y, _sum_grad)
CUMPROD = _cumulative("Cumprod", np.multiply, lambda b, x, y: x * y, _prod_grad)
CUMULATIVE_LOGSUMEXP = _cumulative(
    "CumulativeLogsumexp", np.logaddexp, _log_add_exp, _logsumexp_grad, dt.FLOATS)


def _apply(
    opdef: OpDef, x: Any, axis: Any, exclusive: bool, reverse: bool, name: str | None
) -> Any:
    attrs = {"axis": static_int(opdef.name, name, "axis", axis), "exclusive": bool(exclusive),
             "reverse": bool(reverse)}
    return apply(opdef, (x,), attrs, name=name)


@op_function
def cumsum(
    x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Any:
    """Running sums along `axis`: [a, b, c] → [a, a + b, a + b + c].

    x: numbers of any shape → the same shape. exclusive: without the element itself, [0, a, a + b];
    reverse: from the end, [a + b + c, b + c, c]. `axis` must be known while building.
    Raises AttributeValueError for an axis that `x` does not have.
    """
    return _apply(CUMSUM, x, axis, exclusive, reverse, name)


@op_function
def cumprod(
    x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Any:
    """Running products along `axis`: [a, b, c] → [a, a·b, a·b·c]; otherwise as `cumsum`.

    Its gradient is exact where elements are 0.
    """
    return _apply(CUMPROD, x, axis, exclusive, reverse, name)


@op_function
def cumulative_logsumexp(
    x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Any:
    """Running log-sum-exps along `axis`: [a, b] → [a, log(eᵃ + eᵇ)], without overflow.

    x: floating, of any shape → the same shape; the attributes are those of `cumsum`. Exclusive
    results start with −inf. Each is max(l, x) + log1p(exp(−|l − x|)) of the one before it, l, and
    the element x. The derivative at elements that are −inf is 0.
    Raises AttributeValueError for an axis that `x` does not have.
    """
    return _apply(CUMULATIVE_LOGSUMEXP, x, axis, exclusive, reverse, name)
