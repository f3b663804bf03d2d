"""`RegionGraph`: the graph of one branch or loop body, whose captures are explicit inputs."""

from __future__ import annotations

from graphflow.dims import fresh, same
from graphflow.errors import GraphError
from graphflow.graph import Graph
from graphflow.opdef import Infer, TensorType, lookup
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape
from graphflow.tensor import Operation, Tensor


class RegionGraph(Graph):
    """A graph inside another one. Tensors of the outer graphs that it uses are *captured*.

    Attributes:
      outer: the graph around it.
      captures: outer tensor → its stand-in here (a `Capture` leaf), in order of first use.
      outer_controls: operations of the outer graph that the region waits for.
      inputs: stand-ins for the loop variables, in order.
      outputs: what the region computes.
      iteration: stand-in for the number of the loop's iteration (of loops only).
      is_condition: True for the region that tests whether a loop goes on.
    """

    def __init__(self, outer: Graph, scope: str = "") -> None:
        super().__init__()
        self.outer: Graph = outer
        self.captures: dict[Tensor, Tensor] = {}
        self.outer_controls: dict[Operation, None] = {}
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self.iteration: Tensor | None = None
        self.is_condition = False
        self.seed = outer.seed
        self._scopes.name = scope
        self._scopes.devices = outer._scopes.devices
        self._scopes.gradient_rules = outer._scopes.gradient_rules
        self._site = outer._site

    @property
    def root(self) -> Graph:
        return self.outer.root

    def own(self, tensor: Tensor) -> Tensor:
        """`tensor`, or its stand-in if it belongs to a graph around this one."""
        if tensor.graph is self:
            return tensor
        if not self.is_inside(tensor.graph):
            raise GraphError(
                f"{tensor!r} was made inside another branch or loop body and has no value here. "
                "Return it from that branch or body and use the result of cond / while_loop."
                if isinstance(tensor.graph, RegionGraph) else
                f"{tensor!r} belongs to another graph than the one that is being built."
            )
        outer_tensor = self.outer.own(tensor)
        inner = self.captures.get(outer_tensor)
        if inner is None:
            inner = self.stand_in(outer_tensor, f"{outer_tensor.op.name}/captured")
            self.captures[outer_tensor] = inner
        return inner

    def stand_in(self, tensor: Tensor, name: str, shape: TensorShape | None = None) -> Tensor:
        """A leaf of this region that stands for an outer tensor (of another shape if given)."""
        kind = TensorType(tensor.dtype, tensor.shape if shape is None else shape)
        inner = self.leaf(kind, name, tensor.is_handle)
        inner._symbolic = tensor._symbolic if shape is None else None
        return inner

    def leaf(self, kind: TensorType, name: str, handle: bool = False) -> Tensor:
        """A leaf of this region: something that the operation around it binds to a value."""
        with self.fresh_scopes(), self.name_scope(None):
            return self.add_operation(
                lookup("Capture"), (), {"type": kind, "handle": handle}, name).outputs[0]

    def own_operation(self, operation: Operation) -> Operation | None:
        if operation.graph is self:
            return operation
        if not self.is_inside(operation.graph):
            raise GraphError(f"{operation!r} belongs to another graph.")
        if operation.graph is self.outer:
            self.outer_controls[operation] = None
        else:
            self.outer.own_operation(operation)
        return None

    def iterations(self) -> list[Tensor]:
        own = [self.iteration] if self.iteration is not None else []
        return self.outer.iterations() + own

    def keeps_handle(self, outer_tensor: Tensor) -> bool:
        """True if the captured variable is written (or its flag read) here, not only read."""
        inner = self.captures.get(outer_tensor)
        return inner is not None and inner in self._writes


def settled(before: TensorShape, after: TensorShape) -> TensorShape:
    """The shape of a loop variable at any turn, from its shapes before and after one."""
    if before.rank is None or before.rank != after.rank:
        return UNKNOWN_SHAPE
    return TensorShape.of(
        a if same(a, b) else fresh() for a, b in zip(before.sizes, after.sizes))


def refresh_types(region: RegionGraph, changed: set[Tensor]) -> None:
    """Infers again what depends on `changed`, tensors whose static shapes were narrowed."""
    for op in region.get_operations():
        if not any(t in changed for t in op.inputs):
            continue
        types = [TensorType(t.dtype, t.shape) for t in op.inputs]
        site = str(op.site) if op.site else None
        c = Infer(op.opdef, types, op.attrs, [t._symbolic for t in op.inputs], op.name, site)
        for tensor, kind in zip(op.outputs, op.opdef.infer(c)):
            before = tensor.shape
            tensor.narrow(kind.shape)
            if tensor.shape is not before:
                changed.add(tensor)


def outermost(tensor: Tensor) -> Tensor:
    """The tensor that a stand-in stands for, outside all regions; any other tensor itself."""
    graph = tensor.graph
    while isinstance(graph, RegionGraph):
        outer = next((o for o, inner in graph.captures.items() if inner is tensor), None)
        if outer is None:
            break
        tensor, graph = outer, graph.outer
    return tensor


def find_inside(graph: Graph, tensor: Tensor) -> Tensor | None:
    """The stand-in of `tensor` in `graph`, without capturing it; None if there is none."""
    if tensor.graph is graph:
        return tensor
    if not isinstance(graph, RegionGraph):
        return None
    outer = find_inside(graph.outer, tensor)
    return None if outer is None else graph.captures.get(outer)


def find_operation(graph: Graph, name: str, site: str | None) -> Operation | None:
    """The operation `name`, in the graph or in one of its regions (there, if built at `site`)."""
    found = graph._by_name.get(name)
    pending = list(_regions(graph))
    while found is None and pending:
        region = pending.pop()
        inner = region._by_name.get(name)
        found = inner if inner is not None and str(inner.site) == site else None
        pending.extend(_regions(region))
    return found


def _regions(graph: Graph) -> list[RegionGraph]:
    return [value for operation in graph._operations for value in operation.attrs.values()
            if isinstance(value, RegionGraph)]
