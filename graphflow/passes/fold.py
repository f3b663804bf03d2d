"""Constant folding: what depends on constants alone is computed once, by the op's reference.

Results stay within a budget: a constant is memory that each run reads, while what made it may
cost less than that. Ops that only spread a few numbers out (fill, broadcast, tile) are therefore
folded where the result fits in the code itself, other ops up to `BUDGET`, and what shrinks always.
"""

from __future__ import annotations

import numpy as np

from graphflow.builder import F
from graphflow.errors import GraphflowError
from graphflow.lowering import Generate, Host, Region, State, View
from graphflow.opdef import RunError
from graphflow.passes.base import Pass, Rebuilder, rebuilt
from graphflow.passes.patterns import constant_of
from graphflow.program import Node, Program, Value

BUDGET = 64 * 1024       # bytes of a result
INLINE = 256             # bytes of a constant that is part of the code
MAX_INPUT = 16 * 2**20   # bytes: more would make compilation slow

# What a reference may raise for wrong values: such a node stays, and raises when the program runs.
_COMPLAINTS = (RunError, GraphflowError, ArithmeticError, LookupError, MemoryError, TypeError,
               ValueError, NotImplementedError)


def _folded(node: Node, rebuilder: Rebuilder) -> tuple[Value, ...] | None:
    """A pure node of constants is constants."""
    if not node.inputs or not node.outputs or isinstance(
            node.opdef.lowering, (Host, Region, State)):
        return None
    arrays = [a for a in map(constant_of, node.inputs) if a is not None]
    if len(arrays) < len(node.inputs) or node.opdef.reference is None:
        return None
    given = sum(a.nbytes for a in arrays)
    counts = [v.shape.num_elements() for v in node.outputs]
    made = [n * v.dtype.size for n, v in zip(counts, node.outputs) if n is not None]
    if given > MAX_INPUT or (
            len(made) == len(counts) and not _affordable(node, given, sum(made))):
        return None
    try:
        with np.errstate(all="ignore"):
            results = node.opdef.reference(*arrays, **node.attrs)
    except _COMPLAINTS:
        return None
    results = results if isinstance(results, (tuple, list)) else (results,)
    found = [np.asarray(r) for r in results]
    if not _affordable(node, given, sum(a.nbytes for a in found)):
        return None
    return tuple(F.constant(array) for array in found)


def _affordable(node: Node, given: int, made: int) -> bool:
    if made <= max(given, INLINE):
        return True
    return made <= BUDGET and not isinstance(node.opdef.lowering, (Generate, View))


def _run(program: Program) -> Program:
    return rebuilt(program, _folded, "pass 'fold'")


FOLD = Pass("fold", "canonicalise", _run, doc=__doc__)
