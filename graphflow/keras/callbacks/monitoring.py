"""Callbacks that watch one number: stop early, keep the best weights, lower the rate."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import errors
from graphflow.keras.backend.values import get_value, set_value
from graphflow.keras.callbacks.base import Callback
from graphflow.options import Options


def _warn(warning_id: str, message: str) -> None:
    errors.warn(warning_id, message, silenced=Options.from_environment().silence, stacklevel=4)


def _improves(mode: str, monitor: str) -> tuple[Callable[[Any, Any], Any], float]:
    """(is better than, the worst value) for "min", "max", or "auto" by the name."""
    if mode not in ("auto", "min", "max"):
        _warn("keras-mode", f"Unknown mode {mode!r} of a callback; 'auto' is used.")
        mode = "auto"
    if mode == "auto":
        rises = any(part in monitor for part in ("acc", "auc", "precision", "recall")) or (
            monitor.startswith("fmeasure"))
        mode = "max" if rises else "min"
    return (operator.gt, -np.inf) if mode == "max" else (operator.lt, np.inf)


def _watched(callback: Any, logs: Any, what: str) -> Any:
    """The number that a callback watches, or None with a warning."""
    value = (logs or {}).get(callback.monitor)
    if value is None:
        names = ", ".join(k for k in logs or {})
        _warn(
            "keras-monitor", f"{what} conditioned on metric `{callback.monitor}` which is not "
            f"available. Available metrics are: {names}.")
    return value


class EarlyStopping(Callback):
    """Stops the training when a number has not improved for `patience` epochs.

    monitor: its name in the logs. min_delta: the least change that counts. mode: "min", "max", or
    "auto" by the name. baseline: what must be improved on at first. restore_best_weights: at the
    end the weights of the best epoch are set. `stopped_epoch`: when it stopped, 0 if it did not.
    """

    def __init__(
        self, monitor: str = "val_loss", min_delta: float = 0, patience: int = 0,
        verbose: int = 0, mode: str = "auto", baseline: float | None = None,
        restore_best_weights: bool = False,
    ) -> None:
        super().__init__()
        self.monitor, self.patience, self.verbose = monitor, patience, verbose
        self.baseline, self.restore_best_weights = baseline, restore_best_weights
        self.min_delta, self.wait, self.stopped_epoch = abs(min_delta), 0, 0
        self.best_weights: Any = None
        self.monitor_op, self._worst = _improves(mode, monitor)
        self.best = self._worst
        if self.monitor_op is operator.lt:
            self.min_delta *= -1

    def on_train_begin(self, logs: Any = None) -> None:
        """Starts counting."""
        self.wait, self.stopped_epoch, self.best_weights = 0, 0, None
        self.best = self._worst if self.baseline is None else self.baseline

    def get_monitor_value(self, logs: Any) -> Any:
        """The watched number, or None with a warning."""
        return _watched(self, logs, "Early stopping")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Counts epochs without improvement."""
        current = self.get_monitor_value(logs)
        if current is None:
            return
        if self.monitor_op(current - self.min_delta, self.best):
            self.best, self.wait = current, 0
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            return
        self.wait += 1
        if self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True
            if self.best_weights is not None:
                if self.verbose > 0:
                    print("Restoring model weights from the end of the best epoch.")
                self.model.set_weights(self.best_weights)

    def on_train_end(self, logs: Any = None) -> None:
        """Says where it stopped."""
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1:05d}: early stopping")


class ModelCheckpoint(Callback):
    """Writes the model, or its weights, after each epoch.

    filepath: may hold `{epoch:02d}` and names of the logs, such as `{val_loss:.2f}`.
    save_best_only: only when the monitored number improved. save_freq: "epoch", or after how many
    samples. period: every so many epochs.
    """

    def __init__(
        self, filepath: str, monitor: str = "val_loss", verbose: int = 0,
        save_best_only: bool = False, save_weights_only: bool = False, mode: str = "auto",
        save_freq: Any = "epoch", **kwargs: Any,
    ) -> None:
        super().__init__()
        self.filepath, self.monitor, self.verbose = filepath, monitor, verbose
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.save_freq, self.period = save_freq, kwargs.pop("period", 1)
        self.monitor_op, self.best = _improves(mode, monitor)
        self._samples, self._epoch, self._since = 0, 0, 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Takes down the number of the epoch."""
        self._epoch = epoch

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Writes, if `save_freq` samples have passed."""
        if isinstance(self.save_freq, int):
            self._samples += (logs or {}).get("size", 1)
            if self._samples >= self.save_freq:
                self._samples = 0
                self._save(self._epoch, logs or {})

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes, if it is time."""
        self._since += 1
        if self.save_freq == "epoch" and self._since >= self.period:
            self._since = 0
            self._save(epoch, logs or {})

    def _save(self, epoch: int, logs: Any) -> None:
        path = str(self.filepath).format(epoch=epoch + 1, **logs)
        if self.save_best_only:
            current = _watched(self, logs, "Can save best model only; saving")
            if current is None:
                return
            if not self.monitor_op(current, self.best):
                if self.verbose > 0:
                    print(f"\nEpoch {epoch + 1:05d}: {self.monitor} did not improve from "
                          f"{self.best:0.5f}")
                return
            if self.verbose > 0:
                print(f"\nEpoch {epoch + 1:05d}: {self.monitor} improved from {self.best:0.5f} "
                      f"to {current:0.5f}, saving model to {path}")
            self.best = current
        elif self.verbose > 0:
            print(f"\nEpoch {epoch + 1:05d}: saving model to {path}")
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)


class ReduceLROnPlateau(Callback):
    """Multiplies the learning rate by `factor` when a number has stopped improving.

    patience: epochs without improvement; min_delta: the least change that counts; cooldown: epochs
    to wait after a reduction; min_lr: the lowest rate. The rate joins the logs as "lr".
    """

    def __init__(
        self, monitor: str = "val_loss", factor: float = 0.1, patience: int = 10,
        verbose: int = 0, mode: str = "auto", min_delta: float = 1e-4, cooldown: int = 0,
        min_lr: float = 0, **kwargs: Any,
    ) -> None:
        super().__init__()
        if factor >= 1.0:
            raise errors.AttributeValueError(
                f"ReduceLROnPlateau does not support a factor >= 1.0, got {factor}.")
        self.monitor, self.factor, self.patience, self.verbose = (
            monitor, factor, patience, verbose)
        self.min_delta = kwargs.pop("epsilon", min_delta)
        self.cooldown, self.min_lr, self.mode = cooldown, min_lr, mode
        self._better, self._worst = _improves(mode, monitor)
        self.best, self.wait, self.cooldown_counter = self._worst, 0, 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Starts counting."""
        self.best, self.wait, self.cooldown_counter = self._worst, 0, 0

    def in_cooldown(self) -> bool:
        """True for some epochs after a reduction."""
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Counts epochs without improvement, and lowers the rate."""
        rate = float(get_value(self.model.optimizer.lr))
        if logs is not None:
            logs["lr"] = rate
        current = _watched(self, logs, "Reduce LR on plateau")
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        margin = -self.min_delta if self._better is operator.gt else self.min_delta
        if self._better(current + margin, self.best):
            self.best, self.wait = current, 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and rate > self.min_lr:
                lower = max(rate * self.factor, self.min_lr)
                set_value(self.model.optimizer.lr, lower)
                if self.verbose > 0:
                    print(f"\nEpoch {epoch + 1:05d}: ReduceLROnPlateau reducing learning rate to "
                          f"{lower}.")
                self.cooldown_counter, self.wait = self.cooldown, 0
