"""Metrics of the k classes with the highest scores: precision, recall, average precision."""

from __future__ import annotations

from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.metrics.accumulators import Metric, collect, metric_variable
from graphflow.ops import state
from graphflow.ops.scope import scope as name_scope
from graphflow.ops.squeezable import add_last_axis_if, broadcast_weights
from graphflow.tensor import Tensor


def _at_k(name: str, k: int | None, class_id: int | None = None) -> str:
    at = f"{name}_at_k" if k is None else f"{name}_at_{k}"
    return at if class_id is None else f"{at}_class{class_id}"


def _labels_of_rank(labels: Any, predictions: Tensor) -> Tensor:
    """Labels as int64 with a last axis, which a single label per row need not have."""
    labels = F.cast(convert(labels), dt.int64)
    ranks = labels.shape.rank, predictions.shape.rank
    if None in ranks:
        return add_last_axis_if(
            labels, F.equal(F.rank(predictions), F.rank(labels) + 1))
    if ranks[1] - ranks[0] not in (0, 1):
        raise ShapeError(
            f"Unexpected labels shape {labels.shape} for predictions shape {predictions.shape}. "
            "Labels need the same rank, or one axis less.")
    return labels if ranks[0] == ranks[1] else F.expand_dims(labels, -1)


def _first(ids: Tensor) -> Tensor:
    """Which of the ids [..., n] are not in their row before."""
    same = F.equal(F.expand_dims(ids, -1), F.expand_dims(ids, -2))
    places = F.range(F.shape(ids)[-1])
    earlier = F.expand_dims(places, 0) < F.expand_dims(places, 1)
    return F.logical_not(F.reduce_any(F.logical_and(same, earlier), -1))


def _held(ids: Tensor, others: Tensor) -> Tensor:
    """Which of the ids [..., n] are among the others [..., m] of their row."""
    same = F.equal(F.expand_dims(ids, -1), F.expand_dims(others, -2))
    return F.reduce_any(same, -1)


def _number(chosen: Tensor, weights: Any) -> Tensor:
    """How many are chosen in each row, weighted, and summed: a float64 scalar."""
    rows = F.reduce_sum(F.cast(chosen, dt.float64), -1)
    if weights is not None:
        rows = rows * broadcast_weights(weights, rows, dt.float64)
    return F.reduce_sum(rows)


def _ratio_at_top_k(
    metric: str, missed: str, labels: Any, predictions_idx: Any, k: int | None,
    class_id: int | None, weights: Any, metrics_collections: Any, updates_collections: Any,
    name: str | None,
) -> Metric:
    """True positives / (true positives + the missed), counted over sets of ids in each row."""
    with name_scope(name, _at_k(metric, k, class_id)) as own:
        ids = F.cast(predictions_idx, dt.int64)
        labels = _labels_of_rank(labels, ids)
        predicted, real = _first(ids), _first(labels)
        if class_id is not None:
            predicted = F.logical_and(predicted, F.equal(ids, class_id))
            real = F.logical_and(real, F.equal(labels, class_id))
        right = F.logical_and(predicted, _held(ids, labels))
        wrong = {
            "false_positive": lambda: F.logical_and(
                predicted, F.logical_not(_held(ids, labels))),
            "false_negative": lambda: F.logical_and(real, F.logical_not(_held(labels, ids))),
        }[missed]()
        before, after = zip(*(
            _accumulated(_at_k(kind, k, class_id), _number(chosen, weights))
            for kind, chosen in (("true_positive", right), (missed, wrong))))
        value = F.divide(before[0], before[0] + before[1], name=own)
        update = F.divide(after[0], after[0] + after[1], name="update")
        return collect((value, update), metrics_collections, updates_collections)


def _accumulated(name: str, amount: Tensor) -> tuple[Tensor, Tensor]:
    """(a float64 sum so far, the same with this batch), kept in the variable `name`."""
    with name_scope(None, name) as own:
        variable = metric_variable([], dt.float64, own or name)
        return F.identity(variable), state.assign_add(variable, amount, name="update")


def precision_at_top_k(
    labels: Any, predictions_idx: Any, k: int | None = None, class_id: int | None = None,
    weights: Any = None, metrics_collections: Any = None, updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """The share of the predicted classes that are labels.

    labels: class numbers [..., labels] or [...]; predictions_idx: class numbers [..., k].
    class_id: counts this class alone. weights: a scalar, or of the shape [...].
    Gives float64 scalars, NaN for 0 / 0. Raises ShapeError for ranks that do not fit.
    """
    return _ratio_at_top_k(
        "precision", "false_positive", labels, predictions_idx, k, class_id, weights,
        metrics_collections, updates_collections, name)


def recall_at_top_k(
    labels: Any, predictions_idx: Any, k: int | None = None, class_id: int | None = None,
    weights: Any = None, metrics_collections: Any = None, updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """The share of the labels that are predicted; arguments as for `precision_at_top_k`."""
    return _ratio_at_top_k(
        "recall", "false_negative", labels, predictions_idx, k, class_id, weights,
        metrics_collections, updates_collections, name)


def precision_at_k(
    labels: Any, predictions: Any, k: int, class_id: int | None = None, weights: Any = None,
    metrics_collections: Any = None, updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """`precision_at_top_k` of the k classes with the highest scores; predictions: [..., classes].
    """
    with name_scope(name, _at_k("precision", k, class_id)) as own:
        return precision_at_top_k(
            labels, F.top_k(predictions, k)[1], k, class_id, weights, metrics_collections,
            updates_collections, own)


def recall_at_k(
    labels: Any, predictions: Any, k: int, class_id: int | None = None, weights: Any = None,
    metrics_collections: Any = None, updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """`recall_at_top_k` of the k classes with the highest scores; predictions: [..., classes]."""
    with name_scope(name, _at_k("recall", k, class_id)) as own:
        return recall_at_top_k(
            labels, F.top_k(predictions, k)[1], k, class_id, weights, metrics_collections,
            updates_collections, own)


def sparse_precision_at_k(
    labels: Any, predictions: Any, k: int, class_id: int | None = None, weights: Any = None,
    metrics_collections: Any = None, updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """The older name of `precision_at_k`."""
    return precision_at_k(labels, predictions, k, class_id, weights, metrics_collections,
                          updates_collections, name)


def average_precision_at_k(
    labels: Any, predictions: Any, k: int, weights: Any = None, metrics_collections: Any = None,
    updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """The mean over rows of Σᵢ precision at i · (is class i right?) / min(k, number of labels).

    labels: class numbers [..., labels] or [...], those outside [0, classes) are no labels;
    predictions: scores [..., classes]; weights: a scalar, or of the shape [...]. Raises
    AttributeValueError if k is not positive.
    """
    if k < 1:
        raise AttributeValueError(f"average_precision_at_k: Invalid k={k}: it must be >= 1.")
    with name_scope(name, _at_k("average_precision", k)) as own:
        predictions = convert(predictions)
        ids = F.cast(F.top_k(predictions, k)[1], dt.int64)
        labels = _labels_of_rank(labels, ids)
        classes = F.cast(F.shape(predictions)[-1], dt.int64)
        labels = F.where_v2(labels >= classes, -F.ones_like(labels), labels)
        rows = _average_precision(ids, labels, k)
        number = F.cast(F.size(rows), dt.float64)
        if weights is not None:
            factors = broadcast_weights(weights, rows, dt.float64)
            number = F.reduce_sum(factors * F.ones_like(rows))
            rows = rows * factors
        most = _accumulated("max", number)
        total = _accumulated("total", F.reduce_sum(rows))
        value = F.div_no_nan(total[0], most[0], name="mean")
        update = F.div_no_nan(total[1], most[1], name=own)
        return collect((value, update), metrics_collections, updates_collections)


def _average_precision(ids: Tensor, labels: Tensor, k: int) -> Tensor:
    right = F.cast(_held(ids, labels), dt.float64)
    ranks = F.cast(F.range(1, k + 1), dt.float64)
    precision = F.cumsum(right, axis=-1) / ranks
    relevant = F.reduce_sum(F.cast(labels >= 0, dt.float64), -1)
    return F.reduce_sum(precision * right, -1) / F.minimum(relevant, float(k))


def sparse_average_precision_at_k(
    labels: Any, predictions: Any, k: int, weights: Any = None, metrics_collections: Any = None,
    updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """The older name of `average_precision_at_k`."""
    return average_precision_at_k(
        labels, predictions, k, weights, metrics_collections, updates_collections, name)
