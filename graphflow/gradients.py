"""Symbolic differentiation: the reverse walk that appends gradient operations to the graph.

Reverse accumulation over the operations between `xs` and `ys`, in decreasing creation order
(no recursion). Each op's rule comes from its declaration; the walk sums contributions, sums
gradients over broadcast axes once per edge, and keeps sparse gradients sparse.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

from graphflow.builder import F
from graphflow.collector import collected_later
from graphflow.dims import equal
from graphflow.errors import DTypeError, GradientError, GraphError, describe
from graphflow.graph import Graph, get_default_graph, graph_for
from graphflow.indexed_slices import IndexedSlices, concat_slices
from graphflow.lowering import Region
from graphflow.opdef import NotDifferentiable
from graphflow.regions import find_inside
from graphflow.tensor import Operation, Tensor, dereferenced


class UnconnectedGradients(enum.Enum):
    """What `gradients` gives for an x that the ys do not depend on: None, or zeros."""

    NONE = "none"
    ZERO = "zero"


class AggregationMethod:
    """Accepted for TensorFlow's sake; gradients are always summed in one fixed order."""

    ADD_N = 0
    DEFAULT = 0
    EXPERIMENTAL_TREE = 1
    EXPERIMENTAL_ACCUMULATE_N = 2


def gradients(
    ys: Any,
    xs: Any,
    grad_ys: Any = None,
    name: str = "gradients",
    colocate_gradients_with_ops: bool = False,
    gate_gradients: Any = False,
    aggregation_method: Any = None,
    stop_gradients: Any = None,
    unconnected_gradients: Any = UnconnectedGradients.NONE,
) -> list[Any]:
    """Derivatives of sum(ys) with respect to each x of `xs`.

    ys, xs: a tensor or variable, or a list of them. grad_ys: gradients to start from, one per y
    (ones where None). stop_gradients: tensors that count as constants.
    Returns one Tensor of x's shape and type per x, or IndexedSlices, or None where the ys do not
    depend on it (zeros with `unconnected_gradients="zero"`). Nothing flows from ys or to xs that
    are not floating or complex: they give None, and a warning is logged (logger `graphflow`).
    Raises GradientError (a LookupError) for an op that refuses differentiation, DTypeError for
    grad_ys of another type than their ys.
    Method: reverse accumulation (Griewank & Walther, Evaluating Derivatives, 2008, ch. 3).
    """
    unconnected = UnconnectedGradients(unconnected_gradients)
    graph = graph_for(as_list(ys))
    y_list = [graph.convert(y) for y in as_list(ys)]
    x_list = [as_variable_or_tensor(x) for x in as_list(xs)]
    if not y_list:
        return [None] * len(x_list)
    starts = as_list(grad_ys) if grad_ys is not None else [None] * len(y_list)
    if len(starts) != len(y_list):
        raise GraphError(
            f"gradients: grad_ys has {len(starts)} entries for {len(y_list)} ys; give one per y, "
            "None for ones."
        )
    inside = [find_inside(graph, x) for x in x_list]
    stopped = [] if stop_gradients is None else as_list(stop_gradients)
    found_stops = [find_inside(graph, as_variable_or_tensor(s)) for s in stopped]
    stops = {t for t in found_stops if t is not None}
    y_list, starts = _differentiable(y_list, starts)
    with graph.as_default(), graph.name_scope(name):
        walk = _Walk(graph, y_list, [x for x in inside if x is not None], stops)
        walk.start(y_list, starts)
        walk.run()
        found = [None if x is None else walk.total(x) for x in inside]
        if unconnected is UnconnectedGradients.ZERO:
            found = [F.zeros_like(x) if g is None else g for x, g in zip(x_list, found)]
    return found


def as_list(value: Any) -> list[Any]:
    """A list of what may be one thing or a list or tuple of things."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def as_variable_or_tensor(value: Any) -> Tensor:
    """The tensor (for a variable: its handle) that `value` stands for. Raises DTypeError."""
    value = dereferenced(value)
    if isinstance(value, IndexedSlices):
        value = value.values
    if not isinstance(value, Tensor):
        raise DTypeError(f"gradients: expected a Tensor or Variable, got {value!r}.")
    return value


def _differentiable(
    ys: Sequence[Tensor], starts: Sequence[Any]
) -> tuple[list[Tensor], list[Any]]:
    """The floating and complex ys with their grad_ys; the others are warned of."""
    for y in ys:
        if not y.dtype.is_differentiable:
            import logging  # takes 2 ms, and few programs need it

            logging.getLogger("graphflow").warning(
                "gradients: %r of ys is %s, so nothing flows from it; only floating and complex "
                "tensors have gradients. Use gf.cast first.", y, y.dtype.name)
    kept = [i for i, y in enumerate(ys) if y.dtype.is_differentiable]
    return [ys[i] for i in kept], [starts[i] for i in kept]


class _Walk:
    """One reverse walk over the operations between xs and ys."""

    def __init__(
        self, graph: Graph, ys: Sequence[Tensor], xs: Sequence[Tensor], stops: set[Tensor]
    ) -> None:
        self.graph, self.stops = graph, stops
        self.contributions: dict[Tensor, list[Any]] = {}
        self.totals: dict[Tensor, Any] = {}
        self.order = self._between(ys, xs)

    def _between(self, ys: Sequence[Tensor], xs: Sequence[Tensor]) -> list[Operation]:
        """The operations on paths from xs to ys, in creation order."""
        behind: set[Operation] = set()
        pending = [y.op for y in ys if y not in self.stops]
        while pending:
            op = pending.pop()
            if op not in behind:
                behind.add(op)
                pending.extend(t.op for t in op.inputs if t not in self.stops)
        self.relevant: set[Tensor] = set(xs)
        order = []
        for op in sorted(behind, key=lambda op: op.id):
            if any(t in self.relevant for t in op.inputs):
                order.append(op)
                self.relevant.update(t for t in op.outputs if t not in self.stops)
        return order

    def start(self, ys: Sequence[Tensor], starts: Sequence[Any]) -> None:
        """Puts the first gradient on each y."""
        for i, (y, start) in enumerate(zip(ys, starts)):
            if start is None:
                with self.graph.built_for(y.op.site):
                    gradient = F.ones_like(y, name=f"grad_ys_{i}")
            elif isinstance(start, IndexedSlices):
                gradient = start
            else:
                try:
                    gradient = self.graph.convert(start, y.dtype, f"grad_ys_{i}")
                except DTypeError as error:
                    raise DTypeError(f"gradients: grad_ys[{i}] of {y!r}: {error}") from None
                if not gradient.shape.is_compatible_with(y.shape):
                    raise GraphError(
                        f"gradients: grad_ys[{i}] has shape {gradient.shape}, its y {y!r}."
                    )
            self.add(y, gradient)

    def add(self, tensor: Tensor, gradient: Any) -> None:
        """Adds one contribution to the gradient of `tensor`."""
        self.contributions.setdefault(tensor, []).append(gradient)

    def total(self, tensor: Tensor) -> Any:
        """The sum of all contributions so far; None if there is none."""
        parts = self.contributions.get(tensor)
        if not parts:
            return None
        if len(parts) > 1:
            parts[:] = [self._sum(parts)]
        return parts[0]

    def _sum(self, parts: list[Any]) -> Any:
        if all(isinstance(p, IndexedSlices) for p in parts):
            return concat_slices(parts)
        return F.add_n([self.graph.convert(p) for p in parts])

    def run(self) -> None:
        """Walks all operations backwards."""
        with collected_later():
            for op in reversed(self.order):
                grads = [None if t in self.stops else self.total(t) for t in op.outputs]
                if any(g is not None for g in grads):
                    with self.graph.built_for(op.site), self.graph.name_scope(_scope_of(op)):
                        self._step(op, grads)

    def _step(self, op: Operation, grads: list[Any]) -> None:
        rule = op.gradient_override or op.opdef.grad
        if isinstance(rule, NotDifferentiable):
            if op.type == "PreventGradient":
                raise GradientError(describe(
                    op.type, op.name, op.attrs["message"] or "gradient is not allowed here",
                    site=str(op.site) if op.site else None))
            return
        if not op.opdef.sparse_grad:
            grads = [self.graph.convert(g) if isinstance(g, IndexedSlices) else g for g in grads]
        if len(grads) > 1 and not isinstance(op.opdef.lowering, Region):
            grads = [
                F.zeros_like(t) if g is None and t.dtype.is_differentiable else g
                for t, g in zip(op.outputs, grads)]
        results = (rule(op, *grads) if op.gradient_override else rule(F, op, *grads))
        results = as_list(results)
        if len(results) != len(op.inputs):
            raise GradientError(describe(
                op.type, op.name,
                f"its gradient rule gave {len(results)} gradients for {len(op.inputs)} inputs",
                site=str(op.site) if op.site else None))
        for tensor, gradient in zip(op.inputs, results):
            if gradient is not None and tensor in self.relevant:
                self.add(tensor, self._fit(op, tensor, gradient))

    def _fit(self, op: Operation, tensor: Tensor, gradient: Any) -> Any:
        """The gradient, summed over the axes along which the op broadcast this input."""
        if isinstance(gradient, IndexedSlices):
            return gradient
        gradient = self.graph.convert(gradient)
        if op.opdef.broadcasts and not _same_shape(gradient, tensor):
            gradient = F.sum_to(gradient, tensor)
        if gradient.dtype is not tensor.dtype:
            raise GradientError(describe(
                op.type, op.name,
                f"its gradient rule gave {gradient.dtype.name} for an input of "
                f"{tensor.dtype.name}", site=str(op.site) if op.site else None))
        return gradient


def _scope_of(op: Operation) -> str:
    return f"{op.name}_grad"


def _same_shape(a: Tensor, b: Tensor) -> bool:
    left, right = a.shape, b.shape
    if left.rank is None or left.rank != right.rank:
        return False
    return left.sizes == right.sizes or all(
        equal(p, q) is True for p, q in zip(left.sizes, right.sizes))


def hessians(
    ys: Any,
    xs: Any,
    name: str = "hessians",
    colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False,
    aggregation_method: Any = None,
) -> list[Any]:
    """Second derivatives of sum(ys) with respect to each x.

    xs: tensors or variables of known shape. Returns one tensor of shape x.shape + x.shape per x.
    Raises GradientError for an x whose shape is not known when the graph is built.
    """
    results = []
    graph = get_default_graph()
    with graph.name_scope(name):
        for x in as_list(xs):
            tensor = as_variable_or_tensor(x)
            count = tensor.shape.num_elements()
            if count is None:
                raise GradientError(
                    f"hessians: the shape of {tensor!r} must be known when the graph is built; "
                    "reshape it first."
                )
            first = gradients(ys, tensor, unconnected_gradients="zero")[0]
            flat = F.reshape(graph.convert(first), [-1])
            rows = [
                graph.convert(gradients(flat[i], tensor, unconnected_gradients="zero")[0])
                for i in range(count)]
            sizes = tensor.shape.as_list()
            stacked = F.stack(rows) if rows else F.zeros([0, *sizes], tensor.dtype)
            results.append(F.reshape(stacked, sizes + sizes))
    return results
