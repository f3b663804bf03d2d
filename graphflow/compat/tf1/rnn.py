"""`tf.contrib.rnn`: the cells and functions of `tf.nn`, projections, stacked directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.builder import F
from graphflow.compat.tf1.conv_lstm import (
    Conv1DLSTMCell,
    Conv2DLSTMCell,
    Conv3DLSTMCell,
    ConvLSTMCell,
)
from graphflow.compat.tf1.fused_rnn import (
    FusedRNNCell,
    FusedRNNCellAdaptor,
    LSTMBlockFusedCell,
    TimeReversedFusedRNN,
)
from graphflow.compat.tf1.rnn_cells import (
    AttentionCellWrapper,
    EmbeddingWrapper,
    HighwayWrapper,
    InputProjectionWrapper,
    LayerNormBasicLSTMCell,
    OutputProjectionWrapper,
)
from graphflow.errors import AttributeValueError
from graphflow.ops.variable_scope import variable_scope
from graphflow.recurrent import (
    bidirectional_dynamic_rnn,
    static_bidirectional_rnn,
    static_rnn,
)
from graphflow.recurrent.rnn_cell import (
    BasicLSTMCell,
    BasicRNNCell,
    DeviceWrapper,
    DropoutWrapper,
    GRUCell,
    LSTMCell,
    LSTMStateTuple,
    MultiRNNCell,
    ResidualWrapper,
    RNNCell,
)


class LSTMBlockCell(LSTMCell):
    """An LSTM cell with the arguments of TensorFlow's fused one; here every run is fused."""

    def __init__(
        self, num_units: int, forget_bias: float = 1.0, cell_clip: float | None = None,
        use_peephole: bool = False, dtype: Any = None, reuse: Any = None,
        name: str | None = "lstm_cell",
    ) -> None:
        super().__init__(num_units, use_peepholes=use_peephole, cell_clip=cell_clip,
                         forget_bias=forget_bias, reuse=reuse, name=name)


class GRUBlockCellV2(GRUCell):
    """A GRU cell with the arguments of TensorFlow's fused one; here every run is fused."""

    def __init__(
        self, num_units: int | None = None, cell_size: int | None = None, reuse: Any = None,
        name: str | None = "gru_cell",
    ) -> None:
        units = num_units if num_units is not None else cell_size
        if units is None:
            raise AttributeValueError("GRUBlockCell: num_units must be given.")
        super().__init__(units, reuse=reuse, name=name)


GRUBlockCell = GRUBlockCellV2


def stack_bidirectional_rnn(
    cells_fw: Sequence[Any], cells_bw: Sequence[Any], inputs: Sequence[Any],
    initial_states_fw: Any = None, initial_states_bw: Any = None, dtype: Any = None,
    sequence_length: Any = None, scope: Any = None,
) -> Any:
    """(outputs, forward states, backward states) of layers over a list of steps [batch, n].

    Raises ValueError if there are not as many cells of each direction.
    """
    _check_depths(cells_fw, cells_bw)
    states_fw, states_bw = [], []
    with variable_scope(scope or "stack_bidirectional_rnn"):
        for i, (forward, backward) in enumerate(zip(cells_fw, cells_bw)):
            with variable_scope(f"cell_{i}"):
                inputs, state_fw, state_bw = static_bidirectional_rnn(
                    forward, backward, inputs,
                    initial_states_fw[i] if initial_states_fw else None,
                    initial_states_bw[i] if initial_states_bw else None,
                    dtype, sequence_length)
            states_fw.append(state_fw)
            states_bw.append(state_bw)
    return inputs, tuple(states_fw), tuple(states_bw)


def _check_depths(cells_fw: Sequence[Any], cells_bw: Sequence[Any]) -> None:
    if not cells_fw or len(cells_fw) != len(cells_bw):
        raise ValueError("Forward and Backward cells must have the same depth.")


def stack_bidirectional_dynamic_rnn(
    cells_fw: Sequence[Any], cells_bw: Sequence[Any], inputs: Any, initial_states_fw: Any = None,
    initial_states_bw: Any = None, dtype: Any = None, sequence_length: Any = None,
    parallel_iterations: int | None = None, time_major: bool = False, scope: Any = None,
) -> Any:
    """(outputs, forward states, backward states): each layer reads both directions of the last.

    inputs: [batch, time, n] → outputs [batch, time, 2 · units of the last cells].
    Raises ValueError if there are not as many cells of each direction.
    """
    _check_depths(cells_fw, cells_bw)
    states_fw, states_bw = [], []
    with variable_scope(scope or "stack_bidirectional_rnn"):
        for i, (forward, backward) in enumerate(zip(cells_fw, cells_bw)):
            with variable_scope(f"cell_{i}"):
                outputs, (state_fw, state_bw) = bidirectional_dynamic_rnn(
                    forward, backward, inputs, sequence_length,
                    initial_states_fw[i] if initial_states_fw else None,
                    initial_states_bw[i] if initial_states_bw else None,
                    dtype=dtype, time_major=time_major)
                inputs = F.concat(list(outputs), 2)
            states_fw.append(state_fw)
            states_bw.append(state_bw)
    return inputs, tuple(states_fw), tuple(states_bw)


__all__ = [
    "AttentionCellWrapper", "BasicLSTMCell", "BasicRNNCell", "Conv1DLSTMCell",
    "Conv2DLSTMCell", "Conv3DLSTMCell", "ConvLSTMCell", "DeviceWrapper", "DropoutWrapper",
    "EmbeddingWrapper", "FusedRNNCell", "FusedRNNCellAdaptor", "GRUBlockCell", "GRUBlockCellV2",
    "GRUCell", "HighwayWrapper", "InputProjectionWrapper", "LSTMBlockCell",
    "LSTMBlockFusedCell", "LSTMCell", "LSTMStateTuple", "LayerNormBasicLSTMCell",
    "MultiRNNCell", "OutputProjectionWrapper", "RNNCell", "ResidualWrapper",
    "TimeReversedFusedRNN", "stack_bidirectional_dynamic_rnn", "stack_bidirectional_rnn",
    "static_bidirectional_rnn", "static_rnn",
]
