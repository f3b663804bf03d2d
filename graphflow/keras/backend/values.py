"""Variables, placeholders and their values, and functions of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.builder import F, convert
from graphflow.dtypes import as_dtype
from graphflow.errors import GraphError
from graphflow.gradients import gradients as differentiate
from graphflow.keras.backend.phase import symbolic_learning_phase
from graphflow.keras.backend.session import get_session, track_variable
from graphflow.keras.backend.settings import floatx
from graphflow.keras.engine.annotations import history_of
from graphflow.ops.nests import Nest
from graphflow.ops.variables import Variable
from graphflow.tensor import Operation, Tensor


def variable(value: Any, dtype: Any = None, name: str | None = None, constraint: Any = None
             ) -> Variable:
    """A variable that starts as `value`; floats are of type `floatx()` unless said otherwise."""
    if callable(value) and not isinstance(value, (Tensor, Variable)):
        value = value()
    if dtype is None and not isinstance(value, (Tensor, Variable)):
        dtype = floatx()
    made = Variable(value, dtype=None if dtype is None else as_dtype(dtype), name=name,
                    constraint=constraint)
    track_variable(made)
    return made


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Tensor:
    """A constant; of type `floatx()` unless said otherwise."""
    return F.constant(value, dtype=dtype or floatx(), shape=shape, name=name or "Const")


def placeholder(
    shape: Any = None, ndim: int | None = None, dtype: Any = None, sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """A placeholder of a shape, or of `ndim` axes of open size."""
    if shape is None and ndim is not None:
        shape = [None] * ndim
    return F.placeholder(as_dtype(dtype or floatx()), shape, name=name)


def is_keras_tensor(x: Any) -> bool:
    """True for outputs of layers, those of `Input` included. Raises for what is no tensor."""
    if not isinstance(x, (Tensor, Variable)):
        raise GraphError(
            f"Unexpectedly found an instance of type `{type(x).__name__}`. Expected a symbolic "
            "tensor instance.")
    return history_of(x) is not None


def is_placeholder(x: Any) -> bool:
    """True for placeholders."""
    return isinstance(x, Tensor) and x.op.type == "Placeholder"


def is_variable(x: Any) -> bool:
    """True for variables."""
    return isinstance(x, Variable)


def is_tensor(x: Any) -> bool:
    """True for tensors and variables."""
    return isinstance(x, (Tensor, Variable))


def int_shape(x: Any) -> tuple[int | None, ...] | None:
    """The static shape as a tuple; None if the rank is not known."""
    shape = convert(x).shape
    return None if shape.rank is None else tuple(shape.as_list())


def ndim(x: Any) -> int | None:
    """The number of axes."""
    return convert(x).shape.rank


def dtype(x: Any) -> str:
    """The name of the element type."""
    return x.dtype.name


def count_params(x: Any) -> int:
    """How many numbers a variable holds."""
    return int(np.prod(x.shape.as_list(), dtype=np.int64))


def eval(x: Any) -> Any:  # Keras's name
    """The value of a tensor or variable in Keras's session."""
    return get_session().run(x)


def get_value(x: Any) -> Any:
    """The value of a variable in Keras's session."""
    return get_session().run(x) if isinstance(x, (Tensor, Variable)) else x


def batch_get_value(tensors: Sequence[Any]) -> list[Any]:
    """The values of several variables."""
    return get_session().run(list(tensors)) if tensors else []


def set_value(x: Any, value: Any) -> None:
    """Sets a variable in Keras's session."""
    x.load(np.asarray(value, dtype=x.dtype.as_numpy_dtype), get_session())


def batch_set_value(tuples: Sequence[tuple[Any, Any]]) -> None:
    """Sets several variables: (variable, value) pairs."""
    for x, value in tuples:
        set_value(x, value)


class Function:
    """What `function` gives: a call runs the outputs and updates in Keras's session."""

    def __init__(self, inputs: Any, outputs: Any, updates: Any, name: str | None) -> None:
        self._single = not isinstance(inputs, (list, tuple))
        self.inputs = [inputs] if self._single else list(inputs)
        self.outputs, self.name = outputs, name
        self._phases = [i for i, x in enumerate(self.inputs) if isinstance(x, int)]
        self.inputs = [symbolic_learning_phase() if isinstance(x, int) else x
                       for x in self.inputs]
        self._updates = [
            x.op if isinstance(x, Tensor) else x if isinstance(x, Operation)
            else F.group(x[0].assign(x[1])) for x in updates or ()]
        self._callables: dict[int, Any] = {}

    def __call__(self, inputs: Any) -> Any:
        """The values of the outputs, in their form, for a list of the inputs' values."""
        session = get_session()
        if id(session) not in self._callables:
            fetches = [Nest(self.outputs).leaves, self._updates]
            self._callables = {id(session): session.make_callable(fetches, self.inputs)}
        values = [inputs] if self._single else list(inputs)
        values = [bool(v) if key.dtype.name == "bool" and np.ndim(v) == 0 else v
                  for key, v in zip(self.inputs, values)]
        found, _ = self._callables[id(session)](*values)
        return Nest(self.outputs).rebuild(found)


def function(
    inputs: Any, outputs: Any, updates: Any = None, name: str | None = None, **kwargs: Any
) -> Function:
    """A function of lists of arrays that computes `outputs` and runs `updates`.

    inputs: placeholders (or other tensors to feed); `learning_phase()` may be among them.
    updates: operations, or (variable, new value) pairs.
    """
    return Function(inputs, outputs, updates, name)


def gradients(loss: Any, variables: Any) -> list[Any]:
    """The gradients of a scalar; see `gf.gradients`."""
    return differentiate(loss, variables)
