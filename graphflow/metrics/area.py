"""The area under a curve: receiver operating characteristic, or precision by recall.

Source: Davis, Goadrich, "The relationship between precision-recall and ROC curves", ICML 2006,
for the interpolation of precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.builder import F
from graphflow.errors import AttributeValueError
from graphflow.metrics.accumulators import Metric
from graphflow.metrics.thresholds import Counts, at_thresholds
from graphflow.tensor import Tensor

_SMALL = 1e-6
_METHODS = ("trapezoidal", "careful_interpolation", "minoring", "majoring")


def auc(
    labels: Any, predictions: Any, weights: Any = None, num_thresholds: int = 200,
    metrics_collections: Any = None, updates_collections: Any = None, curve: str = "ROC",
    name: str | None = None, summation_method: str = "trapezoidal",
    thresholds: Sequence[float] | None = None,
) -> Metric:
    """(the area under the curve of all pairs so far, the same with this batch).

    labels: cast to bool; predictions: of their shape, in [0, 1]; weights: a scalar, or of their
    rank with sizes that are the same or 1. The curve is drawn through `num_thresholds` points, or
    the given thresholds. curve: "ROC" (true by false positive rate) or "PR" (precision by recall).
    summation_method: "trapezoidal", "minoring", "majoring", or "careful_interpolation", which is
    right for "PR". Raises AttributeValueError for other names; see
    `true_positives_at_thresholds` for further errors.
    """
    if curve not in ("ROC", "PR"):
        raise AttributeValueError(f"auc: Curve must be either ROC or PR, {curve!r} is unknown.")
    if summation_method not in _METHODS:
        raise AttributeValueError(
            f"auc: Invalid summation_method: {summation_method!r}. It must be one of "
            f"{', '.join(_METHODS)}.")

    def rule(c: Counts, label: str) -> Tensor:
        if curve == "PR" and summation_method == "careful_interpolation":
            return _interpolated(c, label)
        return _summed(*_curve(c, curve), summation_method, label)

    return at_thresholds(rule, labels, predictions, weights, num_thresholds, thresholds,
                         metrics_collections, updates_collections, name)


def _curve(c: Counts, curve: str) -> tuple[Tensor, Tensor]:
    """(x, y) of the curve at each threshold; x falls."""
    recall = F.divide(c["tp"] + _SMALL, c["tp"] + c["fn"] + _SMALL)
    if curve == "ROC":
        return F.divide(c["fp"], c["fp"] + c["tn"] + _SMALL), recall
    return recall, F.divide(c["tp"] + _SMALL, c["tp"] + c["fp"] + _SMALL)


def _summed(x: Tensor, y: Tensor, method: str, label: str) -> Tensor:
    heights = {
        "minoring": F.minimum, "majoring": F.maximum,
    }.get(method, lambda first, second: (first + second) / 2.0)(y[:-1], y[1:])
    return F.reduce_sum((x[:-1] - x[1:]) * heights, name=label)


def _interpolated(c: Counts, label: str) -> Tensor:
    """The area under precision by recall, along which true positives grow with all positives."""
    hits, positives = c["tp"], c["tp"] + c["fp"]
    gained = hits[:-1] - hits[1:]
    slope = F.div_no_nan(gained, F.maximum(positives[:-1] - positives[1:], 0))
    start = hits[1:] - slope * positives[1:]
    both = F.logical_and(positives[:-1] > 0, positives[1:] > 0)
    ratio = F.where(both, F.div_no_nan(positives[:-1], F.maximum(positives[1:], 0)),
                    F.ones_like(gained))
    area = slope * (gained + start * F.log(ratio))
    return F.reduce_sum(
        F.div_no_nan(area, F.maximum(hits[1:] + c["fn"][1:], 0)), name=label)
