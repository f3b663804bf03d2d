"""The table of a model's layers that `summary` prints, in Keras's form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow.errors import GraphError


def print_summary(
    model: Any, line_length: int | None, positions: Sequence[float] | None,
    print_fn: Callable[[str], Any],
) -> None:
    """Prints the table, line by line. Raises GraphError before the model is built."""
    if not model.built and not model.weights:
        raise GraphError(
            "This model has not yet been built. Build the model first by calling `build()` or "
            "calling `fit()` with some data, or specify an `input_shape` argument in the first "
            "layer(s) for automatic build.")
    chain = _is_chain(model)
    length = line_length or (65 if chain else 98)
    shares = list(positions or ([0.45, 0.85, 1.0] if chain else [0.33, 0.55, 0.67, 1.0]))
    places = [int(length * p if shares[-1] <= 1 else p) for p in shares]
    titles = ["Layer (type)", "Output Shape", "Param #"]
    if not chain:
        titles.append("Connected to")
    print_fn(f'Model: "{model.name}"')
    print_fn("_" * length)
    print_fn(_row(titles, places))
    print_fn("=" * length)
    layers = model.layers
    for i, layer in enumerate(layers):
        for row in _rows(model, layer, chain):
            print_fn(_row(row, places))
        print_fn(("=" if i == len(layers) - 1 else "_") * length)
    trainable, fixed = (_size(w) for w in _split(model))
    print_fn(f"Total params: {trainable + fixed:,}")
    print_fn(f"Trainable params: {trainable:,}")
    print_fn(f"Non-trainable params: {fixed:,}")
    print_fn("_" * length)


def _split(model: Any) -> tuple[list[Any], list[Any]]:
    compiled = getattr(model, "_compiled", None)
    trainable = model.trainable_weights
    if compiled is not None and compiled.trainable is not None:
        trainable = compiled.trainable
    known = set(map(id, trainable))
    return trainable, [w for w in model.weights if id(w) not in known]


def _size(weights: Sequence[Any]) -> int:
    return sum(int(np.prod(w.shape.as_list(), dtype=np.int64)) for w in weights)


def _is_chain(model: Any) -> bool:
    """True for a model without branches, whose table needs no column of connections."""
    if not model._is_graph_network or hasattr(model, "add"):
        return True
    counts: dict[int, int] = {}
    for node in model._nodes:
        if len(node.parents) > 1 or isinstance(node.inputs, list) and len(node.inputs) > 1:
            return False
        for parent in node.parents:
            counts[id(parent.node)] = counts.get(id(parent.node), 0) + 1
        if sum(n.layer is node.layer for n in model._nodes) > 1:
            return False
    return all(n == 1 for n in counts.values()) and len(model.inputs) == 1


def _rows(model: Any, layer: Any, chain: bool) -> list[list[str]]:
    try:
        shape = str(layer.output_shape)
    except AttributeError:
        shape = "multiple"
    if type(layer).__name__ == "InputLayer":
        shape = f"[{shape}]"
    count = layer.count_params() if layer.built else "0 (unused)"
    first = [f"{layer.name} ({type(layer).__name__})", shape, str(count)]
    if chain:
        return [first]
    used = set(map(id, model._nodes))
    sources = [f"{p.layer.name}[{p.node_index}][{p.tensor_index}]"
               for node in layer.inbound_nodes if id(node) in used for p in node.parents]
    rows = [[*first, sources[0] if sources else ""]]
    return [*rows, *(["", "", "", s] for s in sources[1:])]


def _row(fields: Sequence[str], places: Sequence[int]) -> str:
    line = ""
    for i, (text, place) in enumerate(zip(fields, places)):
        if i:
            line = f"{line[:-1]} "
        line = (line + str(text))[:place].ljust(place)
    return line
