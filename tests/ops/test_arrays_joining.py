"""Concat, stack, unstack, split, tile and pad, against NumPy."""

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


# ---- concat and stack -------------------------------------------------------------------------


def test_concat_adds_unknown_sizes():
    x, y = gf.placeholder(gf.float64, [None, 3]), gf.placeholder(gf.float64, [None, 3])
    joined = gf.concat([x, y, x], 0)
    assert joined.shape[0] == x.shape[0] * 2 + y.shape[0]
    np.testing.assert_array_equal(
        run(joined, {x: X, y: X[:1]}), np.concatenate([X, X[:1], X]))


def test_concat_learns_from_all_inputs():
    x, y = gf.placeholder(gf.float64, [None, 3]), gf.placeholder(gf.float64, [2, None])
    assert gf.concat([x, y], 1).shape[0] == 2
    z = gf.placeholder(gf.float64)
    assert gf.concat([z, x], 0).shape.as_list() == [None, 3]
    with pytest.raises(gf.errors.InvalidArgumentError, match="sizes differ"):
        run(gf.concat([x, y], 0), {x: X, y: X[:, :2]})


def test_gradient_of_concat_with_unknown_sizes():
    x, y = gf.placeholder(gf.float64), gf.placeholder(gf.float64, [2, None])
    weights = np.random.default_rng(0).normal(size=(2, 5))
    g = gf.gradients(gf.reduce_sum(gf.concat([x, y], -1) * weights), [x, y])
    gx, gy = run(g, {x: X, y: X[:, :2]})
    np.testing.assert_array_equal(gx, weights[:, :3])
    np.testing.assert_array_equal(gy, weights[:, 3:])


def test_concat_names_swapped_arguments_and_scalars():
    with pytest.raises(ValueError, match=r"concat\(values, axis\)"):
        gf.concat(0, [X, X])
    with pytest.raises(ValueError, match="Use gf.stack instead"):
        gf.concat([gf.constant(1.0), gf.constant(2.0)], 0)
    with pytest.raises(ValueError, match="at least one tensor"):
        gf.concat([], 0)
    with pytest.raises(ValueError, match="known while the graph is built"):
        gf.concat([X, X], gf.placeholder(gf.int32, []))
    with pytest.raises(TypeError, match=r"values\[0\] is int32, values\[1\] is float32.*"
                       r"gf.cast\(values\[1\], gf.int32\)"):
        gf.concat([gf.constant([1, 2]), gf.constant([3.0])], 0)


def test_stack_mixes_numbers_and_tensors():
    t = gf.constant(2, gf.int64)
    assert gf.stack([1, t]).dtype == gf.int64
    nested = gf.stack([[1.0, gf.constant(2.0, gf.float64)], [3, 4]])
    assert nested.name == "stack_1:0" and nested.dtype == gf.float64
    np.testing.assert_array_equal(run(nested), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(run(gf.stack([X, -X], axis=-1)), np.stack([X, -X], -1))
    assert gf.stack([1, 2, 3]).op.type == "Const"


# ---- unstack and split --------------------------------------------------------------------------


def test_unstack():
    np.testing.assert_array_equal(np.stack(run(gf.unstack(X, axis=-1))), X.T)
    x = gf.placeholder(gf.float64)
    rows = gf.unstack(x, 2)
    assert len(rows) == 2
    np.testing.assert_array_equal(run(rows[1], {x: X}), X[1])
    with pytest.raises(gf.errors.InvalidArgumentError, match="num is 2"):
        run(rows[0], {x: X.T})
    with pytest.raises(ValueError, match="Give num="):
        gf.unstack(gf.placeholder(gf.float64, [None, 3]))
    assert gf.unstack(gf.zeros([0, 2])) == []


def test_split_into_equal_parts_and_sizes():
    parts = gf.split(X, 3, 1)
    assert [p.name for p in parts] == ["split:0", "split:1", "split:2"]
    np.testing.assert_array_equal(np.concatenate(run(parts), 1), X)
    a, b = run(gf.split(X, [1, -1], axis=1))
    np.testing.assert_array_equal(a, X[:, :1])
    np.testing.assert_array_equal(b, X[:, 1:])
    (whole,) = gf.split(X, 1)
    np.testing.assert_array_equal(run(whole), X)


def test_split_of_unknown_sizes():
    x = gf.placeholder(gf.float64, [None, 4])
    first, rest = gf.split(x, [gf.shape(x)[0] - 1, 1])
    assert first.shape[0] == x.shape[0] - 1 and rest.shape.as_list() == [1, 4]
    counts = gf.placeholder(gf.int32, [None])
    with pytest.raises(ValueError, match="number of parts"):
        gf.split(x, counts)
    a, b = gf.split(x, counts, num=2, axis=1)
    value = np.arange(8.0).reshape(2, 4)
    np.testing.assert_array_equal(run(b, {x: value, counts: [3, -1]}), value[:, 3:])
    with pytest.raises(gf.errors.InvalidArgumentError, match="add up"):
        run(a, {x: value, counts: [3, 3]})
    with pytest.raises(gf.errors.InvalidArgumentError, match="3 does not divide"):
        run(gf.split(x, 3)[0], {x: value})


# ---- tile and pad -------------------------------------------------------------------------------


def test_tile_with_fed_multiples_and_its_gradient():
    x, times = gf.placeholder(gf.float64), gf.placeholder(gf.int32)
    y = gf.tile(x, times)
    weights = gf.placeholder(gf.float64)
    g = gf.gradients(gf.reduce_sum(y * weights), x)[0]
    w = np.random.default_rng(0).normal(size=(4, 9))
    value, grad = run([y, g], {x: X, times: [2, 3], weights: w})
    np.testing.assert_array_equal(value, np.tile(X, [2, 3]))
    np.testing.assert_allclose(grad, w.reshape(2, 2, 3, 3).sum((0, 2)), rtol=1e-12)
    assert run(g, {x: X, times: [0, 3], weights: 1.0}).tolist() == np.zeros((2, 3)).tolist()


@pytest.mark.parametrize("mode, numpy_mode", [
    ("CONSTANT", "constant"), ("reflect", "reflect"), ("Symmetric", "symmetric")])
def test_pad_is_numpys(mode, numpy_mode):
    paddings = [[1, 1], [2, 0]]
    for shape in ([2, 3], [None, None], None):
        x = gf.placeholder(gf.float64, shape)
        y = gf.pad(x, paddings, mode)
        assert y.shape.is_compatible_with([4, 5])
        np.testing.assert_array_equal(run(y, {x: X}), np.pad(X, paddings, numpy_mode))


def test_pad_values_that_are_not_zero():
    for value in (7, 2.5, -np.inf):
        np.testing.assert_array_equal(
            run(gf.pad(X, [[0, 1], [1, 0]], constant_values=value)),
            np.pad(X, [[0, 1], [1, 0]], constant_values=value))
    v = gf.placeholder(gf.float64, [])
    np.testing.assert_array_equal(
        run(gf.pad(X, [[0, 1], [1, 0]], constant_values=v), {v: np.nan}),
        np.pad(X, [[0, 1], [1, 0]], constant_values=np.nan))
    assert run(gf.pad(["a"], [[1, 0]])).tolist() == [b"", b"a"]
    with pytest.raises(TypeError, match="2.5"):
        gf.pad([1, 2], [[1, 1]], constant_values=2.5)


def test_pad_by_fed_widths():
    widths, x = gf.placeholder(gf.int32, [2, 2]), gf.placeholder(gf.float64, [None, None])
    for value in (0, 3):
        y = gf.pad(x, widths, constant_values=value)
        g = gf.gradients(gf.reduce_sum(gf.square(y)), x)[0]
        got, grad = run([y, g], {x: X, widths: [[1, 0], [0, 2]]})
        np.testing.assert_array_equal(
            got, np.pad(X, [[1, 0], [0, 2]], constant_values=value))
        np.testing.assert_array_equal(grad, 2 * X)
    with pytest.raises(ValueError, match="known while the graph is built"):
        gf.pad(x, widths, "REFLECT")
    with pytest.raises(ValueError, match="CONSTANT, REFLECT or SYMMETRIC"):
        gf.pad(x, [[1, 1], [1, 1]], "WRAP")
