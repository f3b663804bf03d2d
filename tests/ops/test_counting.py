"""Bincount, histograms, confusion matrices, permutations, sparse segments."""

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


def test_bincount():
    x = gf.placeholder(gf.int32, [None])
    counts = gf.bincount(x)
    assert counts.dtype == gf.int32
    np.testing.assert_array_equal(run(counts, {x: [1, 1, 2, 5]}), np.bincount([1, 1, 2, 5]))
    assert run(counts, {x: []}).shape == (0,)
    weighted = run(gf.bincount([1, 1, 5], weights=[0.5, 1.0, 3.0]))
    np.testing.assert_allclose(weighted, np.bincount([1, 1, 5], [0.5, 1.0, 3.0]))
    np.testing.assert_array_equal(run(gf.bincount([1, 1], minlength=4)), [0, 2, 0, 0])
    np.testing.assert_array_equal(run(gf.math.bincount([1, 7], maxlength=3)), [0, 1, 0])
    np.testing.assert_array_equal(run(gf.bincount([1, 7], minlength=3, maxlength=3)), [0, 1, 0])
    with pytest.raises(gf.errors.InvalidArgumentError, match="negative"):
        run(counts, {x: [1, -1]})


def test_a_weight_has_the_gradient_of_its_bin():
    w = gf.constant([1.0, 2.0, 3.0])
    counts = gf.bincount([0, 2, 0], weights=w, minlength=3, maxlength=3)
    g = gf.gradients(counts * [10.0, 20.0, 30.0], w)[0]
    np.testing.assert_array_equal(run(g), [10, 30, 10])


def test_histograms():
    """The example of the documentation of tf.histogram_fixed_width."""
    values = np.array([-1.0, 0.0, 1.5, 2.0, 5.0, 15], np.float32)
    counts = gf.histogram_fixed_width(values, [0.0, 5.0], nbins=5)
    bins = gf.histogram_fixed_width_bins(values, [0.0, 5.0], nbins=5)
    np.testing.assert_array_equal(run(counts), [2, 1, 1, 0, 2])
    np.testing.assert_array_equal(run(bins), [0, 0, 1, 2, 4, 4])
    inside = np.random.default_rng(0).normal(size=(7, 11))
    found = run(gf.histogram_fixed_width(inside, [-4.0, 4.0], nbins=20, dtype=gf.int64))
    np.testing.assert_array_equal(found, np.histogram(inside, 20, (-4, 4))[0])
    with pytest.raises(ValueError, match="nbins must be positive"):
        gf.histogram_fixed_width(values, [0.0, 5.0], nbins=0)
    with pytest.raises(ValueError, match="value_range"):
        gf.histogram_fixed_width(values, [0.0])


def test_confusion_matrices():
    """Against the documentation of tf.math.confusion_matrix."""
    matrix = run(gf.confusion_matrix([1, 2, 4], [2, 2, 4]))
    expected = np.zeros((5, 5), np.int32)
    expected[[1, 2, 4], [2, 2, 4]] = 1
    np.testing.assert_array_equal(matrix, expected)
    weighted = run(gf.math.confusion_matrix(
        [[1], [0], [1]], [0, 0, 0], num_classes=2, dtype=gf.float32, weights=[1.0, 0.5, 2.0]))
    np.testing.assert_array_equal(weighted, [[0.5, 0], [3, 0]])
    with pytest.raises(gf.errors.InvalidArgumentError):
        run(gf.confusion_matrix([1, 4], [2, 2], num_classes=3))
    with pytest.raises(ValueError, match="must have one shape"):
        gf.confusion_matrix([1, 2], [1, 2, 3])


def test_permutations():
    p = gf.placeholder(gf.int32, [None])
    inverse = gf.invert_permutation(p)
    np.testing.assert_array_equal(run(inverse, {p: [3, 4, 0, 2, 1]}), [2, 4, 3, 0, 1])
    with pytest.raises(gf.errors.InvalidArgumentError, match="x holds 0 more than once"):
        run(inverse, {p: [0, 0, 2]})
    with pytest.raises(gf.errors.InvalidArgumentError, match=r"x\[1\] = 5 is not in \[0, 3\)"):
        run(inverse, {p: [0, 5, 2]})


def test_unravelled_positions():
    np.testing.assert_array_equal(
        run(gf.unravel_index([22, 41, 7], [7, 6])), np.unravel_index([22, 41, 7], (7, 6)))
    dims = gf.placeholder(gf.int32, [None])
    position = gf.unravel_index(57, dims)
    np.testing.assert_array_equal(run(position, {dims: [3, 4, 5]}), [2, 3, 2])
    with pytest.raises(gf.errors.InvalidArgumentError, match="57 is out of bounds"):
        run(position, {dims: [3, 4]})


def test_sparse_segments():
    """Against the documentation of tf.sparse_segment_sum."""
    c = gf.constant([[1.0, 2, 3, 4], [-1, -2, -3, -4], [5, 6, 7, 8]])
    total = gf.sparse_segment_sum(c, [0, 1, 2], [0, 0, 1])
    np.testing.assert_array_equal(run(total), [[0, 0, 0, 0], [5, 6, 7, 8]])
    more = gf.sparse_segment_sum(c, [0, 1], [0, 2], num_segments=4)
    np.testing.assert_array_equal(
        run(more), [[1, 2, 3, 4], [0, 0, 0, 0], [-1, -2, -3, -4], [0, 0, 0, 0]])
    mean = gf.sparse_segment_mean(c, [0, 2, 1], [0, 0, 1])
    np.testing.assert_array_equal(run(mean), [[3, 4, 5, 6], [-1, -2, -3, -4]])
    for count in (None, 2):
        root = gf.sparse_segment_sqrt_n(c, [0, 2, 1], [0, 0, 1], num_segments=count)
        np.testing.assert_allclose(
            run(root), [np.array([6, 8, 10, 12]) / np.sqrt(2), [-1, -2, -3, -4]], rtol=1e-6)
        g = gf.convert_to_tensor(gf.gradients(root, c)[0])
        np.testing.assert_allclose(run(g)[:, 0], [0.5 ** 0.5, 1, 0.5 ** 0.5], rtol=1e-6)
    with pytest.raises(ValueError, match="one id per index"):
        gf.sparse_segment_sum(c, [0, 1, 2], [0, 1])
