"""The layers and calls between the inputs and outputs of a network, in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.errors import GraphError
from graphflow.keras.engine.annotations import history_of, maker_of
from graphflow.keras.engine.node import Node
from graphflow.tensor import Tensor


def map_network(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> tuple[list[Node], list[Any]]:
    """(calls in an order in which they can be made, layers in Keras's order).

    Layers farther from the outputs come first; those at one distance in the order in which a walk
    from the outputs finds them. Raises GraphError if an output does not come from the inputs.
    """
    finished = _postorder(inputs, outputs)
    given = {id(h.node) for t in inputs if (h := history_of(t)) is not None}
    depths: dict[int, int] = {}
    layer_depths: dict[int, int] = {}
    for node in reversed(finished):
        depth = max(depths.get(id(node), 0), layer_depths.get(id(node.layer), 0))
        depths[id(node)] = layer_depths[id(node.layer)] = depth
        if id(node) not in given:
            for parent in node.parents:
                below = max(depth + 1, depths.get(id(parent.node), 0))
                depths[id(parent.node)] = below
    layers = list({id(n.layer): n.layer for n in finished}.values())
    order = sorted(layers, key=lambda layer: -layer_depths[id(layer)])
    starts = [layer for layer in order if _is_input(layer)]
    in_order = {id(maker_of(t)): i for i, t in enumerate(inputs)}
    starts.sort(key=lambda layer: in_order.get(id(layer), 0))
    replaced = iter(starts)
    layers = [next(replaced) if _is_input(layer) else layer for layer in order]
    nodes = [n for n in finished if id(n) not in given]
    return nodes, layers


def _is_input(layer: Any) -> bool:
    return type(layer).__name__ == "InputLayer"


def _postorder(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> list[Node]:
    """The calls that the outputs need, each after those it needs itself."""
    stops = {id(t) for t in inputs}
    done: dict[int, Node] = {}
    open_nodes: set[int] = set()

    def visit(tensor: Tensor) -> None:
        history = history_of(tensor)
        if history is None:
            raise GraphError(
                f"Output tensors to a Model must be the output of a Layer, or computed from some. "
                f"Found: {tensor!r}, which depends on no Input.")
        pending = [(history.node, False)]
        while pending:
            node, ready = pending.pop()
            if id(node) in done:
                continue
            if ready:
                done[id(node)] = node
                open_nodes.discard(id(node))
                continue
            if id(node) in open_nodes:
                continue
            open_nodes.add(id(node))
            pending.append((node, True))
            if _is_given(node, stops):
                continue
            if not node.parents:
                raise GraphError(
                    f"Graph disconnected: cannot obtain the value for {node.outputs!r} at layer "
                    f'"{node.layer.name}". Add it to the inputs of the Model.')
            pending.extend((p.node, False) for p in reversed(node.parents))

    for tensor in outputs:
        visit(tensor)
    return list(done.values())


def _is_given(node: Node, stops: set[int]) -> bool:
    return all(id(t) in stops for t in node.output_tensors)
