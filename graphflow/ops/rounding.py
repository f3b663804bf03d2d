"""Rounding to whole numbers. Gradients: none, for the results are piecewise constant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, convert, op_function
from graphflow.lowering import Pointwise
from graphflow.opdef import NotDifferentiable, Sample, same_as_input
from graphflow.ops.declare import declare, unary
from graphflow.ops.precision import widened

_CONSTANT = NotDifferentiable("rounding is piecewise constant")


def _rounding_samples() -> list[Sample]:
    return [Sample((np.array([[-2.5, -1.5, -0.5, 0.5], [1.5, 2.5, 2.25, -1.75]]),)),
            Sample((np.array([np.nan, np.inf, -np.inf, -0.0]),)), Sample((np.array(0.75),)),
            Sample((np.zeros((0, 2)),))]


def _rounding(
    name: str, public_name: str, scalar_op: str, reference: Callable[..., Any], doc: str
) -> Callable[..., Any]:
    return unary(
        name, public_name, dt.FLOATS, body=lambda b, x: getattr(b, scalar_op)(x),
        reference=widened(reference), grad=_CONSTANT, samples=_rounding_samples,
        doc=f"{doc}, elementwise, in the type of x. x: floats.")


floor = _rounding("Floor", "floor", "floor", np.floor, "The largest whole number ≤ x")
ceil = _rounding("Ceil", "ceil", "ceil", np.ceil, "The smallest whole number ≥ x")
rint = _rounding("Rint", "rint", "rint", np.rint, "The nearest whole number, half to even")

ROUND = declare(
    "Round", "x: T", infer=same_as_input, reference=widened(np.rint), grad=_CONSTANT,
    lowering=Pointwise(lambda b, x: b.rint(x)), samples=_rounding_samples, T=dt.FLOATS)


@op_function
def round(x: Any, name: str | None = None) -> Any:
    """The nearest whole number, half to even (2.5 → 2); integers stay as they are."""
    x = convert(x)
    return x if x.dtype.is_integer else apply(ROUND, (x,), name=name)
