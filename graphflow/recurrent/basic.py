"""Cells whose state is one vector: `BasicRNNCell` (Elman) and `GRUCell`."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F
from graphflow.recurrent.cell import LayerRNNCell, activation_of
from graphflow.recurrent.structure import joined, last_size


class BasicRNNCell(LayerRNNCell):
    """output = new state = activation([input, state] · kernel + bias).

    Args:
      num_units: the size of state and output.
      activation: tanh by default; a function or the name of one.
      reuse: True finds the variables of an existing scope.
      name, dtype: as for layers.

    Weights: kernel [input + num_units, num_units], bias [num_units].
    Source: Elman, "Finding structure in time", Cognitive Science 14, 1990.
    """

    def __init__(
        self, num_units: int, activation: Any = None, reuse: Any = None, name: Any = None,
        dtype: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        self._num_units = num_units
        self._activation = activation_of(activation, F.tanh)

    @property
    def state_size(self) -> int:
        """num_units."""
        return self._num_units

    @property
    def output_size(self) -> int:
        """num_units."""
        return self._num_units

    def build(self, input_shape: Any) -> None:
        """Makes the weights. Raises ShapeError if the last size of the input is not known."""
        size = last_size(input_shape, type(self).__name__)
        self._kernel = self.add_weight("kernel", shape=[size + self._num_units, self._num_units])
        self._bias = self.add_weight(
            "bias", shape=[self._num_units], initializer=F.zeros_initializer())
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        """(output, new state)."""
        gates = F.bias_add(F.matmul(joined([inputs, state]), self._kernel), self._bias)
        output = self._activation(gates)
        return output, output


class GRUCell(LayerRNNCell):
    """Gated recurrent unit: r, u = sigmoid([input, h] · W); c = tanh([input, r ∘ h] · V);
    output = new state = u ∘ h + (1 − u) ∘ c.

    Args:
      num_units: the size of state and output.
      activation: of the candidate c, tanh by default.
      reuse: True finds the variables of an existing scope.
      kernel_initializer, bias_initializer: of the weights; the gates' biases are ones by default
        and the candidate's are zeros.
      name, dtype: as for layers.

    Weights: gates/kernel [input + n, 2n], gates/bias [2n], candidate/kernel [input + n, n],
    candidate/bias [n].
    Source: Cho et al., "Learning phrase representations using RNN encoder–decoder", EMNLP 2014.
    """

    def __init__(
        self, num_units: int, activation: Any = None, reuse: Any = None,
        kernel_initializer: Any = None, bias_initializer: Any = None, name: Any = None,
        dtype: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        self._num_units = num_units
        self._activation = activation_of(activation, F.tanh)
        self._kernel_initializer, self._bias_initializer = kernel_initializer, bias_initializer

    @property
    def state_size(self) -> int:
        """num_units."""
        return self._num_units

    @property
    def output_size(self) -> int:
        """num_units."""
        return self._num_units

    def build(self, input_shape: Any) -> None:
        """Makes the weights. Raises ShapeError if the last size of the input is not known."""
        rows, n = last_size(input_shape, "GRUCell") + self._num_units, self._num_units
        kernel, bias = self._kernel_initializer, self._bias_initializer
        self._gate_kernel = self.add_weight("gates/kernel", shape=[rows, 2 * n],
                                            initializer=kernel)
        self._gate_bias = self.add_weight(
            "gates/bias", shape=[2 * n],
            initializer=F.constant_initializer(1.0) if bias is None else bias)
        self._candidate_kernel = self.add_weight("candidate/kernel", shape=[rows, n],
                                                 initializer=kernel)
        self._candidate_bias = self.add_weight(
            "candidate/bias", shape=[n],
            initializer=F.zeros_initializer() if bias is None else bias)
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        """(output, new state)."""
        gates = F.matmul(joined([inputs, state]), self._gate_kernel)
        r, u = F.split(F.sigmoid(F.bias_add(gates, self._gate_bias)), 2, 1)
        candidate = F.matmul(joined([inputs, r * state]), self._candidate_kernel)
        c = self._activation(F.bias_add(candidate, self._candidate_bias))
        output = u * state + (1 - u) * c
        return output, output
