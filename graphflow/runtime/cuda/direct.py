"""The short way through a run: programs of kernels alone, whose sizes have been met before.

What such a run binds, uploads and gives away is the same each time for one plan; a `Recipe` holds
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphflow.codegen.sizes import concrete, symbols_of
from graphflow.codegen.steps import Schedule
from graphflow.program import Program, Value
from graphflow.runtime.cuda.array import DeviceArray
from graphflow.runtime.cuda.context import Context
from graphflow.runtime.cuda.feeds import FeedSlots
from graphflow.runtime.cuda.instructions import Segment, Stop
from graphflow.runtime.cuda.plans import DevicePlan


@dataclass(slots=True)
class Recipe:
    """What a run of one plan does beside its segments.

    Attributes:
      names: of the variables.
      changed: those that are changed in place.
      taken: their positions among the names.
      states: (cell, position among the names).
      feeds: (cell, position among the feeds).
      segments: the work.
      outputs: (cell, or -1; address; shape; dtype) of what is given away.
      slots: the places of what was fed from the host last, if all was.
    """

    names: tuple[str, ...]
    changed: frozenset[str]
    taken: tuple[int, ...]
    states: tuple[tuple[int, int], ...]
    feeds: tuple[tuple[int, int], ...]
    segments: tuple[Segment, ...]
    outputs: tuple[tuple[int, int, tuple[int, ...], Any], ...]
    slots: FeedSlots | None = None

    def run(
        self, context: Context, plan: DevicePlan, arrays: Sequence[DeviceArray],
        feeds: Sequence[Any],
    ) -> None:
        """Binds what the plan needs, and puts its work on the stream.

        Where all lies at the places of the run before, its graphs are replayed as they are.
        """
        addresses = [a.address for a in arrays]
        fed = [feeds[position] for _, position in self.feeds]
        same = self._fill(plan, fed)
        recent = plan.recent
        if same and recent is not None and recent[0] == addresses:
            for segment, graph in zip(self.segments, recent[1]):
                graph.replay(context.stream)
                segment.replays += 1
            return
        plan.recent = None
        if same and self.slots is not None:  # a run the long way may have bound others
            for (cell, _), offset in zip(self.feeds, self.slots.offsets):
                plan.cells[cell] = self.slots.memory.address + offset
        for cell, position in self.states:
            plan.cells[cell] = addresses[position]
        graphs = [segment.run(context, plan.cells) for segment in self.segments]
        if None not in graphs and (self.slots is not None or not fed):
            plan.recent = addresses, graphs

    def _fill(self, plan: DevicePlan, fed: Sequence[Any]) -> bool:
        """Copies what is fed; whether it lies where that of the run before lay."""
        for array in fed:
            if isinstance(array, DeviceArray):
                self.slots = None
                return self._bind(plan, fed)
        if not fed:
            return True
        if self.slots is not None and self.slots is plan.slots:
            self.slots.fill(fed)
            return True
        self._bind(plan, fed)
        self.slots = plan.slots
        return False

    def _bind(self, plan: DevicePlan, fed: Sequence[Any]) -> bool:
        """The cells of what is fed; what the host has is copied."""
        hosted = []
        for (cell, _), array in zip(self.feeds, fed):
            if isinstance(array, DeviceArray):
                plan.cells[cell] = array.address
            else:
                hosted.append((cell, array))
        if hosted:
            plan.copy_in(hosted)
        return False


def recipe_of(program: Program, schedule: Schedule, plan: DevicePlan) -> Recipe | None:
    """The recipe of a plan that is segments alone and writes variables in place alone."""
    *work, last = plan.instructions
    if not (isinstance(last, Stop) and last.step is None) or plan.status:
        return None
    segments = tuple(i for i in work if isinstance(i, Segment))
    in_place = {key for key, _, _ in plan.in_place}
    if len(segments) != len(work) or in_place != program.writes.keys():
        return None
    names = list(program.reads)
    state: Mapping[Value, int] = {program.reads[n]: k for k, n in enumerate(names)}
    fed = {value: k for k, value in enumerate(program.inputs)}
    if not all(v in state or v in fed for v in plan.bound):
        return None
    outputs = [_output(v, schedule, plan) for v in program.outputs]
    if None in outputs:
        return None
    return Recipe(
        tuple(names), frozenset(in_place),
        tuple(k for k, name in enumerate(names) if name in in_place),
        tuple((c, state[v]) for c, v in enumerate(plan.bound) if v in state),
        tuple((c, fed[v]) for c, v in enumerate(plan.bound) if v in fed), segments,
        tuple(o for o in outputs if o is not None))


def _output(
    value: Value, schedule: Schedule, plan: DevicePlan
) -> tuple[int, int, tuple[int, ...], Any] | None:
    """Where a result lies when the segments are done; None if it is neither there nor bound."""
    root = schedule.root(value)
    if value.shape.rank is None or symbols_of(value.shape.sizes) - plan.numbers.keys():
        return None
    shape, dtype = concrete(value.shape.sizes, plan.numbers), value.dtype.numpy
    if root in plan.placed:
        return -1, plan.arena.address + plan.placed[root][0], shape, dtype
    old = next((old for _, new, old in plan.in_place if new is root), root)
    return (plan.bound.index(old), 0, shape, dtype) if old in plan.bound else None
