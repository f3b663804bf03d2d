"""TensorFlow 1's functions over the current graph: scopes, collections, seeds.

Each is a short form of a method of the default graph. `init_scope` is the one with a meaning of
its own: it leaves control-flow bodies and control dependencies, so that what is built inside
can run before everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from graphflow.errors import DTypeError, GraphError
from graphflow.graph import Graph, get_default_graph
from graphflow.tensor import Operation, Tensor, dereferenced

DEFAULT_GRAPH_SEED = 87654321
_SEED_MODULUS = 2**31 - 1
_SEED_COUNT_KEY = ("__seed_count",)


def graph_of(values: Iterable[Any] | None) -> Graph:
    """The graph that the tensors, variables and operations among `values` belong to.

    The default graph if there are none, or if it is the body of a loop or conditional of that
    graph. Raises GraphError if two of them belong to different graphs.
    """
    default = get_default_graph()
    first: Any = None
    for value in values or ():
        element = _element(value)
        if element is None:
            continue
        if first is None:
            first = element
        elif element.graph.root is not first.graph.root:
            raise GraphError(f"{element!r} must be from the same graph as {first!r}.")
    if first is None or default.root is first.graph.root:
        return default
    return first.graph


def _element(value: Any) -> Tensor | Operation | None:
    value = dereferenced(value)
    if hasattr(value, "map_dense"):
        value = value.values
    return value if isinstance(value, (Tensor, Operation)) else None


class name_scope:
    """Context manager: operations made inside are named under `name`, made unique.

    `with name_scope(name, "my_op", [x, y]) as scope:` uses `default_name` if `name` is None, and
    the graph of `values`. Yields the scope with a slash at its end, which given as a name means
    exactly this scope. `name_scope(None)` and `name_scope("")` go to the root.

    Raises GraphError (a ValueError) if `values` come from several graphs, or if values are given
    but neither name is; DTypeError (a TypeError) if `default_name` is not a string.
    """

    def __init__(
        self, name: str | None, default_name: str | None = None,
        values: Sequence[Any] | None = None,
    ) -> None:
        if default_name is not None and not isinstance(default_name, str):
            raise DTypeError(
                f"name_scope: default_name must be a string, got {default_name!r}. Did you mean "
                "values=…?"
            )
        if name is None and default_name is None and values is not None:
            raise GraphError("name_scope: give a name or a default_name.")
        self._name = default_name if name is None else name
        self._values = values
        self._entered: list[ExitStack] = []

    @property
    def name(self) -> str | None:
        """The name that was asked for."""
        return self._name

    def __enter__(self) -> str:
        graph = graph_of(self._values)
        with ExitStack() as stack:
            if graph is not get_default_graph():
                stack.enter_context(graph.as_default())
            scope = stack.enter_context(graph.name_scope(self._name))
            self._entered.append(stack.pop_all())
        return scope

    def __exit__(self, *exc: Any) -> None:
        self._entered.pop().__exit__(*exc)


@contextmanager
def op_scope(
    values: Sequence[Any] | None, name: str | None, default_name: str | None = None
) -> Iterator[str]:
    """`name_scope(name, default_name, values)` in its older order of arguments."""
    with name_scope(name, default_name, values) as scope:
        yield scope


@contextmanager
def init_scope() -> Iterator[None]:
    """Leaves control-flow bodies and control dependencies, and keeps the name scope.

    What is built inside depends on nothing that is in force outside: variables and their
    initialisers are built so.
    """
    graph = get_default_graph()
    root, scope = graph.root, graph.get_name_scope()
    with ExitStack() as stack:
        if root is not graph:
            stack.enter_context(root.as_default())
        stack.enter_context(root.name_scope(f"{scope}/" if scope else None))
        stack.enter_context(root.fresh_scopes())
        yield


def control_dependencies(control_inputs: Sequence[Any] | None) -> Any:
    """Context manager: operations made inside run after `control_inputs` (None forgets all).

    Raises DTypeError for what is neither an operation, a tensor nor a variable.
    """
    return get_default_graph().control_dependencies(control_inputs)


def device(device_name_or_function: Any) -> Any:
    """Context manager: operations made inside carry the device string."""
    return get_default_graph().device(device_name_or_function)


@contextmanager
def colocate_with(op: Any, ignore_existing: bool = False) -> Iterator[None]:
    """Accepted for TensorFlow's sake: a session runs on one device, so it has no effect."""
    yield


@contextmanager
def container(container_name: str) -> Iterator[str]:
    """Accepted for TensorFlow's sake: each session holds its own state, so it has no effect."""
    yield container_name


def add_to_collection(name: Any, value: Any) -> None:
    """Appends `value` to the collection `name` of the default graph."""
    get_default_graph().add_to_collection(name, value)


def add_to_collections(names: Any, value: Any) -> None:
    """Appends `value` to each collection of `names` (one name or several)."""
    get_default_graph().add_to_collections(names, value)


def get_collection(key: Any, scope: str | None = None) -> list[Any]:
    """A copy of the collection `key`; with `scope`, the items whose name it (a regex) matches."""
    return get_default_graph().get_collection(key, scope)


def get_collection_ref(key: Any) -> list[Any]:
    """The collection itself: changing the list changes the collection."""
    return get_default_graph().get_collection_ref(key)


def set_random_seed(seed: int | None) -> None:
    """Sets the seed of the default graph: from here on its random operations are repeatable."""
    get_default_graph().root.seed = seed


def get_seed(op_seed: int | None) -> tuple[int | None, int | None]:
    """The pair of seeds of a random operation, from the graph's seed and its own.

    Neither set: (None, None), a fresh start in each session. Only the graph's: the operation's
    is the number of earlier such calls. Only the operation's: the graph's is 87654321. This is
    TensorFlow's rule; seeds are taken modulo 2³¹ − 1, and (0, 0) becomes (0, 2³¹ − 1).
    """
    root = get_default_graph().root
    graph_seed = root.seed
    if graph_seed is None and op_seed is None:
        return None, None
    if graph_seed is None:
        graph_seed = DEFAULT_GRAPH_SEED
    elif op_seed is None:
        op_seed = _next_seed(root)
    seeds = int(graph_seed) % _SEED_MODULUS, int(op_seed or 0) % _SEED_MODULUS
    return seeds if seeds != (0, 0) else (0, _SEED_MODULUS)


def seed_count(graph: Graph) -> int:
    """How many random operations took their seed from the graph's so far."""
    counter = graph.root.get_collection(_SEED_COUNT_KEY)
    return counter[0] if counter else 0


def set_seed_count(graph: Graph, number: int) -> None:
    """Makes the next random operation take the seed that follows `number` others."""
    graph.root.get_collection_ref(_SEED_COUNT_KEY)[:] = [number] if number else []


def _next_seed(root: Graph) -> int:
    """How often this was called for the graph; kept in a private collection."""
    with root._lock:
        counter = root.get_collection_ref(_SEED_COUNT_KEY)
        number = counter[0] if counter else 0
        counter[:] = [number + 1]
    return number
