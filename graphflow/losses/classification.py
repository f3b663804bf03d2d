"""Losses between classes and scores."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F
from graphflow.losses.operands import as_floats, as_logits, require
from graphflow.losses.weighting import Reduction, compute_weighted_loss
from graphflow.ops.scope import scope as name_scope
from graphflow.ops.squeezable import drop_last_axis_if, remove_squeezable_dimensions
from graphflow.scopes import GraphKeys
from graphflow.tensor import Tensor

_REDUCTION = Reduction.SUM_BY_NONZERO_WEIGHTS


def hinge_loss(
    labels: Any, logits: Any, weights: Any = 1.0, scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES, reduction: str = _REDUCTION,
) -> Tensor:
    """max(0, 1 − (2·label − 1)·logit), for labels 0 and 1; see `compute_weighted_loss`.

    labels, logits: of one shape. Raises ShapeError otherwise, AttributeValueError if one is None
    (both are ValueErrors).
    """
    with name_scope(scope, "hinge_loss") as own:
        logits, labels = as_floats("hinge_loss", logits, labels, ("logits", "labels"))
        losses = F.relu(1 - (2 * labels - 1) * logits)
        return compute_weighted_loss(losses, weights, own, loss_collection, reduction)


def log_loss(
    labels: Any, predictions: Any, weights: Any = 1.0, epsilon: Any = 1e-7,
    scope: str | None = None, loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = _REDUCTION,
) -> Tensor:
    """−label·log(p + epsilon) − (1 − label)·log(1 − p + epsilon) for probabilities p.

    Arguments and errors as for `hinge_loss`; for logits `sigmoid_cross_entropy` is more exact.
    """
    with name_scope(scope, "log_loss") as own:
        predictions, labels = as_floats("log_loss", predictions, labels)
        losses = -labels * F.log(predictions + epsilon) - (1 - labels) * F.log(
            1 - predictions + epsilon)
        return compute_weighted_loss(losses, weights, own, loss_collection, reduction)


def sigmoid_cross_entropy(
    multi_class_labels: Any, logits: Any, weights: Any = 1.0, label_smoothing: Any = 0,
    scope: str | None = None, loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = _REDUCTION,
) -> Tensor:
    """Cross-entropy of independent yes-or-no labels with sigmoid(logits).

    multi_class_labels: [batch, classes] of 0 and 1 (or probabilities); logits: of their shape.
    label_smoothing: moves labels that much of the way towards 1/2. Errors as for `hinge_loss`.
    """
    with name_scope(scope, "sigmoid_cross_entropy_loss") as own:
        logits, labels = as_logits(
            "sigmoid_cross_entropy", logits, multi_class_labels, "multi_class_labels")
        if label_smoothing > 0:
            labels = labels * (1 - label_smoothing) + 0.5 * label_smoothing
        losses = F.sigmoid_cross_entropy_with_logits(
            labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, own, loss_collection, reduction)


def softmax_cross_entropy(
    onehot_labels: Any, logits: Any, weights: Any = 1.0, label_smoothing: Any = 0,
    scope: str | None = None, loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = _REDUCTION,
) -> Tensor:
    """Cross-entropy of one-hot labels (or probabilities) with softmax(logits).

    onehot_labels, logits: [batch, classes]; weights: a scalar or [batch]. label_smoothing: moves
    labels that much of the way towards 1/classes. No gradient flows to the labels. Errors as for
    `hinge_loss`.
    """
    with name_scope(scope, "softmax_cross_entropy_loss") as own:
        logits, labels = as_logits(
            "softmax_cross_entropy", logits, onehot_labels, "onehot_labels")
        if label_smoothing > 0:
            classes = F.cast(F.shape(labels)[-1], logits.dtype)
            labels = labels * (1.0 - label_smoothing) + label_smoothing / classes
        labels = F.stop_gradient(labels, name="labels_stop_gradient")
        losses = F.softmax_cross_entropy_with_logits_v2(
            labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, own, loss_collection, reduction)


def sparse_softmax_cross_entropy(
    labels: Any, logits: Any, weights: Any = 1.0, scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES, reduction: str = _REDUCTION,
) -> Tensor:
    """Cross-entropy of class numbers with softmax(logits).

    labels: integers [batch] (or [batch, 1]); logits: [batch, classes]; weights: a scalar, [batch]
    or [batch, 1]. Raises AttributeValueError if labels or logits are None, ShapeError if shapes
    do not fit (both are ValueErrors).
    """
    require("sparse_softmax_cross_entropy", labels=labels, logits=logits)
    with name_scope(scope, "sparse_softmax_cross_entropy_loss") as own:
        labels, logits = remove_squeezable_dimensions(labels, logits, expected_rank_diff=1)
        losses = F.sparse_softmax_cross_entropy_with_logits(
            labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(
            losses, _of_rank(weights, labels), own, loss_collection, reduction)


def _of_rank(weights: Any, labels: Tensor) -> Any:
    """Weights without their last axis, if they have one more than the labels."""
    if isinstance(weights, float):
        return weights
    weights = F.convert_to_tensor(weights)
    ranks = weights.shape.rank, labels.shape.rank
    if None not in ranks:
        return F.squeeze(weights, [-1]) if ranks[0] - ranks[1] == 1 else weights
    return drop_last_axis_if(weights, F.equal(F.rank(weights) - F.rank(labels), 1))
