"""Weights and models in files."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as tf
from graphflow.keras.layers import BatchNormalization, Dense, Dropout, Input
from graphflow.keras.models import Model, Sequential, load_model

X = np.sin(np.arange(30.0)).reshape(10, 3).astype("float32")
Y = np.cos(np.arange(10.0))[:, None].astype("float32")


def model(name="first"):
    return Sequential([
        Dense(4, activation="relu", input_shape=(3,), name=name), BatchNormalization(),
        Dropout(0.2), Dense(1, name="last")])


def test_weights(tmp_path):
    made, other = model(), model()
    made.save_weights(tmp_path / "w.h5")
    other.load_weights(tmp_path / "w.h5")
    np.testing.assert_array_equal(made.predict(X), other.predict(X))


def test_weights_by_name(tmp_path):
    made, other = model(), model("another")
    made.save_weights(tmp_path / "w")
    before = other.get_weights()
    other.load_weights(tmp_path / "w", by_name=True)
    np.testing.assert_array_equal(other.get_weights()[0], before[0])
    np.testing.assert_array_equal(other.get_weights()[-2], made.get_weights()[-2])


def test_weights_that_do_not_fit(tmp_path):
    model().save_weights(tmp_path / "w")
    with pytest.raises(ValueError, match="containing 3 layers into a model with 1 layers"):
        Sequential([Dense(1, input_shape=(3,))]).load_weights(tmp_path / "w")
    small = Sequential([
        Dense(3, input_shape=(3,)), BatchNormalization(), Dropout(0.2), Dense(1)])
    with pytest.raises(ValueError, match="Layer dense.*the file holds"):
        small.load_weights(tmp_path / "w")
    with pytest.raises(tf.errors.NotFoundError):
        small.load_weights(tmp_path / "nothing")


def test_training_goes_on_where_it_was(tmp_path):
    made = model()
    made.compile("adam", "mse", metrics=["mae"])
    made.layers[2].rate = 0.0
    made.fit(X, Y, epochs=2, verbose=0, shuffle=False)
    made.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    expected = made.fit(X, Y, epochs=2, verbose=0, shuffle=False).history["loss"]
    found = loaded.fit(X, Y, epochs=2, verbose=0, shuffle=False).history["loss"]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert "mae" in loaded.history.history


def test_functional_model_with_own_objects(tmp_path):
    def double(x):
        return x * 2

    source = Input((3,))
    made = Model(source, Dense(2, activation=double)(source))
    made.save(tmp_path / "model")
    with pytest.raises(ValueError, match="Unknown activation function: 'double'"):
        load_model(tmp_path / "model")
    loaded = load_model(tmp_path / "model", custom_objects={"double": double})
    np.testing.assert_array_equal(loaded.predict(X), made.predict(X))


def test_weights_alone_are_no_model(tmp_path):
    model().save_weights(tmp_path / "w")
    with pytest.raises(ValueError, match="holds weights only"):
        load_model(tmp_path / "w")
