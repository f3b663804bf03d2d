"""Stages: what a compiled Program needs to know before its kernels can be called.

A stage is a run of steps whose sizes are known when it begins: most programs have one. What gives
a result with a size of its own ends a stage: a host step, a measurement, a loop that keeps
histories. A `Plan` (`runtime/plans.py`), made once per stage and set of sizes, serves one run at
a time; a stage keeps those that are free, so that concurrent runs have arenas of their own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from graphflow.codegen.sizes import Numbers, concrete, symbols_of
from graphflow.codegen.steps import HostStep, Launch, RegionStep, Schedule, Step
from graphflow.dims import Dim, SymDim, symbol_name
from graphflow.program import Node, Value

if TYPE_CHECKING:
    from graphflow.runtime.plan import Plan

KEPT_SIZES = 32


class CannotCompile(Exception):
    """A program cannot be compiled as a whole; the message says why.

    Attributes:
      nodes: those that could be, if the shapes of their inputs were known.
    """

    def __init__(self, message: str, nodes: Iterable[Node] = ()) -> None:
        super().__init__(message)
        self.nodes = frozenset(nodes)


@dataclass(slots=True)
class Stage:
    """Steps that can be planned together.

    Attributes:
      steps: in order.
      measured: the values whose shapes are looked at when the stage begins.
      before, known: the unknowns known before and after these are measured.
      externals: what is read and does not lie in the arena when the stage begins: leaves, results
        of earlier stages.
      made: results of the stage's own host steps that its kernels read.
      written: what is written inside the stage.
      kept: those that later stages read.
      results: those that the run gives away.
    """

    steps: list[Step]
    measured: list[Value]
    before: frozenset[str]
    known: frozenset[str]
    externals: list[Value] = field(default_factory=list)
    made: list[Value] = field(default_factory=list)
    written: dict[Value, None] = field(default_factory=dict)
    kept: set[Value] = field(default_factory=set)
    results: set[Value] = field(default_factory=set)
    _free: dict[tuple, list[Plan]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def numbers(
        self, earlier: Numbers, shapes: Sequence[tuple[int, ...] | None]
    ) -> Numbers | None:
        """The unknowns' values, from the shapes of `measured`; None if they contradict.

        A value that was not computed, since nothing uses it, has no shape.
        """
        found = dict(earlier)
        pairs = [(v, s) for v, s in zip(self.measured, shapes) if s is not None]
        for value, shape in pairs:
            learn_numbers(found, value, shape)
        for value, shape in pairs:
            if symbols_of(value.shape.sizes) <= found.keys() and (
                    concrete(value.shape.sizes, found) != shape):
                return None
        return found if self.known <= found.keys() else None

    def free_plans(self) -> list[Plan]:
        """The plans that no run uses at the moment."""
        return [plan for plans in list(self._free.values()) for plan in plans]

    def take(self, key: tuple) -> Plan | None:
        """A free plan for these sizes."""
        plans = self._free.get(key)
        try:
            return plans.pop() if plans else None
        except IndexError:  # another thread took it
            return None

    def give_back(self, key: tuple, plan: Plan) -> None:
        """Keeps a plan for the next run; only the newest sizes are kept."""
        plans = self._free.get(key)
        if plans is None:
            with self._lock:
                plans = self._free.setdefault(key, [])
                while len(self._free) > KEPT_SIZES:
                    del self._free[next(iter(self._free))]
        plans.append(plan)


def learn_numbers(numbers: dict[str, int], value: Value, shape: Sequence[int]) -> None:
    """Adds what a value's shape says about the unknowns."""
    for dim, size in zip(value.shape.sizes, shape):
        name = _name(dim)
        if name:
            numbers.setdefault(name, size)


def find_stages(
    schedule: Schedule, given: Iterable[Value], results: set[Value],
) -> list[Stage]:
    """The stages of a schedule.

    given: the values that are there from the start, whose shapes can be looked at.
    results: the values (roots) that a run gives away.
    Raises CannotCompile if a kernel has a size that nothing before it has.
    """
    stages = [_first_stage(given)]
    pending: list[Value] = []
    grown: set[Value] = set()
    for step in schedule.steps:
        stage = stages[-1]
        missing = _needs(step, schedule) - stage.known
        if missing or (grown and any(r in grown for r, _ in schedule.touches(step))):
            learned = frozenset(_names(pending))
            if not missing <= learned:
                nodes = step.nodes if isinstance(step, Launch) else (step.node,)
                raise CannotCompile(f"{nodes[0]!r} has a size that is not known before it", nodes)
            stage = Stage([], pending, stage.known, stage.known | learned)
            stages.append(stage)
            pending, grown = [], set()
        stage.steps.append(step)
        if isinstance(step, RegionStep):
            pending.extend(step.histories())
            grown.update(step.histories())
        elif not isinstance(step, Launch):
            pending.extend(v for v in step.node.outputs if v.shape.rank is not None)
    for number, stage in enumerate(stages):
        _fill(stage, schedule, results, stages[number + 1:])
    return stages


def _first_stage(given: Iterable[Value]) -> Stage:
    measured = [v for v in given if v.shape.rank]
    return Stage([], measured, frozenset(), frozenset(_names(measured)))


def _names(values: Iterable[Value]) -> set[str]:
    """The unknowns that are a size of one of the values."""
    return {name for v in values for d in v.shape.sizes if (name := _name(d))}


def _name(dim: Dim) -> str | None:
    """The unknown that a size is; None for numbers and for what is made of unknowns."""
    return symbol_name(dim) if isinstance(dim, SymDim) else None


def _needs(step: Step, schedule: Schedule) -> set[str]:
    """The unknowns that must be known before a step, as far as they can ever be."""
    if isinstance(step, Launch):
        needed = symbols_of(step.sizes)
    elif isinstance(step, HostStep):
        return set()
    else:
        inputs = step.node.inputs
        needed = symbols_of([d for v in inputs if v.shape.rank for d in v.shape.sizes])
    for value, written in schedule.touches(step):
        if written:
            needed |= symbols_of(schedule.sizes(value))
    if isinstance(step, RegionStep):
        needed |= symbols_of([d for v in step.histories() for d in v.shape.sizes[1:]])
    return needed


def _fill(stage: Stage, schedule: Schedule, results: set[Value], later: Sequence[Stage]) -> None:
    """Finds what the stage reads and writes."""
    read: dict[Value, None] = {}
    own = {v for s in stage.steps if isinstance(s, HostStep) for v in s.node.outputs}
    for step in stage.steps:
        for root, written in schedule.touches(step):
            if written:
                stage.written[root] = None
            elif isinstance(step, (Launch, RegionStep)):
                read[root] = None
    afterwards = {root for s in later for step in s.steps
                  for root, _ in schedule.touches(step)}
    stage.kept = afterwards & stage.written.keys()
    stage.results = results & stage.written.keys()
    outside = [v for v in read if v not in stage.written and v is not schedule.status]
    stage.made = [v for v in outside if v in own]
    stage.externals = [v for v in outside if v not in own]
