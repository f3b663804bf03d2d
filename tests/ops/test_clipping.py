"""Clipping by norms, against NumPy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import graphflow as tf
from graphflow.ops.clipping import (
    clip_by_average_norm,
    clip_by_global_norm,
    clip_by_norm,
    global_norm,
)

X = np.array([[3.0, 4.0], [0.3, 0.4]], np.float32)


@pytest.fixture(autouse=True)
def fresh_session() -> Iterator[tf.Session]:
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


def test_clip_by_norm(fresh_session: tf.Session) -> None:
    norm = np.sqrt((X * X).sum())
    found = fresh_session.run([
        clip_by_norm(X, 2.0), clip_by_norm(X, 9.0), clip_by_norm(X, 1.0, axes=[1]),
        clip_by_norm(X, [[1.0], [2.0]], axes=[1])])
    np.testing.assert_allclose(found[0], X * 2 / norm, rtol=1e-6)
    np.testing.assert_allclose(found[1], X, rtol=1e-6)
    for clipped in found[2:]:
        np.testing.assert_allclose(clipped, [[0.6, 0.8], [0.3, 0.4]], rtol=1e-6)


def test_clip_by_norm_at_zero(fresh_session: tf.Session) -> None:
    zero = tf.constant([0.0, 0.0])
    y = clip_by_norm(zero, 1.0)
    value, gradient = fresh_session.run([y, tf.gradients(y, zero)[0]])
    np.testing.assert_array_equal(value, [0.0, 0.0])
    np.testing.assert_array_equal(gradient, [1.0, 1.0])


def test_clip_by_average_norm(fresh_session: tf.Session) -> None:
    average = np.sqrt((X * X).sum()) / 4
    found = fresh_session.run([clip_by_average_norm(X, 0.5), clip_by_average_norm(X, 5.0)])
    np.testing.assert_allclose(found[0], X * 0.5 / average, rtol=1e-6)
    np.testing.assert_allclose(found[1], X, rtol=1e-6)


def test_global_norm_and_clipping(fresh_session: tf.Session) -> None:
    y = np.array([12.0], np.float32)
    norm = np.sqrt((X * X).sum() + 144)
    clipped, before = clip_by_global_norm([X, None, y], 1.0)
    assert clipped[1] is None
    found = fresh_session.run([clipped[0], clipped[2], before, global_norm([X, None, y])])
    np.testing.assert_allclose(found[0], X / norm, rtol=1e-6)
    np.testing.assert_allclose(found[1], y / norm, rtol=1e-6)
    np.testing.assert_allclose(found[2:], [norm, norm], rtol=1e-6)
    unclipped, _ = clip_by_global_norm([X, y], 100.0)
    np.testing.assert_allclose(fresh_session.run(unclipped[0]), X, rtol=1e-6)
    by_half, _ = clip_by_global_norm([y], 5.0, use_norm=10.0)
    np.testing.assert_allclose(fresh_session.run(by_half[0]), [6.0], rtol=1e-6)


def test_infinite_gradients_become_nan(fresh_session: tf.Session) -> None:
    clipped, norm = clip_by_global_norm([np.array([np.inf, 1.0], np.float32)], 1.0)
    value, before = fresh_session.run([clipped[0], norm])
    assert np.isnan(value).all() and np.isinf(before)


def test_sparse_gradients(fresh_session: tf.Session) -> None:
    slices = tf.IndexedSlices(tf.constant(X), tf.constant([2, 0]), tf.constant([3, 2]))
    norm = np.sqrt((X * X).sum())
    one = clip_by_norm(slices, 2.0)
    (many,), before = clip_by_global_norm([slices], 2.0)
    assert isinstance(one, tf.IndexedSlices) and isinstance(many, tf.IndexedSlices)
    found = fresh_session.run([one.values, many.values, before, many.indices])
    np.testing.assert_allclose(found[0], X * 2 / norm, rtol=1e-6)
    np.testing.assert_allclose(found[1], X * 2 / norm, rtol=1e-6)
    np.testing.assert_allclose(found[2], norm, rtol=1e-6)
    np.testing.assert_array_equal(found[3], [2, 0])


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="clip_norm must broadcast to the shape of t"):
        clip_by_norm(tf.ones([2]), tf.ones([3, 2]))
    with pytest.raises(TypeError, match="should be a list of tensors"):
        clip_by_global_norm(tf.ones([2]), 1.0)
    assert global_norm([None]) is None
    assert clip_by_global_norm([None], 1.0) == ([None], None)
