"""A condition on values that a composite op must check where its parts would let a value pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function
from graphflow.errors import InvalidArgumentError
from graphflow.lowering import Pointwise
from graphflow.opdef import RunError, Sample, same_as_input
from graphflow.ops.declare import declare


def _reference(x: np.ndarray, condition: np.ndarray) -> np.ndarray:
    if not np.all(condition):
        raise RunError(InvalidArgumentError, "a value is not allowed here")
    return x


REQUIRE = declare(
    "Require", "x: T, condition: bool", infer=same_as_input, reference=_reference,
    grad=lambda F, op, g: [g, None],
    lowering=Pointwise(lambda b, x, condition: x,
                       refuses=lambda b, x, condition: b.logical_not(condition)),
    samples=lambda: [
        Sample((np.array([1.5, -2.0, 0.25]), np.array([True, True, True]))),
        Sample((np.zeros((0, 2)), np.array(True)))],
    T=dt.NUMBERS)


@op_function
def require(x: Any, condition: Any, name: str | None = None) -> Any:
    """`x`, if `condition` holds everywhere; compiled runs stop where it does not.

    x: numbers [d…]; condition: bool, broadcast to the shape of x. What is wrong is said by the
    reference of the op that this is a part of.
    """
    return apply(REQUIRE, (x, condition), name=name)
