"""Broadcasts in front of elementwise ops, which broadcast by themselves."""

from __future__ import annotations

from graphflow.ops.broadcasting import same_shape
from graphflow.passes.base import Pass, Rebuilder, rebuilt
from graphflow.program import Node, Program, Value


def _direct(node: Node, rebuilder: Rebuilder) -> tuple[Value, ...] | None:
    """f(broadcast_to(x, s), y) = f(x, y) where y has the shape of the result already."""
    if not (node.opdef.pointwise and node.opdef.broadcasts):
        return None
    out = node.outputs[0].shape
    inputs = list(node.inputs)
    for i, value in enumerate(inputs):
        source = value.node
        others = inputs[:i] + inputs[i + 1:]
        if source.opdef.name == "BroadcastTo" and source.inputs[0].shape.rank is not None and any(
                same_shape(v.shape, out) for v in others):
            inputs[i] = source.inputs[0]
    if all(a is b for a, b in zip(inputs, node.inputs)):
        return None
    return rebuilder.apply(node.opdef, inputs, node.attrs)


def _run(program: Program) -> Program:
    return rebuilt(program, _direct, "pass 'broadcasts'")


BROADCASTS = Pass("broadcasts", "canonicalise", _run)
