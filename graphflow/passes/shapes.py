"""Integers that follow from sizes: where those are known, they become constants.

`gf.shape(x)` of known sizes, and all arithmetic, slicing and joining of such vectors, is what the
Program already knows as the symbolic value of the result.
"""

from __future__ import annotations

import numpy as np

from graphflow.builder import F
from graphflow.passes.base import Pass, Rebuilder, rebuilt
from graphflow.program import Node, Program, Value


def _as_constants(node: Node, rebuilder: Rebuilder) -> tuple[Value, ...] | None:
    """A node all of whose outputs are known integers is constants."""
    known = [v.symbolic_value for v in node.outputs]
    if not known or any(k is None or k.dtype == object for k in known):
        return None
    return tuple(F.constant(np.asarray(k, v.dtype.numpy)) for k, v in zip(known, node.outputs))


def _run(program: Program) -> Program:
    return rebuilt(program, _as_constants, "pass 'shapes'")


SHAPES = Pass("shapes", "canonicalise", _run, doc=__doc__)
