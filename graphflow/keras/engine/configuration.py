"""Arguments of built-in layers: names become objects on the way in, and names on the way out."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from graphflow.keras import activations, constraints, initializers, regularizers
from graphflow.keras.serialization import serialize_keras_object

_GETTERS = {
    "activation": activations.get, "initializer": initializers.get,
    "regularizer": regularizers.get, "constraint": constraints.get}
_NOT_ARGUMENTS = {"self", "cls", "__class__", "kwargs"}


def resolved(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The `locals()` of a constructor as keywords, with names of activations, initialisers,
    regularisers and constraints replaced by what they stand for."""
    given = {k: v for k, v in arguments.items() if k not in _NOT_ARGUMENTS}
    given.update(arguments.get("kwargs", {}))
    return {k: _resolve(k, v) for k, v in given.items()}


def _resolve(name: str, value: Any) -> Any:
    get = _GETTERS.get(name.rpartition("_")[2])
    return value if get is None else get(value)


def argument_config(instance: Any) -> dict[str, Any]:
    """The constructor's arguments that are attributes of an object, as plain values."""
    config = {}
    for name in inspect.signature(type(instance).__init__).parameters:
        if name in _NOT_ARGUMENTS or not hasattr(instance, name):
            continue
        value = getattr(instance, name)
        if name.rpartition("_")[2] in _GETTERS or callable(value):
            value = serialize_keras_object(value)
        config[name] = value
    return config
