"""cumsum, cumprod, reverse, top_k and dynamic_partition beyond their samples, against NumPy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import graphflow as tf
from graphflow.gradient_checker import compute_gradient_error


@pytest.fixture(autouse=True)
def session() -> Iterator[tf.Session]:
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


def test_gradient_of_cumprod_is_exact_at_zeros(session: tf.Session) -> None:
    """∂(a + ab + abc)/∂b = a + ac, also where b is 0; TensorFlow's formula divides by it."""
    a, b, c = 2.0, 0.0, 3.0
    x = tf.constant([a, b, c])
    grad = session.run(tf.gradients(tf.cumprod(x), x)[0])
    np.testing.assert_array_equal(grad, [1 + b + b * c, a + a * c, a * b])


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_gradient_of_cumprod_of_unknown_rank(
    session: tf.Session, exclusive: bool, reverse: bool
) -> None:
    x = tf.placeholder(tf.float64)
    values = np.array([[0.5, -2.0], [0.0, 3.0], [1.5, 0.0]])
    y = tf.cumprod(x, 0, exclusive, reverse)
    weights = np.arange(1.0, 7.0).reshape(3, 2)
    grad = session.run(tf.gradients(tf.reduce_sum(y * weights), x)[0], {x: values})
    step = 1e-6
    for place in np.ndindex(3, 2):
        total = []
        for sign in (1, -1):
            moved = values.copy()
            moved[place] += sign * step
            total.append(np.sum(session.run(y, {x: moved}) * weights))
        assert grad[place] == pytest.approx((total[0] - total[1]) / (2 * step), abs=1e-6)


def test_integers_wrap_and_halves_are_summed_in_float32(session: tf.Session) -> None:
    small = tf.constant(np.full(4, 100), tf.int8)
    np.testing.assert_array_equal(session.run(tf.cumsum(small)), [100, -56, 44, -112])
    halves = tf.constant(np.full(4096, 1.0), tf.float16)
    assert session.run(tf.cumsum(halves))[-1] == 4096


def test_reverse_of_a_shape_is_known_statically(session: tf.Session) -> None:
    x = tf.placeholder(tf.float32, [None, 3])
    assert tf.zeros(tf.reverse(tf.shape(x), [0])).shape.as_list() == [3, None]


def test_top_k_puts_nan_first_and_keeps_the_order_of_ties(session: tf.Session) -> None:
    values, places = session.run(tf.nn.top_k([1.0, np.nan, 7.0, 1.0], 4))
    np.testing.assert_array_equal(values, [np.nan, 7.0, 1.0, 1.0])
    np.testing.assert_array_equal(places, [1, 2, 0, 3])
    unsigned = tf.constant(np.array([0, 255, 3]), tf.uint8)
    assert session.run(tf.nn.top_k(unsigned, 2).values).tolist() == [255, 3]


def test_gradient_of_top_k_with_sizes_known_only_in_the_run(session: tf.Session) -> None:
    x = tf.placeholder(tf.float32, [None, None])
    y = tf.nn.top_k(x, 2).values
    fed = np.array([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]], np.float32)
    grad = session.run(tf.gradients(y * y, x)[0], {x: fed})
    np.testing.assert_array_equal(grad, [[6.0, 0.0, 4.0], [0.0, 10.0, 8.0]])


def test_partitions_go_back_where_they_came_from(session: tf.Session) -> None:
    x = tf.constant(np.arange(6.0).reshape(3, 2))
    places = tf.placeholder(tf.int32, [None])
    parts = tf.dynamic_partition(x, places, 2)
    loss = tf.reduce_sum(parts[0]) + 10 * tf.reduce_sum(parts[1])
    grad = session.run(tf.gradients(loss, x)[0], {places: [1, 0, 1]})
    np.testing.assert_array_equal(grad, [[10, 10], [1, 1], [10, 10]])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"holds 2, outside \[0, 2\)"):
        session.run(parts, {places: [0, 1, 2]})


def test_second_derivatives_of_norm(session: tf.Session) -> None:
    value = np.array([[0.6, -1.1], [0.4, 2.0]])
    x = tf.constant(value)
    first = tf.gradients(tf.norm(x, 3, axis=1), x)[0]
    assert compute_gradient_error(x, [2, 2], first, [2, 2], x_init_value=value) < 1e-4


def test_messages_name_the_argument_and_the_fix(session: tf.Session) -> None:
    x = tf.ones([2, 3])
    for build, message in [
        (lambda: tf.norm(x, "max"), "ord must be 'euclidean' or a positive number for a vector"),
        (lambda: tf.norm(x, 3, axis=[0, 1]), "or numpy.inf for a matrix, got 3"),
        (lambda: tf.meshgrid([1], [2], indexing="ab"), "indexing must be 'xy' or 'ij'"),
        (lambda: tf.nn.pool(x, [2], "SUM", "SAME"), "pooling_type must be 'MAX' or 'AVG'"),
        (lambda: tf.nn.convolution(x, tf.ones([3, 1]), "SAME"), "filter must have rank 3, 4 or 5"),
        (lambda: tf.nn.top_k(x, tf.placeholder(tf.int32, [])), "k must be known while"),
        (lambda: tf.dynamic_stitch([[0]], []), "lists of one length"),
        (lambda: tf.case([]), "at least one pair"),
        (lambda: tf.switch_case(tf.constant(0), {1: lambda: x}), r"must be 0, 1, 2 …, got \[1\]"),
    ]:
        with pytest.raises((ValueError, TypeError), match=message):
            build()
