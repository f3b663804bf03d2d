"""Losses between numbers and their predictions."""

from __future__ import annotations

from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F
from graphflow.errors import AttributeValueError
from graphflow.losses.collections import add_loss
from graphflow.losses.operands import as_floats
from graphflow.losses.weighting import Reduction, compute_weighted_loss
from graphflow.ops.scope import scope as name_scope
from graphflow.ops.squeezable import broadcast_weights
from graphflow.scopes import GraphKeys
from graphflow.tensor import Tensor

_REDUCTION = Reduction.SUM_BY_NONZERO_WEIGHTS


def absolute_difference(
    labels: Any, predictions: Any, weights: Any = 1.0, scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES, reduction: str = _REDUCTION,
) -> Tensor:
    """|predictions − labels|; see `compute_weighted_loss` for the rest.

    labels, predictions: of one shape. Raises ShapeError otherwise, AttributeValueError if one is
    None (both are ValueErrors).
    """
    with name_scope(scope, "absolute_difference") as own:
        predictions, labels = as_floats("absolute_difference", predictions, labels)
        return compute_weighted_loss(
            F.abs(predictions - labels), weights, own, loss_collection, reduction)


def mean_squared_error(
    labels: Any, predictions: Any, weights: Any = 1.0, scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES, reduction: str = _REDUCTION,
) -> Tensor:
    """(predictions − labels)²; arguments and errors as for `absolute_difference`."""
    with name_scope(scope, "mean_squared_error") as own:
        predictions, labels = as_floats("mean_squared_error", predictions, labels)
        return compute_weighted_loss(
            F.squared_difference(predictions, labels), weights, own, loss_collection, reduction)


def huber_loss(
    labels: Any, predictions: Any, weights: Any = 1.0, delta: Any = 1.0,
    scope: str | None = None, loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = _REDUCTION,
) -> Tensor:
    """e²/2 for errors |e| ≤ delta, delta·|e| − delta²/2 beyond.

    Arguments and errors as for `absolute_difference`. Source: Huber, "Robust estimation of a
    location parameter", Annals of mathematical statistics 35, 1964.
    """
    with name_scope(scope, "huber_loss") as own:
        predictions, labels = as_floats("huber_loss", predictions, labels)
        error = F.abs(predictions - labels)
        # |e| − min(|e|, delta) has slope 0 at |e| = delta, where max(|e| − delta, 0) has 1.
        inner = F.minimum(error, delta)
        losses = 0.5 * (inner * inner) + delta * (error - inner)
        return compute_weighted_loss(losses, weights, own, loss_collection, reduction)


def cosine_distance(
    labels: Any, predictions: Any, axis: Any = None, weights: Any = 1.0,
    scope: str | None = None, loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = _REDUCTION, dim: Any = None,
) -> Tensor:
    """1 − Σ predictions · labels along `axis`, for vectors of length 1.

    dim: an older name of `axis`, which is required. Other arguments and errors as for
    `absolute_difference`.
    """
    if axis is not None and dim is not None:
        raise AttributeValueError("cosine_distance: Cannot specify both 'axis' and 'dim'.")
    axis = dim if axis is None else axis
    if axis is None:
        raise AttributeValueError("cosine_distance: You must specify `axis`.")
    with name_scope(scope, "cosine_distance_loss") as own:
        predictions, labels = as_floats("cosine_distance", predictions, labels)
        losses = 1 - F.reduce_sum(predictions * labels, axis=[axis], keepdims=True)
        return compute_weighted_loss(losses, weights, own, loss_collection, reduction)


def mean_pairwise_squared_error(
    labels: Any, predictions: Any, weights: Any = 1.0, scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
) -> Tensor:
    """Within each sample, the mean of (dᵢ − dⱼ)² over pairs, d = predictions − labels; summed.

    labels, predictions: [batch, d1, …]; weights: a scalar, or of their rank with sizes that are
    the same or 1. An offset common to all predictions of a sample costs nothing. Errors as for
    `absolute_difference`.
    """
    with name_scope(scope, "mean_pairwise_squared_error"):
        predictions, labels = as_floats("mean_pairwise_squared_error", predictions, labels)
        apart = predictions - labels
        factors = F.cast(weights, dt.float32)
        full = broadcast_weights(weights, apart)
        present = F.cast(F.not_equal(full, 0), dt.float32) * F.ones_like(apart)
        count = _sum_of_sample(present)
        squares = 2 * F.div_no_nan(
            _sum_of_sample(F.square(apart)), F.maximum(count - 1, 0), name="value")
        cross = 2 * F.div_no_nan(
            F.square(_sum_of_sample(apart)), F.maximum(count * (count - 1), 0), name="value")
        loss = F.reduce_sum((squares - cross) * factors)
        loss = F.where(F.reduce_sum(count) > 0, loss, F.zeros_like(loss), name="value")
        add_loss(loss, loss_collection)
        return loss


def _sum_of_sample(x: Tensor) -> Tensor:
    """Sums over all axes but the first: [batch, 1, …]."""
    rank = x.shape.rank
    axes = F.range(1, F.rank(x)) if rank is None else list(range(1, rank))
    return F.reduce_sum(x, axes, keepdims=True)
