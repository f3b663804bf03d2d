"""Sums of products of two batches, sample by sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.builder import F


def batch_dot(x: Any, y: Any, axes: Sequence[int]) -> Any:
    """Σ x · y along an axis of each, sample by sample; [batch, 1] if no other axes are left."""
    letters = iter("cdefghijklmnopqrs")
    first = ["a", *(("b" if i == axes[0] else next(letters))
                    for i in range(1, x.shape.rank))]
    second = ["a", *(("b" if i == axes[1] else next(letters))
                     for i in range(1, y.shape.rank))]
    left = [s for s in first + second[1:] if s != "b"]
    found = F.einsum(f"{''.join(first)},{''.join(second)}->{''.join(left)}", x, y)
    return F.expand_dims(found, 1) if len(left) == 1 else found
