"""Metrics by name: "accuracy" is the one that fits the output and the loss."""

from __future__ import annotations

from typing import Any

from graphflow.keras import loss_functions as losses
from graphflow.keras import metrics
from graphflow.keras.metrics.accuracies import (
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
)
from graphflow.keras.metrics.base import Mean, MeanMetricWrapper, Metric
from graphflow.tensor import Tensor

_ACCURACIES = {"accuracy", "acc"}
_CROSSENTROPIES = {"crossentropy", "ce"}


def as_metric(
    spec: Any, target: Tensor | None, output: Tensor | None, loss: Any, name: str | None = None
) -> Any:
    """A `Metric` object for a name, function or object.

    It is called as the user called it; "accuracy" and "crossentropy" choose their function by the
    output's last size, the target's rank and the loss.
    """
    if isinstance(spec, Metric):
        return spec
    if isinstance(spec, type) and issubclass(spec, Metric):
        return spec()
    if spec == "mean":
        return Mean(name=name or "mean")
    if isinstance(spec, str) and spec in _ACCURACIES | _CROSSENTROPIES:
        kind = 0 if spec in _ACCURACIES else 1
        function = _CHOICES[_labels_kind(target, output, loss)][kind]
        return MeanMetricWrapper(function, name=spec)
    found = metrics.get(spec)
    if isinstance(found, Metric):
        return found
    label = spec if isinstance(spec, str) else getattr(found, "__name__", None) or getattr(
        found, "name", type(found).__name__)
    return MeanMetricWrapper(found, name=label)


_CHOICES = {
    "binary": (binary_accuracy, losses.binary_crossentropy),
    "sparse": (sparse_categorical_accuracy, losses.sparse_categorical_crossentropy),
    "categorical": (categorical_accuracy, losses.categorical_crossentropy),
}


def _labels_kind(target: Any, output: Any, loss: Any) -> str:
    function = getattr(loss, "fn", None)
    classes = output.shape.as_list()[-1] if output.shape.rank else None
    if classes == 1 or function is losses.binary_crossentropy:
        return "binary"
    if function is losses.sparse_categorical_crossentropy:
        return "sparse"
    ranks = target.shape.rank, output.shape.rank
    last = target.shape.as_list()[-1] if target.shape.rank else None
    if ranks[0] < ranks[1] or (last == 1 and classes != 1):
        return "sparse"
    return "categorical"
