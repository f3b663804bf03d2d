"""Losses of Keras as functions: (y_true, y_pred) → one number per sample.

y_true and y_pred have one shape [batch, …, n]; the result is [batch, …], a mean over the last
axis unless said otherwise. y_true is cast to the type of y_pred.
"""

from __future__ import annotations

from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.keras.backend.settings import epsilon
from graphflow.tensor import Tensor


def operands(y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    """Both as tensors of the type of y_pred."""
    y_pred = convert(y_pred)
    return F.cast(y_true, y_pred.dtype), y_pred


def mean_squared_error(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of (y_pred − y_true)²."""
    y_true, y_pred = operands(y_true, y_pred)
    return F.reduce_mean(F.squared_difference(y_pred, y_true), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of |y_pred − y_true|."""
    y_true, y_pred = operands(y_true, y_pred)
    return F.reduce_mean(F.abs(y_pred - y_true), axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Tensor:
    """100 times the mean of |y_true − y_pred| / |y_true|."""
    y_true, y_pred = operands(y_true, y_pred)
    size = F.maximum(F.abs(y_true), F.cast(epsilon(), y_true.dtype))
    return 100.0 * F.reduce_mean(F.abs((y_true - y_pred) / size), axis=-1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of (log(1 + y_pred) − log(1 + y_true))², with negative values taken as 0."""
    y_true, y_pred = operands(y_true, y_pred)
    least = F.cast(epsilon(), y_pred.dtype)
    first = F.log(F.maximum(y_pred, least) + 1.0)
    second = F.log(F.maximum(y_true, least) + 1.0)
    return F.reduce_mean(F.squared_difference(first, second), axis=-1)


def _signs(y_true: Any) -> Tensor:
    """−1 and 1 for labels that are −1 and 1, or 0 and 1."""
    binary = F.reduce_all(F.logical_or(F.equal(y_true, 0), F.equal(y_true, 1)))
    return F.where_v2(binary, 2.0 * y_true - 1.0, y_true)


def hinge(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of max(0, 1 − y_true·y_pred), for labels −1 and 1 (or 0 and 1)."""
    y_true, y_pred = operands(y_true, y_pred)
    return F.reduce_mean(F.maximum(1.0 - _signs(y_true) * y_pred, 0.0), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of max(0, 1 − y_true·y_pred)², for labels −1 and 1 (or 0 and 1)."""
    y_true, y_pred = operands(y_true, y_pred)
    return F.reduce_mean(
        F.square(F.maximum(1.0 - _signs(y_true) * y_pred, 0.0)), axis=-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """max(0, 1 + the best wrong class's score − the right one's), for one-hot labels."""
    y_true, y_pred = operands(y_true, y_pred)
    right = F.reduce_sum(y_true * y_pred, axis=-1)
    wrong = F.reduce_max((1.0 - y_true) * y_pred, axis=-1)
    return F.maximum(0.0, wrong - right + 1.0)


def huber_loss(y_true: Any, y_pred: Any, delta: float = 1.0) -> Tensor:
    """e²/2 for errors |e| ≤ delta, delta·|e| − delta²/2 beyond; one per element."""
    y_true, y_pred = operands(y_true, y_pred)
    error = F.abs(y_pred - y_true)
    inner = F.minimum(error, F.cast(delta, error.dtype))
    return 0.5 * inner * inner + delta * (error - inner)


def logcosh(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of log cosh(y_pred − y_true), computed without overflow."""
    y_true, y_pred = operands(y_true, y_pred)
    x = y_pred - y_true
    return F.reduce_mean(x + F.softplus(-2.0 * x) - F.cast(0.6931471805599453, x.dtype), axis=-1)


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: Any = 0
) -> Tensor:
    """−Σ y_true · log y_pred over the last axis, for one-hot labels and probabilities.

    from_logits: y_pred is not normalised yet. label_smoothing: moves the labels that much of the
    way towards the uniform distribution. Probabilities that a softmax made are taken back to its
    logits, which is exact.
    """
    y_true, y_pred = operands(y_true, y_pred)
    if isinstance(label_smoothing, Tensor) or label_smoothing:
        classes = F.cast(F.shape(y_true)[-1], y_pred.dtype)
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / classes
    logits = y_pred if from_logits else made_by(y_pred, "Softmax")
    if logits is not None:
        return F.softmax_cross_entropy_with_logits_v2(labels=y_true, logits=logits)
    y_pred = y_pred / F.reduce_sum(y_pred, axis=-1, keepdims=True)
    return -F.reduce_sum(y_true * F.log(_inside(y_pred)), axis=-1)


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, axis: int = -1
) -> Tensor:
    """−log y_pred[y_true], for class numbers [batch, …] (or [batch, …, 1]) and probabilities.

    from_logits: y_pred is not normalised yet; axis: where the classes are.
    """
    y_pred, y_true = convert(y_pred), convert(y_true)
    rank = y_pred.shape.rank
    if rank is not None and axis not in (-1, rank - 1):
        order = [i for i in range(rank) if i != axis % rank] + [axis % rank]
        y_pred = F.transpose(y_pred, order)
        from_logits, logits = from_logits, None
    else:
        logits = made_by(y_pred, "Softmax")
    if from_logits:
        logits = y_pred
    if logits is None:
        logits = F.log(_inside(y_pred))
    labels = F.cast(y_true, dt.int64)
    if rank is not None and labels.shape.rank == rank:
        labels = F.squeeze(labels, [-1])
    return F.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: Any = 0
) -> Tensor:
    """The mean of −y_true·log p − (1 − y_true)·log(1 − p), for probabilities p = y_pred.

    from_logits: p = sigmoid(y_pred). label_smoothing: moves labels that much of the way to 1/2.
    """
    y_true, y_pred = operands(y_true, y_pred)
    if isinstance(label_smoothing, Tensor) or label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    return F.reduce_mean(elementwise_binary_crossentropy(y_true, y_pred, from_logits), axis=-1)


def elementwise_binary_crossentropy(y_true: Any, y_pred: Any, from_logits: bool) -> Tensor:
    """Binary cross-entropy of each element."""
    logits = y_pred if from_logits else made_by(y_pred, "Sigmoid")
    if logits is not None:
        return F.sigmoid_cross_entropy_with_logits(labels=y_true, logits=logits)
    p = _inside(y_pred)
    return -(y_true * F.log(p + epsilon()) + (1.0 - y_true) * F.log(1.0 - p + epsilon()))


def kullback_leibler_divergence(y_true: Any, y_pred: Any) -> Tensor:
    """Σ y_true · log(y_true / y_pred) over the last axis."""
    y_true, y_pred = operands(y_true, y_pred)
    y_true = F.clip_by_value(y_true, epsilon(), 1.0)
    y_pred = F.clip_by_value(y_pred, epsilon(), 1.0)
    return F.reduce_sum(y_true * F.log(y_true / y_pred), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of y_pred − y_true · log y_pred."""
    y_true, y_pred = operands(y_true, y_pred)
    return F.reduce_mean(y_pred - y_true * F.log(y_pred + epsilon()), axis=-1)


def cosine_similarity(y_true: Any, y_pred: Any, axis: Any = -1) -> Tensor:
    """Minus the cosine of the angle between y_true and y_pred along `axis`: a loss."""
    return -cosine_proximity(y_true, y_pred, axis)


def cosine_proximity(y_true: Any, y_pred: Any, axis: Any = -1) -> Tensor:
    """The cosine of the angle between y_true and y_pred along `axis`."""
    y_true, y_pred = operands(y_true, y_pred)
    return F.reduce_sum(
        F.l2_normalize(y_true, axis=axis) * F.l2_normalize(y_pred, axis=axis), axis=axis)


def _inside(p: Any) -> Tensor:
    """Probabilities, kept away from 0 and 1 so that their logarithms are finite."""
    return F.clip_by_value(p, F.cast(epsilon(), p.dtype), F.cast(1.0 - epsilon(), p.dtype))


def made_by(x: Tensor, op_type: str) -> Any:
    """The input of the op that made `x`, if it is of this type; None otherwise."""
    op = x.op
    while op.type == "Identity":
        op = op.inputs[0].op
    if op.type != op_type or op.attrs.get("axis", -1) not in (-1, (-1,)):
        rank = x.shape.rank
        if op.type != op_type or rank is None or op.attrs.get("axis") not in (
                rank - 1, (rank - 1,)):
            return None
    return op.inputs[0]
