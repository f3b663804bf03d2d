"""The steps of a run and the memory they need, as a plan would have them; nothing is compiled.

Input: an optimised Program with its schedule, and the sizes that are known before a run. The first
stage is planned as for a run; what comes after sizes that depend on values is listed without them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphflow.codegen.memory_report import ArenaValue, ValueNames
from graphflow.codegen.sizes import Numbers, symbols_of
from graphflow.codegen.steps import Body, RegionStep, Schedule, Step
from graphflow.passes.listing import Listing
from graphflow.program import Program, Value
from graphflow.runtime.plan import IllegalSizes, VariableUpdate
from graphflow.runtime.plans import Planner
from graphflow.runtime.stages import CannotCompile, Stage, find_stages
from graphflow.runtime.tables import Memory


@dataclass(frozen=True, slots=True)
class Visit:
    """One step, in the order of the run.

    Attributes:
      step: what is done.
      names: of the values around it.
      within: the body that it belongs to (`%12 body`), or empty.
      depth: how many regions are around it.
    """

    step: Step
    names: ValueNames
    within: str
    depth: int


@dataclass(frozen=True, slots=True)
class Outline:
    """All steps, and what lies in the arena.

    Attributes:
      visits: the steps; those of bodies come after the region's own.
      values: what lies in the arena, as it is first written.
      arena_bytes: the size of the arena.
    """

    visits: tuple[Visit, ...]
    values: tuple[ArenaValue, ...]
    arena_bytes: int


def outline(listing: Listing, schedule: Schedule, numbers: Numbers) -> Outline:
    """The outline of a run of the listed Program."""
    top = ValueNames(listing.program, listing.names, numbers, schedule)
    results = {schedule.root(v) for v in _results(listing.program)}
    try:
        stages = find_stages(schedule, _given(listing.program), results)
        planner = Outliner(stages[0], top)
        planner.write()
        arena = planner.arrange()
    except (CannotCompile, IllegalSizes, KeyError):  # it runs by the reference, or in parts
        visits = list(_unplanned(schedule.steps, top, "", 0))
        return Outline(tuple(visits), tuple(_unplaced(visits, 0, results, set())), 0)
    visits = [visit for _, visit in planner.visits]
    planned = len(visits)
    for stage in stages[1:]:
        visits += _unplanned(stage.steps, top, "", 0)
    known = {planner.top.schedule.root(v) for v in planner.top.memory}
    return Outline(
        tuple(visits), (*planner.values(), *_unplaced(visits, planned, results, known)),
        arena.nbytes)


def _results(program: Program) -> Sequence[Value]:
    return (*program.outputs, *program.writes.values())


def _given(program: Program) -> list[Value]:
    """Leaves whose sizes are there before a run: inputs, variables of any shape."""
    variables = [v for v in program.reads.values() if v.shape.rank and symbols_of(v.shape.sizes)]
    return [*program.inputs, *variables]


class Outliner(Planner):
    """A planner that notes which step each row belongs to, and whose memory is whose.

    Attributes:
      visits: (row, step), in order, once the rows are written.
      repeats: row → the visit whose step it is another time, in a later turn of a loop.
    """

    def __init__(
        self, stage: Stage, names: ValueNames, claims: Mapping[Value, Value] | None = None,
        updates: Iterable[VariableUpdate] = (), members: int = 1,
    ) -> None:
        super().__init__(stage, names.schedule, names.numbers, claims or {}, updates, members)
        self.visits: list[tuple[int, Visit]] = []
        self.repeats: dict[int, Visit] = {}
        self._visited: dict[tuple[int, str], Visit] = {}
        self._owners: dict[Memory, tuple[ValueNames, Value]] = {}
        self._around: list[tuple[str, ValueNames]] = [("", names)]
        self._names: dict[int, tuple[str, ValueNames, Any]] = {
            id(self.top): ("", names, self.top)}

    def write(self) -> list[Value]:
        """The rows, and the steps that they belong to."""
        fresh = super().write()
        waiting = {id(step) for step in self.stage.steps} - {id(v.step) for _, v in self.visits}
        top = self._names[id(self.top)][1]
        for row, (_, *operands) in enumerate(self.rows):
            if operands and id(operands[0]) in waiting:
                self.visits.append((row, Visit(operands[0], top, "", 0)))
        self.visits.sort(key=lambda pair: pair[0])
        return fresh

    def step(self, frame: Any, step: Any) -> None:
        within, names, _ = self._names[id(frame)]
        depth = within.count("%")
        earlier = self._visited.get((id(step), within))
        if earlier is not None:
            self.repeats[len(self.rows)] = earlier
        else:
            visit = self._visited[id(step), within] = Visit(step, names, within, depth)
            self.visits.append((len(self.rows), visit))
        if not isinstance(step, RegionStep):
            super().step(frame, step)
            return
        self._around.append((f"{within} {names.node_name(step.node)}".strip(), names))
        super().step(frame, step)
        self._around.pop()

    def body(
        self, body: Body, outer: Any, arguments: Sequence[Value], memories: Sequence[Memory]
    ) -> Any:
        frame = super().body(body, outer, arguments, memories)
        around, names = self._around[-1]
        inside = ValueNames(body.program, names.names, frame.numbers, body.schedule)
        self._names[id(frame)] = (around, inside, frame)
        return frame

    def again(self, first: Any, program: Program, memories: Sequence[Memory]) -> Any:
        frame = super().again(first, program, memories)
        self._names[id(frame)] = (*self._names[id(first)][:2], frame)
        return frame

    def memory(self, frame: Any, value: Value) -> Memory:
        found = super().memory(frame, value)
        self._owners.setdefault(
            found, (self._names[id(frame)][1], frame.schedule.root(value)))
        return found

    def values(self) -> list[ArenaValue]:
        """What lies in the arena, as it is first written."""
        rows = [row for row, _ in self.visits]
        found = []
        for memory in sorted((m for m in self.arena_memory if m.first >= 0),
                             key=lambda m: m.first):
            first, last = (max(bisect_right(rows, r) - 1, 0) for r in (memory.first, memory.last))
            visit = self.visits[first][1]
            names, value = self._owners.get(memory, (visit.names, None))
            found.append(names.in_arena(value, visit.step, memory.size, memory.offset,
                                        first, last))
        return found


def _unplanned(
    steps: Iterable[Step], names: ValueNames, within: str, depth: int
) -> Iterator[Visit]:
    """Steps whose sizes are not known before the run."""
    for step in steps:
        yield Visit(step, names, within, depth)
        if isinstance(step, RegionStep):
            around = f"{within} {names.node_name(step.node)}".strip()
            for body in step.bodies.values():
                inside = ValueNames(body.program, names.names, names.numbers, body.schedule)
                yield from _unplanned(body.schedule.steps, inside, around, depth + 1)


def _unplaced(
    visits: Sequence[Visit], start: int, results: set[Value], known: set[Value]
) -> Iterator[ArenaValue]:
    """What steps from number `start` on write to memory that has no place yet."""
    spans: dict[Value, tuple[Visit, int, int]] = {}
    for number, visit in enumerate(visits[start:], start):
        schedule = visit.names.schedule
        for root, written in schedule.touches(visit.step):
            if root in spans:
                spans[root] = (*spans[root][:2], number)
            elif written and root not in results and root not in known:
                spans[root] = (visit, number, number)
    for root, (visit, first, last) in spans.items():
        yield visit.names.in_arena(root, visit.step, visit.names.bytes(root), None, first, last)
