"""Sums of products that a loop adds up turn by turn become one product behind the loop.

The gradient of a weight that a recurrent network uses in each turn is Σₜ aₜᵀ·gₜ. The loop keeps
aₜ and gₜ; stacked, they are the operands of one product, which runs several times as fast as many
small ones. Sums over the rows of gₜ (of a bias) are taken of the stack too. The terms are those of
the loop, in another order; none of the partial sums is rounded more often than before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from graphflow.builder import F
from graphflow.dims import evaluate_dim
from graphflow.passes.base import Pass, Rebuilder, Replacement, op_names, rebuilt
from graphflow.passes.loop_draft import LoopDraft
from graphflow.program import Node, Program, Value

MOST_KEPT = 1 << 26   # bytes of the new histories of a loop that reads none
_NOMINAL = 32         # what an unknown size is taken for, where memory is compared


def _summed_behind(node: Node, rebuilder: Rebuilder) -> Replacement:
    """A loop whose sums of products are taken behind it."""
    if node.opdef.name != "While":
        return None
    draft = LoopDraft(node)
    if draft.turns is None:
        return None
    terms = {k: term for k in range(node.attrs["loop_vars"])
             if (term := _term(draft, k, rebuilder)) is not None}
    operands = list(dict.fromkeys(v for term in terms.values() for v in _operands(term)))
    if not terms or not _fits(draft, operands):
        return None
    places = {k: [draft.save(v) for v in _operands(term)] for k, term in terms.items()}
    for k in terms:
        draft.outputs[k] = draft.body.inputs[k]
    found, histories = draft.finish(rebuilder)
    stacks = [F.reshape(h, [-1, _width(h)]) for h in histories]
    for k in terms:
        one = [stacks[place] for place in places[k]]
        total = F.matmul(*one, transpose_a=True) if len(one) == 2 else F.reduce_sum(one[0], 0)
        found[k] = F.add(node.inputs[k], total)
    return found


def _width(history: Value) -> int:
    width = history.shape.sizes[-1]
    assert isinstance(width, int)  # `_rows` has looked
    return width


def _term(draft: LoopDraft, k: int, rebuilder: Rebuilder) -> Node | None:
    """What each turn adds to loop variable k, if it can be added up behind the loop."""
    node, body = draft.node, draft.body
    count = node.attrs["loop_vars"]
    argument, result = body.inputs[k], body.outputs[k]
    if (rebuilder.uses(node.outputs[k]) == 0 or rebuilder.uses(node.outputs[count + 1 + k])
            or result.node.opdef.name != "Add" or not result.dtype.is_floating
            or draft.only_user(argument) is not result.node or draft.users.get(result)
            or draft.results[result] > 1 or argument.shape != result.shape
            or node.attrs["condition"].inputs[k] in _used(node.attrs["condition"])):
        return None
    others = [v for v in result.node.inputs if v is not argument]
    if len(others) != 1 or others[0].shape != result.shape:
        return None
    term = others[0].node
    rows = _operands(term)
    if not rows or not all(_rows(draft, v) for v in rows):
        return None
    return term


def _used(program: Program) -> set[Value]:
    return {v for n in program.nodes for v in n.inputs} | set(program.outputs)


def _operands(term: Node) -> Sequence[Value]:
    """What is stacked for a term: the rows of aᵀ·b, or what is summed over its rows."""
    name, attrs = term.opdef.name, term.attrs
    if name == "MatMul" and attrs["transpose_a"] and not (
            attrs["transpose_b"] or attrs["adjoint_a"] or attrs["adjoint_b"]):
        return term.inputs
    if name == "BiasAddGrad" and term.inputs[0].shape.rank == 2:
        return term.inputs
    if name == "Sum" and term.inputs[0].shape.rank == 2 and term.attrs["axis"] == (0,) and (
            not term.attrs["keepdims"]):
        return term.inputs
    return ()


def _rows(draft: LoopDraft, value: Value) -> bool:
    """True for rows of known width that come from the turn, as many of them in each one."""
    if value in draft.invariant or value.shape.rank != 2:
        return False
    size, width = value.shape.sizes
    known = {d for v in draft.body.inputs if v.shape.rank is not None for d in v.shape.sizes}
    return isinstance(width, int) and (isinstance(size, int) or size in known)


def _fits(draft: LoopDraft, operands: Sequence[Value]) -> bool:
    """True if the new histories are not much more than what the loop reads of others.

    A loop that reads none may keep `MOST_KEPT` bytes.
    """
    numbers: Any = defaultdict(lambda: _NOMINAL)

    def size(value: Value) -> int:
        found = value.dtype.size
        for dim in value.shape.sizes:
            found *= evaluate_dim(dim, numbers)
        return found

    read = [n.outputs[0] for n in draft.body.nodes if n.opdef.name == "HistoryRead"]
    new = sum(map(size, operands))
    if read and all(v.shape.rank is not None for v in read):
        return new <= 2 * sum(map(size, read))
    assert draft.turns is not None
    return new * evaluate_dim(draft.turns, numbers) <= MOST_KEPT


def _run(program: Program) -> Program:
    if "While" not in op_names(program):
        return program
    return rebuilt(program, _summed_behind, "pass 'loop_sums'", required=True, only={"While"})


LOOP_SUMS = Pass("loop_sums", "loops", _run, doc=__doc__)
