"""`RNNCell`: one step of a recurrent network, `(output, new_state) = cell(input, state)`."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F, convert
from graphflow.dtypes import as_dtype
from graphflow.errors import AttributeValueError, DTypeError, UnimplementedError
from graphflow.graph import get_default_graph
from graphflow.layers.scoped import Layer
from graphflow.ops.variable_scope import get_variable_scope, variable_scope
from graphflow.recurrent.structure import batch_size_of, zeros_of


class RNNCell(Layer):
    """The base of cells. A subclass defines `state_size`, `output_size` and `call(inputs, state)`.

    `call` may make variables by `get_variable`: they are named under the cell's scope, made by
    the first call and found by the others. Sizes are ints, TensorShapes, or nests of them; a
    state is the nest of tensors [batch, size].
    """

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        """(output, new state) for inputs [batch, size] and a state.

        scope: the variable scope of the cell, at its first call.
        """
        getter = self._tracking_getter
        if scope is None:
            with variable_scope(get_variable_scope(), custom_getter=getter,
                                auxiliary_name_scope=False):
                return super().__call__(inputs, state)
        with variable_scope(scope, custom_getter=getter) as entered:
            return super().__call__(inputs, state, scope=entered)

    def _tracking_getter(self, getter: Any, *args: Any, **kwargs: Any) -> Any:
        variable = getter(*args, **kwargs)
        self._track_weight(variable, variable.trainable)
        return variable

    @property
    def state_size(self) -> Any:
        """The sizes of the state. Raises UnimplementedError unless a subclass defines it."""
        raise UnimplementedError(
            None, None, f"{type(self).__name__} must define the property state_size.")

    @property
    def output_size(self) -> Any:
        """The size of the output. Raises UnimplementedError unless a subclass defines it."""
        raise UnimplementedError(
            None, None, f"{type(self).__name__} must define the property output_size.")

    def build(self, input_shape: Any) -> None:
        """Nothing: variables are made by `call`."""

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """Zeros [batch_size, size] for each size of `state_size`.

        batch_size: an int or int32 scalar tensor.
        """
        with get_default_graph().name_scope(type(self).__name__ + "ZeroState"):
            return zeros_of(self.state_size, batch_size, dtype)

    def get_initial_state(
        self, inputs: Any = None, batch_size: Any = None, dtype: Any = None
    ) -> Any:
        """`zero_state` for a batch like `inputs` [batch, …], or of a size and type.

        Raises AttributeValueError (a ValueError) if neither says the size and type.
        """
        if inputs is not None:
            inputs = convert(inputs)
            if dtype is not None and as_dtype(dtype) is not inputs.dtype:
                raise AttributeValueError(
                    f"get_initial_state: inputs are {inputs.dtype.name}, dtype is "
                    f"{as_dtype(dtype).name}.")
            batch_size, dtype = batch_size_of(inputs), inputs.dtype
        if batch_size is None or dtype is None:
            raise AttributeValueError(
                "get_initial_state: batch_size and dtype cannot be None: "
                f"batch_size={batch_size}, dtype={dtype}.")
        return self.zero_state(batch_size, dtype)


class LayerRNNCell(RNNCell):
    """A cell that makes its weights in `build(inputs_shape)`, like other layers."""

    def __call__(self, inputs: Any, state: Any, scope: Any = None, **kwargs: Any) -> Any:
        """(output, new state) for inputs [batch, size] and a state."""
        return Layer.__call__(self, inputs, state, scope=scope, **kwargs)


_REQUIRED = ("output_size", "state_size")


def require_cell(argument: str, cell: Any) -> None:
    """Raises DTypeError (a TypeError) for what is not like a cell."""
    missing = [f"{name!r} property is missing" for name in _REQUIRED if not hasattr(cell, name)]
    if not (hasattr(cell, "zero_state") or hasattr(cell, "get_initial_state")):
        missing.append("either 'zero_state' or 'get_initial_state' method is required")
    if not callable(cell):
        missing.append("is not callable")
    if missing:
        raise DTypeError(
            f"The argument {argument!r} ({cell!r}) is not an RNNCell: {', '.join(missing)}.")


def initial_state(cell: Any, batch_size: Any, dtype: Any) -> Any:
    """The state that a cell starts with."""
    if hasattr(cell, "get_initial_state"):
        return cell.get_initial_state(inputs=None, batch_size=batch_size, dtype=dtype)
    return cell.zero_state(batch_size, dtype)


def activation_of(activation: Any, default: Any) -> Any:
    """A function from a function, a name or None (`default`). Raises AttributeValueError."""
    if activation is None or callable(activation):
        return activation or default
    if activation == "linear":
        return F.identity
    if not isinstance(activation, str) or activation not in F:
        raise AttributeValueError(f"There is no activation named {activation!r}.")
    return getattr(F, activation)
