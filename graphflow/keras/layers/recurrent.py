"""Recurrent layers: a cell over the steps of sequences [batch, time, n]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.builder import F
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.keras.backend.phase import learning_phase
from graphflow.keras.backend.session import track_variable
from graphflow.keras.backend.values import batch_set_value
from graphflow.keras.engine.configuration import resolved
from graphflow.keras.engine.layer import Layer
from graphflow.keras.engine.model_config import deserialize
from graphflow.keras.layers.rnn_cells import (
    GRUCell,
    LSTMCell,
    SimpleRNNCell,
    StackedRNNCells,
    _Cell,
    zero_states,
)
from graphflow.keras.layers.rnn_loop import recur
from graphflow.keras.serialization import serialize_keras_object
from graphflow.ops.variables import Variable
from graphflow.shapes import TensorShape, as_shape


class RNN(Layer):
    """A cell (or a list of them, stacked) over the steps of a sequence.

    inputs: [batch, time, …] → the last output [batch, units], or all of them with
    return_sequences: [batch, time, units]. return_state: the last states follow in a list.
    go_backwards: from the last step to the first. stateful: the states of sample i are where
    sample i of the next batch starts; needs a fixed batch size. unroll: no loop in the graph.
    `layer(x, initial_state=[…])` gives the states to start from, zeros by default.
    """

    def __init__(
        self, cell: Any, return_sequences: bool = False, return_state: bool = False,
        go_backwards: bool = False, stateful: bool = False, unroll: bool = False,
        time_major: bool = False, **kwargs: Any,
    ) -> None:
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        if not hasattr(cell, "call") or not hasattr(cell, "state_size"):
            raise AttributeValueError(
                "RNN: `cell` should have a `call` method and an attribute `state_size`, got "
                f"{cell!r}.")
        if "input_shape" not in kwargs and ("input_dim" in kwargs or "input_length" in kwargs):
            kwargs["input_shape"] = (
                kwargs.pop("input_length", None), kwargs.pop("input_dim", None))
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.stateful, self.unroll = go_backwards, stateful, unroll
        self.time_major, self.supports_masking = time_major, True
        object.__setattr__(self, "states", None)

    states: Any

    # ---- building ---------------------------------------------------------------------------

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the states."""
        size = self.cell.state_size
        return list(size) if isinstance(size, (list, tuple)) else [size]

    def build(self, input_shape: Any) -> None:
        """Builds the cell. Raises ShapeError for a stateful layer without a batch size."""
        first = input_shape[0] if isinstance(input_shape, list) else input_shape
        sizes = as_shape(first).as_list()
        batch = sizes[1] if self.time_major else sizes[0]
        if not self.cell.built:
            if getattr(self.cell, "_dtype", None) is None:
                self.cell._dtype = self._dtype
            self.cell.build(TensorShape([batch, *sizes[2:]]))
            self.cell.built = True
        if self.stateful:
            self._make_states(batch)
        self.built = True

    def _make_states(self, batch: int | None) -> None:
        if batch is None:
            raise ShapeError(
                "If a RNN is stateful, it needs to know its batch size. Specify the batch size "
                "of your input tensors, with batch_input_shape or batch_shape.")
        made = []
        for size in self.state_size:
            state = Variable(np.zeros([batch, size], np.float32), trainable=False,
                             collections=[], name="state")
            track_variable(state)
            made.append(state)
        object.__setattr__(self, "states", made)

    def reset_states(self, states: Any = None) -> None:
        """Sets the states to zeros, or to given arrays. Raises AttributeError if not stateful."""
        if not self.stateful:
            raise AttributeError("Layer must be stateful.")
        if self.states is None:
            return
        given = states if isinstance(states, (list, tuple)) else (
            [None] * len(self.states) if states is None else [states])
        batch_set_value([
            (s, np.zeros(s.shape.as_list()) if g is None else g)
            for s, g in zip(self.states, given)])

    def get_initial_state(self, inputs: Any) -> list[Any]:
        """Zeros for each state, for inputs [batch, time, …]."""
        if hasattr(self.cell, "get_initial_state"):
            made = self.cell.get_initial_state(inputs=inputs, batch_size=None, dtype=None)
        else:
            made = zero_states(self.cell.state_size, inputs, None, None)
        return list(made) if isinstance(made, (list, tuple)) else [made]

    # ---- calling ----------------------------------------------------------------------------

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """See `Layer.__call__`; inputs may be [sequences, *initial states]."""
        if isinstance(inputs, (list, tuple)) and kwargs.get("initial_state") is None:
            inputs, states = inputs[0], list(inputs[1:])
            if states:
                kwargs["initial_state"] = states
        return super().__call__(inputs, *args, **kwargs)

    def call(
        self, inputs: Any, mask: Any = None, training: Any = None, initial_state: Any = None,
        constants: Any = None,
    ) -> Any:
        """The last output or all outputs, with the last states if asked for."""
        if self.time_major:
            inputs = F.transpose(inputs, [1, 0, *range(2, inputs.shape.rank)])
        states = self._start(inputs, initial_state)
        step, sequence, first = self._step(inputs, states, training, constants)
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        last, outputs, states = recur(
            step, sequence, states, first, mask, self.go_backwards, self.unroll,
            self.return_sequences)
        if self.stateful:
            self.add_update([s.assign(n) for s, n in zip(self.states, states)], inputs=inputs)
        found = outputs if self.return_sequences else last
        if self.time_major and self.return_sequences:
            found = F.transpose(found, [1, 0, *range(2, found.shape.rank)])
        return [found, *states] if self.return_state else found

    def _start(self, inputs: Any, initial_state: Any) -> list[Any]:
        if initial_state is not None:
            given = list(initial_state) if isinstance(initial_state, (list, tuple)) else [
                initial_state]
            if len(given) != len(self.state_size):
                raise AttributeValueError(
                    f"Layer {self.name} has {len(self.state_size)} states but was passed "
                    f"{len(given)} initial states.")
            return given
        if self.stateful and self.states is not None:
            return [s.value() for s in self.states]
        return self.get_initial_state(inputs)

    def _step(
        self, inputs: Any, states: Sequence[Any], training: Any, constants: Any
    ) -> tuple[Any, Any, Any]:
        """(step, what it runs over, the output before the first step unless a state is it)."""
        cell = self.cell
        if isinstance(cell, _Cell):
            input_masks, state_masks = cell.masks(inputs[:, 0], states[0], training)
            return (lambda x, s: cell.advance(x, s, state_masks),
                    cell.project(inputs, input_masks), None)
        more: dict[str, Any] = {}
        if "training" in getattr(cell, "_call_arguments", ()):
            more["training"] = learning_phase() if training is None else training
        if constants is not None:
            more["constants"] = constants

        def step(x: Any, s: list[Any]) -> tuple[Any, list[Any]]:
            output, following = cell.call(x, s, **more)
            return output, list(following) if isinstance(following, (list, tuple)) else [
                following]

        size = getattr(cell, "output_size", None) or self.state_size[0]
        return step, inputs, zero_states(size, inputs, None, None)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The inputs' mask for all outputs; None for the last one and the states."""
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        own = mask if self.return_sequences else None
        return [own, *[None] * len(self.state_size)] if self.return_state else own

    def compute_output_shape(self, input_shape: Any) -> Any:
        """[batch, units], or [batch, time, units]; with states a list."""
        first = input_shape[0] if isinstance(input_shape, list) else input_shape
        batch, time = as_shape(first).as_list()[:2]
        size = getattr(self.cell, "output_size", None) or self.state_size[0]
        own = TensorShape([batch, time, size] if self.return_sequences else [batch, size])
        if not self.return_state:
            return own
        return [own, *(TensorShape([batch, n]) for n in self.state_size)]

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        config = super().get_config()
        if type(self) is RNN:
            config["cell"] = serialize_keras_object(self.cell)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A layer from `get_config()`."""
        config = dict(config)
        if "cell" in config and isinstance(config["cell"], dict):
            config["cell"] = deserialize(config["cell"])
        return cls(**config)


_LOOP = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll", "time_major",
         "activity_regularizer")
_LAYER = ("name", "trainable", "dtype", "input_shape", "batch_input_shape", "batch_size",
          "weights", "input_dim", "input_length")


class _OwnCell(RNN):
    """A layer with a cell of its own, whose arguments it takes."""

    cell_class: type

    def __init__(self, arguments: dict[str, Any]) -> None:
        given = resolved(arguments)
        outer = {k: given.pop(k) for k in (*_LOOP, *_LAYER) if k in given}
        cell = self.cell_class(**given, **{
            k: outer[k] for k in ("trainable", "dtype") if k in outer})
        super().__init__(cell, **outer)
        for key in given:
            setattr(self, key, getattr(cell, key))


class SimpleRNN(_OwnCell):
    """A fully connected layer whose output is fed back; see `RNN` and `SimpleRNNCell`."""

    cell_class = SimpleRNNCell

    def __init__(
        self, units: int, activation: Any = "tanh", use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform", recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros", kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None, bias_regularizer: Any = None,
        activity_regularizer: Any = None, kernel_constraint: Any = None,
        recurrent_constraint: Any = None, bias_constraint: Any = None, dropout: float = 0.0,
        recurrent_dropout: float = 0.0, return_sequences: bool = False,
        return_state: bool = False, go_backwards: bool = False, stateful: bool = False,
        unroll: bool = False, **kwargs: Any,
    ) -> None:
        super().__init__(locals())


class LSTM(_OwnCell):
    """Long short-term memory; see `RNN` and `LSTMCell`."""

    cell_class = LSTMCell

    def __init__(
        self, units: int, activation: Any = "tanh", recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True, kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None, bias_regularizer: Any = None,
        activity_regularizer: Any = None, kernel_constraint: Any = None,
        recurrent_constraint: Any = None, bias_constraint: Any = None, dropout: float = 0.0,
        recurrent_dropout: float = 0.0, implementation: int = 1, return_sequences: bool = False,
        return_state: bool = False, go_backwards: bool = False, stateful: bool = False,
        unroll: bool = False, **kwargs: Any,
    ) -> None:
        super().__init__(locals())


class GRU(_OwnCell):
    """Gated recurrent units; see `RNN` and `GRUCell`."""

    cell_class = GRUCell

    def __init__(
        self, units: int, activation: Any = "tanh", recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None, recurrent_regularizer: Any = None,
        bias_regularizer: Any = None, activity_regularizer: Any = None,
        kernel_constraint: Any = None, recurrent_constraint: Any = None,
        bias_constraint: Any = None, dropout: float = 0.0, recurrent_dropout: float = 0.0,
        implementation: int = 1, return_sequences: bool = False, return_state: bool = False,
        go_backwards: bool = False, stateful: bool = False, unroll: bool = False,
        reset_after: bool = False, **kwargs: Any,
    ) -> None:
        super().__init__(locals())


class CuDNNLSTM(LSTM):
    """`LSTM` with the sigmoid for its gates, as NVIDIA's library computes it."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, recurrent_activation="sigmoid", **kwargs)


class CuDNNGRU(GRU):
    """`GRU` with the sigmoid and `reset_after`, as NVIDIA's library computes it."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, recurrent_activation="sigmoid", reset_after=True, **kwargs)
