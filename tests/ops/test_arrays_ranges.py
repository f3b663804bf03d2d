"""Range and linspace, against NumPy."""

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



@pytest.mark.parametrize("limits, dtype", [
    ((5,), np.int32), ((2, 11, 3), np.int32), ((5, -4, -2), np.int32), ((3, 3), np.int32),
    ((4.0,), np.float32), ((0, 1, 0.25), np.float32), ((np.int64(4),), np.int64)])
def test_range_takes_the_widest_type(limits, dtype):
    value = run(gf.range(*limits))
    assert value.dtype == dtype
    np.testing.assert_array_equal(value, np.arange(*limits).astype(dtype))


def test_range_of_tensors():
    n = gf.placeholder(gf.int32, [])
    y = gf.range(0, gf.cast(n, gf.int64), 2)
    assert y.dtype == gf.int64 and y.shape.as_list() == [None]
    np.testing.assert_array_equal(run(y, {n: 5}), [0, 2, 4])
    with pytest.raises(gf.errors.InvalidArgumentError, match="not reached"):
        run(y, {n: -1})
    step = gf.placeholder(gf.float32, [])
    np.testing.assert_allclose(run(gf.range(1, 2, step), {step: 0.25}), np.arange(1, 2, 0.25))
    with pytest.raises(gf.errors.InvalidArgumentError, match="must not be 0"):
        run(gf.range(1, 2, step), {step: 0.0})


def test_range_over_a_size_has_that_size():
    x = gf.placeholder(gf.float32, [None, 3])
    assert gf.range(gf.shape(x)[0]).shape[0] == x.shape[0]
    assert gf.range(gf.shape(x)[0] * 4).shape[0] == x.shape[0] * 4
    shorter = gf.range(1, gf.shape(x)[0])
    np.testing.assert_array_equal(run(shorter, {x: np.zeros((4, 3))}), [1, 2, 3])


def test_range_refuses():
    with pytest.raises(ValueError, match="delta must not be 0"):
        gf.range(0, 5, 0)
    with pytest.raises(ValueError, match="Change the sign"):
        gf.range(5, 0)
    with pytest.raises(TypeError, match="cannot count in"):
        gf.range("a")
    assert run(gf.range(3, dtype=gf.float64)).dtype == np.float64


def test_linspace():
    np.testing.assert_allclose(run(gf.linspace(0.1, 0.7, 7)), np.linspace(0.1, 0.7, 7), rtol=1e-6)
    assert run(gf.linspace(0.1, 0.7, 7))[-1] == np.float32(0.7)
    assert run(gf.linspace(2.0, 5.0, 1)).tolist() == [2]
    num = gf.placeholder(gf.int32, [])
    assert run(gf.linspace(0.0, 1.0, num), {num: 3}).tolist() == [0, 0.5, 1]
    with pytest.raises(gf.errors.InvalidArgumentError, match="must be positive"):
        run(gf.linspace(0.0, 1.0, num), {num: 0})
