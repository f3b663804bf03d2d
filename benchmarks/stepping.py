"""Time per step of a workload: all frameworks set up first, then turns in rotation."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.expected import first_outputs, relative_error
from benchmarks.frameworks import KERNELS, Framework
from benchmarks.rotation import Row, Turn, rotate
from benchmarks.worker_process import WorkerError, WorkerProcess
from benchmarks.workloads import WORKLOADS

FIRST_TOLERANCE = 1e-4
LATER_TOLERANCE = 1e-3  # rounding grows with each update
HALF_TOLERANCE = 6e-3   # a result in bfloat16 is off by 2⁻⁹


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line said.

    Attributes:
      threads: threads (and cores) of each worker.
      seconds: length of a turn.
      turns: counted turns wanted of each framework.
      repeats: counted fresh processes wanted of each framework, where processes are measured.
      load_limit: cores that others may use in a turn that counts.
      timeout: seconds after which a worker that does not answer is given up.
      folder: where workers keep their caches and logs; removed afterwards.
      say: told what goes on.
    """

    threads: int
    seconds: float
    turns: int
    repeats: int
    load_limit: float
    timeout: float
    folder: Path
    say: Callable[[str], None]

    def fresh_folder(self) -> Path:
        """A path below `folder` that nobody has used."""
        return self.folder / f"process-{sum(1 for _ in self.folder.iterdir())}"


class WorkloadFiles:
    """The arrays of a workload on disk, and what the first step must give."""

    def __init__(self, name: str, folder: Path) -> None:
        arrays = WORKLOADS[name].make()
        self.name, self.path = name, folder / f"{name}.npz"
        self.expected = first_outputs(name, arrays)
        self._first = folder / f"{name}-first.npy"
        np.savez(self.path, allow_pickle=False, **arrays)

    def set_up(
        self, worker: WorkerProcess, row: Row, threads: int, checked: bool = True
    ) -> dict[str, float]:
        """Builds the workload in the worker and checks its first result, into `row`.

        checked: False for a worker that computes nothing.

        Returns the seconds that building and the first step took, and the time at the end of that
        step. Raises WorkerError.
        """
        answer = worker.ask(do="setup", workload=self.name, arrays=str(self.path),
                            first=str(self._first), threads=threads)
        row.version = worker.version
        if not checked:
            return {}
        row.losses, row.first = answer["losses"], answer["losses"][0]
        row.notes += [n for n in answer["notes"] if n not in row.notes]
        row.error = relative_error(np.load(self._first), self.expected)
        kernel = WORKLOADS[self.name].kernel
        if row.error > (HALF_TOLERANCE if getattr(kernel, "half", False) else FIRST_TOLERANCE):
            row.problem = f"wrong: the first result is off by {row.error:.1e}"
        return {k: answer[k] for k in ("build_seconds", "first_step_seconds", "first_at")}

    def remove(self) -> None:
        """Takes the files off the disk."""
        self.path.unlink()
        self._first.unlink(missing_ok=True)


class Stepper:
    """A worker that has been set up and takes turns."""

    def __init__(self, worker: WorkerProcess, row: Row, seconds: float) -> None:
        self.worker, self.row, self._seconds = worker, row, seconds

    def take_turn(self) -> Turn:
        answer, load = self.worker.ask_metered(do="turn", seconds=self._seconds)
        return Turn(tuple(t / 1e9 for t in answer["step_ns"]), load)


def measure_steps(
    workload: str, frameworks: Sequence[Framework], settings: Settings
) -> list[Row]:
    """One row per framework. All workers live at once; one runs at a time."""
    files = WorkloadFiles(workload, settings.folder)
    rows, steppers = [], []
    try:
        for framework in frameworks:
            if workload not in framework.workloads and (
                    framework.variant or framework.workloads <= KERNELS):
                continue
            row = Row(framework.name, framework.peer)
            rows.append(row)
            if workload not in framework.workloads:
                row.problem = "not applicable"
                continue
            settings.say(f"{workload}: setting up {framework.name}")
            try:
                worker = WorkerProcess(framework, settings.threads, settings.fresh_folder(),
                                       settings.timeout)
                steppers.append(Stepper(worker, row, settings.seconds))
                files.set_up(worker, row, settings.threads)
            except WorkerError as error:
                row.problem = str(error)
        _check_later_losses(rows)
        settings.say(f"{workload}: taking turns")
        rotate(steppers, settings.turns, settings.load_limit, WorkerError, settings.say)
    finally:
        for stepper in steppers:
            stepper.worker.close()
    return rows


def _check_later_losses(rows: Sequence[Row]) -> None:
    """Whoever leaves the median of all in the first updates does another computation."""
    sound = [r for r in rows if r.losses and not r.problem]
    for step in range(min((len(r.losses) for r in sound), default=0)):
        median = statistics.median(r.losses[step] for r in sound)
        for row in sound:
            off = abs(row.losses[step] - median) / abs(median)
            if not off <= LATER_TOLERANCE and not row.problem:
                row.problem = f"wrong: the loss of step {step + 1} is off by {off:.1e}"
