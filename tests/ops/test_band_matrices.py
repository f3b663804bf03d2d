"""Diagonals and bands of matrices and tensors: worked examples, arguments, gradients."""

import numpy as np
import pytest

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def run(fetch, feeds=None):
    with gf.Session() as session:
        return session.run(fetch, feeds)


X = np.arange(1.0, 13).reshape(3, 4)


def test_one_diagonal():
    np.testing.assert_array_equal(run(gf.matrix_diag([1, 2, 3])), np.diag([1, 2, 3]))
    np.testing.assert_array_equal(run(gf.linalg.diag([1, 2], k=1)), np.diag([1, 2], 1))
    for k in range(-2, 4):
        np.testing.assert_array_equal(run(gf.matrix_diag_part(X, k=k)), np.diagonal(X, k))
    padded = run(gf.matrix_diag([1, 2], k=-1, num_rows=3, num_cols=4, padding_value=9))
    np.testing.assert_array_equal(padded, [[9, 9, 9, 9], [1, 9, 9, 9], [9, 2, 9, 9]])


def test_a_band_in_the_alignments_of_tensorflow():
    """From the documentation of tf.linalg.diag_part."""
    x = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 8, 7, 6]])
    bands = {
        "RIGHT_LEFT": [[0, 3, 8], [2, 7, 6], [1, 6, 7], [5, 8, 0]],
        "LEFT_RIGHT": [[3, 8, 0], [2, 7, 6], [1, 6, 7], [0, 5, 8]],
    }
    for align, expected in bands.items():
        band = gf.linalg.diag_part(x, k=(-1, 2), align=align)
        np.testing.assert_array_equal(run(band), expected)
        back = gf.linalg.diag(band, k=(-1, 2), num_rows=3, num_cols=4, align=align)
        np.testing.assert_array_equal(run(back), [[1, 2, 3, 0], [5, 6, 7, 8], [0, 8, 7, 6]])


def test_the_smallest_matrix_that_has_room():
    """Sizes as tf.linalg.diag gives them."""
    rows = np.arange(1, 10).reshape(3, 3)
    assert gf.matrix_diag(rows, k=(0, 2)).shape.as_list() == [3, 3]
    assert gf.matrix_diag(rows[:2], k=(1, 2)).shape.as_list() == [4, 4]
    assert gf.matrix_diag(rows[:2], k=(1, 2), num_rows=3).shape.as_list() == [3, 4]
    assert gf.matrix_diag(rows[0], k=-1).shape.as_list() == [4, 4]
    with pytest.raises(ValueError, match="num_rows is 2, but the diagonals 0 to 2 need at least"):
        gf.matrix_diag(rows, k=(0, 2), num_rows=2)
    with pytest.raises(ValueError, match="longer diagonals 0 to 0 than diagonal"):
        gf.matrix_diag([1, 2], num_rows=3, num_cols=3)


def test_unknown_sizes():
    x = gf.placeholder(gf.float32, [None, None])
    np.testing.assert_array_equal(run(gf.matrix_diag(x), {x: [[1, 2], [3, 4]]}),
                                  [np.diag([1, 2]), np.diag([3, 4])])
    np.testing.assert_array_equal(run(gf.matrix_diag_part(x), {x: X}), [1, 6, 11])
    z = gf.placeholder(gf.float32, None)
    np.testing.assert_array_equal(run(gf.matrix_diag_part(z), {z: X}), [1, 6, 11])


def test_other_diagonals():
    y = gf.matrix_set_diag(gf.constant(X), [-1.0, -2.0, -3.0])
    expected = X.copy()
    expected[[0, 1, 2], [0, 1, 2]] = [-1, -2, -3]
    np.testing.assert_array_equal(run(y), expected)
    with pytest.raises(ValueError, match=r"diagonal must have the shape \[1, 3\]"):
        gf.linalg.set_diag(X, np.zeros(4))


@pytest.mark.parametrize("lower, upper", [(0, -1), (-1, 0), (1, 1), (0, 0), (-1, -1), (1, 0)])
def test_bands(lower, upper):
    x = np.arange(1, 25).reshape(2, 3, 4)
    expected = np.tril(x, upper if upper >= 0 else 9)
    expected = np.triu(expected, -lower if lower >= 0 else -9)
    np.testing.assert_array_equal(run(gf.matrix_band_part(x, lower, upper)), expected)
    n = gf.placeholder(gf.int64, [2])
    fed = gf.linalg.band_part(x, n[0], n[1])
    np.testing.assert_array_equal(run(fed, {n: [lower, upper]}), expected)


def test_the_gradient_of_a_band_is_a_band():
    x = gf.constant(X)
    g = gf.gradients(gf.square(gf.matrix_band_part(x, 0, -1)), x)[0]
    np.testing.assert_array_equal(run(g), np.triu(2 * X))


def test_diagonals_of_tensors():
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    y = gf.diag(x)
    assert y.name == "Diag:0"
    expected = np.zeros((2, 2, 2, 2))
    for i in np.ndindex(2, 2):
        expected[i + i] = x[i]
    np.testing.assert_array_equal(run(y), expected)
    np.testing.assert_array_equal(run(gf.linalg.tensor_diag_part(y)), x)
    np.testing.assert_array_equal(run(gf.diag_part(X[:, :3])), [1, 6, 11])
    with pytest.raises(ValueError, match="rank of at least 1"):
        gf.diag(1.0)
    with pytest.raises(ValueError, match=r"shape \[d…, d…\]"):
        gf.diag_part(X)


def test_band_arguments():
    with pytest.raises(ValueError, match="align must be one of LEFT_LEFT"):
        gf.matrix_diag_part(X, align="LEFT")
    with pytest.raises(ValueError, match="padding_value must be a number"):
        gf.matrix_diag([1.0], padding_value=gf.constant(1.0))
    with pytest.raises(ValueError, match="rank at least 2, got shape"):
        gf.matrix_band_part([1.0, 2.0], 0, 0)
