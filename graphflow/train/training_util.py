"""The global step: the integer variable that counts training steps."""

from __future__ import annotations

from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F
from graphflow.errors import DTypeError, GraphError
from graphflow.graph import Graph, get_default_graph
from graphflow.ops.initial_value import variable_of
from graphflow.ops.variable_scope import get_variable
from graphflow.ops.variables import Variable, VariableAggregation
from graphflow.scopes import GraphKeys
from graphflow.tensor import Tensor


def global_step(sess: Any, global_step_tensor: Any) -> int:
    """The value of the global step in `sess`.

    global_step_tensor: the variable, or its name (`"global_step:0"`).
    """
    return int(sess.run(global_step_tensor))


def get_global_step(graph: Graph | None = None) -> Any:
    """The global step of `graph` (the default graph), or None.

    It is what the collection GLOBAL_STEP holds, else what is named "global_step:0". Raises
    DTypeError (a TypeError) if that is not an integer scalar, GraphError if there are several.
    """
    graph = get_default_graph() if graph is None else graph
    found = graph.get_collection(GraphKeys.GLOBAL_STEP)
    if len(found) > 1:
        names = ", ".join(getattr(v, "name", repr(v)) for v in found)
        raise GraphError(
            f"get_global_step: the collection GLOBAL_STEP must hold one variable, it holds "
            f"{names}."
        )
    if found:
        step = found[0]
    else:
        try:
            tensor = graph.root.get_tensor_by_name(f"{GraphKeys.GLOBAL_STEP}:0")
        except GraphError:
            return None
        step = variable_of(tensor) or tensor
    assert_global_step(step)
    return step


def create_global_step(graph: Graph | None = None) -> Any:
    """A new global step: an int64 scalar variable, zero at first, named "global_step".

    Raises GraphError (a ValueError) if the graph has one.
    """
    graph = get_default_graph() if graph is None else graph
    if get_global_step(graph) is not None:
        raise GraphError('create_global_step: "global_step" already exists. Use '
                         "gf.train.get_or_create_global_step().")
    with graph.as_default(), graph.name_scope(None):
        return get_variable(
            GraphKeys.GLOBAL_STEP, shape=[], dtype=dt.int64, initializer=F.zeros_initializer(),
            trainable=False, aggregation=VariableAggregation.ONLY_FIRST_REPLICA,
            collections=[GraphKeys.GLOBAL_VARIABLES, GraphKeys.GLOBAL_STEP])


def get_or_create_global_step(graph: Graph | None = None) -> Any:
    """The global step of `graph` (the default graph), made if there is none."""
    graph = get_default_graph() if graph is None else graph
    step = get_global_step(graph)
    return create_global_step(graph) if step is None else step


def assert_global_step(global_step_tensor: Any) -> None:
    """Raises DTypeError (a TypeError) if it is not an integer scalar variable or tensor."""
    step = global_step_tensor
    if not isinstance(step, (Variable, Tensor)):
        raise DTypeError(f'Existing "global_step" must be a Variable or Tensor, got {step!r}.')
    if not step.dtype.is_integer:
        raise DTypeError(
            f'Existing "global_step" does not have integer type: {step!r} is {step.dtype.name}.')
    if step.shape.rank != 0 and step.shape.is_fully_defined():
        raise DTypeError(f'Existing "global_step" is not scalar: {step!r}.')
