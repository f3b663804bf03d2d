"""`keras.regularizers`: penalties on weights and outputs, by name or as objects."""

from __future__ import annotations

from typing import Any

from graphflow.keras.serialization import deserialize_keras_object, getter, serialize_keras_object
from graphflow.regularizers import L1L2, Regularizer, l1, l1_l2, l2

_NAMES: dict[str, Any] = {"L1L2": L1L2, "l1": l1, "l2": l2, "l1_l2": l1_l2}


def serialize(regularizer: Any) -> Any:
    """{"class_name", "config"} of a regulariser."""
    return serialize_keras_object(regularizer)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """The regulariser of a name or config. Raises AttributeValueError if it is unknown."""
    found = deserialize_keras_object(config, _NAMES, custom_objects, "regularizer")
    return found() if found in (l1, l2, l1_l2) else found


_get = getter("regularizer", lambda: _NAMES)


def get(identifier: Any) -> Any:
    """The regulariser of a name or config, or the function itself; None stays None."""
    return deserialize(identifier) if isinstance(identifier, str) else _get(identifier)


__all__ = ["L1L2", "Regularizer", "deserialize", "get", "l1", "l1_l2", "l2", "serialize"]
