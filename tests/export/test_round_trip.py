"""Programs written to a file and read again: the same values, training and bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphflow as tf
from graphflow.errors import ExportError, FeedError, GradientError, LoadError

X = np.linspace(-1.0, 1.0, 12, dtype=np.float32).reshape(4, 3)


@pytest.fixture(autouse=True)
def fresh_graph() -> Any:
    with tf.Graph().as_default():
        yield


def _initialised() -> tf.Session:
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    return session


def _network() -> tuple[Any, Any]:
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    with tf.variable_scope("net"):
        h = tf.nn.relu(tf.layers.dense(x, 5, name="hidden"))
        y = tf.layers.dense(h, 2, name="out")
    return x, y


def _files_equal(first: Path, second: Path) -> bool:
    return first.read_bytes() == second.read_bytes()


# ---- values ------------------------------------------------------------------------------------


def test_outputs_are_bit_equal_and_a_second_export_gives_the_same_bytes(tmp_path: Path) -> None:
    x, y = _network()
    session = _initialised()
    tf.export(tmp_path / "a.gflow", {"serve": ({"x": x}, {"y": y})}, session)
    loaded = tf.load(tmp_path / "a.gflow")
    np.testing.assert_array_equal(loaded.signatures["serve"](X)["y"], session.run(y, {x: X}))
    tf.export(tmp_path / "b.gflow", loaded.signatures)
    assert _files_equal(tmp_path / "a.gflow", tmp_path / "b.gflow")


def test_only_what_the_signatures_need_is_written(tmp_path: Path) -> None:
    x, y = _network()
    tf.Variable(3.0, name="unused")
    tf.train.AdamOptimizer().minimize(tf.reduce_sum(y))
    tf.export(tmp_path / "a.gflow", {"serve": ({"x": x}, {"y": y})}, _initialised())
    loaded = tf.load(tmp_path / "a.gflow")
    assert sorted(v.op.name for v in loaded.variables) == [
        "net/hidden/bias", "net/hidden/kernel", "net/out/bias", "net/out/kernel"]
    assert not any("Adam" in op.name for op in loaded.graph.get_operations())


def test_a_tensor_in_the_middle_can_be_the_input(tmp_path: Path) -> None:
    x, y = _network()
    hidden = tf.py_func(lambda a: a * 2, [x], tf.float32)
    hidden.set_shape([None, 3])
    z = tf.reduce_sum(hidden * hidden, 1)
    with tf.Session() as session:
        tf.export(tmp_path / "a.gflow", {"tail": ({"hidden": hidden}, {"z": z})}, session)
    found = tf.load(tmp_path / "a.gflow").signatures["tail"](hidden=X)["z"]
    np.testing.assert_allclose(found, (X * X).sum(1), rtol=1e-6)
    del y


def test_sparse_tensors_and_rows_are_inputs_and_outputs(tmp_path: Path) -> None:
    sparse = tf.sparse_placeholder(tf.float32, [3, 4], name="sparse")
    rows = tf.IndexedSlices(tf.placeholder(tf.float32, [None, 2]),
                            tf.placeholder(tf.int32, [None]), tf.constant([5, 2]))
    dense = tf.convert_to_tensor(rows)
    signature = tf.Signature(
        {"s": sparse, "values": rows.values, "indices": rows.indices},
        {"s2": tf.sparse_transpose(sparse), "total": tf.sparse.reduce_sum(sparse), "rows": rows,
         "dense": dense})
    value = tf.SparseTensorValue([[0, 1], [2, 3]], np.float32([2, 5]), [3, 4])
    feeds = {"s": value, "values": np.float32([[1, 2], [3, 4]]), "indices": [4, 0]}
    with tf.Session() as session:
        tf.export(tmp_path / "a.gflow", {"run": signature}, session)
    found = tf.load(tmp_path / "a.gflow").signatures["run"](**feeds)
    assert found["total"] == 7.0
    np.testing.assert_array_equal(found["s2"].indices, [[1, 0], [3, 2]])
    np.testing.assert_array_equal(found["rows"].indices, [4, 0])
    np.testing.assert_array_equal(found["dense"][[4, 0]], [[1, 2], [3, 4]])


def _loop(x: Any) -> Any:
    w = tf.get_variable("w", [3, 3], initializer=tf.constant_initializer(0.25))
    return tf.while_loop(lambda i, h: i < 4, lambda i, h: (i + 1, tf.tanh(tf.matmul(h, w))),
                         [0, x])[1]


def _branches(x: Any) -> Any:
    v = tf.get_variable("v", [], initializer=tf.constant_initializer(3.0))
    return tf.cond(tf.reduce_sum(x) > 0.5, lambda: x * v, lambda: tf.cond(
        x[0, 0] < 0, lambda: x - v, lambda: -x))


def _mapped(x: Any) -> Any:
    return tf.scan(lambda a, row: a * 0.5 + tf.map_fn(lambda e: e * 2, row), x)


def _arrays(x: Any) -> Any:
    n = tf.shape(x)[0]
    array = tf.TensorArray(tf.float32, n)
    _, array = tf.while_loop(
        lambda i, a: i < n, lambda i, a: (i + 1, a.write(i, x[i] * tf.cast(i, tf.float32))),
        [0, array])
    return array.stack()


def _recurrent(x: Any) -> Any:
    cell = tf.nn.rnn_cell.LSTMCell(2)
    return tf.nn.dynamic_rnn(cell, tf.reshape(x, [2, -1, 3]), dtype=tf.float32)[0]


@pytest.mark.parametrize("build", [_loop, _branches, _mapped, _arrays, _recurrent])
@pytest.mark.parametrize("training", [False, True])
def test_branches_and_loops_come_back_with_their_gradients(
    build: Callable[[Any], Any], training: bool, tmp_path: Path
) -> None:
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    y = build(x)
    slope = tf.gradients(tf.reduce_sum(y * y), x)[0]
    session = _initialised()
    signature = {"run": ({"x": x}, {"y": y, "slope": slope})}
    tf.export(tmp_path / "a.gflow", signature, session, training=training)
    loaded = tf.load(tmp_path / "a.gflow")
    tf.export(tmp_path / "b.gflow", loaded.signatures, training=training)
    assert _files_equal(tmp_path / "a.gflow", tmp_path / "b.gflow")
    for value in (X, -X, X[:2]):
        found = loaded.signatures["run"](value)
        wanted = session.run({"y": y, "slope": slope}, {x: value})
        np.testing.assert_array_equal(found["y"], wanted["y"])
        np.testing.assert_array_equal(found["slope"], wanted["slope"])


@pytest.mark.parametrize("build", [_loop, _branches, _mapped, _arrays, _recurrent])
def test_a_loaded_graph_can_be_differentiated(
    build: Callable[[Any], Any], tmp_path: Path
) -> None:
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    y = build(x)
    session = _initialised()
    tf.export(tmp_path / "a.gflow", {"run": ({"x": x}, {"y": y})}, session)
    loaded = tf.load(tmp_path / "a.gflow")
    run = loaded.signatures["run"]
    with loaded.graph.as_default(), loaded.session() as other:
        slope = tf.gradients(run.outputs["y"] ** 2, [run.inputs["x"], *tf.trainable_variables()])
        found = other.run(slope, {run.inputs["x"]: X})
    wanted = session.run(tf.gradients(y ** 2, [x, *tf.trainable_variables()]), {x: X})
    for a, b in zip(found, wanted):
        np.testing.assert_array_equal(a, b)


# ---- training ----------------------------------------------------------------------------------


def test_training_goes_on_bit_for_bit(tmp_path: Path) -> None:
    tf.set_random_seed(3)
    x, y = _network()
    label = tf.placeholder(tf.int32, [None], name="label")
    step = tf.train.get_or_create_global_step()
    rate = tf.train.exponential_decay(0.1, step, 3, 0.5)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=label, logits=tf.nn.dropout(y, 0.7)))
    train = tf.train.AdamOptimizer(rate).minimize(loss, step)
    average = tf.train.ExponentialMovingAverage(0.9)
    with tf.control_dependencies([train]):
        average_op = average.apply(tf.trainable_variables())
    session = _initialised()
    labels = np.array([0, 1, 1, 0])
    for _ in range(3):
        session.run(average_op, {x: X, label: labels})
    signature = tf.Signature({"x": x, "label": label}, {"loss": loss, "step": step}, [average_op])
    tf.export(tmp_path / "a.gflow", {"train": signature}, session, training=True)
    loaded = tf.load(tmp_path / "a.gflow")
    assert loaded.training and len(loaded.variables) == len(tf.global_variables())
    for _ in range(5):
        wanted = session.run([loss, step, average_op], {x: X, label: labels})
        found = loaded.signatures["train"](X, labels)
        assert found["loss"] == wanted[0] and found["step"] == wanted[1]
    with loaded.graph.as_default():
        assert tf.train.get_global_step().name == step.name
        assert [v.name for v in tf.trainable_variables()] == [
            "net/hidden/kernel:0", "net/hidden/bias:0", "net/out/kernel:0", "net/out/bias:0"]


def test_a_new_optimizer_trains_a_loaded_inference_graph(tmp_path: Path) -> None:
    x, y = _network()
    tf.export(tmp_path / "a.gflow", {"serve": ({"x": x}, {"y": y})}, _initialised())
    loaded = tf.load(tmp_path / "a.gflow")
    serve = loaded.signatures["serve"]
    with loaded.graph.as_default(), tf.Session() as session:
        loss = tf.reduce_mean(tf.square(serve.outputs["y"] - 1.0))
        train = tf.train.AdamOptimizer(0.05).minimize(loss)
        # Initialising sets the values of the file.
        session.run(tf.global_variables_initializer())
        first = session.run(serve.outputs["y"], {serve.inputs["x"]: X})
        np.testing.assert_array_equal(first, serve(X)["y"])
        before = session.run(loss, {serve.inputs["x"]: X})
        for _ in range(30):
            session.run(train, {serve.inputs["x"]: X})
        assert session.run(loss, {serve.inputs["x"]: X}) < before / 2


def test_a_saver_restores_into_a_loaded_graph(tmp_path: Path) -> None:
    x, y = _network()
    session = _initialised()
    tf.train.Saver().save(session, str(tmp_path / "model"))
    wanted = session.run(y, {x: X})
    session.run([v.assign(v * 0.0) for v in tf.trainable_variables()])
    tf.export(tmp_path / "a.gflow", {"serve": ({"x": x}, {"y": y})}, session)
    loaded = tf.load(tmp_path / "a.gflow")
    with loaded.graph.as_default(), loaded.session() as other:
        assert not other.run("net/out/BiasAdd:0", {"x:0": X}).any()
        tf.train.Saver().restore(other, str(tmp_path / "model"))
        np.testing.assert_array_equal(
            loaded.signatures["serve"].run(other, X)["y"], wanted)


def test_names_of_new_operations_are_not_taken(tmp_path: Path) -> None:
    x, y = _network()
    tf.export(tmp_path / "a.gflow", {"serve": ({"x": x}, {"y": y})}, _initialised())
    loaded = tf.load(tmp_path / "a.gflow")
    with loaded.graph.as_default():
        assert tf.placeholder(tf.float32, name="x").name == "x_1:0"
        with tf.name_scope("net") as scope:
            assert scope == "net_1/"


def test_seeds_go_on_counting(tmp_path: Path) -> None:
    tf.set_random_seed(7)
    a = tf.random_uniform([3])
    with tf.Session() as session:
        tf.export(tmp_path / "a.gflow", {"run": ({}, {"a": a})}, session, training=True)
        wanted = session.run([a, tf.random_uniform([3])])
    loaded = tf.load(tmp_path / "a.gflow")
    with loaded.graph.as_default(), loaded.session() as session:
        found = session.run([loaded.signatures["run"].outputs["a"], tf.random_uniform([3])])
    np.testing.assert_array_equal(found, wanted)


# ---- what is kept beside values ----------------------------------------------------------------


def test_shapes_that_the_user_set_sites_devices_and_collections_are_kept(tmp_path: Path) -> None:
    x = tf.placeholder(tf.float32, name="x")
    with tf.device("/cpu:0"):
        y = tf.identity(x, name="y")
    y.set_shape([None, 3])
    tf.add_to_collection("mine", y)
    tf.add_to_collection("mine", "text")
    with tf.Session() as session:
        tf.export(tmp_path / "a.gflow", {"run": ({"x": x}, {"y": y})}, session)
        tf.export(tmp_path / "b.gflow", {"run": ({"x": x}, {"y": y})}, session, sites=False)
    loaded = tf.load(tmp_path / "a.gflow")
    found = loaded.graph.get_tensor_by_name("y:0")
    assert found.shape.as_list() == [None, 3] and found.device == "/cpu:0"
    assert found.op.traceback[0][1] == y.op.traceback[0][1]
    assert loaded.graph.get_collection("mine") == [found, "text"]
    assert tf.load(tmp_path / "b.gflow").graph.get_tensor_by_name("y:0").op.traceback == []


def test_a_rule_of_the_users_is_found_by_name_and_others_are_missed(tmp_path: Path) -> None:
    @tf.custom_gradient
    def doubled(v: Any) -> Any:
        return v * 1.0, lambda g: g * 2.0

    x = tf.placeholder(tf.float32, [], name="x")
    with tf.get_default_graph().gradient_override_map({"Square": "Neg"}):
        named = tf.square(x)
    own = doubled(x)
    slopes = tf.gradients(own, x)[0]
    with tf.Session() as session:
        tf.export(tmp_path / "a.gflow", {
            "run": ({"x": x}, {"named": named, "own": own, "slopes": slopes})}, session)
    loaded = tf.load(tmp_path / "a.gflow")
    run = loaded.signatures["run"]
    assert run(3.0)["slopes"] == 2.0
    with loaded.graph.as_default(), loaded.session() as session:
        x = run.inputs["x"]
        assert session.run(tf.gradients(run.outputs["named"], x)[0], {x: 3.0}) == -1.0
        with pytest.raises(GradientError, match="custom_gradient"):
            tf.gradients(run.outputs["own"], x)


def test_the_users_own_ops_are_passed_in_by_name(tmp_path: Path) -> None:
    cubed = tf.numba_op(lambda v: v * v * v, name="cubed")
    x = tf.placeholder(tf.float64, [None], name="x")
    with tf.Session() as session:
        tf.export(tmp_path / "a.gflow", {"run": ({"x": x}, {"y": cubed(x)})}, session)
    with pytest.raises(LoadError, match=r"gf.load\(…, ops="):
        tf.load(tmp_path / "a.gflow")
    loaded = tf.load(tmp_path / "a.gflow", ops={cubed.name: cubed})
    np.testing.assert_array_equal(loaded.signatures["run"]([2.0, -3.0])["y"], [8.0, -27.0])
    with pytest.raises(LoadError, match="is no op"):
        tf.load(tmp_path / "a.gflow", ops={cubed.name: print})


def test_constants_keep_every_bit(tmp_path: Path) -> None:
    strange = np.frombuffer(b"\x01\x00\xc0\x7f\x00\x00\x00\x80\x01\x00\x00\x00", np.float32)
    large = np.resize(strange, 100)
    texts = np.array([b"\xff\x00", b"", "ä".encode()] * 20, object)
    with tf.Session() as session:
        outputs = {"small": tf.constant(strange), "large": tf.constant(large),
                   "texts": tf.constant(texts), "half": tf.constant([1.5], tf.bfloat16)}
        tf.export(tmp_path / "a.gflow", {"run": ({}, outputs)}, session)
    found = tf.load(tmp_path / "a.gflow").signatures["run"]()
    assert found["small"].tobytes() == strange.tobytes()
    assert found["large"].tobytes() == large.tobytes()
    assert found["texts"].tolist() == texts.tolist()
    assert found["half"].dtype == tf.bfloat16.as_numpy_dtype


# ---- refusals ----------------------------------------------------------------------------------


def test_what_cannot_be_exported_is_named(tmp_path: Path) -> None:
    x = tf.placeholder(tf.float32, [None], name="x")
    y = tf.py_func(lambda a: a, [x], tf.float32, name="mine")
    z = tf.read_file("somewhere", name="reading")
    v = tf.Variable(1.0, name="v")
    shown = tf.print(x, output_stream=lambda text: None, name="shown")
    with tf.Session() as session:
        for outputs, updates, message in (
            ({"y": y}, [], "PyFunc 'mine': it calls a Python function"),
            ({"z": z}, [], "ReadFile 'reading'"),
            ({"v": v}, [], "these variables have no value: v"),
            ({}, [shown], "PrintV2 'shown': attribute output cannot be written"),
        ):
            with pytest.raises(ExportError, match=message):
                tf.export(tmp_path / "a.gflow", {
                    "run": tf.Signature({"x": x}, outputs, updates)}, session)
        with pytest.raises(ExportError, match="must be a gf.Signature"):
            tf.export(tmp_path / "a.gflow", {"run": x}, session)
        with pytest.raises(ExportError, match="at least one signature"):
            tf.export(tmp_path / "a.gflow", {}, session)
        with pytest.raises(ExportError, match="signature 'run', input 'x'"):
            tf.export(tmp_path / "a.gflow", {"run": ({"x": "nowhere:0"}, {})}, session)
    with pytest.raises(ExportError, match="pass the session"):
        tf.export(tmp_path / "a.gflow", {"run": ({"x": x}, {"y": x})})
    assert not list(tmp_path.iterdir())


def test_summaries_are_left_out_of_training_programs(tmp_path: Path) -> None:
    x = tf.placeholder(tf.float32, [], name="x")
    v = tf.Variable(2.0, name="v")
    fed = tf.py_func(lambda: np.float32(1), [], tf.float32, name="source")
    fed.set_shape([])
    loss = tf.square(v * x - fed)
    train = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
    summary = tf.summary.scalar("loss", loss)
    session = _initialised()
    step = tf.Signature({"x": x, "source": fed}, {"loss": loss}, [train])
    with pytest.warns(tf.GraphflowWarning, match="(?i)left out.*PyFunc 'source'"):
        tf.export(tmp_path / "a.gflow", {"step": step}, session, training=True)
    loaded = tf.load(tmp_path / "a.gflow")
    for _ in range(2):
        wanted = session.run([loss, train], {x: 3.0, fed: 1.5})[0]
        assert loaded.signatures["step"](3.0, 1.5)["loss"] == wanted
    shown = tf.Signature({"x": x, "source": fed}, {"summary": summary})
    with pytest.raises(ExportError, match="PyFuncStateless 'loss'"):
        tf.export(tmp_path / "a.gflow", {"shown": shown}, session, training=True)
    with pytest.raises(ExportError, match="PyFunc 'source'"):
        tf.export(tmp_path / "a.gflow", {"step": ({"x": x}, {"loss": loss})}, session,
                  training=True)


def test_a_signature_says_what_is_wrong_with_a_call(tmp_path: Path) -> None:
    x, y = _network()
    tf.export(tmp_path / "a.gflow", {"serve": ({"image": x}, {"y": y})}, _initialised())
    loaded = tf.load(tmp_path / "a.gflow")
    serve = loaded.signatures["serve"]
    assert str(serve) == "Signature 'serve' (image: float32 [x.0, 3]) → (y: float32 [x.0, 2])"
    for arguments, keywords, message in (
        ((), {}, "missing 'image'"), ((X, X), {}, "takes 1 inputs, got 2"),
        ((), {"imag": X}, "no input 'imag'. Did you mean 'image'"),
        ((X,), {"image": X}, "given twice"), ((X[:, :2],), {}, r"shape \[4, 2\]"),
        ((["a"],), {}, "cannot feed"),
    ):
        with pytest.raises(FeedError, match=message):
            serve(*arguments, **keywords)
    with pytest.raises(LoadError, match=r"no signature 'train'; the file has \['serve'\]"):
        loaded.signatures["train"]
    with tf.Session() as session, pytest.raises(LoadError, match="another graph"):
        loaded.restore(session)


def test_an_optional_input_may_be_left_out(tmp_path: Path) -> None:
    x = tf.placeholder_with_default(np.float32(4.0), [], name="x")
    with tf.Session() as session:
        tf.export(tmp_path / "a.gflow", {"run": ({"x": x}, {"y": x * 2.0})}, session)
    run = tf.load(tmp_path / "a.gflow").signatures["run"]
    assert run()["y"] == 8.0 and run(1.0)["y"] == 2.0
