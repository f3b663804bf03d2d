"""Weights and models in files."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as tf
from graphflow.keras.layers import BatchNormalization, Dense, Dropout, Input, Lambda, Layer
from graphflow.keras.models import Model, Sequential, load_model, model_from_json

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


def test_a_saved_model_is_an_exported_graph(tmp_path):
    made = model()
    made.compile("adam", "mse")
    made.fit(X, Y, epochs=1, verbose=0)
    made.save(tmp_path / "model.gflow")
    made.save(tmp_path / "again.gflow")
    assert (tmp_path / "model.gflow").read_bytes() == (tmp_path / "again.gflow").read_bytes()
    serve = tf.load(tmp_path / "model.gflow").signatures["serving_default"]
    assert list(serve.inputs) == made.input_names and list(serve.outputs) == made.output_names
    np.testing.assert_array_equal(serve(X)[made.output_names[0]], made.predict(X))
    other = model()
    other.load_weights(tmp_path / "model.gflow")
    np.testing.assert_array_equal(other.predict(X), made.predict(X))


def test_functions_of_python_are_refused_by_name(tmp_path):
    source = Input((3,))
    with_lambda = Model(source, Lambda(lambda x: x * 2.0, name="twice")(source))
    with pytest.raises(tf.errors.ExportError, match="Lambda 'twice': it holds a Python function"):
        with_lambda.save(tmp_path / "model")

    class Called(Layer):
        def call(self, inputs):
            return tf.py_func(lambda x: x, [inputs], tf.float32, name="mine")

    with_call = Model(source, Called()(source))
    with pytest.raises(tf.errors.ExportError, match="PyFunc '.*mine'"):
        with_call.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_json_gives_layers_and_connections(tmp_path):
    made = model()
    other = model_from_json(made.to_json())
    other.set_weights(made.get_weights())
    np.testing.assert_array_equal(other.predict(X), made.predict(X))


def test_files_that_are_no_models(tmp_path):
    tf.export(tmp_path / "graph", {"run": ({}, {"y": tf.constant(1.0)})}, tf.Session())
    with pytest.raises(tf.errors.LoadError, match="without a Keras model"):
        load_model(tmp_path / "graph")
    model().save(tmp_path / "model")
    data = bytearray((tmp_path / "model").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "model").write_bytes(data)
    with pytest.raises(tf.errors.LoadError, match="model"):
        load_model(tmp_path / "model")
