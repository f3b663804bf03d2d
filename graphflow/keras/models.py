"""`keras.models`: models, and models from files and configurations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from graphflow.errors import LoadError
from graphflow.export.archive import KERAS
from graphflow.keras.engine.input_layer import Input
from graphflow.keras.engine.model import Model
from graphflow.keras.engine.model_config import deserialize
from graphflow.keras.engine.saving import ModelParts, load_into, read_model
from graphflow.keras.engine.sequential import Sequential
from graphflow.keras.serialization import custom_object_scope


def model_from_config(config: Mapping[str, Any], custom_objects: Any = None) -> Any:
    """A model from {"class_name", "config"}. Raises AttributeValueError for unknown layers."""
    return deserialize(config, custom_objects)


def model_from_json(json_string: str, custom_objects: Any = None) -> Any:
    """A model from `to_json()`, with weights of its own."""
    return model_from_config(json.loads(json_string), custom_objects)


def save_model(
    model: Any, filepath: Any, overwrite: bool = True, include_optimizer: bool = True,
    save_format: Any = None,
) -> None:
    """The same as `model.save(filepath, …)`."""
    model.save(filepath, overwrite, include_optimizer, save_format)


def load_model(filepath: Any, custom_objects: Any = None, compile: bool = True) -> Any:
    """The model that `save` wrote, with its weights, compiled as it was.

    custom_objects: the user's own classes and functions, by name. Raises NotFoundError if there
    is no such file, GraphError if it holds weights alone, LoadError if it is damaged or if no
    model can be made of what it says.
    """
    parts = read_model(filepath)
    try:
        return _made_of(parts, custom_objects, compile)
    except Exception as error:  # layers take what they are given: the file is to blame
        raise LoadError(f"{filepath}: {KERAS}: {type(error).__name__}: {error}") from error


def _made_of(parts: ModelParts, custom_objects: Any, compile: bool) -> Any:
    config, arrays, table, training, state = parts
    with custom_object_scope(custom_objects or {}):
        model = model_from_config(config)
        if not model.built:
            return model
        load_into(model, arrays, table)
        if compile and training is not None and training["optimizer"] is not None:
            model.compile(**training)
            if state:
                _restore_optimizer(model, state)
    return model


def _restore_optimizer(model: Any, state: list[Any]) -> None:
    """Makes the optimizer's slots and sets them."""
    optimizer = model.optimizer
    optimizer._create_slots(model.trainable_weights)
    if len(optimizer.weights) == len(state):
        optimizer.set_weights(state)


def clone_model(model: Any, input_tensors: Any = None, clone_function: Any = None) -> Any:
    """A model of the same layers and connections, with weights of its own."""
    return type(model).from_config(model.get_config())


__all__ = [
    "Input", "Model", "Sequential", "clone_model", "load_model", "model_from_config",
    "model_from_json", "save_model",
]
