"""How much one kernel computes of what nobody stores.

A value that is computed where it is used becomes part of its users' kernels, and a chain of
thousands would become one kernel: LLVM takes longer than linear time for it, and a register file
holds none of it. So the scheduler stores a value in between now and then. `LONGEST` operations
take much longer than to write and read one number.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphflow.codegen.reading import read_inputs
from graphflow.codegen.rows import Group
from graphflow.program import Node, Value

LONGEST = 96  # operations that an element is computed by
MOST = 512  # operations of a group of outputs


class Inlining:
    """The operations that computing each value takes.

    stored: the values that are in memory, or will be; the scheduler adds to it.
    """

    def __init__(self, stored: dict[Value, int]) -> None:
        self._stored = stored
        self._work: dict[Value, int] = {}

    def too_much(self, node: Node) -> list[Value]:
        """The inputs to store, so that an element of the node takes `LONGEST` operations at most.

        What takes most goes first. An operand that is used twice counts twice.
        """
        open_inputs = {v: self._work.get(v, 0) for v in read_inputs(node)
                       if v not in self._stored}
        work = max(1, len(node.inputs) - 1) + sum(open_inputs.values())
        chosen = []
        for value in sorted(open_inputs, key=open_inputs.__getitem__, reverse=True):
            if work <= LONGEST:
                break
            chosen.append(value)
            work -= open_inputs[value]
        self._work.update(dict.fromkeys(node.outputs, work))
        return chosen

    def fits(self, value: Value, group: Group, elementwise: set[int]) -> bool:
        """May the group compute the value as well? elementwise: the steps whose results it reads
        at its own place."""
        work = self._work.get(value, 1)
        depth = group.depth + work if group.number in elementwise else work
        return depth <= LONGEST and group.work + work <= MOST

    def fit_together(self, node: Node, groups: Sequence[Group]) -> bool:
        """May one kernel compute the inputs of a node and these groups?"""
        work = sum(self._work.get(v, 1) for v in node.inputs)
        return work + sum(g.work for g in groups) <= MOST

    def join(self, value: Value, group: Group, elementwise: set[int]) -> None:
        """The group computes the value."""
        work = self._work.get(value, 1)
        group.depth = max(
            group.depth, work + (group.depth if group.number in elementwise else 0))
        group.work += work
