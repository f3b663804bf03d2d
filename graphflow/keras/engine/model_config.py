"""Layers and models as plain values, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphflow.errors import GraphError, UnimplementedError
from graphflow.keras.engine.annotations import History, history_of
from graphflow.keras.engine.layer import LAYER_CLASSES
from graphflow.keras.serialization import deserialize_keras_object, plain
from graphflow.ops.nests import Nest
from graphflow.tensor import Tensor


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """The layer or model of {"class_name", "config"}.

    Raises AttributeValueError (a ValueError) for a class that is neither Keras's nor given.
    """
    return deserialize_keras_object(config, LAYER_CLASSES, custom_objects, "layer")


def serialize(layer: Any) -> dict[str, Any]:
    """{"class_name", "config"} of a layer or model."""
    return {"class_name": type(layer).__name__, "config": plain(layer.get_config())}


def sequential_config(model: Any) -> dict[str, Any]:
    """What `Sequential.get_config` gives."""
    config: dict[str, Any] = {
        "name": model.name, "layers": [serialize(layer) for layer in model.layers]}
    if model.inputs:
        config["build_input_shape"] = list(model.input_shape)
    return config


def sequential_from_config(cls: Any, config: Any, custom_objects: Any) -> Any:
    """A Sequential model from its config, or from a list of layers."""
    listed = config["layers"] if isinstance(config, Mapping) else config
    name = config.get("name") if isinstance(config, Mapping) else None
    model = cls(name=name)
    for entry in listed:
        model.add(deserialize(entry, custom_objects))
    shape = config.get("build_input_shape") if isinstance(config, Mapping) else None
    if model.inputs is None and shape is not None:
        model.build(tuple(shape))
    return model


def network_config(model: Any) -> dict[str, Any]:
    """What `Model.get_config` gives: layers, and the calls that connect them."""
    if not model._is_graph_network:
        raise UnimplementedError(
            None, None, f"{type(model).__name__} has no config: it is a subclass with its own "
            "`call`. Define get_config, or save its weights with save_weights.")
    numbers: dict[tuple[int, int], int] = {}
    used = set(map(id, model._nodes))
    for layer in model.layers:
        count = 0
        for node in layer.inbound_nodes:
            if id(node) in used or _starts(model, node):
                numbers[id(layer), node.index] = count
                count += 1
    layers = []
    for layer in model.layers:
        calls = [_call_config(n, numbers) for n in layer.inbound_nodes if id(n) in used]
        layers.append({**serialize(layer), "name": layer.name, "inbound_nodes": calls})
    return {"name": model.name, "layers": layers,
            "input_layers": [_reference(history_of(t), numbers) for t in model.inputs],
            "output_layers": [_reference(history_of(t), numbers) for t in model.outputs]}


def _starts(model: Any, node: Any) -> bool:
    starts = set(map(id, model.inputs))
    return any(id(t) in starts for t in node.output_tensors)


def _reference(history: History | None, numbers: Mapping[tuple[int, int], int]) -> list[Any]:
    assert history is not None
    number = numbers.get((id(history.layer), history.node_index), history.node_index)
    return [history.layer.name, number, history.tensor_index]


def _call_config(node: Any, numbers: Mapping[tuple[int, int], int]) -> dict[str, Any]:
    def encoded(value: Any) -> Any:
        if isinstance(value, Tensor):
            history = history_of(value)
            if history is None:
                raise UnimplementedError(
                    None, None, f"Layer {node.layer.name}: its call has the argument {value!r}, "
                    "which is no output of a layer and cannot be written to a config.")
            return {"tensor": _reference(history, numbers)}
        return plain(value)

    parts = Nest([node.inputs, list(node.args), node.kwargs])
    inputs, args, kwargs = parts.rebuild([_Leaf(encoded(x)) for x in parts.leaves])
    return {"inputs": _open(inputs), "args": _open(args), "kwargs": _open(kwargs)}


class _Leaf:
    """Keeps a dict from being taken for a nest."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _open(nest: Any) -> Any:
    if isinstance(nest, _Leaf):
        return nest.value
    if isinstance(nest, Mapping):
        return {k: _open(v) for k, v in nest.items()}
    return [_open(v) for v in nest]


def network_from_config(cls: Any, config: Mapping[str, Any], custom_objects: Any) -> Any:
    """A functional model from its config."""
    layers = {entry["name"]: deserialize(entry, custom_objects) for entry in config["layers"]}
    made: dict[tuple[str, int], Any] = {
        (name, 0): layer.inbound_nodes[0].outputs for name, layer in layers.items()
        if type(layer).__name__ == "InputLayer"}
    waiting = [(entry["name"], i, call) for entry in config["layers"]
               for i, call in enumerate(entry["inbound_nodes"])]
    while waiting:
        later = []
        for name, number, call in waiting:
            earlier = number == 0 or (name, number - 1) in made
            if earlier and all((n, i) in made for n, i, _ in _needed(call)):
                args = _decoded(call["args"], made)
                kwargs = _decoded(call["kwargs"], made)
                made[name, number] = layers[name](_decoded(call["inputs"], made), *args, **kwargs)
            else:
                later.append((name, number, call))
        if len(later) == len(waiting):
            raise GraphError(f"The config of model {config.get('name')} has a cycle or a gap.")
        waiting = later
    inputs, outputs = (
        [_output(made, r) for r in config[key]] for key in ("input_layers", "output_layers"))
    return cls(inputs=_single(inputs), outputs=_single(outputs), name=config.get("name"))


def _output(made: Mapping[tuple[str, int], Any], reference: Any) -> Any:
    name, number, index = reference
    return Nest(made[name, number]).leaves[index]


def _single(tensors: list[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else tensors


def _needed(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        if set(value) == {"tensor"}:
            return [value["tensor"]]
        return [r for v in value.values() for r in _needed(v)]
    if isinstance(value, list):
        return [r for v in value for r in _needed(v)]
    return []


def _decoded(value: Any, made: Mapping[tuple[str, int], Any]) -> Any:
    if isinstance(value, Mapping):
        if set(value) == {"tensor"}:
            return _output(made, value["tensor"])
        return {k: _decoded(v, made) for k, v in value.items()}
    if isinstance(value, list):
        return [_decoded(v, made) for v in value]
    return value
