"""Networks that take whole sequences [time, batch, n]: the "fused" ones of `tf.contrib.rnn`.

They are thin: every run is compiled as a whole here.
"""

from __future__ import annotations

from typing import Any

from graphflow.builder import F, convert
from graphflow.ops.variable_scope import get_variable_scope, variable_scope
from graphflow.recurrent import dynamic_rnn, static_rnn
from graphflow.recurrent.lstm import LSTMCell, LSTMStateTuple
from graphflow.recurrent.structure import map_nest


class FusedRNNCell:
    """(outputs, last state) of whole sequences, by `cell(inputs, initial_state, …)`."""

    def __call__(
        self, inputs: Any, initial_state: Any = None, dtype: Any = None,
        sequence_length: Any = None, scope: Any = None,
    ) -> Any:
        """inputs: [time, batch, n] → (outputs [time, batch, …], last state)."""
        raise NotImplementedError


class FusedRNNCellAdaptor(FusedRNNCell):
    """A plain cell, unrolled; by a loop with use_dynamic_rnn, else step by step."""

    def __init__(self, cell: Any, use_dynamic_rnn: bool = False) -> None:
        self._cell, self._dynamic = cell, use_dynamic_rnn

    def __call__(
        self, inputs: Any, initial_state: Any = None, dtype: Any = None,
        sequence_length: Any = None, scope: Any = None,
    ) -> Any:
        """inputs: [time, batch, n], or a list of steps → (outputs, last state)."""
        listed = isinstance(inputs, (list, tuple))
        if self._dynamic:
            return dynamic_rnn(
                self._cell, F.stack(inputs) if listed else inputs, sequence_length,
                initial_state, dtype, time_major=True, scope=scope)
        steps = list(inputs) if listed else F.unstack(inputs)
        outputs, state = static_rnn(
            self._cell, steps, initial_state, dtype, sequence_length, scope)
        return (outputs if listed else F.stack(outputs)), state


class TimeReversedFusedRNN(FusedRNNCell):
    """Another one on sequences that are turned round, its outputs turned back."""

    def __init__(self, cell: Any) -> None:
        self._cell = cell

    def __call__(
        self, inputs: Any, initial_state: Any = None, dtype: Any = None,
        sequence_length: Any = None, scope: Any = None,
    ) -> Any:
        """inputs: [time, batch, n] → (outputs, last state)."""
        def turned(x: Any) -> Any:
            if sequence_length is None:
                return F.reverse(x, [0])
            return F.reverse_sequence(x, sequence_length, 0, 1)

        outputs, state = self._cell(
            turned(convert(inputs)), initial_state, dtype, sequence_length, scope)
        return map_nest(turned, outputs), state


class LSTMBlockFusedCell(FusedRNNCell):
    """An LSTM over whole sequences [time, batch, n].

    Args:
      num_units, forget_bias, use_peephole: as for LSTMCell.
      cell_clip: the memory is clipped to ±cell_clip; None or −1: not at all.
      reuse, dtype: accepted, as for cells. name: the scope of `kernel` and `bias`.
    """

    def __init__(
        self, num_units: int, forget_bias: float = 1.0, cell_clip: float | None = None,
        use_peephole: bool = False, reuse: Any = None, dtype: Any = None,
        name: str = "lstm_fused_cell",
    ) -> None:
        clip = None if cell_clip is None or cell_clip <= 0 else cell_clip
        self._cell = LSTMCell(num_units, use_peepholes=use_peephole, cell_clip=clip,
                              forget_bias=forget_bias, reuse=reuse, name=name, dtype=dtype)

    @property
    def num_units(self) -> int:
        """The size of c, h and the output."""
        return int(self._cell.output_size)

    def __call__(
        self, inputs: Any, initial_state: Any = None, dtype: Any = None,
        sequence_length: Any = None, scope: Any = None,
    ) -> Any:
        """inputs: [time, batch, n] → (outputs [time, batch, num_units], LSTMStateTuple)."""
        inputs = F.stack(inputs) if isinstance(inputs, (list, tuple)) else convert(inputs)
        first = None if initial_state is None else LSTMStateTuple(*initial_state)
        with variable_scope(scope or get_variable_scope()) as here:
            return dynamic_rnn(
                self._cell, inputs, sequence_length, first,
                inputs.dtype if first is None else None, time_major=True, scope=here)
