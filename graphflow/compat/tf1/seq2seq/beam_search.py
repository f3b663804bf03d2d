"""Beam search: the likeliest sequences, several at a time.

The beams of one sequence stand side by side: symbols and scores are [batch, beams], and the cell
runs on batch · beams rows. Scores are log-probabilities, divided by a length penalty (Wu et al.,
"Google's neural machine translation system", 2016, equation 14).
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.compat.tf1.seq2seq.attention_wrapper import AttentionWrapperState
from graphflow.compat.tf1.seq2seq.basic_decoder import checked_layer
from graphflow.compat.tf1.seq2seq.decoder import Decoder
from graphflow.compat.tf1.seq2seq.helper import embedding_function
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.ops.nests import Nest, Stateful
from graphflow.ops.tensor_array import TensorArray
from graphflow.recurrent.cell import require_cell
from graphflow.recurrent.structure import batch_size_of, map_nest
from graphflow.shapes import TensorShape

BeamSearchDecoderState = namedtuple("BeamSearchDecoderState", [
    "cell_state", "log_probs", "finished", "lengths", "accumulated_attention_probs"])
BeamSearchDecoderOutput = namedtuple(
    "BeamSearchDecoderOutput", ["scores", "predicted_ids", "parent_ids"])
FinalBeamSearchDecoderOutput = namedtuple(
    "FinalBeamSearchDecoderOutput", ["predicted_ids", "beam_search_decoder_output"])


def tile_batch(t: Any, multiplier: int, name: str | None = None) -> Any:
    """Each row `multiplier` times: [batch, …] → [batch · multiplier, …], in a nest of tensors.

    Raises ShapeError (a ValueError) for a tensor of rank 0 or unknown rank.
    """
    def tiled(x: Any) -> Any:
        x = convert(x)
        if not x.shape.rank:
            raise ShapeError(f"tile_batch: t must have statically known rank of at least 1, got "
                             f"{x.shape}")
        sizes, known = F.shape(x), x.shape.as_list()
        rows = F.tile(F.expand_dims(x, 1), [1, multiplier] + [1] * (x.shape.rank - 1))
        joined = F.reshape(rows, F.concat([[sizes[0] * multiplier], sizes[1:]], 0))
        joined.set_shape([None if known[0] is None else known[0] * multiplier, *known[1:]])
        return joined

    return map_nest(tiled, t)


def gather_tree_from_array(t: Any, parent_ids: Any, sequence_length: Any) -> Any:
    """What was kept for each step, in the order of the final beams.

    t: [time, batch · beams, …] or [time, batch, beams, …], a tensor or TensorArray; parent_ids:
    int32 [time, batch, beams]; sequence_length: ints [batch, beams]. → a tensor like t.
    """
    own = _numbers(parent_ids)
    kept = t.stack() if isinstance(t, TensorArray) else convert(t)
    return _in_final_order(kept, own, own, parent_ids, sequence_length)


def _numbers(parent_ids: Any) -> Any:
    """0, 1, … along the beams: int32 [time, batch, beams]."""
    sizes = F.shape(parent_ids)
    return F.tile(F.reshape(F.range(sizes[2]), [1, 1, -1]), F.stack([sizes[0], sizes[1], 1]))


def _kept_by_parents(kept: Any, parent_ids: Any, sequence_length: Any) -> Any:
    """As above, of what a step's cell kept: its rows are the beams that the step started from."""
    own = _numbers(parent_ids)
    return _in_final_order(kept, own, parent_ids, parent_ids, sequence_length)


def _in_final_order(
    kept: Any, own: Any, rows_of_step: Any, parent_ids: Any, sequence_length: Any
) -> Any:
    """rows_of_step: where a beam's row is in a step; own: the beams' numbers."""
    sizes = F.shape(parent_ids)
    times, batch, beams = sizes[0], sizes[1], sizes[2]
    order = F.gather_tree(rows_of_step, parent_ids, F.fill(sizes[1:2], times), beams + 1)
    inside = F.transpose(F.sequence_mask(sequence_length, maxlen=times), [2, 0, 1])
    order = F.where(inside, order, own)
    rows = F.reshape(kept, F.stack([times, batch, beams, -1]))
    return F.reshape(F.gather(rows, order, batch_dims=2), F.shape(kept))


class BeamSearchDecoder(Decoder):
    """Decodes with `beam_width` beams for each sequence.

    Args:
      cell: an RNNCell.
      embedding: a table [symbols, n], or a function from symbols to vectors.
      start_tokens: int32 [batch]. end_token: int32 scalar.
      initial_state: the cell's first state, for batch · beam_width rows (`tile_batch`); with
        attention, the memory is tiled too.
      output_layer: a layer that makes logits of the cell's outputs, or None.
      length_penalty_weight: w of the penalty ((5 + length) / 6)^w; 0: none.
      coverage_penalty_weight: of the penalty for steps of the memory that got little attention
        (of one AttentionWrapper with one mechanism); 0: none.
      reorder_tensor_arrays: TensorArrays of the final state become tensors in the order of the
        final beams.

    Final outputs: FinalBeamSearchDecoderOutput(predicted_ids int32 [batch, time, beams], the best
    first; the outputs of the steps). Lengths are [batch, beams].
    Raises ShapeError for tokens of another rank; DTypeError for a cell or layer that is none.
    """

    def __init__(
        self, cell: Any, embedding: Any, start_tokens: Any, end_token: Any, initial_state: Any,
        beam_width: int, output_layer: Any = None, length_penalty_weight: Any = 0.0,
        coverage_penalty_weight: Any = 0.0, reorder_tensor_arrays: bool = True,
    ) -> None:
        require_cell("cell", cell)
        self._cell, self._output_layer = cell, checked_layer(output_layer)
        self._embedding_fn = embedding_function(embedding)
        start = F.convert_to_tensor(start_tokens, dt.int32, name="start_tokens")
        self._end_token = F.convert_to_tensor(end_token, dt.int32, name="end_token")
        if start.shape.rank != 1:
            raise ShapeError(f"start_tokens must be a vector, got {start.shape}.")
        if self._end_token.shape.rank != 0:
            raise ShapeError(f"end_token must be a scalar, got {self._end_token.shape}.")
        self._batch_size, self._beam_width = batch_size_of(start), int(beam_width)
        self._length_weight, self._coverage_weight = length_penalty_weight, coverage_penalty_weight
        self._reorder = reorder_tensor_arrays
        self._initial_cell_state = self._split(initial_state)
        self._start_inputs = self._embedding_fn(
            F.tile(F.expand_dims(start, 1), [1, self._beam_width]))

    @property
    def batch_size(self) -> Any:
        """The number of sequences."""
        return self._batch_size

    @property
    def tracks_own_finished(self) -> bool:
        """True: beams change their places."""
        return True

    @property
    def output_size(self) -> BeamSearchDecoderOutput:
        """[beams] each."""
        return BeamSearchDecoderOutput(*[TensorShape([self._beam_width])] * 3)

    @property
    def output_dtype(self) -> BeamSearchDecoderOutput:
        """Scores have the state's type, symbols and parents are int32."""
        return BeamSearchDecoderOutput(self._dtype, dt.int32, dt.int32)

    @property
    def _dtype(self) -> Any:
        return Nest(self._initial_cell_state).leaves[0].dtype

    @property
    def _counts_coverage(self) -> bool:
        return not (isinstance(self._coverage_weight, (int, float)) and not self._coverage_weight)

    # ---- rows and beams ---------------------------------------------------------------------

    def _reshaped(self, nested: Any, taken: int, sizes: list[Any], known: list[Any]) -> Any:
        """Tensors with `sizes` instead of their first `taken` axes; scalars and arrays stay."""
        def reshape(x: Any) -> Any:
            x = convert(x)
            if x.shape.rank is None:
                raise ShapeError(f"BeamSearchDecoder: {x.name} must have a known rank.")
            if x.shape.rank < taken:
                return x
            rest = x.shape.as_list()[taken:]
            count, rows = TensorShape(known).num_elements(), x.shape[:taken].num_elements()
            if None not in (count, rows) and count != rows:
                raise ShapeError(
                    f"BeamSearchDecoder: a state has the shape {x.shape}, expected batch · "
                    f"beam_width rows = {self._batch_size} · {self._beam_width}. Use tile_batch "
                    "on the encoder's state, or zero_state(batch_size * beam_width, …).")
            made = F.reshape(x, F.concat([sizes, F.shape(x)[taken:]], 0))
            expected = [*known, *rest]
            made.set_shape(expected)
            return made

        nest = Nest(nested)
        return nest.rebuild([
            x if isinstance(owner, Stateful) else reshape(x)
            for x, owner in zip(nest.leaves, nest.owners)])

    def _split(self, nested: Any) -> Any:
        """[batch · beams, …] → [batch, beams, …]."""
        batch = self._batch_size if isinstance(self._batch_size, int) else None
        return self._reshaped(nested, 1, [self._batch_size, self._beam_width],
                              [batch, self._beam_width])

    def _merge(self, nested: Any) -> Any:
        """[batch, beams, …] → [batch · beams, …]."""
        rows = self._batch_size * self._beam_width
        return self._reshaped(nested, 2, [rows], [rows if isinstance(rows, int) else None])

    # ---- decoding ---------------------------------------------------------------------------

    def initialize(self, name: str | None = None) -> tuple[Any, Any, Any]:
        """(finished [batch, beams], first inputs, first state): only the first beam counts."""
        batch, beams = self._batch_size, self._beam_width
        first = F.zeros([batch], dt.int32)
        attention: Any = ()
        if self._counts_coverage:
            attention = F.zeros_like(self._attention(self._initial_cell_state))
        state = BeamSearchDecoderState(
            cell_state=self._initial_cell_state,
            log_probs=F.one_hot(first, beams, on_value=0.0, off_value=-np.inf, dtype=self._dtype),
            finished=F.one_hot(first, beams, on_value=False, off_value=True, dtype=dt.bool_),
            lengths=F.zeros([batch, beams], dt.int64), accumulated_attention_probs=attention)
        return state.finished, self._start_inputs, state

    def step(self, time: Any, inputs: Any, state: Any, name: str | None = None) -> Any:
        """(outputs, next state, next inputs, finished [batch, beams])."""
        rows, cell_state = self._merge(inputs), self._merge(state.cell_state)
        outputs, cell_state = self._cell(rows, cell_state)
        if self._output_layer is not None:
            outputs = self._output_layer(outputs)
        logits, cell_state = self._split(outputs), self._split(cell_state)
        found, new = self._choose(logits, cell_state, state)
        return found, new, self._embedding_fn(found.predicted_ids), new.finished

    def _choose(self, logits: Any, cell_state: Any, state: Any) -> tuple[Any, Any]:
        """The best continuations of all beams: (outputs, next state)."""
        symbols = logits.shape.as_list()[-1]
        symbols = F.shape(logits)[-1] if symbols is None else symbols
        going = F.logical_not(state.finished)
        step = self._only_end_when_finished(F.log_softmax(logits), state.finished, symbols)
        total = F.expand_dims(state.log_probs, 2) + step
        attention = self._with_attention(state, cell_state, going)
        scores = self._scores(total, state, going, symbols, attention)
        best, places = F.top_k(F.reshape(scores, F.stack([self._batch_size, -1])),
                               self._beam_width)
        log_probs = F.gather(F.reshape(total, F.stack([self._batch_size, -1])), places,
                             batch_dims=1)
        words, parents = F.floormod(places, symbols), F.floordiv(places, symbols)

        def continued(x: Any) -> Any:
            return F.gather(x, parents, batch_dims=1)

        over = continued(state.finished)
        new = BeamSearchDecoderState(
            cell_state=self._of_beams(continued, cell_state), log_probs=log_probs,
            finished=F.logical_or(over, F.equal(words, self._end_token)),
            lengths=continued(state.lengths) + F.cast(F.logical_not(over), dt.int64),
            accumulated_attention_probs=() if attention is None else continued(attention))
        return BeamSearchDecoderOutput(best, words, parents), new

    def _of_beams(self, function: Any, cell_state: Any) -> Any:
        nest = Nest(cell_state)
        return nest.rebuild([
            x if isinstance(owner, Stateful) or x.shape.rank < 2 else function(x)
            for x, owner in zip(nest.leaves, nest.owners)])

    def _only_end_when_finished(self, log_probs: Any, finished: Any, symbols: Any) -> Any:
        """A finished beam goes on with end tokens alone, whose log-probability is 0."""
        end = F.one_hot(self._end_token, symbols, on_value=0.0,
                        off_value=float(log_probs.dtype.min), dtype=log_probs.dtype)
        return F.where_v2(F.expand_dims(finished, 2), end, log_probs)

    def _scores(self, total: Any, state: Any, going: Any, symbols: Any, attention: Any) -> Any:
        """What continuations are ranked by: [batch, beams, symbols]."""
        scores = total
        if not (isinstance(self._length_weight, (int, float)) and not self._length_weight):
            longer = F.one_hot(self._end_token, symbols, on_value=0, off_value=1, dtype=dt.int64)
            lengths = F.expand_dims(state.lengths, 2) + longer * F.expand_dims(
                F.cast(going, dt.int64), 2)
            scores = scores / F.pow((5.0 + F.cast(lengths, total.dtype)) / 6.0,
                                    F.cast(self._length_weight, total.dtype))
        if attention is None:
            return scores
        seen = F.where(F.equal(attention, 0), F.ones_like(attention), attention)
        penalty = F.reduce_sum(F.log(F.minimum(seen, 1.0)), 2) * F.cast(
            state.finished, total.dtype)
        return scores + F.expand_dims(penalty * self._coverage_weight, 2)

    def _with_attention(self, state: Any, cell_state: Any, going: Any) -> Any:
        """The attention so far [batch, beams, time], or None if coverage does not count."""
        if not self._counts_coverage:
            return None
        now = self._attention(cell_state)
        return state.accumulated_attention_probs + now * F.expand_dims(F.cast(going, now.dtype), 2)

    def _attention(self, cell_state: Any) -> Any:
        parts: list[Any] = [cell_state] if isinstance(cell_state, AttentionWrapperState) else [
            s for s in (cell_state if isinstance(cell_state, tuple) else ())
            if isinstance(s, AttentionWrapperState)]
        if len(parts) != 1 or isinstance(parts[0].alignments, tuple):
            raise AttributeValueError(
                "BeamSearchDecoder: coverage_penalty_weight needs the state of one "
                "AttentionWrapper with one mechanism.")
        return parts[0].alignments

    def finalize(self, outputs: Any, final_state: Any, sequence_lengths: Any) -> Any:
        """The sequences of the final beams, and the last state."""
        # From the last step on, not from a row's longest sequence: with a length penalty, beams
        # that have ended may still change places while other rows go on.
        sizes = F.shape(outputs.parent_ids)
        predicted = F.gather_tree(
            outputs.predicted_ids, outputs.parent_ids, F.fill(sizes[1:2], sizes[0]),
            self._end_token)
        if self._reorder:
            nest = Nest(final_state.cell_state)
            leaves = [
                _kept_by_parents(x, outputs.parent_ids, final_state.lengths)
                if isinstance(o, TensorArray) else x for x, o in zip(nest.leaves, nest.owners)]
            final_state = final_state._replace(cell_state=_replaced(nest, leaves))
        return FinalBeamSearchDecoderOutput(predicted, outputs), final_state


def _replaced(nest: Nest, leaves: list[Any]) -> Any:
    """The nest with tensors in the places of its arrays."""
    plain = Nest(nest.value)
    plain.owners = [None] * len(leaves)
    return plain.rebuild(leaves)
