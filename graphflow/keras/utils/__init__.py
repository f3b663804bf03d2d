"""`keras.utils`: labels, batches by number, names of objects, progress bars."""

from graphflow.keras.callbacks.progress import Progbar
from graphflow.keras.serialization import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    serialize_keras_object,
)
from graphflow.keras.utils.data_sequence import Sequence
from graphflow.keras.utils.labels import normalize, to_categorical

__all__ = [
    "CustomObjectScope", "Progbar", "Sequence", "custom_object_scope",
    "deserialize_keras_object", "get_custom_objects", "normalize", "serialize_keras_object",
    "to_categorical",
]
