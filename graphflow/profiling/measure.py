"""How a `Profile` comes about: runs as usual and timed ones in turns, then figures from both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from graphflow.codegen.report import HostRecord, KernelRecord, step_record
from graphflow.profiling.peaks import Peaks, measured_peaks
from graphflow.profiling.record import Profile
from graphflow.profiling.times import SHORTEST, HostTime, KernelTime, TimedEvent
from graphflow.runtime.recorder import MEETING, Spent
from graphflow.runtime.timed import TimedProgram

WARM_UP = 3
_WIDE = frozenset({"float64", "complex128"})


def measured_profile(
    timed: TimedProgram, run: Callable[[], object], run_timed: Callable[[], object], runs: int,
) -> Profile:
    """The profile of a run.

    timed: what `run_timed` runs. run: makes the same run as a user does. runs: how many of each.
    """
    usual: list[float] = []
    for number in range(-WARM_UP, runs):
        if number == 0:
            timed.recorder.forget()
            usual.clear()
        began = time.perf_counter()
        run()
        usual.append(time.perf_counter() - began)
        run_timed()
    return profile_of(timed, usual)


def profile_of(timed: TimedProgram, usual: Sequence[float] | None = None) -> Profile:
    """The profile of what has been recorded.

    usual: seconds of runs that were not timed inside; those that were if None.
    """
    recorder = timed.recorder
    peaks = {n: measured_peaks(n) for n in {1, timed.threads}}
    found: dict[Spent, KernelTime | HostTime | str] = {}
    for spent in sorted(recorder.steps.values(), key=lambda s: s.number):
        item = _time_of(spent, peaks)
        if item is not None:
            found[spent] = item
    spans = [1e-9 * (ended - began) for began, ended in recorder.spans]
    usual = usual or spans
    origin = recorder.spans[-1][0]
    events = tuple(
        TimedEvent(found.get(e.spent) or ("meeting" if e.spent.number == MEETING else "moving"),
                   1e-9 * (e.began - origin), 1e-9 * (e.ended - e.began))
        for e in recorder.events)
    return Profile(
        len(spans), timed.threads, statistics.median(usual), min(usual),
        tuple(i for i in found.values() if isinstance(i, KernelTime)),
        tuple(i for i in found.values() if isinstance(i, HostTime)),
        _seconds(recorder.meeting)[0], _seconds(recorder.moving)[0],
        peaks[timed.threads], events, spans[-1])


def _seconds(spent: Spent) -> tuple[float, float]:
    """Median and least of the runs."""
    taken = [1e-9 * ns for _, ns in spent.runs]
    return statistics.median(taken), min(taken)


def _time_of(spent: Spent, peaks: Mapping[int, Peaks]) -> KernelTime | HostTime | None:
    """The figures of one step; None if no run has come to it."""
    calls = int(statistics.median([n for n, _ in spent.runs]))
    if not any(n for n, _ in spent.runs) or spent.visit is None:
        return None
    visit = spent.visit
    record = step_record(visit.step, spent.number, visit.names, visit.within)
    seconds, fastest = _seconds(spent)
    if isinstance(record, HostRecord):
        return HostTime(spent.number, calls, seconds, fastest, record)
    assert isinstance(record, KernelRecord)
    size = None if record.bytes_read is None or record.bytes_written is None else (
        record.bytes_read + record.bytes_written)
    least = None if record.flops is None and size is None else peaks[
        spent.threads].least_seconds(record.flops or 0, size or 0, _is_wide(record))
    measurable = fastest > calls * SHORTEST > 0
    share = least * calls / fastest if least is not None and measurable else None
    return KernelTime(
        spent.number, calls, seconds, fastest, spent.threads,
        None if record.flops is None else calls * record.flops,
        None if size is None else calls * size, share, record)


def _is_wide(record: KernelRecord) -> bool:
    """Whether a kernel's operations are of 64 bits."""
    return any(v.dtype in _WIDE for v in (*record.reads, *record.writes))


