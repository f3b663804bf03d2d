"""Initializers: values, fans, variances, arguments, configuration."""

from __future__ import annotations

import inspect
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import truncnorm

import graphflow as gf
from graphflow.ops import initializers as init

# Signatures and configurations printed by tensorflow.compat.v1.
CONFIGS = {
    "zeros_initializer": {"dtype": "float32"},
    "ones_initializer": {"dtype": "float32"},
    "constant_initializer": {"value": 0, "dtype": "float32"},
    "identity_initializer": {"gain": 1.0, "dtype": "float32"},
    "random_uniform_initializer": {"minval": 0, "maxval": None, "seed": None, "dtype": "float32"},
    "random_normal_initializer": {"mean": 0.0, "stddev": 1.0, "seed": None, "dtype": "float32"},
    "truncated_normal_initializer": {
        "mean": 0.0, "stddev": 1.0, "seed": None, "dtype": "float32"},
    "variance_scaling_initializer": {
        "scale": 1.0, "mode": "fan_in", "distribution": "truncated_normal", "seed": None,
        "dtype": "float32"},
    "uniform_unit_scaling_initializer": {"factor": 1.0, "seed": None, "dtype": "float32"},
    "glorot_uniform_initializer": {"seed": None, "dtype": "float32"},
    "glorot_normal_initializer": {"seed": None, "dtype": "float32"},
}


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def value(initializer, shape, *args, **kwargs):
    with gf.Session() as session:
        return session.run(initializer(shape, *args, **kwargs))


@pytest.mark.parametrize("name", list(CONFIGS))
def test_configuration_round_trip(name):
    make = getattr(init, name)
    config = make().get_config()
    assert config == CONFIGS[name]
    assert list(inspect.signature(make).parameters)[:len(config)] == list(config)
    again = make.from_config(config)
    assert type(again) is type(make()) and again.get_config() == config


def test_fixed_values():
    np.testing.assert_array_equal(value(init.Zeros(), [2, 3]), np.zeros((2, 3), np.float32))
    assert value(init.Zeros(), [2], gf.bool).tolist() == [False, False]
    assert value(init.Zeros(), [1], gf.string).tolist() == [b""]
    assert value(init.Ones(gf.int8), [2]).dtype == np.int8
    np.testing.assert_array_equal(value(init.Identity(2.0), [2, 3]), 2 * np.eye(2, 3))
    with pytest.raises(ValueError, match="2D matrices"):
        init.Identity()([2])


def test_constant():
    np.testing.assert_array_equal(value(init.Constant(2.5), [2]), [2.5, 2.5])
    np.testing.assert_array_equal(value(init.Constant([1, 2]), [3]), [1, 2, 2])
    np.testing.assert_array_equal(
        value(init.Constant([1, 2, 3]), [2, 3], gf.int32), [[1, 2, 3], [3, 3, 3]])
    np.testing.assert_array_equal(value(init.Constant(np.arange(4.0)), [2, 2]), [[0, 1], [2, 3]])
    with pytest.raises(ValueError, match="3 values do not fit"):
        init.Constant([1, 2, 3])([2])
    with pytest.raises(TypeError, match="Invalid type for initial value: dict"):
        init.Constant({})
    with pytest.raises(ValueError, match=r"\[3\].*\[4\]"):
        init.Constant([1, 2, 3], verify_shape=True)([4])


def test_one_distribution():
    x = value(init.RandomUniform(-2.0, 3.0, seed=1), [5000])
    np.testing.assert_allclose([x.min(), x.max(), x.mean()], [-2, 3, 0.5], atol=0.1)
    n = value(init.RandomUniform(0, 5, seed=1, dtype=gf.int32), [500])
    assert n.dtype == np.int32 and set(n) == {0, 1, 2, 3, 4}
    y = value(init.RandomNormal(1.0, 2.0, seed=1, dtype="float64"), [5000])
    assert y.dtype == np.float64
    np.testing.assert_allclose([y.mean(), y.std()], [1, 2], atol=0.1)
    z = value(init.TruncatedNormal(1.0, 2.0, seed=1), [5000])
    assert np.abs(z - 1).max() <= 4
    np.testing.assert_allclose([z.mean(), z.std()], [1, 2 * init.TRUNCATED_STDDEV], atol=0.1)


def test_the_truncated_deviation_is_scipys():
    np.testing.assert_allclose(init.TRUNCATED_STDDEV, truncnorm.std(-2, 2), rtol=1e-12)


@pytest.mark.parametrize("shape, fans", [
    ((), (1, 1)), ((5,), (5, 5)), ((4, 7), (4, 7)), ((3, 3, 8, 16), (72, 144)),
    ((2, 3, 4, 5, 6), (120, 144))])
def test_fans(shape, fans):
    assert init.compute_fans(shape) == fans


SCALED = [
    # initializer, variance × (some count of [3, 5, 40, 60]), whether it is uniform
    (init.glorot_uniform_initializer(seed=1), 2 / (15 * 100), True),
    (init.glorot_normal_initializer(seed=1), 2 / (15 * 100), False),
    (init.he_normal(seed=1), 2 / (15 * 40), False),
    (init.he_uniform(seed=1), 2 / (15 * 40), True),
    (init.lecun_normal(seed=1), 1 / (15 * 40), False),
    (init.lecun_uniform(seed=1), 1 / (15 * 40), True),
    (init.VarianceScaling(3.0, "fan_out", "untruncated_normal", seed=1), 3 / (15 * 60), False),
    (init.VarianceScaling(3.0, "fan_out", "normal", seed=1), 3 / (15 * 60), False),
    (init.UniformUnitScaling(2.0, seed=1), 4 / (15 * 40), True),
]


@pytest.mark.parametrize("initializer, variance, uniform", SCALED, ids=lambda v: str(v)[:40])
def test_variances(initializer, variance, uniform):
    x = value(initializer, [3, 5, 40, 60])
    assert x.var() == pytest.approx(variance, rel=0.03)
    assert abs(x.mean()) < 4 * np.sqrt(variance / x.size)
    if uniform:
        assert np.abs(x).max() == pytest.approx(np.sqrt(3 * variance), rel=0.01)


def test_shapes_of_every_rank_and_size():
    for shape in ([], [5], [0, 4], gf.TensorShape([2, 2])):
        x = init.he_normal()(shape)
        assert value(lambda s, x=x: x, None).shape == tuple(x.shape.as_list())


def test_a_part_of_a_variable_takes_the_fans_of_the_whole():
    whole = SimpleNamespace(full_shape=[400, 100])
    x = value(init.he_uniform(seed=1), [50, 100], None, whole)
    assert np.abs(x).max() == pytest.approx(np.sqrt(6 / 400), rel=0.01)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="`scale` must be positive, got 0"):
        init.VarianceScaling(0)
    with pytest.raises(ValueError, match="mode must be one of fan_in, fan_out, fan_avg, got 'x'"):
        init.VarianceScaling(mode="x")
    with pytest.raises(ValueError, match="distribution must be one of"):
        init.VarianceScaling(distribution="x")
    with pytest.raises(ValueError, match="Expected floating point type, got int32"):
        init.TruncatedNormal(dtype=gf.int32)
    with pytest.raises(TypeError):
        init.glorot_uniform_initializer()([2, 3], gf.int32)
    with pytest.raises(ValueError, match="not fully known"):
        init.he_normal()([None, 3])
    with pytest.raises(ValueError, match="must be known while building"):
        init.he_normal()(gf.constant([2, 2]))


def test_equal_seeds_give_equal_variables_in_each_session():
    make = init.glorot_uniform_initializer(seed=5)
    one, other = gf.get_variable("a", [3, 4], initializer=make), gf.get_variable(
        "b", [3, 4], initializer=make)
    values = []
    for _ in range(2):
        with gf.Session() as session:
            session.run(gf.global_variables_initializer())
            values.extend(session.run([one, other]))
    for other_value in values[1:]:
        np.testing.assert_array_equal(values[0], other_value)
