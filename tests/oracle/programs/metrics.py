"""`tf.metrics`: values over batches, names, variables, collections, errors."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from programs.plain import outcome
from programs.registry import case, shape_of, wave


def batches(tf: ModuleType, make: Callable[..., Any], feeds: list[list[Any]]) -> Any:
    """Value before, update, value after each batch; names. make(*placeholders) → (value, update).
    """
    with tf.Graph().as_default(), tf.Session() as sess:
        held = [tf.placeholder(np.asarray(a).dtype, np.shape(a)) for a in feeds[0]]
        value, update = make(*held)
        sess.run(tf.local_variables_initializer())
        steps = [sess.run(value)]
        for feed in feeds:
            steps.append(sess.run(update, dict(zip(held, feed))))
            steps.append(sess.run(value))
        return {"steps": steps, "names": [value.name, update.name],
                "shapes": [shape_of(value), shape_of(update)],
                "variables": [[v.name, v.dtype.base_dtype.name, shape_of(v)]
                              for v in tf.local_variables()],
                "metric": len(tf.get_collection(tf.GraphKeys.METRIC_VARIABLES)),
                "global": len(tf.global_variables())}


def numbers(n: int, phase: float) -> list[np.ndarray]:
    return [wave(n, 3, phase=phase), wave(n, 3, phase=phase + 1.0)]


WEIGHTS = np.array([[1.0], [0.0], [2.0], [0.5]], np.float32)


@case(rtol=1e-5)
def means(tf: ModuleType) -> Any:
    """Means of values and errors, with and without weights."""
    M = tf.metrics
    feeds = [numbers(4, 0.0), numbers(4, 2.0)]
    ones = [[f[0]] for f in feeds]
    return {
        "mean": batches(tf, lambda x: M.mean(x), ones),
        "mean_weights": batches(tf, lambda x: M.mean(x, WEIGHTS), ones),
        "mean_scalar": batches(tf, lambda x: M.mean(x, 0.5, name="m"), ones),
        "mean_vector": batches(tf, lambda x: M.mean(x[:, 0], WEIGHTS), ones),
        "mean_int": batches(tf, lambda x: M.mean(tf.cast(x * 5, tf.int32)), ones),
        "mean_tensor": batches(tf, lambda x: M.mean_tensor(x), ones),
        "mean_tensor_weights": batches(tf, lambda x: M.mean_tensor(x, WEIGHTS), ones),
        "below": batches(tf, lambda x: M.percentage_below(x, 0.25), ones),
        "absolute": batches(tf, lambda x, y: M.mean_absolute_error(x, y), feeds),
        "squared": batches(tf, lambda x, y: M.mean_squared_error(x, y, WEIGHTS), feeds),
        "root": batches(tf, lambda x, y: M.root_mean_squared_error(x, y), feeds),
        "root_weights": batches(
            tf, lambda x, y: M.root_mean_squared_error(x, y, WEIGHTS, name="r"), feeds),
        "relative": batches(tf, lambda x, y: M.mean_relative_error(
            x, y, tf.nn.relu(x)), feeds),
        "cosine": batches(tf, lambda x, y: M.mean_cosine_distance(
            tf.nn.l2_normalize(x, 1), tf.nn.l2_normalize(y, 1), 1), feeds),
        "cosine_weights": batches(tf, lambda x, y: M.mean_cosine_distance(
            x, y, 1, weights=WEIGHTS), feeds),
    }


def classes(n: int, step: int) -> list[np.ndarray]:
    return [np.arange(n) * 7 % 5 % 3, (np.arange(n) * 3 + step) % 4 % 3]


@case(rtol=1e-5)
def right_answers(tf: ModuleType) -> Any:
    """accuracy of ints, floats, bools and texts of ranks that differ by one; classes apart."""
    M = tf.metrics
    feeds = [classes(8, 0), classes(8, 1)]
    weights = np.arange(8).astype(np.float32) % 3
    results = {
        "accuracy": batches(tf, lambda x, y: M.accuracy(x, y), feeds),
        "accuracy_weights": batches(tf, lambda x, y: M.accuracy(x, y, weights), feeds),
        "accuracy_column": batches(tf, lambda x, y: M.accuracy(x[:, None], y), feeds),
        "accuracy_column_weights": batches(tf, lambda x, y: M.accuracy(
            x, y[:, None], weights[:, None], name="acc"), feeds),
        "accuracy_types": batches(tf, lambda x, y: M.accuracy(
            tf.cast(x, tf.float32), tf.cast(y, tf.int32)), feeds),
        "accuracy_argmax": batches(tf, lambda x, y: M.accuracy(
            labels=tf.argmax(tf.one_hot(x, 3), 1), predictions=tf.argmax(tf.one_hot(y, 3), 1)),
            feeds),
        "mean_iou": batches(tf, lambda x, y: M.mean_iou(x, y, 3), feeds),
        "mean_iou_missing": batches(tf, lambda x, y: M.mean_iou(x % 2, y % 2, 4), feeds),
        "mean_iou_weights": batches(tf, lambda x, y: M.mean_iou(
            tf.reshape(x, [2, 4]), tf.reshape(y, [2, 4]), 3,
            tf.constant(weights.reshape(2, 4))), feeds),
        "per_class": batches(tf, lambda x, y: M.mean_per_class_accuracy(x, y, 3), feeds),
        "per_class_weights": batches(tf, lambda x, y: M.mean_per_class_accuracy(
            x, y, 4, tf.constant(weights)), feeds),
    }
    for name, found in results.items():
        if name.startswith("mean_iou"):
            del found["names"]
    return results


@case(rtol=1e-5)
def counts(tf: ModuleType) -> Any:
    """Positives and negatives, precision, recall."""
    M = tf.metrics
    feeds = [[c > 0 for c in classes(8, 0)], [c > 0 for c in classes(8, 1)]]
    weights = (np.arange(8) % 3).astype(np.float32)
    results = {}
    for name in ("true_positives", "false_positives", "true_negatives", "false_negatives",
                 "precision", "recall"):
        metric = getattr(M, name)
        results[name] = batches(tf, lambda x, y, m=metric: m(x, y), feeds)
        results[name + "_weights"] = batches(
            tf, lambda x, y, m=metric: m(tf.cast(x, tf.int32), y[:, None], weights), feeds)
        results[name + "_scalar"] = batches(
            tf, lambda x, y, m=metric: m(x, y, 0.5, name="mine"), feeds)
        results[name + "_none"] = batches(
            tf, lambda x, y, m=metric: m(x, y & False), feeds)
        del results[name]["names"], results[name + "_weights"]["names"]
        del results[name + "_scalar"]["names"], results[name + "_none"]["names"]
    return results


def probabilities(step: int) -> list[np.ndarray]:
    return [(np.arange(10) * 7 + step) % 5 < 2, (wave(10, phase=float(step)) + 1) / 2]


@case(rtol=2e-5, atol=2e-6)
def at_thresholds(tf: ModuleType) -> Any:
    """Counts, precision and recall at thresholds; areas under curves."""
    M = tf.metrics
    feeds = [probabilities(0), probabilities(1)]
    weights = (np.arange(10) % 3).astype(np.float32)
    limits = [0.2, 0.5, 0.9]
    results = {}
    for name in ("true_positives", "false_positives", "true_negatives", "false_negatives",
                 "precision", "recall"):
        metric = getattr(M, name + "_at_thresholds")
        results[name] = batches(tf, lambda y, p, m=metric: m(y, p, limits), feeds)
        results[name + "_weights"] = batches(
            tf, lambda y, p, m=metric: m(y[:, None], p, limits, weights), feeds)
        for each in (results[name], results[name + "_weights"]):
            del each["names"]
    for name, given in (("sensitivity_at_specificity", 0.6), ("specificity_at_sensitivity", 0.7)):
        metric = getattr(M, name)
        results[name] = batches(tf, lambda y, p, m=metric, g=given: m(y, p, g), feeds)
        results[name + "_few"] = batches(
            tf, lambda y, p, m=metric, g=given: m(y, p, g, weights, num_thresholds=7), feeds)
    for curve in ("ROC", "PR"):
        for method in ("trapezoidal", "careful_interpolation", "minoring", "majoring"):
            results[f"auc/{curve}/{method}"] = batches(tf, lambda y, p, c=curve, m=method: M.auc(
                y, p, curve=c, summation_method=m), feeds)
            if (curve, method) == ("PR", "careful_interpolation"):
                del results[f"auc/{curve}/{method}"]["names"]
    results["auc_weights"] = batches(tf, lambda y, p: M.auc(y, p, weights, 20), feeds)
    results["auc_thresholds"] = batches(
        tf, lambda y, p: M.auc(y, p, thresholds=[0.6, 0.3], name="area"), feeds)
    return results


@case(rtol=1e-5)
def at_k(tf: ModuleType) -> Any:
    """Precision and recall of the best k classes, for one or several labels in a row."""
    M = tf.metrics
    feeds = [[wave(4, 5), np.array([[1, 2], [0, 4], [3, 3], [2, 9]])],
             [wave(4, 5, phase=2.0), np.array([[4, 2], [1, 0], [3, 1], [2, 2]])]]
    single = [[f[0], f[1][:, 0]] for f in feeds]
    weights = np.array([1.0, 0.0, 2.0, 0.5])
    results = {}
    for name in ("precision_at_k", "recall_at_k"):
        metric = getattr(M, name)
        for k in (1, 3):
            results[f"{name}/{k}"] = batches(
                tf, lambda s, y, m=metric, k=k: m(y, s, k), feeds)
        results[f"{name}/single"] = batches(tf, lambda s, y, m=metric: m(y, s, 2), single)
        results[f"{name}/class"] = batches(
            tf, lambda s, y, m=metric: m(y, s, 3, class_id=2), feeds)
        results[f"{name}/weights"] = batches(
            tf, lambda s, y, m=metric: m(y, s, 2, weights=weights, name="w"), feeds)
    for name in ("precision_at_top_k", "recall_at_top_k"):
        metric = getattr(M, name)
        results[name] = batches(
            tf, lambda s, y, m=metric: m(y, tf.constant([[1, 2, 2], [0, 1, 4], [3, 0, 1],
                                                         [4, 4, 2]])), feeds)
    results["average"] = batches(tf, lambda s, y: M.average_precision_at_k(y, s, 3), feeds)
    results["average_single"] = batches(
        tf, lambda s, y: M.average_precision_at_k(y, s, 2), single)
    results["average_weights"] = batches(
        tf, lambda s, y: M.average_precision_at_k(y, s, 3, weights), feeds)
    for name, found in results.items():
        del found["names"]
        if name.startswith("average"):
            del found["variables"]
    return results


@case(rtol=1e-5)
def collections_and_names(tf: ModuleType) -> Any:
    """Collections of values and updates; scopes are numbered; global variables stay out of it."""
    x = tf.constant([1.0, 2.0])
    M = tf.metrics
    first = M.mean(x, metrics_collections="values", updates_collections=["updates", "more"])
    second = M.mean(x)
    with tf.variable_scope("eval"):
        third = M.accuracy(x, x, metrics_collections=["values"])
    M.precision(x > 1, x > 1, updates_collections="updates")
    return {
        "names": [[t.name for t in pair] for pair in (first, second, third)],
        "values": [t.name for t in tf.get_collection("values")],
        "updates": len(tf.get_collection("updates")), "more": len(tf.get_collection("more")),
        "variables": [v.name for v in tf.local_variables()],
        "metric": [v.name for v in tf.get_collection(tf.GraphKeys.METRIC_VARIABLES)],
        "global": tf.global_variables(), "trainable": tf.trainable_variables(),
    }


@case(rtol=1e-5)
def sizes_known_at_run_time(tf: ModuleType) -> Any:
    """Batches of different sizes, and placeholders of unknown rank."""
    x, y, w = (tf.placeholder(tf.float32, [None]) for _ in range(3))
    a, b = (tf.placeholder(tf.float32, None) for _ in range(2))
    M = tf.metrics
    made = [M.mean(x, w), M.accuracy(x, y), M.auc(x > 0.5, y, num_thresholds=5),
            M.mean_squared_error(a, b), M.recall(x, y), M.accuracy(a, b)]
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        results = []
        for n in (3, 5):
            p, q = (wave(n) > 0).astype(np.float32), (wave(n, phase=2.0) > 0).astype(np.float32)
            for other in (q, q[:, None]):
                results.append(sess.run([update for _, update in made],
                                        {x: p, y: q, w: np.arange(n), a: p, b: other}))
        return results, sess.run([value for value, _ in made])


@case()
def mistakes(tf: ModuleType) -> Any:
    """Shapes, shares and names that metrics refuse; predictions outside [0, 1]."""
    M = tf.metrics
    x, y = tf.constant([1.0, 2.0]), tf.constant([1.0, 2.0, 3.0])

    def run(pair: Any) -> Any:
        with tf.Session() as sess:
            sess.run(tf.local_variables_initializer())
            return sess.run(pair[1])

    return [outcome(make) for make in (
        lambda: M.accuracy(x, y), lambda: M.mean(x, [1.0, 2.0, 3.0]),
        lambda: M.auc(x > 1, x / 2, curve="DET"),
        lambda: M.auc(x > 1, x / 2, summation_method="sum"),
        lambda: M.sensitivity_at_specificity(x, x, 1.5),
        lambda: M.specificity_at_sensitivity(x, x, -0.1), lambda: M.mean_iou(x, y, 2),
        lambda: M.average_precision_at_k([1], [[0.1, 0.2]], 0),
        lambda: run(M.auc(x > 0, x)), lambda: run(M.recall_at_thresholds(x > 0, -x, [0.5])))]
