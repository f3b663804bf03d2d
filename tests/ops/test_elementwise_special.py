"""Special functions against SciPy, to the last digits and at the ends of their ranges."""

import numpy as np
import pytest
import scipy.special as sp

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def run(fetch, feeds=None):
    with gf.Session() as session:
        return session.run(fetch, feeds)


def assert_near(actual, expected, roundings):
    """Equal but for so many units in the last place, relatively."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    unit = np.finfo(actual.dtype).eps
    np.testing.assert_allclose(actual.astype(float), expected, rtol=roundings * unit, atol=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_quantiles(dtype):
    p = np.concatenate([np.linspace(0.001, 0.999, 99), 10.0 ** -np.arange(2, 36, 3)])
    p = p[np.abs(p - 0.5) > 1e-9].astype(dtype)
    assert_near(run(gf.math.ndtri(p)), sp.ndtri(p.astype(float)), 8)
    np.testing.assert_array_equal(run(gf.math.ndtri(np.array([0, 1, -1, 2], dtype))),
                                  [-np.inf, np.inf, np.nan, np.nan])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_inverse_error_functions(dtype):
    x = np.concatenate([np.linspace(-0.99, 0.99, 100), [1e-20, 0.9999]]).astype(dtype)
    assert_near(run(gf.math.erfinv(x)), sp.erfinv(x.astype(float)), 8)
    near_zero = np.array([1e-30, 1e-12, 1e-4, 0.5, 1.5], dtype)
    assert_near(run(gf.math.erfcinv(near_zero)), sp.erfcinv(near_zero.astype(float)), 8)
    np.testing.assert_array_equal(run(gf.math.erfinv(np.array([1, -1, 0, 2], dtype))),
                                  [np.inf, -np.inf, 0, np.nan])


@pytest.mark.parametrize("name", ["i0", "i1", "i0e", "i1e"])
def test_bessel_functions(name):
    function, expected = getattr(gf.math, f"bessel_{name}"), getattr(sp, name)
    x = np.concatenate([np.linspace(-20, 20, 81), [1e-8, 7.999, 8.0, 8.001, 60.0]])
    assert_near(run(function(x)), expected(x), 32)
    single = x.astype(np.float32)
    assert_near(run(function(single)), expected(single.astype(float)), 32)


def test_the_slope_of_bessel_functions_at_0():
    x = gf.constant(0.0)
    slopes = [gf.gradients(f(x), x)[0] for f in (gf.math.bessel_i0, gf.math.bessel_i1,
                                                 gf.math.bessel_i0e, gf.math.bessel_i1e)]
    np.testing.assert_allclose(run(slopes), [0, 0.5, 0, 0.5], rtol=1e-6)


def test_incomplete_gamma():
    rng = np.random.default_rng(0)
    a = np.exp(rng.uniform(-4, 5, 200))
    x = a * np.exp(rng.normal(size=200) / (1 + np.sqrt(a / 4)))
    lower, upper = run([gf.igamma(a, x), gf.math.igammac(a, x)])
    np.testing.assert_allclose(lower, sp.gammainc(a, x), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(upper, sp.gammaincc(a, x), rtol=1e-11, atol=1e-13)
    single = run(gf.igammac(a.astype(np.float32), x.astype(np.float32)))
    exact = sp.gammaincc(a.astype(np.float32).astype(float), x.astype(np.float32).astype(float))
    np.testing.assert_allclose(single, exact, rtol=3e-7)
    assert run(gf.igammac(2.0, 60.0)) == pytest.approx(sp.gammaincc(2, 60), rel=1e-6)


def test_slopes_of_incomplete_gamma():
    """The numbers are TensorFlow's."""
    a, x = gf.constant([0.5, 2.0, 100.0], gf.float64), gf.constant([0.1, 3.0, 90.0], gf.float64)
    by_a, by_x = run(gf.gradients(gf.igamma(a, x), [a, x]))
    np.testing.assert_allclose(by_a, [-0.8229361, -0.19742542, -0.02461192], rtol=1e-6)
    np.testing.assert_allclose(by_x, [1.61434226, 0.14936121, 0.02591203], rtol=1e-6)


def test_incomplete_beta():
    rng = np.random.default_rng(0)
    a, b = np.exp(rng.uniform(-3, 5, (2, 200)))
    x = rng.beta(a, b)
    np.testing.assert_allclose(run(gf.math.betainc(a, b, x)), sp.betainc(a, b, x),
                               rtol=0, atol=1e-11)
    y = gf.constant([0.0, 1.0, 0.5, 2.0])
    np.testing.assert_array_equal(run(gf.betainc(1.0, [2.0, 2.0, -1.0, 2.0], y)),
                                  [0, 1, np.nan, np.nan])


def test_log_beta():
    x = np.array([[1.0, 2.0, 3.5], [0.5, 0.5, 4.0]])
    np.testing.assert_allclose(
        run(gf.lbeta(x)), sp.gammaln(x).sum(-1) - sp.gammaln(x.sum(-1)), rtol=1e-13)
    np.testing.assert_allclose(run(gf.math.lbeta(x[:, :2])), sp.betaln(x[:, 0], x[:, 1]),
                               rtol=1e-13)
    assert run(gf.lbeta(np.zeros((0,)))) == -np.inf
    with pytest.raises(ValueError, match="rank at least 1"):
        gf.lbeta(1.0)


def test_next_numbers():
    for dtype in (np.float32, np.float64):
        x = np.array([0, 0, 1, 1, -1, -1, 0, 5], dtype)
        y = np.array([1, -1, 2, 0, 0, -2, 0, np.nan], dtype)
        np.testing.assert_array_equal(run(gf.math.nextafter(x, y)), np.nextafter(x, y))


def test_zero_times_the_logarithm_of_nothing():
    found = run(gf.math.xlog1py(np.array([0.0, 0.0, 2.0]), np.array([-1.0, np.nan, 0.5])))
    np.testing.assert_allclose(found, sp.xlog1py([0, 0, 2], [-1, 0, 0.5]))
