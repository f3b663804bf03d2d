"""`Profile`: where the time of a run goes, as data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphflow.profiling.peaks import Peaks
from graphflow.profiling.times import HostTime, KernelTime, LineTime, TimedEvent
from graphflow.storage import PathLike


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
        steps: list[KernelTime | HostTime] = [*self.kernels, *self.host_steps]
        for item in steps:
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

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from graphflow.profiling.text import profile_parts

        yield from profile_parts(self, options.max_width)

    def __str__(self) -> str:
        from graphflow.profiling.text import plain_text

        return plain_text(self)

    def __repr__(self) -> str:
        return (f"<Profile: {1e6 * self.seconds:.0f} µs a run, {len(self.kernels)} kernels, "
                f"{len(self.host_steps)} host steps; print it>")
