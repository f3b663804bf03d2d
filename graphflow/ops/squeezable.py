"""Labels, predictions and weights whose ranks differ by one: a last axis of size 1 is dropped."""

from __future__ import annotations

from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.dims import same
from graphflow.errors import ShapeError
from graphflow.tensor import Tensor


def remove_squeezable_dimensions(
    labels: Any, predictions: Any, expected_rank_diff: int = 0, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """(labels, predictions), one of them without its last axis if that makes the ranks fit.

    They fit if rank(predictions) − rank(labels) = expected_rank_diff. An axis is dropped if its
    size is 1; other shapes are left as they are.
    """
    labels, predictions = convert(labels), convert(predictions)
    ranks = labels.shape.rank, predictions.shape.rank
    if None not in ranks:
        excess = ranks[1] - ranks[0] - expected_rank_diff
        if excess == 1 and _may_be_one(predictions):
            predictions = F.squeeze(predictions, [-1])
        elif excess == -1 and _may_be_one(labels):
            labels = F.squeeze(labels, [-1])
        return labels, predictions
    excess = F.rank(predictions) - F.rank(labels) - expected_rank_diff
    return drop_last_axis_if(labels, F.equal(excess, -1)), drop_last_axis_if(
        predictions, F.equal(excess, 1))


def _may_be_one(x: Tensor) -> bool:
    return same(x.shape.sizes[-1], 1) is not False


def drop_last_axis_if(x: Tensor, condition: Any) -> Tensor:
    """x, reshaped without its last axis if the bool scalar `condition` holds.

    For ranks that are known at run time only; that axis must have size 1 then.
    """
    return F.reshape(x, F.shape(x)[:F.rank(x) - F.cast(condition, dt.int32)])


def add_last_axis_if(x: Tensor, condition: Any) -> Tensor:
    """x, with a last axis of size 1 added if the bool scalar `condition` holds."""
    added = F.ones(F.reshape(F.cast(condition, dt.int32), [1]), dt.int32)
    return F.reshape(x, F.concat([F.shape(x), added], 0))


def fit_weights(weights: Any, values: Tensor) -> Tensor:
    """Weights with the rank of the values: a last axis of size 1 is dropped or added.

    Scalars and weights of other ranks are left as they are.
    """
    weights = convert(weights)
    ranks = weights.shape.rank, values.shape.rank
    if ranks[0] == 0:
        return weights
    if None not in ranks:
        if ranks[0] - ranks[1] == 1:
            return F.squeeze(weights, [-1])
        return F.expand_dims(weights, -1) if ranks[1] - ranks[0] == 1 else weights
    rank, excess = F.rank(weights), F.rank(weights) - F.rank(values)
    dropped = drop_last_axis_if(weights, F.logical_and(rank > 0, F.equal(excess, 1)))
    return add_last_axis_if(dropped, F.logical_and(rank > 0, F.equal(excess, -1)))


def broadcast_weights(weights: Any, values: Tensor, dtype: Any = dt.float32) -> Tensor:
    """Weights as floats, with the shape of `values` unless they are a scalar.

    Weights have the rank of the values, and sizes that are the same or 1. Raises ShapeError
    otherwise.
    """
    weights = F.cast(weights, dtype)
    if weights.shape.rank == 0:
        return weights
    if None not in (weights.shape.rank, values.shape.rank):
        fits = weights.shape.rank == values.shape.rank and all(
            same(w, 1) is not False or same(w, v) is not False
            for w, v in zip(weights.shape.sizes, values.shape.sizes))
        if not fits:
            raise ShapeError(
                f"weights can not be broadcast to values: the weights have shape "
                f"{weights.shape}, the values {values.shape}. They need the same rank, and sizes "
                "that are equal or 1; a scalar goes with all.")
    return F.broadcast_to(weights, F.shape(values))
