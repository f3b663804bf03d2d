"""Fetches: any nest of tensors, operations, names becomes a flat list, and back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from graphflow.errors import FetchError, GraphError, GraphflowError
from graphflow.graph import Graph
from graphflow.indexed_slices import IndexedSlices
from graphflow.sparse_tensor import SparseTensor, SparseTensorValue
from graphflow.tensor import Operation, Tensor


class IndexedSlicesValue(NamedTuple):
    """The value of a fetched `IndexedSlices`."""

    values: Any
    indices: Any
    dense_shape: Any


# list, tuple or None for a single fetch; and the fetches, each with its number among the
# tensors, or -1 for an operation.
FlatForm = tuple[type | None, list[tuple[Any, int]]]


class FetchPlan:
    """The flat form of a nest of fetches.

    Attributes:
      tensors: distinct tensors whose values are wanted.
      operations: distinct operations that are run for their effect.
    """

    def __init__(self, graph: Graph, fetches: Any) -> None:
        self._graph = graph
        self._numbers: dict[Tensor, int] = {}
        self.operations: list[Operation] = []
        self._rebuild = self._plan(fetches)

    @property
    def tensors(self) -> list[Tensor]:
        return list(self._numbers)

    def rebuild(self, values: list[Any]) -> Any:
        """The nest, with values in place of tensors and None in place of operations."""
        return self._rebuild(values)

    def form(self, fetches: Any) -> FlatForm | None:
        """The form of fetches that are one element, or a list or tuple of elements."""
        kind = type(fetches) if type(fetches) is list or type(fetches) is tuple else None
        picks = []
        for fetch in fetches if kind else (fetches,):
            try:
                element = self._graph.as_graph_element(fetch)
            except GraphflowError:
                return None
            picks.append((fetch, self._numbers.get(element, -1)))
        return kind, picks

    def _plan(self, fetch: Any) -> Callable[[list[Any]], Any]:
        if fetch is None:
            return lambda values: None
        if isinstance(fetch, IndexedSlices):
            parts = [self._plan(p) for p in (fetch.values, fetch.indices, fetch.dense_shape)]
            return lambda values: IndexedSlicesValue(*(p(values) for p in parts))
        if isinstance(fetch, SparseTensor):
            parts = [self._plan(p) for p in (fetch.indices, fetch.values, fetch.dense_shape)]
            return lambda values: SparseTensorValue(*(p(values) for p in parts))
        if isinstance(fetch, Mapping):
            entries = {k: self._plan(v) for k, v in fetch.items()}
            kind = type(fetch)
            make = dict if kind is dict else _mapping_maker(fetch)
            return lambda values: make({k: p(values) for k, p in entries.items()})
        if isinstance(fetch, (list, tuple)):
            parts = [self._plan(p) for p in fetch]
            if hasattr(fetch, "_fields"):
                named = type(fetch)
                return lambda values: named(*(p(values) for p in parts))
            sequence = type(fetch)
            return lambda values: sequence(p(values) for p in parts)
        return self._plan_element(fetch)

    def _plan_element(self, fetch: Any) -> Callable[[list[Any]], Any]:
        try:
            element = self._graph.as_graph_element(fetch)
        except GraphError as error:
            raise FetchError(f"Session.run: cannot fetch {fetch!r}. {error}") from None
        except GraphflowError:
            raise FetchError(
                f"Session.run: cannot fetch {fetch!r} of type {type(fetch).__name__}. Fetches are "
                "tensors, operations, variables, their names, or lists, tuples and dicts of them."
            ) from None
        if not self._graph.is_fetchable(element):
            raise FetchError(
                f"Session.run: {element!r} may not be fetched (Graph.prevent_fetching).")
        if isinstance(element, Operation):
            if element not in self.operations:
                self.operations.append(element)
            return lambda values: None
        number = self._numbers.setdefault(element, len(self._numbers))
        return lambda values: values[number]


def _mapping_maker(example: Mapping) -> Callable[[dict], Any]:
    kind: Any = type(example)
    if isinstance(example, defaultdict):
        factory = example.default_factory
        return lambda items: kind(factory, items)
    return kind
