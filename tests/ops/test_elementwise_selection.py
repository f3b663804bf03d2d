"""minimum, maximum, clip_by_value and the three rules of `where`."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def value(fetch, feed=None):
    with gf.Session() as session:
        return session.run(fetch, feed)


@pytest.mark.parametrize("function, for_x", [("maximum", [0, 1, 1]), ("minimum", [1, 1, 0])])
def test_extrema_give_ties_to_x(function, for_x):
    x, y = gf.constant([1.0, 2.0, 3.0]), gf.constant([2.0, 2.0, 2.0])
    z = getattr(gf, function)(x, y)
    np.testing.assert_array_equal(value(z), getattr(np, function)([1, 2, 3], [2, 2, 2]))
    got_x, got_y = value(gf.gradients(z, [x, y]))
    np.testing.assert_array_equal(got_x, for_x)
    np.testing.assert_array_equal(got_y, 1 - np.array(for_x))


def test_nan_wins():
    x = gf.constant([np.nan, 1.0])
    for z in (gf.maximum(x, [0.0, np.nan]), gf.minimum(x, [0.0, np.nan])):
        assert np.isnan(value(z)).all()


def test_clip_by_value_and_its_gradient_on_the_bounds():
    x = gf.constant([-2.0, -1.0, 0.5, 1.0, 2.0])
    y = gf.clip_by_value(x, -1.0, 1.0)
    assert y.op.name == "clip_by_value"
    np.testing.assert_array_equal(value(y), [-1, -1, 0.5, 1, 1])
    np.testing.assert_array_equal(value(gf.gradients(y, x)[0]), [0, 1, 1, 1, 0])


def test_clip_by_value_with_tensor_bounds_has_gradients_for_them():
    x, low = gf.constant([[-2.0, 0.0], [3.0, -4.0]]), gf.constant([-1.0, -2.0])
    y = gf.clip_by_value(x, low, 2)
    np.testing.assert_array_equal(value(y), [[-1, 0], [2, -2]])
    np.testing.assert_array_equal(value(gf.gradients(y, low)[0]), [1, 1])
    with pytest.raises(ValueError, match=r"clip_by_value: the bounds must broadcast.*\[2, 2\]"):
        gf.clip_by_value(low, x, 2.0)


def test_clip_by_value_of_indexed_slices_clips_the_rows():
    slices = gf.IndexedSlices(gf.constant([[5.0], [-5.0]]), gf.constant([1, 2]),
                              gf.constant([4, 1]))
    np.testing.assert_array_equal(value(gf.clip_by_value(slices, -1.0, 2.0).values), [[2], [-1]])


X = np.arange(6.0, dtype=np.float32).reshape(2, 3)


def test_where_by_element_row_and_scalar():
    for condition in (X > 2, np.array([True, False]), np.array(True)):
        expected = np.where(condition.reshape(-1, 1) if condition.ndim == 1 else condition, X, -X)
        z = gf.where(condition, X, -X)
        assert z.op.type == "Select"
        np.testing.assert_array_equal(value(z), expected)


def test_where_does_not_broadcast_but_where_v2_does():
    with pytest.raises(ValueError, match=r"one shape: x \[2, 3\], y \[\].*gf.where_v2"):
        gf.where(X > 2, X, 0.0)
    with pytest.raises(ValueError, match=r"selects rows of x: condition \[3\].*gf.where_v2"):
        gf.where([True, False, True], X, X)
    np.testing.assert_array_equal(value(gf.where_v2(X > 2, X, 0.0)), np.where(X > 2, X, 0))
    np.testing.assert_array_equal(
        value(gf.where_v2([True, False, True], X, -X)), np.where([True, False, True], X, -X))


def test_where_rules_hold_for_fed_shapes_too():
    condition, x = gf.placeholder(gf.bool), gf.placeholder(gf.float32)
    z = gf.where(condition, x, -x)
    np.testing.assert_array_equal(
        value(z, {condition: [False, True], x: X}), np.where([[False], [True]], X, -X))
    with pytest.raises((gf.errors.InvalidArgumentError, ValueError), match="gf.where_v2"):
        value(z, {condition: [True, False, True], x: X})


@pytest.mark.parametrize("function", ["where", "where_v2"])
def test_no_gradient_flows_into_the_untaken_branch(function):
    x = gf.constant([0.0, 4.0])
    safe = gf.where(x > 0, x, gf.ones_like(x))
    z = getattr(gf, function)(x > 0, gf.log(safe), gf.zeros_like(x))
    np.testing.assert_array_equal(value(gf.gradients(z, x)[0]), [0, 0.25])
    y = gf.constant([1.0, 1.0])
    for_x, for_y = gf.gradients(getattr(gf, function)(x > 0, x, y), [x, y])
    np.testing.assert_array_equal(value([for_x, for_y]), [[0, 1], [1, 0]])


def test_where_v2_gradients_are_summed_over_broadcast_axes():
    x, y = gf.constant(2.0), gf.constant([[1.0], [5.0]])
    z = gf.where_v2([True, False, True], x, y)
    assert z.shape.as_list() == [2, 3]
    np.testing.assert_array_equal(value(gf.gradients(z, [x])[0]), 4)
    np.testing.assert_array_equal(value(gf.gradients(z, [y])[0]), [[1], [1]])


def test_where_selects_strings_and_bools():
    condition = [True, False]
    np.testing.assert_array_equal(
        value(gf.where(condition, ["a", "b"], ["c", "d"])), [b"a", b"d"])
    np.testing.assert_array_equal(
        value(gf.where(condition, [True, True], [False, False])), [True, False])


@pytest.mark.parametrize("array", [
    np.array([[0.0, 2.0], [3.0, 0.0]]), np.array([True, False, True]), np.zeros((2, 0, 3)),
    np.zeros((2, 2), np.int32), np.array([1 + 1j, 0])])
def test_where_of_a_condition_alone_gives_places(array):
    places = gf.where(gf.constant(array))
    assert places.dtype == gf.int64
    assert places.shape.as_list() == [None, array.ndim]
    assert places.op.name == "Where"
    np.testing.assert_array_equal(value(places), np.argwhere(array))


def test_where_of_a_condition_of_unknown_rank():
    condition = gf.placeholder(gf.bool)
    places = gf.where(condition)
    assert places.shape.rank == 2
    np.testing.assert_array_equal(value(places, {condition: [[False, True]]}), [[0, 1]])
    assert value(places, {condition: True}).shape == (1, 0)


def test_where_with_one_branch_only():
    with pytest.raises(ValueError, match="both be given"):
        gf.where([True], x=[1.0])
