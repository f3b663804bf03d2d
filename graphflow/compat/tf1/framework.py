"""`tf.contrib.framework`: `arg_scope`, and variables that join the model's collection."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from graphflow import nest
from graphflow.compat.tf1.restoring import (
    assign_from_checkpoint,
    assign_from_checkpoint_fn,
    assign_from_values,
    assign_from_values_fn,
    get_variables_to_restore,
)
from graphflow.errors import AttributeValueError
from graphflow.graph import get_default_graph
from graphflow.ops.sorting import argsort, sort
from graphflow.ops.static_facts import is_tensor
from graphflow.ops.variable_scope import VariableScope, get_variable
from graphflow.ops.variables import Variable
from graphflow.scopes import GraphKeys
from graphflow.train.checkpoint_reader import list_variables, load_checkpoint, load_variable
from graphflow.train.training_util import (
    assert_global_step,
    create_global_step,
    get_global_step,
    get_or_create_global_step,
)

_scopes: list[dict[Any, dict[str, Any]]] = [{}]


def add_arg_scope(func: Callable[..., Any]) -> Callable[..., Any]:
    """Makes `func` take defaults from the `arg_scope` around a call."""
    @functools.wraps(func)
    def with_scope(*args: Any, **named: Any) -> Any:
        return func(*args, **{**_scopes[-1].get(func, {}), **named})

    return with_scope


@contextmanager
def arg_scope(
    list_ops_or_scope: Any, **named: Any
) -> Iterator[dict[Any, dict[str, Any]]]:
    """Inside, the functions (marked by `add_arg_scope`) have these defaults for their arguments.

    list_ops_or_scope: functions, or what another `arg_scope` gave `as`.
    Raises ValueError for a function that is not marked.
    """
    if isinstance(list_ops_or_scope, dict):
        if named:
            raise ValueError("arg_scope: an existing scope takes no further arguments.")
        current = list_ops_or_scope
    else:
        current = dict(_scopes[-1])
        for func in list_ops_or_scope:
            key = getattr(func, "__wrapped__", None)
            if key is None:
                raise ValueError(f"{func} is not decorated with @add_arg_scope")
            current[key] = {**current.get(key, {}), **named}
    _scopes.append(current)
    try:
        yield current
    finally:
        _scopes.pop()


def current_arg_scope() -> dict[Any, dict[str, Any]]:
    """The defaults in force: by function, by argument."""
    return _scopes[-1]


def has_arg_scope(func: Any) -> bool:
    """True if `arg_scope` can give the function defaults."""
    return callable(func) and hasattr(func, "__wrapped__")


@add_arg_scope
def model_variable(
    name: str, shape: Any = None, dtype: Any = None, initializer: Any = None,
    regularizer: Any = None, trainable: bool = True, collections: Sequence[str] | None = None,
    **accepted: Any,
) -> Any:
    """`get_variable`, and the variable joins MODEL_VARIABLES."""
    keys = [*(collections or [GraphKeys.GLOBAL_VARIABLES]), GraphKeys.MODEL_VARIABLES]
    return get_variable(name, shape, dtype, initializer, regularizer, trainable, keys)


@add_arg_scope
def variable(
    name: str, shape: Any = None, dtype: Any = None, initializer: Any = None,
    regularizer: Any = None, trainable: bool = True, collections: Sequence[str] | None = None,
    **accepted: Any,
) -> Any:
    """`get_variable`."""
    return get_variable(name, shape, dtype, initializer, regularizer, trainable, collections)


def get_variables(
    scope: Any = None, suffix: str | None = None, collection: str = GraphKeys.GLOBAL_VARIABLES
) -> list[Any]:
    """The variables of a collection, of a scope and with an end of the name if given."""
    prefix = scope.name if isinstance(scope, VariableScope) else scope
    found = get_default_graph().get_collection(collection, prefix)
    return [v for v in found if suffix is None or v.op.name.endswith(suffix)]


def get_trainable_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """The trainable variables, of a scope and with an end of the name if given."""
    return get_variables(scope, suffix, GraphKeys.TRAINABLE_VARIABLES)


def get_model_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """The variables of the model, of a scope and with an end of the name if given."""
    return get_variables(scope, suffix, GraphKeys.MODEL_VARIABLES)


def local_variable(
    initial_value: Any, validate_shape: bool = True, name: str | None = None,
    use_resource: Any = None,
) -> Any:
    """A variable in LOCAL_VARIABLES, which is neither trained nor saved."""
    return Variable(initial_value, trainable=False, validate_shape=validate_shape, name=name,
                    collections=[GraphKeys.LOCAL_VARIABLES])


def get_local_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """The local variables, of a scope and with an end of the name if given."""
    return get_variables(scope, suffix, GraphKeys.LOCAL_VARIABLES)


def get_variables_by_suffix(suffix: str, scope: Any = None) -> list[Any]:
    """The global variables whose names end like that."""
    return get_variables(scope, suffix)


def get_variables_by_name(given_name: str, scope: Any = None) -> list[Any]:
    """The global variables of this name, in whatever scope below `scope`."""
    return [v for v in get_variables(scope) if v.op.name == given_name
            or v.op.name.endswith("/" + given_name)]


def get_unique_variable(var_op_name: str) -> Any:
    """The global variable of this name. Raises AttributeValueError if there is none."""
    for variable in get_variables(var_op_name):
        if variable.op.name == var_op_name:
            return variable
    raise AttributeValueError(f"Variable {var_op_name} does not match any variable.")


__all__ = [
    "add_arg_scope", "arg_scope", "argsort", "assert_global_step", "assign_from_checkpoint",
    "assign_from_checkpoint_fn", "assign_from_values", "assign_from_values_fn",
    "create_global_step", "current_arg_scope", "get_global_step", "get_local_variables",
    "get_model_variables", "get_or_create_global_step", "get_trainable_variables",
    "get_unique_variable", "get_variables", "get_variables_by_name", "get_variables_by_suffix",
    "get_variables_to_restore", "has_arg_scope", "is_tensor", "list_variables",
    "load_checkpoint", "load_variable", "local_variable", "model_variable", "nest", "sort",
    "variable",
]
