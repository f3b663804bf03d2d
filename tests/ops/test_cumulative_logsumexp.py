"""cumulative_logsumexp beyond its samples: published identities, special values, gradients."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest

import graphflow as tf
from graphflow.gradient_checker import compute_gradient_error

WAYS = list(product((False, True), (False, True)))


@pytest.fixture(autouse=True)
def session() -> Iterator[tf.Session]:
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


def test_values_against_logs_of_sums(session: tf.Session) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    cases, expected = [], []
    for axis in (0, 1, -1):
        cases += [tf.math.cumulative_logsumexp(x, axis),
                  tf.math.cumulative_logsumexp(x, axis, reverse=True)]
        expected += [np.log(np.cumsum(np.exp(x), axis)),
                     np.log(np.flip(np.cumsum(np.exp(np.flip(x, axis)), axis), axis))]
    for found, wanted in zip(session.run(cases), expected):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


def test_exclusive_results_start_with_minus_infinity(session: tf.Session) -> None:
    x = tf.constant([0.5, -2.0, 1.5])
    found = session.run([tf.math.cumulative_logsumexp(x, exclusive=True),
                         tf.math.cumulative_logsumexp(x, exclusive=True, reverse=True)])
    np.testing.assert_allclose(found[0], [-np.inf, 0.5, 0.57888973], rtol=1e-6)
    np.testing.assert_allclose(found[1], [1.52975042, 1.5, -np.inf], rtol=1e-6)


def test_large_elements_neither_overflow_nor_vanish(session: tf.Session) -> None:
    found = session.run(tf.math.cumulative_logsumexp([-900.0, 700.0, 800.0, 800.0]))
    np.testing.assert_allclose(found, [-900, 700, 800, 800 + np.log(2)], rtol=1e-6)


def test_infinities_and_nan(session: tf.Session) -> None:
    inf, nan = np.inf, np.nan
    x = tf.constant([[-inf, -inf, 1.0, -inf], [inf, 1.0, inf, -inf], [1.0, nan, 2.0, 3.0]])
    y = session.run(tf.math.cumulative_logsumexp(x, 1))
    np.testing.assert_array_equal(y, [[-inf, -inf, 1, 1], [inf] * 4, [1, nan, nan, nan]])


def test_elements_that_are_minus_infinity_have_no_gradient(session: tf.Session) -> None:
    """What is known of the others stays: TensorFlow gives NaN for leading infinities."""
    x = tf.constant([-np.inf, -np.inf, 1.0, 2.0], tf.float64)
    grad = session.run(tf.gradients(tf.math.cumulative_logsumexp(x), x)[0])
    share = 1 / (1 + np.e)
    np.testing.assert_allclose(grad, [0, 0, 1 + share, 1 - share], rtol=1e-12)


@pytest.mark.parametrize("exclusive, reverse, expected", [
    (False, False, [[-0.7167173931, -0.1409167449, 0.3576341380],
                    [1.8957335760, 0.1211901929, -0.0169237689]]),
    (False, True, [[0.2631324937, -0.0370252311, -0.7261072625],
                   [0.0, 2.3318995835, -0.3318995835]]),
    (True, False, [[-1.5379290900, 0.0379290900, 0.0], [2.0600866502, -0.0600866502, 0.0]]),
    (True, True, [[0.0, 0.0293122308, -1.0293122308], [0.0, 0.0, 3.0]]),
])
def test_gradients_as_tensorflow_gives_them(
    session: tf.Session, exclusive: bool, reverse: bool, expected: list[list[float]]
) -> None:
    x = tf.constant([[0.5, -2.0, 1.5], [3.0, 0.25, -1.0]], tf.float64)
    weights = tf.constant([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]], tf.float64)
    y = tf.math.cumulative_logsumexp(x, 1, exclusive, reverse)
    grad = tf.gradients(y, x, grad_ys=[weights])[0]
    np.testing.assert_allclose(session.run(grad), expected, atol=1e-9)


def test_gradients_far_from_zero_stay_finite(session: tf.Session) -> None:
    value = np.array([-1000.0, -500.0, -2000.0, 900.0, 901.0])
    x = tf.constant(value)
    first = tf.gradients(tf.math.cumulative_logsumexp(x), x)[0]
    second = tf.gradients(first * [1.0, 2.0, 3.0, 4.0, 5.0], x)[0]
    share = 1 / (1 + np.e)
    grads = session.run([first, second])
    np.testing.assert_allclose(grads[0], [1, 2, 0, 1 + share, 1 - share], atol=1e-12)
    cross = share * (1 - share)
    np.testing.assert_allclose(grads[1], [0, 0, 0, -cross, cross], atol=1e-12)


@pytest.mark.parametrize("exclusive, reverse", WAYS)
def test_second_derivatives(session: tf.Session, exclusive: bool, reverse: bool) -> None:
    """Also where a small element changes nothing in floating point: there the sums tie."""
    value = np.array([[0.6, -1.1, 0.3], [0.4, -60.0, 0.5]])
    x = tf.constant(value)
    weights = tf.constant([[1.0, 0.5, -1.0], [2.0, -0.5, 0.0]], tf.float64)
    y = tf.math.cumulative_logsumexp(x, 1, exclusive, reverse)
    first = tf.gradients(y, x, grad_ys=[weights])[0]
    error = compute_gradient_error(x, [2, 3], first, [2, 3], x_init_value=value)
    assert error < 1e-4


def test_unknown_rank_and_wrong_arguments(session: tf.Session) -> None:
    x = tf.placeholder(tf.float32)
    y = tf.math.cumulative_logsumexp(x, -1)
    found = session.run([y, tf.gradients(y, x)[0]], {x: [[0.0, 0.0]]})
    np.testing.assert_allclose(found, [[[0, np.log(2)]], [[1.5, 0.5]]], rtol=1e-6)
    with pytest.raises(ValueError, match=r"axis 1 is outside \[-1, 1\)"):
        tf.math.cumulative_logsumexp([1.0, 2.0], 1)
    with pytest.raises(TypeError, match="int32"):
        tf.math.cumulative_logsumexp([1, 2])
