"""Loops laid out turn by turn, where their number of turns is known when a run is planned.

The rows of the body are written once for each turn, over memory of their own: loop variables are
what the turn before has computed, and are never copied; a value that is kept in a history is
written there at once. Counters are known numbers: nothing computes them, and what is read at such
a place of an array (`HistoryRead`, a TensorArray's element) is a part of its memory. A team of
threads meets only where one turn needs what another member has computed. The kernels are those of
the loop: nothing is compiled for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphflow.codegen.sizes import concrete, symbols_of
from graphflow.codegen.steps import Launch, RegionStep, Schedule
from graphflow.program import Value
from graphflow.runtime.plan import BUDGET, bytes_of
from graphflow.runtime.tables import Memory

if TYPE_CHECKING:
    from graphflow.runtime.plans import Frame, Planner

MOST_CALLS = 4000    # of kernels in a loop that is laid out
MOST_BYTES = BUDGET  # that these write: until its end, no signal is let in

# What is computed of known integers while a run is planned.
_FOLLOWS = frozenset(("Add", "Sub", "Mul", "Cast", "Identity", "Minimum", "Maximum",
                      "HistoryRead"))
_READS = frozenset(("HistoryRead", "TensorArrayReadV3"))
_PLACED = _READS | {"TensorArrayWriteV3"}


def calls_of(schedule: Schedule) -> int:
    """How many kernels a schedule calls, each branch and loop inside counted once."""
    return sum(1 for _ in schedule.launches())


def can_be_laid_out(step: RegionStep, turns: int, frame: Frame) -> bool:
    """Whether a loop is short enough. frame: the one around it."""
    schedule = step.bodies["body"].schedule
    written = [v for launch in schedule.launches()
               for v, p in zip(launch.buffers, launch.kernel.buffers) if p.written]
    known = frame.numbers.keys()
    moved = sum(bytes_of(v, concrete(schedule.sizes(v), frame.numbers)) for v in written
                if symbols_of(schedule.sizes(v)) <= known)
    return turns * calls_of(schedule) <= MOST_CALLS and turns * moved <= MOST_BYTES


def foretold(frame: Frame, value: Value) -> Any:
    """What an integer is known to be when a run is planned; None if it is not.

    Of a history of such integers: all of them.
    """
    if value in frame.known:
        return frame.known[value]
    if not value.dtype.is_integer:
        return None
    node = value.node
    found = None
    if node.opdef.name == "Const":
        array = node.attrs["value"].array
        found = array if array.size == 1 else None
    elif value.shape.rank != 0:
        return None
    elif node.opdef.name in _FOLLOWS and frame.laid_out:
        inputs = [foretold(frame, v) for v in node.inputs]
        if all(one is not None for one in inputs) and _exists(node, inputs):
            found = np.asarray(node.opdef.reference(*inputs, **node.attrs))  # type: ignore[misc]
    if found is None and value.symbolic_value is not None:
        items = value.symbolic_value.ravel().tolist()
        if symbols_of(items) <= frame.numbers.keys():
            found = np.array(concrete(items, frame.numbers)[0], value.dtype.numpy)
    frame.known[value] = found
    return found


def _exists(node: Any, inputs: Sequence[Any]) -> bool:
    return node.opdef.name != "HistoryRead" or 0 <= int(inputs[1]) < len(inputs[0])


def place_of(frame: Frame, node: Any) -> int | None:
    """The known place at which a node reads or writes an array; None if it may not exist."""
    if node.opdef.name not in _PLACED:
        return None
    index = foretold(frame, node.inputs[1])
    if index is None:
        return None
    length = concrete(node.inputs[0].shape.sizes[:1], frame.numbers)[0]
    return int(index) if 0 <= int(index) < length else None


def is_done(planner: Planner, frame: Frame, step: Launch) -> bool:
    """True if a call in a turn that is laid out is not needed: what it computes is known, or is a
    part of an array's memory, or what it checks is right."""
    written = [frame.schedule.root(v) for v, p in zip(step.buffers, step.kernel.buffers)
               if p.written]
    if all(v is frame.schedule.status for v in written):
        return all(place_of(frame, node) is not None for node in step.nodes)
    if all(foretold(frame, v) is not None for v in written):
        return True
    if any(v in frame.memory or v.node.opdef.name not in _READS
           or v.node.inputs[0].shape.rank is None for v in written):
        return False
    places = [place_of(frame, v.node) for v in written]
    if any(p is None for p in places):
        return False
    for value, place in zip(written, places):
        size = bytes_of(value, frame.shape(value))
        array = planner.memory(frame, value.node.inputs[0])
        frame.memory[value] = array.part((place or 0) * size, size)
    return True


class LaidOutLoop:
    """Writes the rows of one loop."""

    def __init__(self, planner: Planner, frame: Frame, step: RegionStep, turns: int) -> None:
        self.planner, self.frame, self.step, self.turns = planner, frame, step, turns
        node = step.node
        self.node, attrs = node, node.attrs
        self.count, self.saved = attrs["loop_vars"], attrs["saved"]
        self.body = step.bodies["body"]
        results = self.body.program.outputs
        count, saved = self.count, self.saved
        self.next = [*results[:count], *results[count + saved:]]
        self.kept = results[count:count + saved]
        self.finals = [*node.outputs[:count], *node.outputs[2 * count + 1 + saved:]]

    def write(self) -> None:
        """All turns, and what is left behind."""
        planner, frame, node = self.planner, self.frame, self.node
        carried, iteration = node.attrs["carried"], node.attrs["iteration"]
        memories = [planner.memory(frame, v) for v in node.inputs]
        known = [foretold(frame, v) for v in node.inputs]
        planner.body(self.step.bodies["condition"], frame, node.inputs, memories)
        first = planner.body(self.body, frame, node.inputs, memories)
        numbers: list[list[Any]] = [[] for _ in self.finals]
        for turn in range(self.turns):
            if iteration is not None:
                known[iteration] = np.array(turn, np.int64)
                memories[iteration] = planner.number(known[iteration])
            inner = planner.again(first, self.body.program, memories)
            inner.known.update({v: k for v, k in zip(self.body.program.inputs, known)
                                if k is not None})
            for k, place in enumerate(carried):
                numbers[k].append(known[place])
            if turn == 0:
                self._keep_start(inner, memories)
            for target, source in planner.outputs(
                    inner, self.body.program, self._targets(inner, turn)):
                planner.copy(target, source, target.size)
            after = [(planner.memory(inner, v), foretold(inner, v)) for v in self.next]
            for place, (memory, number) in zip(carried, after):
                memories[place], known[place] = memory, number
        self._finish(memories, known, numbers)

    # ---- where a turn writes to -------------------------------------------------------------

    def _row(self, output: int, turn: int) -> Memory:
        """The place of one turn in a history."""
        value = self.node.outputs[output]
        size = bytes_of(value, concrete(value.shape.sizes[1:], self.frame.numbers))
        return self.planner.memory(self.frame, value).part(turn * size, size)

    def _targets(self, inner: Frame, turn: int) -> list[tuple[Value, Memory]]:
        """Results of a turn that have a place: in histories, and after the loop."""
        used, count = self.step.used, self.count
        found = [(value, self._row(2 * count + 1 + k, turn)) for k, value in enumerate(self.kept)
                 if used[2 * count + 1 + k]]
        for k, value in enumerate(self.next):
            if foretold(inner, value) is not None:
                continue
            if turn + 1 < self.turns:
                if k < count and used[count + 1 + k]:
                    found.append((value, self._row(count + 1 + k, turn + 1)))
            elif used[self.finals[k].index]:
                found.append((value, self.planner.memory(self.frame, self.finals[k])))
        return found

    def _keep_start(self, inner: Frame, memories: Sequence[Memory]) -> None:
        """The variables that the loop starts with, in their histories."""
        for k in range(self.count):
            argument = self.body.program.inputs[self.node.attrs["carried"][k]]
            if self.step.used[self.count + 1 + k] and foretold(inner, argument) is None:
                row = self._row(self.count + 1 + k, 0)
                self.planner.copy(row, memories[self.node.attrs["carried"][k]], row.size)

    # ---- what is left -----------------------------------------------------------------------

    def _finish(
        self, memories: Sequence[Memory], known: Sequence[Any], numbers: Sequence[list[Any]]
    ) -> None:
        node, count = self.node, self.count
        for k, (place, output) in enumerate(zip(node.attrs["carried"], self.finals)):
            if known[place] is not None:
                self._leave(output, known[place])
            elif self.turns == 0 and self.step.used[output.index]:
                own = self.planner.memory(self.frame, output)
                self.planner.copy(own, memories[place], own.size)
            history = node.outputs[count + 1 + k] if k < count else None
            if history is not None and numbers[k] and all(n is not None for n in numbers[k]):
                self._leave(history, np.stack(numbers[k]))
        self._leave(node.outputs[count], np.array(self.turns, np.int64))

    def _leave(self, output: Value, number: np.ndarray) -> None:
        """An output of the loop that is known when the run is planned."""
        if not self.step.used[output.index]:
            return
        planner, frame = self.planner, self.frame
        laid_out = frame.laid_out and output not in frame.memory
        number = np.ascontiguousarray(number, output.dtype.numpy).reshape(number.shape)
        frame.known[output] = number
        if not laid_out:  # else its memory is these very numbers
            own = planner.memory(frame, output)
            planner.copy(own, planner.number(number), own.size)
