"""Branches and loops become work of segments, where the GPU can decide them by itself.

Input: the instructions of a plan, in which the host reads each condition back. Output: the same,
where every branch and loop whose inside is nothing but launches, copies and counting is one piece
of work of a segment: a conditional node of a CUDA graph. What holds a step in Python or a history
stays with the host. A loop ends when a check has found a bad value, as it might have no end else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphflow.runtime.cuda.instructions import (
    BranchWork,
    Count,
    CountWork,
    Instruction,
    Jump,
    Keep,
    LoopWork,
    Segment,
    Unless,
    Work,
)


@dataclass(slots=True)
class _Node:
    """An instruction, or what has taken the place of some. index: where it stood at first."""

    index: int
    instruction: Instruction


def with_conditions(instructions: Sequence[Instruction], status: int = 0) -> list[Instruction]:
    """The instructions, with branches and loops inside segments where that can be.

    status: the address of the status word of the checks, 0 if there are none.
    """
    kept = {i.count for i in instructions if isinstance(i, Keep)}
    nodes = [_Node(k, _counting(i) if isinstance(i, Count) and i.place not in kept else i)
             for k, i in enumerate(instructions)]
    nodes.append(_Node(len(instructions), Jump(-1)))  # what jumps behind the end finds it
    while _fold_one(nodes, status):
        pass
    _merge(nodes)
    places = {node.index: k for k, node in enumerate(nodes)}
    for node in nodes[:-1]:
        if isinstance(node.instruction, (Jump, Unless)):
            node.instruction.target = places[node.instruction.target]
    return [node.instruction for node in nodes[:-1]]


def _counting(count: Count) -> Segment:
    return _segment([CountWork(count.place, count.value, count.step)])


def _segment(work: Sequence[Work], rows: Sequence[int] | None = None) -> Segment:
    made = Segment()
    for piece, row in zip(work, rows or [-1] * len(work)):
        made.add(piece, row)
    return made


def _fold_one(nodes: list[_Node], status: int) -> bool:
    """Puts one branch or loop into a segment; False if there is none left."""
    places = {node.index: k for k, node in enumerate(nodes)}
    for at, node in enumerate(nodes):
        unless = node.instruction
        if isinstance(unless, Unless) and _fold(nodes, places, at, unless, status):
            return True
    return False


def _fold(
    nodes: list[_Node], places: dict[int, int], at: int, unless: Unless, status: int
) -> bool:
    end = places[unless.target]
    inside, last = nodes[at + 1:end], nodes[end - 1].instruction
    if end <= at + 1:
        return False
    start, otherwise = at, []
    if isinstance(last, Jump):
        inside = inside[:-1]
        if last.back:
            start = places[last.target]
        else:
            otherwise = nodes[end:places[last.target]]
            end = places[last.target]
    tested = nodes[start:at]
    if end < at or start > at or not all(
            isinstance(n.instruction, Segment) for n in (*tested, *inside, *otherwise)):
        return False
    if _is_entered(nodes, start, end, {id(unless), id(last)}):
        return False
    if isinstance(last, Jump) and last.back:
        before = _work(tested)
        body = (*_work(inside), *before)
        made = _segment([*before, LoopWork(unless.place, body, status)])
    else:
        made = _segment([BranchWork(unless.place, tuple(_work(inside)), tuple(_work(otherwise)))])
    nodes[start:end] = [_Node(nodes[start].index, made)]
    return True


def _work(nodes: Sequence[_Node]) -> list[Work]:
    return [piece for node in nodes if isinstance(node.instruction, Segment)
            for piece in node.instruction.work]


def _is_entered(nodes: Sequence[_Node], start: int, end: int, own: set[int]) -> bool:
    """Whether something else jumps into the middle of nodes."""
    first, last = nodes[start].index, nodes[end].index
    return any(first < n.instruction.target < last for n in nodes
               if isinstance(n.instruction, (Jump, Unless)) and id(n.instruction) not in own)


def _merge(nodes: list[_Node]) -> None:
    """Segments one behind the other become one, where nothing jumps between them."""
    targets = {n.instruction.target for n in nodes if isinstance(n.instruction, (Jump, Unless))}
    merged: list[_Node] = []
    for node in nodes:
        before = merged[-1].instruction if merged else None
        if isinstance(before, Segment) and isinstance(node.instruction, Segment) and (
                node.index not in targets):
            merged[-1].instruction = _segment(
                [*before.work, *node.instruction.work], [*before.rows, *node.instruction.rows])
        else:
            merged.append(node)
    nodes[:] = merged
