"""How the time to make a program ready grows with its operations.

Each worker is a new process (`workers/growing.py`): a graph of so many operations is built,
differentiated, and made ready to run as far as nothing is compiled to machine code.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence

from benchmarks.environment import confined, worker_environment
from benchmarks.frameworks import Framework
from benchmarks.load import LoadMeter
from benchmarks.rotation import Row, Turn, rotate
from benchmarks.stepping import Settings
from benchmarks.worker_process import AbsentError, WorkerError

SHAPES = ("deep", "wide")
COUNTS = (1_000, 10_000, 100_000)
PACKAGES = ("graphflow", "tensorflow", "pytensor")


class _Grower:
    """Builds the graph in a new process each turn."""

    def __init__(self, package: str, peer: bool, shape: str, count: int, settings: Settings):
        self.row = Row(package, peer)
        self._task, self._settings = (package, shape, str(count)), settings

    def take_turn(self) -> Turn:
        settings, folder = self._settings, self._settings.fresh_folder()
        folder.mkdir()
        settings.say(f"growth {' '.join(self._task)}")
        meter = LoadMeter()
        try:
            with confined(settings.threads):
                done = subprocess.run(
                    [sys.executable, "-m", "benchmarks.workers.growing", *self._task],
                    env=worker_environment(settings.threads, folder), cwd=folder,
                    capture_output=True, text=True, timeout=settings.timeout)
        except subprocess.TimeoutExpired:
            raise WorkerError(f"failed: no end within {settings.timeout:g} s") from None
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
            absent = last.startswith(f"ModuleNotFoundError: No module named '{self._task[0]}'")
            raise AbsentError if absent else WorkerError(f"failed: {last}")
        answer = json.loads(done.stdout.splitlines()[-1])
        stages = ", ".join(f"{k} {v:.2f} s" for k, v in answer["stages"].items())
        self.row.notes[:] = [f"{answer['operations']} operations: {stages}"]
        return Turn((sum(answer["stages"].values()),), meter.stop(answer["cpu_seconds"]))


def measure_growth(
    shape: str, count: int
) -> Callable[[Sequence[Framework], Settings], list[Row]]:
    """Gives what measures graphs of one shape; one row per package that builds graphs."""
    def measure(frameworks: Sequence[Framework], settings: Settings) -> list[Row]:
        peers = {f.package: f.peer for f in frameworks if f.package in PACKAGES}
        growers = [_Grower(p, peer, shape, count, settings) for p, peer in peers.items()]
        rotate(growers, settings.repeats, settings.load_limit, WorkerError, settings.say)
        return [g.row for g in growers]

    return measure
