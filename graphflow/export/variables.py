"""Variables in files: which operations make one up, and what Python knows of it.

A variable of a training program has its initialiser in the file. One of an inference program has
its value alone; `LoadedVariable` makes an initialiser from that when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphflow.builder import F
from graphflow.errors import FailedPreconditionError, LoadError
from graphflow.export.graph_reader import tensor_at
from graphflow.export.plain import as_kind, field, number, only_keys, shown
from graphflow.graph import Graph, is_read
from graphflow.ops import state
from graphflow.ops.graph_functions import init_scope
from graphflow.ops.initial_value import remember, variable_of
from graphflow.ops.leaves import constant
from graphflow.ops.variables import Variable, VariableAggregation, VariableSynchronization
from graphflow.tensor import Operation, Tensor

_KEYS = ("aggregation", "handle", "initial_value", "initializer", "read", "start",
         "synchronization", "trainable", "validate_shape")
_MODES = {"synchronization": VariableSynchronization, "aggregation": VariableAggregation}


def variables_of(operations: Sequence[Operation]) -> list[Variable]:
    """The Variables whose operations are among these, in order of creation."""
    found = (variable_of(op.outputs[0]) for op in operations if op.type == "Variable")
    return [v for v in found if v is not None]


def write_variable(
    variable: Variable, reference: Callable[[Tensor], list[int]],
    numbers: Mapping[Operation, int],
) -> dict[str, Any]:
    """The plain form. The initialiser stands in it if its operations are written too."""
    plain: dict[str, Any] = {
        "handle": reference(variable.handle), "trainable": variable.trainable,
        "synchronization": variable.synchronization.name,
        "aggregation": variable.aggregation.name, "validate_shape": variable._validate_shape}
    if not isinstance(variable, LoadedVariable) and variable.initializer in numbers:
        plain["initializer"] = numbers[variable.initializer]
        plain["initial_value"] = reference(variable.initial_value)
        plain["start"] = reference(variable._start)
    if variable._read.op in numbers:
        plain["read"] = reference(variable._read)
    return plain


def read_variable(
    plain: Any, built: list[Operation], values: Mapping[str, np.ndarray], where: str
) -> Variable:
    """The variable over the operations that were built. Raises LoadError."""
    record = as_kind(plain, dict, where)
    only_keys(record, _KEYS, where)
    handle = tensor_at(record.get("handle"), built, where)
    if handle.op.type != "Variable" or variable_of(handle) is not None:
        raise LoadError(f"{where}: {handle.name} is no variable, or there twice.")
    variable: Variable = object.__new__(
        Variable if "initializer" in record else LoadedVariable)
    variable._handle = handle
    variable._trainable = field(record, "trainable", bool, where)
    variable._validate_shape = field(record, "validate_shape", bool, where)
    variable._constraint = None
    variable._synchronization = _mode(record, "synchronization", where)
    variable._aggregation = _mode(record, "aggregation", where)
    if isinstance(variable, LoadedVariable):
        variable._loaded = values.get(handle.op.attrs["shared_name"])
        variable._made = None
    else:
        variable._initializer = built[number(record["initializer"], where, len(built))]
        variable._initial_value = tensor_at(record.get("initial_value"), built, where)
        variable._start = tensor_at(record.get("start"), built, where)
        if variable._initial_value.dtype is not handle.dtype or (
                variable._start.dtype is not handle.dtype):
            raise LoadError(f"{where}: its initial value is no {handle.dtype.name}.")
    if "read" in record:
        variable._read = tensor_at(record["read"], built, where)
        if not is_read(variable._read.op) or variable._read.op.inputs[0] is not handle:
            raise LoadError(f"{where}: {variable._read.name} does not read {handle.name}.")
    else:
        with handle.graph.as_default(), init_scope():
            variable._read = handle.graph.read(handle)
    remember(variable)
    return variable


def _mode(record: dict[str, Any], key: str, where: str) -> Any:
    name = field(record, key, str, where)
    try:
        return _MODES[key][name]
    except KeyError:
        raise LoadError(f"{where}: {key} {shown(name)} does not exist.") from None


class LoadedVariable(Variable):
    """A variable from an inference program: initialising it sets the value of the file."""

    _loaded: np.ndarray | None
    _made: tuple[Tensor, Operation] | None

    @property
    def initializer(self) -> Operation:
        """The operation that sets the variable to the value of the file."""
        return self._built()[1]

    @property
    def initial_value(self) -> Tensor:
        """The value of the file, as a constant."""
        return self._built()[0]

    def initialized_value(self) -> Tensor:
        """The value, or the file's while the variable is not initialised."""
        with init_scope():
            return F.cond(state.is_variable_initialized(self), self.read_value,
                          lambda: F.identity(self.initial_value))

    def _built(self) -> tuple[Tensor, Operation]:
        if self._made is None:
            if self._loaded is None:
                raise FailedPreconditionError(
                    self.op.node_def, self.op,
                    f"Variable '{self.op.name}': the file holds no value for it.")
            graph: Graph = self.graph
            with graph.as_default(), init_scope(), graph.name_scope(f"{self.op.name}/"):
                value = constant(self._loaded, name="initial_value")
                self._made = value, state.assign(
                    self.handle, value, validate_shape=self._validate_shape).op
        return self._made
