"""Warm-up, and what TensorFlow's recorded schedules and averages do not show."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import graphflow as tf
from graphflow.train.moving_averages import assign_moving_average, weighted_moving_average


@pytest.fixture(autouse=True)
def fresh_graph() -> Iterator[None]:
    with tf.Graph().as_default():
        yield


def test_linear_warmup_before_another_schedule() -> None:
    step = tf.placeholder(tf.int64, [])
    rate = tf.train.linear_warmup(
        tf.train.exponential_decay(0.8, step, 10, 0.5, staircase=True), step, 4, 0.2)
    with tf.Session() as sess:
        found = [sess.run(rate, {step: k}) for k in (0, 1, 2, 4, 9, 10, 25)]
    np.testing.assert_allclose(found, [0.2, 0.35, 0.5, 0.8, 0.8, 0.4, 0.2], rtol=1e-6)


def test_restarts_whose_period_factor_is_a_tensor() -> None:
    step, factor = tf.placeholder(tf.int64, []), tf.placeholder(tf.float32, [])
    rate = tf.train.cosine_decay_restarts(1.0, step, 4, t_mul=factor)
    fixed = {f: tf.train.cosine_decay_restarts(1.0, step, 4, t_mul=f) for f in (1.0, 2.0)}
    with tf.Session() as sess:
        for f, expected in fixed.items():
            for k in (0, 3, 5, 11, 13):
                np.testing.assert_allclose(
                    sess.run(rate, {step: k, factor: f}), sess.run(expected, {step: k}),
                    rtol=1e-5, atol=1e-6)


def test_noise_has_the_variance_that_falls_with_the_step() -> None:
    step = tf.placeholder(tf.int64, [])
    noisy = tf.train.noisy_linear_cosine_decay(
        1.0, step, 100, initial_variance=4.0, variance_decay=1.0, num_periods=0.0, beta=0.0)
    with tf.Session() as sess:
        for k, deviation in ((0, 2.0), (15, 0.5)):
            draws = np.array([sess.run(noisy, {step: k}) for _ in range(400)])
            assert abs(draws.mean() - (1 - k / 100)) < 5 * deviation / 20
            assert 0.85 < draws.std() / deviation < 1.15


def test_missing_step_is_named() -> None:
    with pytest.raises(ValueError, match="cosine_decay: global_step is required"):
        tf.train.cosine_decay(0.1, None, 5)


def test_weighted_moving_average_is_a_ratio_of_averages() -> None:
    x, w = tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, [])
    average = weighted_moving_average(x, 0.5, w)
    above = below = 0.0
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for value, weight in ((1.0, 1.0), (4.0, 3.0), (2.0, 0.0)):
            above, below = (above + value * weight) / 2, (below + weight) / 2
            found = sess.run(average, {x: value, w: weight})
            np.testing.assert_allclose(found, above / below, rtol=1e-6)


def test_debiased_average_of_a_constant_is_that_constant() -> None:
    w = tf.get_variable("w", [2], initializer=tf.zeros_initializer(), trainable=False)
    average = assign_moving_average(w, [3.0, -1.0], 0.9)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(3):
            np.testing.assert_allclose(sess.run(average), [3.0, -1.0], rtol=1e-5)
    assert [v.name for v in tf.global_variables()] == ["w:0", "w/biased:0", "w/local_step:0"]


def test_averages_are_restored_in_place_of_variables(tmp_path) -> None:
    w = tf.Variable(1.0, name="w")
    ema = tf.train.ExponentialMovingAverage(0.5)
    with tf.control_dependencies([tf.assign(w, 5.0)]):
        update = ema.apply([w])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(update)
        path = tf.train.Saver().save(sess, str(tmp_path / "model"))
        tf.train.Saver(ema.variables_to_restore()).restore(sess, path)
        assert sess.run(w) == 3.0


@pytest.mark.parametrize("shape", [[4, 3], [3, 5], [2, 2, 3, 7]])
def test_orthogonal_initializer(shape: list[int]) -> None:
    w = tf.orthogonal_initializer(gain=2.0, seed=1)(shape, tf.float64)
    with tf.Session() as sess:
        value = sess.run(w)
    assert value.shape == tuple(shape)
    matrix = value.reshape(-1, shape[-1])
    product = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-12)


def test_orthogonal_initializer_needs_a_matrix() -> None:
    with pytest.raises(ValueError, match="at least two-dimensional"):
        tf.initializers.orthogonal()([3])
