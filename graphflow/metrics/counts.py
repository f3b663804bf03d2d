"""True and false positives and negatives, precision, recall, and what a confusion matrix gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.metrics.accumulators import (
    Metric,
    collect,
    fitted,
    metric_variable,
    require_one_shape,
)
from graphflow.ops import state
from graphflow.ops.squeezable import broadcast_weights
from graphflow.ops.variable_scope import variable_scope
from graphflow.tensor import Tensor

Counted = Callable[[Tensor, Tensor], Tensor]


def _count(
    name: str | None, default: str, counted: Counted, labels: Any, predictions: Any,
    weights: Any, metrics_collections: Any, updates_collections: Any,
) -> Metric:
    """(how many pairs `counted` holds for so far, the same with this batch)."""
    with variable_scope(name, default, [predictions, labels, weights]):
        labels, predictions, weights = fitted(
            default, F.cast(labels, dt.bool_), F.cast(predictions, dt.bool_), weights)
        number = metric_variable([], dt.float32, "count")
        hits = F.cast(counted(labels, predictions), dt.float32)
        if weights is not None:
            hits = hits * broadcast_weights(weights, hits)
        value = F.identity(number)
        update = state.assign_add(number, F.reduce_sum(hits))
        return collect((value, update), metrics_collections, updates_collections)


def true_positives(
    labels: Any, predictions: Any, weights: Any = None, metrics_collections: Any = None,
    updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """(the weight of all pairs so far that are both true, the same with this batch).

    labels, predictions: of one shape, cast to bool; weights: a scalar, or of their rank with sizes
    that are the same or 1. Raises ShapeError for shapes that do not fit.
    """
    return _count(name, "true_positives", F.logical_and, labels, predictions, weights,
                  metrics_collections, updates_collections)


def false_positives(
    labels: Any, predictions: Any, weights: Any = None, metrics_collections: Any = None,
    updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """The weight of false labels that were predicted true; see `true_positives`."""
    return _count(name, "false_positives", lambda y, p: F.logical_and(F.logical_not(y), p),
                  labels, predictions, weights, metrics_collections, updates_collections)


def true_negatives(
    labels: Any, predictions: Any, weights: Any = None, metrics_collections: Any = None,
    updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """The weight of false labels that were predicted false; see `true_positives`."""
    return _count(name, "true_negatives", lambda y, p: F.logical_not(F.logical_or(y, p)),
                  labels, predictions, weights, metrics_collections, updates_collections)


def false_negatives(
    labels: Any, predictions: Any, weights: Any = None, metrics_collections: Any = None,
    updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """The weight of true labels that were predicted false; see `true_positives`."""
    return _count(name, "false_negatives", lambda y, p: F.logical_and(y, F.logical_not(p)),
                  labels, predictions, weights, metrics_collections, updates_collections)


def _share(
    default: str, missed: Callable[..., Metric], labels: Any, predictions: Any, weights: Any,
    metrics_collections: Any, updates_collections: Any, name: str | None,
) -> Metric:
    """True positives / (true positives + what `missed` counts), 0 for 0 / 0."""
    with variable_scope(name, default, [predictions, labels, weights]):
        labels, predictions, weights = fitted(
            default, F.cast(labels, dt.bool_), F.cast(predictions, dt.bool_), weights)
        hits = true_positives(labels, predictions, weights)
        misses = missed(labels, predictions, weights)
        value, update = (
            F.div_no_nan(hit, hit + miss, name=label)
            for hit, miss, label in zip(hits, misses, ("value", "update_op")))
        return collect((value, update), metrics_collections, updates_collections)


def precision(
    labels: Any, predictions: Any, weights: Any = None, metrics_collections: Any = None,
    updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """The share of true labels among those predicted true, 0 if there are none.

    Arguments as for `true_positives`.
    """
    return _share("precision", false_positives, labels, predictions, weights,
                  metrics_collections, updates_collections, name)


def recall(
    labels: Any, predictions: Any, weights: Any = None, metrics_collections: Any = None,
    updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """The share of true labels that were predicted true, 0 if there are none.

    Arguments as for `true_positives`.
    """
    return _share("recall", false_negatives, labels, predictions, weights,
                  metrics_collections, updates_collections, name)


# ---- several classes ---------------------------------------------------------------------------


def _flat(x: Any) -> Tensor:
    x = convert(x)
    return x if x.shape.rank is not None and x.shape.rank <= 1 else F.reshape(x, [-1])


def mean_iou(
    labels: Any, predictions: Any, num_classes: int, weights: Any = None,
    metrics_collections: Any = None, updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """(the mean over classes of intersection / union so far, the matrix with this batch).

    labels, predictions: class numbers of one shape; weights: of that shape, or None. Classes that
    are neither in labels nor in predictions do not count. The update is the float64 matrix
    [num_classes, num_classes], labels by predictions. Raises InvalidArgumentError when it runs
    with a class that is not below `num_classes`.
    """
    with variable_scope(name, "mean_iou", [predictions, labels, weights]):
        require_one_shape("mean_iou", labels, predictions)
        matrix = metric_variable([num_classes] * 2, dt.float64, "total_confusion_matrix")
        diagonal = F.cast(F.reduce_sum(matrix * F.eye(num_classes, dtype=dt.float64), 0),
                          dt.float32)
        union = F.cast(F.reduce_sum(matrix, 0) + F.reduce_sum(matrix, 1), dt.float32) - diagonal
        present = F.reduce_sum(F.cast(F.not_equal(union, 0), dt.float32))
        value = F.div_no_nan(
            F.reduce_sum(F.div_no_nan(diagonal, union), name="mean_iou"), present)
        update = state.assign_add(
            matrix, _confusion(labels, predictions, num_classes, weights))
        return collect((value, update), metrics_collections, updates_collections)


def _confusion(labels: Any, predictions: Any, classes: int, weights: Any) -> Tensor:
    """The sum of weights for each pair of a label (row) and a prediction (column)."""
    ids = [F.cast(_flat(x), dt.int64) for x in (labels, predictions)]
    amounts = None if weights is None else F.cast(_flat(weights), dt.float64)
    return F.confusion_matrix(*ids, classes, dtype=dt.float64, weights=amounts)


def mean_per_class_accuracy(
    labels: Any, predictions: Any, num_classes: int, weights: Any = None,
    metrics_collections: Any = None, updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """(the mean over classes of their accuracies so far, the accuracy of each with this batch).

    labels, predictions: class numbers of one shape; weights: of that shape, or None.
    """
    with variable_scope(name, "mean_accuracy", [predictions, labels, weights]):
        labels, predictions = F.cast(_flat(labels), dt.int64), _flat(predictions)
        require_one_shape("mean_per_class_accuracy", labels, predictions)
        total = metric_variable([num_classes], dt.float32, "total")
        count = metric_variable([num_classes], dt.float32, "count")
        correct = F.cast(F.equal(F.cast(predictions, dt.int64), labels), dt.float32)
        amounts = F.ones_like(correct)
        if weights is not None:
            amounts = amounts * F.cast(_flat(weights), dt.float32)
        shares = F.div_no_nan(count, F.maximum(total, 0))
        value = F.reduce_mean(shares, name="mean_accuracy")
        totals = state.scatter_add(total, labels, amounts)
        counts = state.scatter_add(count, labels, correct * amounts)
        update = F.div_no_nan(counts, F.maximum(totals, 0), name="update_op")
        return collect((value, update), metrics_collections, updates_collections)
