"""Weights and models in files.

A file is written at once or not at all, carries a checksum, and holds arrays and text only:
reading it runs nothing. Whatever the file's ending, weights alone are a safetensors file, and a
model is a file of `gf.export` that also holds its configuration: `gf.load` finds its signature
`serving_default` there.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from graphflow.errors import AttributeValueError, GraphError, LoadError, ShapeError
from graphflow.export.archive import KERAS, WEIGHTS, read_archive, write_archive
from graphflow.export.limits import LoadLimits
from graphflow.export.plain import as_kind, field, shown
from graphflow.export.reader import read_manifest
from graphflow.export.signatures import Signature
from graphflow.export.strict_json import from_json
from graphflow.export.weights import unpack_arrays
from graphflow.export.writer import build_members, state_needed
from graphflow.graph import get_default_graph
from graphflow.keras.backend.session import get_session
from graphflow.keras.backend.values import batch_set_value
from graphflow.keras.engine.network import Network
from graphflow.keras.engine.phases import forward
from graphflow.keras.serialization import plain, serialize_keras_object
from graphflow.storage import read_tensors, write_tensors

FORMAT = "keras-model-1"
_OPTIMIZER = "keras/optimizer/"


class SavingMixin(Network):
    """Weights as arrays and in files."""

    _compiled: Any

    def get_weights(self) -> list[np.ndarray]:
        """The values of all weights, layer by layer."""
        weights = self.weights
        return get_session().run(weights) if weights else []

    def save_weights(self, filepath: Any, overwrite: bool = True, save_format: Any = None
                     ) -> None:
        """Writes the weights to a file. Raises GraphError before the model is built."""
        if not self.weights and not self.built:
            raise GraphError(
                f"Unable to save weights of model {self.name}: it has not been built. Call "
                "`build`, or `fit` it with some data.")
        _check_overwrite(filepath, overwrite)
        arrays, table = _weight_table(self)
        write_tensors(filepath, arrays, {"format": FORMAT, "layers": json.dumps(table)})

    def load_weights(self, filepath: Any, by_name: bool = False, skip_mismatch: bool = False
                     ) -> None:
        """Reads the weights from a file that `save_weights` or `save` wrote.

        They are matched layer by layer in order; by_name: by the names of layers, passing over
        layers that only one side has. Raises ShapeError or GraphError if they do not fit,
        NotFoundError if there is no such file, DataLossError or LoadError if it is damaged.
        """
        arrays, table = _stored_weights(filepath)
        _load(self, arrays, table, by_name, skip_mismatch)

    def save(self, filepath: Any, overwrite: bool = True, include_optimizer: bool = True,
             save_format: Any = None) -> None:
        """Writes layers, connections, weights, and the optimizer with its state, to a file.

        The file holds the graph of the model in use too: `gf.load(filepath)` needs no Keras.
        Raises UnimplementedError for a subclass with its own `call` (use `save_weights`), and
        ExportError, which names it, for a Lambda layer or an operation that no file can hold.
        """
        _check_overwrite(filepath, overwrite)
        session = get_session()
        keras: dict[str, Any] = {"format": FORMAT, "model": {
            "class_name": type(self).__name__, "config": plain(self.get_config())}}
        signatures = self._signatures()
        inside = state_needed(signatures, session.graph)
        arrays, keras["layers"] = _weight_table(self, inside)
        compiled = self._compiled
        if include_optimizer and compiled is not None:
            keras["training"] = _training_config(compiled)
            state = getattr(compiled.optimizer, "weights", []) if self._steps_made() else []
            for i, value in enumerate(session.run(state) if state else []):
                arrays[f"{_OPTIMIZER}{i:04d}"] = np.asarray(value)
        others = {k: v for k, v in arrays.items() if not k.startswith("variables/")}
        write_archive(filepath, build_members(
            signatures, session, arrays=others, extra={KERAS: json.dumps(keras).encode()}))

    def _signatures(self) -> dict[str, Signature]:
        """The model in use as a signature; none before it has inputs."""
        if not self.inputs or not self.built:
            return {}
        made = getattr(self, "_serving", None)
        if made is None or made[0] is not self.outputs:
            with get_default_graph().root.as_default():
                made = self._serving = (self.outputs, forward(self, False).outputs)
        return {"serving_default": Signature(
            dict(zip(self.input_names, self.inputs)), dict(zip(self.output_names, made[1])))}

    def _steps_made(self) -> bool:
        return any(kind[0] == "train" for kind in getattr(self, "_steps", ()))

    def to_json(self, **kwargs: Any) -> str:
        """Layers and connections as JSON, for `model_from_json`."""
        return json.dumps({
            "class_name": type(self).__name__, "config": plain(self.get_config()),
            "keras_version": "2.2.4-tf", "backend": "tensorflow"}, **kwargs)


def _check_overwrite(filepath: Any, overwrite: bool) -> None:
    from pathlib import Path

    if not overwrite and Path(filepath).exists():
        raise AttributeValueError(f"{filepath} exists; pass overwrite=True to replace it.")


def _weight_table(
    model: Any, inside: Collection[str] = ()
) -> tuple[dict[str, Any], list[list[Any]]]:
    """(arrays by key, [layer's name, its keys] for each layer with weights).

    Variables whose names are `inside` have the keys that they have in an exported graph.
    """
    session = get_session()
    arrays: dict[str, Any] = {}
    table: list[list[Any]] = []
    for number, layer in enumerate(_layers(model)):
        weights = layer.weights
        if not weights:
            continue
        keys = [f"variables/{w.op.name}" if w.op.name in inside
                else f"keras/{number:04d}/{i:04d}/{w.op.name}" for i, w in enumerate(weights)]
        arrays.update(zip(keys, session.run(weights)))
        table.append([layer.name, keys])
    return arrays, table


def _layers(model: Any) -> list[Any]:
    own = [*model._trainable_weights, *model._non_trainable_weights]
    return [*model.layers, *([_Own(model.name, own)] if own else [])]


class _Own:
    """The weights that a model has besides its layers'."""

    def __init__(self, name: str, weights: list[Any]) -> None:
        self.name, self.weights = f"{name}/own", weights


def _load(
    model: Any, arrays: dict[str, Any], table: Sequence[Any], by_name: bool, skip: bool
) -> None:
    layers = [layer for layer in _layers(model) if layer.weights]
    if by_name:
        stored = dict(table)
        pairs = [(layer, stored[layer.name]) for layer in layers if layer.name in stored]
    else:
        if len(layers) != len(table):
            raise GraphError(
                f"You are trying to load a weight file containing {len(table)} layers into a "
                f"model with {len(layers)} layers.")
        pairs = [(layer, keys) for layer, (_, keys) in zip(layers, table)]
    values = []
    for layer, keys in pairs:
        found = [arrays[k] for k in keys]
        shapes = [tuple(w.shape.as_list()) for w in layer.weights]
        if shapes != [a.shape for a in found]:
            if skip:
                continue
            raise ShapeError(
                f"Layer {layer.name}: its weights have the shapes {shapes}, but the file holds "
                f"{[a.shape for a in found]}.")
        values += list(zip(layer.weights, found))
    batch_set_value(values)


def _training_config(compiled: Any) -> dict[str, Any]:
    optimizer = compiled.optimizer
    return {
        "optimizer": plain(serialize_keras_object(optimizer)) if hasattr(
            optimizer, "get_config") else None,
        "loss": plain(compiled.loss), "metrics": plain(compiled.metrics),
        "loss_weights": plain(compiled.loss_weights),
        "weighted_metrics": plain(compiled.weighted_metrics)}


# Config, arrays, table of layers, training config or None, the optimizer's arrays.
ModelParts = tuple[Any, dict[str, Any], list[Any], Any, list[Any]]


def read_model(filepath: Any) -> ModelParts:
    """(config, arrays, table of layers, training config or None, optimizer's arrays) of a file.

    Raises GraphError if the file holds weights alone, LoadError if it is damaged.
    """
    if not _is_archive(filepath):
        read_tensors(filepath)
        raise _weights_only(filepath)
    arrays, keras = _read_archive(filepath)
    state = [arrays[k] for k in sorted(arrays) if k.startswith(_OPTIMIZER)]
    return keras["model"], arrays, keras["layers"], keras.get("training"), state


def _weights_only(filepath: Any) -> GraphError:
    return GraphError(
        f"{filepath} holds weights only. Make the model and call load_weights, or write it "
        "with model.save.")


def _is_archive(filepath: Any) -> bool:
    try:
        with open(filepath, "rb") as file:
            return file.read(2) == b"PK"
    except (FileNotFoundError, IsADirectoryError):
        return False


def _read_archive(filepath: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arrays of a model's file, and its configuration."""
    limits = LoadLimits()
    try:
        members = read_archive(filepath, limits)
        read_manifest(members, limits)
        if KERAS not in members:
            raise LoadError("it holds a graph without a Keras model; use gf.load.")
        keras = as_kind(from_json(members[KERAS], KERAS, limits), dict, KERAS)
        field(keras, "model", dict, KERAS)
        arrays = unpack_arrays(members[WEIGHTS], limits)
        _check_table(field(keras, "layers", list, KERAS), arrays, KERAS)
        return arrays, keras
    except LoadError as error:
        raise LoadError(f"{filepath}: {error}") from error


def _check_table(table: Any, arrays: Collection[str], where: str) -> None:
    """Raises LoadError if a table of layers is none, or names arrays that are not there."""
    for entry in as_kind(table, list, where):
        pair = as_kind(entry, list, where)
        if len(pair) != 2 or not isinstance(pair[0], str) or not isinstance(pair[1], list) or (
                not all(isinstance(k, str) and k in arrays for k in pair[1])):
            raise LoadError(f"{where}: {shown(pair)} names no weights of a layer.")


def _stored_weights(filepath: Any) -> tuple[dict[str, Any], list[Any]]:
    """(arrays, table of layers) of a file of `save_weights` or `save`."""
    if _is_archive(filepath):
        arrays, keras = _read_archive(filepath)
        return arrays, keras["layers"]
    arrays, metadata = read_tensors(filepath)
    try:
        table = from_json(metadata.get("layers", "[]").encode(), "layers", LoadLimits())
        _check_table(table, arrays, "layers")
    except LoadError as error:
        raise LoadError(f"{filepath}: {error}") from error
    return arrays, table


def load_into(model: Any, arrays: dict[str, Any], table: list[Any]) -> None:
    """Sets a model's weights to those of a file."""
    with get_default_graph().root.as_default():
        _load(model, arrays, table, False, False)
