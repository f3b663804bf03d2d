"""Activations against their formulas, at their kinks, and to second order."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

import graphflow as gf

X = np.array([-7.0, -1.5, -0.25, 0.5, 2.0, 7.5])
SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772

FORMULAS = {
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "elu": lambda x: np.where(x < 0, np.exp(x) - 1, x),
    "selu": lambda x: SCALE * np.where(x < 0, ALPHA * (np.exp(x) - 1), x),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "swish": lambda x: x * scipy.special.expit(x),
    "gelu": lambda x: x * scipy.special.ndtr(x),
    "sigmoid": scipy.special.expit,
    "tanh": np.tanh,
}


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def value(fetch, feed=None):
    with gf.Session() as session:
        return session.run(fetch, feed)


@pytest.mark.parametrize("name", FORMULAS)
def test_values_and_first_two_derivatives(name):
    formula = FORMULAS[name]
    x = gf.constant(X)
    y = getattr(gf.nn, name)(x)
    first, = gf.gradients(y, x)
    second = gf.gradients(first, x)[0]
    second = gf.zeros_like(x) if second is None else second
    got, slope, curvature = value([y, first, second])
    np.testing.assert_allclose(got, formula(X), rtol=1e-9, atol=1e-15)
    step = 1e-4
    np.testing.assert_allclose(slope, (formula(X + step) - formula(X - step)) / (2 * step),
                               rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(
        curvature, (formula(X + step) - 2 * formula(X) + formula(X - step)) / step**2,
        rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("dtype", [gf.float16, gf.bfloat16, gf.float32])
def test_narrow_types(name, dtype):
    x = X.astype(dtype.as_numpy_dtype)
    y = getattr(gf.nn, name)(gf.constant(x))
    assert y.dtype == dtype
    tolerance = {gf.float16: 4e-3, gf.bfloat16: 3e-2, gf.float32: 1e-5}[dtype]
    np.testing.assert_allclose(np.asarray(value(y), np.float64),
                               FORMULAS[name](np.asarray(x, np.float64)),
                               rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name, slope", [
    ("relu", 0), ("relu6", 0), ("leaky_relu", 0.2), ("elu", 1), ("selu", SCALE),
    ("softsign", 1)])
def test_derivatives_at_zero_are_tensorflows(name, slope):
    x = gf.constant([0.0])
    np.testing.assert_allclose(value(gf.gradients(getattr(gf.nn, name)(x), x)[0]), [slope],
                               rtol=1e-6)


def test_relu6_is_flat_at_six():
    x = gf.constant([6.0, 5.0, 7.0])
    np.testing.assert_array_equal(value(gf.gradients(gf.nn.relu6(x), x)[0]), [0, 1, 0])


def test_relu_of_integers_and_nan():
    np.testing.assert_array_equal(value(gf.nn.relu(gf.constant([-3, 4]))), [0, 4])
    assert np.isnan(value(gf.nn.relu([np.nan])))[0]


def test_leaky_relu_of_integers_and_of_a_learned_slope():
    assert gf.nn.leaky_relu(gf.constant([-5, 5])).dtype == gf.float32
    slope = gf.constant(0.5)
    y = gf.nn.leaky_relu(gf.constant([-4.0, 4.0]), alpha=slope)
    np.testing.assert_array_equal(value(y), [-2, 4])
    np.testing.assert_array_equal(value(gf.gradients(y, slope)[0]), -4)


def test_crelu_doubles_an_axis():
    x = gf.constant([[1.0, -2.0]])
    np.testing.assert_array_equal(value(gf.nn.crelu(x)), [[1, 0, 0, 2]])
    np.testing.assert_array_equal(value(gf.nn.crelu(x, axis=0)), [[1, 0], [0, 2]])


def test_swish_with_beta_and_gelu_by_tanh():
    x = gf.constant(X)
    np.testing.assert_allclose(value(gf.nn.swish(x, beta=2.0)), X * scipy.special.expit(2 * X))
    np.testing.assert_allclose(value(gf.nn.gelu(x, approximate=True)),
                               X * scipy.special.ndtr(X), atol=1e-3)


def test_names():
    x = gf.constant([1.0])
    names = [f(x).op.name for f in (
        gf.nn.relu, gf.nn.elu, gf.nn.leaky_relu, gf.sigmoid, gf.tanh, gf.log_sigmoid)]
    assert names == ["Relu", "Elu", "LeakyRelu", "Sigmoid", "Tanh", "LogSigmoid"]
    assert gf.nn.relu(features=x, name="act").op.name == "act"
