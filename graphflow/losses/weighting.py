"""How the losses of single elements are weighted and put together."""

from __future__ import annotations

from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.errors import AttributeValueError
from graphflow.losses.collections import add_loss
from graphflow.ops.scope import scope as name_scope
from graphflow.ops.squeezable import broadcast_weights
from graphflow.scopes import GraphKeys
from graphflow.tensor import Tensor


class Reduction:
    """What becomes of the weighted losses of a batch.

    NONE: they stay apart. SUM: their sum. MEAN: the sum divided by the sum of the weights.
    SUM_OVER_BATCH_SIZE: the sum divided by the number of losses. SUM_BY_NONZERO_WEIGHTS (also
    called SUM_OVER_NONZERO_WEIGHTS): the sum divided by the number of weights that are not 0.
    """

    NONE = "none"
    SUM = "weighted_sum"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    MEAN = "weighted_mean"
    SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"
    SUM_OVER_NONZERO_WEIGHTS = SUM_BY_NONZERO_WEIGHTS

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """All reductions."""
        return (cls.NONE, cls.SUM, cls.MEAN, cls.SUM_OVER_BATCH_SIZE,
                cls.SUM_OVER_NONZERO_WEIGHTS, cls.SUM_BY_NONZERO_WEIGHTS)

    @classmethod
    def validate(cls, key: Any) -> None:
        """Raises AttributeValueError (a ValueError) for something else."""
        if key not in cls.all():
            raise AttributeValueError(
                f"Invalid Reduction Key {key}. It should be one of {', '.join(cls.all())}.")


def number_present(weights: Tensor, values: Tensor) -> Tensor:
    """How many values have a weight that is not 0: a float32 scalar."""
    present = F.cast(F.not_equal(weights, 0), dt.float32)
    if weights.shape.rank == 0:
        return present * number_of(values)
    return F.reduce_sum(present)


def number_of(values: Tensor) -> Tensor:
    """How many elements there are, as a float32 scalar."""
    return F.cast(F.size(values), dt.float32)


def compute_weighted_loss(
    losses: Any, weights: Any = 1.0, scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """The losses times weights, put together as `reduction` says, and added to a collection.

    losses: [batch, …], computed with in float32; weights: a scalar, or of the losses' rank with
    sizes that are the same or 1. Gives a scalar of the losses' type; their shape if `reduction`
    is Reduction.NONE. Raises AttributeValueError for another reduction, ShapeError for weights
    that do not fit (both are ValueErrors).
    """
    Reduction.validate(reduction)
    with name_scope(scope, "weighted_loss"):
        losses = convert(losses)
        dtype, losses = losses.dtype, F.cast(losses, dt.float32)
        factors = broadcast_weights(weights, losses)
        loss = losses * factors
        if reduction != Reduction.NONE:
            loss = F.reduce_sum(loss)
        if reduction == Reduction.MEAN:
            loss = safe_mean(loss, F.reduce_sum(F.ones_like(losses) * factors))
        elif reduction == Reduction.SUM_BY_NONZERO_WEIGHTS:
            plain = isinstance(weights, float) and weights != 0.0
            loss = safe_mean(
                loss, number_of(losses) if plain else number_present(factors, losses))
        elif reduction == Reduction.SUM_OVER_BATCH_SIZE:
            loss = safe_mean(loss, number_of(losses))
        loss = F.cast(loss, dtype)
        add_loss(loss, loss_collection)
        return loss


def safe_mean(total: Tensor, count: Tensor) -> Tensor:
    """total / count, 0 where the count is 0."""
    return F.div_no_nan(total, count, name="value")
