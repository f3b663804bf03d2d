"""Scheduled sampling: sometimes the decoder reads what it said itself instead of the truth.

Source: Bengio, Vinyals, Jaitly & Shazeer, "Scheduled sampling for sequence prediction with
recurrent neural networks", NIPS 2015.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.compat.tf1.seq2seq.helper import (
    TrainingHelper,
    drawn_classes,
    embedding_function,
)
from graphflow.errors import ShapeError
from graphflow.ops.nests import Nest
from graphflow.ops.tensor_array import TensorArray
from graphflow.recurrent.dynamic import transposed
from graphflow.recurrent.structure import map_nest


def _probability(sampling_probability: Any) -> Any:
    p = F.convert_to_tensor(sampling_probability, dt.float32, name="sampling_probability")
    if p.shape.rank not in (0, 1):
        raise ShapeError("sampling_probability must be either a scalar or a vector. saw shape: "
                         f"{p.shape}")
    return p


def _chosen(probability: Any, batch: Any, seed: int | None) -> Any:
    """True with the probability, for each row: bools [batch]."""
    return F.random_uniform(F.reshape(batch, [1]), seed=seed) < probability


class ScheduledEmbeddingTrainingHelper(TrainingHelper):
    """With some probability, the next input is the vector of a symbol drawn from the outputs.

    Args:
      inputs, sequence_length, time_major: as for TrainingHelper; one tensor.
      embedding: a table [symbols, n], or a function from symbols to vectors.
      sampling_probability: a float scalar, or [batch].
      seed, scheduling_seed: of the symbols, and of the choice whether to use them.

    `sample` gives −1 where the given input is read next. Raises ShapeError for a probability of
    higher rank.
    """

    def __init__(
        self, inputs: Any, sequence_length: Any, embedding: Any, sampling_probability: Any,
        time_major: bool = False, seed: int | None = None, scheduling_seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(inputs, sequence_length, time_major, name)
        self._embedding_fn = embedding_function(embedding)
        self._probability = _probability(sampling_probability)
        self._seed, self._scheduling_seed = seed, scheduling_seed

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """Drawn symbols, or −1: int32 [batch]."""
        drawn = drawn_classes(outputs, self._seed)
        chosen = _chosen(self._probability, self.batch_size, self._scheduling_seed)
        return F.where(chosen, drawn, F.fill(F.shape(drawn), -1))

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple[Any, Any, Any]:
        """The given inputs, with the vectors of symbols where these were drawn."""
        finished, given, state = super().next_inputs(time, outputs, state, sample_ids)
        vectors = self._embedding_fn(F.maximum(sample_ids, 0))
        read = F.where(sample_ids > -1, vectors, given)
        done = F.reduce_all(finished)
        return finished, F.where_v2(done, F.zeros_like(given), read), state


class ScheduledOutputTrainingHelper(TrainingHelper):
    """With some probability, the next input is the output itself.

    Args:
      inputs, sequence_length, time_major: as for TrainingHelper.
      sampling_probability: a float scalar, or [batch].
      seed: of the choice.
      next_inputs_fn: what makes an input of the output; by default it is taken as it is.
      auxiliary_inputs: tensors of the inputs' structure, [batch, time, …], that are appended to
        the given and to the sampled inputs.

    `sample` gives 1 where the output is read next, else 0.
    """

    def __init__(
        self, inputs: Any, sequence_length: Any, sampling_probability: Any,
        time_major: bool = False, seed: int | None = None,
        next_inputs_fn: Callable[[Any], Any] | None = None, auxiliary_inputs: Any = None,
        name: str | None = None,
    ) -> None:
        self._probability = _probability(sampling_probability)
        self._auxiliary: Any = None
        given = inputs
        if auxiliary_inputs is not None:
            auxiliary = map_nest(convert, auxiliary_inputs)
            given = map_nest(lambda x, y: F.concat([convert(x), y], -1), inputs, auxiliary)
            steps = auxiliary if time_major else map_nest(transposed, auxiliary)
            self._auxiliary = [
                TensorArray(x.dtype, F.shape(x)[0]).unstack(x) for x in Nest(steps).leaves]
        super().__init__(given, sequence_length, time_major, name)
        self._seed, self._next_inputs_fn = seed, next_inputs_fn

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """1 where the output is read next: int32 [batch]."""
        return F.cast(_chosen(self._probability, self.batch_size, self._seed), dt.int32)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple[Any, Any, Any]:
        """The given inputs, with the outputs where these were chosen."""
        finished, given, state = super().next_inputs(time, outputs, state, sample_ids)
        made = outputs if self._next_inputs_fn is None else self._next_inputs_fn(outputs)
        done = F.reduce_all(finished)
        if self._auxiliary is not None:
            place = F.where(done, 0, time + 1)
            nest = Nest(made)
            made = nest.rebuild([F.concat([x, a.read(place)], -1)
                                 for x, a in zip(nest.leaves, self._auxiliary)])
        chosen = F.logical_and(F.cast(sample_ids, dt.bool_), F.logical_not(done))
        return finished, map_nest(lambda x, y: F.where(chosen, x, y), made, given), state
