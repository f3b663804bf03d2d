"""What steps take: `KernelTime`, `HostTime`, `LineTime`, and the single calls of one run.

Times are in seconds, of one run: the median of the runs that were timed, and the least.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphflow.codegen.report import HostRecord, KernelRecord
from graphflow.program import Origin

SHORTEST = 5e-8         # seconds of a call below which the clock says little


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
        of `fastest`; None if neither is known, or calls are too short for the clock. It may
        exceed 1 where data stays in a nearer cache than a copy of as many bytes would.
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
