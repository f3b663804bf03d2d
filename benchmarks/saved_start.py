"""What a saved network costs: from a process that has NumPy to the first result."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.environment import confined, worker_environment
from benchmarks.expected import relative_error
from benchmarks.frameworks import Framework
from benchmarks.fresh import ChildMeter
from benchmarks.rotation import Row, Turn, rotate
from benchmarks.stepping import FIRST_TOLERANCE, Settings
from benchmarks.worker_process import AbsentError, WorkerError
from benchmarks.workers.saved_mlp import SAVED

ROWS = 64


def _arrays() -> dict[str, np.ndarray]:
    """Weights and rows, by formulas."""
    def wave(*shape: int) -> np.ndarray:
        numbers = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
        return (np.sin(numbers * 0.7) / np.sqrt(shape[0])).astype(np.float32)

    return {"x": wave(ROWS, 784), "w1": wave(784, 128), "b1": wave(128), "w2": wave(128, 10),
            "b2": wave(10)}


def _expected(arrays: dict[str, np.ndarray]) -> np.ndarray:
    x, w1, b1, w2, b2 = (arrays[n].astype(np.float64) for n in ("x", "w1", "b1", "w2", "b2"))
    logits = np.maximum(x @ w1 + b1, 0) @ w2 + b2
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


class _Starter:
    """A folder with a saved network; each turn is a new process that runs it."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.row = Row(name, SAVED[name].package != "graphflow")
        self._settings, self._arrays = settings, _arrays()
        self._folder = settings.fresh_folder()
        self._folder.mkdir()
        np.savez(self._folder / "arrays.npz", allow_pickle=False, **self._arrays)

    def ask(self, what: str) -> str:
        """What the worker prints. Raises AbsentError, WorkerError."""
        settings = self._settings
        try:
            with confined(settings.threads):
                done = subprocess.run(
                    [sys.executable, "-m", "benchmarks.workers.saved_mlp", self.row.name, what,
                     str(self._folder)],
                    env=worker_environment(settings.threads, self._folder), cwd=self._folder,
                    capture_output=True, text=True, timeout=settings.timeout)
        except subprocess.TimeoutExpired:
            raise WorkerError(f"failed: no end within {settings.timeout:g} s") from None
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
            missing = f"ModuleNotFoundError: No module named '{SAVED[self.row.name].package}'"
            raise AbsentError if last.startswith(missing) else WorkerError(f"failed: {last}")
        return done.stdout

    def take_turn(self) -> Turn:
        self._settings.say(f"saved_start: {self.row.name}")
        meter = ChildMeter()
        answer = json.loads(self.ask("run").splitlines()[-1])
        load = meter.stop()
        self.row.version = answer["version"]
        self._check(self._folder / "first.npy")
        return Turn((answer["seconds"],), load)

    def _check(self, path: Path) -> None:
        first = np.load(path)
        self.row.first = float(first.ravel()[0])
        self.row.error = relative_error(first, [_expected(self._arrays)])
        if self.row.error > FIRST_TOLERANCE:
            self.row.problem = f"wrong: the first result is off by {self.row.error:.1e}"


def measure_saved(frameworks: Sequence[Framework], settings: Settings) -> list[Row]:
    """Seconds to the first result of a saved network, one row for each way to save it.

    An uncounted process saves, and another one runs once, so that caches are filled for all.
    """
    packages = {f.package for f in frameworks}
    starters = [_Starter(name, settings) for name, how in SAVED.items()
                if how.package in packages]
    for starter in starters:
        try:
            settings.say(f"saved_start: saving, {starter.row.name}")
            starter.ask("save")
            starter.take_turn()
        except WorkerError as error:
            starter.row.problem = str(error)
    rotate(starters, settings.repeats, settings.load_limit, WorkerError, settings.say)
    return [s.row for s in starters]
