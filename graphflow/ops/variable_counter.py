"""`count_up_to`: a variable that counts, up to a limit."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function
from graphflow.errors import DTypeError, OutOfRangeError
from graphflow.lowering import Host, State
from graphflow.opdef import (
    Attr,
    ErrorSample,
    Infer,
    NotDifferentiable,
    RunError,
    Sample,
    TensorType,
    same_as_input,
)
from graphflow.ops.declare import declare
from graphflow.shapes import TensorShape

_LIMIT = {"limit": Attr("int")}


def _below_limit(x: np.ndarray, limit: int) -> np.ndarray:
    if np.any(x >= limit):
        raise RunError(OutOfRangeError, f"Reached limit of {limit}")
    return x


def _below_samples() -> list[Sample]:
    return [Sample((np.array(2),), {"limit": 3}), Sample((np.array([0, -4, 1]),), {"limit": 2}),
            Sample((np.zeros((0,)),), {"limit": 0})]


BELOW_LIMIT = declare(
    "BelowLimit", "x: T", attrs=_LIMIT, infer=same_as_input, reference=_below_limit,
    grad=NotDifferentiable("integer"), lowering=Host(effect=False), samples=_below_samples,
    errors=lambda: [ErrorSample(
        (TensorType(dt.float32, TensorShape([])),), {"limit": 3}, DTypeError, "x must be one of")],
    T=dt.INDICES)


def _count_type(c: Infer) -> list[TensorType]:
    c.require_rank(0, 0)
    return same_as_input(c)


def _counted(F: Any, current: Any, limit: int) -> tuple[Any, tuple]:
    checked = F.below_limit(current, limit)
    return checked + 1, (checked,)


COUNT_UP_TO = declare(
    "CountUpTo", "ref: &T", attrs=_LIMIT, infer=_count_type, reference=None,
    grad=NotDifferentiable("integer"), lowering=State(_counted), T=dt.INDICES)


@op_function
def below_limit(x: Any, limit: int, name: str | None = None) -> Any:
    """`x`, integers of any shape. Raises OutOfRangeError when run if one is not below `limit`."""
    return apply(BELOW_LIMIT, (x,), {"limit": limit}, name=name)


@op_function
def count_up_to(ref: Any, limit: int, name: str | None = None) -> Any:
    """Adds 1 to a scalar int32 or int64 variable; gives the value before.

    Raises OutOfRangeError when run if the value has reached `limit`; it then stays as it is.
    """
    return apply(COUNT_UP_TO, (ref,), {"limit": limit}, name=name)
