"""Branches whose condition is a constant become part of the Program around them."""

from __future__ import annotations

from collections.abc import Sequence

from graphflow.passes.base import Pass, Rebuilder, op_names, rebuilt
from graphflow.passes.patterns import constant_of
from graphflow.program import Node, Program, Value


def _decided(node: Node, rebuilder: Rebuilder) -> list[Value] | None:
    """An `If` whose condition is known is the branch taken.

    Branches with effects stay where their order is kept, and so do those that save values for
    a gradient: the branch not taken has none.
    """
    if node.opdef.name != "If" or any(node.attrs["saved"]):
        return None
    condition = constant_of(node.inputs[0])
    if condition is None:
        return None
    body = node.attrs["then"] if condition else node.attrs["orelse"]
    return inlined(body, node.inputs[node.attrs["lead"]:], rebuilder)


def inlined(body: Program, arguments: Sequence[Value], rebuilder: Rebuilder) -> list[Value]:
    """The outputs of `body` for values of `rebuilder`, which gets copies of its nodes."""
    at = dict(zip(body.inputs, arguments))
    outer = rebuilder.origin
    for node in body.nodes:
        if node.outputs and node.outputs[0] in at:
            continue
        rebuilder.origin = body.origins.get(node.serial, outer)
        inputs = [at[v] for v in node.inputs]
        at.update(zip(node.outputs, rebuilder.apply(node.opdef, inputs, node.attrs)))
    rebuilder.origin = outer
    return [at[v] for v in body.outputs]


def _run(program: Program) -> Program:
    if "If" not in op_names(program):
        return program
    return rebuilt(program, _decided, "pass 'regions'")


REGIONS = Pass("regions", "canonicalise", _run, doc=__doc__)
