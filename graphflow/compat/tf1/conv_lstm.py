"""Convolutional LSTM cells: gates from convolutions over inputs and output.

Source: Shi et al., "Convolutional LSTM network: a machine learning approach for precipitation
nowcasting", NIPS 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.builder import F
from graphflow.errors import AttributeValueError
from graphflow.ops.variable_scope import get_variable
from graphflow.recurrent.cell import RNNCell
from graphflow.recurrent.lstm import LSTMStateTuple
from graphflow.shapes import TensorShape


class ConvLSTMCell(RNNCell):
    """An LSTM whose state has the places of its inputs.

    Args:
      conv_ndims: 1, 2 or 3 axes of places.
      input_shape: of one row of the inputs, [..., channels].
      output_channels: of the output and the memory.
      kernel_shape: the window of the convolutions.
      use_bias: add biases. skip_connection: append the inputs to the outputs.
      forget_bias: added to the forget gate. initializers: of the kernel.

    Variables: kernel [*kernel_shape, channels + output_channels, 4 · output_channels], biases.
    Raises AttributeValueError (a ValueError) for an input shape of another rank.
    """

    def __init__(
        self, conv_ndims: int, input_shape: Sequence[int], output_channels: int,
        kernel_shape: Sequence[int], use_bias: bool = True, skip_connection: bool = False,
        forget_bias: float = 1.0, initializers: Any = None, name: str = "conv_lstm_cell",
    ) -> None:
        super().__init__(name=name)
        if conv_ndims not in (1, 2, 3) or len(input_shape) != conv_ndims + 1:
            raise AttributeValueError(
                f"Invalid input_shape {list(input_shape)} for conv_ndims={conv_ndims}.")
        self._axes, self._channels = conv_ndims, output_channels
        self._places, self._inputs = list(input_shape[:-1]), input_shape[-1]
        self._window, self._initializer = list(kernel_shape), initializers
        self._use_bias, self._skip, self._forget_bias = use_bias, skip_connection, forget_bias

    @property
    def state_size(self) -> LSTMStateTuple:
        """Twice [..., output_channels]."""
        shape = TensorShape([*self._places, self._channels])
        return LSTMStateTuple(shape, shape)

    @property
    def output_size(self) -> TensorShape:
        """[..., output_channels], and the inputs' channels if they are appended."""
        return TensorShape([*self._places, self._channels + (self._inputs if self._skip else 0)])

    def call(self, inputs: Any, state: Any) -> Any:
        """(output, new state)."""
        c, h = state
        joined = F.concat([inputs, h], self._axes + 1)
        kernel = get_variable(
            "kernel", [*self._window, self._inputs + self._channels, 4 * self._channels],
            inputs.dtype, self._initializer)
        gates = F.convolution(joined, kernel, "SAME")
        if self._use_bias:
            gates = gates + get_variable(
                "biases", [4 * self._channels], inputs.dtype, F.zeros_initializer())
        i, j, f, o = F.split(gates, 4, self._axes + 1)
        c = F.sigmoid(f + self._forget_bias) * c + F.sigmoid(i) * F.tanh(j)
        h = F.tanh(c) * F.sigmoid(o)
        output = F.concat([h, inputs], self._axes + 1) if self._skip else h
        return output, LSTMStateTuple(c, h)


class Conv1DLSTMCell(ConvLSTMCell):
    """Over one axis; keywords as for ConvLSTMCell."""

    def __init__(self, name: str = "conv_1d_lstm_cell", **kwargs: Any) -> None:
        super().__init__(conv_ndims=1, name=name, **kwargs)


class Conv2DLSTMCell(ConvLSTMCell):
    """Over two axes; keywords as for ConvLSTMCell."""

    def __init__(self, name: str = "conv_2d_lstm_cell", **kwargs: Any) -> None:
        super().__init__(conv_ndims=2, name=name, **kwargs)


class Conv3DLSTMCell(ConvLSTMCell):
    """Over three axes; keywords as for ConvLSTMCell."""

    def __init__(self, name: str = "conv_3d_lstm_cell", **kwargs: Any) -> None:
        super().__init__(conv_ndims=3, name=name, **kwargs)
