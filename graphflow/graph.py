"""`Graph`: an append-only list of Operations with names, scopes, collections; the default one.

The creation order of operations is a topological order, and it is the order in which a run
carries out what no edge orders: programs are deterministic. Building is thread-safe, linear, and
never recurses on the depth of the graph.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from graphflow import builder
from graphflow.builder import Builder
from graphflow.conversion import as_tensor, convert_inputs
from graphflow.defaults import default_graphs, get_default_session
from graphflow.errors import (
    ClosedSessionError,
    DTypeError,
    FinalizedGraphError,
    GraphError,
)
from graphflow.lowering import State
from graphflow.opdef import (
    Infer,
    OpDef,
    TensorType,
    check_dtypes,
    lookup,
    resolve_attrs,
    symbolic_outputs,
)
from graphflow.scopes import GraphScopes
from graphflow.sites import Site, user_site
from graphflow.tensor import Operation, Tensor, dereferenced

_VALID_NAME = re.compile(r"^[A-Za-z0-9.][A-Za-z0-9_.\-/>]*$")


class Graph(GraphScopes, Builder):
    """A graph of operations, in the form of `tf.Graph`.

    `with graph.as_default():` makes it the graph that new operations join.
    """

    outer: Graph | None = None

    def __init__(self) -> None:
        super().__init__()
        self._operations: list[Operation] = []
        self._by_name: dict[str, Operation] = {}
        self._finalized = False
        self._reads: dict[Tensor, tuple[int, Tensor]] = {}
        self._writes: dict[Tensor, int] = {}
        self._site: Site | None = None
        self._unfeedable: set[Tensor] = set()
        self._unfetchable: set[Operation] = set()

    @property
    def root(self) -> Graph:
        """The graph that holds variables and collections: itself, unless it is a region."""
        return self

    def is_inside(self, graph: Graph) -> bool:
        """True if this graph is `graph` or a region (of a region …) of it."""
        inner: Graph | None = self
        while inner is not None:
            if inner is graph:
                return True
            inner = inner.outer
        return False

    def __repr__(self) -> str:
        return f"<gf.{type(self).__name__} with {len(self._operations)} operations>"

    # ---- inspection -------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """The number of operations."""
        return len(self._operations)

    @property
    def finalized(self) -> bool:
        """True once `finalize()` was called."""
        return self._finalized

    def finalize(self) -> None:
        """From here on, adding an operation raises FinalizedGraphError (a RuntimeError)."""
        self._finalized = True

    def get_operations(self) -> list[Operation]:
        """All operations in creation order."""
        return list(self._operations)

    def get_operation_by_name(self, name: str) -> Operation:
        """The operation `name`. Raises UnknownNameError (a KeyError and ValueError)."""
        if not isinstance(name, str):
            raise DTypeError(f"Operation names are strings, got {type(name).__name__}.")
        operation = self._by_name.get(name)
        if operation is None:
            raise _no_such_name("operation", name, self._by_name)
        return operation

    def get_tensor_by_name(self, name: str) -> Tensor:
        """The tensor `"operation:index"`. Raises DTypeError or GraphError."""
        if not isinstance(name, str):
            raise DTypeError(f"Tensor names are strings, got {type(name).__name__}.")
        operation_name, colon, index = name.rpartition(":")
        if not colon or not index.isdigit():
            raise GraphError(
                f"Tensor names have the form '<operation>:<output>', got {name!r}. "
                f"Did you mean '{name}:0'?"
            )
        operation = self.get_operation_by_name(operation_name)
        if int(index) >= len(operation.outputs):
            raise UnknownNameError(
                f"{operation.type} '{operation.name}' has {len(operation.outputs)} outputs, so "
                f"there is no tensor {name!r}."
            )
        return operation.outputs[int(index)]

    def as_graph_element(
        self, obj: Any, allow_tensor: bool = True, allow_operation: bool = True
    ) -> Any:
        """The Tensor or Operation that `obj` (one of these, a variable, or a name) stands for."""
        obj = dereferenced(obj)
        if isinstance(obj, str):
            if ":" in obj and allow_tensor:
                return self.get_tensor_by_name(obj)
            if allow_operation:
                return self.get_operation_by_name(obj)
            return self.get_tensor_by_name(obj)
        if isinstance(obj, Tensor) and allow_tensor or (
            isinstance(obj, Operation) and allow_operation
        ):
            if obj.graph is not self:
                raise GraphError(self._why_foreign(obj))
            return obj
        wanted = " or ".join(
            w for w, on in (("a Tensor", allow_tensor), ("an Operation", allow_operation)) if on)
        raise DTypeError(f"{obj!r} ({type(obj).__name__}) cannot be used as {wanted}.")

    def _why_foreign(self, obj: Tensor | Operation) -> str:
        if obj.graph.root is self:
            return (
                f"{obj!r} was made inside a branch of cond or the body of while_loop and has no "
                "value outside. Return it from there and use the result of cond / while_loop."
            )
        return (
            f"{obj!r} belongs to another graph. A session runs one graph: the one that was the "
            "default when it was made, or Session(graph=g)."
        )

    def is_feedable(self, tensor: Tensor) -> bool:
        """True unless `prevent_feeding` was called: any tensor can be fed."""
        return tensor not in self._unfeedable

    def is_fetchable(self, tensor_or_op: Tensor | Operation) -> bool:
        """True unless `prevent_fetching` was called for the operation."""
        operation = tensor_or_op.op if isinstance(tensor_or_op, Tensor) else tensor_or_op
        return operation not in self._unfetchable

    def prevent_feeding(self, tensor: Tensor) -> None:
        """From here on, feeding `tensor` is a FeedError."""
        self._unfeedable.add(tensor)

    def prevent_fetching(self, op: Operation) -> None:
        """From here on, fetching the operation or one of its outputs is a FetchError."""
        self._unfetchable.add(op)

    def as_graph_def(self, from_version: Any = None, add_shapes: bool = False) -> Any:
        """The operations as a value, for `import_graph_def`.

        `from_version` and `add_shapes` are accepted for TensorFlow's sake.
        """
        return builder.F.graph_def_of(self)

    # ---- building ---------------------------------------------------------------------------

    def as_default(self) -> Any:
        """Context manager that makes this the default graph of the thread."""
        return default_graphs.entering(self)

    def apply(
        self,
        opdef: OpDef,
        inputs: Sequence[Any],
        attrs: dict[str, Any],
        *,
        name: str | None = None,
        default_name: str | None = None,
    ) -> tuple[Tensor, ...]:
        """Adds one operation; gives its outputs. See `Builder.apply`."""
        return self.add_operation(opdef, inputs, attrs, name or default_name).outputs

    def add_operation(
        self, opdef: OpDef, inputs: Sequence[Any], attrs: dict[str, Any], name: str | None = None
    ) -> Operation:
        """Adds one operation, its inputs converted by the schema, its types inferred.

        Raises ShapeError, DTypeError or AttributeValueError, worded with op, shapes and site.
        """
        with self._lock:
            if self._finalized:
                raise FinalizedGraphError(
                    "The graph is finalized and cannot be changed. Build all operations before "
                    "graph.finalize() (a training loop should only call Session.run)."
                )
            full_name = self._name_for(name or opdef.name)
            site = self._site or user_site()
            text = str(site) if site else None
            tensors = convert_inputs(self, opdef, inputs, full_name, text)
            attrs = _with_own_sizes(opdef, resolve_attrs(opdef, attrs, full_name, text))
            types = [TensorType(t.dtype, t.shape) for t in tensors]
            check_dtypes(opdef, types, full_name, text)
            c = Infer(opdef, types, attrs, [t._symbolic for t in tensors], full_name, text)
            out_types = opdef.infer(c)
            operation = Operation(
                self, opdef, tuple(tensors), attrs, self._current_controls(tensors), full_name,
                self.current_device(), site, len(self._operations))
            operation.gradient_override = self._scopes.gradient_rules.get(opdef.name)
            values = symbolic_outputs(c, out_types)
            operation.outputs = tuple(
                Tensor(operation, i, t.dtype, t.shape, v)
                for i, (t, v) in enumerate(zip(out_types, values)))
            self._append(operation)
            return operation

    def _append(self, operation: Operation) -> None:
        self._operations.append(operation)
        self._by_name[operation.name] = operation
        for tensor in operation.inputs:
            if tensor._consumers is None:
                tensor._consumers = []
            tensor._consumers.append(operation)
            if tensor.is_handle and not is_read(operation):
                self._writes[tensor] = self._writes.get(tensor, 0) + 1

    def _name_for(self, name: str) -> str:
        if not _VALID_NAME.match(name):
            raise GraphError(
                f"{name!r} is not a valid operation name: use letters, digits and . _ - /, not "
                "starting with one of _ - /."
            )
        if not name.endswith("/"):
            return self.unique_name(name)
        if name[:-1] in self._by_name:
            raise GraphError(f"The graph already has an operation named {name[:-1]!r}.")
        return name[:-1]

    @contextmanager
    def built_for(self, site: Site | None) -> Iterator[None]:
        """Operations made inside carry `site` (gradients carry the line of what they derive)."""
        outer, self._site = self._site, site
        try:
            yield
        finally:
            self._site = outer

    # ---- conversion -------------------------------------------------------------------------

    def convert(self, value: Any, dtype: Any = None, name: str | None = None) -> Tensor:
        """`value` as a tensor of this graph: a tensor, variable, number, string, array, list.

        Raises DTypeError if it cannot be one, or if it is a tensor of another type than `dtype`.
        """
        return as_tensor(self, value, dtype, name)

    def iterations(self) -> list[Tensor]:
        """The iteration numbers of the loops around this graph, outermost first."""
        return []

    def own(self, tensor: Tensor) -> Tensor:
        """`tensor`, which must belong to this graph. Raises GraphError otherwise."""
        if tensor.graph is not self:
            raise GraphError(
                self._why_foreign(tensor) if tensor.graph.root is self else
                f"{tensor!r} belongs to another graph than the one that is being built. "
                "Build both inside the same `with graph.as_default():`."
            )
        return tensor

    def read(self, handle: Tensor) -> Tensor:
        """The value of a variable at this place of the graph.

        One read serves all uses between two writes, unless control dependencies are in force.
        """
        version = self._writes.get(handle, 0)
        earlier = self._reads.get(handle)
        if earlier is not None and earlier[0] == version and not self._current_controls(()):
            return earlier[1]
        name = f"{handle.op.name}/read"
        with self.name_scope(None):
            tensor = self.add_operation(lookup("ReadVariable"), (handle,), {}, name).outputs[0]
        if not tensor.op.control_inputs:
            self._reads[handle] = (version, tensor)
        return tensor

    def session_for(self, session: Any, what: str) -> Any:
        """`session`, or the default one. Raises ClosedSessionError if there is none."""
        session = session or get_default_session()
        if session is None:
            raise ClosedSessionError(
                f"{what} needs a session: pass session=…, or call it inside `with Session():`."
            )
        if session.graph is not self:
            raise GraphError(f"{what}: the session runs another graph.")
        return session


def _with_own_sizes(opdef: OpDef, attrs: dict[str, Any]) -> dict[str, Any]:
    """The attributes, with unknown sizes of shapes that are this operation's alone."""
    for key, attr in opdef.attrs.items():
        if attr.kind == "shape" and attrs[key] is not None:
            attrs[key] = attrs[key].renewed()
    return attrs


def is_read(operation: Operation) -> bool:
    """True for the operation that only reads a variable's value."""
    lowering = operation.opdef.lowering
    return isinstance(lowering, State) and not lowering.writes and not lowering.reads_flag


def _no_such_name(what: str, name: str, names: dict[str, Any]) -> GraphError:
    import difflib

    near = difflib.get_close_matches(name, names, n=3)
    hint = f" Near names: {', '.join(near)}." if near else ""
    return UnknownNameError(f"The graph has no {what} named {name!r}.{hint}")


class UnknownNameError(GraphError, KeyError):
    """A name that the graph does not have."""

    def __str__(self) -> str:
        return str(self.args[0])


_global_graph: list[Graph] = []


def get_default_graph() -> Graph:
    """The graph that new operations join in this thread."""
    graph = default_graphs.top()
    if graph is not None:
        return graph
    if not _global_graph:
        _global_graph.append(Graph())
    return _global_graph[0]


def reset_default_graph() -> None:
    """Replaces the global default graph by an empty one.

    Raises GraphError inside a `with graph.as_default():` block.
    """
    if default_graphs.items:
        raise GraphError("reset_default_graph() cannot be used inside a `with` block of a graph.")
    _global_graph[:] = [Graph()]


def graph_for(inputs: Sequence[Any]) -> Graph:
    """The default graph; or the graph of the inputs if the default one is not inside it.

    A branch or loop body is closed once it is traced: nothing joins it from outside.
    """
    graph = get_default_graph()
    for value in inputs:
        value = dereferenced(value)
        if isinstance(value, Tensor):
            return graph if graph.is_inside(value.graph) or value.graph.outer else value.graph
    return graph


builder.set_default(graph_for)
