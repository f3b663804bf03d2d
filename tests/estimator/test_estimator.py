"""Estimators: own model functions, canned ones, inputs, training with evaluation."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as tf

fc = tf.feature_column
RNG = np.random.RandomState(0)
X = RNG.randn(300, 2).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(np.int64)
CONFIG = tf.estimator.RunConfig(tf_random_seed=1, save_summary_steps=50)


def train_input(epochs=None, batch_size=50):
    return tf.estimator.inputs.numpy_input_fn({"x": X}, Y, batch_size, epochs, shuffle=True)


def test_input():
    return tf.estimator.inputs.numpy_input_fn({"x": X}, Y, num_epochs=1, shuffle=False)


test_input.__test__ = False  # type: ignore[attr-defined]  # no test, in spite of its name


def line_fn(features, labels, mode, params):
    """y = w·x + b by gradient descent."""
    w = tf.get_variable("w", [], initializer=tf.zeros_initializer())
    b = tf.get_variable("b", [], initializer=tf.zeros_initializer())
    y = w * features["x"] + b
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(mode, predictions={"y": y, "x": features["x"]})
    loss = tf.reduce_mean(tf.square(y - labels))
    train = tf.train.GradientDescentOptimizer(params["rate"]).minimize(
        loss, tf.train.get_global_step())
    return tf.estimator.EstimatorSpec(
        mode, loss=loss, train_op=train,
        eval_metric_ops={"mae": tf.metrics.mean_absolute_error(labels, y)})


LINE_X = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
LINE_Y = 2 * LINE_X + 1


def line_input(epochs=None, batch=4):
    return tf.estimator.inputs.numpy_input_fn(
        {"x": LINE_X}, LINE_Y, batch_size=batch, num_epochs=epochs, shuffle=False)


def line_after(steps, rate=0.05):
    w = b = 0.0
    for _ in range(steps):
        residual = w * LINE_X + b - LINE_Y
        w, b = w - rate * 2 * np.mean(residual * LINE_X), b - rate * 2 * np.mean(residual)
    return w, b


def test_a_model_function_from_start_to_prediction(tmp_path):
    estimator = tf.estimator.Estimator(line_fn, tmp_path, CONFIG, params={"rate": 0.05})
    assert estimator.latest_checkpoint() is None
    assert estimator.train(line_input(), steps=30) is estimator
    w, b = line_after(30)
    np.testing.assert_allclose(estimator.get_variable_value("w"), w, rtol=1e-5)
    estimator.train(line_input(), max_steps=50)
    estimator.train(line_input(), max_steps=50)  # is there already
    w, b = line_after(50)
    np.testing.assert_allclose(estimator.get_variable_value("b"), b, rtol=1e-5)
    assert estimator.get_variable_names() == ["b", "global_step", "w"]
    found = estimator.evaluate(line_input(1, batch=3))
    errors = np.abs(w * LINE_X + b - LINE_Y)
    assert found["global_step"] == 50
    np.testing.assert_allclose(found["mae"], errors.mean(), rtol=1e-4)
    # The loss is the mean over batches, whatever their sizes, as in TensorFlow.
    np.testing.assert_allclose(
        found["loss"], (np.mean(errors[:3] ** 2) + errors[3] ** 2) / 2, rtol=1e-4)
    rows = list(estimator.predict(line_input(1)))
    np.testing.assert_allclose([r["y"] for r in rows], w * LINE_X + b, rtol=1e-5)
    [batch] = estimator.predict(line_input(1), predict_keys="y", yield_single_examples=False)
    assert list(batch) == ["y"] and batch["y"].shape == (4,)
    other = tf.estimator.Estimator(line_fn, tmp_path, params={"rate": 0.0})
    assert other.evaluate(line_input(1), steps=1)["global_step"] == 50
    events = list((tmp_path / "eval").iterdir())
    tags = {v.tag for e in tf.summary.summary_iterator(events[0]) for v in e.summary.value}
    assert tags == {"mae", "loss"}


def test_the_end_of_the_data_ends_the_training(tmp_path):
    estimator = tf.estimator.Estimator(line_fn, tmp_path, params={"rate": 0.05})
    estimator.train(line_input(epochs=3, batch=4))
    assert estimator.get_variable_value("global_step") == 3

    def dataset():
        data = tf.data.Dataset.from_tensor_slices(({"x": LINE_X}, LINE_Y))
        return data.repeat(2).batch(4)

    estimator.train(dataset)
    np.testing.assert_allclose(estimator.get_variable_value("w"), line_after(5)[0], rtol=1e-5)


def test_inputs_of_arrays():
    with tf.Graph().as_default(), tf.Session() as sess:
        make = tf.estimator.inputs.numpy_input_fn(
            {"a": np.arange(5), "w": np.array(["p", "q", "r", "s", "t"])}, np.arange(5) * 10,
            batch_size=2, num_epochs=2, shuffle=False)
        features, labels = make()
        got = []
        with pytest.raises(tf.errors.OutOfRangeError):
            while True:
                got.append(sess.run([features["a"], labels, features["w"]]))
        assert [g[0].tolist() for g in got] == [[0, 1], [2, 3], [4, 0], [1, 2], [3, 4]]
        assert got[0][1].tolist() == [0, 10] and got[4][2].tolist() == [b"s", b"t"]
        x = tf.estimator.inputs.numpy_input_fn(
            np.arange(10), batch_size=10, shuffle=True, num_epochs=None)()
        assert x.shape.as_list() == [10]
        orders = [sess.run(x).tolist() for _ in range(2)]
        assert sorted(orders[0]) == sorted(orders[1]) == list(range(10)) != orders[0]
        assert orders[0] != orders[1]
    with pytest.raises(ValueError, match="shuffle must be provided"):
        tf.estimator.inputs.numpy_input_fn({"x": X})
    with pytest.raises(ValueError, match="mismatched"):
        tf.estimator.inputs.numpy_input_fn({"x": X}, Y[:3], shuffle=False)()


def test_train_and_evaluate(tmp_path):
    config = tf.estimator.RunConfig(save_checkpoints_steps=10)
    estimator = tf.estimator.Estimator(line_fn, tmp_path, config, params={"rate": 0.05})
    seen = []

    class Seen(tf.train.SessionRunHook):
        def end(self, session):
            seen.append(int(session.run("global_step:0")))

    result, exported = tf.estimator.train_and_evaluate(
        estimator, tf.estimator.TrainSpec(line_input(), max_steps=25),
        tf.estimator.EvalSpec(line_input(1), hooks=[Seen()], throttle_secs=0))
    assert seen == [10, 20, 25] and result["global_step"] == 25 and exported == []


def test_warm_start(tmp_path):
    first = tf.estimator.Estimator(line_fn, tmp_path / "a", params={"rate": 0.05})
    first.train(line_input(), steps=20)
    second = tf.estimator.Estimator(
        line_fn, tmp_path / "b", params={"rate": 0.0}, warm_start_from=tmp_path / "a")
    second.train(line_input(), steps=1)
    assert second.get_variable_value("w") == first.get_variable_value("w")
    assert second.get_variable_value("global_step") == 1


def test_a_deep_classifier(tmp_path):
    columns = [fc.numeric_column("x", shape=2)]
    classifier = tf.estimator.DNNClassifier(
        [16, 8], columns, tmp_path, optimizer=tf.train.AdamOptimizer(0.01), config=CONFIG)
    classifier.train(train_input(), steps=200)
    found = classifier.evaluate(test_input())
    assert set(found) == {
        "accuracy", "accuracy_baseline", "auc", "auc_precision_recall", "average_loss",
        "global_step", "label/mean", "loss", "precision", "prediction/mean", "recall"}
    assert found["accuracy"] > 0.95
    np.testing.assert_allclose(found["label/mean"], Y.mean(), rtol=1e-5)
    np.testing.assert_allclose(found["accuracy_baseline"], max(Y.mean(), 1 - Y.mean()), rtol=1e-5)
    # One logit: the probabilities are its sigmoid's; losses are sums over batches of 128, 128, 44.
    rows = list(classifier.predict(test_input()))
    p = np.clip([r["logistic"][0] for r in rows], 1e-7, 1 - 1e-7)
    each = -np.where(Y, np.log(p), np.log(1 - p))
    np.testing.assert_allclose(found["average_loss"], each.mean(), rtol=1e-3)
    np.testing.assert_allclose(found["loss"], each.sum() / 3, rtol=1e-3)
    np.testing.assert_allclose(rows[0]["probabilities"], [1 - p[0], p[0]], rtol=1e-4, atol=1e-6)
    assert rows[0]["class_ids"] == (p[0] > 0.5) and rows[0]["classes"][0] == b"%d" % (p[0] > 0.5)
    assert "dnn/hiddenlayer_1/kernel" in classifier.get_variable_names()
    assert "dnn/logits/bias" in classifier.get_variable_names()


def test_three_classes_with_names():
    x = np.repeat(np.eye(3, dtype=np.float32), 20, 0)
    y = np.repeat(["red", "green", "blue"], 20)
    inputs = tf.estimator.inputs.numpy_input_fn({"x": x}, y, 20, None, shuffle=True)
    for make in (
            lambda: tf.estimator.LinearClassifier(
                [fc.numeric_column("x", shape=3)], n_classes=3,
                label_vocabulary=["red", "green", "blue"], config=CONFIG),
            lambda: tf.estimator.DNNClassifier(
                [8], [fc.numeric_column("x", shape=3)], n_classes=3,
                label_vocabulary=["red", "green", "blue"], config=CONFIG)):
        classifier = make()
        classifier.train(inputs, steps=100)
        rows = list(classifier.predict(tf.estimator.inputs.numpy_input_fn(
            {"x": np.eye(3, dtype=np.float32)}, shuffle=False)))
        assert [r["classes"][0] for r in rows] == [b"red", b"green", b"blue"]
        assert rows[0]["probabilities"].shape == (3,)


def test_regressors_and_weights():
    x = np.linspace(-1, 1, 40).astype(np.float32)
    inputs = tf.estimator.inputs.numpy_input_fn(
        {"x": x, "w": (x > 0).astype(np.float32)}, np.where(x > 0, 3 * x + 1, 100.0), 40, None,
        shuffle=False)
    regressor = tf.estimator.LinearRegressor(
        [fc.numeric_column("x")], weight_column="w", config=CONFIG,
        optimizer=lambda: tf.train.FtrlOptimizer(0.5))
    regressor.train(inputs, steps=300)
    np.testing.assert_allclose(
        regressor.get_variable_value("linear/linear_model/x/weights"), [[3.0]], atol=0.1)
    np.testing.assert_allclose(
        regressor.get_variable_value("linear/linear_model/bias_weights"), [1.0], atol=0.1)
    deep = tf.estimator.DNNRegressor([16], [fc.numeric_column("x")], config=CONFIG)
    curve = tf.estimator.inputs.numpy_input_fn({"x": x}, x ** 2, 40, None, shuffle=True)
    deep.train(curve, steps=300)
    once = tf.estimator.inputs.numpy_input_fn({"x": x}, x ** 2, shuffle=False)
    assert deep.evaluate(once)["average_loss"] < 0.01


def test_wide_and_deep():
    rng = np.random.RandomState(3)
    words = rng.choice(["a", "b", "c"], 200)
    x = rng.randn(200).astype(np.float32)
    y = ((words == "a") ^ (x > 0)).astype(np.int32)
    word = fc.categorical_column_with_vocabulary_list("word", ["a", "b", "c"])
    sign = fc.bucketized_column(fc.numeric_column("x"), [0.0])
    inputs = tf.estimator.inputs.numpy_input_fn({"word": words, "x": x}, y, 50, None, shuffle=True)
    model = tf.estimator.DNNLinearCombinedClassifier(
        linear_feature_columns=[fc.crossed_column(["word", sign], 1000)],
        dnn_feature_columns=[fc.embedding_column(word, 4), fc.numeric_column("x")],
        dnn_hidden_units=[8], linear_optimizer=tf.train.FtrlOptimizer(0.2), config=CONFIG)
    model.train(inputs, steps=150)
    once = tf.estimator.inputs.numpy_input_fn({"word": words, "x": x}, y, shuffle=False)
    found = model.evaluate(once)
    assert found["accuracy"] > 0.97 and found["global_step"] == 150
    names = model.get_variable_names()
    assert "linear/linear_model/word_X_x_bucketized/weights" in names
    assert ("dnn/input_from_feature_columns/input_layer/word_embedding/embedding_weights"
            in names)


def test_mistakes_say_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="must include features argument"):
        tf.estimator.Estimator(lambda x: None)
    with pytest.raises(ValueError, match=r"not expected args: \['other'\]"):
        tf.estimator.Estimator(lambda features, other: None)
    estimator = tf.estimator.Estimator(line_fn, tmp_path, params={"rate": 0.05})
    with pytest.raises(ValueError, match="both steps and max_steps"):
        estimator.train(line_input(), steps=1, max_steps=1)
    with pytest.raises(ValueError, match="no trained model"):
        next(estimator.predict(line_input(1)))
    with pytest.raises(tf.errors.UnimplementedError, match="latest_checkpoint"):
        estimator.export_savedmodel("x", None)
    for arguments, message in (
            ({"mode": "train", "loss": 1.0}, "Missing train_op"),
            ({"mode": "eval"}, "Missing loss"), ({"mode": "infer"}, "Missing predictions"),
            ({"mode": "fit"}, "ModeKeys")):
        with pytest.raises(ValueError, match=message):
            tf.estimator.EstimatorSpec(**arguments)
    with pytest.raises(ValueError, match="cannot be both set"):
        tf.estimator.RunConfig(save_checkpoints_steps=1, save_checkpoints_secs=1)
    with pytest.raises(TypeError, match="no argument 'speed'"):
        tf.estimator.RunConfig(speed=3)
    with pytest.raises(ValueError, match="Unsupported optimizer name"):
        tf.estimator.LinearRegressor([fc.numeric_column("x")], optimizer="Best").train(
            line_input(), steps=1)
    with pytest.raises(ValueError, match="n_classes"):
        tf.estimator.LinearClassifier([fc.numeric_column("x")], n_classes=1)
