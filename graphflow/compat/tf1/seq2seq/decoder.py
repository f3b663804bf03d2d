"""`Decoder`, and the loop that runs one: `dynamic_decode`.

Where the number of steps has a bound (`maximum_iterations`, or the length of the inputs), the
outputs are written into arrays of that size and cut at the end, so that the loop has fixed shapes
and runs as native code. Without a bound the arrays grow.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.errors import DTypeError, GraphError, ShapeError
from graphflow.ops.nests import Nest
from graphflow.ops.tensor_array import TensorArray
from graphflow.ops.variable_scope import variable_scope
from graphflow.recurrent.dynamic import copied_through, transposed
from graphflow.recurrent.structure import map_nest, require_same, size_of, zeros_of


class Decoder(ABC):
    """What `dynamic_decode` runs step by step; a subclass defines sizes, `initialize`, `step`."""

    @property
    @abstractmethod
    def batch_size(self) -> Any:
        """The number of sequences: an int or int32 scalar."""

    @property
    @abstractmethod
    def output_size(self) -> Any:
        """The shape of one row of each output: a nest of ints or TensorShapes."""

    @property
    @abstractmethod
    def output_dtype(self) -> Any:
        """The types of the outputs, in the same nest."""

    @property
    def tracks_own_finished(self) -> bool:
        """True if `step` gives all that is finished, not only what has finished now."""
        return False

    @property
    def most_steps(self) -> Any:
        """After how many steps everything is finished, an int or int32 scalar; None: unknown."""
        return None

    @abstractmethod
    def initialize(self, name: str | None = None) -> tuple[Any, Any, Any]:
        """(finished [batch] bools, first inputs, first state)."""

    @abstractmethod
    def step(self, time: Any, inputs: Any, state: Any, name: str | None = None) -> Any:
        """(outputs, next state, next inputs, finished [batch]) of step `time`, an int32 scalar."""

    def finalize(self, outputs: Any, final_state: Any, sequence_lengths: Any) -> Any:
        """(outputs, state) to give instead of what the loop gave; NotImplementedError: these."""
        raise NotImplementedError


def dynamic_decode(
    decoder: Any, output_time_major: bool = False, impute_finished: bool = False,
    maximum_iterations: Any = None, parallel_iterations: int = 32, swap_memory: bool = False,
    scope: Any = None,
) -> tuple[Any, Any, Any]:
    """(outputs, last state, lengths) of a decoder that runs until everything is finished.

    output_time_major: outputs are [time, batch, …] instead of [batch, time, …].
    impute_finished: rows that are finished give zeros and keep their state.
    maximum_iterations: an int or int32 scalar, the largest number of steps.
    parallel_iterations, swap_memory: accepted. scope: the variable scope, "decoder" by default.
    lengths: int32 like `finished`, the number of steps until each sequence was finished. `time` of
    the outputs is the number of steps that were needed.
    Raises DTypeError for what is no Decoder, ShapeError for a limit that is no scalar.
    """
    if not isinstance(decoder, Decoder):
        raise DTypeError(f"dynamic_decode: decoder must be a Decoder, got {type(decoder)}.")
    with variable_scope(scope, "decoder"):
        limit = _limit(maximum_iterations)
        finished, inputs, state = decoder.initialize()
        finished = convert(finished)
        if limit is not None:
            finished = F.logical_or(finished, limit <= 0)
        bound = _smaller(limit, decoder.most_steps)
        outputs, state, lengths = _loop(
            decoder, finished, inputs, state, bound, limit, impute_finished)
        with suppress(NotImplementedError):
            outputs, state = decoder.finalize(outputs, state, lengths)
        if not output_time_major:
            outputs = map_nest(transposed, outputs)
    return outputs, state, lengths


def _limit(maximum_iterations: Any) -> Any:
    if maximum_iterations is None:
        return None
    limit = F.convert_to_tensor(maximum_iterations, dt.int32, name="maximum_iterations")
    if limit.shape.rank not in (None, 0):
        raise ShapeError(f"dynamic_decode: maximum_iterations must be a scalar, got the shape "
                         f"{limit.shape}.")
    return limit


def _smaller(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    return F.minimum(a, b)


def _loop(
    decoder: Any, finished: Any, inputs: Any, state: Any, bound: Any, limit: Any, impute: bool
) -> tuple[Any, Any, Any]:
    """The steps: (outputs [time, batch, …], last state, lengths)."""
    sizes, batch = Nest(decoder.output_size), decoder.batch_size
    zeros = zeros_of(decoder.output_size, batch, decoder.output_dtype) if impute else None
    arrays = [_array(size, d, batch, bound) for size, d in zip(
        sizes.leaves, Nest(decoder.output_dtype).leaves)]
    state, room = _with_room(state, bound)
    lengths = F.zeros_like(finished, dtype=dt.int32)

    def turn(
        time: Any, arrays: Any, state: Any, inputs: Any, finished: Any, lengths: Any
    ) -> Any:
        outputs, new_state, next_inputs, now = decoder.step(time, inputs, state)
        require_same(Nest(state), Nest(new_state))
        require_same(sizes, Nest(outputs))
        require_same(Nest(inputs), Nest(next_inputs))
        done = now if decoder.tracks_own_finished else F.logical_or(now, finished)
        lengths = F.where(finished, lengths, F.fill(F.shape(lengths), time + 1))
        if impute:
            outputs = copied_through(finished, zeros, outputs)
            new_state = copied_through(finished, state, new_state)
        arrays = [a.write(time, o) for a, o in zip(arrays, Nest(outputs).leaves)]
        return time + 1, arrays, new_state, next_inputs, done, lengths

    time, arrays, state, _, _, lengths = F.while_loop(
        lambda time, arrays, state, inputs, finished, lengths: F.logical_not(
            F.reduce_all(finished)),
        turn, (0, arrays, state, inputs, finished, lengths), maximum_iterations=limit)
    found = [a.stack() if bound is None else a.stack()[:time] for a in arrays]
    return sizes.rebuild(found), _without_room(state, room, time), lengths


def _array(size: Any, dtype: Any, batch: Any, bound: Any) -> TensorArray:
    element = [batch if isinstance(batch, int) else None, *size_of(size).as_list()]
    if bound is None:
        return TensorArray(dtype, 0, dynamic_size=True, element_shape=element)
    return TensorArray(dtype, bound, element_shape=element)


def _with_room(state: Any, bound: Any) -> tuple[Any, list[bool]]:
    """The state with arrays of `bound` elements for empty ones that would grow; which these are.
    """
    nest = Nest(state)
    leaves = [
        TensorArray(o.dtype, bound, element_shape=o.element_shape)
        if bound is not None and isinstance(o, TensorArray) and _is_empty(o) else v
        for v, o in zip(nest.leaves, nest.owners)]
    return nest.rebuild(leaves), [a is not b for a, b in zip(leaves, nest.leaves)]


def _is_empty(array: TensorArray) -> bool:
    size = array.size().symbolic_value
    return array.dynamic_size and size is not None and size.item() == 0


def _without_room(state: Any, room: list[bool], time: Any) -> Any:
    """The last state, with arrays that have as many elements as there were steps."""
    if not any(room):
        return state
    nest = Nest(state)
    if len(nest.leaves) != len(room):
        raise GraphError("dynamic_decode: the state has changed its structure.")
    return nest.rebuild([
        TensorArray(v.dtype, dynamic_size=True, flow=v[:time]) if r else v
        for v, r in zip(nest.leaves, room)])
