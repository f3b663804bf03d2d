"""`tf.contrib.losses` and `slim.losses`: those of `tf.losses`, predictions before labels."""

from __future__ import annotations

from typing import Any

from graphflow import losses
from graphflow.losses import (
    add_loss,
    compute_weighted_loss,
    get_losses,
    get_regularization_losses,
    get_total_loss,
)


def absolute_difference(
    predictions: Any, labels: Any = None, weights: Any = 1.0, scope: str | None = None
) -> Any:
    """The mean of weights · |predictions − labels|."""
    return losses.absolute_difference(labels, predictions, weights, scope)


def mean_squared_error(
    predictions: Any, labels: Any = None, weights: Any = 1.0, scope: str | None = None
) -> Any:
    """The mean of weights · (predictions − labels)²."""
    return losses.mean_squared_error(labels, predictions, weights, scope)


def log_loss(
    predictions: Any, labels: Any = None, weights: Any = 1.0, epsilon: float = 1e-7,
    scope: str | None = None,
) -> Any:
    """The mean cross-entropy of probabilities with labels from 0 to 1."""
    return losses.log_loss(labels, predictions, weights, epsilon, scope)


def hinge_loss(logits: Any, labels: Any = None, scope: str | None = None) -> Any:
    """The mean of max(0, 1 − y · logits), where y is −1 or 1 for labels 0 and 1."""
    return losses.hinge_loss(labels, logits, scope=scope)


def cosine_distance(
    predictions: Any, labels: Any = None, axis: Any = None, weights: Any = 1.0,
    scope: str | None = None, dim: Any = None,
) -> Any:
    """The mean of 1 − predictions · labels, both of unit length along `axis`."""
    return losses.cosine_distance(
        labels, predictions, axis if axis is not None else dim, weights, scope)


def sigmoid_cross_entropy(
    logits: Any, multi_class_labels: Any, weights: Any = 1.0, label_smoothing: float = 0,
    scope: str | None = None,
) -> Any:
    """The mean cross-entropy of sigmoid(logits)."""
    return losses.sigmoid_cross_entropy(
        multi_class_labels, logits, weights, label_smoothing, scope)


def softmax_cross_entropy(
    logits: Any, onehot_labels: Any, weights: Any = 1.0, label_smoothing: float = 0,
    scope: str | None = None,
) -> Any:
    """The mean cross-entropy of softmax(logits) with one-hot labels."""
    return losses.softmax_cross_entropy(onehot_labels, logits, weights, label_smoothing, scope)


def sparse_softmax_cross_entropy(
    logits: Any, labels: Any, weights: Any = 1.0, scope: str | None = None
) -> Any:
    """The mean cross-entropy of softmax(logits) with integer labels."""
    return losses.sparse_softmax_cross_entropy(labels, logits, weights, scope)


__all__ = [
    "absolute_difference", "add_loss", "compute_weighted_loss", "cosine_distance", "get_losses",
    "get_regularization_losses", "get_total_loss", "hinge_loss", "log_loss",
    "mean_squared_error", "sigmoid_cross_entropy", "softmax_cross_entropy",
    "sparse_softmax_cross_entropy",
]
