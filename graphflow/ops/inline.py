"""Copying a region's operations into the graph that is being built (for recomputation).

What a copy cannot compute again is *saved*: the region gives it as further outputs. Saved are
the results of host functions, of assignments, the reads of variables that the region's operation
assigns, and the results of inner conditionals and loops that hold any of these. A loop also saves
what is much work, a product; its copy is there for the gradient alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from graphflow.builder import F
from graphflow.errors import GradientError, describe
from graphflow.freeze import needed_operations
from graphflow.gradients import gradients
from graphflow.graph import get_default_graph, is_read
from graphflow.lowering import Contraction, Host, Region, State
from graphflow.opdef import NotDifferentiable
from graphflow.program import is_effect
from graphflow.regions import RegionGraph
from graphflow.tensor import Operation, Tensor


def _inner_regions(op: Operation) -> list[RegionGraph]:
    return [v for v in op.attrs.values() if isinstance(v, RegionGraph)]


def _holds_unrepeatable(op: Operation) -> bool:
    """True for a conditional or loop with something inside that must not run again."""
    pending = _inner_regions(op)
    while pending:
        region = pending.pop()
        for inner in region.get_operations():
            if _is_unrepeatable(inner):
                return True
            pending.extend(_inner_regions(inner))
    return False


def _is_unrepeatable(op: Operation) -> bool:
    """True if running a copy of `op` again could give another result: `py_func`, assignments.

    Effects that only pass a value on (a print) are left out of copies instead.
    """
    lowering = op.opdef.lowering
    if isinstance(lowering, State):
        return not is_read(op)
    if isinstance(lowering, Host):
        return (not lowering.passes and is_effect(op.opdef, op.attrs)
                and isinstance(op.opdef.grad, NotDifferentiable))
    return False


def kept_handles(regions: Sequence[RegionGraph]) -> set[Tensor]:
    """The outer variables that one of the regions of an operation assigns."""
    return {outer for region in regions for outer in region.captures
            if any(r.keeps_handle(outer) for r in regions)}


def saved_tensors(region: RegionGraph, kept: set[Tensor]) -> list[Tensor]:
    """What a copy of the region could not compute again."""
    changing = {region.captures[outer] for outer in kept if outer in region.captures}
    saved: list[Tensor] = []
    for op in region.get_operations():
        if isinstance(op.opdef.lowering, Region):
            if _holds_unrepeatable(op):
                saved.extend(op.outputs[:op.attrs.get("results", op.attrs["loop_vars"])])
        elif _is_unrepeatable(op) or (is_read(op) and op.inputs[0] in changing):
            saved.extend(op.outputs)
    return saved


_GATES = ("Sigmoid", "Tanh")
_MOVED = ("BiasAdd", "Identity", "Reshape", "Slice", "Split", "SplitV", "StridedSlice")


def saved_work(region: RegionGraph) -> list[Tensor]:
    """What takes longer to compute again than to keep: the results of products.

    Where nothing but the sum with a bias uses a product, the sum is kept in its place. So are
    the gates that are computed of it: their gradients need nothing else, and what no gradient
    reads has no history.
    """
    users: dict[Tensor, list[Operation]] = {}
    for op in region.get_operations():
        for tensor in op.inputs:
            users.setdefault(tensor, []).append(op)
    found = []
    for op in region.get_operations():
        for tensor in op.outputs:
            if _is_product(tensor):
                after = users.get(tensor, [])
                biased = len(after) == 1 and tensor not in region.outputs and (
                    _sum_with_product(after[0]) is tensor)
                found.append(after[0].outputs[0] if biased else tensor)
    return found + [t for op in region.get_operations() for t in op.outputs if _is_gate(t)]


def is_work(tensor: Tensor) -> bool:
    """Whether a tensor that a region saves could be computed again."""
    return (_is_product(tensor) or _sum_with_product(tensor.op) is not None
            or tensor.op.type in _GATES)


def _is_product(tensor: Tensor) -> bool:
    return isinstance(tensor.op.opdef.lowering, Contraction) and tensor.dtype.is_differentiable


def _is_gate(tensor: Tensor) -> bool:
    """True for a sigmoid or tanh of what is a part of a product, or one but for constants."""
    if tensor.op.type not in _GATES or not tensor.dtype.is_differentiable:
        return False
    inner = tensor.op.inputs[0]
    while inner.op.type in _MOVED or (
            inner.op.type == "Add" and inner.op.inputs[1].op.type == "Const"):
        inner = inner.op.inputs[0]
    return _is_product(inner)


def _sum_with_product(op: Operation) -> Tensor | None:
    """The product that an operation adds a bias to."""
    if op.type != "BiasAdd" or not _is_product(op.inputs[0]):
        return None
    return op.inputs[0]


def saved_reads(replaced: Mapping[Tensor, Tensor], handle: Tensor) -> list[Tensor]:
    """Stand-ins of the saved reads of a variable that the region assigns."""
    return [copy for t, copy in replaced.items() if is_read(t.op) and t.op.inputs[0] is handle]


def refuse_saved_regions(
    op: Operation, ys: Sequence[Tensor], replaced: Mapping[Tensor, Tensor]
) -> None:
    """Raises GradientError if `ys` depend on the saved results of an inner cond or loop."""
    inner = {t: copy for t, copy in replaced.items()
             if isinstance(t.op.opdef.lowering, Region) and t.dtype.is_differentiable}
    for (t, _), g in zip(inner.items(), gradients(ys, list(inner.values())) if inner else ()):
        if g is not None:
            raise _not_through(t.op, op)


def _not_through(inner: Operation, outer: Operation | None) -> GradientError:
    around = f" inside '{outer.name}'" if outer is not None else ""
    return GradientError(describe(
        inner.type, inner.name,
        f"no gradient flows through a cond or loop{around} that assigns variables or calls "
        "py_func: it would have to run again", site=str(inner.site) if inner.site else None,
        fix="Move these operations out of the inner cond or loop, or use gf.stop_gradient on its "
        "result."))


def inline(
    region: RegionGraph, bindings: Mapping[Tensor, Tensor], replaced: Mapping[Tensor, Tensor],
    kept: Mapping[Tensor, Tensor] = MappingProxyType({}),
) -> dict[Tensor, Tensor]:
    """Copies what `region.outputs` need into the default graph.

    bindings: stand-ins of the region → tensors. replaced: tensors of the region that are not
    computed again → tensors. kept: tensors of the region whose values are there, while gradients
    flow through what computes them → tensors. Returns tensor of the region → its copy.
    """
    graph: Any = get_default_graph()
    copies = dict(bindings) | dict(replaced)
    for op in needed_operations(region.outputs, (), fed=copies):
        if all(t in copies for t in op.outputs):
            continue
        inputs = [copies[t] for t in op.inputs]
        lowering = op.opdef.lowering
        if isinstance(lowering, State) or (isinstance(lowering, Host) and lowering.passes):
            copies[op.outputs[0]] = inputs[0]
            continue
        if isinstance(lowering, Region) and _holds_unrepeatable(op):
            raise _not_through(op, None)
        with graph.built_for(op.site):
            copy = graph.add_operation(op.opdef, inputs, op.attrs, op.name.rpartition("/")[2])
        copy.gradient_override = op.gradient_override
        for tensor, new in zip(op.outputs, copy.outputs):
            copies.setdefault(
                tensor, F.remembered(new, kept[tensor]) if tensor in kept else new)
    return copies
