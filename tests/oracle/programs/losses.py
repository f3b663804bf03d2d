"""Losses of a batch: values, weights, reductions, names, collections, errors, gradients."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from programs.plain import outcome
from programs.registry import case, evaluated, wave


def _losses(tf: ModuleType) -> dict[str, Any]:
    """Losses of two tensors of one shape."""
    return {
        "absolute": tf.losses.absolute_difference, "squared": tf.losses.mean_squared_error,
        "huber": tf.losses.huber_loss, "hinge": tf.losses.hinge_loss,
        "log": tf.losses.log_loss, "sigmoid": tf.losses.sigmoid_cross_entropy,
    }


@case(rtol=1e-5)
def weights_and_reductions(tf: ModuleType) -> Any:
    """Every loss with every reduction, with weights of each shape."""
    labels = tf.constant((wave(3, 4) > 0).astype(np.float32))
    scores = tf.constant(wave(3, 4, phase=1.0) * 0.4 + 0.5)
    weights = {
        "one": 1.0, "half": 0.5, "zero": 0.0, "int": 2, "tensor": tf.constant(0.7),
        "rows": tf.constant([[1.0], [0.0], [2.0]]), "columns": tf.constant([[0.0, 1.0, 2.0, 0.5]]),
        "all": tf.constant(wave(3, 4, phase=2.0)), "none": tf.zeros([3, 4]),
    }
    reductions = sorted(set(tf.losses.Reduction.all()))
    return evaluated(tf, {
        f"{name}/{kind}": lambda loss=loss, w=w: [
            loss(labels, scores, weights=w, reduction=r) for r in reductions]
        for name, loss in _losses(tf).items() for kind, w in weights.items()})


@case(rtol=1e-5)
def other_losses(tf: ModuleType) -> Any:
    """Arguments of their own: delta, epsilon, axis, label_smoothing, ranks that are squeezed."""
    labels = tf.constant((wave(3, 4) > 0).astype(np.float32))
    scores = tf.constant(wave(3, 4, phase=1.0))
    unit = tf.nn.l2_normalize(scores, 1)
    onehot = tf.one_hot([1, 0, 3], 4)
    L = tf.losses
    return evaluated(tf, {
        "huber": lambda: L.huber_loss(labels, scores, delta=0.3),
        "log_epsilon": lambda: L.log_loss(labels, tf.abs(scores), epsilon=0.01),
        "cosine": lambda: L.cosine_distance(tf.nn.l2_normalize(labels, 1), unit, axis=1),
        "cosine_dim": lambda: L.cosine_distance(unit, unit[::-1], dim=1, weights=[[1], [2], [0]]),
        "cosine_0": lambda: L.cosine_distance(unit, unit[::-1], axis=0),
        "sigmoid_smoothing": lambda: L.sigmoid_cross_entropy(labels, scores, label_smoothing=0.2),
        "softmax": lambda: L.softmax_cross_entropy(onehot, scores),
        "softmax_smoothing": lambda: L.softmax_cross_entropy(
            onehot, scores, label_smoothing=0.1, weights=[1.0, 0.0, 2.0]),
        "softmax_ints": lambda: L.softmax_cross_entropy(tf.cast(onehot, tf.int32), scores),
        "softmax_none": lambda: L.softmax_cross_entropy(
            onehot, scores, reduction=L.Reduction.NONE),
        "sparse": lambda: L.sparse_softmax_cross_entropy([1, 0, 3], scores),
        "sparse_column": lambda: L.sparse_softmax_cross_entropy([[1], [0], [3]], scores),
        "sparse_int64": lambda: L.sparse_softmax_cross_entropy(
            tf.constant([1, 0, 3], tf.int64), scores, weights=[1.0, 0.5, 0.0]),
        "sparse_weights": lambda: L.sparse_softmax_cross_entropy(
            [1, 0, 3], scores, weights=[[1.0], [0.5], [0.0]]),
        "pairwise": lambda: L.mean_pairwise_squared_error(labels, scores),
        "pairwise_offset": lambda: L.mean_pairwise_squared_error(scores, scores + 3.0),
        "pairwise_weights": lambda: L.mean_pairwise_squared_error(
            labels, scores, weights=[[1.0], [0.0], [2.0]]),
        "pairwise_scalar": lambda: L.mean_pairwise_squared_error(labels, scores, weights=0.5),
        "pairwise_zero": lambda: L.mean_pairwise_squared_error(labels, scores, weights=0),
        "pairwise_3d": lambda: L.mean_pairwise_squared_error(
            tf.constant(wave(2, 3, 2)), tf.constant(wave(2, 3, 2, phase=1.0))),
        "weighted": lambda: L.compute_weighted_loss(scores, weights=[[1.0], [0.0], [2.0]]),
        "weighted_double": lambda: L.compute_weighted_loss(tf.cast(scores, tf.float64)),
        "weighted_int": lambda: L.compute_weighted_loss(tf.constant([1, 2, 4])),
        "lists": lambda: L.mean_squared_error([1.0, 2.0], [0.0, 4.0]),
        "mixed_types": lambda: L.mean_squared_error([1, 2], tf.constant([0.0, 4.0], tf.float64)),
    })


@case()
def names_of_losses(tf: ModuleType) -> Any:
    """The loss is called `<scope>/value`; scopes are numbered as usual."""
    x, y = tf.constant([[1.0, 2.0]]), tf.constant([[2.0, 4.0]])
    L = tf.losses
    made = [L.mean_squared_error(x, y), L.mean_squared_error(x, y), L.huber_loss(x, y),
            L.absolute_difference(x, y, scope="mine"), L.softmax_cross_entropy(x, y),
            L.sparse_softmax_cross_entropy([1], y), L.sigmoid_cross_entropy(x, y),
            L.hinge_loss(x, y), L.log_loss(x, y), L.cosine_distance(x, y, 1),
            L.mean_pairwise_squared_error(x, y), L.compute_weighted_loss(x)]
    with tf.name_scope("outer"):
        made.append(L.mean_squared_error(x, y))
    return [[t.name, t.dtype.name, t.shape.as_list()] for t in made]


@case(rtol=1e-5)
def collections_of_losses(tf: ModuleType) -> Any:
    """LOSSES, other collections, none at all; totals with and without regularisation."""
    x, y = tf.constant([1.0, 2.0]), tf.constant([2.0, 4.0])
    L = tf.losses
    first = L.mean_squared_error(x, y, scope="first")
    with tf.name_scope("tower"):
        L.absolute_difference(x, y)
    L.huber_loss(x, y, loss_collection="mine")
    L.huber_loss(x, y, loss_collection=None)
    L.add_loss(tf.constant(7.0, name="seven"))
    L.add_loss(tf.constant(8.0), loss_collection=None)
    empty = L.get_regularization_loss()
    tf.get_variable("w", initializer=[1.0, 2.0], regularizer=lambda w: 0.5 * tf.reduce_sum(w * w))
    totals = [L.get_total_loss(), L.get_total_loss(add_regularization_losses=False, name="bare"),
              L.get_total_loss(scope="tower", add_regularization_losses=False),
              L.get_regularization_loss(), empty, first]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        values = sess.run(totals)
    return {
        "values": values, "names": [t.name for t in totals],
        "losses": [t.name for t in L.get_losses()],
        "mine": len(L.get_losses(loss_collection="mine")),
        "tower": [t.name for t in L.get_losses("tower")],
        "regularization": [t.name for t in L.get_regularization_losses()],
        "none_of_scope": L.get_regularization_losses("elsewhere"),
    }


@case(rtol=1e-5)
def gradients_of_losses(tf: ModuleType) -> Any:
    """With respect to predictions, labels and weights."""
    labels = tf.constant((wave(3, 4) > 0).astype(np.float32))
    scores = tf.constant(wave(3, 4, phase=1.0) * 0.4 + 0.5)
    weights = tf.constant([[1.0], [0.0], [2.0]])
    found = {name: tf.gradients(loss(labels, scores, weights=weights), [labels, scores, weights])
             for name, loss in _losses(tf).items()}
    onehot = tf.one_hot([1, 0, 3], 4)
    found["softmax"] = tf.gradients(
        tf.losses.softmax_cross_entropy(onehot, scores, label_smoothing=0.1), [scores, onehot])
    found["pairwise"] = tf.gradients(
        tf.losses.mean_pairwise_squared_error(labels, scores, weights), scores)
    found = {name: [g for g in grads if g is not None] for name, grads in found.items()}
    with tf.Session() as sess:
        return sess.run(found)


@case(rtol=1e-5)
def sizes_known_at_run_time(tf: ModuleType) -> Any:
    """Placeholders of unknown sizes and of unknown rank."""
    labels = tf.placeholder(tf.float32, [None, 2])
    scores = tf.placeholder(tf.float32, [None, None])
    weights = tf.placeholder(tf.float32, [None, 1])
    any_labels, any_scores = (tf.placeholder(tf.float32, None) for _ in range(2))
    classes = tf.placeholder(tf.int32, None)
    any_weights = tf.placeholder(tf.float32, None)
    L = tf.losses
    made = [L.mean_squared_error(labels, scores, weights), L.softmax_cross_entropy(labels, scores),
            L.mean_pairwise_squared_error(labels, scores, weights),
            L.absolute_difference(any_labels, any_scores),
            L.sparse_softmax_cross_entropy(classes, any_scores),
            L.sparse_softmax_cross_entropy(classes, scores, any_weights)]
    results = []
    with tf.Session() as sess:
        for n in (2, 3):
            y, s = wave(n, 2) ** 2, wave(n, 2, phase=1.0)
            ids = np.arange(n) % 2
            for more in (ids, ids[:, None]):
                results.append(sess.run(made, {
                    labels: y, scores: s, weights: np.arange(n)[:, None], any_labels: y,
                    any_scores: s, classes: more, any_weights: np.ones(np.shape(more))}))
    return results


@case()
def mistakes(tf: ModuleType) -> Any:
    """Shapes that do not fit, weights that do not broadcast, None, unknown reductions."""
    x, y = tf.constant([1.0, 2.0]), tf.constant([[2.0], [4.0]])
    L = tf.losses
    return [outcome(make) and outcome(make)["raises"] for make in (
        lambda: L.mean_squared_error(x, y), lambda: L.mean_squared_error(None, x),
        lambda: L.absolute_difference(x, None), lambda: L.huber_loss(x, y),
        lambda: L.hinge_loss(x, y), lambda: L.log_loss(None, y),
        lambda: L.mean_squared_error(x, x, weights=[[1.0, 2.0]]),
        lambda: L.mean_squared_error(y, y, weights=[1.0, 2.0]),
        lambda: L.mean_squared_error(x, x, weights=[1.0, 2.0, 3.0]),
        lambda: L.mean_squared_error(x, x, reduction="sum"),
        lambda: L.cosine_distance(x, x), lambda: L.softmax_cross_entropy(x, y),
        lambda: L.sigmoid_cross_entropy(None, x), lambda: L.sparse_softmax_cross_entropy(None, x),
        lambda: L.mean_pairwise_squared_error(x, y), lambda: L.get_total_loss())]
