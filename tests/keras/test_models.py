"""Models of layers: stacks, networks, subclasses; their tensors, tables and configurations."""

from __future__ import annotations

import json

import numpy as np
import pytest

import graphflow as tf
from graphflow.keras import backend as K
from graphflow.keras.layers import (
    LSTM,
    BatchNormalization,
    Bidirectional,
    Concatenate,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Input,
    Lambda,
    Layer,
    TimeDistributed,
)
from graphflow.keras.models import Model, Sequential, clone_model, model_from_json

X = np.sin(np.arange(24.0)).reshape(8, 3).astype("float32")
Y = np.cos(np.arange(8.0))[:, None].astype("float32")


def test_sequential_is_built_at_once_or_by_its_data():
    known = Sequential([Dense(4, input_shape=(3,)), Dense(1)])
    assert known.built and known.output_shape == (None, 1)
    late = Sequential()
    late.add(Dense(4, activation="relu"))
    late.add(Dense(1))
    assert late.inputs is None
    late.compile("sgd", "mse")
    late.fit(X, Y, verbose=0)
    assert late.input_shape == (None, 3) and len(late.get_weights()) == 4
    late.pop()
    assert late.output_shape == (None, 4)


def test_numbers_of_a_dense_network():
    model = Sequential([Dense(4, activation="tanh", input_shape=(3,)), Dense(1)])
    w, b, v, c = model.get_weights()
    np.testing.assert_allclose(
        model.predict(X), np.tanh(X @ w + b) @ v + c, rtol=1e-5, atol=1e-6)


def test_functional_model_shares_layers():
    a, b = Input((3,)), Input((3,))
    shared = Dense(2)
    model = Model(inputs=[a, b], outputs=Concatenate()([shared(a), shared(b)]))
    kernel, bias = model.get_weights()
    both = np.concatenate([X @ kernel + bias, 2 * X @ kernel + bias], 1)
    np.testing.assert_allclose(model.predict([X, 2 * X]), both, rtol=1e-5, atol=1e-6)
    assert shared.get_output_at(1).shape.as_list() == [None, 2]
    with pytest.raises(AttributeError, match="multiple inbound nodes"):
        _ = shared.output


def test_model_is_a_layer():
    inner = Sequential([Dense(2, input_shape=(3,)), Dropout(0.5)])
    source = Input((3,))
    model = Model(source, inner(inner(source) @ np.ones((2, 3), np.float32)))
    assert len(model.weights) == 2
    kernel, bias = model.get_weights()
    first = X @ kernel + bias
    expected = first @ np.ones((2, 3)) @ kernel + bias
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-4, atol=1e-5)


def test_operations_between_layers():
    source = Input((3,))
    hidden = tf.reshape(Dense(4)(source) * 2.0, [-1, 2, 2])
    model = Model(source, tf.reduce_sum(Dropout(0.3)(hidden), axis=2))
    model.compile("sgd", "mse")
    model.fit(X, np.zeros((8, 2)), verbose=0)
    kernel, bias = model.get_weights()
    expected = (2 * (X @ kernel + bias)).reshape(-1, 2, 2).sum(2)
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-4, atol=1e-5)


class Scaled(Layer):
    """A user's layer."""

    def __init__(self, units, **kwargs):
        self.units = units
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[1], self.units), initializer="ones",
            trainable=True)
        super().build(input_shape)

    def call(self, x, training=None):
        if training:
            return K.dot(x, self.kernel) * 0.0
        return K.dot(x, self.kernel)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def test_layer_subclass_sees_the_phase_as_a_python_value():
    model = Sequential([Scaled(2, input_shape=(3,))])
    model.compile("sgd", "mse")
    np.testing.assert_allclose(model.predict(X), np.repeat(X.sum(1)[:, None], 2, 1), rtol=1e-5)
    target = np.ones((8, 2))
    assert model.train_on_batch(X, target) == pytest.approx(1.0)
    copy = Sequential.from_config(
        model.get_config(), custom_objects={"Scaled": Scaled})
    assert copy.count_params() == 6


class Net(Model):
    """A user's model."""

    def __init__(self, units):
        super().__init__(name="net")
        self.hidden = [Dense(units, activation="relu"), Dense(units, activation="relu")]
        self.drop = Dropout(0.5)
        self.out = Dense(1)

    def call(self, x, training=False):
        for layer in self.hidden:
            x = layer(x)
        if training:
            x = self.drop(x, training=training)
        return self.out(x)


def test_model_subclass():
    model = Net(4)
    model.compile("adam", "mse", metrics=["mae"])
    history = model.fit(X, Y, epochs=2, batch_size=4, verbose=0, validation_split=0.25)
    assert set(history.history) == {"loss", "mae", "val_loss", "val_mae"}
    assert len(model.trainable_weights) == 6 and model.predict(X).shape == (8, 1)
    assert model(tf.zeros([5, 3])).shape.as_list() == [5, 1]
    with pytest.raises(NotImplementedError, match="subclass"):
        model.to_json()


def test_learning_phase_can_be_fed():
    source = Input((3,))
    outputs = Dropout(0.5)(source)
    function = K.function([source, K.learning_phase()], [outputs])
    assert np.array_equal(function([X, 0])[0], X)
    found = function([np.ones((100, 3)), 1])[0]
    assert set(np.unique(found)) == {0.0, 2.0}
    session = K.get_session()
    fed = session.run(outputs, {source: X, K.learning_phase(): 0})
    assert np.array_equal(fed, X)


def test_layers_outputs_by_function():
    model = Sequential([Dense(4, input_shape=(3,)), Dense(1)])
    hidden = Model(model.input, model.layers[0].output)
    kernel, bias = model.layers[0].get_weights()
    np.testing.assert_allclose(hidden.predict(X), X @ kernel + bias, rtol=1e-5, atol=1e-6)
    assert model.get_layer("dense_1") is model.layers[1]
    with pytest.raises(ValueError, match="No such layer: 'nothing'"):
        model.get_layer("nothing")


def test_summary_is_keras_table(capsys):
    model = Sequential(
        [Dense(4, input_shape=(3,)), BatchNormalization(), Dropout(0.5), Dense(1)], name="net")
    model.summary()
    assert capsys.readouterr().out == '''\
Model: "net"
_________________________________________________________________
Layer (type)                 Output Shape              Param #   
=================================================================
dense (Dense)                (None, 4)                 16        
_________________________________________________________________
batch_normalization (BatchNo (None, 4)                 16        
_________________________________________________________________
dropout (Dropout)            (None, 4)                 0         
_________________________________________________________________
dense_1 (Dense)              (None, 1)                 5         
=================================================================
Total params: 37
Trainable params: 29
Non-trainable params: 8
_________________________________________________________________
'''  # noqa: W291  # the table is padded with spaces


def test_summary_of_a_branched_model_names_the_connections():
    lines = []
    a, b = Input((3,), name="a"), Input((3,), name="b")
    Model([a, b], Concatenate(name="both")([a, b])).summary(print_fn=lines.append)
    text = "\n".join(lines)
    assert "Connected to" in text and "a[0][0]" in text and "b[0][0]" in text


def test_functional_configuration_round_trip():
    words, numbers = Input((4,), dtype="int32", name="words"), Input((3,), name="numbers")
    x = Bidirectional(LSTM(2, return_sequences=True))(Embedding(10, 3)(words))
    x = Flatten()(TimeDistributed(Dense(2, activation="relu"))(x))
    model = Model([words, numbers], Dense(1)(Concatenate()([x, numbers])))
    text = model.to_json()
    json.loads(text)
    copy = model_from_json(text)
    copy.set_weights(model.get_weights())
    data = [np.arange(32).reshape(8, 4) % 10, X]
    np.testing.assert_allclose(copy.predict(data), model.predict(data), rtol=1e-5, atol=1e-6)
    assert [layer.name for layer in copy.layers] == [layer.name for layer in model.layers]


def test_clone_has_weights_of_its_own():
    model = Sequential([Dense(2, input_shape=(3,), kernel_regularizer="l2")])
    copy = clone_model(model)
    copy.set_weights([np.zeros((3, 2)), np.zeros(2)])
    assert np.any(model.get_weights()[0]) and len(copy.losses) == 1


def test_trainable_reaches_inner_layers():
    base = Sequential([Dense(2, input_shape=(3,)), Dense(2)])
    base.trainable = False
    model = Sequential([base, Dense(1)])
    assert len(model.trainable_weights) == 2
    base.layers[1].trainable = True
    base.trainable = True
    assert len(model.trainable_weights) == 6


def test_lambda_and_unknown_layers():
    model = Sequential([Lambda(lambda t: t ** 2, input_shape=(3,))])
    np.testing.assert_allclose(model.predict(X), X ** 2, rtol=1e-5)
    with pytest.raises(TypeError, match="instance of class Layer"):
        model.add(lambda t: t)
    with pytest.raises(ValueError, match="Unknown activation function: 'rely'"):
        Dense(2, activation="rely")
    with pytest.raises(TypeError, match="Keyword argument not understood: unitss"):
        Dense(2, unitss=3)


def test_sizes_of_inputs_in_keras_older_words():
    model = Sequential([Dense(4, input_dim=3), Dense(1)])
    assert model.input_shape == (None, 3)
    words = Sequential([Embedding(10, 2, input_length=4), LSTM(2)])
    assert words.input_shape == (None, 4)
    steps = Sequential([LSTM(2, input_length=5, input_dim=3)])
    assert steps.input_shape == (None, 5, 3)


def test_variational_autoencoder_on_its_own_tensors():
    source = Input((3,))
    mean, spread = Dense(2)(source), Dense(2)(source)
    code = Lambda(lambda p: p[0] + K.exp(p[1]) * K.random_normal((K.shape(p[0])[0], 2)))(
        [mean, spread])
    start = Input((2,))
    decoder = Model(start, Dense(3)(start), name="decoder")
    model = Model(source, decoder(code))
    model.add_loss(K.mean(K.sum(K.square(source - model.output), axis=-1)))
    model.compile("adam")
    assert np.isfinite(model.fit(X, epochs=2, verbose=0).history["loss"]).all()
    assert decoder.predict(np.zeros((4, 2))).shape == (4, 3)


def test_encoder_states_start_a_decoder():
    source, target = Input((None, 5)), Input((None, 6))
    _, h, c = LSTM(4, return_state=True)(source)
    layer = LSTM(4, return_sequences=True, return_state=True)
    outputs, _, _ = layer(target, initial_state=[h, c])
    dense = Dense(6, activation="softmax")
    model = Model([source, target], dense(outputs))
    states = [Input((4,)), Input((4,))]
    step, h2, c2 = layer(target, initial_state=states)
    decoder = Model([target, *states], [dense(step), h2, c2])
    x, y = np.ones((2, 7, 5)), np.ones((2, 3, 6))
    first = Model(source, [h, c]).predict(x)
    found, values = [], first
    for t in range(3):
        out, *values = decoder.predict([y[:, t:t + 1], *values])
        found.append(out)
    np.testing.assert_allclose(
        np.concatenate(found, 1), model.predict([x, y]), rtol=1e-4, atol=1e-5)
    copy = model_from_json(model.to_json())
    copy.set_weights(model.get_weights())
    np.testing.assert_allclose(copy.predict([x, y]), model.predict([x, y]), rtol=1e-5)
