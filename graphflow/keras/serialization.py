"""Objects by name: losses, optimizers, layers and the like as plain values, and back.

An object is written as its function's name, or as {"class_name", "config"} with what its
`get_config()` gives. `custom_object_scope` adds names of the user's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from graphflow.dtypes import DType
from graphflow.errors import AttributeValueError
from graphflow.shapes import TensorShape

_custom_objects: dict[str, Any] = {}


def get_custom_objects() -> dict[str, Any]:
    """The names that the user added: a dict to be changed."""
    return _custom_objects


@contextmanager
def custom_object_scope(*objects: Mapping[str, Any]) -> Iterator[None]:
    """Inside the block, names are looked up in these dicts first."""
    before = dict(_custom_objects)
    for names in objects:
        _custom_objects.update(names)
    try:
        yield
    finally:
        _custom_objects.clear()
        _custom_objects.update(before)


class CustomObjectScope:
    """`with CustomObjectScope({...}):` is `custom_object_scope` as a class."""

    def __init__(self, *objects: Mapping[str, Any]) -> None:
        self._entering = custom_object_scope(*objects)

    def __enter__(self) -> CustomObjectScope:
        self._entering.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._entering.__exit__(*exception)


def serialize_keras_object(instance: Any) -> Any:
    """The name of a function, {"class_name", "config"} of an object; None for None.

    Raises AttributeValueError (a ValueError) for anything else.
    """
    if instance is None:
        return None
    if hasattr(instance, "get_config"):
        name = getattr(instance, "_registered_name", type(instance).__name__)
        return {"class_name": name, "config": instance.get_config()}
    if hasattr(instance, "__name__"):
        return instance.__name__
    raise AttributeValueError(f"Cannot serialize {instance!r}: it has no get_config().")


def deserialize_keras_object(
    identifier: Any, module_objects: Mapping[str, Any] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    printable_module_name: str = "object",
) -> Any:
    """The object that `serialize_keras_object` wrote, or the function or class of a name.

    A class that is named alone is made with its default arguments. Raises AttributeValueError
    (a ValueError) for an unknown name.
    """
    if identifier is None:
        return None
    if isinstance(identifier, Mapping):
        return _from_config(identifier, module_objects, custom_objects, printable_module_name)
    if isinstance(identifier, str):
        found = _lookup(identifier, module_objects, custom_objects, printable_module_name)
        return found() if isinstance(found, type) else found
    raise AttributeValueError(f"Could not interpret {printable_module_name}: {identifier!r}.")


def _from_config(
    entry: Mapping[str, Any], names: Mapping[str, Any] | None,
    custom_objects: Mapping[str, Any] | None, what: str,
) -> Any:
    if "class_name" not in entry or "config" not in entry:
        raise AttributeValueError(
            f"Improper config format of a {what}: {entry!r} has not 'class_name' and 'config'.")
    found = _lookup(entry["class_name"], names, custom_objects, what)
    with custom_object_scope(custom_objects or {}):
        if hasattr(found, "from_config"):
            return found.from_config(dict(entry["config"]))
        return found(**entry["config"])


def _lookup(
    name: str, names: Mapping[str, Any] | None, custom_objects: Mapping[str, Any] | None,
    what: str,
) -> Any:
    for table in (custom_objects, _custom_objects, names):
        if table and name in table:
            return table[name]
    known = ", ".join(sorted(names or ()))
    raise AttributeValueError(f"Unknown {what}: {name!r}. Known names: {known}.")


def getter(what: str, names: Callable[[], Mapping[str, Any]]) -> Callable[[Any], Any]:
    """The function `get` of a module: names and configs become objects, callables stay."""

    def get(identifier: Any) -> Any:
        if identifier is None or (
            callable(identifier) and not isinstance(identifier, type)
        ):
            return identifier
        if isinstance(identifier, type):
            return identifier()
        return deserialize_keras_object(identifier, names(), printable_module_name=what)

    get.__doc__ = (
        f"The {what} that a name, a config or the object itself stands for; None stays None.\n\n"
        "Raises AttributeValueError (a ValueError) for an unknown name.")
    return get


def plain(value: Any) -> Any:
    """A value for JSON: tuples become lists, NumPy values Python's, types their names."""
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, TensorShape):
        return value.as_list() if value.rank is not None else None
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, DType):
        return value.name
    if hasattr(value, "get_config") or callable(value):
        return plain(serialize_keras_object(value))
    return value
