"""Shapes with a fed number in them: what is known statically, and that −1 is never ruled out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import graphflow as tf


@pytest.fixture()
def n() -> Iterator[tf.Tensor]:
    with tf.Graph().as_default():
        yield tf.placeholder(tf.int32, [], name="n")


def test_a_shape_shared_by_two_reshapes_does_not_make_their_sizes_equal(n: tf.Tensor) -> None:
    """With −1 the two sizes differ, so the gradient must be summed over what was broadcast."""
    shape = tf.stack([n, 2])
    many, one = tf.ones([3, 4]), tf.ones([1, 2])
    y = tf.reshape(many, shape) * tf.reshape(one, shape)
    grads = tf.gradients(y, [many, one])
    with tf.Session() as sess:
        first, second = sess.run(grads, {n: -1})
    np.testing.assert_array_equal(first, np.ones((3, 4)))
    np.testing.assert_array_equal(second, [[6.0, 6.0]])


def test_what_is_left_over_is_known_whatever_is_fed(n: tf.Tensor) -> None:
    y = tf.reshape(tf.ones([3, 4]), [n, 2])
    assert y.shape.as_list() == [6, 2]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"12 elements\) into \[5, 2\]"):
        tf.Session().run(y, {n: 5})
    with pytest.raises(ValueError, match="12 is not a multiple of 5"):
        tf.reshape(tf.ones([3, 4]), [n, 5])


def test_an_empty_tensor_may_take_any_size(n: tf.Tensor) -> None:
    x = tf.placeholder(tf.float32, [None, 4])
    y = tf.reshape(x, [n, tf.shape(x)[0]])
    assert y.shape.as_list() == [None, None]
    with tf.Session() as sess:
        assert sess.run(y, {x: np.ones((0, 4)), n: 7}).shape == (7, 0)
        assert sess.run(y, {x: np.ones((2, 4)), n: -1}).shape == (4, 2)


def test_a_fed_bound_of_a_slice_may_be_negative(n: tf.Tensor) -> None:
    x = tf.constant(np.arange(12.0).reshape(3, 4))
    y = x[:n, 1:3]
    rest = tf.slice(x, [1, 0], [n, 2])
    with tf.Session() as sess:
        for size in (-1, 2):
            np.testing.assert_array_equal(sess.run(y, {n: size}),
                                          np.arange(12.0).reshape(3, 4)[:size, 1:3])
        np.testing.assert_array_equal(sess.run(rest, {n: -1}), [[4.0, 5.0], [8.0, 9.0]])
    assert rest.shape.as_list() == [None, 2]


def test_one_fed_part_of_a_split_is_what_is_left_over(n: tf.Tensor) -> None:
    x = tf.constant(np.arange(8.0).reshape(2, 4))
    first, second = tf.split(x, tf.stack([n, 1]), axis=1)
    assert first.shape.as_list() == [2, 3] and second.shape.as_list() == [2, 1]
    with tf.Session() as sess:
        for size in (-1, 3):
            assert sess.run(first, {n: size}).shape == (2, 3)


def test_sizes_of_one_shape_are_equal(n: tf.Tensor) -> None:
    """A size is no −1, so two tensors filled with one shape have the same one."""
    shape = tf.stack([n, 2])
    a, b = tf.zeros(shape), tf.ones(shape)
    assert a.shape == b.shape and a.shape.as_list() == [None, 2]
    with pytest.raises(tf.errors.InvalidArgumentError, match="negative"):
        tf.Session().run(a, {n: -1})
