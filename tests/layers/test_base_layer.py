"""The Layer that `tf.layers` and Keras share: weights, tracking, losses, updates, values."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import graphflow as tf
from graphflow.errors import DTypeError, GraphError, ShapeError
from graphflow.layers import base
from graphflow.layers.layer_names import to_snake_case
from graphflow.regularizers import l2


@pytest.fixture(autouse=True)
def fresh_graph() -> Iterator[None]:
    with tf.Graph().as_default():
        yield


class Scale(base.Layer):
    def __init__(self, factor: float = 1.0, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape):
        self.gain = self.add_weight(
            "gain", [input_shape[-1]], initializer=tf.ones_initializer(), regularizer=l2(0.5))
        self.count = self.add_weight(
            "count", dtype="int32", initializer=tf.zeros_initializer(), trainable=False)
        super().build(input_shape)

    def call(self, inputs):
        self.add_update(tf.assign_add(self.count, 1), inputs=inputs)
        return inputs * self.gain * self.factor

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class Twice(base.Layer):
    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.parts = [Scale(2.0), Scale(3.0)]

    def call(self, inputs):
        return self.parts[1](self.parts[0](inputs))


def test_weights_are_named_after_the_layer_and_tracked() -> None:
    layer = Scale(4.0)
    out = layer(np.ones((2, 3), np.float32))
    assert [w.name for w in layer.trainable_weights] == ["scale/gain:0"]
    assert [w.name for w in layer.non_trainable_weights] == ["scale/count:0"]
    assert tf.trainable_variables() == layer.trainable_weights
    assert (layer.name, layer.dtype, layer.built, layer.count_params()) == (
        "scale", "float32", True, 4)
    assert out.name == "scale/mul_1:0"
    assert len(layer.losses) == len(layer.updates) == 1


def test_default_names_count_up_in_each_graph() -> None:
    assert [Scale().name for _ in range(3)] == ["scale", "scale_1", "scale_2"]
    with tf.Graph().as_default():
        assert Scale().name == "scale"


@pytest.mark.parametrize("name, snake", [
    ("Dense", "dense"), ("Conv2DTranspose", "conv2d_transpose"),
    ("BatchNormalization", "batch_normalization"), ("MaxPooling1D", "max_pooling1d"),
    ("LSTMCell", "lstm_cell"), ("_Hidden", "private__hidden")])
def test_snake_case(name: str, snake: str) -> None:
    # As tf_keras.src.engine.base_layer_utils.to_snake_case gives them.
    assert to_snake_case(name) == snake


def test_layers_inside_count() -> None:
    layer = Twice()
    out = layer(tf.constant([[1.0, 2.0]]))
    assert len(layer.trainable_weights) == 2 and len(layer.weights) == 4
    assert len(layer.losses) == 2 and len(layer.updates) == 2
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        np.testing.assert_array_equal(sess.run(out), [[6.0, 12.0]])
        assert sess.run(layer.losses) == [1.0, 1.0]
    layer.trainable = False
    assert layer.trainable_weights == [] and len(layer.non_trainable_weights) == 4
    assert layer.updates == []


def test_values_through_the_current_session() -> None:
    layer = Scale()
    layer(tf.constant([[1.0, 2.0]]))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        layer.set_weights([[3.0, 4.0], 7])
        gain, count = layer.get_weights()
        np.testing.assert_array_equal(gain, [3.0, 4.0])
        assert count == 7
        with pytest.raises(GraphError, match="was expecting 2 weights"):
            layer.set_weights([[3.0, 4.0]])
        with pytest.raises(ShapeError, match="scale/gain:0 has shape"):
            layer.set_weights([[3.0], 7])
    with pytest.raises(RuntimeError, match="needs a session"):
        layer.get_weights()


def test_losses_and_updates_for_inputs() -> None:
    layer, first = Scale(), tf.constant([[1.0, 2.0]])
    second = first + 1.0
    layer(first), layer(second)
    assert len(layer.get_updates_for(first)) == len(layer.get_updates_for(second)) == 1
    assert layer.get_updates_for(None) == [] and len(layer.get_losses_for(None)) == 1


def test_configuration() -> None:
    layer = Scale(2.5, name="s", input_shape=(3,), dtype="float64")
    again = Scale.from_config(layer.get_config())
    assert again.get_config() == {"name": "s", "trainable": True, "dtype": "float64",
                                  "batch_input_shape": (None, 3), "factor": 2.5}


def test_initial_weights() -> None:
    layer = Scale(weights=[[5.0, 6.0], 1])
    with tf.Session() as sess:
        layer(tf.constant([[1.0, 2.0]]))
        np.testing.assert_array_equal(sess.run(layer.gain), [5.0, 6.0])


def test_mistakes() -> None:
    with pytest.raises(DTypeError, match="Keyword argument not understood: unit"):
        Scale(unit=3)
    with pytest.raises(GraphError, match="isn't built"):
        Scale().count_params()
    with pytest.raises(ShapeError, match="shape of a weight must be known"):
        Scale()(tf.placeholder(tf.float32, [None, None]))
    with pytest.raises(NotImplementedError, match="does not define compute_output_shape"):
        Twice().compute_output_shape([1, 2])
    with pytest.raises(TypeError, match="does not support masking"):
        Scale().compute_mask(None, tf.constant([True]))
