"""Initial values that depend on other variables.

`u = Variable(w * 2)` must be initialisable alone and in any order: each variable that the
initial value reads is replaced by `cond(initialised, value, its own initial value)`, in a copy of
the operations in between. This is what TensorFlow 1 does in `Variable.__init__`.
"""

from __future__ import annotations

from typing import Any

from graphflow.graph import Graph
from graphflow.lowering import Host, Region, State
from graphflow.tensor import Operation, Tensor

_VARIABLES_KEY = ("__variable_of_handle",)


def remember(variable: Any) -> None:
    """Notes which Variable a handle belongs to, in a private collection of its graph."""
    variable.graph.kept(_VARIABLES_KEY, dict)[variable.as_graph_tensor()] = variable


def variable_of(handle: Tensor) -> Any:
    """The Variable that `handle` belongs to, or None (counters of random operations)."""
    found = handle.graph.root.get_collection_ref(_VARIABLES_KEY)
    return found[0].get(handle) if found else None


def guarded(value: Tensor, suffix: str) -> Tensor:
    """`value`, computed from initialised values of the variables that it depends on.

    It is `value` itself if it reads no variable. Copies are named `<operation>_<suffix>`.
    """
    replaced: dict[Tensor, Tensor] = {}
    for operation in _ancestors(value):
        if operation.type == "ReadVariable":
            variable = variable_of(operation.inputs[0])
            if variable is not None:
                replaced[operation.outputs[0]] = variable.initialized_value()
        elif any(t in replaced for t in operation.inputs):
            copy = _copied(operation, replaced, suffix)
            replaced.update(zip(operation.outputs, copy.outputs))
    return replaced.get(value, value)


def _ancestors(value: Tensor) -> list[Operation]:
    """The operations that `value` is computed by, in order, not beyond writes and branches."""
    found: dict[Operation, None] = {}
    pending = [value.op]
    while pending:
        operation = pending.pop()
        if operation in found or _is_barrier(operation):
            continue
        found[operation] = None
        pending.extend(t.op for t in operation.inputs)
    return sorted(found, key=lambda operation: operation.id)


def _is_barrier(operation: Operation) -> bool:
    """True for what must not be copied: writes, effects, branches and loops."""
    lowering = operation.opdef.lowering
    if isinstance(lowering, State):
        return operation.type != "ReadVariable"
    return isinstance(lowering, Region) or (isinstance(lowering, Host) and lowering.effect)


def _copied(operation: Operation, replaced: dict[Tensor, Tensor], suffix: str) -> Operation:
    graph: Graph = operation.graph
    inputs = [replaced.get(t, t) for t in operation.inputs]
    with graph.name_scope(None), graph.built_for(operation.site):
        return graph.add_operation(
            operation.opdef, inputs, operation.attrs,
            f"{operation.name}_{suffix.replace('/', '_')}")
