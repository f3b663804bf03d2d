"""Cells: one step of a recurrent layer.

A cell has `state_size` and `output_size`, and `call(inputs, states)` gives (output, states). The
built-in ones do the part that needs no state for all steps at once (`project`), and the rest step
by step (`advance`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.builder import F
from graphflow.keras.backend.phase import in_train_phase
from graphflow.keras.engine.configuration import resolved
from graphflow.keras.engine.layer import Layer
from graphflow.keras.engine.model_config import deserialize
from graphflow.keras.serialization import serialize_keras_object
from graphflow.layers.core import last_size
from graphflow.shapes import as_shape

_ARGUMENTS = (
    "units", "activation", "recurrent_activation", "use_bias", "kernel_initializer",
    "recurrent_initializer", "bias_initializer", "unit_forget_bias", "kernel_regularizer",
    "recurrent_regularizer", "bias_regularizer", "kernel_constraint", "recurrent_constraint",
    "bias_constraint", "dropout", "recurrent_dropout", "implementation", "reset_after")


class _Cell(Layer):
    """What the built-in cells share: kernels for `gates` gates side by side."""

    gates = 1

    def __init__(self, **kwargs: Any) -> None:
        own = {k: kwargs.pop(k) for k in _ARGUMENTS if k in kwargs}
        super().__init__(**kwargs)
        for key, value in own.items():
            setattr(self, key, value)
        self.dropout = min(1.0, max(0.0, self.dropout))
        self.recurrent_dropout = min(1.0, max(0.0, self.recurrent_dropout))
        self.state_size: Any = self.units
        self.output_size = self.units
        self.bias: Any = None

    units: int
    activation: Any
    recurrent_activation: Any
    use_bias: bool
    bias_initializer: Any
    bias_regularizer: Any
    bias_constraint: Any
    unit_forget_bias: bool
    reset_after: bool
    dropout: float
    recurrent_dropout: float

    def _bias_shape(self) -> list[int]:
        return [self.units * self.gates]

    def build(self, input_shape: Any) -> None:
        """Makes `kernel` [n, gates · units], `recurrent_kernel` and `bias`."""
        size = last_size(self, input_shape, -1, type(self).__name__)
        self.kernel = self._weight("kernel", [size, self.units * self.gates])
        self.recurrent_kernel = self._weight(
            "recurrent_kernel", [self.units, self.units * self.gates], "recurrent")
        if self.use_bias:
            self.bias = self._weight("bias", self._bias_shape())
        self.built = True

    def _weight(self, name: str, shape: list[int], kind: str | None = None) -> Any:
        kind = kind or name
        return self.add_weight(
            name, shape=shape, initializer=getattr(self, f"{kind}_initializer"),
            regularizer=getattr(self, f"{kind}_regularizer"),
            constraint=getattr(self, f"{kind}_constraint"))

    # ---- dropout ----------------------------------------------------------------------------

    def _mask(self, like: Any, rate: float, training: Any) -> Any:
        ones = F.ones_like(like)
        return in_train_phase(lambda: F.dropout(ones, rate=rate), ones, training)

    def masks(self, first_input: Any, state: Any, training: Any) -> tuple[list[Any], list[Any]]:
        """Dropout masks of inputs [batch, n] and states, one per gate; empty without dropout.

        They are the same for all steps. Source: Gal, Ghahramani, "A theoretically grounded
        application of dropout in recurrent neural networks", NIPS 2016.
        """
        return ([self._mask(first_input, self.dropout, training) for _ in range(self.gates)]
                if self.dropout else [],
                [self._mask(state, self.recurrent_dropout, training) for _ in range(self.gates)]
                if self.recurrent_dropout else [])

    def _input_bias(self) -> Any:
        return self.bias

    def project(self, inputs: Any, masks: Sequence[Any]) -> Any:
        """inputs · kernel + bias for [batch, n] or [batch, time, n]."""
        if masks:
            kernels = F.split(self.kernel, self.gates, axis=1)
            wide = [F.expand_dims(m, 1) if inputs.shape.rank == 3 else m for m in masks]
            found = F.concat([_product(inputs * m, k) for m, k in zip(wide, kernels)], -1)
        else:
            found = _product(inputs, self.kernel)
        bias = self._input_bias()
        return found if bias is None else found + bias

    def _recurrent(self, h: Any, masks: Sequence[Any]) -> list[Any]:
        """state · recurrent_kernel, gate by gate."""
        if not masks:
            found = F.matmul(h, self.recurrent_kernel)
            return [found] if self.gates == 1 else F.split(found, self.gates, axis=1)
        kernels = F.split(self.recurrent_kernel, self.gates, axis=1)
        return [F.matmul(h * m, k) for m, k in zip(masks, kernels)]

    def advance(self, x: Any, states: Sequence[Any], masks: Sequence[Any]) -> Any:
        """(output, states) of one step, from projected inputs."""
        raise NotImplementedError

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        """(output, states) of one step. inputs: [batch, n]; states: a list of [batch, units]."""
        listed = list(states) if isinstance(states, (list, tuple)) else [states]
        input_masks, state_masks = self.masks(inputs, listed[0], training)
        return self.advance(self.project(inputs, input_masks), listed, state_masks)

    def get_initial_state(
        self, inputs: Any = None, batch_size: Any = None, dtype: Any = None
    ) -> Any:
        """Zeros for each state."""
        return zero_states(self.state_size, inputs, batch_size, dtype)


def _product(x: Any, kernel: Any) -> Any:
    return F.matmul(x, kernel) if x.shape.rank == 2 else F.tensordot(
        x, kernel, [[x.shape.rank - 1], [0]])


def zero_states(state_size: Any, inputs: Any, batch_size: Any, dtype: Any) -> Any:
    """Zeros [batch, size] for one size or each of several."""
    if inputs is not None:
        known = inputs.shape.as_list()[0]
        batch_size, dtype = F.shape(inputs)[0] if known is None else known, inputs.dtype
    if isinstance(state_size, (list, tuple)) and not all(isinstance(n, int) for n in state_size):
        return [zero_states(n, None, batch_size, dtype) for n in state_size]
    sizes = list(state_size) if isinstance(state_size, (list, tuple)) else [state_size]
    made = [F.zeros(F.stack([batch_size, *as_shape(n).as_list()]) if not isinstance(
        n, int) else F.stack([batch_size, n]), dtype) for n in sizes]
    for zeros, n in zip(made, sizes):
        zeros.set_shape([None, *([n] if isinstance(n, int) else as_shape(n).as_list())])
    return made if isinstance(state_size, (list, tuple)) else made[0]


class SimpleRNNCell(_Cell):
    """h ← activation(x · kernel + h · recurrent_kernel + bias)."""

    def __init__(
        self, units: int, activation: Any = "tanh", use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform", recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros", kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None, bias_regularizer: Any = None,
        kernel_constraint: Any = None, recurrent_constraint: Any = None,
        bias_constraint: Any = None, dropout: float = 0.0, recurrent_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**resolved(locals()))

    def advance(self, x: Any, states: Sequence[Any], masks: Sequence[Any]) -> Any:
        """(h, [h]) of one step."""
        h = self.activation(x + self._recurrent(states[0], masks)[0])
        return h, [h]


class LSTMCell(_Cell):
    """Long short-term memory: i, f, c̃, o from x and h; c ← f·c + i·c̃; h ← o·activation(c).

    unit_forget_bias: the forget gate's bias starts as 1. Source: Hochreiter, Schmidhuber, Neural
    computation 9, 1997.
    """

    gates = 4

    def __init__(
        self, units: int, activation: Any = "tanh", recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True, kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None, bias_regularizer: Any = None,
        kernel_constraint: Any = None, recurrent_constraint: Any = None,
        bias_constraint: Any = None, dropout: float = 0.0, recurrent_dropout: float = 0.0,
        implementation: int = 1, **kwargs: Any,
    ) -> None:
        super().__init__(**resolved(locals()))
        self.state_size = [self.units, self.units]

    def _weight(self, name: str, shape: list[int], kind: str | None = None) -> Any:
        if name != "bias" or not self.unit_forget_bias:
            return super()._weight(name, shape, kind)
        plain = self.bias_initializer
        units = self.units

        def start(shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
            return F.concat([
                plain([units], dtype), F.ones([units], dtype), plain([2 * units], dtype)], 0)

        return self.add_weight(
            name, shape=shape, initializer=start, regularizer=self.bias_regularizer,
            constraint=self.bias_constraint)

    def advance(self, x: Any, states: Sequence[Any], masks: Sequence[Any]) -> Any:
        """(h, [h, c]) of one step."""
        h, c = states
        if masks:
            pulls = [a + b for a, b in zip(F.split(x, 4, axis=1), self._recurrent(h, masks))]
        else:
            pulls = F.split(x + F.matmul(h, self.recurrent_kernel), 4, axis=1)
        i, f = self.recurrent_activation(pulls[0]), self.recurrent_activation(pulls[1])
        c = f * c + i * self.activation(pulls[2])
        h = self.recurrent_activation(pulls[3]) * self.activation(c)
        return h, [h, c]


class GRUCell(_Cell):
    """Gated recurrent unit: z, r from x and h; h ← z·h + (1 − z)·h̃.

    h̃ = activation(x·W + (r·h)·U); with reset_after it is activation(x·W + r·(h·U)), with biases
    for both products. Source: Cho and others, EMNLP 2014.
    """

    gates = 3

    def __init__(
        self, units: int, activation: Any = "tanh", recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None, recurrent_regularizer: Any = None,
        bias_regularizer: Any = None, kernel_constraint: Any = None,
        recurrent_constraint: Any = None, bias_constraint: Any = None, dropout: float = 0.0,
        recurrent_dropout: float = 0.0, implementation: int = 1, reset_after: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**resolved(locals()))

    def _bias_shape(self) -> list[int]:
        return [2, 3 * self.units] if self.reset_after else [3 * self.units]

    def _input_bias(self) -> Any:
        if self.bias is None:
            return None
        return self.bias.value()[0] if self.reset_after else self.bias

    def advance(self, x: Any, states: Sequence[Any], masks: Sequence[Any]) -> Any:
        """(h, [h]) of one step."""
        h = states[0]
        x_z, x_r, x_h = F.split(x, 3, axis=1)
        if self.reset_after:
            pulls = self._recurrent(h, masks)
            if self.bias is not None:
                biases = F.split(self.bias.value()[1], 3)
                pulls = [p + b for p, b in zip(pulls, biases)]
            z, r = self.recurrent_activation(x_z + pulls[0]), self.recurrent_activation(
                x_r + pulls[1])
            inner = r * pulls[2]
        else:
            masked = [h * m for m in masks] if masks else [h, h, h]
            u = self.recurrent_kernel.value()
            n = self.units
            if masks:
                p_z, p_r = (F.matmul(masked[i], u[:, i * n:(i + 1) * n]) for i in (0, 1))
            else:
                p_z, p_r = F.split(F.matmul(h, u[:, :2 * n]), 2, axis=1)
            z, r = self.recurrent_activation(x_z + p_z), self.recurrent_activation(x_r + p_r)
            inner = F.matmul(r * masked[2], u[:, 2 * n:])
        h = z * h + (1 - z) * self.activation(x_h + inner)
        return h, [h]


class StackedRNNCells(Layer):
    """Several cells as one: each takes the output of the one before."""

    def __init__(self, cells: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cells = list(cells)

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the states of all cells, in order."""
        return [n for cell in self.cells for n in _listed(cell.state_size)]

    @property
    def output_size(self) -> int:
        """The size of the last cell's output."""
        last = self.cells[-1]
        return getattr(last, "output_size", None) or _listed(last.state_size)[0]

    def build(self, input_shape: Any) -> None:
        """Builds the cells."""
        size: Any = input_shape
        for cell in self.cells:
            if not cell.built:
                cell.build(size)
                cell.built = True
            out = getattr(cell, "output_size", None) or _listed(cell.state_size)[0]
            size = [as_shape(size).as_list()[0], out]
        self.built = True

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        """(output, states) of one step."""
        remaining, following = list(states), []
        for cell in self.cells:
            count = len(_listed(cell.state_size))
            own, remaining = remaining[:count], remaining[count:]
            more = {"training": training} if "training" in getattr(
                cell, "_call_arguments", ()) else {}
            inputs, made = cell.call(inputs, own, **more)
            following += list(made) if isinstance(made, (list, tuple)) else [made]
        return inputs, following

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        config = super().get_config()
        config["cells"] = [serialize_keras_object(cell) for cell in self.cells]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Cells from `get_config()`."""
        config = dict(config)
        return cls([deserialize(c) for c in config.pop("cells")], **config)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
