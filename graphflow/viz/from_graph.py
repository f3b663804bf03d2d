"""A Graph becomes a View: operations in their name scopes, edges told apart.

Input: operations of one graph, bodies of branches and loops included. Output: a `View`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphflow.graph import Graph
from graphflow.lowering import Region, State
from graphflow.opdef import ConstValue, OpDef
from graphflow.regions import RegionGraph
from graphflow.shapes import TensorShape
from graphflow.tensor import Operation, Tensor
from graphflow.viz.model import (
    CONTROL,
    FORWARD,
    GRADIENT,
    STATE,
    UPDATE,
    Edge,
    Node,
    View,
    shortened,
)
from graphflow.viz.statistics import statistics_of, value_text

MANY_CONTROLS = 8
_LONG_SIZE = 8
_GRADIENT_SCOPE = re.compile(r"^gradients(_\d+)?$|_grad(_\d+)?$")
_KIND_OF_LOWERING = {
    "Pointwise": "pointwise", "Generate": "pointwise", "Reduce": "reduce", "Cumulative": "reduce",
    "Window": "reduce", "View": "move", "Sizes": "move", "Join": "move", "Gather": "move",
    "Scatter": "move", "Contraction": "product", "Composite": "composite", "State": "state",
    "Region": "region", "Library": "composite", "Host": "host",
}
_KIND_OF_LEAF = {"Placeholder": "input", "PlaceholderWithDefault": "input", "Feed": "input",
                 "Argument": "input", "Capture": "input", "Variable": "variable",
                 "StateValue": "variable", "StateFlag": "variable", "Const": "constant",
                 "NoOp": "control"}


def kind_of(opdef: OpDef, attrs: Mapping[str, Any]) -> str:
    """What an op is, for its colour."""
    if attrs.get("handle") is True and not opdef.args:
        return "variable"
    if opdef.name in _KIND_OF_LEAF:
        return _KIND_OF_LEAF[opdef.name]
    return _KIND_OF_LOWERING.get(type(opdef.lowering).__name__, "control")


def type_text(dtype: Any, shape: TensorShape) -> str:
    """`float32 [?, 784]`; sizes that are long expressions are told as `?`."""
    if shape.rank is None:
        return f"{dtype.name} <unknown>"
    sizes = (s if len(s := str(d)) <= _LONG_SIZE else "?" for d in shape.sizes)
    return f"{dtype.name} [{', '.join(sizes)}]"


def graph_view(
    graph: Graph, wanted: Iterable[Operation] | None = None,
    values: Mapping[str, np.ndarray] | None = None, title: str = "Graph",
) -> View:
    """The view of a graph.

    wanted: the operations to draw; all of them if None. values: state key → a variable's value.
    """
    entries = list(_operations(graph, set(wanted or ()), wanted is None, ()))
    number = {operation: k for k, (operation, _) in enumerate(entries)}
    scopes = _own_scopes(entries)
    roles = _roles([operation for operation, _ in entries])
    nodes = tuple(_node(operation, prefix, scopes, values or {}) for operation, prefix in entries)
    return View("graph", title, nodes, tuple(_edges(entries, number, roles)))


def ancestors(targets: Iterable[Operation]) -> set[Operation]:
    """The operations that `targets` need, control inputs included."""
    seen: set[Operation] = set()
    pending = list(targets)
    while pending:
        operation = pending.pop()
        if operation not in seen:
            seen.add(operation)
            pending.extend(t.op for t in operation.inputs)
            pending.extend(operation.control_inputs)
    return seen


def bodies_of(operation: Operation) -> list[tuple[str, Graph]]:
    """The graphs of the branches or the loop body that an operation holds, with their names."""
    if not isinstance(operation.opdef.lowering, Region):
        return []
    return [(key, operation.attrs[key]) for key in operation.opdef.lowering.bodies
            if isinstance(operation.attrs[key], Graph)]


def _operations(
    graph: Graph, wanted: set[Operation], every: bool, prefix: tuple[str, ...]
) -> Iterator[tuple[Operation, tuple[str, ...]]]:
    """(operation, the path of the body that it stands in), bodies behind what holds them."""
    for operation in graph.get_operations():
        if every or operation in wanted:
            yield operation, prefix
            for key, body in bodies_of(operation):
                yield from _operations(
                    body, set(), True, (*prefix, *operation.name.split("/"), key))


def _own_scopes(entries: Sequence[tuple[Operation, tuple[str, ...]]]) -> set[tuple[str, ...]]:
    """Paths that are scopes: an operation of that name stands inside, beside what it contains."""
    found: set[tuple[str, ...]] = set()
    for operation, prefix in entries:
        path = (*prefix, *operation.name.split("/"))
        found.update(path[:k] for k in range(len(prefix) + 1, len(path)))
        if bodies_of(operation):
            found.add(path)
    return found


def _node(
    operation: Operation, prefix: tuple[str, ...], scopes: set[tuple[str, ...]],
    values: Mapping[str, np.ndarray],
) -> Node:
    path = (*prefix, *operation.name.split("/"))
    if path in scopes:
        path = (*path, f"({path[-1]})")
    types = tuple(type_text(t.dtype, t.shape) for t in operation.outputs)
    name = "/".join((*prefix, operation.name))
    array = _value(operation, values)
    return Node(
        path, name, operation.type, kind_of(operation.opdef, operation.attrs), types,
        tuple(_details(operation, array)), str(operation.site) if operation.site else "",
        None if array is None else statistics_of(array), (operation.type, types))


def _value(operation: Operation, values: Mapping[str, np.ndarray]) -> np.ndarray | None:
    held = operation.attrs.get("value")
    if isinstance(held, ConstValue):
        return held.array
    key = operation.attrs.get("shared_name")
    return values.get(key) if isinstance(key, str) and not operation.inputs else None


def _details(operation: Operation, array: np.ndarray | None) -> Iterator[tuple[str, str]]:
    for key, value in operation.attrs.items():
        if isinstance(value, ConstValue):
            yield key, value_text(value.array)
        elif isinstance(value, Graph):
            yield key, f"{len(value.get_operations())} operations"
        elif value is not None:
            yield key, shortened(str(value) if isinstance(value, str) else repr(value), 200)
    if array is not None and not isinstance(operation.attrs.get("value"), ConstValue):
        yield "value", value_text(array)
    if operation.device:
        yield "device", operation.device


# ---- edges --------------------------------------------------------------------------------------


def in_gradient(path: Iterable[str]) -> bool:
    """True for a name in the scopes that `gradients` makes."""
    return any(_GRADIENT_SCOPE.search(part) for part in path)


def _roles(operations: Sequence[Operation]) -> dict[Operation, str]:
    """Forward, gradient or update: an update is what only leads to writes of variables."""
    roles: dict[Operation, str] = {}
    for operation in reversed(operations):
        lowering = operation.opdef.lowering
        users = [c for t in operation.outputs for c in t.consumers()]
        if isinstance(lowering, State) and lowering.writes:
            roles[operation] = UPDATE
        elif in_gradient(operation.name.split("/")):
            roles[operation] = GRADIENT
        elif users and all(roles.get(u) == UPDATE for u in users) and (
                not _is_leaf_state(operation)):
            roles[operation] = UPDATE
        else:
            roles[operation] = FORWARD
    return roles


def _is_leaf_state(operation: Operation) -> bool:
    return any(t.is_handle for t in operation.outputs)


def _edge_kind(tensor: Tensor, user: Operation, roles: Mapping[Operation, str]) -> str:
    if tensor.is_handle:
        return STATE
    ends = (roles.get(tensor.op), roles.get(user))
    return GRADIENT if GRADIENT in ends else UPDATE if UPDATE in ends else FORWARD


def _around_bodies(
    operation: Operation, number: Mapping[Operation, int], roles: Mapping[Operation, str],
) -> Iterator[Edge]:
    """What the bodies of a branch or loop use of the graph around, and what they give."""
    for _, body in bodies_of(operation):
        if not isinstance(body, RegionGraph):
            continue
        for outer, inner in body.captures.items():
            if outer.op in number and inner.op in number:
                yield Edge(number[outer.op], number[inner.op],
                           _edge_kind(outer, operation, roles),
                           type_text(outer.dtype, outer.shape))
        for tensor in dict.fromkeys(body.outputs):
            if tensor.op in number:
                yield Edge(number[tensor.op], number[operation],
                           _edge_kind(tensor, operation, roles),
                           type_text(tensor.dtype, tensor.shape))


def _edges(
    entries: Sequence[tuple[Operation, tuple[str, ...]]], number: Mapping[Operation, int],
    roles: Mapping[Operation, str],
) -> Iterator[Edge]:
    drawn = Counter(c for o, _ in entries for c in o.control_inputs if c in number)
    for operation, _ in entries:
        target = number[operation]
        for tensor in dict.fromkeys(operation.inputs):
            if tensor.op in number:
                yield Edge(number[tensor.op], target, _edge_kind(tensor, operation, roles),
                           type_text(tensor.dtype, tensor.shape))
        yield from _around_bodies(operation, number, roles)
        sources = [c for c in operation.control_inputs if c in number]
        for source in sources:
            yield Edge(number[source], target, CONTROL, "",
                       max(len(sources), drawn[source]) >= MANY_CONTROLS)
