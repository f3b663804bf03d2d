"""The loops of `fit`, `evaluate` and `predict` over batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.keras.callbacks.base import CallbackList, History
from graphflow.keras.callbacks.progress import Header, ProgbarLogger
from graphflow.keras.engine.compiled import Compiled
from graphflow.keras.engine.feeding import Batch
from graphflow.keras.engine.logs import Averages, Logs


def _arrays(batch: Batch) -> list[Any]:
    return [*batch.inputs, *(a for a in (*batch.targets, *batch.weights) if a is not None)]


class Fit:
    """One call of `fit`: epochs over batches, validation, callbacks."""

    def __init__(
        self, model: Any, compiled: Compiled, batches: Any, validation: Any, epochs: int,
        initial_epoch: int, verbose: int, callbacks: Any, validation_freq: Any,
    ) -> None:
        self.model, self.compiled, self.batches = model, compiled, batches
        self.validation, self.epochs, self.first = validation, epochs, initial_epoch
        self.frequency = validation_freq
        self.history = History()
        listed = list(callbacks) if isinstance(callbacks, (list, tuple)) else (
            [callbacks] if callbacks is not None else [])
        shown = [ProgbarLogger(verbose)] if verbose else []
        self.callbacks = CallbackList([*shown, *listed, self.history], model, {
            "batch_size": getattr(batches, "batch_size", None), "epochs": epochs,
            "steps": batches.steps, "samples": batches.samples, "verbose": verbose,
            "do_validation": validation is not None, "metrics": []})
        if verbose == 1:
            Header.show(batches.samples, getattr(validation, "samples", None))

    def run(self) -> History:
        """Trains; gives the history. A callback stops it by `model.stop_training = True`."""
        model = self.model
        object.__setattr__(model, "stop_training", False)
        self.callbacks.on_train_begin()
        logs: Logs = Logs()
        for epoch in range(self.first, self.epochs):
            model.reset_metrics()
            self.callbacks.on_epoch_begin(epoch)
            logs = self._epoch()
            if self.validation is not None and self._validates(epoch):
                names, values = run_evaluation(model, self.compiled, self.validation, 0, None)
                logs.update({f"val_{n}": v for n, v in zip(names, values)})
            self.callbacks.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
        self.callbacks.on_train_end(logs)
        return self.history

    def _validates(self, epoch: int) -> bool:
        if isinstance(self.frequency, int):
            return (epoch + 1) % self.frequency == 0
        return epoch + 1 in self.frequency

    def _epoch(self) -> Logs:
        averages = None
        for number, batch in enumerate(self.batches.epoch()):
            step = self.model._step(self.compiled, batch, True)
            averages = averages or Averages(step.names, len(step.metrics))
            self.callbacks.params["metrics"] = step.names
            self.callbacks.on_train_batch_begin(number, Logs(batch=number, size=batch.size))
            values = step(_arrays(batch))
            averages.add(values, batch.size)
            logs = Logs(zip(step.names, map(float, values)), batch=number, size=batch.size)
            self.callbacks.on_train_batch_end(number, logs)
            if self.model.stop_training:
                break
        return Logs() if averages is None else Logs(zip(averages.names, averages.values()))


def run_evaluation(
    model: Any, compiled: Compiled, batches: Any, verbose: int, callbacks: Any
) -> tuple[list[str], list[float]]:
    """(names, losses and metrics over all batches)."""
    listed = _callback_list(model, batches, verbose, callbacks)
    listed.on_test_begin()
    averages, seen = None, set()
    for number, batch in enumerate(batches.epoch()):
        step = model._step(compiled, batch, False)
        if averages is None:
            averages = Averages(step.names, len(step.metrics))
        if id(step) not in seen:
            seen.add(id(step))
            if len(seen) == 1:
                for metric in step.metrics:
                    metric.reset_states()
        listed.on_test_batch_begin(number, Logs(batch=number, size=batch.size))
        values = step(_arrays(batch))
        averages.add(values, batch.size)
        listed.on_test_batch_end(
            number, Logs(zip(step.names, map(float, values)), batch=number, size=batch.size))
    names, values = (averages.names, averages.values()) if averages else (["loss"], [np.nan])
    listed.on_test_end(Logs(zip(names, values)))
    return names, values


def run_prediction(model: Any, batches: Any, verbose: int, callbacks: Any) -> list[np.ndarray]:
    """The outputs over all batches, one array each."""
    listed = _callback_list(model, batches, verbose, callbacks)
    listed.on_predict_begin()
    step = model._prediction()
    parts: list[Sequence[np.ndarray]] = []
    for number, batch in enumerate(batches.epoch()):
        listed.on_predict_batch_begin(number, Logs(batch=number, size=batch.size))
        parts.append(step(batch.inputs))
        listed.on_predict_batch_end(number, Logs(batch=number, size=batch.size))
    listed.on_predict_end()
    if not parts:
        return [np.zeros((0, *(n or 0 for n in t.shape.as_list()[1:]))) for t in model.outputs]
    if len(parts) == 1:
        return list(parts[0])
    return [np.concatenate(outputs) for outputs in zip(*parts)]


def _callback_list(model: Any, batches: Any, verbose: int, callbacks: Any) -> CallbackList:
    shown = [ProgbarLogger(verbose, epochs=False)] if verbose == 1 else []
    return CallbackList([*shown, *(callbacks or ())], model, {
        "batch_size": getattr(batches, "batch_size", None), "epochs": 1,
        "steps": batches.steps, "samples": batches.samples, "verbose": verbose,
        "do_validation": False, "metrics": []})
