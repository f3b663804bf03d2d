"""`tf.layers` where TensorFlow's recorded programs do not look: arguments, wording, training."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import graphflow as tf
from graphflow.errors import ShapeError


@pytest.fixture(autouse=True)
def fresh_graph() -> Iterator[None]:
    with tf.Graph().as_default():
        yield


def test_a_constraint_holds_after_each_step() -> None:
    x = tf.constant([[1.0, -1.0]])
    y = tf.layers.dense(x, 1, kernel_constraint=tf.nn.relu,
                        kernel_initializer=tf.ones_initializer())
    train = tf.train.GradientDescentOptimizer(5.0).minimize(tf.reduce_sum(tf.square(y - 2.0)))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        kernel = sess.run(tf.trainable_variables()[0])
    np.testing.assert_array_equal(kernel, [[21.0], [0.0]])


def test_dropout_in_training_keeps_the_mean_and_scales() -> None:
    flag = tf.placeholder(tf.bool, [])
    ones = tf.ones([100, 100])
    thinned = tf.layers.dropout(ones, rate=0.25, training=flag, seed=3)
    rows = tf.layers.dropout(ones, 0.5, noise_shape=[None, 1], training=True, seed=4)
    with tf.Session() as sess:
        np.testing.assert_array_equal(sess.run(thinned, {flag: False}), 1.0)
        values = sess.run(thinned, {flag: True})
        assert set(np.unique(values)) == {np.float32(0), np.float32(1) / np.float32(0.75)}
        assert abs(values.mean() - 1) < 0.02
        by_row = sess.run(rows)
    np.testing.assert_array_equal(by_row, np.repeat(by_row[:, :1], 100, 1))
    assert 0 < (by_row[:, 0] == 0).sum() < 100


def test_updates_of_batch_normalization_run_with_the_step() -> None:
    x = tf.placeholder(tf.float32, [None, 2])
    training = tf.placeholder_with_default(False, [])
    y = tf.layers.batch_normalization(x, training=training, momentum=0.0)
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        step = tf.identity(tf.reduce_sum(y))
    data = np.array([[1.0, 2.0], [3.0, 8.0]], np.float32)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(step, {x: data, training: True})
        mean, variance = sess.run([v for v in tf.global_variables() if "moving" in v.name])
        np.testing.assert_allclose(mean, [2.0, 5.0])
        np.testing.assert_allclose(variance, [1.0, 9.0])
        sess.run(step, {x: data * 10})
        np.testing.assert_allclose(sess.run(tf.global_variables()[2]), [2.0, 5.0])


def test_frozen_batch_normalization_has_no_updates() -> None:
    tf.layers.batch_normalization(tf.ones([2, 3]), training=True, trainable=False)
    assert tf.get_collection(tf.GraphKeys.UPDATE_OPS) == []
    assert tf.trainable_variables() == []


def test_half_precision_keeps_its_moments_in_single() -> None:
    layer = tf.layers.BatchNormalization()
    y = layer(tf.cast(tf.constant([[1.0], [3.0]]), tf.float16), training=True)
    assert y.dtype is tf.float16 and layer.moving_mean.dtype is tf.float32
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        np.testing.assert_allclose(sess.run(y), [[-1], [1]], atol=2e-3)


@pytest.mark.parametrize("arguments", [
    {"renorm": True}, {"virtual_batch_size": 2}, {"adjustment": lambda shape: (1, 0)}])
def test_what_batch_normalization_does_not_have(arguments: dict) -> None:
    with pytest.raises(NotImplementedError, match=f"{next(iter(arguments))} is not available"):
        tf.layers.batch_normalization(tf.ones([4, 2]), **arguments)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_channels_first_is_channels_last_transposed(rank: int) -> None:
    """Against channels_last, which is compared with TensorFlow's."""
    x = np.cos(np.arange(2 * 5**rank * 3)).astype(np.float32).reshape(2, *[5] * rank, 3)
    first = np.moveaxis(x, -1, 1)
    conv = [tf.layers.conv1d, tf.layers.conv2d, tf.layers.conv3d][rank - 1]
    pool = [tf.layers.average_pooling1d, tf.layers.average_pooling2d,
            tf.layers.average_pooling3d][rank - 1]
    last_out = pool(conv(x, 4, 2, name="c", activation=tf.tanh), 2, 2)
    first_out = pool(conv(first, 4, 2, name="c", reuse=True, activation=tf.tanh,
                          data_format="channels_first"), 2, 2, data_format="channels_first")
    assert first_out.shape.as_list() == [2, 4, *[2] * rank]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        expected, found = sess.run([last_out, first_out])
    np.testing.assert_allclose(np.moveaxis(found, 1, -1), expected, rtol=1e-5, atol=1e-6)


def test_transposed_convolution_of_sizes_known_at_run_time() -> None:
    x = tf.placeholder(tf.float32, [None, None, None, 3])
    y = tf.layers.conv2d_transpose(x, 2, 3, strides=2, padding="same")
    z = tf.layers.conv2d_transpose(x, 2, 3, strides=2)
    assert y.shape.as_list() == [None, None, None, 2]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for size in (2, 5):
            shapes = [v.shape for v in sess.run([y, z], {x: np.ones((1, size, 4, 3))})]
            assert shapes == [(1, 2 * size, 8, 2), (1, 2 * size + 1, 9, 2)]


def test_causal_convolution_does_not_look_ahead() -> None:
    layer = tf.layers.Conv1D(1, 3, padding="causal", dilation_rate=2, use_bias=False,
                             kernel_initializer=tf.ones_initializer())
    y = layer(np.arange(1, 8, dtype=np.float32).reshape(1, 7, 1))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        # y[t] = x[t] + x[t − 2] + x[t − 4], zeros before the start.
        np.testing.assert_array_equal(sess.run(y)[0, :, 0], [1, 2, 4, 6, 9, 12, 15])


@pytest.mark.parametrize("layer, shape", [
    (lambda: tf.layers.Dense(5), [None, 3]),
    (lambda: tf.layers.Conv2D(4, 3, strides=2, padding="same"), [None, 7, 6, 3]),
    (lambda: tf.layers.Conv2D(4, 3, dilation_rate=2), [None, 7, 6, 3]),
    (lambda: tf.layers.Conv2DTranspose(4, 3, strides=2), [None, 7, 6, 3]),
    (lambda: tf.layers.MaxPooling2D(2, 2), [None, 7, 6, 3]),
    (lambda: tf.layers.AveragePooling1D(3, 2, "same"), [None, 7, 3]),
    (lambda: tf.layers.Flatten(), [None, 7, 3]),
    (lambda: tf.layers.BatchNormalization(), [None, 7, 3])])
def test_compute_output_shape_is_the_shape_of_the_output(layer, shape: list) -> None:
    made = layer()
    out = made(tf.placeholder(tf.float32, shape))
    assert made.compute_output_shape(shape).as_list() == out.shape.as_list()


def test_wording() -> None:
    with pytest.raises(ShapeError, match=r"Input 0 of layer fc is incompatible with the layer: "
                                         r"expected min_ndim=2, found ndim=1"):
        tf.layers.dense(tf.ones([3]), 2, name="fc")
    with pytest.raises(ShapeError, match="last dimension of the inputs to `Dense`.*placeholder"):
        tf.layers.dense(tf.placeholder(tf.float32, [None, None]), 2)
    with pytest.raises(ValueError, match="padding must be one of valid, same, got 'full'"):
        tf.layers.conv2d(tf.ones([1, 4, 4, 1]), 1, 2, padding="full")
    with pytest.raises(TypeError, match="non-floating point dtype int32"):
        tf.layers.dense(tf.constant([[1, 2]]), 2)


def test_a_training_flag_of_no_shape_keeps_the_shape():
    with tf.Graph().as_default(), tf.Session() as sess:
        training = tf.placeholder(tf.bool)
        x = tf.ones([4, 3])
        outputs = [tf.layers.batch_normalization(x, training=training),
                   tf.layers.dropout(x, training=training)]
        assert [y.shape.as_list() for y in outputs] == [[4, 3], [4, 3]]
        sess.run(tf.global_variables_initializer())
        for y in sess.run(outputs, {training: True}):
            assert y.shape == (4, 3)
