"""The worker's end: requests as JSON lines on stdin, answers on what was stdout.

    (start)                                → version, or absent / error
    setup  workload, arrays, first, threads → build_seconds, first_step_seconds,
                                              first_at (when), losses, notes
    turn   seconds                          → step_ns: the time of each step
    memory                                  → peak_bytes

`first` names the .npy file that the first step's result is written to.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.expected import joined
from benchmarks.workload import Workload
from benchmarks.workloads import WORKLOADS

CHECKED_STEPS = 4
LONGEST_TURN = 50_000  # steps


@dataclass(frozen=True, slots=True)
class Job:
    """What to build: the workload, its arrays by name, and the worker's settings."""

    workload: Workload
    arrays: dict[str, np.ndarray]
    threads: int
    variant: str

    @property
    def batch(self) -> list[np.ndarray]:
        """What each step is given, in order."""
        return [self.arrays[name] for name in self.workload.batch]

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """The initial parameters."""
        return self._named(self.workload.parameters)

    @property
    def state(self) -> dict[str, np.ndarray]:
        """What a training step updates without training it, as it begins."""
        return self._named(self.workload.state)

    @property
    def fixed(self) -> dict[str, np.ndarray]:
        """The weights of a function that does not train."""
        return self._named(self.workload.fixed)

    def _named(self, names: tuple[str, ...]) -> dict[str, np.ndarray]:
        return {name: self.arrays[name] for name in names}


@dataclass(frozen=True, slots=True)
class Steps:
    """A built workload.

    step: one step from NumPy arrays to a host value: the loss, or the output array.
    many, count: steps `count` at a time, where a framework has a call for that.
    result: what a step returned → NumPy arrays, to be checked; not timed.
    reset: puts the parameters and the optimiser's state back to where they began. A turn begins
      with it: a long run over one batch would end in vanishing gradients, and time subnormals.
    """

    step: Callable[[], Any]
    reset: Callable[[], None]
    many: Callable[[], Any] | None = None
    count: int = 1
    result: Callable[[Any], Any] = lambda output: output


Build = Callable[[Any, Job], Steps]


def serve(package: str, build: Build) -> None:
    """Imports `package` and answers requests until stdin ends; `build(package, job)`."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not get between the answers

    def answer(**values: Any) -> None:
        answers.write(json.dumps(values) + "\n")
        answers.flush()

    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        answer(absent=str(error))
        return
    answer(version=getattr(module, "__version__", "?"))
    worker = _Worker(module, build)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer(**getattr(worker, request.pop("do"))(**request))
        except Exception as error:  # the driver shows it in the table and goes on
            traceback.print_exc()
            text = str(error).strip()
            first_line = text.splitlines()[0] if text else ""
            answer(error=f"{type(error).__name__}: {first_line}")


class _Worker:
    """Answers the requests of the module's docstring."""

    def __init__(self, module: Any, build: Build) -> None:
        self._module, self._build = module, build
        self._steps: Steps | None = None

    def setup(self, workload: str, arrays: str, first: str, threads: int) -> dict[str, Any]:
        with np.load(arrays) as stored:
            job = Job(WORKLOADS[workload], dict(stored), threads,
                      sys.argv[1] if len(sys.argv) > 1 else "")
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            start = time.perf_counter()
            self._steps = steps = self._build(self._module, job)
            built = time.perf_counter()
            output = steps.step()
            done = time.perf_counter()
            output = joined(steps.result(output))
            np.save(first, output)
            losses = [float(output.ravel()[0])]
            losses += [float(joined(steps.result(steps.step())).ravel()[0])
                       for _ in range(CHECKED_STEPS - 1 if job.workload.trains else 0)]
        return {"build_seconds": built - start, "first_step_seconds": done - built,
                "first_at": done, "losses": losses, "notes": self._own_warnings(given)}

    def turn(self, seconds: float) -> dict[str, Any]:
        assert self._steps is not None
        self._steps.reset()
        step, clock = self._steps.many or self._steps.step, time.perf_counter_ns
        count = self._steps.count
        step()  # untimed: the caches still hold somebody else's data
        times: list[int] = []
        end = clock() + int(seconds * 1e9)
        now = 0
        while now < end and len(times) < LONGEST_TURN:
            start = clock()
            step()
            now = clock()
            times.append((now - start) // count)
        return {"step_ns": times}

    def memory(self) -> dict[str, Any]:
        # Not ru_maxrss: that one survives exec, and would begin with the driver's size.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return {"peak_bytes": int(line.split()[1]) * 1024}
        raise RuntimeError("/proc/self/status has no VmHWM")

    def _own_warnings(self, given: list[warnings.WarningMessage]) -> list[str]:
        """The warnings of classes that the framework itself defines."""
        root = self._module.__name__.partition(".")[0]
        own = [str(w.message) for w in given
               if w.category.__module__.partition(".")[0] == root]
        return list(dict.fromkeys(own))
