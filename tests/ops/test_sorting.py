"""sort, argsort, searchsorted: axes, directions, gradients, wording.

Expected figures come from NumPy, or from TensorFlow 2.21 where that is said.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from both_devices import on_both

import graphflow as tf

X = np.array([[[3, 1], [2, 5], [7, 0]], [[1, 1], [1, 4], [0, 2]]], np.float32)


def value(tensor: tf.Tensor, feeds: dict | None = None) -> np.ndarray:
    """The tensor's value, the same compiled and by the reference."""
    native, reference = on_both(tensor.graph, lambda s: s.run(tensor, feeds or {}))
    np.testing.assert_array_equal(native, reference)
    assert native.dtype == reference.dtype
    return native


def test_signatures_are_those_of_tensorflow() -> None:
    for function, wanted in [
        (tf.sort, "values, axis=-1, direction='ASCENDING', name=None"),
        (tf.argsort, "values, axis=-1, direction='ASCENDING', stable=False, name=None"),
        (tf.searchsorted,
         "sorted_sequence, values, side='left', out_type=tf.int32, name=None"),
    ]:
        found = inspect.signature(function)
        text = ", ".join(str(p.replace(annotation=inspect.Parameter.empty)).replace("gf.", "tf.")
                         .replace(" = ", "=") for p in found.parameters.values())
        assert text == wanted


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_sort_along_every_axis(axis: int) -> None:
    assert value(tf.sort(X, axis)).tolist() == np.sort(X, axis).tolist()
    down = value(tf.sort(X, axis, "DESCENDING"))
    np.testing.assert_array_equal(down, np.flip(np.sort(X, axis), axis))
    np.testing.assert_array_equal(value(tf.argsort(X, axis)), np.argsort(X, axis, kind="stable"))


def test_argsort_as_tensorflow_has_it() -> None:
    up, down = value(tf.argsort(X, axis=1)), value(tf.argsort(X, 1, "DESCENDING", stable=True))
    assert up.dtype == down.dtype == np.int32
    assert up.tolist() == [[[1, 2], [0, 0], [2, 1]], [[2, 0], [0, 2], [1, 1]]]
    assert down.tolist() == [[[2, 1], [0, 0], [1, 2]], [[0, 1], [1, 2], [2, 0]]]


def test_gradient_goes_to_the_places_that_elements_came_from() -> None:
    x = tf.placeholder(tf.float32, [None, 3, 2])
    weights = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    grad = tf.gradients(tf.sort(x, 1, "DESCENDING") * weights, x)[0]
    # From TensorFlow.
    assert value(grad, {x: X}).tolist() == [
        [[2, 3], [4, 1], [0, 5]], [[6, 11], [8, 7], [10, 9]]]


def test_sort_of_an_unknown_rank_and_of_nothing() -> None:
    x = tf.placeholder(tf.float32)
    for fed in (X, X[0, 0], X[:, :0]):
        np.testing.assert_array_equal(value(tf.sort(x), {x: fed}), np.sort(fed))


def test_nan_is_the_largest() -> None:
    x = [1.0, np.nan, -np.inf, np.inf, np.nan]
    assert value(tf.argsort(x)).tolist() == [2, 0, 3, 1, 4]
    assert value(tf.argsort(x, direction="DESCENDING")).tolist() == [1, 4, 3, 0, 2]


def test_unsigned_and_extreme_integers_sort() -> None:
    ends = np.array([0, 2**64 - 1, 5], np.uint64)
    assert value(tf.sort(ends, direction="DESCENDING")).tolist() == [2**64 - 1, 5, 0]
    assert value(tf.sort([3, -5, 2**31 - 1, -2**31])).tolist() == [-2**31, -5, 3, 2**31 - 1]


@pytest.mark.parametrize(("build", "match"), [
    (lambda: tf.sort(5), "sort: a scalar cannot be sorted"),
    (lambda: tf.sort([3, 1], axis=1), r"sort: axis 1 is outside \[-1, 1\) for values \[2\]"),
    (lambda: tf.argsort([1], direction="UP"),
     "argsort: direction must be one of ASCENDING, DESCENDING, got 'UP'"),
    (lambda: tf.sort(tf.placeholder(tf.float32), axis=0), "axis 0 needs values of known rank"),
    (lambda: tf.sort([1], axis=tf.placeholder(tf.int32, [])), "axis must be known"),
    (lambda: tf.searchsorted([1], [1], "middle"), "side must be 'left' or 'right', got 'middle'"),
    (lambda: tf.searchsorted([1], [1], out_type=tf.int8), "out_type must be int32 or int64"),
    (lambda: tf.searchsorted([1, 3], 2), "values must have rank 1 or more"),
    (lambda: tf.searchsorted([[1], [2]], [[1]]), "each row of values needs its own sorted row"),
])
def test_mistakes_are_named(build: object, match: str) -> None:
    with pytest.raises((ValueError, TypeError), match=match):
        build()


# ---- searchsorted -------------------------------------------------------------------------------


def test_searchsorted_as_tensorflow_has_it() -> None:
    assert value(tf.searchsorted([1, 3, 5], [0, 1, 2, 5, 9])).tolist() == [0, 0, 1, 2, 3]
    assert value(tf.searchsorted([1, 3, 5], [0, 1, 2, 5, 9], "right")).tolist() == [0, 1, 1, 3, 3]
    found = value(tf.searchsorted([[1, 3, 5], [2, 4, 6]], [[3], [4]], side="right",
                                  out_type=tf.int64))
    assert found.tolist() == [[2], [2]] and found.dtype == np.int64
    assert value(tf.searchsorted([[1.0, 3.0, 5.0]], [1.0])).tolist() == [0]  # one row each


def test_searchsorted_with_several_leading_axes_and_sizes_known_only_in_the_run() -> None:
    rng = np.random.default_rng(0)
    rows, values = np.sort(rng.random((2, 3, 9))), rng.random((2, 3, 4))
    fed = [tf.placeholder(tf.float64, [None, None, None]), tf.placeholder(tf.float64)]
    found = value(tf.searchsorted(*fed), dict(zip(fed, (rows, values))))
    assert found.shape == (2, 3, 4)
    for place in np.ndindex(2, 3):
        np.testing.assert_array_equal(found[place], np.searchsorted(rows[place], values[place]))
