"""`Callback`: what is called at the moments of a training, evaluation or prediction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphflow.keras.engine.logs import Logs


class Callback:
    """The base of callbacks: replace the methods of the moments that matter.

    Attributes: `model`; `params`: batch_size, epochs, steps, samples, verbose, metrics.
    logs: the losses and metrics so far, by name.
    """

    def __init__(self) -> None:
        self.validation_data: Any = None
        self.model: Any = None
        self.params: dict[str, Any] = {}

    def set_params(self, params: dict[str, Any]) -> None:
        """Called first, with the loop's parameters."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Called first, with the model."""
        self.model = model

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before each training batch; an older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """After each training batch; an older name of `on_train_batch_end`."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Before each epoch."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """After each epoch and its validation."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before each training batch."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """After each training batch."""
        self.on_batch_end(batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before each batch of an evaluation."""

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """After each batch of an evaluation."""

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before each batch of a prediction."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """After each batch of a prediction."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Before training."""

    def on_train_end(self, logs: Any = None) -> None:
        """After training."""

    def on_test_begin(self, logs: Any = None) -> None:
        """Before an evaluation."""

    def on_test_end(self, logs: Any = None) -> None:
        """After an evaluation."""

    def on_predict_begin(self, logs: Any = None) -> None:
        """Before a prediction."""

    def on_predict_end(self, logs: Any = None) -> None:
        """After a prediction."""


_MOMENTS = tuple(name for name in vars(Callback) if name.startswith("on_"))


class CallbackList:
    """Calls each callback at each moment, in order."""

    def __init__(
        self, callbacks: Iterable[Any], model: Any = None, params: dict[str, Any] | None = None
    ) -> None:
        self.callbacks = list(callbacks)
        self.params = params or {}
        for callback in self.callbacks:
            callback.set_params(self.params)
            callback.set_model(model)

    def append(self, callback: Any) -> None:
        """Adds one at the end."""
        self.callbacks.append(callback)

    def __getattr__(self, name: str) -> Any:
        if name not in _MOMENTS:
            raise AttributeError(name)

        def call(*arguments: Any) -> None:
            # Callbacks of the user's may keep or change the logs, which they share as in Keras.
            for callback in self.callbacks:
                getattr(callback, name)(*arguments)

        return call


class History(Callback):
    """What `fit` returns: `history`, name → one number per epoch; `epoch`, their numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = Logs()

    def on_train_begin(self, logs: Any = None) -> None:
        """Starts anew."""
        self.epoch, self.history = [], Logs()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Takes down the epoch's numbers."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class LambdaCallback(Callback):
    """A callback from functions: `LambdaCallback(on_epoch_end=lambda epoch, logs: ...)`."""

    def __init__(
        self, on_epoch_begin: Any = None, on_epoch_end: Any = None, on_batch_begin: Any = None,
        on_batch_end: Any = None, on_train_begin: Any = None, on_train_end: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        given = {"on_epoch_begin": on_epoch_begin, "on_epoch_end": on_epoch_end,
                 "on_batch_begin": on_batch_begin, "on_batch_end": on_batch_end,
                 "on_train_begin": on_train_begin, "on_train_end": on_train_end, **kwargs}
        for name, function in given.items():
            if function is not None:
                setattr(self, name, function)
