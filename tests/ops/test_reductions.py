"""Reductions and their gradients, against NumPy and TensorFlow's conventions."""

import ml_dtypes
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


X = np.array([[1.5, -2.0, 4.0], [0.5, 3.0, -1.0]])


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "max", "min"])
@pytest.mark.parametrize("axis", [None, 0, -1, [0, 1], (-2,), []])
@pytest.mark.parametrize("keepdims", [False, True])
def test_numpys_reductions(name, axis, keepdims):
    numpy_axis = tuple(axis) if isinstance(axis, (list, tuple)) else axis
    expected = getattr(np, name)(X, axis=numpy_axis, keepdims=keepdims)
    for shape in ([2, 3], [None, None], None):
        x = gf.placeholder(gf.float64, shape)
        y = getattr(gf, f"reduce_{name}")(x, axis, keepdims)
        assert y.shape.is_compatible_with(expected.shape)
        np.testing.assert_allclose(run(y, {x: X}), expected, rtol=1e-15)


def test_old_names_of_the_arguments():
    np.testing.assert_array_equal(
        run(gf.reduce_sum(X, reduction_indices=[0], keep_dims=True)), X.sum(0, keepdims=True))
    with pytest.raises(ValueError, match="both axis and reduction_indices"):
        gf.reduce_sum(X, 0, reduction_indices=1)
    with pytest.raises(ValueError, match="both keepdims and keep_dims"):
        gf.reduce_max(X, keepdims=True, keep_dims=True)


def test_axis_as_a_tensor_must_be_known():
    np.testing.assert_array_equal(run(gf.reduce_sum(X, gf.constant([1]))), X.sum(1))
    np.testing.assert_array_equal(run(gf.reduce_sum(X, gf.range(2))), X.sum())
    with pytest.raises(ValueError, match="known while the graph is built"):
        gf.reduce_sum(X, gf.placeholder(gf.int32, []))


def test_wrong_axes():
    with pytest.raises(ValueError, match=r"Sum 's': axis 2 is outside \[-2, 2\).*\[2, 3\]"):
        gf.reduce_sum(X, 2, name="s")
    with pytest.raises(ValueError, match="twice"):
        gf.reduce_sum(X, [0, -2])
    x = gf.placeholder(gf.float64)
    with pytest.raises(gf.errors.InvalidArgumentError, match="axis 2 is outside"):
        run(gf.reduce_sum(x, 2), {x: X})
    with pytest.raises(TypeError, match="must be one of bool"):
        gf.reduce_any(X)


def test_reductions_of_nothing():
    nothing = np.zeros((0, 2))
    assert run(gf.reduce_sum(nothing, 0)).tolist() == [0, 0]
    assert run(gf.reduce_prod(nothing, 0)).tolist() == [1, 1]
    assert run(gf.reduce_max(nothing, 0)).tolist() == [-np.inf] * 2
    assert run(gf.reduce_min(nothing, 0)).tolist() == [np.inf] * 2
    assert np.isnan(run(gf.reduce_mean(nothing, 0))).all()
    assert run(gf.reduce_max(nothing.astype(np.int32), 0)).tolist() == [-2**31] * 2
    assert run(gf.reduce_any(nothing > 0)).tolist() is False
    assert run(gf.reduce_all(nothing > 0)).tolist() is True
    assert run(gf.reduce_logsumexp(nothing, 0)).tolist() == [-np.inf] * 2


def test_integers_keep_their_type_and_round_to_zero():
    numbers = np.array([-3, -4, 2, 2, 0], np.int32)
    assert run(gf.reduce_mean(numbers)) == 0  # −3/5
    assert run(gf.reduce_mean(numbers[:2])) == -3  # −7/2
    total = run(gf.reduce_sum(np.array([200, 100], np.uint8)))
    assert total == 44 and total.dtype == np.uint8


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_types_are_summed_in_float32(dtype):
    many = np.ones(5000, dtype)  # 2048 + 1 = 2048 in float16, 256 + 1 = 256 in bfloat16
    assert run(gf.reduce_sum(many)) == dtype(5000)
    assert run(gf.reduce_mean(many)) == 1
    assert run(gf.reduce_sum(many)).dtype == dtype


def test_logic():
    b = X > 0
    np.testing.assert_array_equal(run(gf.reduce_any(b, 0)), b.any(0))
    np.testing.assert_array_equal(run(gf.reduce_all(b, 1, keepdims=True)),
                                  b.all(1, keepdims=True))
    np.testing.assert_array_equal(run(gf.count_nonzero(np.array([[0, 3], [1, 2]]), 0)), [1, 2])
    assert run(gf.count_nonzero(X > 0, dtype=gf.int32)).dtype == np.int32


# ---- gradients ----------------------------------------------------------------------------------


def test_ties_share_the_gradient_of_an_extremum():
    x = gf.constant([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    g = gf.gradients(gf.reduce_max(x, 1), x)[0]
    np.testing.assert_allclose(run(g), [[0, 0.5, 0.5], [1 / 3] * 3], rtol=1e-6)


def _others(x):
    """∏ of all elements but one, by brute force."""
    return np.array([np.prod(np.delete(x, i)) for i in range(x.size)])


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_gradient_of_a_product_with_zeros(zeros):
    value = np.array([2.0, -3.0, 0.5, 4.0])
    value[:zeros] = 0
    for shape in ([4], [None], None):
        x = gf.placeholder(gf.float64, shape)
        g = gf.gradients(gf.reduce_prod(x), x)[0]
        weights = np.array([1.0, 2.0, -1.0, 0.5])
        second = gf.gradients(gf.reduce_sum(g * weights), x)[0]
        third = gf.gradients(gf.reduce_sum(second * weights[::-1].copy()), x)[0]
        got = run([g, second, third], {x: value})
        np.testing.assert_allclose(got[0], _others(value), rtol=1e-12)
        hessian = np.array([[0 if i == j else np.prod(np.delete(value, [i, j]))
                             for j in range(4)] for i in range(4)])
        np.testing.assert_allclose(got[1], hessian @ weights, rtol=1e-12)
        cube = [[[0 if len({i, j, k}) < 3 else np.prod(np.delete(value, [i, j, k]))
                  for k in range(4)] for j in range(4)] for i in range(4)]
        np.testing.assert_allclose(
            got[2], np.einsum("ijk,j,k", cube, weights, weights[::-1]), rtol=1e-12)


def test_gradient_of_a_product_over_several_axes_of_unknown_rank():
    value = np.arange(24.0).reshape(2, 3, 4) / 8 + 0.5
    x = gf.placeholder(gf.float64)
    g = gf.gradients(gf.reduce_prod(x, [0, -1]), x)[0]
    expected = value.prod((0, 2), keepdims=True) / value
    np.testing.assert_allclose(run(g, {x: value}), expected, rtol=1e-12)


def test_gradient_of_a_mean_over_unknown_sizes():
    x = gf.placeholder(gf.float32, [None, 3])
    g = gf.gradients(gf.reduce_mean(gf.square(x), 0), x)[0]
    value = X.astype(np.float32)
    np.testing.assert_allclose(run(g, {x: value}), 2 * value / 2)
    assert run(g, {x: value[:0]}).shape == (0, 3)


# ---- argmax and argmin --------------------------------------------------------------------------


def test_arg_extrema_take_the_first():
    x = np.array([[1.0, 3.0, 3.0], [2.0, np.nan, np.nan], [-np.inf, -np.inf, -np.inf]])
    assert run(gf.argmax(x, 1)).tolist() == [1, 1, 0]
    assert run(gf.argmin(x, 1)).tolist() == [0, 1, 0]
    assert run(gf.argmax(X)).tolist() == [0, 1, 0]  # axis 0 by default
    assert run(gf.argmax(X, dimension=-1)).tolist() == [2, 1]
    assert run(gf.argmax(X, 1, output_type=gf.int32)).dtype == np.int32
    assert run(gf.argmax(np.array([False, True, True]))) == 1
    assert gf.argmax(X).dtype == gf.int64


def test_arg_extrema_of_nothing():
    with pytest.raises(ValueError, match="no elements"):
        gf.argmax(np.zeros((0, 3)))
    x = gf.placeholder(gf.float64, [None, 3])
    with pytest.raises(gf.errors.InvalidArgumentError, match="no elements"):
        run(gf.argmin(x, 0), {x: np.zeros((0, 3))})
    with pytest.raises(ValueError, match="output_type must be one of"):
        gf.argmax(X, output_type=gf.float32)
