"""Copying a region's operations into the graph that is being built (for recomputation)."""

from __future__ import annotations

from collections.abc import Mapping

from graphflow.freeze import needed_operations
from graphflow.graph import get_default_graph, is_read
from graphflow.lowering import Host, State
from graphflow.opdef import NotDifferentiable
from graphflow.program import is_effect
from graphflow.regions import RegionGraph
from graphflow.tensor import Operation, Tensor


def is_unrepeatable(op: Operation) -> bool:
    """True if running a copy of `op` again could give another result: `py_func`, state.

    Effects that only pass a value on (a print) are left out of copies instead.
    """
    lowering = op.opdef.lowering
    if isinstance(lowering, State):
        handle = op.inputs[0]
        return not is_read(op) or handle in handle.graph._writes
    if isinstance(lowering, Host):
        return (not lowering.passes and is_effect(op.opdef, op.attrs)
                and isinstance(op.opdef.grad, NotDifferentiable))
    return False


def inline(
    region: RegionGraph, bindings: Mapping[Tensor, Tensor], replaced: Mapping[Tensor, Tensor]
) -> dict[Tensor, Tensor]:
    """Copies what `region.outputs` need into the default graph.

    bindings: stand-ins of the region → tensors. replaced: tensors of the region that are not
    computed again → tensors. Returns tensor of the region → its copy.
    """
    graph = get_default_graph()
    copies = dict(bindings) | dict(replaced)
    for op in needed_operations(region.outputs, (), fed=copies):
        if all(t in copies for t in op.outputs):
            continue
        inputs = [copies[t] for t in op.inputs]
        lowering = op.opdef.lowering
        if isinstance(lowering, State) or (isinstance(lowering, Host) and lowering.passes):
            copies[op.outputs[0]] = inputs[0]
            continue
        with graph.built_for(op.site):
            copy = graph.add_operation(op.opdef, inputs, op.attrs, op.name.rpartition("/")[2])
        copy.gradient_override = op.gradient_override
        for tensor, new in zip(op.outputs, copy.outputs):
            if new.shape.is_compatible_with(tensor.shape):
                new.set_shape(new.shape)
            copies.setdefault(tensor, new)
    return copies
