"""TensorFlow 1's names for graphs in files: graph definitions, meta graphs, saved models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphflow as tf
from graphflow.errors import (
    DTypeError,
    FailedPreconditionError,
    GraphError,
    LoadError,
    NotFoundError,
)

X = np.linspace(-1.0, 1.0, 12, dtype=np.float32).reshape(4, 3)


@pytest.fixture(autouse=True)
def fresh_graph() -> Any:
    with tf.Graph().as_default():
        yield


def _network() -> tuple[Any, Any, tf.Session]:
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    with tf.variable_scope("net"):
        w = tf.get_variable("w", [3, 3])
        h = tf.while_loop(lambda i, h: i < 3, lambda i, h: (i + 1, tf.tanh(tf.matmul(h, w))),
                          [0, x], name="loop")[1]
        y = tf.add(h, tf.constant(np.arange(30, dtype=np.float32).reshape(10, 3))[:1], name="y")
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    return x, y, session


# ---- graph definitions -------------------------------------------------------------------------


def test_nodes_are_listed_with_inputs_and_controls() -> None:
    x = tf.placeholder(tf.float32, [2], name="x")
    a, b = tf.split(x, 2, name="parts")
    with tf.control_dependencies([x.op]), tf.device("/cpu:0"):
        tf.add(b, a, name="sum")
    definition = tf.get_default_graph().as_graph_def()
    last = definition.node[-1]
    assert (last.name, last.op, last.device) == ("sum", "Add", "/cpu:0")
    assert last.input == ["parts:1", "parts", "^x"]


def test_import_maps_inputs_and_gives_elements_back() -> None:
    x, y, session = _network()
    wanted = session.run(y, {x: X})
    frozen = tf.graph_util.convert_variables_to_constants(
        session, session.graph.as_graph_def(), ["net/y"])
    assert not any(n.op in ("Variable", "ReadVariable", "Assign") for n in frozen.node)
    copied = tf.GraphDef()
    assert copied.ParseFromString(frozen.SerializeToString()) == frozen.ByteSize()
    assert copied == frozen
    with tf.Graph().as_default(), tf.Session() as other:
        z = tf.placeholder(tf.float32, [None, 3], name="z")
        out, op = tf.import_graph_def(
            copied, input_map={"x": z * 1.0}, return_elements=["net/y:0", "net/y"])
        assert out.name == "import/net/y:0" and op is out.op
        np.testing.assert_array_equal(other.run(out, {z: X}), wanted)
        slope = tf.gradients(out, z)[0]
        assert other.run(slope, {z: X}).shape == X.shape
        again, = tf.import_graph_def(copied, return_elements=["x:0"])
        assert again.name == "import_1/x:0"


def test_import_without_a_scope_and_with_one() -> None:
    x, y, _ = _network()
    definition = x.graph.as_graph_def()
    with tf.Graph().as_default() as graph:
        assert tf.import_graph_def(definition, name="") is None
        assert graph.get_tensor_by_name("net/y:0").shape.as_list() == [None, 3]
        again, = tf.import_graph_def(definition, name="", return_elements=["net/y:0"])
        assert again.name == "net/y_1:0"
        assert graph.get_operation_by_name("net/w_1").get_attr("shared_name") == "net/w_1"
        with tf.name_scope("outer"):
            tf.import_graph_def(definition, name="inner")
        assert graph.get_operation_by_name("outer/inner/net/y").type == y.op.type
        key = graph.get_operation_by_name("outer/inner/net/w").get_attr("shared_name")
        assert key == "outer/inner/net/w"


def test_wrong_arguments_of_import() -> None:
    x, y, _ = _network()
    definition = x.graph.as_graph_def()
    with pytest.raises(DTypeError, match="must be a gf.GraphDef"):
        tf.import_graph_def(b"")
    with pytest.raises(ValueError, match="Attempted to map inputs that were not found"):
        tf.import_graph_def(definition, input_map={"nowhere": y})
    with pytest.raises(ValueError, match="return_element 'nowhere' not found"):
        tf.import_graph_def(definition, return_elements=["nowhere"])
    with pytest.raises(DTypeError, match="keys of input_map"):
        tf.import_graph_def(definition, input_map={y: y})


def test_python_functions_in_definitions_are_named_and_not_imported() -> None:
    x, y, session = _network()
    tf.py_func(lambda: np.float32(1), [], tf.float32, name="mine")
    tf.summary.scalar("seen", tf.reduce_sum(y))
    definition = tf.get_default_graph().as_graph_def()
    assert "mine" in [n.name for n in definition.node]
    frozen = tf.graph_util.convert_variables_to_constants(session, definition, ["net/y"])
    with tf.Graph().as_default():
        tf.import_graph_def(frozen)
        with pytest.raises(LoadError, match="'mine': a file may not hold PyFunc"):
            tf.import_graph_def(definition)


def test_variables_that_cannot_become_constants() -> None:
    x, y, session = _network()
    definition = x.graph.as_graph_def()
    with pytest.raises(GraphError, match="needs the variable 'net/w' itself"):
        tf.graph_util.convert_variables_to_constants(session, definition, ["net/w/Assign"])
    kept = tf.graph_util.convert_variables_to_constants(
        session, definition, ["net/y"], variable_names_blacklist=["net/w"])
    assert any(n.op == "Variable" for n in kept.node)
    with pytest.raises(GraphError, match="nowhere is not in graph"):
        tf.graph_util.extract_sub_graph(definition, ["nowhere"])
    with pytest.raises(TypeError):
        tf.graph_util.extract_sub_graph(definition, "net/y")
    with tf.Session() as empty, pytest.raises(FailedPreconditionError, match="net/w"):
        tf.graph_util.convert_variables_to_constants(empty, definition, ["net/y"])


def test_nodes_that_only_pass_a_value_on_are_removed() -> None:
    x = tf.placeholder(tf.float32, [2], name="x")
    kept = tf.identity(tf.identity(x), name="kept")
    y = tf.add(tf.identity(kept), tf.check_numerics(x, "no"), name="y")
    definition = tf.graph_util.remove_training_nodes(y.graph.as_graph_def(), ["kept"])
    assert [(n.name, n.input) for n in definition.node] == [
        ("x", []), ("kept", ["x"]), ("y", ["kept", "x"])]
    with tf.Graph().as_default(), tf.Session() as session:
        tf.graph_util.import_graph_def(definition, name="")
        np.testing.assert_array_equal(session.run("y:0", {"x:0": [1, 2]}), [2, 4])


@pytest.mark.parametrize("record", [
    [], {}, {"op": "NoOp"}, {"op": 1, "name": "a"}, {"op": "Neg", "name": "a", "inputs": [[0, 0]]},
    {"op": "Neg", "name": "a", "inputs": [0]}, {"op": "NoOp", "name": "a", "controls": [7]}])
def test_damaged_definitions_are_refused_when_they_are_read(record: Any) -> None:
    data = tf.GraphDef([record]).SerializeToString()
    with pytest.raises(LoadError):
        tf.GraphDef().ParseFromString(data)


def test_write_graph(tmp_path: Path) -> None:
    x, y, _ = _network()
    path = tf.io.write_graph(x.graph, str(tmp_path / "new"), "graph.pb", as_text=False)
    definition = tf.GraphDef()
    definition.ParseFromString(Path(path).read_bytes())
    assert definition == x.graph.as_graph_def()
    text = tf.train.write_graph(definition, str(tmp_path), "graph.pbtxt")
    assert y.op.name in [r["name"] for r in json.loads(Path(text).read_text())]
    with pytest.raises(LoadError):
        definition.ParseFromString(b"no archive")


# ---- meta graphs -------------------------------------------------------------------------------


def test_a_meta_graph_trains_on_with_a_checkpoint(tmp_path: Path) -> None:
    x, y, session = _network()
    loss = tf.reduce_sum(y * y, name="loss")
    tf.train.AdamOptimizer(0.01).minimize(loss, name="train")
    session.run(tf.global_variables_initializer())
    session.run("train", {x: X})
    saver = tf.train.Saver()
    saver.save(session, str(tmp_path / "model"))
    written = (tmp_path / "model.meta").read_bytes()
    assert saver.export_meta_graph().SerializeToString() == written
    tf.train.export_meta_graph(str(tmp_path / "again.meta"))
    assert (tmp_path / "again.meta").read_bytes() == written
    wanted = [session.run(["loss:0", "train"], {x: X})[0] for _ in range(3)]
    with tf.Graph().as_default(), tf.Session() as other:
        saver = tf.train.import_meta_graph(str(tmp_path / "model.meta"))
        assert saver is not None
        saver.restore(other, str(tmp_path / "model"))
        assert tf.get_collection("train_op")[0].name == "train"
        found = [other.run(["loss:0", "train"], {"x:0": X})[0] for _ in range(3)]
    np.testing.assert_array_equal(found, wanted)


def test_what_no_file_can_hold_is_left_out_of_meta_graphs(tmp_path: Path) -> None:
    v = tf.Variable(1.0, name="v")
    tf.py_func(lambda: np.float32(1), [], tf.float32, name="mine")
    tf.summary.scalar("seen", v)
    w = tf.Variable(tf.py_func(lambda: np.float32(2), [], tf.float32), validate_shape=False,
                    name="w")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(tmp_path / "model"))
    with tf.Graph().as_default() as graph, tf.Session() as session:
        saver = tf.train.import_meta_graph(str(tmp_path / "model.meta"))
        assert saver is not None
        saver.restore(session, str(tmp_path / "model"))
        assert session.run([v.name, w.name]) == [1.0, 2.0]
        assert not any(op.type.startswith("PyFunc") for op in graph.get_operations())


def test_devices_can_be_forgotten(tmp_path: Path) -> None:
    with tf.device("/gpu:3"):
        tf.constant(1.0, name="c")
    meta = tf.train.export_meta_graph()
    assert tf.train.export_meta_graph(clear_devices=True).graph_def.node[0].device == ""
    for cleared, device in ((False, "/gpu:3"), (True, "")):
        with tf.Graph().as_default() as graph:
            tf.train.import_meta_graph(meta, clear_devices=cleared)
            assert graph.get_operation_by_name("c").device == device


def test_a_meta_graph_under_a_scope(tmp_path: Path) -> None:
    x, _, _ = _network()
    meta = tf.train.export_meta_graph(collection_list=["trainable_variables"])
    copied = tf.MetaGraphDef()
    copied.ParseFromString(meta.SerializeToString())
    assert copied.graph_def.node == x.graph.as_graph_def().node
    with tf.Graph().as_default(), tf.Session() as session:
        assert tf.train.import_meta_graph(copied, import_scope="part") is None
        assert [v.name for v in tf.trainable_variables()] == ["part/net/w:0"]
        assert tf.global_variables() == []
        session.run(tf.trainable_variables()[0].initializer)
        assert session.run("part/net/y:0", {"part/x:0": X}).shape == (4, 3)
    with pytest.raises(NotFoundError):
        tf.train.import_meta_graph(str(tmp_path / "nowhere.meta"))
    with pytest.raises(DTypeError, match="MetaGraphDef"):
        tf.train.import_meta_graph(7)


# ---- saved models ------------------------------------------------------------------------------


def test_simple_save_and_load(tmp_path: Path) -> None:
    x, y, session = _network()
    wanted = session.run(y, {x: X})
    folder = str(tmp_path / "saved")
    assert not tf.saved_model.loader.maybe_saved_model_directory(folder)
    tf.saved_model.simple_save(session, folder, {"x": x}, {"y": y})
    assert tf.saved_model.loader.maybe_saved_model_directory(folder)
    with tf.Graph().as_default(), tf.Session() as other:
        meta = tf.saved_model.loader.load(other, ["serve"], folder)
        signature = meta.signature_def["serving_default"]
        assert tf.saved_model.is_valid_signature(signature) and meta.tags == ("serve",)
        info = signature.inputs["x"]
        assert (info.name, info.dtype, info.tensor_shape.as_list()) == (
            "x:0", tf.float32, [None, 3])
        found = other.run(signature.outputs["y"].name, {info.name: X})
        np.testing.assert_array_equal(found, wanted)
    with tf.Graph().as_default(), tf.Session() as other:
        tf.saved_model.loader.load(other, ["serve"], folder, import_scope="s")
        np.testing.assert_array_equal(other.run("s/net/y:0", {"s/x:0": X}), wanted)
    loaded = tf.load(tmp_path / "saved" / "saved_model.gflow")
    np.testing.assert_array_equal(loaded.signatures["serving_default"](X)["y"], wanted)
    with pytest.raises(GraphError, match="isn't empty"):
        tf.saved_model.simple_save(session, folder, {"x": x}, {"y": y})
    with tf.Graph().as_default(), tf.Session() as other:
        with pytest.raises(LoadError, match=r"tags \['serve'\], not \['train'\]"):
            tf.saved_model.loader.load(other, ["train"], folder)
        with pytest.raises(NotFoundError):
            tf.saved_model.loader.load(other, ["serve"], str(tmp_path))


def test_a_builder_with_signatures_and_an_operation_to_begin_with(tmp_path: Path) -> None:
    x, y, session = _network()
    counter = tf.get_variable("counter", initializer=np.int32(5))
    session.run(counter.initializer)
    builder = tf.saved_model.builder.SavedModelBuilder(str(tmp_path / "saved"))
    signature = tf.saved_model.build_signature_def(
        {"x": tf.saved_model.build_tensor_info(x)}, {"y": tf.saved_model.build_tensor_info(y)},
        tf.saved_model.signature_constants.PREDICT_METHOD_NAME)
    with pytest.raises(GraphError, match="call add_meta_graph"):
        builder.save()
    builder.add_meta_graph_and_variables(
        session, [tf.saved_model.tag_constants.SERVING, "gpu"], {"mine": signature},
        main_op=tf.assign_add(counter, 1).op)
    with pytest.raises(GraphError, match="already been saved"):
        builder.add_meta_graph_and_variables(session, [])
    builder.save()
    with tf.Graph().as_default(), tf.Session() as other:
        meta = tf.saved_model.load(other, ["gpu", "serve"], str(tmp_path / "saved"))
        assert list(meta.signature_def) == ["mine"]
        assert other.run("counter:0") == 6
