"""Programs as tutorials print them, word for word: only the import is changed, and data given.

Two of them hold slips that TensorFlow refuses as well. graphflow refuses them too, says what is
wrong, and runs them once that is put right.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphflow as tf

PRINTED = Path(__file__).parent / "printed"


def run(program: str, correct: tuple[str, str] | None = None, **data: Any) -> dict[str, Any]:
    """Runs a printed program with `data` as its names, after one correction; gives its names."""
    text = (PRINTED / f"{program}.txt").read_text(encoding="utf-8")
    assert text.count("import tensorflow as tf") == 1
    text = text.replace("import tensorflow as tf", "import graphflow as tf")
    if correct is not None:
        assert text.count(correct[0]) == 1
        text = text.replace(*correct)
    tf.keras.backend.clear_session()
    tf.reset_default_graph()
    tf.set_random_seed(1)
    exec(compile(text, f"{program}.py", "exec"), data)
    return data


def digits(count: int) -> dict[str, np.ndarray]:
    """The first training images and all held-out ones, under the names that tutorials use."""
    data = tf.data.digits_dataset(size=28)
    return {"x_train": data.train_images[:count], "y_train": data.train_labels[:count],
            "x_test": data.test_images, "y_test": data.test_labels}


def line(count: int, inputs: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """x [count, inputs] and y [count, 1] = 3 Σ x + 1."""
    x = np.random.RandomState(seed).uniform(-1, 1, (count, inputs)).astype(np.float32)
    return x, 3 * x.sum(1, keepdims=True) + 1


def test_convolutional_network(capsys: pytest.CaptureFixture[str]):
    names = run("cnn_sequential", **digits(640))
    printed = capsys.readouterr().out
    assert "Epoch 5/5" in printed and "accuracy" in printed
    loss, accuracy = names["model"].evaluate(names["x_test"], names["y_test"], verbose=0)
    assert accuracy > 0.85
    assert loss < 0.5


def test_classifier_with_objects_for_loss_and_optimizer():
    data = digits(1438)
    images = data["x_train"].reshape(-1, 784)
    labels = np.eye(10, dtype=np.float32)[data["y_train"]]
    model = run("classifier_objects", x_train=images, y_train=labels)["model"]
    loss, accuracy = model.evaluate(
        data["x_test"].reshape(-1, 784), np.eye(10)[data["y_test"]], verbose=0)
    assert accuracy > 0.85
    assert loss < 0.6


def test_linear_regression_in_a_session_needs_a_matrix():
    x, y = line(100, 1)
    with pytest.raises(tf.errors.ShapeError) as raised:
        run("linear_regression_session", X_train=x, y_train=y)
    message = str(raised.value)
    assert "MatMul" in message and "[1]" in message
    assert "reshape" in message.lower() or "[1, 1]" in message or "expand_dims" in message


def test_linear_regression_in_a_session(capsys: pytest.CaptureFixture[str]):
    x, y = line(100, 1)
    correction = ("tf.random_normal([1])", "tf.random_normal([1, 1])")
    names = run("linear_regression_session", correction, X_train=x, y_train=y)
    np.testing.assert_allclose(names["W_val"], [[3]], atol=0.02)
    np.testing.assert_allclose(names["b_val"], [1], atol=0.02)
    printed = capsys.readouterr().out
    assert printed.count("Epoch") == 10 and "Weight: [[" in printed


def test_evaluate_without_metrics_gives_one_number():
    x, y = line(64, 4)
    with pytest.raises(TypeError, match="it is the loss alone.*without metrics"):
        run("regression_sequential", x_train=x, y_train=y, x_test=x, y_test=y)


def test_regression_with_a_metric():
    x, y = line(256, 4)
    correction = ("loss='mse')", "loss='mse', metrics=['accuracy'])")
    names = run("regression_sequential", correction, x_train=x, y_train=y, x_test=x, y_test=y)
    untrained = float(np.mean(np.square(y)))
    assert names["loss"] < 0.9 * untrained
    assert 0 <= names["accuracy"] <= 1


def test_line_through_four_points(capsys: pytest.CaptureFixture[str]):
    names = run("line_sequential")
    np.testing.assert_allclose(names["predictions"], [[2], [4], [6], [8]], atol=0.5)
    assert "Epoch 1000/1000" in capsys.readouterr().out
