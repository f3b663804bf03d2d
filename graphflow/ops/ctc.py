"""Connectionist temporal classification: the loss of a label sequence without alignment.

Source: Graves, Fernández, Gomez, Schmidhuber, "Connectionist temporal classification", ICML 2006.
The forward variables are kept as logarithms; one loop over time serves all sequences of the
batch, and the gradient is that of the loop.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert, op_function
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure, renamed
from graphflow.ops.scope import scope

_NOTHING = -1e30  # the logarithm of 0: finite, so that differences of it have gradients


@op_function
def ctc_loss(
    labels: Any, inputs: Any = None, sequence_length: Any = None,
    preprocess_collapse_repeated: bool = False, ctc_merge_repeated: bool = True,
    ignore_longer_outputs_than_inputs: bool = False, time_major: bool = True,
    logits: Any = None,
) -> Any:
    """−log of the probability of the labels, summed over all their alignments: [batch].

    labels: an int32 SparseTensor [batch, length], or dense [batch, length] padded with −1.
    inputs (or logits): floats [time, batch, classes], [batch, time, classes] if not time_major;
      the last class is the blank. sequence_length: int32 [batch], times in use.
    preprocess_collapse_repeated: repeated labels count once. ctc_merge_repeated: repeated classes
      of an alignment are one label (False is not the usual CTC).
    ignore_longer_outputs_than_inputs: sequences too short for their labels have loss 0; otherwise
      their loss is infinite, and no gradient flows from it.
    Raises ShapeError if the ranks do not fit.
    """
    op = "ctc_loss"
    inputs = renamed(op, "inputs", inputs, "logits", logits)
    with scope(None, op):
        logits = _time_major(op, None, inputs, time_major)
        dense, lengths = _dense_labels(op, None, labels)
        if preprocess_collapse_repeated:
            dense, lengths = _collapsed(dense, lengths)
        blank = F.shape(logits)[2] - 1
        losses = _losses(logits, dense, lengths, F.cast(convert(sequence_length), dt.int32), blank,
                         ctc_merge_repeated)
        if ignore_longer_outputs_than_inputs:
            return F.where_v2(F.is_finite(losses), losses, F.zeros_like(losses))
        return losses


@op_function
def ctc_loss_v2(
    labels: Any, logits: Any, label_length: Any, logit_length: Any,
    logits_time_major: bool = True, unique: Any = None, blank_index: int | None = None,
    name: str | None = None,
) -> Any:
    """`ctc_loss` of dense labels.

    labels: int32 [batch, length] with label_length [batch] of them in use, or a SparseTensor with
      label_length None. logits: floats [time, batch, classes] ([batch, time, classes] if not
      logits_time_major), logit_length [batch] times of them in use.
    blank_index: the class of the blank, 0 by default, counted from the end if negative; must be
      given for a SparseTensor. unique: accepted; it saves nothing here.
    """
    op = "ctc_loss_v2"
    if hasattr(labels, "dense_shape") and blank_index is None:
        raise failure(op, name, "blank_index must be given for sparse labels",
                      "For example blank_index=-1.")
    with scope(name, "ctc_loss_dense"):
        logits = _time_major(op, name, logits, logits_time_major)
        if label_length is None or hasattr(labels, "dense_shape"):
            dense, lengths = _dense_labels(op, name, labels)
        else:
            dense = F.cast(convert(labels), dt.int32)
            lengths = F.cast(convert(label_length), dt.int32)
        classes = F.shape(logits)[2]
        blank = blank_index or 0
        return _losses(logits, dense, lengths, F.cast(convert(logit_length), dt.int32),
                       classes + blank if blank < 0 else F.zeros_like(classes) + blank, True)


@op_function
def collapse_repeated(labels: Any, seq_length: Any, name: str | None = None) -> tuple[Any, Any]:
    """(labels, lengths) with runs of equal labels merged into one, padded with 0.

    labels: [batch, length] with seq_length [batch] of them in use; the result is as wide as its
    longest row.
    """
    with scope(name, "collapse_repeated_labels"):
        labels, seq_length = convert(labels), convert(seq_length)
        merged, lengths = _collapsed(labels, seq_length)
        return merged[:, :F.reduce_max(lengths)], F.cast(lengths, seq_length.dtype)


# ---- arguments --------------------------------------------------------------------------------


def _time_major(op: str, name: str | None, logits: Any, time_major: bool) -> Any:
    logits = convert(logits)
    if logits.shape.rank not in (None, 3):
        raise failure(op, name, f"inputs must be [time, batch, classes], got {logits.shape}",
                      cls=ShapeError)
    return logits if time_major else F.transpose(logits, [1, 0, 2])


def _dense_labels(op: str, name: str | None, labels: Any) -> tuple[Any, Any]:
    """(labels [batch, length] padded with 0, how many of each row are in use), int32."""
    if hasattr(labels, "dense_shape"):
        indices, shape = labels.indices, F.cast(labels.dense_shape, dt.int64)
        values = F.cast(labels.values, dt.int32)
        lengths = F.unsorted_segment_sum(F.ones_like(values), indices[:, 0], shape[0])
        return F.scatter_nd(indices, values, shape), lengths
    dense = F.cast(convert(labels), dt.int32)
    if dense.shape.rank not in (None, 2):
        raise failure(op, name, f"labels must be [batch, length], got {dense.shape}",
                      cls=ShapeError)
    used = F.greater_equal(dense, 0)
    return (F.where_v2(used, dense, F.zeros_like(dense)),
            F.reduce_sum(F.cast(used, dt.int32), 1))


def _collapsed(labels: Any, lengths: Any) -> tuple[Any, Any]:
    """Runs merged; the freed places hold 0."""
    batch, width = F.unstack(F.shape(labels), 2)
    used = F.sequence_mask(lengths, width)
    changes = F.not_equal(labels[:, 1:], labels[:, :-1])
    first = F.concat([F.ones_like(used[:, :1]), changes], 1)
    kept = F.logical_and(used, first)
    places = F.cumsum(F.cast(kept, dt.int32), 1) - 1
    rows = F.zeros_like(places) + F.expand_dims(F.range(batch), 1)
    targets = F.stack([rows, F.maximum(places, 0)], 2)
    values = F.where_v2(kept, labels, F.zeros_like(labels))
    return (F.scatter_nd(targets, values, F.stack([batch, width])),
            F.reduce_sum(F.cast(kept, dt.int32), 1))


# ---- the forward variables --------------------------------------------------------------------


def _losses(
    logits: Any, labels: Any, label_lengths: Any, times: Any, blank: Any, merge: bool
) -> Any:
    """labels, label_lengths, times: int32 [batch, length], [batch], [batch]; blank: int32 []."""
    batch, length = F.unstack(F.shape(labels), 2)
    blanks = F.zeros_like(labels) + blank
    states = 2 * length + 1
    path = F.reshape(F.stack([blanks, labels], 2), F.stack([batch, 2 * length]))
    path = F.concat([path, F.fill(F.stack([batch, 1]), blank)], 1)  # blank, label, …, blank
    scores = _scores(logits, path)
    is_label = F.not_equal(path, blank)
    shifted = F.pad(path, [[0, 0], [2, 0]], constant_values=-1)[:, :-2]
    may_skip = F.logical_and(is_label, F.not_equal(shifted, -1))
    if merge:
        may_skip = F.logical_and(may_skip, F.not_equal(path, shifted))
    nothing = convert(np.array(_NOTHING), scores.dtype)

    def masked(allowed: Any, x: Any) -> Any:
        return F.where_v2(allowed, x, nothing)

    first = masked(F.less(F.range(states), 2), scores[0])

    def step(t: Any, alpha: Any) -> tuple[Any, Any]:
        stay = alpha if merge else masked(F.logical_not(is_label), alpha)
        before = F.pad(alpha, [[0, 0], [1, 0]], constant_values=_NOTHING)[:, :-1]
        skip = F.pad(alpha, [[0, 0], [2, 0]], constant_values=_NOTHING)[:, :-2]
        moved = _sum_of_three(stay, before, masked(may_skip, skip)) + scores[t]
        running = F.expand_dims(F.less(t, times), 1)
        return t + 1, F.where_v2(running, F.maximum(moved, nothing), alpha)

    last = F.while_loop(
        lambda t, alpha: F.less(t, F.minimum(F.reduce_max(times), F.shape(logits)[0])), step,
        (np.int32(1), first),
        shape_invariants=(convert(np.int32(1)).shape, first.shape.__class__([None, None])))[1]
    return _total(last, label_lengths, states, nothing)


def _scores(logits: Any, path: Any) -> Any:
    """The log-probability of each state's class at each time: [time, batch, states]."""
    time, batch, classes = F.unstack(F.shape(logits), 3)
    flat = F.reshape(F.log_softmax(logits), F.stack([time, batch * classes]))
    places = path + F.expand_dims(F.range(batch) * classes, 1)
    picked = F.gather(flat, F.reshape(places, [-1]), axis=1)
    return F.reshape(picked, F.stack([time, batch, F.shape(path)[1]]))


def _sum_of_three(a: Any, b: Any, c: Any) -> Any:
    """log(eᵃ + eᵇ + eᶜ)."""
    top = F.stop_gradient(F.maximum(F.maximum(a, b), c))
    return top + F.log(F.exp(a - top) + F.exp(b - top) + F.exp(c - top))


def _total(alpha: Any, lengths: Any, states: Any, nothing: Any) -> Any:
    """−log of the paths that end in the last label or the blank after it."""
    place = F.expand_dims(F.range(states), 0)
    end = F.expand_dims(2 * lengths, 1)
    at_end = F.logical_or(F.equal(place, end), F.equal(place, end - 1))
    log_total = F.reduce_logsumexp(F.where_v2(at_end, alpha, nothing), 1)
    found = F.greater(log_total, nothing / 2)
    infinite = convert(np.array(np.inf), alpha.dtype)
    return F.where_v2(found, -F.where_v2(found, log_total, F.zeros_like(log_total)), infinite)
