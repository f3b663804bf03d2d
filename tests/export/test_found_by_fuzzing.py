"""What mutated files have found: each was loaded, or refused, as it should not have been."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphflow as tf
from graphflow.errors import LoadError, ShapeError
from graphflow.export.archive import GRAPH, KERAS, MANIFEST, digest_of, pack_archive
from graphflow.export.archive import unpack_archive as unpacked
from graphflow.export.limits import LoadLimits
from graphflow.export.writer import build_members


def _with(members: dict[str, bytes], name: str, change: Callable[[Any], Any]) -> bytes:
    """The file with one JSON member changed, and a manifest that fits."""
    plain = json.loads(members[name])
    change(plain)
    changed = {**members, name: json.dumps(plain).encode()}
    manifest = json.loads(members[MANIFEST])
    manifest["members"] = {n: digest_of(d) for n, d in changed.items() if n != MANIFEST}
    return pack_archive({**changed, MANIFEST: json.dumps(manifest).encode()})


# ---- a vector of sizes that is longer than any tensor has axes ----------------------------------


@pytest.mark.parametrize("length", [65, 10**6, 2**47])
def test_the_length_of_a_shape_is_no_licence_for_memory(length: int, tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf.Session(device="reference") as session:
        sizes = tf.placeholder(tf.int64, [3], name="sizes")
        members = build_members({"run": ({"s": sizes}, {"y": tf.zeros(sizes)})}, session)

    def lengthen(plain: Any) -> None:
        plain["operations"][0]["attrs"]["shape"]["sizes"] = [length]
        plain["signatures"][0][1]["inputs"][0][1]["shape"] = None

    (tmp_path / "long.gflow").write_bytes(_with(members, GRAPH, lengthen))
    with pytest.raises(LoadError, match=f"at most 64 axes, got {length}"):
        tf.load(tmp_path / "long.gflow")


def test_shapes_of_too_many_axes_are_refused_when_they_are_built() -> None:
    with tf.Graph().as_default():
        for sizes in (tf.placeholder(tf.int32, [2**40]), np.ones(65, np.int32)):
            with pytest.raises(ShapeError, match="at most 64 axes"):
                tf.fill(sizes, 1.0)
        assert tf.zeros(tf.placeholder(tf.int32, [64])).shape.rank == 64


# ---- files of Keras models ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def keras_members(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("keras") / "model.gflow"
    keras = tf.keras
    keras.backend.clear_session()
    model = keras.Sequential([keras.layers.Dense(4, activation="relu", input_shape=(3,)),
                              keras.layers.BatchNormalization(), keras.layers.Dense(2)])
    model.compile("adam", "mse")
    model.save(path)
    return unpacked(path.read_bytes(), LoadLimits())


def _layer(plain: Any, number: int) -> dict[str, Any]:
    return plain["model"]["config"]["layers"][number]


CHANGES: dict[str, Callable[[Any], Any]] = {
    "no config": lambda p: _layer(p, 0).pop("config"),
    "an argument too many": lambda p: _layer(p, 0)["config"].update(sound="loud"),
    "no units": lambda p: _layer(p, 0)["config"].pop("units"),
    "units are a dict": lambda p: _layer(p, 0)["config"].update(units={}),
    "units without end": lambda p: _layer(p, 0)["config"].update(units=2**40),
    "axis is None": lambda p: _layer(p, 1)["config"].update(axis=None),
    "epsilon is a text": lambda p: _layer(p, 1)["config"].update(epsilon="nan"),
    "a name is a number": lambda p: _layer(p, 2)["config"].update(name=1.5),
    "an op for a layer": lambda p: _layer(p, 2).update(class_name="MatMul"),
    "layers are a number": lambda p: p["model"]["config"].update(layers=7),
    "a layer too many": lambda p: p["model"]["config"]["layers"].append(_layer(p, 2)),
    "no layers": lambda p: p["model"]["config"].pop("layers"),
    "the model is none": lambda p: p["model"].update(class_name="Nothing"),
    "an optimizer that there is none of": lambda p: p["training"].update(optimizer="hope"),
    "a loss that there is none of": lambda p: p["training"].update(loss="sorrow"),
    "a table without names": lambda p: p["layers"][0].__setitem__(0, []),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_refusal_of_a_keras_model_is_a_load_error(
    change: str, keras_members: dict[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / "changed.gflow"
    path.write_bytes(_with(keras_members, KERAS, CHANGES[change]))
    tf.keras.backend.clear_session()
    with pytest.raises(LoadError, match=r"changed\.gflow.*keras\.json"):
        tf.keras.models.load_model(path)


@pytest.mark.parametrize("layers", ["[", '[["dense"]]', '[["dense", ["nowhere"]]]', '{"a": 1}',
                                    '[["dense", "keras/0"]]'])
def test_weights_with_a_table_that_is_none(layers: str, tmp_path: Path) -> None:
    from graphflow.storage import write_tensors

    keras = tf.keras
    keras.backend.clear_session()
    model = keras.Sequential([keras.layers.Dense(2, input_shape=(3,))])
    write_tensors(tmp_path / "weights", {"a": np.zeros(3)}, {"layers": layers})
    with pytest.raises(LoadError, match="weights: layers"):
        model.load_weights(tmp_path / "weights")
