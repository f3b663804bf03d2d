"""How busy the machine was with anything but the process that is measured.

Steal is left out on purpose: it falls on threads that sleep and spares those that spin, so turns
chosen by it favour the frameworks that spin. Linux only: /proc/stat, proc(5).
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")


def busy_seconds() -> float:
    """CPU time that all processes and interrupts have used since boot, all cores together."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq = map(int, fields[:7])
    return (user + nice + system + irq + softirq) * TICK


def process_cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process, in nanosecond steps.

    The clock's number is the one that clock_getcpuclockid(3) computes: ~pid·8 + CPUCLOCK_SCHED.
    """
    return time.clock_gettime((~pid << 3) | 2)


@dataclass(frozen=True, slots=True)
class Load:
    """What a measured stretch of time saw.

    Attributes:
      wall: its length in seconds.
      own: CPU seconds of the measured process divided by `wall`: the cores that it used.
      others: the same for everything else on the machine, the harness left out.
    """

    wall: float
    own: float
    others: float

    def quiet(self, limit: float) -> bool:
        """Whether others used at most `limit` cores.

        /proc/stat counts in ticks (10 ms as a rule), each core by itself: less than two ticks
        cannot be told from none.
        """
        return self.others * self.wall <= max(limit * self.wall, 2 * TICK)


class LoadMeter:
    """Measures from its creation to `stop`."""

    def __init__(self) -> None:
        self._busy, self._self = busy_seconds(), time.process_time()
        self._wall = time.perf_counter()

    def stop(self, own_seconds: float) -> Load:
        """own_seconds: CPU time of the measured process in the meantime."""
        wall = time.perf_counter() - self._wall
        busy = busy_seconds() - self._busy
        others = busy - own_seconds - (time.process_time() - self._self)
        return Load(wall, own_seconds / wall, max(others, 0.0) / wall)
