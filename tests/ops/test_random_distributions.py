"""Draws follow their distributions (scipy), and both written forms agree."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtri

from graphflow import dtypes as dt
from graphflow.errors import InvalidArgumentError
from graphflow.loop_ir import b, evaluate
from graphflow.opdef import RunError
from graphflow.ops import random_distributions as draws
from graphflow.ops.normal_quantile import quantile
from graphflow.ops.random import (
    FLOAT_TYPES,
    RANDOM_NORMAL,
    RANDOM_UNIFORM,
    RANDOM_UNIFORM_INT,
    TRUNCATED_NORMAL,
)

SHAPE = np.array([20_000], np.int32)
KEY = {"key0": 2024, "key1": 7}
DRAWS = {"uniform": draws.uniform, "normal": draws.normal, "truncated": draws.truncated}
LAWS = {"uniform": stats.uniform, "normal": stats.norm, "truncated": stats.truncnorm(-2, 2)}


def drawn(name, dtype, run=0, shape=SHAPE, **key):
    return DRAWS[name](shape, np.int64(run), dtype=dtype, **(KEY | key))


@pytest.mark.parametrize("dtype", [dt.float32, dt.float64])
@pytest.mark.parametrize("name", list(DRAWS))
def test_kolmogorov_smirnov(name, dtype):
    for run in (0, 1, 2**40):
        values = drawn(name, dtype, run).astype(np.float64)
        assert stats.kstest(values, LAWS[name].cdf).pvalue > 0.01


@pytest.mark.parametrize("dtype", FLOAT_TYPES)
@pytest.mark.parametrize("name", list(DRAWS))
def test_moments(name, dtype):
    """Mean, variance, skewness and kurtosis within 5 standard errors."""
    values = drawn(name, dtype)
    assert values.dtype == dtype.numpy
    x = values.astype(np.float64)
    for power in (1, 2, 3, 4):
        expected, square = LAWS[name].moment(power), LAWS[name].moment(2 * power)
        error = np.sqrt((square - expected**2) / x.size)
        rounding = 2.0**-8 if dtype is dt.bfloat16 else 2.0**-11  # uniforms are truncated
        assert abs(np.mean(x**power) - expected) < 5 * error + power * rounding, power


@pytest.mark.parametrize("dtype", FLOAT_TYPES)
def test_uniform_stays_below_one(dtype):
    values = drawn("uniform", dtype, shape=np.array([300, 300], np.int64)).astype(np.float64)
    assert values.shape == (300, 300)
    assert values.min() >= 0 and values.max() < 1


@pytest.mark.parametrize("dtype", FLOAT_TYPES)
def test_truncated_normal_stays_within_two(dtype):
    values = drawn("truncated", dtype, shape=np.array([100_000], np.int32)).astype(np.float64)
    assert 1.9 < np.abs(values).max() <= 2


def test_normal_tail():
    """P(|z| > 4) = 6.3e-5: of two million draws 127 are expected."""
    values = drawn("normal", dt.float32, shape=np.array([2_000_000], np.int32))
    assert 80 < np.count_nonzero(np.abs(values) > 4) < 175


@pytest.mark.parametrize("name", list(DRAWS))
def test_runs_keys_and_neighbours_are_uncorrelated(name):
    x = drawn(name, dt.float32).astype(np.float64)
    limit = 4 / np.sqrt(x.size)
    others = [drawn(name, dt.float32, run=1), drawn(name, dt.float32, key0=2025),
              drawn(name, dt.float32, key1=8), np.roll(x, 1), np.roll(x, 2), np.roll(x, 4)]
    for other in others:
        assert abs(np.corrcoef(x, other)[0, 1]) < limit
        centred = np.abs(x - x.mean()), np.abs(other - other.mean())
        assert abs(np.corrcoef(*centred)[0, 1]) < limit


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 3e-15), (np.float32, 1e-6)])
def test_quantile_against_scipy(dtype, tolerance):
    q = np.linspace(-0.4772, 0.4772, 20_001).astype(dtype)
    np.testing.assert_allclose(
        quantile(q), ndtri(0.5 + q.astype(np.float64)), rtol=0, atol=tolerance)


@pytest.mark.parametrize("opdef", [RANDOM_UNIFORM, RANDOM_NORMAL, TRUNCATED_NORMAL,
                                   RANDOM_UNIFORM_INT], ids=lambda o: o.name)
def test_scalar_expressions_and_numpy_agree(opdef):
    for sample in opdef.samples():
        expected = opdef.reference(*sample.inputs, **sample.attrs)
        inputs = [np.asarray(v) for v in sample.inputs]
        scalars = [b.arg(k, inputs[k].dtype) for k in opdef.lowering.scalars]
        body = opdef.lowering.body(b, b.arg(0, dt.int64), *scalars, **sample.attrs)
        places = [np.arange(expected.size), *inputs[1:]]
        np.testing.assert_allclose(
            evaluate(body, places).reshape(expected.shape).astype(np.float64),
            expected.astype(np.float64), rtol=1e-6)


# --- integers ---------------------------------------------------------------------------------


def integers(low, high, dtype, run=0, count=20_000):
    return draws.integer(np.array([count]), dtype(low), dtype(high), np.int64(run), **KEY)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_integers_are_uniform(dtype):
    values = integers(-3, 7, dtype)
    assert values.dtype == dtype
    counts = np.bincount(values + 3, minlength=10)
    assert counts.size == 10 and stats.chisquare(counts).pvalue > 0.01


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_the_whole_range_of_integers(dtype):
    ends = np.iinfo(dtype)
    values = integers(ends.min, ends.max, dtype).astype(np.float64)
    scaled = (values - float(ends.min)) / (float(ends.max) - float(ends.min))
    assert stats.kstest(scaled, stats.uniform.cdf).pvalue > 0.01


def test_integers_are_the_high_half_of_an_exact_product():
    from graphflow.ops.random_bits import wide_words

    low, high = -(2**61) - 12345, 2**62 + 999
    exact = [low + (int(w) * (high - low) >> 64) for w in wide_words(50, 3, 2024, 7)]
    assert integers(low, high, np.int64, run=3, count=50).tolist() == exact


def test_an_empty_range_is_an_error_only_if_something_is_drawn():
    with pytest.raises(RunError, match="Need minval < maxval, got 5 >= 3") as caught:
        integers(5, 3, np.int32)
    assert caught.value.cls is InvalidArgumentError
    assert integers(5, 3, np.int32, count=0).shape == (0,)


def test_a_negative_size_is_an_error():
    with pytest.raises(RunError, match=r"negative, got \[2, -1\]"):
        drawn("uniform", dt.float32, shape=np.array([2, -1]))


# --- shuffle ----------------------------------------------------------------------------------


def test_shuffle_gives_every_order_equally_often():
    orders = [tuple(draws.shuffle(np.arange(3), np.int64(run), **KEY)) for run in range(3000)]
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert counts.size == 6 and stats.chisquare(counts).pvalue > 0.01


def test_shuffle_keeps_rows_whole():
    x = np.arange(20).reshape(10, 2)
    shuffled = draws.shuffle(x, np.int64(0), **KEY)
    assert not np.array_equal(shuffled, x)
    np.testing.assert_array_equal(shuffled[np.argsort(shuffled[:, 0])], x)
