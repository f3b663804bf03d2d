"""The interpreter: runs scalar expressions over NumPy arrays. It is their definition.

Input: expressions, one array per `arg`, and what `index` and `size` stand for. Output: one array
per expression. Each node is computed once, for all elements; depth is not limited; no NumPy
warning leaks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphflow.errors import ProgramError
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.scalar_ops import OPS
from graphflow.loop_ir.semantics import arithmetic_dtype


@dataclass(frozen=True, slots=True)
class Environment:
    """What leaves stand for: input arrays, loop indices and extents, each broadcastable.

    In kernels also flat buffers and the present values of accumulators, by number.
    """

    args: Sequence[Any]
    indices: Any
    sizes: Sequence[Any]
    buffers: Sequence[np.ndarray] = ()
    accumulators: Mapping[int, Any] = field(default_factory=dict)


def evaluate(
    expr: Expr, args: Sequence[Any], indices: Sequence[Any] = (), sizes: Sequence[Any] = ()
) -> np.ndarray:
    """The value of `expr` for every element.

    Args:
      args: `args[i]` is the array for `arg(i, dtype)`, of exactly that dtype. Arrays may be of
        any shapes that broadcast.
      indices: `indices[a]` is what `index(a)` stands for: integers, such as `np.ogrid` gives.
      sizes: `sizes[a]` is what `size(a)` stands for.

    Returns: a fresh array of `expr.dtype`, in the broadcast shape of the leaves that `expr`
      reads (a constant has shape []).

    float16 and bfloat16 are computed with in float32: inputs are widened, the result is rounded
    once, and a `cast` to such a type rounds where it stands. Integers wrap; float → integer
    conversions clamp (NaN gives 0); integer division by zero gives 0; shifts past the width give
    0, or −1 for a negative value shifted right. `semantics` holds the details.

    Raises DTypeError if an array has another dtype, ProgramError if a leaf has no value.
    """
    return evaluate_all((expr,), args, indices, sizes)[0]


def evaluate_all(
    exprs: Sequence[Expr], args: Sequence[Any], indices: Sequence[Any] = (),
    sizes: Sequence[Any] = (),
) -> list[np.ndarray]:
    """`evaluate` for several expressions, which share their sub-expressions."""
    return evaluate_in(Environment(args, indices, sizes), exprs)


def evaluate_in(environment: Environment, exprs: Sequence[Expr]) -> list[np.ndarray]:
    """`evaluate_all` in a given environment."""
    order = list(walk(*exprs))
    uses = Counter(arg for node in order for arg in node.args)
    uses.update(exprs)
    values: dict[Expr, np.ndarray] = {}
    with np.errstate(all="ignore"):
        for node in order:
            operands = [values[arg] for arg in node.args]
            values[node] = _compute(node, environment, operands)
            for arg in node.args:
                uses[arg] -= 1
                if not uses[arg]:
                    del values[arg]  # long chains over large arrays hold two values, not all
        return [_store(expr, values[expr]) for expr in exprs]


def _compute(node: Expr, environment: Environment, operands: list[np.ndarray]) -> np.ndarray:
    value = np.asarray(OPS[node.op].compute(node, environment, *operands))
    if value.dtype != arithmetic_dtype(node.dtype):
        raise ProgramError(f"loop IR: {node!r} was computed as {value.dtype}.")
    return value


def _store(expr: Expr, value: np.ndarray) -> np.ndarray:
    return np.array(value, expr.dtype.numpy)  # a copy: a leaf's value is the caller's array
