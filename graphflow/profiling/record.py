"""`Profile`: where the time of a run goes, as data.

Times are in seconds, of one run: the median of the runs that were timed, and the least.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphflow.codegen.report import HostRecord, KernelRecord
from graphflow.profiling.peaks import Peaks
from graphflow.program import Origin
from graphflow.storage import PathLike


@dataclass(frozen=True, slots=True)
class KernelTime:
    """One kernel of the run.

    Attributes:
      step: its number among the steps, as in `Session.explain`.
      calls: how often it is called; the body of a loop, once a turn.
      seconds, fastest: of all its calls in one run; with several threads, of the first one's
        share.
      threads: how many share a call.
      flops: floating-point operations of all its calls, or None; see `KernelRecord`.
      bytes: of the buffers that all its calls read and write, or None.
      share_of_peak: the least time that so many operations and bytes take (`Peaks`), as a share
        of `fastest`; None if neither is known. It may exceed 1 where data stays in a nearer
        cache than a copy of as many bytes would.
      kernel: what it computes, for which operations of the graph, and what it reads and writes.
    """

    step: int
    calls: int
    seconds: float
    fastest: float
    threads: int
    flops: int | None
    bytes: int | None
    share_of_peak: float | None
    kernel: KernelRecord

    @property
    def origin(self) -> Origin:
        """The first of the operations that it computes."""
        return self.kernel.origins[0] if self.kernel.origins else Origin("", None)


@dataclass(frozen=True, slots=True)
class HostTime:
    """One step that runs in Python.

    Attributes:
      step, calls, seconds, fastest: as for kernels; a loop that Python drives does not count what
        its body takes.
      host: the step.
    """

    step: int
    calls: int
    seconds: float
    fastest: float
    host: HostRecord

    @property
    def origin(self) -> Origin:
        """The operation."""
        return self.host.origin


@dataclass(frozen=True, slots=True)
class LineTime:
    """The time of a line of the user's program.

    A kernel that computes operations of several lines counts for that of the first of them.

    Attributes:
      site: file and line, or an empty text for what has none.
      seconds: of all its kernels and host steps.
      operations: their names.
    """

    site: str
    seconds: float
    operations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TimedEvent:
    """One call in the newest of the timed runs.

    Attributes:
      of: the kernel or host step, or `meeting` (a thread waits for the others), or `moving`
        (loop variables and histories are copied).
      began, seconds: since the run began, and how long.
    """

    of: KernelTime | HostTime | str
    began: float
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """What `Session.profile` gives; `print` it, or take the data.

    Attributes:
      runs: how many were timed.
      threads: how many may share a run.
      seconds, fastest: what `Session.run` takes as a whole, without being timed inside.
      kernels, host_steps: where the time goes, in the order of their steps.
      meeting: the first thread waits for the others.
      moving: loop variables and histories are copied.
      peaks: what the machine does at most.
      events: the calls of one run in order; of very many the first ones.
      span: how long that run took, in seconds.
    """

    runs: int
    threads: int
    seconds: float
    fastest: float
    kernels: tuple[KernelTime, ...]
    host_steps: tuple[HostTime, ...]
    meeting: float
    moving: float
    peaks: Peaks
    events: tuple[TimedEvent, ...]
    span: float

    @property
    def kernel_seconds(self) -> float:
        """What all kernels take."""
        return sum(k.seconds for k in self.kernels)

    @property
    def host_seconds(self) -> float:
        """What all steps in Python take."""
        return sum(h.seconds for h in self.host_steps)

    @property
    def overhead(self) -> float:
        """What is left of a run: feeds are bound, results made, rows walked.

        A difference of two measurements, which may be below zero where it is small.
        """
        return (self.seconds - self.kernel_seconds - self.host_seconds - self.meeting
                - self.moving)

    @property
    def flops(self) -> int:
        """The floating-point operations of one run, as far as they are known."""
        return sum(k.flops or 0 for k in self.kernels)

    @property
    def lines(self) -> tuple[LineTime, ...]:
        """The time of each line of the user's program, the longest first."""
        found: dict[str, list[Any]] = {}
        for item in (*self.kernels, *self.host_steps):
            entry = found.setdefault(item.origin.site or "", [0.0, {}])
            entry[0] += item.seconds
            entry[1][item.origin.name] = None
        lines = [LineTime(site, seconds, tuple(names))
                 for site, (seconds, names) in found.items()]
        return tuple(sorted(lines, key=lambda line: -line.seconds))

    def as_dict(self) -> dict[str, Any]:
        """The figures as what `json.dumps` takes, without the events."""
        from graphflow.profiling.trace_events import profile_figures

        return profile_figures(self)

    def chrome_trace(self, path: PathLike) -> None:
        """Writes one run as a trace that Perfetto and `chrome://tracing` show (JSON)."""
        from graphflow.profiling.trace_events import write_trace

        write_trace(self, path)

    def __rich__(self) -> Any:
        from graphflow.profiling.text import profile_renderable

        return profile_renderable(self)

    def __str__(self) -> str:
        from graphflow.profiling.text import plain_text, profile_renderable

        return plain_text(profile_renderable(self))

    def __repr__(self) -> str:
        return (f"<Profile: {1e6 * self.seconds:.0f} µs a run, {len(self.kernels)} kernels, "
                f"{len(self.host_steps)} host steps; print it>")
