"""Helpers: what a decoder reads next, and which symbols it takes from its outputs.

A helper gives the first inputs (`initialize`), the symbols of a step (`sample`), and whether the
sequences are finished with the inputs of the next step (`next_inputs`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.dtypes import as_dtype
from graphflow.errors import AttributeValueError, DTypeError, ShapeError
from graphflow.ops.nests import Nest
from graphflow.ops.tensor_array import TensorArray
from graphflow.recurrent.dynamic import transposed
from graphflow.recurrent.structure import batch_size_of, map_nest
from graphflow.shapes import TensorShape, as_shape


class Helper(ABC):
    """What decides the inputs of a decoder's steps."""

    @property
    @abstractmethod
    def batch_size(self) -> Any:
        """The number of sequences: an int or int32 scalar."""

    @property
    def sample_ids_shape(self) -> TensorShape:
        """The shape of one row of what `sample` gives."""
        return TensorShape([])

    @property
    def sample_ids_dtype(self) -> Any:
        """The type of what `sample` gives."""
        return dt.int32

    @property
    def most_steps(self) -> Any:
        """After how many steps all sequences are finished, if that is known; else None."""
        return None

    @abstractmethod
    def initialize(self, name: str | None = None) -> tuple[Any, Any]:
        """(finished [batch] bools, first inputs)."""

    @abstractmethod
    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """The symbols of a step, [batch]."""

    @abstractmethod
    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple[Any, Any, Any]:
        """(finished [batch] bools, the next step's inputs, its state)."""


class CustomHelper(Helper):
    """A helper made of three functions, with the arguments and results of `Helper`'s methods.

    Args:
      initialize_fn: () → (finished, first inputs).
      sample_fn: (time, outputs, state) → sample_ids; called with keywords.
      next_inputs_fn: (time, outputs, state, sample_ids) → (finished, next inputs, next state);
        called with keywords.
      sample_ids_shape, sample_ids_dtype: of one row of sample_ids; a scalar int32 by default.
    """

    def __init__(
        self, initialize_fn: Callable[..., Any], sample_fn: Callable[..., Any],
        next_inputs_fn: Callable[..., Any], sample_ids_shape: Any = None,
        sample_ids_dtype: Any = None,
    ) -> None:
        self._initialize_fn, self._sample_fn = initialize_fn, sample_fn
        self._next_inputs_fn = next_inputs_fn
        self._batch_size: Any = None
        self._shape = as_shape(() if sample_ids_shape is None else sample_ids_shape)
        self._dtype = as_dtype(sample_ids_dtype or dt.int32)

    @property
    def batch_size(self) -> Any:
        """That of `finished`; known after `initialize`."""
        if self._batch_size is None:
            raise AttributeValueError("batch_size accessed before initialize was called")
        return self._batch_size

    @property
    def sample_ids_shape(self) -> TensorShape:
        """As given."""
        return self._shape

    @property
    def sample_ids_dtype(self) -> Any:
        """As given."""
        return self._dtype

    def initialize(self, name: str | None = None) -> tuple[Any, Any]:
        """What initialize_fn gives."""
        finished, inputs = self._initialize_fn()
        finished = convert(finished)
        if self._batch_size is None:
            self._batch_size = batch_size_of(finished)
        return finished, inputs

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """What sample_fn gives."""
        return self._sample_fn(time=time, outputs=outputs, state=state)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple[Any, Any, Any]:
        """What next_inputs_fn gives."""
        finished, inputs, state = self._next_inputs_fn(
            time=time, outputs=outputs, state=state, sample_ids=sample_ids)
        return finished, inputs, state


class TrainingHelper(Helper):
    """Teacher forcing: the inputs are given, whatever the decoder says.

    Args:
      inputs: a nest of tensors [batch, time, …], [time, batch, …] if time_major.
      sequence_length: ints [batch].

    `sample` gives the class with the largest output, int32. Raises ShapeError for lengths that
    are no vector.
    """

    def __init__(
        self, inputs: Any, sequence_length: Any, time_major: bool = False,
        name: str | None = None,
    ) -> None:
        given = map_nest(convert, inputs)
        self._inputs = given
        steps = given if time_major else map_nest(transposed, given)
        self._nest = Nest(steps)
        self._time = batch_size_of(self._nest.leaves[0], 0)
        self._input_tas = [
            TensorArray(x.dtype, self._time, tensor_array_name=f"input_{k}").unstack(x)
            for k, x in enumerate(self._nest.leaves)]
        lengths = convert(sequence_length)
        if lengths.shape.rank != 1:
            raise ShapeError(f"Expected sequence_length to be a vector, but received shape: "
                             f"{lengths.shape}")
        self._sequence_length = F.cast(lengths, dt.int32)
        self._batch_size = batch_size_of(self._sequence_length)
        self._zero_inputs = map_nest(
            lambda x: F.zeros_like(x[0]), steps) if self._time != 0 else None

    @property
    def inputs(self) -> Any:
        """As given."""
        return self._inputs

    @property
    def sequence_length(self) -> Any:
        """The lengths, int32."""
        return self._sequence_length

    @property
    def batch_size(self) -> Any:
        """The number of lengths."""
        return self._batch_size

    @property
    def most_steps(self) -> Any:
        """The number of steps of the inputs."""
        return self._time

    def initialize(self, name: str | None = None) -> tuple[Any, Any]:
        """(whether a sequence is empty, the first step of the inputs)."""
        finished = F.equal(self._sequence_length, 0)
        return finished, self._step(0, F.reduce_all(finished))

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """The class with the largest output: int32 [batch]."""
        return F.cast(F.argmax(outputs, axis=-1), dt.int32)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple[Any, Any, Any]:
        """The next step of the inputs; zeros when all sequences are finished."""
        following = time + 1
        finished = following >= self._sequence_length
        return finished, self._step(following, F.reduce_all(finished)), state

    def _step(self, time: Any, all_finished: Any) -> Any:
        """The inputs of a step. Those of step 0 are read, and not used, when all are finished."""
        place = F.where(all_finished, 0, time)
        return self._nest.rebuild([
            F.where_v2(all_finished, F.zeros_like(x), x)
            for x in (a.read(place) for a in self._input_tas)])


def embedding_function(embedding: Any) -> Callable[[Any], Any]:
    """A function from symbols to their vectors; itself, or rows of a table."""
    if callable(embedding):
        chosen: Callable[[Any], Any] = embedding
        return chosen
    return lambda ids: F.embedding_lookup(embedding, ids)


class GreedyEmbeddingHelper(Helper):
    """The likeliest symbol of a step is the input of the next one.

    Args:
      embedding: a table [symbols, n], or a function from symbols to vectors.
      start_tokens: int32 [batch].
      end_token: int32 scalar; a sequence is finished when it is drawn.

    Raises ShapeError if start_tokens is no vector or end_token no scalar.
    """

    def __init__(self, embedding: Any, start_tokens: Any, end_token: Any) -> None:
        self._embedding_fn = embedding_function(embedding)
        self._start_tokens = F.convert_to_tensor(start_tokens, dt.int32, name="start_tokens")
        self._end_token = F.convert_to_tensor(end_token, dt.int32, name="end_token")
        if self._start_tokens.shape.rank != 1:
            raise ShapeError(f"start_tokens must be a vector, got {self._start_tokens.shape}.")
        if self._end_token.shape.rank != 0:
            raise ShapeError(f"end_token must be a scalar, got {self._end_token.shape}.")
        self._batch_size = batch_size_of(self._start_tokens)
        self._start_inputs = self._embedding_fn(self._start_tokens)

    @property
    def batch_size(self) -> Any:
        """The number of start tokens."""
        return self._batch_size

    def initialize(self, name: str | None = None) -> tuple[Any, Any]:
        """(False for all, the vectors of the start tokens)."""
        return F.fill([self._batch_size], False), self._start_inputs

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """The class with the largest output: int32 [batch]. Raises DTypeError for a nest."""
        return F.argmax(_logits(outputs), axis=-1, output_type=dt.int32)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple[Any, Any, Any]:
        """The vectors of the symbols; a sequence is finished at the end token."""
        return F.equal(sample_ids, self._end_token), self._embedding_fn(sample_ids), state


def _logits(outputs: Any) -> Any:
    if isinstance(outputs, (list, tuple, dict)):
        raise DTypeError(f"Expected outputs to be a single Tensor, got: {type(outputs)}")
    return convert(outputs)


class SampleEmbeddingHelper(GreedyEmbeddingHelper):
    """A symbol drawn from the softmax of the outputs is the input of the next step.

    softmax_temperature: the outputs are divided by it; a positive number. seed: of the draws.
    Other arguments as for GreedyEmbeddingHelper.
    """

    def __init__(
        self, embedding: Any, start_tokens: Any, end_token: Any, softmax_temperature: Any = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(embedding, start_tokens, end_token)
        self._temperature, self._seed = softmax_temperature, seed

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """Symbols drawn with probabilities softmax(outputs / temperature): int32 [batch]."""
        logits = _logits(outputs)
        if self._temperature is not None:
            logits = logits / self._temperature
        return drawn_classes(logits, self._seed)


def drawn_classes(logits: Any, seed: int | None) -> Any:
    """One class for each row of logits [batch, classes]: int32 [batch]."""
    return F.categorical(logits, 1, dtype=dt.int32, seed=seed)[:, 0]


class InferenceHelper(Helper):
    """Symbols, inputs and the end are given by functions.

    Args:
      sample_fn: outputs → sample_ids.
      sample_shape, sample_dtype: of one row of sample_ids.
      start_inputs: the first inputs [batch, …].
      end_fn: sample_ids → finished, bools [batch].
      next_inputs_fn: sample_ids → the next inputs; the sample_ids themselves by default.
    """

    def __init__(
        self, sample_fn: Callable[[Any], Any], sample_shape: Any, sample_dtype: Any,
        start_inputs: Any, end_fn: Callable[[Any], Any],
        next_inputs_fn: Callable[[Any], Any] | None = None,
    ) -> None:
        self._sample_fn, self._end_fn = sample_fn, end_fn
        self._shape, self._dtype = as_shape(sample_shape), as_dtype(sample_dtype)
        self._next_inputs_fn = next_inputs_fn
        self._start_inputs = convert(start_inputs)
        self._batch_size = batch_size_of(self._start_inputs)

    @property
    def batch_size(self) -> Any:
        """The number of rows of the first inputs."""
        return self._batch_size

    @property
    def sample_ids_shape(self) -> TensorShape:
        """As given."""
        return self._shape

    @property
    def sample_ids_dtype(self) -> Any:
        """As given."""
        return self._dtype

    def initialize(self, name: str | None = None) -> tuple[Any, Any]:
        """(False for all, the first inputs)."""
        return F.fill([self._batch_size], False), self._start_inputs

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """What sample_fn gives."""
        return self._sample_fn(outputs)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple[Any, Any, Any]:
        """What the functions give for the symbols."""
        inputs = sample_ids if self._next_inputs_fn is None else self._next_inputs_fn(sample_ids)
        return self._end_fn(sample_ids), inputs, state
