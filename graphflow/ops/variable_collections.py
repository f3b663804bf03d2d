"""The variables of a graph: listed by collection, initialised together, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, current
from graphflow.dims import fresh
from graphflow.errors import FailedPreconditionError
from graphflow.graph import get_default_graph
from graphflow.lowering import Host
from graphflow.opdef import Attr, Infer, NotDifferentiable, RunError, Sample, TensorType
from graphflow.ops.declare import declare
from graphflow.ops.state import is_variable_initialized
from graphflow.scopes import GraphKeys
from graphflow.shapes import TensorShape
from graphflow.tensor import Operation, Tensor


def global_variables(scope: str | None = None) -> list[Any]:
    """The variables that sessions share (GLOBAL_VARIABLES), in order of creation.

    scope: a regex; only variables whose name begins with a match.
    """
    return get_default_graph().get_collection(GraphKeys.GLOBAL_VARIABLES, scope)


def local_variables(scope: str | None = None) -> list[Any]:
    """The variables of LOCAL_VARIABLES, which checkpoints leave out; see `global_variables`."""
    return get_default_graph().get_collection(GraphKeys.LOCAL_VARIABLES, scope)


def trainable_variables(scope: str | None = None) -> list[Any]:
    """The variables that optimizers change by default; see `global_variables`."""
    return get_default_graph().get_collection(GraphKeys.TRAINABLE_VARIABLES, scope)


def model_variables(scope: str | None = None) -> list[Any]:
    """The variables of MODEL_VARIABLES; see `global_variables`."""
    return get_default_graph().get_collection(GraphKeys.MODEL_VARIABLES, scope)


def moving_average_variables(scope: str | None = None) -> list[Any]:
    """The variables of which moving averages are kept; see `global_variables`."""
    return get_default_graph().get_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, scope)


def all_variables() -> list[Any]:
    """The older name of `global_variables()`."""
    return global_variables()


def variables_initializer(var_list: Sequence[Any], name: str = "init") -> Operation:
    """An operation that runs the initialisers of `var_list`."""
    if not var_list:
        return F.no_op(name=name)
    return F.group(*[v.initializer for v in var_list], name=name)


def initialize_variables(var_list: Sequence[Any], name: str = "init") -> Operation:
    """The older name of `variables_initializer`."""
    return variables_initializer(var_list, name)


def global_variables_initializer() -> Operation:
    """An operation that initialises all global variables that exist now."""
    return variables_initializer(global_variables())


def initialize_all_variables() -> Operation:
    """The older name of `global_variables_initializer`."""
    return global_variables_initializer()


def local_variables_initializer() -> Operation:
    """An operation that initialises all local variables that exist now."""
    return variables_initializer(local_variables())


def initialize_local_variables() -> Operation:
    """The older name of `local_variables_initializer`."""
    return local_variables_initializer()


def _unset_names(*flags: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    missing = [n.encode() for n, flag in zip(names, flags) if not flag]
    return np.array(missing, object).reshape(len(missing))


def _unset_type(c: Infer) -> list[TensorType]:
    return [TensorType(dt.string, TensorShape.of([fresh()]))]


def _flags() -> list[Sample]:
    flags = (np.array(True), np.array(False), np.array(False))
    return [Sample(flags, {"names": ("a", "b", "c")}), Sample(flags[:1], {"names": ("a",)})]


UNINITIALIZED_NAMES = declare(
    "UninitializedNames", "flags: *bool", attrs={"names": Attr("strs")}, infer=_unset_type,
    reference=_unset_names, grad=NotDifferentiable("names"), lowering=Host(effect=False),
    samples=_flags)


def _require_set(*flags: np.ndarray, names: tuple[str, ...]) -> tuple:
    missing = [n for n, flag in zip(names, flags) if not flag]
    if missing:
        raise RunError(
            FailedPreconditionError, f"uninitialized variables: {', '.join(missing)}",
            "Run global_variables_initializer() or restore a checkpoint first.")
    return ()


ASSERT_INITIALIZED = declare(
    "AssertVariablesInitialized", "flags: *bool", attrs={"names": Attr("strs")},
    infer=lambda c: [], reference=_require_set, grad=NotDifferentiable("a check"),
    lowering=Host(effect=True),
    samples=lambda: [Sample((np.array(True),) * 2, {"names": ("a", "b")})])


def report_uninitialized_variables(
    var_list: Sequence[Any] | None = None, name: str = "report_uninitialized_variables"
) -> Tensor:
    """A string vector: the names of the variables that have no value yet.

    var_list: all global and local variables by default.
    """
    variables = global_variables() + local_variables() if var_list is None else list(var_list)
    with get_default_graph().name_scope(name):
        if not variables:
            return F.constant([], dtype=dt.string)
        return apply(UNINITIALIZED_NAMES, [is_variable_initialized(v) for v in variables],
                     {"names": tuple(v.op.name for v in variables)})


def assert_variables_initialized(var_list: Sequence[Any] | None = None) -> Operation | None:
    """An operation that raises FailedPreconditionError if a variable has no value yet.

    var_list: all global and local variables by default. None if there are no variables.
    """
    variables = global_variables() + local_variables() if var_list is None else list(var_list)
    if not variables:
        return None
    graph: Any = current()
    return graph.add_operation(
        ASSERT_INITIALIZED, [is_variable_initialized(v) for v in variables],
        {"names": tuple(v.op.name for v in variables)})
