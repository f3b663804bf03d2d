"""The collections of a graph in files: what stands in them and can be named there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphflow.errors import LoadError
from graphflow.export.graph_reader import tensor_at
from graphflow.export.plain import as_kind, number, shown
from graphflow.graph import Graph
from graphflow.tensor import Operation, Tensor, dereferenced

_PLAIN = (str, bool, int, float)


def write_collections(
    graph: Graph, reference: Callable[[Tensor], list[int]], numbers: Mapping[Operation, int]
) -> dict[str, list[Any]]:
    """Name → items. Objects of Python, and what is not exported, are left out."""
    found: dict[str, list[Any]] = {}
    for name in graph.get_all_collection_keys():
        items = [plain for item in graph.get_collection(name)
                 if (plain := _written(item, reference, numbers)) is not None]
        if items:
            found[name] = items
    return found


def _written(
    item: Any, reference: Callable[[Tensor], list[int]], numbers: Mapping[Operation, int]
) -> list[Any] | None:
    tensor = dereferenced(item)
    if isinstance(tensor, Tensor) and tensor.op in numbers:
        return ["tensor" if tensor is item else "variable", reference(tensor)]
    if isinstance(item, Operation) and item in numbers:
        return ["operation", numbers[item]]
    return ["value", item] if type(item) in _PLAIN else None


def read_collections(
    plain: Any, graph: Graph, built: list[Operation], variables: Mapping[Tensor, Any], where: str
) -> None:
    """Adds the items to the collections of `graph`. Raises LoadError."""
    for name, items in as_kind(plain, dict, where).items():
        place = f"{where} {shown(name)}"
        for item in as_kind(items, list, place):
            graph.add_to_collection(name, _item(item, built, variables, place))


def _item(
    plain: Any, built: list[Operation], variables: Mapping[Tensor, Any], where: str
) -> Any:
    pair = as_kind(plain, list, where)
    kind, content = pair if len(pair) == 2 else (None, None)
    if kind == "operation":
        return built[number(content, where, len(built))]
    if kind == "tensor":
        return tensor_at(content, built, where)
    if kind == "variable":
        handle = tensor_at(content, built, where)
        if handle in variables:
            return variables[handle]
    if kind == "value" and type(content) in _PLAIN:
        return content
    raise LoadError(f"{where}: {shown(plain)} is no item of a collection.")
