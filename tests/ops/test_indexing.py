"""Slices as users write them: `x[…]`, `slice`, `strided_slice`, `boolean_mask`, against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphflow as gf
from graphflow.dims import evaluate_dim, symbol
from graphflow.ops.slice_spec import sliced_size

X = np.arange(60, dtype=np.float32).reshape(3, 4, 5)


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def run(fetch, feeds=None):
    with gf.Session() as session:
        return session.run(fetch, feeds)


KEYS = {
    "an index drops the axis": 1,
    "a negative index": (-1, -4, -5),
    "NumPy's integers": (np.int64(2), np.int8(-1), np.array(3)),
    "slices": (slice(1, 3), slice(None, 2), slice(2, None)),
    "negative bounds": (slice(-2, -1), slice(None, -3), slice(-1, None)),
    "steps": (slice(None, None, 2), slice(1, None, 3), slice(0, 5, 4)),
    "backwards": (slice(None, None, -1), slice(3, 0, -2), slice(-2, None, -1)),
    "bounds beyond the axis": (slice(-9, 9), slice(7, None), slice(9, None, -2)),
    "empty slices": (slice(2, 1), slice(0, 0), slice(1, 3, -1)),
    "an ellipsis": (..., 2),
    "an ellipsis in the middle": (1, ..., slice(0, 2)),
    "an ellipsis that stands for nothing": (0, ..., 1, 2),
    "only an ellipsis": ...,
    "nothing": (),
    "new axes": (None, slice(0, 2), None, ..., None),
    "new axis after an index": (1, None, 2),
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_keys_mean_what_they_mean_in_numpy(key):
    for shape in (X.shape, [None, None, 5], [None] * 3, None):
        x = gf.placeholder(gf.float32, shape)
        y = x[key]
        assert y.shape.is_compatible_with(X[key].shape)
        if shape == X.shape:
            assert y.shape.as_list() == list(X[key].shape)
        np.testing.assert_array_equal(run(y, {x: X}), X[key])


bounds = st.none() | st.integers(-6, 6)
steps = st.none() | st.integers(-3, 3).filter(bool)


@settings(max_examples=300, deadline=None)
@given(st.builds(slice, bounds, bounds, steps), st.integers(0, 7))
def test_size_of_a_slice_of_a_symbolic_axis(key, size):
    step = 1 if key.step is None else key.step
    taken = sliced_size(symbol("n"), key.start, key.stop, step)
    assert evaluate_dim(taken, {"n": size}) == len(range(size)[key])
    assert sliced_size(size, key.start, key.stop, step) == len(range(size)[key])


@settings(max_examples=200, deadline=None)
@given(st.integers(-2, 4), st.integers(-2, 4), st.integers(-2, 2).filter(bool), st.integers(0, 6))
def test_size_between_bounds_that_are_sizes(before, after, step, size):
    """Where a bound such as n − 3 may be negative for small n, nothing is claimed."""
    n = symbol("n")
    begin, end = (n - v if v else n for v in (before, after))
    taken = sliced_size(n, begin, end, step)
    expected = len(range(size)[slice(size - before, size - after, step)])
    try:
        assert evaluate_dim(taken, {"n": size}) == expected
    except KeyError:
        assert before > 1 or after > 1 or before < 0 or after < 0


def test_all_but_one_has_one_size_from_both_ends():
    x = gf.placeholder(gf.float32, [None, 2])
    assert x[1:].shape == x[:-1].shape
    difference = x[1:] - x[:-1]
    values = np.array([[1, 2], [4, 4], [9, 8]], np.float32)
    np.testing.assert_array_equal(run(difference, {x: values}), np.diff(values, axis=0))
    assert run(difference, {x: values[:0]}).shape == (0, 2)


def test_tensors_as_indices_and_bounds():
    i, j = gf.placeholder(gf.int32, []), gf.placeholder(gf.int64, [])
    x = gf.constant(X)
    for a, b in ((0, 3), (2, -1), (-1, 4)):
        feeds = {i: a, j: b}
        np.testing.assert_array_equal(run(x[i], feeds), X[a])
        np.testing.assert_array_equal(run(x[1, i:j], feeds), X[1, a:b])
        np.testing.assert_array_equal(run(x[:, ::i + 1], {i: 1}), X[:, ::2])
        np.testing.assert_array_equal(run(x[..., j, None], feeds), X[..., b, None])


def test_sizes_beside_a_computed_index_stay_known():
    x, i = gf.constant(X), gf.placeholder(gf.int32, [])
    assert x[1:3, i].shape.as_list() == [2, 5]
    assert x[i, ::-2].shape.as_list() == [2, 5]


def test_a_variable_as_index_and_as_tensor():
    i = gf.Variable(2, name="i")
    v = gf.Variable(X, name="v")
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        np.testing.assert_array_equal(session.run(v[i, 1:]), X[2, 1:])


def test_parts_of_a_shape_are_known_sizes():
    x = gf.placeholder(gf.float32, [None, 4, 5])
    rows = gf.reshape(x, gf.stack([gf.shape(x)[0], 20]))
    assert rows.shape.as_list() == [None, 20]
    assert rows.shape[0] == x.shape[0]
    assert gf.zeros(gf.shape(x)[1:]).shape.as_list() == [4, 5]
    assert gf.zeros(gf.shape(x)[::-1]).shape.as_list() == [5, 4, None]
    assert gf.zeros(gf.shape(x)[-2:-1]).shape.as_list() == [4]


def test_names_are_those_of_tensorflow():
    x = gf.constant(X, name="x")
    assert x[0].name == "strided_slice:0"
    assert x[1:].op.type == "StridedSlice"
    assert x[1:].name == "strided_slice_2:0"
    assert gf.slice(x, [0, 0, 0], [1, 1, 1]).name == "Slice:0"


def test_strided_slice_by_hand():
    x = gf.constant(X)
    np.testing.assert_array_equal(
        run(gf.strided_slice(x, [1, 0, 0], [3, 4, 5], [1, 2, 3])), X[1:3, ::2, ::3])
    np.testing.assert_array_equal(run(gf.strided_slice(x, [1, 1], [2, 3])), X[1:2, 1:3])
    np.testing.assert_array_equal(
        run(gf.strided_slice(x, [0, 2], [0, 0], [1, -1], begin_mask=1, end_mask=3,
                             shrink_axis_mask=0)), X[:, 2::-1])
    with pytest.raises(ValueError, match="var=…"):
        gf.strided_slice(x, [0], [1], var=x)


def test_slice_with_computed_begin_and_size():
    x = gf.constant(X)
    begin, size = gf.placeholder(gf.int32, [3]), gf.placeholder(gf.int32, [3])
    y = gf.slice(x, begin, size)
    assert y.shape.as_list() == [None] * 3
    np.testing.assert_array_equal(
        run(y, {begin: [1, 0, 2], size: [2, -1, 2]}), X[1:3, :, 2:4])
    with pytest.raises(gf.errors.InvalidArgumentError, match="axis 1 of size 4"):
        run(y, {begin: [1, 3, 2], size: [2, 2, 2]})
    n = gf.placeholder(gf.int32, [])
    np.testing.assert_array_equal(run(gf.slice(x, [0, n, 0], [1, -1, n]), {n: 3}), X[:1, 3:, :3])


@pytest.mark.parametrize("key, error, message", [
    (5, ValueError, r"index 5 is out of range for axis 0 of size 3.*\[3, 4, 5\].*-3 to 2"),
    ((0, -5), ValueError, "index -5 is out of range for axis 1 of size 4"),
    ((0, 0, 0, 0), ValueError, "too many indices: 4 for a tensor of rank 3"),
    ((..., 0, ...), ValueError, "only one ellipsis"),
    (slice(0, 2, 0), ValueError, "stride of axis 0 is 0"),
    ([0, 1], TypeError, r"gf\.gather"),
    ((0, np.array([0, 1])), TypeError, r"gf\.gather"),
    ((0, [True, False]), TypeError, r"gf\.boolean_mask"),
    (1.5, TypeError, "integer, a slice"),
    ("a", TypeError, "integer, a slice"),
    (True, TypeError, "boolean"),
])
def test_wrong_keys(key, error, message):
    with pytest.raises(error, match=message):
        gf.constant(X)[key]


def test_wrong_tensor_keys():
    x = gf.constant(X)
    with pytest.raises(TypeError, match=r"gf\.cast\(index"):
        x[gf.constant(1.0)]
    with pytest.raises(TypeError, match=r"gf\.gather"):
        x[gf.constant([1, 2])]
    with pytest.raises(TypeError, match=r"gf\.shape\(x\)\[axis\]"):
        x[gf.placeholder(gf.float32, [None]).shape[0]]


def test_index_out_of_range_at_run_time_names_the_line():
    x, i = gf.placeholder(gf.float32, [None, 2]), gf.placeholder(gf.int32, [])
    y = x[i]
    with pytest.raises(gf.errors.InvalidArgumentError,
                       match=r"index 3 is out of range for axis 0 of size 3.*test_indexing.py"):
        run(y, {x: np.zeros((3, 2)), i: 3})


def test_gradient_of_a_slice_is_zero_elsewhere():
    x = gf.constant(X)
    (g,) = gf.gradients(gf.reduce_sum(gf.square(x[1, ::2, ...])), [x])
    expected = np.zeros_like(X)
    expected[1, ::2] = 2 * X[1, ::2]
    assert g.shape.as_list() == [3, 4, 5]
    np.testing.assert_array_equal(run(g), expected)


def test_boolean_masks():
    mask = X[..., 0] % 3 == 0
    x = gf.placeholder(gf.float32, [None, 4, 5])
    np.testing.assert_array_equal(run(x[gf.constant(mask)], {x: X}), X[mask])
    np.testing.assert_array_equal(run(x[mask], {x: X}), X[mask])
    flags = gf.placeholder(gf.bool, [None])
    y = gf.boolean_mask(x, flags, axis=1)
    assert y.shape.as_list() == [None, None, 5]
    np.testing.assert_array_equal(
        run(y, {x: X, flags: [True, False, False, True]}), X[:, [0, 3]])
    assert run(y, {x: X, flags: [False] * 4}).shape == (3, 0, 5)
    pairs = X[0] > 7
    np.testing.assert_array_equal(
        run(gf.boolean_mask(gf.constant(X), pairs, axis=1)), X[:, pairs])


@pytest.mark.parametrize("mask, error, message", [
    ([1, 0, 1], TypeError, "mask must be bool"),
    (True, ValueError, "rank of at least 1"),
    ([True, False], ValueError, r"shape of mask \[2\].*\[3, 4, 5\]"),
])
def test_wrong_masks(mask, error, message):
    with pytest.raises(error, match=message):
        gf.boolean_mask(gf.constant(X), mask)
