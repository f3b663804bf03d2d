"""`tf.metrics` where TensorFlow's recorded programs do not look."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

import graphflow as tf
from graphflow.errors import InvalidArgumentError, ShapeError


@pytest.fixture(autouse=True)
def fresh_graph() -> Iterator[None]:
    with tf.Graph().as_default():
        yield


def test_the_value_lags_one_batch_behind_the_update() -> None:
    x = tf.placeholder(tf.float32, [None])
    value, update = tf.metrics.mean(x)
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        assert sess.run([value, update], {x: [1.0, 3.0]}) == [0.0, 2.0]
        assert sess.run([value, update], {x: [5.0]}) == [2.0, 3.0]


def test_metrics_start_again_after_local_initialization() -> None:
    value, update = tf.metrics.accuracy([1, 0, 1], [1, 1, 1])
    with tf.Session() as sess:
        for _ in range(2):
            sess.run(tf.local_variables_initializer())
            sess.run(update)
            np.testing.assert_allclose(sess.run(value), 2 / 3, rtol=1e-6)


def test_areas_approach_those_of_scikit_learn() -> None:
    scores = (np.sin(np.arange(60) * 1.7) + 1) / 2
    labels = np.cos(np.arange(60) * 0.9) + scores > 0.8
    roc = tf.metrics.auc(labels, scores, num_thresholds=2000)
    pr = tf.metrics.auc(labels, scores, num_thresholds=2000, curve="PR",
                        summation_method="careful_interpolation")
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        sess.run([roc[1], pr[1]])
        found = sess.run([roc[0], pr[0]])
    assert abs(found[0] - roc_auc_score(labels, scores)) < 2e-3
    assert abs(found[1] - average_precision_score(labels, scores)) < 2e-2


def test_a_class_beyond_the_number_is_refused() -> None:
    classes = tf.placeholder(tf.int32, [None])
    _, update = tf.metrics.mean_iou(classes, classes, 3)
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        sess.run(update, {classes: [0, 2]})
        with pytest.raises(InvalidArgumentError):
            sess.run(update, {classes: [0, 3]})


def test_predictions_must_be_probabilities() -> None:
    _, update = tf.metrics.auc([True, False], tf.placeholder_with_default([0.5, 1.5], [2]))
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        with pytest.raises(InvalidArgumentError, match=r"predictions must be in \[0, 1\]"):
            sess.run(update)


def test_wording() -> None:
    with pytest.raises(ShapeError, match=r"accuracy: labels and predictions must have the same "
                                         r"shape, got \[3\] and \[2\]"):
        tf.metrics.accuracy([1, 2, 3], [1, 2])
