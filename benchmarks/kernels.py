"""Tables of single kernels: many small workloads, measured by workers that live for a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.frameworks import Framework
from benchmarks.report import Result
from benchmarks.rotation import Row, rotate
from benchmarks.stepping import Settings, Stepper, WorkloadFiles
from benchmarks.worker_process import WorkerError, WorkerProcess
from benchmarks.workloads import WORKLOADS


class _Workers:
    """A worker for each framework, started when it is first asked for and after it has failed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._alive: dict[str, WorkerProcess] = {}

    def get(self, framework: Framework) -> WorkerProcess:
        """The framework's worker. Raises WorkerError."""
        if framework.name not in self._alive:
            settings = self._settings
            settings.say(f"starting {framework.name}")
            self._alive[framework.name] = WorkerProcess(
                framework, settings.threads, settings.fresh_folder(), settings.timeout)
        return self._alive[framework.name]

    def drop(self, framework: Framework) -> None:
        """Ends the framework's worker, which has failed."""
        if framework.name in self._alive:
            self._alive.pop(framework.name).close()

    def close(self) -> None:
        """Ends all."""
        for worker in self._alive.values():
            worker.close()


def measure_kernels(
    names: Sequence[str], frameworks: Sequence[Framework], settings: Settings
) -> Iterator[Result]:
    """One result per kernel, with a row for each framework that has one of the kernels."""
    workers = _Workers(settings)
    taking_part = [f for f in frameworks if not f.workloads.isdisjoint(names)]
    try:
        for name in names:
            rows = _measure_one(name, taking_part, workers, settings)
            kernel = WORKLOADS[name]
            yield Result(name, "s", tuple(rows), (kernel.amount, kernel.unit))
    finally:
        workers.close()


def _measure_one(
    name: str, frameworks: Sequence[Framework], workers: _Workers, settings: Settings
) -> list[Row]:
    settings.say(name)
    files = WorkloadFiles(name, settings.folder)
    rows, steppers = [], []
    for framework in frameworks:
        row = Row(framework.name, framework.peer)
        rows.append(row)
        if name not in framework.workloads:
            row.problem = "not applicable"
            continue
        try:
            worker = workers.get(framework)
            files.set_up(worker, row, settings.threads, framework.checked)
            steppers.append(Stepper(worker, row, settings.seconds))
        except WorkerError as error:
            row.problem = str(error)
            workers.drop(framework)
    rotate(steppers, settings.turns, settings.load_limit, WorkerError, settings.say)
    files.remove()
    return rows
