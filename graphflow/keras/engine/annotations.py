"""What Keras knows of tensors: the layer's call that made them, and their masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from graphflow.ops.nests import Nest
from graphflow.tensor import Tensor

_HISTORY_KEY = ("__keras_history",)
_MASK_KEY = ("__keras_mask",)


class History(NamedTuple):
    """The call that made a tensor: `layer.inbound_nodes[node_index]`, output `tensor_index`."""

    layer: Any
    node_index: int
    tensor_index: int

    @property
    def node(self) -> Any:
        """The `Node` of the call."""
        return self.layer.inbound_nodes[self.node_index]


def history_of(x: Any) -> History | None:
    """The call that made `x`; None if it is no output of a layer."""
    if not isinstance(x, Tensor):
        return None
    return x.graph.root.kept(_HISTORY_KEY, WeakKeyDictionary).get(x)


def maker_of(x: Tensor) -> Any:
    """The layer that made one of Keras's tensors."""
    history = history_of(x)
    assert history is not None
    return history.layer


def set_history(x: Tensor, history: History) -> None:
    """Says which call made `x`."""
    x.graph.root.kept(_HISTORY_KEY, WeakKeyDictionary)[x] = history


def mask_of(x: Any) -> Any:
    """The mask of `x`: a bool tensor of its first axes, or None."""
    if not isinstance(x, Tensor):
        return None
    return x.graph.root.kept(_MASK_KEY, WeakKeyDictionary).get(x)


def set_mask(x: Tensor, mask: Any) -> None:
    """Gives `x` a mask."""
    x.graph.root.kept(_MASK_KEY, WeakKeyDictionary)[x] = mask


def masks_of(inputs: Any) -> Any:
    """The masks of a nest of tensors, in the same form."""
    nest = Nest(inputs)
    return nest.rebuild([mask_of(x) for x in nest.leaves])


def any_mask(masks: Any) -> bool:
    """True if a nest holds a mask."""
    return any(m is not None for m in Nest(masks).leaves)


def set_masks(outputs: Any, masks: Any) -> None:
    """Gives the tensors of a nest the masks of another, where there are some."""
    tensors, found = Nest(outputs).leaves, Nest(masks).leaves
    if len(tensors) == len(found):
        for tensor, mask in zip(tensors, found):
            if mask is not None and isinstance(tensor, Tensor):
                set_mask(tensor, mask)


def ancestors(tensors: Sequence[Any]) -> set[Any]:
    """The operations that `tensors` (or operations) are computed from."""
    found: set[Any] = set()
    pending = [getattr(t, "op", t) for t in tensors]
    while pending:
        op = pending.pop()
        if op in found:
            continue
        found.add(op)
        pending.extend(t.op for t in op.inputs)
        pending.extend(op.control_inputs)
    return found
