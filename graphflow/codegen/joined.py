"""Pieces of a concatenation that are computed side by side, each stored where it belongs.

The gradients of a recurrent cell's gates are elementwise work of one index space, whose results
become parts of one matrix. Computed by the group that they have most in common with, they are
written there at once; what only they need of that group stays in registers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.nests import Body, over
from graphflow.codegen.rows import Group, Reduction, RowGroup
from graphflow.codegen.steps import Launch
from graphflow.dims import same
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import Store
from graphflow.lowering import Join
from graphflow.program import Node, Value

LOOK_BACK = 16  # steps between a concatenation and the groups that its pieces come from

Placed = tuple[object, Sequence[int]]  # a step, and the numbers of those that it stands for


@dataclass(slots=True)
class JoinedMap:
    """A concatenation with groups of the index space that all its pieces have.

    Attributes:
      number: of the concatenation among the steps.
      outputs: of the groups, those that other steps read.
      inside: of the groups, all others: they need no memory.
    """

    number: int
    node: Node
    outputs: list[Value]
    inside: list[Value]


def with_joins(
    steps: Iterable[Placed], readers: Mapping[Value, set[int]], follows: Sequence[set[int]],
    results: set[Value], fits: Callable[[Node, Sequence[Group]], bool],
) -> list[Placed]:
    """The steps, where concatenations have taken up the groups that their pieces come from.

    readers: stored value → the steps that read it. follows: for each step, those whose results
    it reads. results: what leaves the program. fits: whether the work of groups is not too much.
    """
    found: list[Placed] = []
    for step, numbers in steps:
        node = _equal_pieces(step)
        groups = [] if node is None else _groups_before(found, node, follows[numbers[0]], follows)
        if node is None or not groups or not fits(node, [g for g, _ in groups]):
            found.append((step, numbers))
            continue
        taken = {n for _, own in groups for n in own}
        outputs = [v for g, _ in groups for v in g.outputs]
        kept = [v for v in outputs
                if v in results or readers.get(v, set()) - {*taken, numbers[0]}]
        found = [one for one in found if not taken.intersection(one[1])]
        joined = JoinedMap(numbers[0], node, kept, [v for v in outputs if v not in kept])
        found.append((joined, (*sorted(taken), *numbers)))
    return found


def _equal_pieces(step: object) -> Node | None:
    """The node of a concatenation whose pieces have one shape."""
    if not isinstance(step, Launch) or len(step.nodes) != 1:
        return None
    node = step.nodes[0]
    if node.opdef.name != "ConcatV2" or not isinstance(node.opdef.lowering, Join):
        return None
    first, *others = [v.shape.sizes for v in node.inputs]
    if not first or not others or any(
            len(o) != len(first) or not all(same(p, q) for p, q in zip(o, first))
            for o in others):
        return None
    return node


def _groups_before(
    found: Sequence[Placed], node: Node, needed: set[int], follows: Sequence[set[int]]
) -> list[tuple[Group, Sequence[int]]]:
    """The groups that pieces come from and that no step in between needs."""
    sizes = node.inputs[0].shape.sizes
    chosen: list[tuple[Group, Sequence[int]]] = []
    wanted: set[int] = set(needed)  # by the pieces and by groups that are taken
    passed: set[int] = set()        # by the steps in between
    for step, numbers in reversed(found[-LOOK_BACK:]):
        if not isinstance(step, (Group, Reduction, RowGroup, Launch)):
            break
        if isinstance(step, Group) and wanted.intersection(numbers) and (
                not passed.intersection(numbers)) and len(step.shape) == len(sizes) and all(
                same(p, q) for p, q in zip(step.shape, sizes)):
            chosen.append((step, numbers))
            for n in numbers:
                wanted |= follows[n]
        else:
            for n in numbers:
                passed |= follows[n]
    return chosen


def build_joined_map(e: Elements, joined: JoinedMap) -> Body:
    """Stores what other steps read of the groups, and each piece in its place."""
    node = joined.node
    lowering, out = node.opdef.lowering, node.outputs[0]
    assert isinstance(lowering, Join)
    ctx = e.context(node)

    def inner(index: tuple[Expr, ...]) -> Body:
        stores = [Store(e.buffer(v, written=True), e.offset(v, index), e.computed(v, index))
                  for v in joined.outputs]
        for k, piece in enumerate(node.inputs):
            place = tuple(int64(i) for i in lowering.place(k, index, ctx))
            stores.append(Store(e.buffer(out, written=True), e.offset(out, place),
                                e.element(piece, index)))
        return tuple(stores)

    return over(e, node.inputs[0].shape.sizes, inner)
