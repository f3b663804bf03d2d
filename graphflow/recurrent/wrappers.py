"""Cells around cells: `DropoutWrapper`, `ResidualWrapper`, `DeviceWrapper`.

A wrapper opens no variable scope: the cell inside names its weights as if it stood alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from graphflow.builder import F, convert
from graphflow.dtypes import as_dtype
from graphflow.errors import AttributeValueError, DTypeError
from graphflow.graph import get_default_graph
from graphflow.ops.arguments import is_tensor
from graphflow.ops.nests import Nest
from graphflow.ops.tensor_array import TensorArray
from graphflow.recurrent.cell import RNNCell, require_cell
from graphflow.recurrent.lstm import LSTMStateTuple
from graphflow.recurrent.structure import map_nest, size_of


class _Wrapper(RNNCell):
    """A cell that changes what another one takes and gives."""

    def __init__(self, cell: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        require_cell("cell", cell)
        self.cell = cell

    @property
    def wrapped_cell(self) -> Any:
        """The cell inside."""
        return self.cell

    @property
    def state_size(self) -> Any:
        """That of the cell inside."""
        return self.cell.state_size

    @property
    def output_size(self) -> Any:
        """That of the cell inside."""
        return self.cell.output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """The first state of the cell inside."""
        with get_default_graph().name_scope(type(self).__name__ + "ZeroState"):
            return self.cell.zero_state(batch_size, dtype)

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        """(output, new state) for inputs [batch, size] and a state."""
        options = {} if scope is None else {"scope": scope}
        self.built = True
        return self._wrapped_call(inputs, state, lambda x, s: self.cell(x, s, **options))

    def _wrapped_call(self, inputs: Any, state: Any, call: Callable[..., Any]) -> Any:
        return call(inputs, state)


class ResidualWrapper(_Wrapper):
    """Adds the inputs to the cell's outputs.

    residual_fn: a function (inputs, outputs) → outputs to use instead of the sum.
    """

    def __init__(
        self, cell: Any, residual_fn: Callable[[Any, Any], Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(cell, **kwargs)
        self._residual_fn = residual_fn

    def _wrapped_call(self, inputs: Any, state: Any, call: Callable[..., Any]) -> Any:
        outputs, new_state = call(inputs, state)
        return (self._residual_fn or _sum)(inputs, outputs), new_state


def _sum(inputs: Any, outputs: Any) -> Any:
    def add(x: Any, y: Any) -> Any:
        x.shape.assert_is_compatible_with(y.shape)
        return x + y

    return map_nest(add, inputs, outputs)


class DeviceWrapper(_Wrapper):
    """Calls the cell under `gf.device(device)`."""

    def __init__(self, cell: Any, device: Any, **kwargs: Any) -> None:
        super().__init__(cell, **kwargs)
        self._device = device

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """The first state of the cell inside."""
        with get_default_graph().device(self._device):
            return super().zero_state(batch_size, dtype)

    def _wrapped_call(self, inputs: Any, state: Any, call: Callable[..., Any]) -> Any:
        with get_default_graph().device(self._device):
            return call(inputs, state)


class DropoutWrapper(_Wrapper):
    """Dropout on the inputs, outputs and states of a cell.

    Args:
      cell: the cell inside.
      input_keep_prob, output_keep_prob, state_keep_prob: the fraction of elements that stay, a
        number or scalar tensor; 1 leaves everything.
      variational_recurrent: one random choice for all steps and all rows of a run (Gal &
        Ghahramani, "A theoretically grounded application of dropout in recurrent neural
        networks", NIPS 2016); needs `dtype`, and `input_size` if the inputs are dropped.
      input_size: the shape of one row of the inputs, or a nest of them.
      dtype: of the random choice.
      seed: of the random choices.
      dropout_state_filter_visitor: a function from a (part of the) state to a bool, whether
        dropout changes it, or to a nest of bools for its parts. By default all but the memory c
        of an LSTM.

    Raises AttributeValueError (a ValueError) for probabilities outside of [0, 1] or what
    variational_recurrent lacks.
    """

    def __init__(
        self, cell: Any, input_keep_prob: Any = 1.0, output_keep_prob: Any = 1.0,
        state_keep_prob: Any = 1.0, variational_recurrent: bool = False, input_size: Any = None,
        dtype: Any = None, seed: int | None = None,
        dropout_state_filter_visitor: Callable[[Any], Any] | None = None, **kwargs: Any,
    ) -> None:
        super().__init__(cell, dtype=dtype, **kwargs)
        visitor = dropout_state_filter_visitor
        if visitor is not None and not callable(visitor):
            raise DTypeError("DropoutWrapper: dropout_state_filter_visitor must be callable.")
        self._filter = visitor or _all_but_memory
        self._input_keep = _probability("input_keep_prob", input_keep_prob)
        self._output_keep = _probability("output_keep_prob", output_keep_prob)
        self._state_keep = _probability("state_keep_prob", state_keep_prob)
        self._seed, self._variational = seed, variational_recurrent
        self._noise: dict[str, Any] = {}
        if variational_recurrent:
            self._make_noise(cell, input_size, dtype)

    def _make_noise(self, cell: Any, input_size: Any, dtype: Any) -> None:
        if dtype is None:
            raise AttributeValueError(
                "DropoutWrapper: when variational_recurrent=True, dtype must be provided.")
        sizes = {"state": cell.state_size, "output": cell.output_size}
        if _drops(self._input_keep):
            if input_size is None:
                raise AttributeValueError(
                    "DropoutWrapper: when variational_recurrent=True and input_keep_prob < 1.0 "
                    "or is unknown, input_size must be provided.")
            sizes["input"] = input_size
        with get_default_graph().name_scope("DropoutWrapperInit"):
            for what, nested in sizes.items():
                nest = Nest(nested)
                self._noise[what] = nest.rebuild([
                    F.random_uniform([1, *size_of(s).known_sizes()], dtype=as_dtype(dtype),
                                     seed=self._seed_of(what, k))
                    for k, s in enumerate(nest.leaves)])

    def _seed_of(self, what: str, index: int) -> int | None:
        """A seed for each place, made of the cell's."""
        if self._seed is None:
            return None
        text = f"{self._seed}{what}_{index}".encode()
        return int(hashlib.md5(text, usedforsecurity=False).hexdigest()[:8], 16) & 0x7FFFFFFF

    def _wrapped_call(self, inputs: Any, state: Any, call: Callable[..., Any]) -> Any:
        if _drops(self._input_keep):
            inputs = self._dropped("input", inputs, self._input_keep, lambda _: True)
        output, new_state = call(inputs, state)
        if _drops(self._state_keep):
            new_state = self._dropped("state", new_state, self._state_keep, self._filter)
        if _drops(self._output_keep):
            output = self._dropped("output", output, self._output_keep, lambda _: True)
        return output, new_state

    def _dropped(
        self, what: str, values: Any, keep: Any, visitor: Callable[[Any], Any]
    ) -> Any:
        places = iter(range(len(Nest(values).leaves)))

        def walk(value: Any, noise: Any, chosen: Any) -> Any:
            if chosen is False:
                next(places)
                return value
            decision = visitor(value)
            if decision is False or not isinstance(value, (list, tuple, dict)):
                place = next(places)
                return value if decision is False else self._drop(what, place, value, noise, keep)
            keys = list(value) if isinstance(value, dict) else range(len(value))
            parts = [walk(value[k], None if noise is None else noise[k],
                          decision if decision is True else decision[k]) for k in keys]
            if isinstance(value, dict):
                return type(value)(zip(keys, parts))
            return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)

        return walk(values, self._noise.get(what), True)

    def _drop(self, what: str, place: int, value: Any, noise: Any, keep: Any) -> Any:
        if noise is None:
            return F.dropout(value, rate=1.0 - keep, seed=self._seed_of(what, place))
        dropped = value / keep * F.floor(keep + noise)
        dropped.set_shape(value.shape)
        return dropped


def _drops(keep: Any) -> bool:
    return not isinstance(keep, float) or keep < 1


def _probability(what: str, value: Any) -> Any:
    if is_tensor(value):
        return convert(value)
    if not 0 <= value <= 1:
        raise AttributeValueError(f"DropoutWrapper: parameter {what} must be between 0 and 1: "
                                  f"{value}.")
    return float(value)


def _all_but_memory(state: Any) -> Any:
    if isinstance(state, LSTMStateTuple):
        return LSTMStateTuple(c=False, h=True)
    return not isinstance(state, TensorArray)
