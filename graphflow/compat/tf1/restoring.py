"""`tf.contrib.framework`: which variables to restore, and how, from checkpoints or arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphflow.builder import F
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.graph import get_default_graph
from graphflow.scopes import GraphKeys
from graphflow.train.checkpoint_reader import load_checkpoint
from graphflow.train.saver import Saver


def _starts_with(variable: Any, scopes: Sequence[str]) -> bool:
    return any(variable.op.name.startswith(s) for s in scopes)


def get_variables_to_restore(
    include: Sequence[str] | None = None, exclude: Sequence[str] | None = None
) -> list[Any]:
    """The global variables whose names start with one of `include` and none of `exclude`.

    Raises AttributeValueError (a ValueError, in TensorFlow a TypeError) for a single string.
    """
    for what, given in (("include", include), ("exclude", exclude)):
        if given is not None and not isinstance(given, (list, tuple)):
            raise AttributeValueError(f"{what} is provided but is not a list or a tuple.")
    variables = get_default_graph().get_collection(GraphKeys.GLOBAL_VARIABLES)
    return [v for v in variables if (include is None or _starts_with(v, include))
            and not _starts_with(v, exclude or ())]


def _by_name(var_list: Any) -> dict[str, Any]:
    if isinstance(var_list, Mapping):
        return dict(var_list)
    return {v.op.name: v for v in var_list}


def assign_from_values(var_names_to_values: Mapping[str, Any]) -> tuple[Any, dict[Any, Any]]:
    """(operation, feeds) that give variables their values, by name.

    Raises AttributeValueError for a name that is no variable's, ShapeError for another shape.
    """
    variables = {v.op.name: v for v in get_default_graph().get_collection(
        GraphKeys.GLOBAL_VARIABLES)}
    updates, feeds = [], {}
    for name, value in var_names_to_values.items():
        if name not in variables:
            raise AttributeValueError(f'Variable "{name}" was not found in the graph.')
        variable, array = variables[name], np.asarray(value)
        if not variable.shape.is_compatible_with(array.shape):
            raise ShapeError(f'Variable "{name}" has the shape {variable.shape}, the value '
                             f"{list(array.shape)}.")
        slot = F.placeholder(variable.dtype, array.shape)
        updates.append(F.assign(variable, slot))
        feeds[slot] = array
    return F.group(*updates), feeds


def assign_from_values_fn(var_names_to_values: Mapping[str, Any]) -> Callable[[Any], Any]:
    """A function of a session that gives variables their values, by name."""
    operation, feeds = assign_from_values(var_names_to_values)
    return lambda session: session.run(operation, feeds)


def assign_from_checkpoint(
    model_path: str, var_list: Any, ignore_missing_vars: bool = False
) -> tuple[Any, dict[Any, Any]]:
    """(operation, feeds) that give variables the values of a checkpoint.

    var_list: variables, or a dict of them by their names in the checkpoint. Raises
    AttributeValueError for a name that the checkpoint lacks, unless these are ignored.
    """
    reader, values = load_checkpoint(model_path), {}
    for name, variable in _by_name(var_list).items():
        if reader.has_tensor(name):
            values[variable.op.name] = np.reshape(reader.get_tensor(name),
                                                  variable.shape.as_list())
        elif not ignore_missing_vars:
            raise AttributeValueError(f"Checkpoint {model_path} is missing variable [{name}]")
    return assign_from_values(values)


def assign_from_checkpoint_fn(
    model_path: str, var_list: Any, ignore_missing_vars: bool = False,
    reshape_variables: bool = False,
) -> Callable[[Any], Any] | None:
    """A function of a session that restores variables from a checkpoint; None if none is there.

    var_list: variables, or a dict of them by their names in the checkpoint. Raises
    AttributeValueError for an empty one.
    """
    named = _by_name(var_list)
    if not named:
        raise AttributeValueError("var_list cannot be empty")
    if ignore_missing_vars:
        reader = load_checkpoint(model_path)
        named = {name: v for name, v in named.items() if reader.has_tensor(name)}
    if not named:
        return None
    saver = Saver(named, reshape=reshape_variables)
    return lambda session: saver.restore(session, model_path)
