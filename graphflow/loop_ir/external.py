"""Scalar functions that come from outside: what the op `call` of an expression stands for.

A function of real numbers gives one real number; one with several results, or complex ones, is
several `ScalarFunction`s, which differ in `part`. Loop IR knows its types and how to compute it
over arrays. What its code is, only the emitter knows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphflow.dtypes import DType
from graphflow.loop_ir.expr import Expr, build

PROCESS_ONLY = "process-only:"


@dataclass(frozen=True, slots=True, repr=False)
class ScalarFunction:
    """One result of a function of scalars, for certain element types.

    Attributes:
      identity: text that is equal for equal code, types included: kernels are hashed by it. It
        begins with PROCESS_ONLY if it says nothing to other processes, so that kernels which call
        the function are not kept for them.
      part: which of the function's real results this is.
      inputs: the types of its arguments, in the order of the operands; never half precision.
      result: the type of this result.
      compute: (arrays of these types) → array: the definition.
      code: what the emitter makes machine code of.
    """

    identity: str
    part: int
    inputs: tuple[DType, ...]
    result: DType
    compute: Callable[..., np.ndarray] = field(compare=False)
    code: Any = field(compare=False)

    def __repr__(self) -> str:
        return f"{self.identity}.{self.part}"


def call(function: ScalarFunction, *operands: Expr) -> Expr:
    """The result of `function`. Raises DTypeError if the operands are not of its types."""
    return build("call", *operands, attr=function)
