"""Loops whose turns are one and the same rows of a plan, which the dispatcher jumps back to.

The loop's variables have memory of their own, which its results are written to, directly where the
old value is not read any more. What a turn adds to a history is copied there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from graphflow.codegen.dispatch import ADD, SET, UNLESS
from graphflow.codegen.sizes import concrete
from graphflow.codegen.steps import RegionStep
from graphflow.program import Program, Value
from graphflow.runtime.plan import bytes_of
from graphflow.runtime.tables import History, Label, Memory

if TYPE_CHECKING:
    from graphflow.runtime.plans import Frame, Planner


class LoopInTurns:
    """Writes the rows of one loop.

    turns: how many it makes, where that is known; its histories lie in the plan then.
    """

    def __init__(
        self, planner: Planner, frame: Frame, step: RegionStep, turns: int | None
    ) -> None:
        self.planner, self.frame, self.step, self.turns = planner, frame, step, turns
        attrs = step.node.attrs
        self.count, self.saved = attrs["loop_vars"], attrs["saved"]
        self.state: list[Memory] = []
        self.sizes: list[int] = []
        self.trips = planner.arena(8)

    def write(self) -> None:
        """The variables, the turns, and how many there were."""
        planner, frame, step = self.planner, self.frame, self.step
        node, attrs, count = step.node, step.node.attrs, self.count
        memories = [planner.memory(frame, v) for v in node.inputs]
        finals = [*node.outputs[:count], *node.outputs[2 * count + 1 + self.saved:]]
        for position, output in zip(attrs["carried"], finals):
            argument = node.inputs[position]
            size = bytes_of(argument, concrete(argument.shape.sizes, frame.numbers))
            own = (planner.memory(frame, output) if step.used[output.index]
                   else planner.arena(size))
            planner.copy(own, memories[position], size)
            memories[position] = own
            self.state.append(own)
            self.sizes.append(size)
        if self.turns is not None:  # written turn by turn, they live in all of them
            planner.touch(*(planner.memory(frame, v) for v in step.kept()))
        planner.row(SET, self.trips, 0, 0)
        if attrs["iteration"] is not None:
            memories[attrs["iteration"]] = self.trips
        self._turns(memories)
        if step.used[count]:
            planner.copy(planner.memory(frame, node.outputs[count]), self.trips, 8)

    def _turns(self, memories: Sequence[Memory]) -> None:
        planner, frame, step, count = self.planner, self.frame, self.step, self.count
        node = step.node
        head, end = Label(), Label()
        planner.mark(head)
        planner.begin_loop()
        condition = step.bodies["condition"]
        inner = planner.body(condition, frame, node.inputs, memories)
        planner.outputs(inner, condition.program, ())
        planner.row(UNLESS, planner.memory(inner, condition.program.outputs[0]), end)
        for k in range(count):
            self._keep(count + 1 + k, self.state[k])
        body = step.bodies["body"]
        inner = planner.body(body, frame, node.inputs, memories)
        self._turn(inner, body.program)
        planner.row(ADD, self.trips, 0, 1)
        planner.end_loop(head)
        planner.mark(end)

    def _turn(self, inner: Frame, program: Program) -> None:
        """One turn: the body, then its results become the loop's variables, all at once.

        A result that is made when its variable is read for the last time is written over it.
        """
        planner, count, state = self.planner, self.count, self.state
        start = len(planner.rows)
        planner.outputs(inner, program, ())
        results: Sequence[Value] = program.outputs
        for k in range(self.saved):
            self._keep(2 * count + 1 + k, planner.memory(inner, results[count + k]))
        values = [*results[:count], *results[count + self.saved:]]
        made = [planner.memory(inner, v) for v in values]
        moved = [m for m, own in zip(made, state) if m is not own]  # some are other variables
        for number, (memory, own, size) in enumerate(zip(made, state, self.sizes)):
            if memory is not own and any(memory is other for other in state):
                made[number] = planner.arena(size)  # another variable, which is about to change
                planner.copy(made[number], memory, size)
            elif memory.first >= start and memory.size == size and (
                not any(own is other for other in moved)
            ):
                planner.reuse.replace(memory, own)
        for memory, own, size in zip(made, state, self.sizes):
            planner.copy(own, memory, size)
        planner.touch(*state)  # written in place, and read by nothing, they live in the loop still

    def _keep(self, output: int, memory: Memory) -> None:
        """Adds a value to a history, if anything reads that."""
        if not self.step.used[output]:
            return
        planner, value = self.planner, self.step.node.outputs[output]
        shape = concrete(value.shape.sizes[1:], self.frame.numbers)
        history = History(value, -1, shape, np.zeros(3, np.int64), self.trips)
        if self.turns is not None:
            history.capacity = max(self.turns, 1)
            history.target = planner.memory(self.frame, value)
        planner.keep_turn(history, memory, bytes_of(value, shape))
