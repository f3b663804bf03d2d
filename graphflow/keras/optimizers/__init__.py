"""`keras.optimizers`: optimizers by name or as objects, and learning-rate schedules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.errors import AttributeValueError
from graphflow.keras.optimizers import schedules
from graphflow.keras.optimizers.base import Optimizer
from graphflow.keras.optimizers.rules import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    Ftrl,
    Nadam,
    RMSprop,
)
from graphflow.keras.serialization import deserialize_keras_object, serialize_keras_object
from graphflow.train.optimizer import Optimizer as TrainOptimizer

_CLASSES: dict[str, Any] = {c.__name__.lower(): c for c in (
    SGD, RMSprop, Adagrad, Adadelta, Adam, Adamax, Nadam, Ftrl)}


class TFOptimizer:
    """An optimizer of `gf.train`, used by a Keras model."""

    def __init__(self, optimizer: TrainOptimizer) -> None:
        self.optimizer = optimizer

    def get_updates(self, loss: Any, params: Sequence[Any]) -> Any:
        """The operation of one step that lowers `loss` by changing `params`."""
        return self.optimizer.minimize(loss, var_list=list(params))

    @property
    def weights(self) -> list[Any]:
        """The slots."""
        return self.optimizer.variables()


def serialize(optimizer: Any) -> Any:
    """{"class_name", "config"} of an optimizer."""
    return serialize_keras_object(optimizer)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """The optimizer of a config. Raises AttributeValueError for an unknown class."""
    entry = {**config, "class_name": config["class_name"].lower()} if config[
        "class_name"].lower() in _CLASSES else config
    return deserialize_keras_object(entry, _CLASSES, custom_objects, "optimizer")


def get(identifier: Any) -> Any:
    """The optimizer of a name or config, with its defaults; objects as they are, those of
    `gf.train` wrapped. Raises AttributeValueError (a ValueError) for anything else."""
    if isinstance(identifier, (Optimizer, TFOptimizer)):
        return identifier
    if isinstance(identifier, TrainOptimizer):
        return TFOptimizer(identifier)
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str) and identifier.lower() in _CLASSES:
        return _CLASSES[identifier.lower()]()
    known = ", ".join(sorted(_CLASSES))
    raise AttributeValueError(
        f"Could not interpret optimizer identifier: {identifier!r}. Known names: {known}.")


__all__ = [
    "SGD", "Adadelta", "Adagrad", "Adam", "Adamax", "Ftrl", "Nadam", "Optimizer", "RMSprop",
    "TFOptimizer", "deserialize", "get", "schedules", "serialize",
]
