"""Slots: the variables that an optimizer keeps beside each variable it trains.

A slot of variable `w` made by Adam is a non-trainable variable named `w/Adam` (the next one
`w/Adam_1`), under the variable scope in force, as TensorFlow 1 names them.
"""

from __future__ import annotations

from typing import Any

from graphflow.builder import F
from graphflow.dtypes import as_dtype
from graphflow.ops.variable_scope import get_variable, get_variable_scope, variable_scope
from graphflow.shapes import as_shape


def _slot_variable(
    primary: Any, value: Any, name: str, validate_shape: bool, shape: Any, dtype: Any
) -> Any:
    prefix = getattr(primary, "_shared_name", None) or primary.op.name
    with variable_scope(None, f"{prefix}/{name}"):
        scope = get_variable_scope()
        partitioner = scope.partitioner
        scope.set_partitioner(None)
        try:
            return get_variable(
                "", initializer=value, trainable=False, shape=shape, dtype=dtype,
                validate_shape=validate_shape)
        finally:
            scope.set_partitioner(partitioner)


def create_slot(
    primary: Any, val: Any, name: str, colocate_with_primary: bool = True
) -> Any:
    """A variable that starts as the tensor `val`, of its type, named `<primary>/<name>`.

    `colocate_with_primary` is accepted for TensorFlow's sake.
    """
    value = F.convert_to_tensor(val)
    return _slot_variable(
        primary, value, name, value.shape.is_fully_defined(), None, value.dtype)


def create_slot_with_initializer(
    primary: Any, initializer: Any, shape: Any, dtype: Any, name: str,
    colocate_with_primary: bool = True,
) -> Any:
    """A variable of `shape` and `dtype` that starts as `initializer(shape, dtype)` says."""
    shape = as_shape(shape)
    return _slot_variable(
        primary, initializer, name, shape.is_fully_defined(), shape, as_dtype(dtype))


def create_zeros_slot(
    primary: Any, name: str, dtype: Any = None, colocate_with_primary: bool = True
) -> Any:
    """A variable of zeros of the shape of `primary`, of its type unless `dtype` is given.

    Where that shape is not known when the graph is built, it is that of the initial value.
    """
    dtype = primary.dtype if dtype is None else as_dtype(dtype)
    shape = primary.get_shape()
    if shape.is_fully_defined():
        return create_slot_with_initializer(
            primary, F.zeros_initializer(), shape, dtype, name, colocate_with_primary)
    start = primary.initialized_value() if hasattr(primary, "initialized_value") else primary
    zeros = F.zeros(F.shape(start), dtype)
    return create_slot(primary, zeros, name, colocate_with_primary)
