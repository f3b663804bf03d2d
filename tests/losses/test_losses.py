"""`tf.losses` where TensorFlow's recorded programs do not look: wording, differentiability."""

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


def test_a_column_against_a_vector_is_refused() -> None:
    labels = tf.placeholder(tf.float32, [None])
    with pytest.raises(ShapeError, match="predictions and labels must have the same shape, got "
                                         r"\[5, 1\] and \["):
        tf.losses.mean_squared_error(labels, tf.ones([5, 1]))


def test_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"weights can not be broadcast to values: the weights "
                                         r"have shape \[2\], the values \[2, 3\]"):
        tf.losses.absolute_difference(tf.ones([2, 3]), tf.zeros([2, 3]), weights=[1.0, 2.0])


def test_weights_are_checked_when_sizes_are_known() -> None:
    x = tf.placeholder(tf.float32, [None, 2])
    w = tf.placeholder(tf.float32, [None, 1])
    loss = tf.losses.mean_squared_error(x, x + 1.0, weights=w)
    with tf.Session() as sess:
        assert sess.run(loss, {x: np.ones((3, 2)), w: [[1], [1], [4]]}) == 2.0
        assert sess.run(loss, {x: np.ones((3, 2)), w: [[5]]}) == 5.0
        with pytest.raises(ValueError):
            sess.run(loss, {x: np.ones((3, 2)), w: [[1], [2]]})


def test_no_weight_at_all_gives_zero_and_no_gradient() -> None:
    x = tf.constant([1.0, 2.0])
    loss = tf.losses.mean_squared_error([0.0, 0.0], x, weights=0.0)
    with tf.Session() as sess:
        value, gradient = sess.run([loss, tf.gradients(loss, x)[0]])
    assert value == 0.0
    np.testing.assert_array_equal(gradient, [0.0, 0.0])


def test_second_derivative_of_huber() -> None:
    x = tf.constant([0.5, 3.0])
    first, = tf.gradients(tf.losses.huber_loss([0.0, 0.0], x, reduction="weighted_sum"), x)
    second, = tf.gradients(first, x)
    with tf.Session() as sess:
        np.testing.assert_array_equal(sess.run([first, second]), [[0.5, 1.0], [1.0, 0.0]])


def test_regularizers_of_variables_are_in_the_total() -> None:
    regularizer = tf.regularizers.l2_regularizer(0.5)
    tf.get_variable("w", initializer=[3.0, 4.0], regularizer=regularizer)
    tf.losses.mean_squared_error([1.0], [3.0])
    total, alone = tf.losses.get_total_loss(), tf.losses.get_regularization_loss()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        # l2_regularizer counts half the sum of squares: 0.5 · (9 + 16) / 2.
        assert sess.run([total, alone]) == [4.0 + 6.25, 6.25]


@pytest.mark.parametrize("penalty, expected", [
    (lambda: tf.regularizers.l1(0.1), 0.6), (lambda: tf.regularizers.l2(0.1), 1.4),
    (lambda: tf.regularizers.l1_l2(0.1, 0.2), 0.6 + 2.8),
    (lambda: tf.regularizers.l1_regularizer(0.5), 3.0),
    (lambda: tf.regularizers.l2_regularizer(0.5), 3.5),
    (lambda: tf.regularizers.l1_l2_regularizer(0.5, 0.5), 6.5),
    (lambda: tf.regularizers.l1_l2_regularizer(0.0, 0.5), 3.5),
    (lambda: tf.regularizers.sum_regularizer(
        [None, tf.regularizers.l1_regularizer(1.0), tf.regularizers.l1_regularizer(0.0)]), 6.0)])
def test_regularizers(penalty, expected: float) -> None:
    with tf.Session() as sess:
        value = sess.run(penalty()(tf.constant([1.0, -2.0, 3.0])))
    np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_regularizers_refuse_and_configure() -> None:
    for bad in (1, -0.5):
        with pytest.raises(ValueError):
            tf.regularizers.l2_regularizer(bad)
    assert tf.regularizers.sum_regularizer([None]) is None
    made = tf.regularizers.l1_l2(0.1, 0.2)
    assert type(made).from_config(made.get_config()).get_config() == {"l1": 0.1, "l2": 0.2}
    total = tf.regularizers.apply_regularization(
        tf.regularizers.l1_regularizer(1.0), [tf.constant([1.0]), tf.constant([-2.0])])
    assert tf.losses.get_regularization_losses() == [total]
    with tf.Session() as sess:
        assert sess.run(total) == 3.0
