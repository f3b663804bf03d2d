"""How a `Profile` comes about: runs as usual and timed ones in turns, then figures from both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from graphflow.codegen.report import HostRecord, KernelRecord, step_record
from graphflow.profiling.peaks import Peaks, measured_peaks
from graphflow.profiling.record import Profile
from graphflow.profiling.times import SHORTEST, HostTime, KernelTime, TimedEvent
from graphflow.runtime.recorder import MEETING, Recorder, Spent
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


def profile_of(timed: TimedProgram, usual: Sequence[float]) -> Profile:
    """The profile of what has been recorded. usual: seconds of runs that were not timed inside."""
    recorder = timed.recorder
    if timed.device is not None:
        from graphflow.profiling.device_peaks import device_peaks

        peaks = {1: device_peaks(timed.device)}
    else:
        peaks = {n: measured_peaks(n) for n in {1, timed.threads}}
    found = step_times(recorder, peaks)
    began, ended = recorder.spans[-1]
    return Profile(
        len(recorder.spans), timed.threads, statistics.median(usual), min(usual),
        tuple(i for i in found.values() if isinstance(i, KernelTime)),
        tuple(i for i in found.values() if isinstance(i, HostTime)),
        _seconds(recorder.meeting)[0], _seconds(recorder.moving)[0],
        peaks[timed.threads], timed_events(recorder, found), 1e-9 * (ended - began))


def step_times(
    recorder: Recorder, peaks: Mapping[int, Peaks] | None = None
) -> dict[Spent, KernelTime | HostTime]:
    """What the steps take, in their order.

    peaks: by the number of threads; without them no shares are found.
    """
    steps = sorted(recorder.steps.values(), key=lambda s: s.number)
    found = {spent: _time_of(spent, peaks) for spent in steps}
    return {spent: item for spent, item in found.items() if item is not None}


def timed_events(
    recorder: Recorder, found: Mapping[Spent, KernelTime | HostTime]
) -> tuple[TimedEvent, ...]:
    """The calls of the newest run."""
    origin = recorder.spans[-1][0]
    return tuple(
        TimedEvent(found.get(e.spent) or ("meeting" if e.spent.number == MEETING else "moving"),
                   1e-9 * (e.began - origin), 1e-9 * (e.ended - e.began))
        for e in recorder.events)


def _seconds(spent: Spent) -> tuple[float, float]:
    """Median and least of the runs."""
    taken = [1e-9 * ns for _, ns in spent.runs]
    return statistics.median(taken), min(taken)


def _time_of(
    spent: Spent, peaks: Mapping[int, Peaks] | None
) -> KernelTime | HostTime | None:
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
    least = None
    if peaks is not None and (record.flops is not None or size is not None):
        least = peaks[spent.threads].least_seconds(
            record.flops or 0, size or 0, _is_wide(record))
    measurable = fastest > calls * SHORTEST > 0
    share = least * calls / fastest if least is not None and measurable else None
    return KernelTime(
        spent.number, calls, seconds, fastest, spent.threads,
        None if record.flops is None else calls * record.flops,
        None if size is None else calls * size, share, record)


def _is_wide(record: KernelRecord) -> bool:
    """Whether a kernel's operations are of 64 bits."""
    return any(v.dtype in _WIDE for v in (*record.reads, *record.writes))


