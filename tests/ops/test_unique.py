"""unique, unique_with_counts, setdiff1d, where, boolean_mask: sizes that depend on values.

Expected figures come from NumPy, or from TensorFlow 2.21 where that is said.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from both_devices import on_both

import graphflow as tf


def values(tensors: object, feeds: dict | None = None) -> list[np.ndarray]:
    """The values, the same compiled and by the reference."""
    native, reference = on_both(
        tf.get_default_graph(), lambda s: s.run(list(tensors), feeds or {}))
    for a, c in zip(native, reference, strict=True):
        np.testing.assert_array_equal(a, c)
        assert a.dtype == c.dtype
    return native


@pytest.fixture(autouse=True)
def graph() -> object:
    with tf.Graph().as_default() as made:
        yield made


def test_signatures_are_those_of_tensorflow() -> None:
    for function, wanted in [
        (tf.unique, ["x", "out_idx", "name"]),
        (tf.unique_with_counts, ["x", "out_idx", "name"]),
        (tf.setdiff1d, ["x", "y", "index_dtype", "name"]),
    ]:
        assert list(inspect.signature(function).parameters) == wanted


def test_results_are_named_tuples_with_tensorflows_names() -> None:
    assert tf.unique([1, 2]).y.name == "Unique:0"
    assert tf.unique_with_counts([1, 2]).count.name == "UniqueWithCounts:2"
    assert tf.setdiff1d([1, 2], [1]).out.name == "ListDiff:0"
    assert tf.unique([4, 5]).idx.shape.as_list() == [2]
    assert tf.unique([4, 5]).y.shape.as_list() == [None]


@pytest.mark.parametrize("index", [tf.int32, tf.int64])
def test_unique_in_order_of_first_occurrence(index: tf.DType) -> None:
    x = tf.placeholder(tf.float32, [None])
    y, idx, count = values(tf.unique_with_counts(x, index), {x: [7, 1, 7, 0, 1, 7]})
    assert (y.tolist(), idx.tolist(), count.tolist()) == ([7, 1, 0], [0, 1, 0, 2, 1, 0], [3, 2, 1])
    assert idx.dtype == count.dtype == index.numpy
    y, idx = values(tf.unique(x, index), {x: []})
    assert len(y) == len(idx) == 0


def test_strings_as_tensorflow_has_them() -> None:
    y, idx = values(tf.unique(["b", "a", "b"]))
    assert (y.tolist(), idx.tolist()) == ([b"b", b"a"], [0, 1, 0])
    out, idx = values(tf.setdiff1d(["b", "a", "b", "c"], ["a"]))
    assert (out.tolist(), idx.tolist()) == ([b"b", b"b", b"c"], [0, 2, 3])


def test_what_is_found_can_be_computed_with() -> None:
    """Sums over groups of equal ids: sizes known only in the middle of the run."""
    ids, x = tf.placeholder(tf.int32, [None]), tf.placeholder(tf.float32, [None])
    y, idx, count = tf.unique_with_counts(ids)
    means = tf.unsorted_segment_sum(x, idx, tf.size(y)) / tf.cast(count, tf.float32)
    loss = tf.reduce_sum(means * tf.cast(y, tf.float32))
    for fed in ([5, 3, 5, 5], [1], [2, 2, 9, 0, 1, 9]):
        data = np.arange(1.0, len(fed) + 1).astype(np.float32)
        found, total, grad = values([means, loss, tf.gradients(loss, x)[0]], {ids: fed, x: data})
        order = list(dict.fromkeys(fed))
        wanted = [data[np.array(fed) == i].mean() for i in order]
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
        np.testing.assert_allclose(total, np.dot(wanted, order), rtol=1e-6)
        np.testing.assert_allclose(grad, [i / fed.count(i) for i in fed], rtol=1e-6)


def test_setdiff1d_keeps_order_and_repetitions() -> None:
    x, y = tf.placeholder(tf.int64, [None]), tf.placeholder(tf.int64, [None])
    a, c = np.array([5, 1, 5, 2, 9, 1]), np.array([1, 4, 1])
    out, idx = values(tf.setdiff1d(x, y, tf.int64), {x: a, y: c})
    np.testing.assert_array_equal(out, a[~np.isin(a, c)])
    assert idx.tolist() == [0, 2, 3, 4] and idx.dtype == np.int64
    assert len(values(tf.setdiff1d(x, x), {x: a})[0]) == 0


def test_where_then_gather_of_what_was_found() -> None:
    x = tf.placeholder(tf.float32, [None, None])
    places = tf.where(x > 0)
    picked = tf.gather_nd(x, places)
    fed = np.array([[1, -2, 3], [0, 5, -6]], np.float32)
    found, rows, total, grad = values(
        [places, tf.boolean_mask(x, tf.reduce_sum(x, 1) > 0), tf.reduce_sum(picked),
         tf.gradients(picked * picked, x)[0]], {x: fed})
    np.testing.assert_array_equal(found, np.argwhere(fed > 0))
    np.testing.assert_array_equal(rows, fed[fed.sum(1) > 0])
    assert total == 9
    np.testing.assert_array_equal(grad, np.where(fed > 0, 2 * fed, 0))


@pytest.mark.parametrize(("build", "match"), [
    (lambda: tf.unique([[1]]), r"Unique 'Unique': x must have rank 1, got x \[1, 1\]"),
    (lambda: tf.unique([1], tf.float32), "unique: out_idx must be int32 or int64, got float32"),
    (lambda: tf.setdiff1d([1], [[1]]), r"y must have rank 1, got y \[1, 1\]"),
    (lambda: tf.setdiff1d([1], [2], tf.int8), "index_dtype must be int32 or int64, got int8"),
    (lambda: tf.unique([1j]), "x must be one of"),
])
def test_mistakes_are_named(build: object, match: str) -> None:
    with pytest.raises((ValueError, TypeError), match=match):
        build()
