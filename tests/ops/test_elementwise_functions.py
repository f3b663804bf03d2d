"""Elementary and special functions against NumPy and SciPy, and at the ends of their domains."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

import graphflow as gf

POSITIVE = np.linspace(0.05, 9, 41)
REAL = np.linspace(-4, 4, 41)
WITHIN_ONE = np.linspace(-0.95, 0.95, 41)

EXPECTED = {
    "sqrt": (np.sqrt, POSITIVE), "rsqrt": (lambda x: x**-0.5, POSITIVE),
    "exp": (np.exp, REAL), "expm1": (np.expm1, REAL), "log": (np.log, POSITIVE),
    "log1p": (np.log1p, POSITIVE), "sin": (np.sin, REAL), "cos": (np.cos, REAL),
    "tan": (np.tan, REAL), "asin": (np.arcsin, WITHIN_ONE), "acos": (np.arccos, WITHIN_ONE),
    "atan": (np.arctan, REAL), "sinh": (np.sinh, REAL), "cosh": (np.cosh, REAL),
    "tanh": (np.tanh, REAL), "asinh": (np.arcsinh, REAL), "acosh": (np.arccosh, POSITIVE + 1),
    "atanh": (np.arctanh, WITHIN_ONE), "sigmoid": (scipy.special.expit, REAL),
    "erf": (scipy.special.erf, REAL), "erfc": (scipy.special.erfc, REAL),
    "lgamma": (scipy.special.gammaln, POSITIVE), "digamma": (scipy.special.digamma, POSITIVE),
    "log_sigmoid": (scipy.special.log_expit, REAL),
}


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def value(fetch, feed=None):
    with gf.Session() as session:
        return session.run(fetch, feed)


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("dtype, tolerance", [
    (gf.float64, 1e-12), (gf.float32, 1e-5), (gf.float16, 4e-3), (gf.bfloat16, 3e-2)])
def test_against_scipy(name, dtype, tolerance):
    function, points = EXPECTED[name]
    points = points.astype(dtype.as_numpy_dtype)
    y = getattr(gf.math, name)(gf.constant(points))
    assert y.dtype == dtype
    np.testing.assert_allclose(np.asarray(value(y), np.float64),
                               function(np.asarray(points, np.float64)),
                               rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", [
    "sqrt", "exp", "log", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh",
    "asinh", "acosh", "atanh", "log1p", "expm1"])
def test_complex_against_numpy(name):
    z = np.array([0.3 + 0.4j, -0.7 + 1.1j, 1.2 - 0.6j])
    inverse = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh",
               "acosh": "arccosh", "atanh": "arctanh"}
    expected = getattr(np, inverse.get(name, name))(z)
    np.testing.assert_allclose(value(getattr(gf.math, name)(gf.constant(z))), expected, rtol=1e-12)


def test_integers_are_refused_with_a_hint():
    with pytest.raises(TypeError, match=r"Exp 'Exp': x must be one of float32.*int32.*gf.cast"):
        gf.exp(gf.constant([1, 2]))


def test_far_values_do_not_overflow():
    x = gf.constant([-1000.0, -90.0, 90.0, 1000.0])
    sigmoid, softplus, log_sigmoid = value([
        gf.sigmoid(x), gf.nn.softplus(x), gf.log_sigmoid(x)])
    np.testing.assert_allclose(sigmoid, scipy.special.expit(
        np.array([-1000.0, -90.0, 90.0, 1000.0])), rtol=1e-5, atol=1e-45)
    np.testing.assert_allclose(softplus, [0, np.exp(-90), 90, 1000], rtol=1e-5, atol=1e-45)
    np.testing.assert_allclose(log_sigmoid, [-1000, -90, -np.exp(-90), 0], rtol=1e-5, atol=1e-45)


def test_gradients_at_far_values_are_finite():
    x = gf.constant([-1000.0, 1000.0])
    for function, expected in ((gf.sigmoid, [0, 0]), (gf.tanh, [0, 0]),
                               (gf.nn.softplus, [0, 1]), (gf.log_sigmoid, [1, 0])):
        first, = gf.gradients(function(x), x)
        second, = gf.gradients(first, x)
        np.testing.assert_array_equal(value([first, second]), [expected, [0, 0]])


def test_gradients_at_zero():
    x = gf.constant([0.0])
    assert value(gf.gradients(gf.sqrt(x), x)[0]) == np.inf
    assert value(gf.gradients(gf.rsqrt(x), x)[0]) == -np.inf
    assert value(gf.gradients(gf.log(x), x)[0]) == np.inf


def test_atan2_is_the_angle_in_the_right_quadrant():
    y, x = np.array([1.0, 1.0, -1.0, -1.0, 0.0]), np.array([1.0, -1.0, -1.0, 1.0, -1.0])
    np.testing.assert_allclose(value(gf.atan2(y=gf.constant(y), x=gf.constant(x))),
                               np.arctan2(y, x))


def test_xlogy_and_xdivy_with_zeros():
    x, y = gf.constant([0.0, 0.0, 2.0]), gf.constant([0.0, 3.0, 5.0])
    np.testing.assert_allclose(value(gf.math.xlogy(x, y)), [0, 0, 2 * np.log(5)], rtol=1e-6)
    np.testing.assert_allclose(value(gf.math.xdivy(x, y)), [0, 0, 0.4])
    for_x, for_y = value(gf.gradients(gf.math.xlogy(x, y), [x, y]))
    np.testing.assert_allclose(for_x, [0, 0, np.log(5)], rtol=1e-6)
    np.testing.assert_allclose(for_y, [0, 0, 0.4])


def test_digamma_below_zero_and_at_its_poles():
    x = np.array([-0.5, -3.25, -10.75, 1e-3, 150.0])
    np.testing.assert_allclose(value(gf.math.digamma(gf.constant(x))),
                               scipy.special.digamma(x), rtol=1e-12)
    assert np.isnan(value(gf.math.digamma([0.0, -1.0, -7.0]))).all()


def test_derivatives_of_lgamma_are_polygammas():
    x = gf.constant(np.array([0.3, 1.0, 2.5, 20.0, -0.5]))
    derivative, found = gf.lgamma(x), []
    for _ in range(3):
        derivative, = gf.gradients(derivative, x)
        found.append(derivative)
    points = np.array([0.3, 1.0, 2.5, 20.0])
    for order, got in enumerate(value(found)):
        np.testing.assert_allclose(
            got[:4], scipy.special.polygamma(order, points), rtol=1e-10)
    # ψ′(x) = π² / sin²(πx) − ψ′(1 − x)
    np.testing.assert_allclose(value(found[1])[4], np.pi**2 - scipy.special.polygamma(1, 1.5))


def test_zeta_and_polygamma():
    x, q = np.array([[1.5], [2.0], [7.0]]), np.array([0.1, 1.0, 30.0])
    np.testing.assert_allclose(value(gf.math.zeta(gf.constant(x), gf.constant(q))),
                               scipy.special.zeta(x, q), rtol=1e-12)
    np.testing.assert_array_equal(
        value(gf.math.zeta([1.0, 2.0, 0.5], [2.0, -3.0, 1.0])), [np.inf, np.inf, np.nan])
    a = np.array([[0.0], [1.0], [4.0]])
    np.testing.assert_allclose(
        value(gf.math.polygamma(gf.constant(a), gf.constant(q))),
        np.vstack([scipy.special.digamma(q), scipy.special.polygamma(1, q),
                   scipy.special.polygamma(4, q)]), rtol=1e-10)
    np.testing.assert_array_equal(value(gf.math.polygamma([-1.0, 1.5], 2.0)), [np.nan, np.nan])


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_zeta_of_steep_powers_and_of_negative_q(device):
    x, q = (gf.placeholder(gf.float64, [None]) for _ in range(2))
    rng = np.random.default_rng(0)
    steep, places = rng.uniform(1.01, 150, 300), rng.uniform(0.01, 90, 300)
    with gf.Session(device=device) as session:
        found = session.run(gf.math.zeta(x, q), {x: steep, q: places})
        np.testing.assert_allclose(found, scipy.special.zeta(steep, places), rtol=1e-11)
        # From TensorFlow 2.21, which SciPy 1.17 agrees with.
        found = session.run(gf.math.zeta(x, q), {
            x: [2, 3, 2, 4, 5, 3], q: [-0.5, -0.5, -7.25, -2.25, -3.75, -100.5]})
        np.testing.assert_allclose(found, [
            8.93480220e+00, 4.14398322e-01, 1.96103545e+01, 2.59742504e+02, 1.02006635e+03,
            4.90136013e-05], rtol=1e-8)


def test_gradient_of_zeta_for_q():
    x, q = gf.constant(np.array([2.0, 3.5])), gf.constant(np.array([0.75, 4.0]))
    for_x, for_q = gf.gradients(gf.math.zeta(x, q), [x, q])
    assert for_x is None
    step = 1e-6
    central = (scipy.special.zeta([2.0, 3.5], np.array([0.75, 4.0]) + step)
               - scipy.special.zeta([2.0, 3.5], np.array([0.75, 4.0]) - step)) / (2 * step)
    np.testing.assert_allclose(value(for_q), central, rtol=1e-7)


def test_rounding_is_half_to_even_and_constant():
    x = gf.constant([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.7])
    np.testing.assert_array_equal(value(gf.round(x)), [-2, -2, 0, 0, 2, 2, 3])
    np.testing.assert_array_equal(value(gf.rint(x)), value(gf.round(x)))
    np.testing.assert_array_equal(value(gf.floor(x)), [-3, -2, -1, 0, 1, 2, 2])
    np.testing.assert_array_equal(value(gf.ceil(x)), [-2, -1, 0, 1, 2, 3, 3])
    assert gf.gradients(gf.round(x), x) == [None]
    whole = gf.constant([1, 2])
    assert gf.round(whole) is whole
