"""Composite ops become the ops that they are made of, down to those that have kernels.

A sum of very many tensors becomes sums of sums, added in the same order: a kernel reads a few
dozen.
"""

from __future__ import annotations

from typing import Any

from graphflow.builder import F
from graphflow.errors import GraphflowError
from graphflow.lowering import Composite
from graphflow.passes.base import Pass, Rebuilder, rebuilt
from graphflow.program import Node, Program, Value

TERMS = 32  # of a sum that one kernel computes


def _expanded(node: Node, rebuilder: Rebuilder) -> tuple[Value, ...] | None:
    """What the op's declaration says that it is made of.

    A composite whose inputs have unknown ranks, and whose expansion needs to know them, stays;
    the back end names it among what it cannot compile.
    """
    lowering = node.opdef.lowering
    if node.opdef.name == "AddN" and len(node.inputs) > TERMS and node.inputs[0].dtype.size > 2:
        return (_sum_of_sums(node.inputs),)  # half types would be rounded once for each part
    if not isinstance(lowering, Composite) or lowering.refuses(node.inputs, node.attrs):
        return None
    try:
        made: Any = lowering.expand(F, *node.inputs, **node.attrs)
    except (GraphflowError, TypeError):
        if any(v.shape.rank is None for v in node.inputs):
            return None
        raise
    return tuple(made) if isinstance(made, (tuple, list)) else (made,)


def _sum_of_sums(terms: tuple[Value, ...]) -> Value:
    """((t₀ + … + t₃₁) + t₃₂ + … + t₆₂) + …"""
    total: Value = F.add_n(list(terms[:TERMS]))
    for start in range(TERMS, len(terms), TERMS - 1):
        total = F.add_n([total, *terms[start:start + TERMS - 1]])
    return total


def _run(program: Program) -> Program:
    return rebuilt(program, _expanded, "pass 'expand'", required=True)


EXPAND = Pass("expand", "expand", _run, doc=__doc__, required=True)
