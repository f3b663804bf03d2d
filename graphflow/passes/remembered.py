"""What the backward loop takes from the forward loop's histories is computed nowhere in it.

`remembered(computed, kept)` lets gradients through to `computed`; these may use its value, too, as
the gradient of a sigmoid does. In the Program, everything that uses it uses what is kept.
"""

from __future__ import annotations

from graphflow.passes.base import Pass, Rebuilder, Replacement, op_names, rebuilt
from graphflow.passes.loop_draft import LoopDraft, Made
from graphflow.program import Node, Program, Value


def _without_copies(node: Node, rebuilder: Rebuilder) -> Replacement:
    """A loop in which what is remembered is not computed."""
    if node.opdef.name != "While":
        return None
    draft = LoopDraft(node)
    place = {value: k for k, inner in enumerate(draft.body.nodes) for value in inner.outputs}
    for inner in draft.body.nodes:
        if inner.opdef.name == "Remembered":
            computed, kept = inner.inputs
            if len(computed.node.outputs) == 1 and place[kept] < place[computed] and (
                    computed.shape == kept.shape):
                draft.made[computed] = _itself(kept)
                draft.made[inner.outputs[0]] = _itself(kept)
    return draft.finish(rebuilder)[0] if draft.made else None


def _itself(kept: Value) -> Made:
    return lambda at, extra: at[kept]


def _run(program: Program) -> Program:
    if "Remembered" not in op_names(program):
        return program
    return rebuilt(program, _without_copies, "pass 'remembered'", required=True, only={"While"})


REMEMBERED = Pass("remembered", "canonicalise", _run, doc=__doc__)
