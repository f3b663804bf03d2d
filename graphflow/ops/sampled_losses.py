"""Losses over many classes from a few sampled ones: `nce_loss`, `sampled_softmax_loss`.

Sources: Gutmann, Hyvärinen, "Noise-contrastive estimation", AISTATS 2010; Jean, Cho, Memisevic,
Bengio, "On using very large target vocabulary for neural machine translation", 2014.
"""

from __future__ import annotations

from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert, op_function
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure
from graphflow.ops.scope import scope


def _logits(
    op: str, name: str | None, weights: Any, biases: Any, labels: Any, inputs: Any,
    num_sampled: int, num_classes: int, num_true: int, sampled_values: Any, remove_hits: bool,
    partition_strategy: str, seed: int | None,
) -> tuple[Any, Any]:
    """(logits, labels) [batch, num_true + num_sampled]: true classes first, corrected by log Q."""
    labels = F.cast(convert(labels), dt.int64)
    inputs = convert(inputs)
    if labels.shape.rank not in (None, 2):
        raise failure(op, name, f"labels must be [batch, {num_true}], got {labels.shape}",
                      "Use gf.reshape(labels, [-1, 1]) for one label each.", ShapeError)
    if sampled_values is None:
        sampled_values = F.log_uniform_candidate_sampler(
            labels, num_true, num_sampled, True, num_classes, seed=seed)
    sampled, true_count, sampled_count = (
        F.stop_gradient(convert(v)) for v in sampled_values)
    sampled = F.cast(sampled, dt.int64)
    flat = F.reshape(labels, [-1])
    ids = F.concat([flat, sampled], 0)
    count = F.size(flat)
    rows = F.embedding_lookup(weights, ids, partition_strategy)
    offsets = F.embedding_lookup(biases, ids, partition_strategy)
    true_rows = F.reshape(rows[:count], F.stack([-1, num_true, F.shape(rows)[1]]))
    true_logits = F.reduce_sum(F.expand_dims(inputs, 1) * true_rows, 2)
    true_logits += F.reshape(offsets[:count], [-1, num_true])
    sampled_logits = F.matmul(inputs, rows[count:], transpose_b=True) + offsets[count:]
    if remove_hits:
        hits = F.reduce_any(F.equal(F.expand_dims(labels, 2), sampled), 1)
        lowest = convert(dt.float32.min, sampled_logits.dtype)
        sampled_logits += F.where_v2(hits, lowest, F.zeros_like(lowest))
    true_logits -= F.cast(F.log(true_count), true_logits.dtype)
    sampled_logits -= F.cast(F.log(sampled_count), sampled_logits.dtype)
    targets = F.concat([F.ones_like(true_logits) / num_true, F.zeros_like(sampled_logits)], 1)
    return F.concat([true_logits, sampled_logits], 1), targets


@op_function
def nce_loss(
    weights: Any, biases: Any, labels: Any, inputs: Any, num_sampled: int, num_classes: int,
    num_true: int = 1, sampled_values: Any = None, remove_accidental_hits: bool = False,
    partition_strategy: str = "mod", name: str | None = "nce_loss",
) -> Any:
    """The noise-contrastive estimation loss of each example: [batch].

    weights: [num_classes, dim], or a list of tables (see `embedding_lookup`); biases:
      [num_classes]; labels: int64 [batch, num_true], true classes; inputs: [batch, dim].
    sampled_values: what a candidate sampler gives; `log_uniform_candidate_sampler` with unique
      candidates by default. remove_accidental_hits: sampled true classes do not count.
    Raises ShapeError if the inputs do not fit.
    """
    with scope(name, "nce_loss"):
        logits, targets = _logits(
            "nce_loss", name, weights, biases, labels, inputs, num_sampled, num_classes, num_true,
            sampled_values, remove_accidental_hits, partition_strategy, None)
        losses = F.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)
        return F.reduce_sum(losses, 1)


@op_function
def sampled_softmax_loss(
    weights: Any, biases: Any, labels: Any, inputs: Any, num_sampled: int, num_classes: int,
    num_true: int = 1, sampled_values: Any = None, remove_accidental_hits: bool = True,
    partition_strategy: str = "mod", name: str | None = "sampled_softmax_loss",
    seed: int | None = None,
) -> Any:
    """The softmax loss over the true and some sampled classes of each example: [batch].

    For training only; it underestimates the full loss. seed: of the default sampler. Other
    arguments and errors as in `nce_loss`.
    """
    op = "sampled_softmax_loss"
    with scope(name, op):
        logits, targets = _logits(
            op, name, weights, biases, labels, inputs, num_sampled, num_classes, num_true,
            sampled_values, remove_accidental_hits, partition_strategy, seed)
        return F.softmax_cross_entropy_with_logits_v2(
            labels=F.stop_gradient(targets), logits=logits)
