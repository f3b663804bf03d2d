"""Long short-term memory: `BasicLSTMCell` and `LSTMCell`.

Sources: Hochreiter & Schmidhuber, "Long short-term memory", Neural Computation 9, 1997; forget
gates: Gers, Schmidhuber & Cummins, 2000; peepholes and projections: Sak, Senior & Beaufays, "Long
short-term memory recurrent neural network architectures", Interspeech 2014.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from graphflow.builder import F
from graphflow.errors import DTypeError
from graphflow.recurrent.cell import LayerRNNCell, activation_of
from graphflow.recurrent.structure import joined, last_size


class LSTMStateTuple(NamedTuple):
    """The state of an LSTM cell: the memory `c` and the output `h`."""

    c: Any
    h: Any

    @property
    def dtype(self) -> Any:
        """The type of c and h. Raises DTypeError if they differ."""
        if self.c.dtype is not self.h.dtype:
            raise DTypeError(f"Inconsistent internal state: {self.c.dtype.name} vs "
                             f"{self.h.dtype.name}")
        return self.c.dtype


class BasicLSTMCell(LayerRNNCell):
    """i, j, f, o = [input, h] · kernel + bias; c' = c ∘ σ(f + forget_bias) + σ(i) ∘ tanh(j);
    h' = tanh(c') ∘ σ(o).

    Args:
      num_units: the size of c, h and the output.
      forget_bias: added to f.
      state_is_tuple: False keeps the state as one matrix [batch, 2 · num_units], c before h.
      activation: tanh by default.
      reuse: True finds the variables of an existing scope.
      name, dtype: as for layers.

    Weights: kernel [input + num_units, 4 · num_units], bias [4 · num_units].
    """

    def __init__(
        self, num_units: int, forget_bias: float = 1.0, state_is_tuple: bool = True,
        activation: Any = None, reuse: Any = None, name: Any = None, dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        self._num_units, self._forget_bias = num_units, forget_bias
        self._state_is_tuple = state_is_tuple
        self._activation = activation_of(activation, F.tanh)

    @property
    def state_size(self) -> Any:
        """LSTMStateTuple(num_units, num_units), or 2 · num_units."""
        n = self._num_units
        return LSTMStateTuple(n, n) if self._state_is_tuple else 2 * n

    @property
    def output_size(self) -> int:
        """num_units."""
        return self._num_units

    def build(self, input_shape: Any) -> None:
        """Makes the weights. Raises ShapeError if the last size of the input is not known."""
        n = self._num_units
        size = last_size(input_shape, "BasicLSTMCell")
        self._kernel = self.add_weight("kernel", shape=[size + n, 4 * n])
        self._bias = self.add_weight("bias", shape=[4 * n], initializer=F.zeros_initializer())
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        """(output, new state)."""
        c, h = state if self._state_is_tuple else F.split(state, 2, 1)
        gates = F.bias_add(F.matmul(joined([inputs, h]), self._kernel), self._bias)
        i, j, f, o = F.split(gates, 4, 1)
        new_c = c * F.sigmoid(f + self._forget_bias) + F.sigmoid(i) * self._activation(j)
        new_h = self._activation(new_c) * F.sigmoid(o)
        if self._state_is_tuple:
            return new_h, LSTMStateTuple(new_c, new_h)
        return new_h, joined([new_c, new_h])


class LSTMCell(LayerRNNCell):
    """`BasicLSTMCell` with peepholes, clipping and a projection of the output.

    Args:
      num_units: the size of c.
      use_peepholes: the gates see c too, through diagonal weights w_f_diag, w_i_diag, w_o_diag.
      cell_clip: c is clipped to [−cell_clip, cell_clip].
      initializer: of the matrices and the peepholes.
      num_proj: the size of the output and of h, made of the cell's output by a matrix
        projection/kernel [num_units, num_proj].
      proj_clip: the projection is clipped to [−proj_clip, proj_clip].
      num_unit_shards, num_proj_shards: accepted; variables are kept whole.
      forget_bias: added to f; 1 by default.
      state_is_tuple: False keeps the state as one matrix, c before h.
      activation: tanh by default.
      reuse: True finds the variables of an existing scope.
      name, dtype: as for layers.
    """

    def __init__(
        self, num_units: int, use_peepholes: bool = False, cell_clip: float | None = None,
        initializer: Any = None, num_proj: int | None = None, proj_clip: float | None = None,
        num_unit_shards: int | None = None, num_proj_shards: int | None = None,
        forget_bias: float = 1.0, state_is_tuple: bool = True, activation: Any = None,
        reuse: Any = None, name: Any = None, dtype: Any = None, **kwargs: Any,
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        self._num_units, self._num_proj = num_units, num_proj
        self._use_peepholes, self._initializer = use_peepholes, initializer
        self._cell_clip, self._proj_clip = cell_clip, proj_clip
        self._forget_bias, self._state_is_tuple = forget_bias, state_is_tuple
        self._activation = activation_of(activation, F.tanh)

    @property
    def state_size(self) -> Any:
        """LSTMStateTuple(num_units, output_size), or their sum."""
        sizes = self._num_units, self.output_size
        return LSTMStateTuple(*sizes) if self._state_is_tuple else sum(sizes)

    @property
    def output_size(self) -> int:
        """num_proj, or num_units without a projection."""
        return self._num_units if self._num_proj is None else self._num_proj

    def build(self, input_shape: Any) -> None:
        """Makes the weights. Raises ShapeError if the last size of the input is not known."""
        n, size = self._num_units, last_size(input_shape, "LSTMCell")
        self._kernel = self.add_weight(
            "kernel", shape=[size + self.output_size, 4 * n], initializer=self._initializer)
        self._bias = self.add_weight("bias", shape=[4 * n], initializer=F.zeros_initializer())
        self._peepholes: Any = None
        if self._use_peepholes:
            self._peepholes = {
                gate: self.add_weight(f"w_{gate}_diag", shape=[n], initializer=self._initializer)
                for gate in "fio"}
        self._projection: Any = None
        if self._num_proj is not None:
            self._projection = self.add_weight(
                "projection/kernel", shape=[n, self._num_proj], initializer=self._initializer)
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        """(output, new state)."""
        if self._state_is_tuple:
            c, h = state
        else:
            c, h = F.split(state, [self._num_units, self.output_size], 1)
        gates = F.bias_add(F.matmul(joined([inputs, h]), self._kernel), self._bias)
        i, j, f, o = F.split(gates, 4, 1)
        f = f + self._forget_bias
        if self._use_peepholes:
            i, f = i + self._peepholes["i"] * c, f + self._peepholes["f"] * c
        new_c = F.sigmoid(f) * c + F.sigmoid(i) * self._activation(j)
        if self._cell_clip is not None:
            new_c = F.clip_by_value(new_c, -self._cell_clip, self._cell_clip)
        if self._use_peepholes:
            o = o + self._peepholes["o"] * new_c
        new_h = F.sigmoid(o) * self._activation(new_c)
        if self._projection is not None:
            new_h = F.matmul(new_h, self._projection)
            if self._proj_clip is not None:
                new_h = F.clip_by_value(new_h, -self._proj_clip, self._proj_clip)
        if self._state_is_tuple:
            return new_h, LSTMStateTuple(new_c, new_h)
        return new_h, joined([new_c, new_h])
