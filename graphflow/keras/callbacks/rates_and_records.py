"""Callbacks that set the learning rate, write a table, or stop at NaN."""

from __future__ import annotations

import csv
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from graphflow.errors import AttributeValueError
from graphflow.keras.backend.values import get_value, set_value
from graphflow.keras.callbacks.base import Callback


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch: `schedule(epoch)` or `schedule(epoch, rate)`.

    Raises AttributeValueError (a ValueError) if the schedule gives no number.
    """

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0) -> None:
        super().__init__()
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Sets the rate."""
        if not hasattr(self.model.optimizer, "lr"):
            raise AttributeValueError('Optimizer must have a "lr" attribute.')
        if len(inspect.signature(self.schedule).parameters) > 1:
            rate = self.schedule(epoch, float(get_value(self.model.optimizer.lr)))
        else:
            rate = self.schedule(epoch)
        if not isinstance(rate, (int, float, np.floating)):
            raise AttributeValueError(
                f'The output of the "schedule" function should be float, got {rate!r}.')
        set_value(self.model.optimizer.lr, rate)
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1:05d}: LearningRateScheduler setting learning rate to "
                  f"{rate}.")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Adds the rate to the logs as "lr"."""
        if logs is not None:
            logs["lr"] = float(get_value(self.model.optimizer.lr))


class TerminateOnNaN(Callback):
    """Stops the training when the loss is NaN or infinite."""

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Looks at the batch's loss."""
        loss = (logs or {}).get("loss")
        if loss is not None and not np.isfinite(loss):
            print(f"Batch {batch}: Invalid loss, terminating training")
            self.model.stop_training = True


class CSVLogger(Callback):
    """Writes the numbers of each epoch to a file, one row each.

    append: goes on in an existing file, without writing the names again.
    """

    def __init__(self, filename: str, separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename, self.sep, self.append = filename, separator, append
        self._file: Any = None
        self._writer: Any = None
        self._names: list[str] | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Opens the file."""
        path = Path(self.filename)
        going_on = self.append and path.exists() and path.stat().st_size > 0
        self._file = open(path, "a" if self.append else "w", newline="")  # noqa: SIM115
        self._header, self._names = not going_on, None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes a row."""
        logs = logs or {}
        if self._names is None:
            self._names = sorted(logs)
            self._writer = csv.DictWriter(
                self._file, fieldnames=["epoch", *self._names], delimiter=self.sep)
            if self._header:
                self._writer.writeheader()
        self._writer.writerow({"epoch": epoch, **{
            n: dict.get(logs, n, "NA") for n in self._names}})
        self._file.flush()

    def on_train_end(self, logs: Any = None) -> None:
        """Closes the file."""
        self._file.close()
        self._writer = None
