"""What a new process costs: importing, the first step with caches empty or filled, memory."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.environment import confined, worker_environment
from benchmarks.frameworks import Framework
from benchmarks.load import Load, LoadMeter
from benchmarks.rotation import Row, Turn, rotate
from benchmarks.stepping import Settings, WorkloadFiles
from benchmarks.worker_process import AbsentError, WorkerError, WorkerProcess

_TIMED_IMPORT = """
import time
start = time.perf_counter()
import {package}
print("seconds", time.perf_counter() - start)
"""


class ChildMeter:
    """Load over the life of child processes, which count as measured with all their children."""

    def __init__(self) -> None:
        self._before, self._meter = self._used(), LoadMeter()

    @staticmethod
    def _used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    def stop(self) -> Load:
        return self._meter.stop(self._used() - self._before)


class _Importer:
    """Imports a package in a new process each turn."""

    def __init__(self, package: str, peer: bool, settings: Settings) -> None:
        self.row, self._package, self._settings = Row(package, peer), package, settings

    def take_turn(self) -> Turn:
        settings = self._settings
        folder = settings.fresh_folder()
        folder.mkdir()
        meter = ChildMeter()
        try:
            with confined(settings.threads):
                done = subprocess.run(
                    [sys.executable, "-c", _TIMED_IMPORT.format(package=self._package)],
                    env=worker_environment(settings.threads, folder), cwd=folder,
                    capture_output=True, text=True, timeout=settings.timeout)
        except subprocess.TimeoutExpired:
            raise WorkerError(f"failed: no end within {settings.timeout:g} s") from None
        load = meter.stop()
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1]
            absent = last.startswith(f"ModuleNotFoundError: No module named '{self._package}'")
            raise AbsentError if absent else WorkerError(f"failed: {last}")
        return Turn((float(done.stdout.split()[-1]),), load)


def measure_imports(frameworks: Sequence[Framework], settings: Settings) -> list[Row]:
    """Seconds of `import`, one row per package; NumPy's is shown beside them.

    An uncounted import of each comes first, so that files and byte code lie in memory for all.
    """
    peers = {f.package: f.peer for f in frameworks if f.package != "numpy"}
    importers = [_Importer("numpy", False, settings)]
    importers += [_Importer(package, peer, settings) for package, peer in peers.items()]
    for importer in importers:
        try:
            importer.take_turn()
        except WorkerError as error:
            importer.row.problem = str(error)
    rotate(importers, settings.repeats, settings.load_limit, WorkerError, settings.say)
    return [i.row for i in importers]


class _Beginner:
    """Starts a worker with empty caches, sets it up, ends it: building and the first step."""

    def __init__(self, framework: Framework, files: WorkloadFiles, settings: Settings) -> None:
        self.row = Row(framework.name, framework.peer)
        self._framework, self._files, self._settings = framework, files, settings

    def take_turn(self) -> Turn:
        settings = self._settings
        settings.say(f"cold {self._files.name}: {self._framework.name}")
        meter = ChildMeter()
        worker = WorkerProcess(self._framework, settings.threads, settings.fresh_folder(),
                               settings.timeout)
        try:
            times = self._files.set_up(worker, self.row, settings.threads)
        finally:
            worker.close()
        return Turn((times["build_seconds"] + times["first_step_seconds"],), meter.stop())


def measure_cold(
    workload: str, frameworks: Sequence[Framework], settings: Settings
) -> list[Row]:
    """Seconds from an imported framework to the first loss: building, compiling, one step."""
    files = WorkloadFiles(workload, settings.folder)
    beginners = [_Beginner(f, files, settings) for f in frameworks if workload in f.workloads]
    rotate(beginners, settings.repeats, settings.load_limit, WorkerError, settings.say)
    return [b.row for b in beginners]


class _Returner:
    """Starts a worker with the caches of the one before: from its start to the first loss."""

    def __init__(self, framework: Framework, files: WorkloadFiles, settings: Settings) -> None:
        self.row = Row(framework.name, framework.peer)
        self._framework, self._files, self._settings = framework, files, settings
        self._folder = settings.fresh_folder()
        self._folder.mkdir()

    def take_turn(self) -> Turn:
        settings = self._settings
        settings.say(f"warm {self._files.name}: {self._framework.name}")
        meter, start = ChildMeter(), time.perf_counter()  # one clock for all processes
        worker = WorkerProcess(
            self._framework, settings.threads, self._folder, settings.timeout)
        try:
            times = self._files.set_up(worker, self.row, settings.threads)
        finally:
            worker.close()
        return Turn((times["first_at"] - start,), meter.stop())


def measure_warm(
    workload: str, frameworks: Sequence[Framework], settings: Settings
) -> list[Row]:
    """Seconds from the start of a process to the first loss; an uncounted one fills the caches."""
    files = WorkloadFiles(workload, settings.folder)
    returners = [_Returner(f, files, settings) for f in frameworks if workload in f.workloads]
    for returner in returners:
        try:
            returner.take_turn()
        except WorkerError as error:
            returner.row.problem = str(error)
    rotate(returners, settings.repeats, settings.load_limit, WorkerError, settings.say)
    return [r.row for r in returners]


def measure_memory(
    workload: str, frameworks: Sequence[Framework], settings: Settings, warm: bool
) -> list[Row]:
    """Bytes: the peak resident size of a process that was set up and took one turn.

    A process before it has filled the caches, if `warm`, or else Python's byte code only.
    """
    files, rows = WorkloadFiles(workload, settings.folder), []
    for framework in frameworks:
        if workload in framework.workloads:
            settings.say(f"memory {workload}: {framework.name}")
            row = Row(framework.name, framework.peer)
            rows.append(row)
            try:
                folder = settings.fresh_folder()
                _peak_bytes(framework, files, row, settings, folder)
                again = folder if warm else settings.fresh_folder()
                row.values.append(_peak_bytes(framework, files, row, settings, again))
            except WorkerError as error:
                row.problem = str(error)
    return rows


def _peak_bytes(
    framework: Framework, files: WorkloadFiles, row: Row, settings: Settings, folder: Path
) -> float:
    worker = WorkerProcess(framework, settings.threads, folder, settings.timeout)
    try:
        files.set_up(worker, row, settings.threads)
        worker.ask(do="turn", seconds=settings.seconds)
        return float(worker.ask(do="memory")["peak_bytes"])
    finally:
        worker.close()
