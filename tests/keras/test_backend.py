"""`keras.backend` and `keras.utils`: values, functions, names."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as tf
from graphflow.errors import DatasetError
from graphflow.keras import backend as K
from graphflow.keras import initializers, layers, optimizers, utils

A = np.sin(np.arange(12.0)).reshape(3, 4).astype("float32")

SAME = {
    "sum": lambda a: a.sum(1), "mean": lambda a: a.mean(1), "max": lambda a: a.max(1),
    "min": lambda a: a.min(1), "prod": lambda a: a.prod(1), "std": lambda a: a.std(1),
    "var": lambda a: a.var(1), "argmax": lambda a: a.argmax(1), "cumsum": lambda a: a.cumsum(1),
}


@pytest.mark.parametrize("name", SAME)
def test_reductions(name):
    np.testing.assert_allclose(
        K.eval(getattr(K, name)(tf.constant(A), axis=1)), SAME[name](A), rtol=1e-5, atol=1e-6)


def test_operations():
    a = tf.constant(A)
    pairs = [
        (K.clip(a, -0.5, None), np.maximum(A, -0.5)), (K.square(a), A * A),
        (K.sqrt(a), np.sqrt(np.maximum(A, 0))), (K.permute_dimensions(a, (1, 0)), A.T),
        (K.dot(a, tf.transpose(a)), A @ A.T), (K.concatenate([a, a]), np.hstack([A, A])),
        (K.batch_flatten(tf.constant(A.reshape(3, 2, 2))), A),
        (K.batch_dot(a, a, axes=1), (A * A).sum(1, keepdims=True)),
        (K.repeat_elements(a, 2, 0), np.repeat(A, 2, 0)),
        (K.one_hot(tf.constant([0, 2]), 3), np.eye(3)[[0, 2]]),
        (K.switch(K.greater(a, 0), a, -a), np.abs(A)),
        (K.hard_sigmoid(a), np.clip(0.2 * A + 0.5, 0, 1)),
    ]
    for found, expected in zip(K.batch_get_value([p[0] for p in pairs]), pairs):
        np.testing.assert_allclose(found, expected[1], rtol=1e-5, atol=1e-6)
    assert K.int_shape(a) == (3, 4) and K.ndim(a) == 2 and K.dtype(a) == "float32"


def test_variables_and_functions():
    v = K.variable(A, name="v")
    x = K.placeholder((None, 4))
    function = K.function([x], [K.sum(x * v)], updates=[(v, v + 1.0)])
    assert function([A])[0] == pytest.approx((A * A).sum(), rel=1e-5)
    np.testing.assert_allclose(K.get_value(v), A + 1, rtol=1e-6)
    K.set_value(v, A)
    np.testing.assert_array_equal(K.eval(v), A)
    (gradient,) = K.gradients(K.sum(K.square(v)), [v])
    np.testing.assert_allclose(K.eval(gradient), 2 * A, rtol=1e-6)


def test_settings():
    assert K.floatx() == "float32" and K.epsilon() == 1e-7
    assert K.image_data_format() == "channels_last"
    with pytest.raises(ValueError, match="Unknown floatx"):
        K.set_floatx("float8")


def test_clearing_the_session_forgets_values():
    v = K.variable(1.0)
    session = K.get_session()
    K.set_value(v, 5.0)
    K.clear_session()
    assert K.get_session() is not session
    assert K.get_value(v) == 1.0


def test_labels():
    np.testing.assert_array_equal(utils.to_categorical([0, 2]), [[1, 0, 0], [0, 0, 1]])
    assert utils.to_categorical(np.zeros((4, 1)), 3).shape == (4, 3)
    np.testing.assert_allclose(utils.normalize(np.array([[3.0, 4.0]])), [[0.6, 0.8]])


def test_initializers():
    for name in ("glorot_uniform", "he_normal", "lecun_uniform", "orthogonal", "zeros",
                 "random_normal", "truncated_normal", "identity"):
        value = K.eval(initializers.get(name)([4, 4], "float32"))
        assert value.shape == (4, 4)
    q = K.eval(initializers.Orthogonal(gain=2.0)([6, 3], "float32"))
    np.testing.assert_allclose(q.T @ q, 4 * np.eye(3), atol=1e-5)
    config = initializers.serialize(initializers.RandomUniform(-1, 1, seed=3))
    assert initializers.get(config).get_config() == config["config"]
    with pytest.raises(ValueError, match="Unknown initializer: 'glorot'"):
        initializers.get("glorot")


def test_names_become_objects():
    assert optimizers.get("RMSprop").get_config()["rho"] == pytest.approx(0.9)
    layer = layers.Dense(3, kernel_regularizer="l1_l2", kernel_constraint="non_neg")
    config = layers.serialize(layer)
    assert layers.deserialize(config).get_config() == layer.get_config()


def test_datasets_that_are_not_there(tmp_path):
    with pytest.raises(DatasetError, match="graphflow downloads nothing"):
        tf.keras.datasets.mnist.load_data(tmp_path / "none.npz")
    arrays = {n: np.zeros((2, 28, 28), np.uint8) for n in ("x_train", "x_test")}
    labels = {n: np.zeros(2, np.uint8) for n in ("y_train", "y_test")}
    np.savez(tmp_path / "mnist.npz", **arrays, **labels)
    (x, y), _ = tf.keras.datasets.mnist.load_data(tmp_path / "mnist.npz")
    assert x.shape == (2, 28, 28) and y.shape == (2,)
