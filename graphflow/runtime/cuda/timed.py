"""Runs on a GPU that are timed: each launch stands between two events of the stream.

A timed run does the same as any other, but piece by piece: it replays no graphs. Events say when
the GPU came to them, so a launch's time is the GPU's, not that of the call. What is spent is noted
in a `Recorder`, in the terms of the CPU's `runtime/timed.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from graphflow.codegen.capabilities import Capabilities
from graphflow.codegen.cuda.schedule import CudaScheduler
from graphflow.codegen.memory_report import ValueNames
from graphflow.codegen.processor import missing_features
from graphflow.codegen.sizes import Numbers
from graphflow.codegen.steps import HostStep, RegionStep, Schedule
from graphflow.codegen.timed_dispatch import now
from graphflow.options import Options
from graphflow.passes.listing import Listing
from graphflow.passes.trace import traced
from graphflow.program import Program
from graphflow.runtime.cuda.code import CodeCache
from graphflow.runtime.cuda.context import Context
from graphflow.runtime.cuda.device import CPU_PASSES, Gpu
from graphflow.runtime.cuda.driver import Handle
from graphflow.runtime.cuda.executable import DeviceExecutable
from graphflow.runtime.cuda.instructions import CopyWork, HostCall, Segment
from graphflow.runtime.cuda.plans import DevicePlan, DevicePlanner
from graphflow.runtime.interludes import Run
from graphflow.runtime.outline import Outliner, Visit
from graphflow.runtime.recorder import Recorder, Spent
from graphflow.runtime.specialise import SpecialisedExecutable, exact, obstacles
from graphflow.runtime.stages import CannotCompile, Stage
from graphflow.runtime.timed import TimedReference, count_of, count_steps


class TimedDeviceProgram:
    """A Program whose runs on a GPU are timed; it has the interface of an executable.

    Attributes:
      recorder: what the runs have spent.
      threads: of the host that share a run: one.
      device: the session's GPU.
    """

    direct = False
    in_python = True
    threads = 1

    def __init__(self, program: Program, options: Options, gpu: Gpu, context: Context) -> None:
        self.recorder, self.device = Recorder(), context
        self._clock = _Clock(context)
        self._lock = threading.Lock()
        self._inside = _timed(program, self.recorder, options.disable_passes, gpu.codes,
                              context, self._clock, options.fetches == "device")

    def run(self, feeds: Sequence[Any], store: Any) -> list[Any]:
        """The outputs; commits the writes."""
        with self._lock:
            self.recorder.begin()
            self._clock.start()
            try:
                return self._inside.run(feeds, store)
            finally:
                self.device.driver.synchronize(self.device.stream)
                self.recorder.end()


def _timed(
    program: Program, recorder: Recorder, disabled: Collection[str], codes: CodeCache,
    context: Context, clock: _Clock, keep: bool = False,
) -> Any:
    """A Program compiled for the GPU, or run by the reference where it cannot be; timed."""
    if missing_features():
        return TimedReference(program, recorder)
    make = partial(_timed, recorder=recorder, disabled=disabled, codes=codes, context=context,
                   clock=clock)
    made = traced(program, {*disabled, *CPU_PASSES}).result
    schedule = CudaScheduler(made.program, Capabilities()).schedule()
    late = obstacles(schedule)
    if not late:
        try:
            return TimedDeviceExecutable(
                program, made, schedule, recorder, clock, context, codes, make, keep)
        except CannotCompile as reason:
            nodes = set(made.program.nodes)
            late = {n for n in reason.nodes if n in nodes and not exact(n)}
            if not late:
                return TimedReference(program, recorder)
    return SpecialisedExecutable(program, made.program, late, make)


class _Clock:
    """When the GPU comes to events, in nanoseconds of the host's clock."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._first: Handle = None
        self._began = 0

    def start(self) -> None:
        """A run begins: all work before it is waited for."""
        self._first = self.mark()
        self._context.driver.wait(self._first)
        self._began = now()

    def mark(self) -> Handle:
        """An event behind the work that is on the stream now."""
        return self._context.driver.record_timed(self._context.stream)

    def at(self, event: Handle) -> int:
        """When an event came; it has come."""
        return self._began + round(self._context.driver.elapsed(self._first, event))


class _Log:
    """What one plan has put on the stream in the run at hand.

    rows: what the time of each row of the plan is noted as.
    """

    def __init__(self, rows: dict[int, Spent], clock: _Clock) -> None:
        self.rows, self._clock = rows, clock
        self.marks: list[tuple[Spent, bool, Handle, Handle]] = []

    def drain(self, recorder: Recorder) -> None:
        """Moves what the log holds to the recorder. The work is done."""
        for spent, goes_on, first, last in self.marks:
            began, ended = self._clock.at(first), self._clock.at(last)
            spent.add(0 if goes_on else 1, ended - began)
            recorder.event(spent, began, ended)
        self.marks.clear()


class _TimedSegment(Segment):
    """A segment whose pieces of work are put on the stream one by one, between events."""

    def __init__(self, segment: Segment, log: _Log, clock: _Clock, recorder: Recorder) -> None:
        super().__init__()
        self._log, self._clock, self._recorder = log, clock, recorder
        for work, row in zip(segment.work, segment.rows):
            self.add(work, row)

    def run(self, context: Context, cells: Sequence[int]) -> None:
        """Puts the work on the context's stream."""
        self._recorder.logs[id(self._log)] = self._log
        before = -1
        for work, row in zip(self.work, self.rows):
            spent = self._recorder.moving if isinstance(work, CopyWork) else self._log.rows[row]
            first = self._clock.mark()
            work.put(context.driver, cells, context.stream)
            self._log.marks.append((spent, row == before, first, self._clock.mark()))
            before = row


class _TimedPlanner(DevicePlanner, Outliner):
    """A planner that notes which step each row belongs to. The host decides, to see each call."""

    deciding = False

    def __init__(
        self, stage: Stage, names: ValueNames, executable: TimedDeviceExecutable,
        constant: Callable[..., Any],
    ) -> None:
        Outliner.__init__(self, stage, names, executable._claims, executable._updates)
        self.prepare(executable.context, executable._codes, constant)


class TimedDeviceExecutable(DeviceExecutable):
    """A Program compiled for a GPU that notes what each step takes.

    Args:
      listing: the optimised Program, with the names of its values.
      schedule: of that.
      recorder, clock: where times are noted, and what tells them.
      source, context, codes, make, keep: see `DeviceExecutable`.
    """

    def __init__(
        self, source: Program, listing: Listing, schedule: Schedule, recorder: Recorder,
        clock: _Clock, context: Context, codes: CodeCache,
        make: Callable[[Program], Any], keep: bool,
    ) -> None:
        super().__init__(source, listing.program, schedule, lambda _: None, context,
                         codes, make, keep)
        self._short = False
        self._listing, self._recorder, self._clock = listing, recorder, clock
        self._first = recorder.numbers(count_of(schedule))
        self._top = ValueNames(listing.program, listing.names, {}, schedule)

    def _planned(self, stage: Stage, numbers: Numbers) -> Any:
        names = ValueNames(self.program, self._listing.names, numbers, self.schedule)
        planner = _TimedPlanner(stage, names, self, self._constant)
        plan = planner.device_plan()
        earlier = self.stages[:next(k for k, s in enumerate(self.stages) if s is stage)]
        first = self._first + sum(count_steps(s.steps) for s in earlier)
        rows = {row: self._recorder.step(first + k, visit)
                for k, (row, visit) in enumerate(planner.visits)
                if not isinstance(visit.step, (RegionStep, HostStep))}
        log = _Log(rows, self._clock)
        plan.keep.append(log)
        plan.instructions[:] = [
            _TimedSegment(i, log, self._clock, self._recorder) if isinstance(i, Segment) else i
            for i in plan.instructions]
        return plan

    def host_step(self, run: Run, plan: Any, step: HostStep) -> None:
        """Runs a node by its reference; the time begins when the GPU is done."""
        self.context.driver.synchronize(self.context.stream)
        number = self._first
        for other in self.schedule.steps:
            if other is step:
                break
            number += count_steps([other])
        spent = self._recorder.step(number, Visit(step, self._top, "", 0))
        with self._recorder.timing(spent):
            super().host_step(run, plan, step)

    @contextmanager
    def timing(self, plan: DevicePlan, call: HostCall) -> Iterator[None]:
        """Inside, a kernel runs on the CPU, with copies both ways."""
        self.context.driver.synchronize(self.context.stream)
        log: _Log = plan.keep[-1]
        with self._recorder.timing(log.rows[call.row]):
            yield

    def _body(self, program: Program) -> Any:
        call = super()._body(program)

        def timed_call(arguments: Sequence[Any]) -> Any:
            with self._recorder.inside():
                return call(arguments)

        return timed_call
