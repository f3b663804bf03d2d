"""Operands of products that are the same in each turn of a loop are laid out before it.

A product with a transposed matrix that no turn changes reads a copy that was transposed once.
Where a turn uses some columns of a product only, it computes those.
"""

from __future__ import annotations

from graphflow.builder import F
from graphflow.passes.base import Pass, Rebuilder, Replacement, op_names, rebuilt
from graphflow.passes.loop_draft import LoopDraft, Made
from graphflow.program import Node, Program, Value


def _laid_out(node: Node, rebuilder: Rebuilder) -> Replacement:
    """A loop whose products read operands that were laid out before it."""
    if node.opdef.name != "While":
        return None
    draft = LoopDraft(node)
    turns = draft.turns
    if isinstance(turns, int) and turns < 2:
        return None
    for product in draft.body.nodes:
        if product.opdef.name == "MatMul":
            _prepare(draft, product)
    if not draft.made:
        return None
    found, _ = draft.finish(rebuilder)
    return found


def _prepare(draft: LoopDraft, product: Node) -> None:
    """Changes a product whose right operand is the same in each turn, if it gains by that."""
    left, right = product.inputs
    attrs, result = product.attrs, product.outputs[0]
    if right not in draft.invariant or attrs["adjoint_a"] or attrs["adjoint_b"]:
        return
    columns = _columns(draft, result)
    if columns is None and not attrs["transpose_b"]:
        return
    outside = draft.outside(right)
    if columns is not None:
        first, count, result = columns
        begin, size = ([first, 0], [count, -1]) if attrs["transpose_b"] else (
            [0, first], [-1, count])
        outside = F.slice(outside, begin, size)
    if attrs["transpose_b"]:
        outside = F.transpose(outside)
    draft.made[result] = _product(left, attrs["transpose_a"], draft.capture(outside))


def _product(left: Value, transpose: bool, number: int) -> Made:
    return lambda at, extra: F.matmul(at[left], extra[number], transpose_a=transpose)


def _columns(draft: LoopDraft, product: Value) -> tuple[int, int, Value] | None:
    """The first and the number of the columns that a slice takes, and the slice, if nothing else
    uses the product."""
    user = draft.only_user(product)
    if user is None or user.opdef.name != "Slice" or user.inputs[0] is not product:
        return None
    begin, rows, made = user.inputs[1].symbolic_value, product.shape[0], user.outputs[0]
    count = made.shape.sizes[1]
    if begin is None or begin.dtype == object or begin[0] != 0 or made.shape[0] != rows or (
            not isinstance(count, int)):
        return None
    return int(begin[1]), count, made


def _run(program: Program) -> Program:
    if "While" not in op_names(program):
        return program
    return rebuilt(program, _laid_out, "pass 'loop_operands'", required=True, only={"While"})


LOOP_OPERANDS = Pass("loop_operands", "loops", _run, doc=__doc__)
