"""`BasicDecoder`: a cell whose outputs a helper turns into symbols and next inputs."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from graphflow.builder import convert
from graphflow.compat.tf1.seq2seq.decoder import Decoder
from graphflow.compat.tf1.seq2seq.helper import Helper
from graphflow.errors import DTypeError
from graphflow.layers.base import Layer
from graphflow.ops.nests import Nest
from graphflow.recurrent.cell import require_cell
from graphflow.recurrent.structure import map_nest
from graphflow.shapes import TensorShape

BasicDecoderOutput = namedtuple("BasicDecoderOutput", ["rnn_output", "sample_id"])


def checked_layer(output_layer: Any) -> Any:
    """`output_layer`. Raises DTypeError (a TypeError) if it is neither None nor a layer."""
    if output_layer is not None and not isinstance(output_layer, Layer):
        raise DTypeError(f"output_layer must be a Layer, received: {type(output_layer)}")
    return output_layer


def row_shape(size: Any, output_layer: Any) -> Any:
    """The shape of one row of a cell's output, through the layer if there is one."""
    if output_layer is None:
        return size
    return map_nest(
        lambda s: output_layer.compute_output_shape(TensorShape([None]).concatenate(s))[1:], size)


class BasicDecoder(Decoder):
    """Steps of a cell; its outputs pass through a layer, and a helper says what comes next.

    Args:
      cell: an RNNCell.
      helper: a Helper.
      initial_state: the cell's first state.
      output_layer: a layer, such as `tf.layers.Dense`, or None.

    Outputs: BasicDecoderOutput(rnn_output [batch, n], sample_id [batch]).
    Raises DTypeError (a TypeError) for a cell, helper or layer that is none.
    """

    def __init__(
        self, cell: Any, helper: Any, initial_state: Any, output_layer: Any = None
    ) -> None:
        require_cell("cell", cell)
        if not isinstance(helper, Helper):
            raise DTypeError(f"helper must be a Helper, received: {type(helper)}")
        self._cell, self._helper = cell, helper
        self._initial_state = initial_state
        self._output_layer = checked_layer(output_layer)

    @property
    def batch_size(self) -> Any:
        """The helper's."""
        return self._helper.batch_size

    @property
    def most_steps(self) -> Any:
        """The helper's."""
        return self._helper.most_steps

    @property
    def output_size(self) -> BasicDecoderOutput:
        """The shapes of one row."""
        return BasicDecoderOutput(row_shape(self._cell.output_size, self._output_layer),
                                  self._helper.sample_ids_shape)

    @property
    def output_dtype(self) -> BasicDecoderOutput:
        """The type of the first tensor of the state, and that of the symbols."""
        dtype = convert(Nest(self._initial_state).leaves[0]).dtype
        return BasicDecoderOutput(map_nest(lambda _: dtype, self._cell.output_size),
                                  self._helper.sample_ids_dtype)

    def initialize(self, name: str | None = None) -> tuple[Any, Any, Any]:
        """(finished, first inputs, first state)."""
        finished, inputs = self._helper.initialize()
        return finished, inputs, self._initial_state

    def step(self, time: Any, inputs: Any, state: Any, name: str | None = None) -> Any:
        """(outputs, next state, next inputs, finished)."""
        outputs, state = self._cell(inputs, state)
        if self._output_layer is not None:
            outputs = self._output_layer(outputs)
        sample_ids = self._helper.sample(time=time, outputs=outputs, state=state)
        finished, inputs, state = self._helper.next_inputs(
            time=time, outputs=outputs, state=state, sample_ids=sample_ids)
        return BasicDecoderOutput(outputs, sample_ids), state, inputs, finished
