"""From what the user has to a `Picture`: graph, session, fetches, explanation."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from graphflow.defaults import get_default_session
from graphflow.errors import AttributeValueError, FetchError
from graphflow.export.reader import LoadedGraph
from graphflow.graph import Graph, get_default_graph
from graphflow.runtime.explain import Explanation
from graphflow.runtime.fetch import FetchPlan
from graphflow.session import BaseSession, Session
from graphflow.tensor import Operation, Tensor, dereferenced
from graphflow.viz.drawing import Scene
from graphflow.viz.from_graph import ancestors, graph_view
from graphflow.viz.from_kernels import kernels_view
from graphflow.viz.from_passes import passes_view
from graphflow.viz.model import View
from graphflow.viz.picture import Picture
from graphflow.viz.profile import timings


def picture_of(
    what: Any, fetches: Any, feed_dict: Any, expand: int | str | Collection[str] | None,
    fold: bool, profile: Any, title: str | None,
) -> Picture:
    """The picture; see `gf.viz`."""
    times = timings(profile)
    if isinstance(what, Explanation):
        views = [passes_view(what), kernels_view(what, times)]
        return _picture(title or "Program", views, fold, what, expand)
    graph, session, fetches = _resolved(what, fetches)
    plan = FetchPlan(graph, fetches) if fetches is not None else None
    wanted = None
    if plan is not None:
        wanted = ancestors([t.op for t in plan.tensors] + list(plan.operations))
    views = [graph_view(graph, wanted, _values(session, graph))]
    explained = None
    if plan is not None and (feed_dict is not None or isinstance(what, BaseSession)):
        explained = (session or Session(graph=graph)).explain(fetches, feed_dict)
        views += [passes_view(explained), kernels_view(explained, times)]
    elif feed_dict is not None or profile is not None:
        raise AttributeValueError(
            "viz: feed_dict and profile belong to a run; say which by fetches=… .")
    return _picture(title or "Graph", views, fold, explained, expand)


def _picture(
    title: str, views: list[View], fold: bool, explained: Explanation | None,
    expand: int | str | Collection[str] | None,
) -> Picture:
    return Picture(
        title, {v.key: Scene.of(v, fold and v.key == "graph") for v in views},
        None if explained is None else explained.memory, expand)


def _resolved(what: Any, fetches: Any) -> tuple[Graph, BaseSession | None, Any]:
    """The graph, the session whose values are told, the fetches."""
    if isinstance(what, BaseSession):
        return what.graph, what, fetches
    if isinstance(what, LoadedGraph):
        return what.graph, what.session(), fetches
    if what is None and fetches is None:
        what = get_default_graph()
    graph = what if isinstance(what, Graph) else None
    if graph is None and not isinstance(what, (Tensor, Operation)):
        held = getattr(what, "graph", None)
        graph = held if isinstance(held, Graph) and not hasattr(what, "as_graph_tensor") else None
    if graph is None:
        if what is not None and fetches is not None:
            raise AttributeValueError(
                f"viz: with fetches=…, the first argument is a graph or a session, got {what!r}.")
        fetches = what if fetches is None else fetches
        graph = _graph_of(fetches)
    session = get_default_session()
    return graph, session if session is not None and session.graph is graph else None, fetches


def _graph_of(fetches: Any) -> Graph:
    """The graph of what is fetched; the default graph for names."""
    for leaf in _leaves(fetches):
        leaf = dereferenced(leaf)
        if isinstance(leaf, (Tensor, Operation)):
            return leaf.graph
        if not isinstance(leaf, str):
            raise FetchError(
                f"viz: expected a graph, a session, or fetches (tensors, operations, names), got "
                f"{leaf!r} ({type(leaf).__name__}).")
    return get_default_graph()


def _leaves(nest: Any) -> Iterator[Any]:
    if isinstance(nest, Mapping):
        for value in nest.values():
            yield from _leaves(value)
    elif isinstance(nest, (list, tuple)):
        for value in nest:
            yield from _leaves(value)
    else:
        yield nest


def _values(session: BaseSession | None, graph: Graph) -> dict[str, np.ndarray]:
    """The values of variables that the session has."""
    if session is None or session.graph is not graph:
        return {}
    held = session.store.read(dict.fromkeys(session.store.keys()))
    return {key: array for key, array in held.items() if array is not None}
