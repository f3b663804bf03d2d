"""Heads: what a canned estimator makes of its logits: predictions, loss and metrics.

Names, shapes and numbers are those of TensorFlow 1.15's canned estimators.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphflow import dtypes as dt
from graphflow import lookup, metrics
from graphflow.builder import F, convert
from graphflow.errors import GraphError, ShapeError
from graphflow.estimator.spec import EstimatorSpec, ModeKeys
from graphflow.losses import Reduction, compute_weighted_loss


class Head:
    """width: how many logits an example has. weight_column: the feature of weights, or None."""

    def __init__(self, width: int, weight_column: Any, reduction: Any) -> None:
        self.width, self._weight_column, self._reduction = width, weight_column, reduction

    def predictions(self, logits: Any) -> dict[str, Any]:
        """What `predict` gives."""
        raise NotImplementedError

    def losses(self, logits: Any, labels: Any) -> tuple[Any, Any]:
        """(the loss of each example [batch, 1], the labels as they are compared)."""
        raise NotImplementedError

    def metrics(self, labels: Any, predictions: dict[str, Any], weights: Any) -> dict[str, Any]:
        """Metrics beside the losses."""
        raise NotImplementedError

    def spec(
        self, features: Any, labels: Any, mode: str, logits: Any, train: Callable[[Any], Any]
    ) -> EstimatorSpec:
        """What the model function gives."""
        predictions = self.predictions(logits)
        if mode == ModeKeys.PREDICT:
            return EstimatorSpec(mode, predictions=predictions)
        if labels is None:
            raise GraphError("You must provide a labels Tensor. Given: None. Return (features, "
                             "labels) from input_fn.")
        each, compared = self.losses(logits, _column(labels, self._labels_width()))
        weights = self._weights(features)
        loss = compute_weighted_loss(each, weights, loss_collection="losses",
                                     reduction=self._reduction)
        if mode == ModeKeys.TRAIN:
            return EstimatorSpec(mode, predictions=predictions, loss=loss, train_op=train(loss))
        found = {"average_loss": metrics.mean(each, weights),
                 **self.metrics(compared, predictions, weights)}
        return EstimatorSpec(mode, predictions=predictions, loss=loss, eval_metric_ops=found)

    def _labels_width(self) -> int:
        return 1

    def _weights(self, features: Any) -> Any:
        if self._weight_column is None:
            return 1.0
        key = getattr(self._weight_column, "key", self._weight_column)
        if not isinstance(features, dict) or key not in features:
            raise GraphError(f"weight_column {key!r} is not in features.")
        return F.cast(_column(features[key], 1), dt.float32)


def _column(values: Any, width: int) -> Any:
    """Values [batch] or [batch, width] as [batch, width]. Raises ShapeError for others."""
    values = convert(values)
    if values.shape.rank == 1:
        return F.expand_dims(values, -1)
    if values.shape.rank == 2 and values.shape[1].value not in (None, width):
        raise ShapeError(f"labels must have shape [batch, {width}], got {values.shape}.")
    return values


def _weight_sum(values: Any, weights: Any) -> Any:
    return metrics.mean(values, weights)


class _Classes(Head):
    """What heads of classes share. vocabulary: the names of the classes, or None for numbers."""

    def __init__(
        self, classes: int, width: int, weight_column: Any, vocabulary: Sequence[str] | None,
        reduction: Any,
    ) -> None:
        super().__init__(width, weight_column, reduction)
        if vocabulary is not None and len(vocabulary) != classes:
            raise GraphError(f"Length of label_vocabulary must be n_classes ({classes}). Given: "
                             f"{len(vocabulary)}.")
        self._classes, self._vocabulary = classes, vocabulary

    def _ids(self, labels: Any) -> Any:
        if self._vocabulary is None:
            if not labels.dtype.is_integer and not labels.dtype.is_floating:
                raise GraphError("Labels dtype should be integer. Instead got "
                                 f"{labels.dtype.name}. Pass label_vocabulary= for strings.")
            return F.cast(labels, dt.int64)
        if not labels.dtype.is_string:
            raise GraphError("Labels dtype should be string if there is a vocabulary. Instead got "
                             f"{labels.dtype.name}.")
        return lookup.index_table_from_tensor(list(self._vocabulary)).lookup(labels)

    def _names(self, ids: Any) -> Any:
        if self._vocabulary is None:
            return F.as_string(ids)
        return F.gather(F.constant(list(self._vocabulary), dt.string), ids)


class MultiClassHead(_Classes):
    """More than two classes: softmax."""

    def __init__(self, classes: int, weight_column: Any, vocabulary: Any, reduction: Any) -> None:
        super().__init__(classes, classes, weight_column, vocabulary, reduction)

    def predictions(self, logits: Any) -> dict[str, Any]:
        """logits, probabilities [batch, classes]; class_ids, classes [batch, 1]."""
        ids = F.expand_dims(F.argmax(logits, axis=-1), -1)
        return {"logits": logits, "probabilities": F.softmax(logits), "class_ids": ids,
                "classes": self._names(ids)}

    def losses(self, logits: Any, labels: Any) -> tuple[Any, Any]:
        """The cross-entropies."""
        ids = self._ids(labels)
        each = F.sparse_softmax_cross_entropy_with_logits(
            labels=F.squeeze(ids, [-1]), logits=logits)
        return F.expand_dims(each, -1), ids

    def metrics(self, labels: Any, predictions: dict[str, Any], weights: Any) -> dict[str, Any]:
        """accuracy."""
        return {"accuracy": metrics.accuracy(labels, predictions["class_ids"], weights)}


class BinaryHead(_Classes):
    """Two classes: one logit."""

    def __init__(self, weight_column: Any, vocabulary: Any, reduction: Any) -> None:
        super().__init__(2, 1, weight_column, vocabulary, reduction)

    def predictions(self, logits: Any) -> dict[str, Any]:
        """logits, logistic [batch, 1]; probabilities [batch, 2]; class_ids, classes [batch, 1]."""
        two = F.concat([F.zeros_like(logits), logits], axis=-1)
        ids = F.expand_dims(F.argmax(two, axis=-1), -1)
        return {"logits": logits, "logistic": F.sigmoid(logits), "probabilities": F.softmax(two),
                "class_ids": ids, "classes": self._names(ids)}

    def losses(self, logits: Any, labels: Any) -> tuple[Any, Any]:
        """The cross-entropies."""
        numbers = F.cast(self._ids(labels), dt.float32)
        return F.sigmoid_cross_entropy_with_logits(labels=numbers, logits=logits), numbers

    def metrics(self, labels: Any, predictions: dict[str, Any], weights: Any) -> dict[str, Any]:
        """accuracy, precision, recall, auc and means."""
        ids, logistic = predictions["class_ids"], predictions["logistic"]
        label_mean = _weight_sum(labels, weights)
        value, update = label_mean
        baseline = (F.maximum(value, 1 - value), F.maximum(update, 1 - update))
        return {
            "accuracy": metrics.accuracy(labels, ids, weights), "accuracy_baseline": baseline,
            "precision": metrics.precision(labels, ids, weights),
            "recall": metrics.recall(labels, ids, weights),
            "auc": metrics.auc(labels, logistic, weights),
            "auc_precision_recall": metrics.auc(labels, logistic, weights, curve="PR"),
            "label/mean": label_mean, "prediction/mean": _weight_sum(logistic, weights)}


class RegressionHead(Head):
    """Numbers: the square of the difference."""

    def _labels_width(self) -> int:
        return self.width

    def predictions(self, logits: Any) -> dict[str, Any]:
        """predictions [batch, width]."""
        return {"predictions": logits}

    def losses(self, logits: Any, labels: Any) -> tuple[Any, Any]:
        """The squares."""
        numbers = F.cast(labels, dt.float32)
        return F.squared_difference(logits, numbers), numbers

    def metrics(self, labels: Any, predictions: dict[str, Any], weights: Any) -> dict[str, Any]:
        """The means of labels and predictions."""
        return {"label/mean": _weight_sum(labels, weights),
                "prediction/mean": _weight_sum(predictions["predictions"], weights)}


def classifier(classes: int, weight_column: Any, vocabulary: Any, reduction: Any) -> Head:
    """The head for a number of classes. Raises GraphError (a ValueError) below two."""
    if not isinstance(classes, int) or classes < 2:
        raise GraphError(f"n_classes must be greater than or equal to 2, given: {classes!r}.")
    if classes == 2:
        return BinaryHead(weight_column, vocabulary, reduction)
    return MultiClassHead(classes, weight_column, vocabulary, reduction)


SUM = Reduction.SUM
