"""Losses of sequences, in one tensor or as lists of steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.builder import F, convert


def sequence_loss(
    logits: Any, targets: Any, weights: Any, average_across_timesteps: bool = True,
    average_across_batch: bool = True, softmax_loss_function: Any = None, name: str | None = None,
) -> Any:
    """The weighted cross-entropy of sequences.

    logits: [batch, time, classes]; targets: ints [batch, time]; weights: float [batch, time].
    → a scalar; [batch] or [time] if only one is averaged, [batch, time] if neither is.
    """
    logits, weights = convert(logits), convert(weights)
    loss_of = softmax_loss_function or F.sparse_softmax_cross_entropy_with_logits
    crossent = loss_of(labels=targets, logits=logits) * weights
    if average_across_timesteps and average_across_batch:
        return F.div_no_nan(F.reduce_sum(crossent), F.reduce_sum(weights), name=name)
    if not average_across_timesteps and not average_across_batch:
        return crossent
    axis = 1 if average_across_timesteps else 0
    return F.div_no_nan(F.reduce_sum(crossent, axis), F.reduce_sum(weights, axis), name=name)


def sequence_loss_by_example(
    logits: Sequence[Any], targets: Sequence[Any], weights: Sequence[Any],
    average_across_timesteps: bool = True, softmax_loss_function: Any = None,
    name: str | None = None,
) -> Any:
    """The weighted cross-entropy of each example. All three: a list, one entry per step.

    logits: [batch, classes] each; targets: ints [batch]; weights: float [batch]. → [batch].
    """
    loss_of = softmax_loss_function or F.sparse_softmax_cross_entropy_with_logits
    weights = [convert(w) for w in weights]
    total = F.add_n([loss_of(labels=F.reshape(t, [-1]), logits=x) * w
                     for x, t, w in zip(logits, targets, weights)])
    return total / (F.add_n(weights) + 1e-12) if average_across_timesteps else total


def legacy_sequence_loss(
    logits: Sequence[Any], targets: Sequence[Any], weights: Sequence[Any],
    average_across_timesteps: bool = True, average_across_batch: bool = True,
    softmax_loss_function: Any = None, name: str | None = None,
) -> Any:
    """The mean (or sum) of `sequence_loss_by_example`: a scalar."""
    losses = sequence_loss_by_example(
        logits, targets, weights, average_across_timesteps, softmax_loss_function)
    return F.reduce_mean(losses) if average_across_batch else F.reduce_sum(losses)
