"""Metrics of right and wrong decisions at thresholds: counts, precision, recall, AUC, IoU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.errors import AttributeValueError
from graphflow.keras.metrics.base import Metric
from graphflow.keras.weighting import fitted

_COUNTS = ("true_positives", "false_positives", "true_negatives", "false_negatives")


class _Thresholded(Metric):
    """Weighted counts of the four outcomes at each of some thresholds."""

    needed: tuple[str, ...] = _COUNTS

    def __init__(self, thresholds: Sequence[float], name: str | None, dtype: Any) -> None:
        super().__init__(name=name, dtype=dtype)
        self._thresholds = [float(t) for t in thresholds]
        for what in self.needed:
            setattr(self, what, self.add_weight(what, [len(self._thresholds)]))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Takes in labels 0 and 1 (or True and False) and predictions in [0, 1]."""
        y_pred = F.cast(convert(y_pred), dt.float32)
        labels = F.reshape(F.cast(convert(y_true), dt.bool_), [1, -1])
        said = F.greater(F.reshape(y_pred, [1, -1]),
                         np.array(self._thresholds, np.float32)[:, None])
        weights: Any = 1.0
        if sample_weight is not None:
            fit = F.broadcast_to(fitted(sample_weight, y_pred), F.shape(y_pred))
            weights = F.reshape(fit, [1, -1])

        def count(of: Any) -> Any:
            return F.reduce_sum(F.cast(of, dt.float32) * weights, axis=1)

        not_labels, not_said = F.logical_not(labels), F.logical_not(said)
        found = {"true_positives": (said, labels), "false_positives": (said, not_labels),
                 "true_negatives": (not_said, not_labels), "false_negatives": (not_said, labels)}
        return F.group(*(
            getattr(self, what).assign_add(count(F.logical_and(*found[what])))
            for what in self.needed))


def _listed(thresholds: Any) -> list[float]:
    listed = list(thresholds) if isinstance(thresholds, (list, tuple)) else [
        0.5 if thresholds is None else thresholds]
    if any(not 0 <= t <= 1 for t in listed):
        raise AttributeValueError(
            f"Threshold values must be in [0, 1]. Invalid values: {listed}.")
    return listed


class _Ratio(_Thresholded):
    """One count, or a ratio of counts, at one threshold or several."""

    def __init__(self, thresholds: Any, name: str | None, dtype: Any) -> None:
        super().__init__(_listed(thresholds), name, dtype)
        self.thresholds, self._single = thresholds, not isinstance(thresholds, (list, tuple))

    def _value(self) -> Any:
        return getattr(self, self.needed[0]).value()

    def result(self) -> Any:
        """A scalar for one threshold, else one number for each."""
        value = self._value()
        return value[0] if self._single else value

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {**super().get_config(), "thresholds": self.thresholds}


def _count_class(name: str, count: str) -> type:
    def __init__(
        self: Any, thresholds: Any = None, name: str | None = None, dtype: Any = None
    ) -> None:
        _Ratio.__init__(self, thresholds, name, dtype)

    return type(name, (_Ratio,), {
        "__init__": __init__, "needed": (count,), "__module__": __name__,
        "__doc__": f"The (weighted) number of {count.replace('_', ' ')} at each threshold."})


TruePositives = _count_class("TruePositives", "true_positives")
FalsePositives = _count_class("FalsePositives", "false_positives")
TrueNegatives = _count_class("TrueNegatives", "true_negatives")
FalseNegatives = _count_class("FalseNegatives", "false_negatives")


class _Share(_Ratio):
    def __init__(
        self, thresholds: Any = None, top_k: int | None = None, class_id: int | None = None,
        name: str | None = None, dtype: Any = None,
    ) -> None:
        super().__init__(thresholds, name, dtype)
        self.top_k, self.class_id = top_k, class_id

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Takes in labels and predictions of one shape."""
        y_true, y_pred = convert(y_true), convert(y_pred)
        if self.top_k is not None:
            least = F.reduce_min(F.top_k(y_pred, self.top_k)[0], axis=-1, keepdims=True)
            # Predictions that are not among the best count as certainly negative.
            y_pred = F.where_v2(F.greater_equal(y_pred, least), y_pred, -1.0)
        if self.class_id is not None:
            y_true, y_pred = y_true[..., self.class_id], y_pred[..., self.class_id]
        return super().update_state(y_true, y_pred, sample_weight)

    def _value(self) -> Any:
        right, wrong = (getattr(self, what).value() for what in self.needed)
        return F.div_no_nan(right, right + wrong)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "top_k": self.top_k, "class_id": self.class_id}


class Precision(_Share):
    """True positives among all positives that were predicted, for labels 0 and 1.

    thresholds: 0.5 by default. top_k: only the k best predictions of a sample count. class_id:
    only that place of the last axis.
    """

    needed = ("true_positives", "false_positives")


class Recall(_Share):
    """True positives among all positives that there are; arguments as for `Precision`."""

    needed = ("true_positives", "false_negatives")


class AUC(_Thresholded):
    """The area under the ROC curve (or curve="PR"), by sums over thresholds.

    num_thresholds: how many, evenly from 0 to 1, unless `thresholds` lists them. summation_method:
    "interpolation" (trapezoids), "minoring" or "majoring". For PR, interpolation is that of Davis
    and Goadrich, "The relationship between precision-recall and ROC curves", ICML 2006.
    """

    def __init__(
        self, num_thresholds: int = 200, curve: str = "ROC",
        summation_method: str = "interpolation", name: str | None = None, dtype: Any = None,
        thresholds: Sequence[float] | None = None,
    ) -> None:
        if curve not in ("ROC", "PR"):
            raise AttributeValueError(f"AUC: curve must be 'ROC' or 'PR', got {curve!r}.")
        if summation_method not in ("interpolation", "minoring", "majoring"):
            raise AttributeValueError(
                f"AUC: invalid summation_method {summation_method!r}.")
        if thresholds is None:
            if num_thresholds <= 1:
                raise AttributeValueError("AUC: `num_thresholds` must be > 1.")
            thresholds = [(i + 1) / (num_thresholds - 1) for i in range(num_thresholds - 2)]
        self.curve, self.summation_method = curve, summation_method
        # The ends lie a little outside, so that 0 and 1 are on their right sides.
        super().__init__([-1e-7, *sorted(thresholds), 1.0 + 1e-7], name or "auc", dtype)
        self.num_thresholds = len(self._thresholds)

    def result(self) -> Any:
        """The area: a scalar."""
        tp, fp, tn, fn = (getattr(self, what).value() for what in _COUNTS)
        if self.curve == "PR":
            if self.summation_method == "interpolation":
                return _interpolated_pr(tp, fp, fn)
            x, y = F.div_no_nan(tp, tp + fn), F.div_no_nan(tp, tp + fp)
        else:
            x, y = F.div_no_nan(fp, fp + tn), F.div_no_nan(tp, tp + fn)
        first, second = y[:-1], y[1:]
        heights = {"interpolation": (first + second) / 2.0, "minoring": F.minimum(first, second),
                   "majoring": F.maximum(first, second)}[self.summation_method]
        return F.reduce_sum((x[:-1] - x[1:]) * heights)

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {**super().get_config(), "curve": self.curve,
                "summation_method": self.summation_method,
                "thresholds": self._thresholds[1:-1]}


def _interpolated_pr(tp: Any, fp: Any, fn: Any) -> Any:
    d_tp, positives = tp[:-1] - tp[1:], tp + fp
    slope = F.div_no_nan(d_tp, F.maximum(positives[:-1] - positives[1:], 0))
    intercept = tp[1:] - slope * positives[1:]
    both = F.logical_and(F.greater(positives[:-1], 0), F.greater(positives[1:], 0))
    ratio = F.where_v2(both, F.div_no_nan(positives[:-1], F.maximum(positives[1:], 0)),
                       F.ones_like(positives[1:]))
    return F.reduce_sum(F.div_no_nan(
        slope * (d_tp + intercept * F.log(ratio)), F.maximum(tp[1:] + fn[1:], 0)))


class MeanIoU(Metric):
    """Mean over classes of intersection / union, for class numbers y_true and y_pred."""

    def __init__(self, num_classes: int, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.num_classes = num_classes
        self.total_cm = self.add_weight("total_confusion_matrix", [num_classes, num_classes])

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Takes in class numbers of one shape."""
        flat = [F.reshape(F.cast(convert(y), dt.int64), [-1]) for y in (y_true, y_pred)]
        weights = None if sample_weight is None else F.reshape(
            F.cast(convert(sample_weight), dt.float32), [-1])
        found = F.confusion_matrix(
            *flat, num_classes=self.num_classes, dtype=dt.float32, weights=weights)
        return self.total_cm.assign_add(found)

    def result(self) -> Any:
        """The mean over the classes that occur."""
        matrix = self.total_cm.value()
        right = F.matrix_diag_part(matrix)
        union = F.reduce_sum(matrix, axis=0) + F.reduce_sum(matrix, axis=1) - right
        occurring = F.reduce_sum(F.cast(F.not_equal(union, 0), dt.float32))
        return F.div_no_nan(F.reduce_sum(F.div_no_nan(right, union)), occurring)

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {**super().get_config(), "num_classes": self.num_classes}
