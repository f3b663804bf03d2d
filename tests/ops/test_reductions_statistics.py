"""Moments, variance, norm and log-sum-exp, against NumPy and SciPy."""

import numpy as np
import pytest
import scipy.special

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def run(fetch, feeds=None):
    with gf.Session() as session:
        return session.run(fetch, feeds)


X = np.random.default_rng(3).normal(size=(3, 4, 2))


@pytest.mark.parametrize("axis", [[0], [0, 2], [-1], [0, 1, 2]])
@pytest.mark.parametrize("keepdims", [False, True])
def test_statistics_are_numpys(axis, keepdims):
    over = {"axis": tuple(axis), "keepdims": keepdims}
    for shape in (X.shape, None):
        x = gf.placeholder(gf.float64, shape)
        mean, variance = gf.nn.moments(x, axis, keep_dims=keepdims)
        got = run([mean, variance, gf.math.reduce_variance(x, axis, keepdims),
                   gf.math.reduce_std(x, axis, keepdims),
                   gf.math.reduce_euclidean_norm(x, axis, keepdims),
                   gf.reduce_logsumexp(x, axis, keepdims)], {x: X})
        expected = [X.mean(**over), X.var(**over), X.var(**over), X.std(**over),
                    np.sqrt(np.square(X).sum(**over)), scipy.special.logsumexp(X, **over)]
        for value, wanted in zip(got, expected):
            np.testing.assert_allclose(value, wanted, rtol=1e-12)


def test_moments_of_half_types_are_computed_in_float32():
    x = np.full(4096, 300.0, np.float16)
    x[::2] = 302.0
    mean, variance = run(gf.nn.moments(x, [0]))
    assert mean == 301 and variance == 1 and mean.dtype == np.float16


def test_the_shift_of_moments_is_accepted():
    got = run(gf.nn.moments(X, [0], shift=gf.constant(1.0, gf.float64)))
    np.testing.assert_allclose(got[1], X.var(0))


def test_weighted_moments():
    weights = np.array([1.0, 3.0, 2.0]).reshape(3, 1, 1)
    mean, variance = run(gf.nn.weighted_moments(X, [0], weights))
    repeated = np.repeat(X, [1, 3, 2], 0)
    np.testing.assert_allclose(mean, repeated.mean(0))
    np.testing.assert_allclose(variance, repeated.var(0))
    kept = run(gf.nn.weighted_moments(X, [0, 1], weights, keepdims=True))
    assert kept[0].shape == (1, 1, 2)


def test_logsumexp_at_infinities():
    x = np.array([[-np.inf, -np.inf], [1000.0, 1000.0], [-np.inf, 2.0], [np.inf, 0.0],
                  [-1e4, -1e4 + 1]])
    np.testing.assert_allclose(run(gf.reduce_logsumexp(x, 1)), scipy.special.logsumexp(x, 1))


def test_gradient_of_logsumexp_is_softmax():
    x = gf.constant([[1.0, 2.0, -1.0], [-np.inf, 0.0, 0.0], [-np.inf] * 3], gf.float64)
    g = run(gf.gradients(gf.reduce_logsumexp(x, 1), x)[0])
    np.testing.assert_allclose(g[0], scipy.special.softmax([1.0, 2.0, -1.0]))
    np.testing.assert_allclose(g[1], [0, 0.5, 0.5])
    assert g[2].tolist() == [0, 0, 0]


def test_integers_have_no_variance():
    with pytest.raises(TypeError, match="int32"):
        gf.math.reduce_variance(gf.constant([1, 2]))
