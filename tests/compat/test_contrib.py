"""`tf.contrib`: layers, slim, cells, losses of sequences; names are TensorFlow 1.15's."""

from __future__ import annotations

import numpy as np
import pytest
from graphflow.contrib.layers import xavier_initializer

import graphflow as tf
from graphflow.contrib import rnn, slim


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def names() -> list[str]:
    return [v.op.name for v in tf.global_variables()]


def test_variables_have_the_names_of_contrib():
    x = tf.placeholder(tf.float32, [None, 8, 8, 1])
    net = tf.contrib.layers.conv2d(x, 4, [3, 3], normalizer_fn=tf.contrib.layers.batch_norm)
    net = tf.contrib.layers.conv2d_transpose(net, 2, 3, stride=2, scope="up")
    assert net.shape.as_list() == [None, 16, 16, 2]
    net = tf.contrib.layers.flatten(tf.contrib.layers.max_pool2d(net, 2))
    tf.contrib.layers.fully_connected(net, 3)
    tf.contrib.layers.fully_connected(net, 3)
    assert names() == [
        "Conv/weights", "Conv/BatchNorm/beta", "Conv/BatchNorm/moving_mean",
        "Conv/BatchNorm/moving_variance", "up/weights", "up/biases",
        "fully_connected/weights", "fully_connected/biases",
        "fully_connected_1/weights", "fully_connected_1/biases"]
    assert len(tf.get_collection(tf.GraphKeys.UPDATE_OPS)) == 2
    assert len(tf.model_variables()) == 10


def test_fully_connected_is_relu_of_the_product():
    x = np.random.RandomState(0).normal(size=(5, 3, 4)).astype(np.float32)
    y = tf.contrib.layers.fully_connected(
        tf.constant(x), 2, biases_initializer=tf.constant_initializer(0.1))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        found, weights = sess.run([y, tf.trainable_variables()[0]])
    np.testing.assert_allclose(found, np.maximum(x @ weights + np.float32(0.1), 0), rtol=1e-5,
                               atol=1e-6)


def test_arg_scope_gives_defaults():
    x = tf.placeholder(tf.float32, [None, 6])
    with slim.arg_scope([slim.fully_connected], activation_fn=None,
                        weights_regularizer=slim.l2_regularizer(0.5)) as scope:
        y = slim.fully_connected(x, 2, scope="a")
    assert y.op.type == "AddV2" or y.op.type == "Add"
    with slim.arg_scope(scope):
        slim.fully_connected(y, 2, activation_fn=tf.nn.tanh, scope="b")
    slim.fully_connected(y, 2, scope="c")
    assert len(tf.losses.get_regularization_losses()) == 2
    with pytest.raises(ValueError, match="not decorated"), slim.arg_scope([len]):
        pass


def test_batch_norm_at_once_follows_the_moments():
    x = np.random.RandomState(0).normal(3, 2, (64, 2)).astype(np.float32)
    training = tf.placeholder(tf.bool)
    y = tf.contrib.layers.batch_norm(tf.constant(x), decay=0.5, is_training=training,
                                     updates_collections=None, scale=True, scope="bn")
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        out = sess.run(y, {training: True})
        mean = sess.run(tf.global_variables("bn/moving_mean"))[0]
    np.testing.assert_allclose(out, (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3), rtol=1e-4,
                               atol=1e-5)
    np.testing.assert_allclose(mean, x.mean(0) / 2, rtol=1e-5)


def test_initializers_have_the_stated_variance():
    uniform = xavier_initializer(seed=1)([300, 500])
    normal = xavier_initializer(uniform=False, seed=1)([300, 500])
    he = tf.contrib.layers.variance_scaling_initializer(seed=1)([3, 3, 50, 200])
    with tf.Session() as sess:
        a, b, c = sess.run([uniform, normal, he])
    assert a.var() == pytest.approx(1 / 400, rel=0.02)
    assert np.abs(a).max() <= np.sqrt(3 / 400)
    assert b.var() == pytest.approx(1 / 400, rel=0.03)
    assert c.var() == pytest.approx(2 / 450, rel=0.03)
    with pytest.raises(tf.errors.AttributeValueError, match="FAN_IN"):
        tf.contrib.layers.variance_scaling_initializer(mode="FAN")


def test_cells_and_projections():
    x = tf.placeholder(tf.float32, [2, 5, 3])
    cell = rnn.OutputProjectionWrapper(rnn.BasicRNNCell(7, activation=tf.nn.relu), output_size=1)
    outputs, state = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)
    assert outputs.shape.as_list() == [2, 5, 1] and state.shape.as_list() == [2, 7]
    both, forward, _ = rnn.stack_bidirectional_dynamic_rnn(
        [rnn.LSTMBlockCell(4), rnn.GRUCell(4)], [rnn.LSTMBlockCell(4), rnn.GRUCell(4)], x,
        dtype=tf.float32)
    assert both.shape.as_list() == [2, 5, 8] and len(forward) == 2
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run(both, {x: np.ones((2, 5, 3))}).shape == (2, 5, 8)


def test_losses_of_sequences():
    rng = np.random.RandomState(0)
    logits = rng.normal(size=(2, 3, 4)).astype(np.float32)
    targets = rng.randint(0, 4, (2, 3))
    weights = np.array([[1, 1, 0], [1, 0, 0]], np.float32)
    shifted = np.log(np.exp(logits).sum(-1)) - np.take_along_axis(
        logits, targets[..., None], -1)[..., 0]
    mean = tf.contrib.seq2seq.sequence_loss(tf.constant(logits), tf.constant(targets), weights)
    by_time = tf.contrib.seq2seq.sequence_loss(
        tf.constant(logits), tf.constant(targets), weights, average_across_timesteps=False)
    by_example = tf.contrib.legacy_seq2seq.sequence_loss_by_example(
        [tf.constant(logits[:, t]) for t in range(3)],
        [tf.constant(targets[:, t]) for t in range(3)], [weights[:, t] for t in range(3)])
    with tf.Session() as sess:
        a, b, c = sess.run([mean, by_time, by_example])
    weighted = shifted * weights
    assert a == pytest.approx(weighted.sum() / weights.sum(), rel=1e-5)
    np.testing.assert_allclose(b, [weighted[:, 0].sum() / 2, weighted[:, 1].sum(), 0], rtol=1e-5)
    np.testing.assert_allclose(c, weighted.sum(1) / weights.sum(1), rtol=1e-5)


def test_separable_convolution_is_that_of_nn():
    x = np.random.RandomState(0).normal(size=(2, 6, 6, 3)).astype(np.float32)
    y = slim.separable_conv2d(tf.constant(x), 4, 3, 2, stride=2, activation_fn=None)
    alone = slim.separable_conv2d(tf.constant(x), None, 3, 1, scope="alone")
    assert names()[:3] == [
        "SeparableConv2d/depthwise_weights", "SeparableConv2d/pointwise_weights",
        "SeparableConv2d/biases"]
    assert alone.shape.as_list() == [2, 6, 6, 3]
    depthwise, pointwise = tf.trainable_variables()[:2]
    plain = tf.nn.separable_conv2d(x, depthwise, pointwise, [1, 2, 2, 1], "SAME")
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        found, expected = sess.run([y, plain])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_repeat_and_stack_name_their_layers():
    x = tf.placeholder(tf.float32, [None, 8, 8, 3])
    y = slim.repeat(x, 2, slim.conv2d, 4, [3, 3], scope="conv1")
    slim.stack(slim.flatten(y), slim.fully_connected, [5, 6], scope="fc")
    assert [n for n in names() if n.endswith("weights")] == [
        "conv1/conv1_1/weights", "conv1/conv1_2/weights", "fc/fully_connected_1/weights",
        "fc/fully_connected_2/weights"]


def test_unit_norm_and_bias_add():
    x = np.array([[3.0, 4.0], [6.0, 8.0]], np.float32)
    y = slim.unit_norm(tf.constant(x), 1)
    z = slim.bias_add(tf.constant(x), tf.nn.relu, tf.constant_initializer(-4.0))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        a, b = sess.run([y, z])
    np.testing.assert_allclose(a, [[0.6, 0.8]] * 2, rtol=1e-6)
    np.testing.assert_array_equal(b, [[0, 0], [2, 4]])


@pytest.mark.parametrize("optimizer", ["SGD", tf.train.GradientDescentOptimizer,
                                       lambda rate: tf.train.GradientDescentOptimizer(rate),
                                       tf.train.GradientDescentOptimizer(0.1)])
def test_optimize_loss_makes_a_step(optimizer):
    w = tf.get_variable("w", initializer=[3.0, 4.0])
    loss = tf.reduce_sum(tf.square(w)) / 2
    step = tf.train.get_or_create_global_step()
    train = tf.contrib.layers.optimize_loss(
        loss, step, 0.1, optimizer, gradient_multipliers={"w": 2.0}, clip_gradients=5.0)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run(train) == pytest.approx(12.5)
        after, steps = sess.run([w, step])
    # The gradient (3, 4) doubled has length 10 and is clipped to 5.
    np.testing.assert_allclose(after, [2.7, 3.6], rtol=1e-6)
    assert steps == 1
    assert "OptimizeLoss/learning_rate" in names()


def test_optimize_loss_decays_the_rate_and_runs_updates():
    w = tf.get_variable("w", initializer=1.0)
    seen = tf.get_variable("seen", initializer=0.0, trainable=False)
    tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, tf.assign_add(seen, 1.0))
    step = tf.train.get_or_create_global_step()
    train = tf.contrib.layers.optimize_loss(
        w, step, 1.0, "SGD",
        learning_rate_decay_fn=lambda rate, step: tf.train.exponential_decay(rate, step, 1, 0.5))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(3):
            sess.run(train)
        assert sess.run([w, seen]) == [1 - 1 - 0.5 - 0.25, 3]
    for bad, message in (({"optimizer": "Nothing"}, "Optimizer name should be one of"),
                         ({"optimizer": 3}, "Unrecognized optimizer"),
                         ({"optimizer": "SGD", "learning_rate": None}, "Learning rate is None")):
        with pytest.raises(ValueError, match=message):
            tf.contrib.layers.optimize_loss(w, step, **{"learning_rate": 0.1, **bad})


def test_create_train_op_clips_each_gradient():
    w, v = tf.get_variable("w", initializer=[3.0, 4.0]), tf.get_variable("v", initializer=1.0)
    loss = tf.reduce_sum(tf.square(w)) / 2 + v
    train = slim.learning.create_train_op(
        loss, tf.train.GradientDescentOptimizer(1.0), clip_gradient_norm=1.0)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run(train) == pytest.approx(13.5)
        found = sess.run([w, v, tf.train.get_global_step()])
    np.testing.assert_allclose(found[0], [2.4, 3.2], rtol=1e-6)
    assert found[1:] == [0.0, 1]


def test_losses_take_predictions_first():
    logits = np.array([[2.0, -1.0], [0.5, 0.5]], np.float32)
    onehot = np.array([[1, 0], [0, 1]], np.float32)
    soft = slim.losses.softmax_cross_entropy(logits, onehot)
    sparse = tf.contrib.losses.sparse_softmax_cross_entropy(logits, [0, 1])
    square = slim.losses.mean_squared_error(logits, onehot, weights=2.0)
    assert len(slim.losses.get_losses()) == 3
    with tf.Session() as sess:
        a, b, c, total = sess.run([soft, sparse, square, slim.losses.get_total_loss()])
    expected = (np.log1p(np.exp(-3)) + np.log(2)) / 2
    np.testing.assert_allclose([a, b], expected, rtol=1e-5)
    np.testing.assert_allclose(c, 2 * np.square(logits - onehot).mean(), rtol=1e-6)
    assert total == pytest.approx(a + b + c)


def test_channels_may_come_first():
    x = np.random.RandomState(0).normal(size=(2, 6, 6, 3)).astype(np.float32)
    turned = x.transpose(0, 3, 1, 2)

    def network(inputs, data_format):
        with slim.arg_scope([slim.conv2d, slim.max_pool2d, slim.batch_norm, slim.separable_conv2d],
                            data_format=data_format):
            net = slim.conv2d(inputs, 4, 3, normalizer_fn=slim.batch_norm, scope="a",
                              outputs_collections="ends")
            net = slim.separable_conv2d(slim.max_pool2d(net, 2), 5, 3, 1, scope="b")
            return slim.instance_norm(net, data_format=data_format, scope="c")

    last = network(tf.constant(x), "NHWC")
    with tf.variable_scope("", reuse=True):
        first = network(tf.constant(turned), "NCHW")
    assert first.shape.as_list() == [2, 5, 3, 3]
    assert [t.shape.as_list() for t in tf.get_collection("ends")] == [[2, 6, 6, 4], [2, 4, 6, 6]]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        a, b = sess.run([last, first])
    np.testing.assert_allclose(a, b.transpose(0, 2, 3, 1), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="either NCHW or NHWC, got 'HW'"):
        slim.conv2d(tf.constant(x), 4, 3, data_format="HW")


def test_convolutions_over_one_and_three_axes():
    line, room = np.ones((2, 7, 3), np.float32), np.ones((2, 4, 4, 4, 2), np.float32)
    a = tf.contrib.layers.conv1d(line, 4, 3, padding="VALID", activation_fn=None)
    b = tf.contrib.layers.conv3d(room, 5, [2], stride=2, activation_fn=None)
    assert a.shape.as_list() == [2, 5, 4] and b.shape.as_list() == [2, 2, 2, 2, 5]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        first, w, second, v = sess.run([a, *tf.trainable_variables("Conv/weights"), b,
                                        *tf.trainable_variables("Conv_1/weights")])
    np.testing.assert_allclose(first[0, 0], w.sum((0, 1)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(second[0, 0, 0, 0], v.sum((0, 1, 2, 3)), rtol=1e-5, atol=1e-6)


def test_groups_are_normalised():
    x = np.random.RandomState(0).normal(2, 3, (2, 5, 5, 6)).astype(np.float32)
    y = tf.contrib.layers.group_norm(tf.constant(x), groups=3)
    turned = tf.contrib.layers.group_norm(
        tf.constant(x.transpose(0, 3, 1, 2)), groups=3, channels_axis=-3, reduction_axes=(-2, -1))
    assert names()[:2] == ["GroupNorm/beta", "GroupNorm/gamma"]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        found, other = sess.run([y, turned])
    parts = x.reshape(2, 25, 3, 2)
    mean, variance = (f(parts, axis=(1, 3), keepdims=True) for f in (np.mean, np.var))
    expected = ((parts - mean) / np.sqrt(variance + 1e-6)).reshape(x.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(other.transpose(0, 2, 3, 1), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="Invalid groups 4 for 6 channels"):
        tf.contrib.layers.group_norm(tf.constant(x), groups=4)


def test_variables_are_found_by_name_and_restored(tmp_path):
    framework = tf.contrib.framework
    with tf.variable_scope("a"):
        w = tf.get_variable("w", initializer=[1.0, 2.0])
    with tf.variable_scope("b"):
        b = tf.get_variable("w", initializer=[3.0, 4.0])
        local = framework.local_variable(5.0, name="steps")
    assert framework.get_variables_by_name("w") == [w, b]
    assert framework.get_variables_by_name("w", scope="b") == [b]
    assert framework.get_variables_by_suffix("a/w") == [w]
    assert framework.get_unique_variable("b/w") is b
    assert framework.get_local_variables() == [local]
    assert framework.get_variables_to_restore(include=["a", "b"], exclude=["b"]) == [w]
    assert framework.get_variables_to_restore(exclude=["a"]) == [b]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        path = tf.train.Saver([w]).save(sess, str(tmp_path / "model"))
        framework.assign_from_values_fn({"a/w": [7.0, 8.0], "b/w": [9.0, 9.0]})(sess)
        assert sess.run([w, b])[0].tolist() == [7, 8]
        framework.assign_from_checkpoint_fn(path, {"a/w": b})(sess)
        assert sess.run(b).tolist() == [1, 2]
        operation, feeds = framework.assign_from_checkpoint(path, [w])
        sess.run(operation, feeds)
        assert sess.run(w).tolist() == [1, 2]
        framework.assign_from_checkpoint_fn(path, [w, b], ignore_missing_vars=True)(sess)
    with pytest.raises(ValueError, match=r"missing variable \[b/w\]"):
        framework.assign_from_checkpoint(path, [b])
    with pytest.raises(ValueError, match="was not found in the graph"):
        framework.assign_from_values({"c": 1})
    with pytest.raises(ValueError, match="does not match any variable"):
        framework.get_unique_variable("w")


def test_arg_scopes_can_be_asked_for():
    framework = tf.contrib.framework
    assert framework.has_arg_scope(slim.conv2d) and not framework.has_arg_scope(len)
    with framework.arg_scope([slim.conv2d], padding="VALID"):
        assert {"padding": "VALID"} in framework.current_arg_scope().values()
    assert framework.nest.flatten({"b": 2, "a": [1]}) == [1, 2]
