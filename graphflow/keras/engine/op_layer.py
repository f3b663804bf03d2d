"""Operations between layers: what a user computed from Keras's tensors, as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.builder import F
from graphflow.graph import get_default_graph
from graphflow.keras.backend.phase import current_phase
from graphflow.keras.backend.session import graph_state
from graphflow.keras.engine.annotations import history_of
from graphflow.keras.engine.layer import Layer
from graphflow.keras.engine.node import Node
from graphflow.ops.nests import Nest
from graphflow.tensor import Operation, Tensor


class TensorFlowOpLayer(Layer):
    """The operations that lead from some of Keras's tensors to another tensor.

    Called on other tensors, it adds copies of the operations.
    """

    def __init__(self, operations: Sequence[Operation], sources: Sequence[Tensor],
                 result: Tensor) -> None:
        super().__init__(name=f"tf_op_layer_{result.op.name}".replace("/", "_"))
        self._operations, self._sources, self._result = operations, sources, result
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The result for other tensors in the places of the sources."""
        graph: Any = get_default_graph()
        copies = dict(zip(self._sources, Nest(inputs).leaves))
        phase, static = graph_state().phase_placeholder, current_phase()
        if phase is not None and static is not None:
            copies[phase] = F.constant(bool(static)) if not isinstance(
                static, Tensor) else static
        for op in self._operations:
            with graph.built_for(op.site):
                copy = graph.add_operation(
                    op.opdef, [copies.get(t, t) for t in op.inputs], op.attrs,
                    op.name.rpartition("/")[2])
            copy.gradient_override = op.gradient_override
            for old, new in zip(op.outputs, copy.outputs):
                copies[old] = new
        return copies[self._result]


def connect(value: Any) -> None:
    """Makes a tensor that was computed from Keras's tensors, by operations, one of them."""
    for tensor in Nest(value).leaves:
        if isinstance(tensor, Tensor) and history_of(tensor) is None:
            _connect(tensor)


def _connect(tensor: Tensor) -> None:
    sources, operations = _path(tensor)
    if sources:
        layer = TensorFlowOpLayer(operations, sources, tensor)
        Node(layer, sources if len(sources) > 1 else sources[0], (), {}, tensor)


def _path(tensor: Tensor) -> tuple[list[Tensor], list[Operation]]:
    """(the nearest Keras tensors that `tensor` is computed from, the operations in between)."""
    depends: dict[Operation, bool] = {}
    sources: dict[Tensor, None] = {}
    pending = [tensor.op]
    while pending:
        op = pending[-1]
        if op in depends:
            pending.pop()
            continue
        own = [t for t in op.inputs if history_of(t) is not None]
        rest = [t.op for t in op.inputs if history_of(t) is None]
        waiting = [o for o in rest if o not in depends]
        if waiting:
            pending.extend(waiting)
            continue
        depends[op] = bool(own) or any(depends[o] for o in rest)
        if depends[op]:
            sources.update(dict.fromkeys(own))
        pending.pop()
    operations = sorted((op for op, found in depends.items() if found), key=lambda op: op.id)
    return list(sources), operations
