"""Runs that are timed: every kernel call, host step and meeting of threads, step by step.

A `TimedExecutable` is compiled like any other and runs the same plans, by the dispatcher that
keeps a log (`codegen/timed_dispatch.py`). It always goes the long way through a run, since Python
does the same in it each time. What it spends is noted in a `Recorder`.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from graphflow.codegen.capabilities import Capabilities
from graphflow.codegen.dispatch import CODES, COPY, DEPTHS, KEEP, MEET, TEAM
from graphflow.codegen.memory_report import ValueNames
from graphflow.codegen.processor import missing_features
from graphflow.codegen.schedule import Scheduler
from graphflow.codegen.settings import DEFAULT, Settings, using
from graphflow.codegen.sizes import Numbers
from graphflow.codegen.steps import HostStep, RegionStep, Schedule, Step
from graphflow.codegen.timed_dispatch import (
    EVENT_WORDS,
    LOG,
    TOTAL_WORDS,
    clock_words,
    timed_dispatcher,
)
from graphflow.options import Options
from graphflow.passes.listing import Listing, listed
from graphflow.passes.trace import traced
from graphflow.program import Node, Program
from graphflow.reference import ReferenceExecutable, Store
from graphflow.runtime.executables import settings_of
from graphflow.runtime.interludes import Run
from graphflow.runtime.native import NativeExecutable
from graphflow.runtime.outline import Outliner, Visit
from graphflow.runtime.plan import Plan
from graphflow.runtime.recorder import Recorder, Spent
from graphflow.runtime.specialise import SpecialisedExecutable, exact, obstacles
from graphflow.runtime.stages import CannotCompile, Stage

ROOM = 1 << 14          # events of a plan that one run keeps
_LONG = 1 << 30         # ns: above any look at the clock


class TimedProgram:
    """A Program whose runs are timed; it has the interface of an executable.

    Args:
      program: as it was frozen.
      options: the device, passes and threads.

    Attributes:
      recorder: what the runs have spent.
      threads: how many share a run.
    """

    direct = False
    in_python = True
    device = None

    def __init__(self, program: Program, options: Options) -> None:
        self.recorder = Recorder()
        self.threads = options.thread_count()
        self._lock = threading.Lock()
        self._inside = (
            TimedReference(program, self.recorder) if options.device == "reference" else
            timed_executable(program, self.recorder, options.disable_passes, self.threads,
                             settings_of(options)))

    def run(self, feeds: Sequence[np.ndarray], store: Store) -> list[np.ndarray]:
        """The outputs; commits the writes."""
        with self._lock:
            self.recorder.begin()
            try:
                return self._inside.run(feeds, store)
            finally:
                self.recorder.end()


def timed_executable(
    program: Program, recorder: Recorder, disabled: Collection[str], threads: int,
    settings: Settings = DEFAULT,
) -> Any:
    """A Program compiled for the CPU, or run by the reference where it cannot be; timed."""
    if missing_features():
        return TimedReference(program, recorder)
    made = traced(program, disabled).result
    with using(settings):
        schedule = Scheduler(made.program, Capabilities()).schedule()
    late = obstacles(schedule)
    if not late:
        try:
            return TimedExecutable(
                program, made, schedule, recorder, disabled, threads, settings)
        except CannotCompile as reason:
            nodes = set(made.program.nodes)
            late = {n for n in reason.nodes if n in nodes and not exact(n)}
            if not late:
                return TimedReference(program, recorder)
    return SpecialisedExecutable(
        program, made.program, late,
        lambda part: timed_executable(part, recorder, disabled, threads, settings))


class PlanLog:
    """The log of one plan.

    Args:
      rows: what the time of each row of the table is noted as.
      continued: rows that go on with the call that the row before has begun.

    Attributes:
      address: of its words.
    """

    def __init__(self, rows: Sequence[Spent | None], continued: Collection[int]) -> None:
        self._rows, self._continued = rows, continued
        self._events = np.zeros(ROOM * EVENT_WORDS, np.int64)
        self._totals = np.zeros((len(rows), TOTAL_WORDS), np.int64)
        words = dict(zip(LOG, (*clock_words(), ROOM, 0, self._events.ctypes.data,
                               self._totals.ctypes.data, _LONG)))
        self._words = np.array([words[name] for name in LOG], np.int64)
        self.address = int(self._words.ctypes.data)

    def drain(self, recorder: Recorder) -> None:
        """Moves what the log holds to the recorder."""
        look = int(self._words[LOG.index("look")])
        for row in np.flatnonzero(self._totals[:, 0]).tolist():
            spent, (calls, total) = self._rows[row], self._totals[row].tolist()
            if spent is not None:
                spent.add(0 if row in self._continued else calls,
                          max(total - calls * look, calls))
        place = LOG.index("count")
        kept = min(int(self._words[place]), ROOM)
        for row, began, ended in self._events[:kept * EVENT_WORDS].reshape(-1, 3).tolist():
            spent = self._rows[row]
            if spent is not None:
                recorder.event(spent, began, ended)
        self._totals[:] = 0
        self._words[place] = 0


class TimedExecutable(NativeExecutable):
    """A compiled Program that notes what each step takes.

    Args:
      source, disabled, threads, settings: see `NativeExecutable`.
      listing: the optimised Program, with the names of its values.
      schedule: of that.
      recorder: where times are noted.
    """

    def __init__(
        self, source: Program, listing: Listing, schedule: Schedule, recorder: Recorder,
        disabled: Collection[str], threads: int, settings: Settings = DEFAULT,
    ) -> None:
        super().__init__(source, listing.program, schedule, lambda _: None, disabled, threads,
                         settings=settings)
        self.direct = False
        self._listing, self._recorder = listing, recorder
        self._enter_timed = timed_dispatcher()
        self._first = recorder.numbers(count_of(schedule))
        self._top = ValueNames(listing.program, listing.names, {}, schedule)

    def _planned(self, stage: Stage, numbers: Numbers) -> Plan:
        names = ValueNames(self.program, self._listing.names, numbers, self.schedule)
        planner = Outliner(stage, names, self._claims, self._updates, self._threads)
        plan = planner.plan()
        plan.keep.append(PlanLog(*self._rows(planner, self._number_of(stage))))
        return plan

    def _number_of(self, stage: Stage) -> int:
        """The number of the first step of a stage."""
        earlier = self.stages[:next(k for k, s in enumerate(self.stages) if s is stage)]
        return self._first + sum(count_steps(s.steps) for s in earlier)

    def _rows(self, planner: Outliner, first: int) -> tuple[list[Spent | None], set[int]]:
        """What the time of each row of the dispatcher's table is noted as; which go on.

        A kernel that a team divides may be called for one of its loops after the other.
        """
        assert planner.tables is not None
        starts, table = planner.tables.starts, planner.tables.table
        recorder = self._recorder
        found: list[Spent | None] = [None] * len(table)
        continued: set[int] = set()
        own = {row: (first + k, visit) for k, (row, visit) in enumerate(planner.visits)
               if not isinstance(visit.step, RegionStep)}
        numbers = {id(visit): found for found, visit in own.values()}
        own |= {row: (numbers[id(visit)], visit) for row, visit in planner.repeats.items()
                if id(visit) in numbers}
        for row, (start, end) in enumerate(zip(starts, starts[1:])):
            for word in range(start, end):
                code, mode = int(table[word, 0]), int(table[word, 3])
                if code in (TEAM, MEET):
                    found[word] = recorder.meeting
                elif code in (COPY, KEEP):
                    found[word] = recorder.moving
                elif code >= CODES and row in own:
                    number, visit = own[row]
                    if any(found[w] is not None and int(table[w, 0]) >= CODES
                           for w in range(start, word)):
                        continued.add(word)
                    found[word] = spent = recorder.step(number, visit)
                    if mode & DEPTHS:
                        spent.threads = self._threads
        return found, continued

    def _enter(self, plan: Plan) -> int:
        log: PlanLog = plan.keep[-1]
        self._recorder.logs[id(log)] = log
        return self._enter_timed(plan.address, log.address)

    def _act(self, run: Run, plan: Plan, action: Any) -> None:
        spent = self._spent_by(action)
        if spent is None:
            super()._act(run, plan, action)
            return
        with self._recorder.timing(spent):
            super()._act(run, plan, action)

    def _spent_by(self, action: Any) -> Spent | None:
        """What a step in Python is noted as; None for growing histories, and pauses."""
        if not isinstance(getattr(action, "node", None), Node):
            return None
        number = self._first
        for step in self.schedule.steps:
            if step is action:
                break
            number += count_steps([step])
        return self._recorder.step(number, Visit(action, self._top, "", 0))

    def _body(self, program: Program) -> Any:
        if program not in self._bodies:
            self._bodies[program] = timed_executable(
                program, self._recorder, self._disabled, self._threads, self._settings)
        call = self._bodies[program].call

        def timed_call(arguments: Sequence[Any]) -> Any:
            with self._recorder.inside():
                return call(arguments)

        return timed_call


class TimedReference(ReferenceExecutable):
    """The NumPy executor, timed node by node."""

    def __init__(self, program: Program, recorder: Recorder) -> None:
        super().__init__(program)
        self._recorder = recorder
        nodes = program.nodes
        self._first = recorder.numbers(len(nodes))
        self._number = {node: k for k, node in enumerate(nodes, self._first)}
        self._names = ValueNames(program, listed(program).names, {}, Schedule([], {}, []))
        self._reason = "it runs by the NumPy reference"

    def compute(self, node: Node, inputs: list[Any]) -> list[Any]:
        """The node's results."""
        step = HostStep(node, self._reason)
        spent = self._recorder.step(
            self._number[node], Visit(step, self._names, "", 0), key=id(node))
        with self._recorder.timing(spent):
            return super().compute(node, inputs)

    def _body(self, program: Program) -> Any:
        if program not in self._bodies:
            self._bodies[program] = TimedReference(program, self._recorder)
        return self._bodies[program].call


def count_of(schedule: Schedule) -> int:
    """How many steps a schedule has, those of bodies included."""
    return count_steps(schedule.steps)


def count_steps(steps: Sequence[Step]) -> int:
    """How many steps there are, those of bodies included."""
    return sum(1 + (sum(count_of(b.schedule) for b in step.bodies.values())
                    if isinstance(step, RegionStep) else 0) for step in steps)
