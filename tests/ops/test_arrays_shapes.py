"""Reshape, transpose, broadcast, fill and shapes as values, against NumPy."""

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


X = np.arange(6, dtype=np.float64).reshape(2, 3)


def sizes(tensor):
    return tensor.shape.as_list()


# ---- reshape ----------------------------------------------------------------------------------


def test_reshape_infers_symbolic_sizes():
    x = gf.placeholder(gf.float32, [None, 4, 6])
    batch = gf.shape(x)[0]
    assert sizes(gf.reshape(x, [-1, 24])) == [None, 24]
    assert gf.reshape(x, [-1, 24]).shape[0] == x.shape[0]
    assert sizes(gf.reshape(x, [batch, -1])) == [None, 24]
    assert sizes(gf.reshape(x, gf.stack([batch, -1, 3]))) == [None, 8, 3]
    assert sizes(gf.reshape(x, gf.concat([gf.shape(x)[:1], [24]], 0))) == [None, 24]
    assert gf.reshape(x, gf.shape(x)).shape == x.shape
    flat = gf.reshape(x, [-1])
    assert gf.reshape(flat, [-1, 4, 6]).shape == x.shape


def test_reshape_to_a_shape_that_is_fed():
    x, shape = gf.placeholder(gf.float64, [2, 3]), gf.placeholder(gf.int32, [3])
    y = gf.reshape(x, shape)
    assert sizes(y) == [None, None, None]
    np.testing.assert_array_equal(run(y, {x: X, shape: [3, 1, -1]}), X.reshape(3, 1, 2))
    with pytest.raises(gf.errors.InvalidArgumentError, match=r"\[2, 3\] \(6 elements\)"):
        run(y, {x: X, shape: [4, 1, 2]})
    with pytest.raises(gf.errors.InvalidArgumentError, match="not a multiple of 4"):
        run(y, {x: X, shape: [4, 1, -1]})


def test_reshape_of_unknown_rank():
    x = gf.placeholder(gf.float64)
    y = gf.reshape(x, [3, -1])
    assert sizes(y) == [3, None]
    np.testing.assert_array_equal(run(y, {x: X}), X.reshape(3, 2))


def test_reshape_refuses_sizes_that_are_not_known():
    x = gf.placeholder(gf.float32, [None, 3])
    with pytest.raises(ValueError, match=r"shape\[0\] is None.*gf.shape\(x\)\[axis\]"):
        gf.reshape(x, [None, 3])
    with pytest.raises(ValueError, match="not known yet"):
        gf.reshape(x, [x.shape[0], 3])
    with pytest.raises(ValueError, match="only partly known"):
        gf.reshape(x, x.shape)
    with pytest.raises(ValueError, match=r"cannot reshape \[2, 3\] \(6 elements\) into \[4, 2\]"):
        gf.reshape(X, [4, 2])


def test_expand_and_squeeze_take_the_old_names():
    assert sizes(gf.expand_dims(X, dim=-1)) == [2, 3, 1]
    assert sizes(gf.expand_dims(X, gf.constant(0))) == [1, 2, 3]
    assert sizes(gf.squeeze(gf.expand_dims(X, 1), squeeze_dims=[1])) == [2, 3]
    with pytest.raises(ValueError, match="both axis and dim"):
        gf.expand_dims(X, 0, dim=1)
    with pytest.raises(ValueError, match="axis is missing"):
        gf.expand_dims(X)


def test_squeeze_of_unknown_sizes_is_decided_by_the_run():
    x = gf.placeholder(gf.float64, [None, None])
    assert gf.squeeze(x).shape.rank is None
    assert run(gf.squeeze(x), {x: X[:1]}).shape == (3,)
    assert run(gf.squeeze(x), {x: X}).shape == (2, 3)
    y = gf.squeeze(x, 0)
    assert y.shape.rank == 1
    with pytest.raises(gf.errors.InvalidArgumentError, match="not 1"):
        run(y, {x: X})


def test_ensure_shape_narrows_and_checks():
    x = gf.placeholder(gf.float64)
    y = gf.ensure_shape(x, [None, 3])
    assert sizes(y) == [None, 3]
    np.testing.assert_array_equal(run(y, {x: X}), X)
    with pytest.raises(gf.errors.InvalidArgumentError, match="not compatible"):
        run(y, {x: X.T})


# ---- transpose --------------------------------------------------------------------------------


@pytest.mark.parametrize("perm", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
def test_transpose_with_a_fed_order(perm):
    x = np.arange(24.0).reshape(2, 3, 4)
    order, weights = gf.placeholder(gf.int32, [3]), np.random.default_rng(0).normal(size=(24,))
    v = gf.constant(x)
    y = gf.transpose(v, order)
    g = gf.gradients(gf.reduce_sum(gf.reshape(y, [-1]) * weights), v)[0]
    value, grad = run([y, g], {order: perm})
    np.testing.assert_array_equal(value, x.transpose(perm))
    turned = weights.reshape(value.shape).transpose(np.argsort(perm))
    np.testing.assert_array_equal(grad, turned)


def test_transpose_refuses_a_fed_order_that_is_none():
    order = gf.placeholder(gf.int32, [2])
    with pytest.raises(gf.errors.InvalidArgumentError, match=r"perm \[0, 0\]"):
        run(gf.transpose(gf.constant(X), order), {order: [0, 0]})


def test_transpose_of_complex_numbers_and_matrices():
    z = np.array([[1 + 2j, 3j, 4]])
    np.testing.assert_array_equal(run(gf.transpose(z, conjugate=True)), z.conj().T)
    np.testing.assert_array_equal(run(gf.transpose(z)), z.T)
    stack = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(run(gf.matrix_transpose(stack)), stack.swapaxes(1, 2))
    x = gf.placeholder(gf.float64)
    np.testing.assert_array_equal(
        run(gf.matrix_transpose(x), {x: stack}), stack.swapaxes(1, 2))
    with pytest.raises(ValueError, match="rank at least 2"):
        gf.matrix_transpose([1.0])


# ---- shapes as values ---------------------------------------------------------------------------


def test_shape_size_and_rank():
    x, y = gf.placeholder(gf.float64), gf.placeholder(gf.float64, [None, 3])
    got = run([gf.shape(x), gf.size(x), gf.rank(x), gf.shape(y, out_type=gf.int64)],
              {x: X, y: X})
    np.testing.assert_array_equal(got[0], [2, 3])
    assert (got[1], got[2]) == (6, 2)
    assert got[0].dtype == np.int32 and got[3].dtype == np.int64
    assert gf.shape(X).op.type == gf.size(X).op.type == gf.rank(X).op.type == "Const"
    assert [sizes(s) for s in gf.shape_n([y, X])] == [[2], [2]]


def test_shape_arithmetic_is_symbolic():
    x = gf.placeholder(gf.float32, [None, 3])
    doubled = gf.zeros([gf.shape(x)[0] * 2, gf.reduce_prod(gf.shape(x))])
    assert doubled.shape[0] == x.shape[0] * 2
    assert doubled.shape[1] == x.shape[0] * 3


def test_broadcast_of_shapes():
    assert gf.broadcast_static_shape([2, 1], [3]).as_list() == [2, 3]
    with pytest.raises(ValueError, match="cannot be broadcast"):
        gf.broadcast_static_shape([2], [3])
    a, b = gf.placeholder(gf.int32, [None]), gf.placeholder(gf.int32, [None])
    y = gf.broadcast_dynamic_shape(a, b)
    np.testing.assert_array_equal(run(y, {a: [4, 1, 3], b: [5, 1]}), [4, 5, 3])
    with pytest.raises(gf.errors.InvalidArgumentError, match="cannot be broadcast"):
        run(y, {a: [4], b: [5]})


# ---- broadcast_to and sum_to --------------------------------------------------------------------


def test_broadcast_to_a_fed_shape():
    x, shape = gf.placeholder(gf.float64), gf.placeholder(gf.int32)
    y = gf.broadcast_to(x, shape)
    np.testing.assert_array_equal(
        run(y, {x: [[1.0], [2.0]], shape: [2, 2, 3]}), np.broadcast_to([[1.0], [2.0]], (2, 2, 3)))
    with pytest.raises(gf.errors.InvalidArgumentError, match="cannot be broadcast"):
        run(y, {x: [1.0, 2.0], shape: [3]})


def test_sum_to_emits_what_is_known():
    from graphflow.builder import F

    g = gf.placeholder(gf.float64, [5, None, 3])
    same = gf.placeholder(gf.float64, [5, None, 3])
    assert F.sum_to(g, g) is g
    assert F.sum_to(g, gf.ones([3], gf.float64)).op.type == "Sum"
    assert F.sum_to(g, same).op.type == "SumTo"
    assert F.sum_to(g, gf.ones([1, 1, 3], gf.float64)).op.type == "Sum"
    assert sizes(F.sum_to(g, gf.ones([1, 1], gf.float64))) == [1, 1]


@pytest.mark.parametrize("shape", [(), (3,), (1, 3), (4, 1), (1, 1, 1), (2, 4, 3), (2, 1, 3)])
def test_gradients_of_a_broadcast_of_unknown_shape_are_sums(shape):
    weights = np.random.default_rng(1).normal(size=(2, 4, 3))
    for static in (shape, [None] * len(shape), None):
        x = gf.placeholder(gf.float64, static)
        g = gf.gradients(gf.reduce_sum(gf.broadcast_to(x, [2, 4, 3]) * weights), x)[0]
        axes = tuple(range(3 - len(shape)))
        expected = weights.sum(axes)
        for axis, size in enumerate(shape):
            if size == 1:
                expected = expected.sum(axis, keepdims=True)
        np.testing.assert_allclose(run(g, {x: np.ones(shape)}), expected, rtol=1e-12)


# ---- fill, zeros, ones --------------------------------------------------------------------------


def test_zeros_and_ones_of_every_kind_of_shape():
    x = gf.placeholder(gf.float64, [None, 3])
    rows = gf.shape(x)[0]
    for shape in ([2, 3], (2, 3), gf.TensorShape([2, 3]), np.array([2, 3]), [rows, 3],
                  gf.shape(x), gf.constant([2, 3], gf.int64)):
        y = gf.ones(shape, gf.int32)
        np.testing.assert_array_equal(run(y, {x: X}), np.ones((2, 3)))
    assert run(gf.zeros([])).shape == ()
    assert run(gf.zeros(3)).shape == (3,)
    assert gf.zeros([100, 100]).op.type == "Fill"
    assert run(gf.zeros([2], gf.string)).tolist() == [b"", b""]
    assert run(gf.ones([1], gf.bool)).tolist() == [True]


def test_likes_follow_the_input():
    x = gf.placeholder(gf.float64)
    zeros, ones = run([gf.zeros_like(x), gf.ones_like(x, gf.uint8)], {x: X})
    assert zeros.dtype == np.float64 and ones.dtype == np.uint8
    assert zeros.shape == ones.shape == (2, 3) and not zeros.any() and ones.all()
    assert run(gf.zeros_like(["a", "b"])).tolist() == [b"", b""]
    assert gf.zeros_like(X).op.type == "Const"
    assert gf.zeros_like(X, optimize=False).op.type == "ZerosLike"


def test_fill_with_run_time_shape_and_value():
    dims, value = gf.placeholder(gf.int64, [2]), gf.placeholder(gf.float32, [])
    y = gf.fill(dims, value)
    assert sizes(y) == [None, None]
    np.testing.assert_array_equal(
        run(y, {dims: [2, 1], value: 1.5}), np.full((2, 1), 1.5, np.float32))
    with pytest.raises(gf.errors.InvalidArgumentError, match="negative"):
        run(y, {dims: [2, -1], value: 1.5})
    assert run(gf.fill([2], "a")).tolist() == [b"a", b"a"]
    g = gf.gradients(y, value)[0]
    assert run(g, {dims: [2, 3], value: 0.0}) == 6
