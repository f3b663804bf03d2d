"""Metrics of probabilities, judged at several thresholds: counts, precision, recall, AUC."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F
from graphflow.errors import AttributeValueError
from graphflow.graph import get_default_graph
from graphflow.metrics.accumulators import Metric, collect, fitted, metric_variable
from graphflow.ops import state
from graphflow.ops.squeezable import broadcast_weights
from graphflow.ops.variable_scope import variable_scope
from graphflow.tensor import Tensor

Counts = dict[str, Any]
_NAMES = {"tp": "true_positives", "fn": "false_negatives", "tn": "true_negatives",
          "fp": "false_positives"}
_TINY = 1e-7


def _counts(
    metric: str, labels: Any, predictions: Any, thresholds: Sequence[float], weights: Any,
    kinds: Sequence[str] = ("tp", "fn", "tn", "fp"),
) -> tuple[Counts, Counts]:
    """(counts so far, counts with this batch) of each kind: float32 [thresholds].

    Predictions must be in [0, 1]: InvalidArgumentError when the graph runs.
    """
    predictions = F.convert_to_tensor(predictions)
    message = "predictions must be in [0, 1]"
    checks = [F.assert_greater_equal(predictions, F.cast(0.0, predictions.dtype), message=message),
              F.assert_less_equal(predictions, F.cast(1.0, predictions.dtype), message=message)]
    with get_default_graph().control_dependencies(checks):
        labels, predictions, weights = fitted(
            metric, F.cast(labels, dt.bool_), F.cast(predictions, dt.float32), weights)
    amounts = None if weights is None else F.reshape(
        broadcast_weights(weights, predictions), [1, -1])
    limits = F.constant(thresholds, dt.float32, [len(thresholds), 1])
    positive = F.greater(F.reshape(predictions, [1, -1]), limits)
    real = F.logical_and(F.reshape(labels, [1, -1]), F.ones_like(positive, dtype=dt.bool_))
    hits = {
        "tp": lambda: F.logical_and(real, positive),
        "fn": lambda: F.logical_and(real, F.logical_not(positive)),
        "tn": lambda: F.logical_not(F.logical_or(real, positive)),
        "fp": lambda: F.logical_and(F.logical_not(real), positive)}
    before: Counts = {}
    after: Counts = {}
    for kind in kinds:
        variable = metric_variable([len(thresholds)], dt.float32, _NAMES[kind])
        hit = F.cast(hits[kind](), dt.float32)
        before[kind] = F.identity(variable)
        after[kind] = state.assign_add(
            variable, F.reduce_sum(hit if amounts is None else hit * amounts, 1))
    return before, after


def _counter(
    kind: str, labels: Any, predictions: Any, thresholds: Any, weights: Any,
    metrics_collections: Any, updates_collections: Any, name: str | None,
) -> Metric:
    with variable_scope(name, _NAMES[kind], [predictions, labels, weights]):
        before, after = _counts(
            _NAMES[kind], labels, predictions, thresholds, weights, (kind,))
        return collect((before[kind], after[kind]), metrics_collections, updates_collections)


def true_positives_at_thresholds(
    labels: Any, predictions: Any, thresholds: Any, weights: Any = None,
    metrics_collections: Any = None, updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """(the weight of true labels with predictions above each threshold, the same with this batch).

    labels: cast to bool; predictions: of their shape, in [0, 1]; thresholds: numbers; weights: a
    scalar, or of the labels' rank with sizes that are the same or 1. Gives float32 [thresholds].
    Raises ShapeError for shapes that do not fit, InvalidArgumentError at run time for predictions
    outside [0, 1].
    """
    return _counter("tp", labels, predictions, thresholds, weights, metrics_collections,
                    updates_collections, name)


def false_negatives_at_thresholds(
    labels: Any, predictions: Any, thresholds: Any, weights: Any = None,
    metrics_collections: Any = None, updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """True labels with predictions not above a threshold; see `true_positives_at_thresholds`."""
    return _counter("fn", labels, predictions, thresholds, weights, metrics_collections,
                    updates_collections, name)


def true_negatives_at_thresholds(
    labels: Any, predictions: Any, thresholds: Any, weights: Any = None,
    metrics_collections: Any = None, updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """False labels with predictions not above a threshold; see `true_positives_at_thresholds`."""
    return _counter("tn", labels, predictions, thresholds, weights, metrics_collections,
                    updates_collections, name)


def false_positives_at_thresholds(
    labels: Any, predictions: Any, thresholds: Any, weights: Any = None,
    metrics_collections: Any = None, updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """False labels with predictions above a threshold; see `true_positives_at_thresholds`."""
    return _counter("fp", labels, predictions, thresholds, weights, metrics_collections,
                    updates_collections, name)


def _share(
    metric: str, missed: str, labels: Any, predictions: Any, thresholds: Any, weights: Any,
    metrics_collections: Any, updates_collections: Any, name: str | None,
) -> Metric:
    with variable_scope(name, f"{metric}_at_thresholds", [predictions, labels, weights]):
        found = _counts(metric, labels, predictions, thresholds, weights, ("tp", missed))
        value, update = (
            F.divide(c["tp"], _TINY + c["tp"] + c[missed], name=f"{metric}_{label}")
            for c, label in zip(found, ("value", "update_op")))
        return collect((value, update), metrics_collections, updates_collections)


def precision_at_thresholds(
    labels: Any, predictions: Any, thresholds: Any, weights: Any = None,
    metrics_collections: Any = None, updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """The precision at each threshold; see `true_positives_at_thresholds`."""
    return _share("precision", "fp", labels, predictions, thresholds, weights,
                  metrics_collections, updates_collections, name)


def recall_at_thresholds(
    labels: Any, predictions: Any, thresholds: Any, weights: Any = None,
    metrics_collections: Any = None, updates_collections: Any = None, name: str | None = None,
) -> Metric:
    """The recall at each threshold; see `true_positives_at_thresholds`."""
    return _share("recall", "fn", labels, predictions, thresholds, weights,
                  metrics_collections, updates_collections, name)


def _spread(count: int, last: float) -> list[float]:
    """`count` thresholds from just below 0 to `last`, evenly spread between."""
    inner = [(i + 1) * 1.0 / (count - 1) for i in range(count - 2)]
    return [0.0 - _TINY, *inner, last]


def _curve_metric(
    metric: str, rule: Callable[[Counts, str], Tensor], labels: Any, predictions: Any,
    thresholds: Sequence[float], weights: Any, metrics_collections: Any,
    updates_collections: Any, name: str | None,
) -> Metric:
    with variable_scope(name, metric, [labels, predictions, weights]):
        before, after = _counts(metric, labels, predictions, thresholds, weights)
        found = rule(before, "value"), rule(after, "update_op")
        return collect(found, metrics_collections, updates_collections)


def sensitivity_at_specificity(
    labels: Any, predictions: Any, specificity: float, weights: Any = None,
    num_thresholds: int = 200, metrics_collections: Any = None, updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """The recall at the threshold whose specificity tn / (tn + fp) is nearest to a given one.

    num_thresholds: how many thresholds are tried. Other arguments and errors as for
    `true_positives_at_thresholds`; AttributeValueError for a specificity outside [0, 1].
    """
    _require_share("specificity", specificity)

    def rule(c: Counts, label: str) -> Tensor:
        reached = F.divide(c["tn"], c["tn"] + c["fp"] + _TINY)
        place = F.argmin(F.abs(reached - specificity), 0)
        hits, misses = F.gather(c["tp"], place), F.gather(c["fn"], place)
        return F.divide(hits, hits + misses + _TINY, name=label)

    return _curve_metric(
        "sensitivity_at_specificity", rule, labels, predictions,
        _spread(num_thresholds, 1.0 + _TINY), weights, metrics_collections,
        updates_collections, name)


def specificity_at_sensitivity(
    labels: Any, predictions: Any, sensitivity: float, weights: Any = None,
    num_thresholds: int = 200, metrics_collections: Any = None, updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """The specificity tn / (tn + fp) at the threshold whose recall is nearest to a given one.

    Of several such thresholds the largest counts. Arguments as for `sensitivity_at_specificity`.
    """
    _require_share("sensitivity", sensitivity)

    def rule(c: Counts, label: str) -> Tensor:
        apart = F.abs(F.divide(c["tp"], c["tp"] + c["fn"] + _TINY) - sensitivity)
        backwards = F.argmin(F.reverse(apart, [0]), 0)
        place = num_thresholds - 1 - backwards
        clean, false = F.gather(c["tn"], place), F.gather(c["fp"], place)
        return F.divide(clean, clean + false + _TINY, name=label)

    return _curve_metric(
        "specificity_at_sensitivity", rule, labels, predictions,
        _spread(num_thresholds, 1.0 - _TINY), weights, metrics_collections,
        updates_collections, name)


def _require_share(argument: str, value: float) -> None:
    if value < 0 or value > 1:
        raise AttributeValueError(f"`{argument}` must be in the range [0, 1], got {value!r}.")


def at_thresholds(
    rule: Callable[[Counts, str], Tensor], labels: Any, predictions: Any, weights: Any,
    num_thresholds: int, thresholds: Sequence[float] | None, metrics_collections: Any,
    updates_collections: Any, name: str | None,
) -> Metric:
    """A metric `auc` from the counts at thresholds: given ones, or evenly spread in [0, 1]."""
    if thresholds is None:
        limits = _spread(num_thresholds, 1.0 + _TINY)
    else:
        limits = [0.0 - _TINY, *sorted(thresholds), 1.0 + _TINY]
    return _curve_metric("auc", rule, labels, predictions, limits, weights,
                         metrics_collections, updates_collections, name)
