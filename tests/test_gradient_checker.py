"""The gradient checker gives the Jacobians that calculus gives, and finds wrong gradients."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import graphflow as tf
from graphflow import errors
from graphflow.gradient_checker import compute_gradient, compute_gradient_error


@pytest.fixture(autouse=True)
def fresh_session() -> Iterator[tf.Session]:
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


def test_jacobians_of_a_matrix_product() -> None:
    a = np.array([[1.0, 2.0, 3.0], [-4.0, 5.0, 6.0]])
    x = tf.placeholder(tf.float64, [3, 1])
    theory, numeric = compute_gradient(x, [3, 1], tf.matmul(a, x), [2, 1])
    np.testing.assert_allclose(theory, a.T)
    np.testing.assert_allclose(numeric, a.T, rtol=1e-9)


def test_at_a_given_point() -> None:
    x = tf.constant(np.zeros(3))
    at = np.array([0.5, 1.0, -2.0])
    theory, numeric = compute_gradient(x, [3], tf.sin(x), [3], x_init_value=at)
    np.testing.assert_allclose(theory, np.diag(np.cos(at)))
    np.testing.assert_allclose(numeric, np.diag(np.cos(at)), atol=1e-6)


def test_a_list_of_inputs_and_extra_feeds() -> None:
    x, y = tf.placeholder(tf.float64, [2]), tf.placeholder(tf.float64, [])
    scale = tf.placeholder(tf.float64, [])
    out = x * y * scale
    (by_x, _), (by_y, numeric_y) = compute_gradient(
        [x, y], [[2], []], out, [2], x_init_value=[np.array([1.0, 2.0]), 3.0],
        extra_feed_dict={scale: 10.0})
    np.testing.assert_allclose(by_x, 30 * np.eye(2))
    np.testing.assert_allclose(by_y, [[10.0, 20.0]])
    np.testing.assert_allclose(numeric_y, by_y, rtol=1e-9)
    assert compute_gradient_error(
        [x, y], [[2], []], out, [2], extra_feed_dict={scale: 10.0}) < 1e-9


def test_by_a_variable_with_a_sparse_gradient(fresh_session: tf.Session) -> None:
    table = tf.Variable(np.arange(6.0).reshape(3, 2))
    rows = tf.gather(table, [2, 0, 2])
    error = compute_gradient_error(
        table, [3, 2], tf.square(rows), [3, 2], init_targets=[table.initializer])
    assert error < 1e-9
    # What was fed did not change the variable.
    np.testing.assert_array_equal(fresh_session.run(table), np.arange(6.0).reshape(3, 2))


def test_complex_elements_are_two_real_ones() -> None:
    z = tf.placeholder(tf.complex128, [1])
    at = np.array([0.5 + 2.0j])
    theory, numeric = compute_gradient(z, [1], z * z, [1], x_init_value=at)
    # z² = (a² − b²) + 2ab·i; rows: ∂a, ∂b, columns: real, imaginary part.
    np.testing.assert_allclose(theory, [[1.0, 4.0], [-4.0, 1.0]])
    np.testing.assert_allclose(numeric, theory, atol=1e-9)


def test_from_real_to_complex_and_back() -> None:
    x = tf.placeholder(tf.float64, [2])
    z = tf.complex(tf.sin(x), x * x)
    at = np.array([0.4, -0.9])
    assert compute_gradient_error(x, [2], z, [2], x_init_value=at) < 1e-5
    assert compute_gradient_error(x, [2], tf.abs(z), [2], x_init_value=at) < 1e-5


def test_a_wrong_gradient_is_found() -> None:
    @tf.custom_gradient
    def wrong(x):
        return tf.square(x), lambda dy: dy * 3.0

    x = tf.constant([2.0])
    error = compute_gradient_error(x, [1], wrong(x), [1], x_init_value=np.array([2.0]))
    np.testing.assert_allclose(error, 1.0, rtol=1e-3)


@pytest.mark.parametrize(("x_shape", "y_shape"), [([0, 2], [0, 2]), ([3], [0])])
def test_empty(x_shape: list[int], y_shape: list[int]) -> None:
    x = tf.placeholder(tf.float32, x_shape)
    y = x * 2.0 if x_shape == y_shape else x[3:]
    theory, numeric = compute_gradient(x, x_shape, y, y_shape)
    size = int(np.prod(x_shape)), int(np.prod(y_shape))
    assert (theory.shape, numeric.shape) == (size, size)
    assert compute_gradient_error(x, x_shape, y, y_shape) == 0.0


def test_mistakes() -> None:
    x, other = tf.placeholder(tf.float32, [2]), tf.constant(1.0)
    with pytest.raises(LookupError, match="does not depend on"):
        compute_gradient(x, [2], other, [])
    with pytest.raises(errors.ShapeError, match=r"shape \[3\], x \[2\]"):
        compute_gradient(x, [2], x * 2.0, [2], x_init_value=np.zeros(3))
    with pytest.raises(errors.ShapeError, match="fully known"):
        compute_gradient(x, [None], x * 2.0, [2])
    with pytest.raises(ValueError, match="1 tensors x, 2 shapes"):
        compute_gradient([x], [[2], [2]], x * 2.0, [2])


def test_needs_a_session() -> None:
    with tf.Graph().as_default() as graph:
        x = tf.constant(1.0)
        y = x * x
    # The session in force runs another graph.
    with graph.as_default(), pytest.raises(ValueError, match="another graph"):
        compute_gradient(x, [], y, [])
