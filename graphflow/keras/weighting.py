"""Weights of samples, made to fit what they weigh."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F, convert
from graphflow.tensor import Tensor


def weighted(values: Tensor, sample_weight: Any) -> Tensor:
    """`values` [batch, …] times `sample_weight`, which broadcasts from the front.

    sample_weight: None, a scalar, or [batch, …] with as many axes as the values or fewer; one axis
    of size 1 too many is dropped. Where values have no axis but the batch's, [batch, 1] is
    [batch].
    """
    if sample_weight is None:
        return values
    return values * fitted(sample_weight, values)


def fitted(sample_weight: Any, values: Tensor) -> Tensor:
    """The weights in the type of `values`, with axes of size 1 added or dropped at the end."""
    weights = F.cast(convert(sample_weight), values.dtype)
    have, want = weights.shape.rank, values.shape.rank
    if have is None or want is None or have == 0:
        return weights
    if have == want + 1:
        return F.squeeze(weights, [-1])
    for _ in range(want - have):
        weights = F.expand_dims(weights, -1)
    return weights
