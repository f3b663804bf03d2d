"""Networks unrolled while the graph is built: `static_rnn`, `static_bidirectional_rnn`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.builder import F, convert
from graphflow.errors import AttributeValueError, DTypeError
from graphflow.ops.nests import Nest
from graphflow.ops.variable_scope import variable_scope
from graphflow.recurrent.cell import initial_state as first_state
from graphflow.recurrent.cell import require_cell
from graphflow.recurrent.dynamic import checked_lengths, copied_through
from graphflow.recurrent.structure import batch_size_of, map_nest, size_of


def static_rnn(
    cell: Any, inputs: Sequence[Any], initial_state: Any = None, dtype: Any = None,
    sequence_length: Any = None, scope: Any = None,
) -> Any:
    """(list of outputs, last state) of a cell applied to a list of inputs, one per step.

    cell: an RNNCell. inputs: tensors [batch, size], or nests of them. sequence_length: ints
      [batch]; beyond them outputs are zeros and the state stays as it is.
    initial_state: a nest like `cell.state_size`; zeros by default, which needs `dtype`.
    scope: the variable scope, "rnn" by default.
    Raises DTypeError (a TypeError) for inputs that are no list, AttributeValueError (a
    ValueError) for an empty one or without a state and dtype.
    """
    require_cell("cell", cell)
    if not isinstance(inputs, (list, tuple)):
        raise DTypeError("static_rnn: inputs must be a sequence, one entry per step. "
                         "gf.unstack(x, axis=1) makes one of [batch, time, size].")
    if not inputs:
        raise AttributeValueError("static_rnn: inputs must not be empty.")
    with variable_scope(scope or "rnn") as entered:
        steps = [map_nest(convert, x) for x in inputs]
        batch = batch_size_of(Nest(steps[0]).leaves[0])
        if initial_state is not None:
            state = initial_state
        elif dtype is None:
            raise AttributeValueError(
                "static_rnn: If no initial_state is provided, dtype must be specified.")
        else:
            state = first_state(cell, batch, dtype)
        lengths = checked_lengths("static_rnn", sequence_length, batch)
        outputs = []
        for time, x in enumerate(steps):
            if time:
                entered.reuse_variables()
            output, new = cell(x, state)
            if lengths is not None:
                output, new = _up_to(lengths, time, output, state, new, cell, batch)
            state = new
            outputs.append(output)
        return outputs, state


def _up_to(
    lengths: Any, time: int, output: Any, state: Any, new: Any, cell: Any, batch: Any
) -> Any:
    """Zeros and the old state in the rows that ended before `time`."""
    done = F.less_equal(lengths, time)
    zeros = map_nest(lambda size, o: F.zeros([batch, *size_of(size).known_sizes()], o.dtype),
                     cell.output_size, output)
    return copied_through(done, zeros, output), copied_through(done, state, new)


def static_bidirectional_rnn(
    cell_fw: Any, cell_bw: Any, inputs: Sequence[Any], initial_state_fw: Any = None,
    initial_state_bw: Any = None, dtype: Any = None, sequence_length: Any = None,
    scope: Any = None,
) -> Any:
    """(list of outputs, last forward state, last backward state) of two `static_rnn`s.

    The outputs of both stand side by side: [batch, forward size + backward size]. Variables are
    named under bidirectional_rnn/fw and bidirectional_rnn/bw.
    See `static_rnn` for the arguments.
    """
    require_cell("cell_fw", cell_fw)
    require_cell("cell_bw", cell_bw)
    if not isinstance(inputs, (list, tuple)):
        raise DTypeError("static_bidirectional_rnn: inputs must be a sequence.")
    if not inputs:
        raise AttributeValueError("static_bidirectional_rnn: inputs must not be empty.")
    with variable_scope(scope or "bidirectional_rnn"):
        with variable_scope("fw") as fw_scope:
            forward, state_fw = static_rnn(
                cell_fw, inputs, initial_state_fw, dtype, sequence_length, fw_scope)
        with variable_scope("bw") as bw_scope:
            turned, state_bw = static_rnn(
                cell_bw, _backwards(inputs, sequence_length), initial_state_bw, dtype,
                sequence_length, bw_scope)
    backward = _backwards(turned, sequence_length)
    outputs = [map_nest(lambda f, b: F.concat([f, b], 1), *pair)
               for pair in zip(forward, backward)]
    return outputs, state_fw, state_bw


def _backwards(steps: Sequence[Any], lengths: Any) -> list[Any]:
    """The steps in the opposite order; of each sequence only its first `length` steps."""
    if lengths is None:
        return list(reversed(steps))
    nests = [Nest(x) for x in steps]
    columns = []
    for leaves in zip(*(n.leaves for n in nests)):
        turned = F.reverse_sequence(F.stack(leaves), lengths, 0, 1)
        columns.append(F.unstack(turned, num=len(steps)))
    return [n.rebuild(leaves) for n, leaves in zip(nests, zip(*columns))]
