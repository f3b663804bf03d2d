"""`tf.contrib.crf`: conditional random fields over chains of tags.

The score of a sequence of tags is the sum of a unary score for each step and a score for each
transition. Source: Lafferty, McCallum & Pereira, "Conditional random fields", ICML 2001.
Everywhere: inputs [batch, time, tags], tag_indices ints [batch, time], sequence_lengths ints
[batch], transition_params [tags, tags] (from row to column). Steps beyond a length count nowhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.errors import ShapeError, describe
from graphflow.ops.scope import scope
from graphflow.ops.variable_scope import get_variable


def _checked(op: str, inputs: Any, lengths: Any) -> tuple[Any, Any]:
    inputs, lengths = convert(inputs), F.cast(convert(lengths), dt.int32)
    if inputs.shape.rank != 3:
        raise ShapeError(describe(
            op, None, f"inputs must be [batch, time, tags], got {inputs.shape}"))
    if lengths.shape.rank != 1:
        raise ShapeError(describe(
            op, None, f"sequence_lengths must be a vector, got {lengths.shape}"))
    return inputs, lengths


def _inside(like: Any, lengths: Any, dtype: Any) -> Any:
    """1 for the steps within the lengths: [batch, time], time as in `like`."""
    return F.sequence_mask(lengths, maxlen=F.shape(like)[1], dtype=dtype)


def crf_unary_score(tag_indices: Any, sequence_lengths: Any, inputs: Any) -> Any:
    """The sum of the unary scores of tags: [batch]."""
    inputs, lengths = _checked("crf_unary_score", inputs, sequence_lengths)
    scores = F.gather(inputs, F.cast(convert(tag_indices), dt.int32), batch_dims=2)
    return F.reduce_sum(scores * _inside(inputs, lengths, inputs.dtype), 1)


def crf_binary_score(tag_indices: Any, sequence_lengths: Any, transition_params: Any) -> Any:
    """The sum of the scores of the transitions between tags: [batch]."""
    tags = F.cast(convert(tag_indices), dt.int32)
    transitions = convert(transition_params)
    lengths = F.cast(convert(sequence_lengths), dt.int32)
    count = F.shape(transitions)[1]
    scores = F.gather(F.reshape(transitions, [-1]), tags[:, :-1] * count + tags[:, 1:])
    return F.reduce_sum(scores * _inside(scores, lengths - 1, scores.dtype), 1)


def crf_sequence_score(
    inputs: Any, tag_indices: Any, sequence_lengths: Any, transition_params: Any
) -> Any:
    """The score of sequences of tags, not normalised: [batch]; 0 where the length is 0."""
    with scope(None, "crf_sequence_score"):
        return crf_unary_score(tag_indices, sequence_lengths, inputs) + crf_binary_score(
            tag_indices, sequence_lengths, transition_params)


def crf_multitag_sequence_score(
    inputs: Any, tag_bitmap: Any, sequence_lengths: Any, transition_params: Any
) -> Any:
    """log Σ exp(score) over all sequences whose tags are allowed: [batch].

    tag_bitmap: bools [batch, time, tags], which tags each step may have.
    """
    inputs, lengths = _checked("crf_multitag_sequence_score", inputs, sequence_lengths)
    least = F.fill(F.shape(inputs), F.constant(-np.inf, inputs.dtype))
    return crf_log_norm(F.where(tag_bitmap, inputs, least), lengths, transition_params)


def crf_forward(inputs: Any, state: Any, transition_params: Any, sequence_lengths: Any) -> Any:
    """log Σ exp(score) of all beginnings that end with each tag: [batch, tags].

    inputs: the unary scores of the steps after `state`; state: [batch, tags], those of the first
    step. Given for the last step of each row, the one before its length.
    """
    inputs, transitions = convert(inputs), convert(transition_params)
    lengths = F.maximum(F.cast(convert(sequence_lengths), dt.int32) - 1, 0)
    first = convert(state)

    def turn(time: Any, alphas: Any) -> Any:
        paths = F.expand_dims(alphas, 2) + transitions
        new = inputs[:, time] + F.reduce_logsumexp(paths, 1)
        return time + 1, F.where(time < lengths, new, alphas)

    # A row without steps left keeps its state, so what is at the end is what was at its length.
    end = F.minimum(F.shape(inputs)[1], F.reduce_max(lengths))
    return F.while_loop(lambda time, alphas: time < end, turn, [0, first])[1]


def crf_log_norm(inputs: Any, sequence_lengths: Any, transition_params: Any) -> Any:
    """log Σ exp(score) over all sequences of tags: [batch]; 0 where the length is 0."""
    inputs, lengths = _checked("crf_log_norm", inputs, sequence_lengths)
    with scope(None, "crf_log_norm"):
        alphas = crf_forward(inputs[:, 1:], inputs[:, 0], transition_params, lengths)
        norm = F.reduce_logsumexp(alphas, 1)
        return F.where(lengths <= 0, F.zeros_like(norm), norm)


def crf_log_likelihood(
    inputs: Any, tag_indices: Any, sequence_lengths: Any, transition_params: Any = None
) -> tuple[Any, Any]:
    """(log P(tags) [batch], transition_params).

    transition_params: by default a variable, "transitions" [tags, tags], which is made (or found)
    in the variable scope here. Raises ShapeError for inputs of another rank.
    """
    inputs, lengths = _checked("crf_log_likelihood", inputs, sequence_lengths)
    if transition_params is None:
        tags = inputs.shape.as_list()[2]
        transition_params = get_variable("transitions", [tags, tags], inputs.dtype)
    score = crf_sequence_score(inputs, tag_indices, lengths, transition_params)
    return score - crf_log_norm(inputs, lengths, transition_params), transition_params


def viterbi_decode(score: Any, transition_params: Any) -> tuple[list[int], Any]:
    """(tags of the best sequence, its score), outside of a graph, with NumPy.

    score: an array [time, tags] of unary scores; transition_params: an array [tags, tags].
    """
    score, transition_params = np.asarray(score), np.asarray(transition_params)
    trellis, parents = score[0], []
    for unary in score[1:]:
        paths = trellis[:, None] + transition_params
        parents.append(paths.argmax(0))
        trellis = unary + paths.max(0)
    tags = [int(trellis.argmax())]
    for backward in reversed(parents):
        tags.append(int(backward[tags[-1]]))
    return tags[::-1], trellis.max()


def crf_decode(
    potentials: Any, transition_params: Any, sequence_length: Any
) -> tuple[Any, Any]:
    """(tags int32 [batch, time], best score [batch]): the best sequences.

    potentials: the unary scores [batch, time, tags]. Tags beyond the lengths are 0.
    Source: Viterbi, "Error bounds for convolutional codes", 1967.
    """
    potentials, lengths = _checked("crf_decode", potentials, sequence_length)
    transitions = convert(transition_params)
    with scope(None, "crf_decode"):
        # Each step's best tag before: the tag itself beyond a row's length, so that going back
        # from the end arrives at the row's last tag unchanged.
        same = F.range(F.shape(potentials)[2])

        def turn(trellis: Any, step: Any) -> Any:
            unary, inside = step
            paths = F.expand_dims(trellis[0], 2) + transitions
            best = F.argmax(paths, 1, output_type=dt.int32)
            return (F.where(inside, unary + F.reduce_max(paths, 1), trellis[0]),
                    F.where_v2(F.expand_dims(inside, 1), best, same))

        steps = F.transpose(potentials, [1, 0, 2])
        mask = F.transpose(F.sequence_mask(lengths, maxlen=F.shape(potentials)[1]))
        first = steps[0], F.zeros_like(steps[0], dtype=dt.int32)
        trellis, parents = F.scan(turn, (steps[1:], mask[1:]), first)
        last = F.concat([steps[:1], trellis], 0)[-1]
        tag = F.argmax(last, 1, output_type=dt.int32)
        before = F.scan(lambda tag, backward: F.gather(backward, tag, batch_dims=1), parents, tag,
                        reverse=True)
        tags = F.transpose(F.concat([before, F.expand_dims(tag, 0)], 0))
        tags = tags * _inside(tags, lengths, dt.int32)
        best = F.reduce_max(last, 1)
        return tags, F.where(lengths <= 0, F.zeros_like(best), best)


__all__ = [
    "crf_binary_score", "crf_decode", "crf_forward", "crf_log_likelihood", "crf_log_norm",
    "crf_multitag_sequence_score", "crf_sequence_score", "crf_unary_score", "viterbi_decode",
]
