"""Cells and wrappers of `tf.contrib.rnn` that `tf.nn.rnn_cell` does not have.

Their variables have the names of TensorFlow 1.15: `kernel` and `bias` of a projection stand in the
cell's own scope.
"""

from __future__ import annotations

import math
from typing import Any

from graphflow.builder import F, convert
from graphflow.compat.tf1.layers import layer_norm
from graphflow.errors import AttributeValueError
from graphflow.ops.nests import Nest
from graphflow.ops.variable_scope import get_variable, variable_scope
from graphflow.recurrent.cell import RNNCell, require_cell
from graphflow.recurrent.lstm import LSTMStateTuple
from graphflow.recurrent.structure import map_nest


def linear(parts: list[Any], units: int, bias: bool = True) -> Any:
    """The parts side by side · `kernel` + `bias`, variables of the scope here."""
    joined = F.concat(parts, 1) if len(parts) > 1 else parts[0]
    size = joined.shape.as_list()[1]
    product = F.matmul(joined, get_variable("kernel", [size, units], joined.dtype))
    if not bias:
        return product
    return F.bias_add(product, get_variable(
        "bias", [units], joined.dtype, F.zeros_initializer()))


class LayerNormBasicLSTMCell(RNNCell):
    """An LSTM cell with normalised gates and memory, and dropout of what enters the memory.

    Args:
      num_units: the size of c, h and the output.
      forget_bias: added to the forget gate.
      activation: tanh by default.
      layer_norm: normalise; otherwise the gates have a bias.
      norm_gain, norm_shift: the first values of gamma and beta.
      dropout_keep_prob: a number or scalar tensor; dropout_prob_seed: its seed.
      input_size: accepted.

    Sources: Ba, Kiros & Hinton, "Layer normalization", 2016; Semeniuta, Severyn & Barth,
    "Recurrent dropout without memory loss", COLING 2016.
    """

    def __init__(
        self, num_units: int, forget_bias: float = 1.0, input_size: Any = None,
        activation: Any = None, layer_norm: bool = True, norm_gain: float = 1.0,
        norm_shift: float = 0.0, dropout_keep_prob: Any = 1.0,
        dropout_prob_seed: int | None = None, reuse: Any = None,
    ) -> None:
        super().__init__(_reuse=reuse)
        self._num_units, self._forget_bias = num_units, forget_bias
        self._activation, self._layer_norm = activation or F.tanh, layer_norm
        self._gain, self._shift = norm_gain, norm_shift
        self._keep_prob, self._seed = dropout_keep_prob, dropout_prob_seed

    @property
    def state_size(self) -> LSTMStateTuple:
        """LSTMStateTuple(num_units, num_units)."""
        return LSTMStateTuple(self._num_units, self._num_units)

    @property
    def output_size(self) -> int:
        """num_units."""
        return self._num_units

    def _norm(self, x: Any, scope: str) -> Any:
        if not self._layer_norm:
            return x
        with variable_scope(scope):
            for name, value in (("gamma", self._gain), ("beta", self._shift)):
                get_variable(name, x.shape.as_list()[-1:], x.dtype,
                             F.constant_initializer(value))
        return layer_norm(x, reuse=True, scope=scope)

    def call(self, inputs: Any, state: Any) -> Any:
        """(output, new state)."""
        c, h = state
        gates = F.split(linear([inputs, h], 4 * self._num_units, not self._layer_norm), 4, 1)
        i, j, f, o = (self._norm(gate, name) for gate, name in zip(
            gates, ("input", "transform", "forget", "output")))
        g = self._activation(j)
        if not isinstance(self._keep_prob, float) or self._keep_prob < 1:
            g = F.dropout(g, self._keep_prob, seed=self._seed)
        c = self._norm(c * F.sigmoid(f + self._forget_bias) + F.sigmoid(i) * g, "state")
        h = self._activation(c) * F.sigmoid(o)
        return h, LSTMStateTuple(c, h)


class AttentionCellWrapper(RNNCell):
    """A cell that attends to its own last outputs.

    Args:
      cell: an RNNCell.
      attn_length: how many of the last outputs.
      attn_size: the size of an output; that of the cell by default.
      attn_vec_size: units of the attention; attn_size by default.
      input_size: what inputs and attention are projected to; the inputs' size by default.
      state_is_tuple: True; other states are refused.

    The state is (cell state, attention [batch, attn_size], outputs [batch, attn_size ·
    attn_length]). Raises AttributeValueError for a length that is not positive.
    """

    def __init__(
        self, cell: Any, attn_length: int, attn_size: int | None = None,
        attn_vec_size: int | None = None, input_size: int | None = None,
        state_is_tuple: bool = True, reuse: Any = None,
    ) -> None:
        super().__init__(_reuse=reuse)
        require_cell("cell", cell)
        if attn_length <= 0:
            raise AttributeValueError("attn_length should be greater than zero, got "
                                      f"{attn_length}")
        if not state_is_tuple:
            raise AttributeValueError("AttentionCellWrapper: the state must be a tuple.")
        self._cell, self._length, self._input_size = cell, attn_length, input_size
        self._size = attn_size or cell.output_size
        self._units = attn_vec_size or self._size

    @property
    def state_size(self) -> Any:
        """(that of the cell, attn_size, attn_size · attn_length)."""
        return self._cell.state_size, self._size, self._size * self._length

    @property
    def output_size(self) -> int:
        """attn_size."""
        return int(self._size)

    def call(self, inputs: Any, state: Any) -> Any:
        """(output, new state)."""
        state, attention, kept = state
        outputs = F.reshape(kept, [-1, self._length, self._size])
        size = self._input_size or inputs.shape.as_list()[1]
        output, state = self._cell(linear([inputs, attention], size), state)
        attention = self._attend([convert(s) for s in Nest(state).leaves], outputs)
        with variable_scope("attn_output_projection"):
            output = linear([output, attention], self._size)
        outputs = F.concat([outputs[:, 1:], F.expand_dims(output, 1)], 1)
        kept = F.reshape(outputs, [-1, self._length * self._size])
        return output, (state, attention, kept)

    def _attend(self, query: list[Any], outputs: Any) -> Any:
        with variable_scope("attention"):
            w = get_variable("attn_w", [1, 1, self._size, self._units], outputs.dtype)
            v = get_variable("attn_v", [self._units], outputs.dtype)
            features = F.tensordot(outputs, w[0, 0], [[2], [0]])
            hidden = features + F.expand_dims(linear(query, self._units), 1)
            weights = F.softmax(F.reduce_sum(v * F.tanh(hidden), 2))
            return F.reduce_sum(F.expand_dims(weights, 2) * outputs, 1)


class _Around(RNNCell):
    """A cell around another one, with variables in a scope of its own."""

    def __init__(self, cell: Any, reuse: Any = None) -> None:
        super().__init__(_reuse=reuse)
        require_cell("cell", cell)
        self._cell = cell

    @property
    def state_size(self) -> Any:
        """The cell's."""
        return self._cell.state_size

    @property
    def output_size(self) -> Any:
        """The cell's."""
        return self._cell.output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """The cell's."""
        return self._cell.zero_state(batch_size, dtype)


class OutputProjectionWrapper(_Around):
    """A cell whose outputs are projected to `output_size` numbers, through `activation` if any."""

    def __init__(
        self, cell: Any, output_size: int, activation: Any = None, reuse: Any = None
    ) -> None:
        super().__init__(cell, reuse)
        self._size, self._activation = output_size, activation

    @property
    def output_size(self) -> int:
        """The number of outputs."""
        return self._size

    def call(self, inputs: Any, state: Any) -> Any:
        """(projected output, state)."""
        output, state = self._cell(inputs, state)
        projected = linear([output], self._size)
        return (self._activation(projected) if self._activation else projected), state


class InputProjectionWrapper(_Around):
    """A cell whose inputs are projected to `num_proj` numbers, through `activation` if any."""

    def __init__(
        self, cell: Any, num_proj: int, activation: Any = None, input_size: Any = None,
        reuse: Any = None,
    ) -> None:
        super().__init__(cell, reuse)
        self._size, self._activation = num_proj, activation

    def call(self, inputs: Any, state: Any) -> Any:
        """(output, state) of the projected inputs."""
        projected = linear([inputs], self._size)
        return self._cell(self._activation(projected) if self._activation else projected, state)


class EmbeddingWrapper(_Around):
    """A cell whose inputs are symbols: ints [batch] or [batch, 1], rows of `embedding`.

    initializer: of the table [embedding_classes, embedding_size]; uniform numbers of variance 1 by
    default.
    """

    def __init__(
        self, cell: Any, embedding_classes: int, embedding_size: int, initializer: Any = None,
        reuse: Any = None,
    ) -> None:
        super().__init__(cell, reuse)
        self._shape, self._initializer = [embedding_classes, embedding_size], initializer

    def call(self, inputs: Any, state: Any) -> Any:
        """(output, state) of the symbols' vectors."""
        limit = math.sqrt(3)
        dtype = convert(Nest(state).leaves[0]).dtype
        table = get_variable(
            "embedding", self._shape, dtype,
            self._initializer or F.random_uniform_initializer(-limit, limit))
        return self._cell(F.embedding_lookup(table, F.reshape(inputs, [-1])), state)


class HighwayWrapper(_Around):
    """A cell whose outputs are mixed with its inputs: carry ∘ input + transform ∘ output.

    couple_carry_transform_gates: transform = 1 − carry. carry_bias_init: the first value of the
    carry gate's bias. Source: Srivastava, Greff & Schmidhuber, "Highway networks", 2015.
    """

    def __init__(
        self, cell: Any, couple_carry_transform_gates: bool = True, carry_bias_init: float = 1.0
    ) -> None:
        super().__init__(cell)
        self._coupled, self._bias = couple_carry_transform_gates, carry_bias_init

    def call(self, inputs: Any, state: Any) -> Any:
        """(mixed output, state)."""
        output, state = self._cell(inputs, state)

        def mix(x: Any, y: Any) -> Any:
            carry = self._gate("carry", x, self._bias)
            transform = 1 - carry if self._coupled else self._gate("transform", x, -self._bias)
            return carry * x + transform * y

        return map_nest(mix, inputs, output), state

    def _gate(self, name: str, x: Any, bias: float) -> Any:
        size = x.shape.as_list()[-1]
        w = get_variable(f"{name}_w", [size, size], x.dtype)
        b = get_variable(f"{name}_b", [size], x.dtype, F.constant_initializer(bias))
        return F.sigmoid(F.matmul(x, w) + b)
