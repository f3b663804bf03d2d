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
from graphflow.runtime.cuda.instructions import Segment, Stop
from graphflow.runtime.cuda.plans import DevicePlan


@dataclass(slots=True)
class Recipe:
    """What a run of one plan does beside its segments.

    Attributes:
      taken: the positions, among the variables, of those that are changed in place.
      states: (cell, position among the variables).
      feeds: (cell, position among the feeds).
      commits: (variable, its position), of those that are changed in place.
      segments: the work.
      outputs: (cell, or -1; address; shape; dtype) of what is given away.
    """

    taken: frozenset[int]
    states: tuple[tuple[int, int], ...]
    feeds: tuple[tuple[int, int], ...]
    commits: tuple[tuple[str, int], ...]
    segments: tuple[Segment, ...]
    outputs: tuple[tuple[int, int, tuple[int, ...], Any], ...]

    def bind_feeds(self, plan: DevicePlan, feeds: Sequence[Any]) -> None:
        """The cells of what is fed; what the host has is copied."""
        hosted = []
        for cell, position in self.feeds:
            fed = feeds[position]
            if isinstance(fed, DeviceArray):
                plan.cells[cell] = fed.address
            else:
                hosted.append((cell, fed))
        if hosted:
            plan.copy_in(hosted)


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
        frozenset(k for k, name in enumerate(names) if name in in_place),
        tuple((c, state[v]) for c, v in enumerate(plan.bound) if v in state),
        tuple((c, fed[v]) for c, v in enumerate(plan.bound) if v in fed),
        tuple((name, k) for k, name in enumerate(names) if name in in_place), segments,
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
