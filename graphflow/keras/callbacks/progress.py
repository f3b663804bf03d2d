"""What training prints: a bar that rewrites its line, or one line per epoch.

In a terminal or notebook the line of an epoch is rewritten in place; anywhere else (a file, a
pipe) it is written once, at the end of the epoch, without control characters.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from graphflow.keras.callbacks.base import Callback

_WIDTH = 30


def rewrites_lines(stream: Any) -> bool:
    """True where a carriage return goes back to the start of the line."""
    return bool(getattr(stream, "isatty", lambda: False)()) or (
        "ipykernel" in sys.modules and type(stream).__module__.startswith("ipykernel"))


class Progbar:
    """A bar with numbers behind it.

    target: how many steps there are, None if that is not known. width: of the bar. verbose: 1 for
    a bar, 2 for one line at the end. interval: least seconds between two drawings.
    stateful_metrics: names whose last value is shown; of others the mean.
    """

    def __init__(
        self, target: int | None, width: int = _WIDTH, verbose: int = 1, interval: float = 0.05,
        stateful_metrics: Sequence[str] | None = None, unit_name: str = "step",
    ) -> None:
        self.target, self.width, self.verbose = target, width, verbose
        self.interval, self.unit = interval, unit_name
        self._stateful = set(stateful_metrics or ())
        self._values: dict[str, tuple[float, int]] = {}
        self._seen, self._start, self._drawn, self._length = 0, time.time(), 0.0, 0

    def update(
        self, current: int, values: Sequence[tuple[str, float]] | None = None
    ) -> None:
        """Shows `current` finished steps; values: (name, number) of the latest ones."""
        for name, value in values or ():
            total, weight = self._values.get(name, (0.0, 0))
            steps = max(current - self._seen, 1)
            self._values[name] = (value, 1) if name in self._stateful else (
                total + value * steps, weight + steps)
        self._seen = current
        last = self.target is not None and current >= self.target
        now = time.time()
        if self.verbose == 1 and rewrites_lines(sys.stdout):
            if last or now - self._drawn >= self.interval:
                self._draw(now, last)
        elif self.verbose and last:
            sys.stdout.write(f"{self._line(now, bar=self.verbose == 1, last=True)}\n")
            sys.stdout.flush()

    def add(self, n: int, values: Sequence[tuple[str, float]] | None = None) -> None:
        """Shows `n` more finished steps."""
        self.update(self._seen + n, values)

    def _draw(self, now: float, last: bool) -> None:
        self._drawn = now
        line = self._line(now, bar=True, last=last)
        # Spaces cover what a longer line left behind.
        sys.stdout.write("\r" + line.ljust(self._length) + ("\n" if last else ""))
        sys.stdout.flush()
        self._length = len(line)

    def _line(self, now: float, bar: bool, last: bool) -> str:
        parts = []
        if bar:
            parts.append(self._bar())
        parts.append(self._time(now - self._start, last, bar))
        parts += [f"{name}: {_number(total / max(weight, 1))}"
                  for name, (total, weight) in self._values.items()]
        return " - ".join(parts)

    def _bar(self) -> str:
        if self.target is None:
            return f"{self._seen}/Unknown"
        digits = len(str(self.target))
        filled = min(self.width, self.width * self._seen // max(self.target, 1))
        arrow = "=" * filled if filled == self.width else (
            "=" * max(filled - 1, 0) + (">" if filled else "")).ljust(self.width, ".")
        return f"{self._seen:{digits}d}/{self.target} [{arrow}]"

    def _time(self, spent: float, last: bool, bar: bool) -> str:
        each = spent / max(self._seen, 1)
        if not last and self.target is not None:
            return f"ETA: {_clock(each * (self.target - self._seen))}"
        if not bar:
            return f"{spent:.0f}s"
        return f"{spent:.0f}s {_duration(each)}/{self.unit}"


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) > 1e-3 or value == 0 else f"{value:.4e}"


def _duration(seconds: float) -> str:
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s"
    return f"{seconds * 1e3:.0f}ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us"


def _clock(seconds: float) -> str:
    whole = int(seconds)
    if whole > 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}" if whole > 60 else f"{whole}s"


class Header:
    """The line before the first epoch."""

    @staticmethod
    def show(samples: int | None, validation: int | None) -> None:
        """"Train on 60 samples, validate on 10 samples", where the numbers are known."""
        if samples is not None:
            more = "" if validation is None else f", validate on {validation} samples"
            print(f"Train on {samples} samples{more}", flush=True)


class ProgbarLogger(Callback):
    """Shows each epoch, as `fit(verbose=…)` does: 1 with a bar, 2 with one line."""

    def __init__(self, verbose: Any = 1, stateful_metrics: Any = None, *, epochs: bool = True,
                 count_mode: str = "samples") -> None:
        super().__init__()
        self.verbose = verbose if isinstance(verbose, int) else 1
        self._epochs, self._bar, self._seen = epochs, Progbar(1), 0
        self._logs: dict[str, float] = {}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Prints "Epoch 1/5"."""
        if self._epochs:
            print(f"Epoch {epoch + 1}/{self.params.get('epochs')}", flush=True)
        self._begin()

    def on_test_begin(self, logs: Any = None) -> None:
        """Starts a bar for an evaluation of its own."""
        if not self._epochs:
            self._begin()

    def on_predict_begin(self, logs: Any = None) -> None:
        """Starts a bar for a prediction."""
        self._begin()

    def _begin(self) -> None:
        samples = self.params.get("samples")
        self._target = samples if samples is not None else self.params.get("steps")
        self._bar = Progbar(self._target, verbose=self.verbose,
                            unit_name="step" if samples is None else "sample")
        self._seen = 0

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Moves the bar on; the last batch is left to the end of the epoch."""
        self._advance(logs or {})

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Moves the bar on."""
        if not self._epochs:
            self._advance(logs or {})

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """Moves the bar on."""
        self._advance(logs or {})

    def _advance(self, logs: Any) -> None:
        in_samples = self.params.get("samples") is not None
        self._seen += logs.get("size", 1) if in_samples else 1
        if self._target is None or self._seen < self._target:
            self._bar.update(self._seen, _shown(logs))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Finishes the line with the epoch's numbers."""
        self._finish(logs or {})

    def on_test_end(self, logs: Any = None) -> None:
        """Finishes the line."""
        if not self._epochs:
            self._finish(logs or {})

    def on_predict_end(self, logs: Any = None) -> None:
        """Finishes the line."""
        self._finish({})

    def _finish(self, logs: Any) -> None:
        # The epoch's own means replace those of the bar.
        self._bar._values = {}
        self._bar._stateful = set(logs)
        self._bar.target = self._target = max(self._seen, 1)
        self._bar.update(max(self._seen, 1), _shown(logs))


def _shown(logs: Any) -> list[tuple[str, float]]:
    return [(k, float(v)) for k, v in logs.items()
            if k not in ("batch", "size") and isinstance(v, (int, float)) or hasattr(v, "dtype")]
