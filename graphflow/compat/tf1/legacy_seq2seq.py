"""`tf.contrib.legacy_seq2seq`: networks from lists of steps to lists of steps, by bucket.

Inputs are lists with one entry per step: symbols are ints [batch], other inputs [batch, n].
Sources: Sutskever, Vinyals & Le, "Sequence to sequence learning with neural networks", NIPS 2014;
Vinyals et al., "Grammar as a foreign language", NIPS 2015 (attention).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.compat.tf1.rnn_cells import EmbeddingWrapper, OutputProjectionWrapper, linear
from graphflow.compat.tf1.seq2seq.losses import legacy_sequence_loss as sequence_loss
from graphflow.compat.tf1.seq2seq.losses import sequence_loss_by_example
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.ops.arguments import is_tensor
from graphflow.ops.nests import Nest
from graphflow.ops.variable_scope import get_variable, get_variable_scope, variable_scope
from graphflow.recurrent import static_rnn

Loop = Callable[[Any, int], Any]
Decoded = tuple[list[Any], Any]


def _next_input(
    embedding: Any, output_projection: Any = None, update_embedding: bool = True
) -> Loop:
    """A loop function: the vector of the likeliest symbol of the step before."""
    def loop_function(previous: Any, _: int) -> Any:
        if output_projection is not None:
            previous = F.xw_plus_b(previous, output_projection[0], output_projection[1])
        vectors = F.embedding_lookup(embedding, F.argmax(previous, 1))
        return vectors if update_embedding else F.stop_gradient(vectors)

    return loop_function


def rnn_decoder(
    decoder_inputs: Sequence[Any], initial_state: Any, cell: Any,
    loop_function: Loop | None = None, scope: Any = None,
) -> Decoded:
    """(outputs, last state) of a cell; `loop_function(output, i)` gives the next input, if any."""
    state, outputs, previous = initial_state, [], None
    with variable_scope(scope or "rnn_decoder"):
        for i, inputs in enumerate(decoder_inputs):
            if loop_function is not None and previous is not None:
                with variable_scope("loop_function", reuse=True):
                    inputs = loop_function(previous, i)
            if i > 0:
                get_variable_scope().reuse_variables()
            output, state = cell(inputs, state)
            outputs.append(output)
            previous = output if loop_function is not None else None
    return outputs, state


def basic_rnn_seq2seq(
    encoder_inputs: Sequence[Any], decoder_inputs: Sequence[Any], cell: Any,
    dtype: Any = dt.float32, scope: Any = None,
) -> Decoded:
    """A cell reads the encoder's inputs, and one of its kind goes on from its last state."""
    with variable_scope(scope or "basic_rnn_seq2seq"):
        _, state = static_rnn(copy.deepcopy(cell), encoder_inputs, dtype=dtype)
        return rnn_decoder(decoder_inputs, state, cell)


def tied_rnn_seq2seq(
    encoder_inputs: Sequence[Any], decoder_inputs: Sequence[Any], cell: Any,
    loop_function: Loop | None = None, dtype: Any = dt.float32, scope: Any = None,
) -> Decoded:
    """The same as `basic_rnn_seq2seq`, with the same weights for both cells."""
    with variable_scope("combined_tied_rnn_seq2seq"):
        name = scope or "tied_rnn_seq2seq"
        _, state = static_rnn(cell, encoder_inputs, dtype=dtype, scope=name)
        get_variable_scope().reuse_variables()
        return rnn_decoder(decoder_inputs, state, cell, loop_function, name)


def embedding_rnn_decoder(
    decoder_inputs: Sequence[Any], initial_state: Any, cell: Any, num_symbols: int,
    embedding_size: int, output_projection: Any = None, feed_previous: bool = False,
    update_embedding_for_previous: bool = True, scope: Any = None,
) -> Decoded:
    """`rnn_decoder` over symbols.

    output_projection: (weights, biases) that make logits of the outputs, where these are none.
    feed_previous: all but the first input are the likeliest symbols of the steps before.
    """
    with variable_scope(scope or "embedding_rnn_decoder"):
        table = get_variable("embedding", [num_symbols, embedding_size])
        loop = _next_input(table, output_projection, update_embedding_for_previous)
        vectors = [F.embedding_lookup(table, i) for i in decoder_inputs]
        return rnn_decoder(vectors, initial_state, cell, loop if feed_previous else None)


def _by_feeding(feed_previous: Any, decoder: Callable[[bool], Decoded]) -> Decoded:
    """The decoder's results; of both kinds of decoder where a bool tensor says which."""
    if not is_tensor(feed_previous):
        return decoder(feed_previous)
    shared: list[Nest] = []

    def branch(feeds: bool) -> list[Any]:
        with variable_scope(get_variable_scope(), reuse=None if feeds else True):
            nest = Nest(decoder(feeds))
            shared.append(nest)
            return nest.leaves

    leaves = F.cond(feed_previous, lambda: branch(True), lambda: branch(False))
    outputs, state = shared[0].rebuild(leaves)
    return outputs, state


def embedding_rnn_seq2seq(
    encoder_inputs: Sequence[Any], decoder_inputs: Sequence[Any], cell: Any,
    num_encoder_symbols: int, num_decoder_symbols: int, embedding_size: int,
    output_projection: Any = None, feed_previous: Any = False, dtype: Any = None,
    scope: Any = None,
) -> Decoded:
    """`basic_rnn_seq2seq` over symbols. Outputs are logits, unless there is an output_projection.

    feed_previous: a bool, or a bool scalar tensor; see `embedding_rnn_decoder`.
    """
    with variable_scope(scope or "embedding_rnn_seq2seq"):
        encoder = EmbeddingWrapper(copy.deepcopy(cell), num_encoder_symbols, embedding_size)
        _, state = static_rnn(encoder, encoder_inputs, dtype=dtype or dt.float32)
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_decoder_symbols)
        return _by_feeding(feed_previous, lambda feeds: embedding_rnn_decoder(
            decoder_inputs, state, cell, num_decoder_symbols, embedding_size, output_projection,
            feeds))


class _Heads:
    """Where a decoder looks: `num_heads` additive attentions over the same states."""

    def __init__(self, states: Any, num_heads: int) -> None:
        self.states = convert(states)
        if self.states.shape.rank != 3 or self.states.shape.as_list()[2] is None:
            raise ShapeError("Shape[2] of attention_states must be known: "
                             f"{self.states.shape}")
        self.size = self.states.shape.as_list()[2]
        self._keys, self._v = [], []
        for head in range(num_heads):
            w = get_variable(f"AttnW_{head}", [1, 1, self.size, self.size], self.states.dtype)
            self._keys.append(F.tensordot(self.states, w[0, 0], [[2], [0]]))
            self._v.append(get_variable(f"AttnV_{head}", [self.size], self.states.dtype))

    def start(self, batch: Any) -> list[Any]:
        """Nothing seen yet."""
        return [F.zeros([batch, self.size], self.states.dtype) for _ in self._v]

    def look(self, state: Any) -> list[Any]:
        """What each head sees from a state: [batch, size] each."""
        query, found = [convert(s) for s in Nest(state).leaves], []
        for head, (keys, v) in enumerate(zip(self._keys, self._v)):
            with variable_scope(f"Attention_{head}"):
                hidden = F.tanh(keys + F.expand_dims(linear(query, self.size), 1))
                weights = F.softmax(F.reduce_sum(v * hidden, 2))
                found.append(F.reduce_sum(F.expand_dims(weights, 2) * self.states, 1))
        return found


def attention_decoder(
    decoder_inputs: Sequence[Any], initial_state: Any, attention_states: Any, cell: Any,
    output_size: int | None = None, num_heads: int = 1, loop_function: Loop | None = None,
    dtype: Any = None, scope: Any = None, initial_state_attention: bool = False,
) -> Decoded:
    """`rnn_decoder` with attention to states [batch, time, n].

    output_size: the cell's by default. initial_state_attention: the first step sees something
    too. Raises AttributeValueError for no inputs or heads, ShapeError for states of unknown size.
    """
    if not decoder_inputs:
        raise AttributeValueError("Must provide at least 1 input to attention decoder.")
    if num_heads < 1:
        raise AttributeValueError("With less than 1 heads, use a non-attention decoder.")
    with variable_scope(scope or "attention_decoder", dtype=dtype):
        heads = _Heads(attention_states, num_heads)
        state, outputs, previous = initial_state, [], None
        seen = heads.look(state) if initial_state_attention else heads.start(
            F.shape(convert(decoder_inputs[0]))[0])
        for i, inputs in enumerate(decoder_inputs):
            if i > 0:
                get_variable_scope().reuse_variables()
            inputs = convert(inputs)
            if loop_function is not None and previous is not None:
                with variable_scope("loop_function", reuse=True):
                    inputs = loop_function(previous, i)
            joined = linear([inputs, *seen], inputs.shape.as_list()[1])
            output, state = cell(joined, state)
            reuse = True if i == 0 and initial_state_attention else None
            with variable_scope(get_variable_scope(), reuse=reuse):
                seen = heads.look(state)
            with variable_scope("AttnOutputProjection"):
                output = linear([output, *seen], output_size or cell.output_size)
            outputs.append(output)
            previous = output if loop_function is not None else None
    return outputs, state


def embedding_attention_decoder(
    decoder_inputs: Sequence[Any], initial_state: Any, attention_states: Any, cell: Any,
    num_symbols: int, embedding_size: int, num_heads: int = 1, output_size: int | None = None,
    output_projection: Any = None, feed_previous: bool = False,
    update_embedding_for_previous: bool = True, dtype: Any = None, scope: Any = None,
    initial_state_attention: bool = False,
) -> Decoded:
    """`attention_decoder` over symbols; see `embedding_rnn_decoder`."""
    with variable_scope(scope or "embedding_attention_decoder", dtype=dtype):
        table = get_variable("embedding", [num_symbols, embedding_size])
        loop = _next_input(table, output_projection, update_embedding_for_previous)
        vectors = [F.embedding_lookup(table, i) for i in decoder_inputs]
        return attention_decoder(
            vectors, initial_state, attention_states, cell, output_size or cell.output_size,
            num_heads, loop if feed_previous else None,
            initial_state_attention=initial_state_attention)


def embedding_attention_seq2seq(
    encoder_inputs: Sequence[Any], decoder_inputs: Sequence[Any], cell: Any,
    num_encoder_symbols: int, num_decoder_symbols: int, embedding_size: int, num_heads: int = 1,
    output_projection: Any = None, feed_previous: Any = False, dtype: Any = None,
    scope: Any = None, initial_state_attention: bool = False,
) -> Decoded:
    """`embedding_rnn_seq2seq` with attention to the encoder's outputs."""
    with variable_scope(scope or "embedding_attention_seq2seq", dtype=dtype):
        encoder = EmbeddingWrapper(copy.deepcopy(cell), num_encoder_symbols, embedding_size)
        outputs, state = static_rnn(encoder, encoder_inputs, dtype=dtype or dt.float32)
        states = F.stack(outputs, 1)
        size = None
        if output_projection is None:
            cell, size = OutputProjectionWrapper(cell, num_decoder_symbols), num_decoder_symbols
        return _by_feeding(feed_previous, lambda feeds: embedding_attention_decoder(
            decoder_inputs, state, states, cell, num_decoder_symbols, embedding_size, num_heads,
            size, output_projection, feeds, initial_state_attention=initial_state_attention))


def model_with_buckets(
    encoder_inputs: Sequence[Any], decoder_inputs: Sequence[Any], targets: Sequence[Any],
    weights: Sequence[Any], buckets: Sequence[tuple[int, int]], seq2seq: Callable[..., Decoded],
    softmax_loss_function: Any = None, per_example_loss: bool = False, name: str | None = None,
) -> tuple[list[list[Any]], list[Any]]:
    """(outputs, loss) of a network for each bucket, with the same variables for all.

    buckets: (steps of the encoder, steps of the decoder), the smallest first. seq2seq: (encoder
    inputs, decoder inputs) → (outputs, state). Raises AttributeValueError for too short lists.
    """
    longest = buckets[-1]
    for what, given, needed in (("encoder_inputs", encoder_inputs, longest[0]),
                                ("targets", targets, longest[1]),
                                ("weights", weights, longest[1])):
        if len(given) < needed:
            raise AttributeValueError(f"Length of {what} ({len(given)}) must be at least that of "
                                      f"last bucket ({needed}).")
    outputs, losses = [], []
    loss_of = sequence_loss_by_example if per_example_loss else sequence_loss
    for j, (read, written) in enumerate(buckets):
        with variable_scope(get_variable_scope(), reuse=True if j > 0 else None):
            found, _ = seq2seq(encoder_inputs[:read], decoder_inputs[:written])
        outputs.append(found)
        losses.append(loss_of(found, targets[:written], weights[:written],
                              softmax_loss_function=softmax_loss_function))
    return outputs, losses


__all__ = [
    "attention_decoder", "basic_rnn_seq2seq", "embedding_attention_decoder",
    "embedding_attention_seq2seq", "embedding_rnn_decoder", "embedding_rnn_seq2seq",
    "model_with_buckets", "rnn_decoder", "sequence_loss", "sequence_loss_by_example",
    "tied_rnn_seq2seq",
]
