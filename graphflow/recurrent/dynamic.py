"""Networks unrolled by a loop when the graph runs: `dynamic_rnn`, `bidirectional_dynamic_rnn`."""

from __future__ import annotations

from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert
from graphflow.errors import AttributeValueError, GraphError, ShapeError, describe
from graphflow.ops.nests import Nest, Stateful
from graphflow.ops.tensor_array import TensorArray
from graphflow.ops.variable_scope import variable_scope
from graphflow.recurrent.cell import initial_state as first_state
from graphflow.recurrent.cell import require_cell
from graphflow.recurrent.structure import (
    batch_size_of,
    map_nest,
    require_same,
    size_of,
    state_dtype,
)


def dynamic_rnn(
    cell: Any, inputs: Any, sequence_length: Any = None, initial_state: Any = None,
    dtype: Any = None, parallel_iterations: int | None = None, swap_memory: bool = False,
    time_major: bool = False, scope: Any = None,
) -> Any:
    """(outputs, last state) of a cell that goes through sequences step by step.

    cell: an RNNCell. inputs: [batch, time, …], [time, batch, …] if time_major, or a nest of such
      tensors; sizes may be unknown until the graph runs.
    sequence_length: ints [batch], steps in use; beyond them outputs are zeros and the state stays
      as it is. By default all steps are in use.
    initial_state: a nest like `cell.state_size`; zeros by default, which needs `dtype`.
    parallel_iterations, swap_memory: accepted.
    scope: the variable scope, "rnn" by default.
    Returns outputs like `cell.output_size`, each [batch, time, size] (time first if time_major),
    and the state after the last step in use. Raises DTypeError for what is no cell;
    AttributeValueError or ShapeError (ValueErrors) for missing or wrong arguments.
    """
    require_cell("cell", cell)
    with variable_scope(scope or "rnn"):
        nest = Nest(inputs)
        steps = [convert(x) for x in nest.leaves]
        if not time_major:
            steps = [transposed(x) for x in steps]
        for x in steps:
            if x.shape.rank is not None and x.shape.rank < 2:
                raise ShapeError(describe(
                    "dynamic_rnn", None, "inputs must be [batch, time, …] or [time, batch, …], "
                    f"got the shape {x.shape}"))
        batch = batch_size_of(steps[0], 1)
        lengths = checked_lengths("dynamic_rnn", sequence_length, batch)
        if initial_state is not None:
            nested = Nest(initial_state)
            state = nested.rebuild([
                s if isinstance(s, Stateful) else convert(s) for s in nested.leaves])
        elif dtype is None:
            raise AttributeValueError(
                "dynamic_rnn: If there is no initial_state, you must give a dtype.")
        else:
            state = first_state(cell, batch, dtype)
        outputs, last = _loop(cell, nest.rebuild(steps), state, lengths, dtype)
        if not time_major:
            outputs = map_nest(transposed, outputs)
        return outputs, last


def transposed(x: Any) -> Any:
    """x with its first two axes exchanged."""
    if x.shape.rank is not None:
        return F.transpose(x, [1, 0, *range(2, x.shape.rank)])
    return F.transpose(x, F.concat([[1, 0], F.range(2, F.rank(x))], 0))


def checked_lengths(op: str, sequence_length: Any, batch: Any) -> Any:
    """The lengths as an int32 vector [batch], or None. Raises ShapeError for another shape."""
    if sequence_length is None:
        return None
    lengths = convert(sequence_length)
    shape = lengths.shape
    if shape.rank not in (None, 1):
        raise ShapeError(describe(
            op, None, "sequence_length must be a vector of length batch_size, but saw shape: "
            f"{shape}"))
    if isinstance(batch, int) and not shape.is_compatible_with([batch]):
        raise ShapeError(describe(
            op, None, f"sequence_length must have the batch's size {batch}, got the shape {shape}"
        ))
    return F.identity(F.cast(lengths, dt.int32), name="sequence_length")


def copied_through(done: Any, old: Any, new: Any) -> Any:
    """The nest `new`, with `old` in the rows that are done (a vector); scalars and arrays are new.
    """
    before, after = Nest(old), Nest(new)
    require_same(before, after)
    return after.rebuild([
        n if owner is not None or convert(n).shape.rank == 0 else _chosen(done, o, convert(n))
        for o, n, owner in zip(before.leaves, after.leaves, after.owners)])


def _chosen(done: Any, old: Any, new: Any) -> Any:
    kept = F.where(done, old, new)
    kept.narrow(new.shape)
    return kept


def _loop(cell: Any, inputs: Any, state: Any, lengths: Any, dtype: Any) -> Any:
    """The steps: (outputs [time, batch, size], last state)."""
    sources = Nest(inputs)
    times = batch_size_of(sources.leaves[0], 0)
    batch = batch_size_of(sources.leaves[0], 1)
    made = state_dtype(dtype, state)
    sizes = Nest(cell.output_size)
    state_nest = Nest(state)
    end = times
    if lengths is not None:
        end = F.minimum(times, F.maximum(1, F.reduce_max(lengths)))
    arrays_in = [
        TensorArray(x.dtype, times, tensor_array_name=f"input_{k}").unstack(x)
        for k, x in enumerate(sources.leaves)]
    arrays = [
        TensorArray(made, times, tensor_array_name=f"output_{k}",
                    element_shape=[batch if isinstance(batch, int) else None,
                                   *size_of(size).as_list()])
        for k, size in enumerate(sizes.leaves)]
    zeros = [F.zeros([batch, *size_of(s).known_sizes()], made) for s in sizes.leaves
             ] if lengths is not None else []

    def turn(time: Any, arrays: Any, state: Any) -> Any:
        step = sources.rebuild([a.read(time) for a in arrays_in])
        output, new = cell(step, state)
        found = Nest(output)
        require_same(sizes, found)
        require_same(state_nest, Nest(new))
        outputs = [convert(o) for o in found.leaves]
        if lengths is not None:
            done = time >= lengths
            outputs = copied_through(done, zeros, outputs)
            new = copied_through(done, state, new)
        return time + 1, [a.write(time, o) for a, o in zip(arrays, outputs)], new

    _, arrays, last = F.while_loop(lambda time, *_: time < end, turn, (0, arrays, state))
    return sizes.rebuild([a.stack() for a in arrays]), last


def bidirectional_dynamic_rnn(
    cell_fw: Any, cell_bw: Any, inputs: Any, sequence_length: Any = None,
    initial_state_fw: Any = None, initial_state_bw: Any = None, dtype: Any = None,
    parallel_iterations: int | None = None, swap_memory: bool = False, time_major: bool = False,
    scope: Any = None,
) -> Any:
    """((outputs, outputs), (last state, last state)) of two `dynamic_rnn`s.

    The second one goes through the sequences from their ends; its outputs stand where their
    inputs do. Variables are named under bidirectional_rnn/fw and bidirectional_rnn/bw.
    See `dynamic_rnn` for the arguments.
    """
    require_cell("cell_fw", cell_fw)
    require_cell("cell_bw", cell_bw)
    seq_axis, batch_axis = (0, 1) if time_major else (1, 0)

    def backwards(x: Any) -> Any:
        if sequence_length is not None:
            return F.reverse_sequence(x, sequence_length, seq_axis, batch_axis)
        return F.reverse(x, [seq_axis])

    with variable_scope(scope or "bidirectional_rnn"):
        with variable_scope("fw") as fw_scope:
            forward, state_fw = dynamic_rnn(
                cell_fw, inputs, sequence_length, initial_state_fw, dtype, parallel_iterations,
                swap_memory, time_major, fw_scope)
        with variable_scope("bw") as bw_scope:
            turned = map_nest(lambda x: backwards(convert(x)), inputs)
            backward, state_bw = dynamic_rnn(
                cell_bw, turned, sequence_length, initial_state_bw, dtype, parallel_iterations,
                swap_memory, time_major, bw_scope)
        outputs = forward, map_nest(backwards, backward)
    return outputs, (state_fw, state_bw)


def raw_rnn(
    cell: Any, loop_fn: Any, parallel_iterations: int | None = None, swap_memory: bool = False,
    scope: Any = None,
) -> Any:
    """(array of outputs, last state, last loop state) of a cell that `loop_fn` feeds.

    loop_fn: a function (time, cell output, cell state, loop state) → (finished [batch] bools,
      next input, next cell state, output to emit, next loop state). At time 0 the cell output,
      cell state and loop state are None; it gives the first ones, and as the output to emit the
      shape and type of one row (None: those of the cell's output).
    parallel_iterations, swap_memory: accepted. scope: the variable scope, "rnn" by default.
    The loop ends when all rows are finished. Outputs are TensorArrays in the structure of what is
    emitted; rows that are finished emit zeros and keep their state.
    """
    require_cell("cell", cell)
    if not callable(loop_fn):
        raise GraphError("raw_rnn: loop_fn must be a callable.")
    with variable_scope(scope or "rnn"):
        time = F.constant(0, dt.int32)
        finished, inputs, state, emitted, loop_state = loop_fn(time, None, None, None)
        has_loop_state = loop_state is not None
        loop_state = loop_state if has_loop_state else F.constant(0, dt.int32)
        batch = batch_size_of(convert(Nest(inputs).leaves[0]))
        zeros = _empty_rows(cell, state, emitted, batch)
        arrays = [
            TensorArray(z.dtype, 0, dynamic_size=True, tensor_array_name=f"rnn_output_{k}",
                        element_shape=z.shape.as_list())
            for k, z in enumerate(zeros.leaves)]

        def turn(time: Any, done: Any, inputs: Any, arrays: Any, state: Any, carried: Any) -> Any:
            output, new = cell(inputs, state)
            require_same(Nest(cell.output_size), Nest(output))
            found = loop_fn(time + 1, output, new, carried)
            next_done, next_inputs, next_state, emit, next_carried = found
            rows = Nest(copied_through(done, zeros.value, emit))
            kept = copied_through(done, state, next_state)
            arrays = [a.write(time, r) for a, r in zip(arrays, rows.leaves)]
            return (time + 1, F.logical_or(done, next_done), next_inputs, arrays, kept,
                    carried if next_carried is None else next_carried)

        *_, arrays, state, loop_state = F.while_loop(
            lambda time, done, *_: F.logical_not(F.reduce_all(done)), turn,
            [time, finished, inputs, arrays, state, loop_state])
        return zeros.rebuild(arrays), state, loop_state if has_loop_state else None


def _empty_rows(cell: Any, state: Any, emitted: Any, batch: Any) -> Nest:
    """Zeros [batch, …] like what is emitted in one step."""
    if emitted is None:
        nest, made = Nest(cell.output_size), convert(Nest(state).leaves[0]).dtype
        return Nest(nest.rebuild([
            F.zeros([batch, *size_of(s).known_sizes()], made) for s in nest.leaves]))
    nest = Nest(emitted)
    rows = [convert(e) for e in nest.leaves]
    return Nest(nest.rebuild([
        F.zeros(F.concat([F.reshape(F.convert_to_tensor(batch, dt.int32), [1]), F.shape(r)], 0),
                r.dtype) for r in rows]))
