"""State: variables, reads, assignments, scatter updates, the counters of random ops.

In the Graph a variable is an operation whose output is a *handle*; using the handle as a value
reads it at the place of use. In a Program state is functional: an update computes the new value
from the current one, and the run commits all new values at its end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function
from graphflow.dims import same
from graphflow.dtypes import DType
from graphflow.errors import ShapeError
from graphflow.graph import get_default_graph
from graphflow.lowering import Leaf, Pointwise, State
from graphflow.opdef import (
    Attr,
    Infer,
    NotDifferentiable,
    OpDef,
    Sample,
    TensorType,
    same_as_input,
    scalar_of,
)
from graphflow.ops.declare import declare
from graphflow.shapes import TensorShape

_ASSIGNMENT = NotDifferentiable("an assignment; differentiate the value that is assigned")

VARIABLE = declare(
    "Variable", "",
    attrs={
        "dtype": Attr("dtype"), "shape": Attr("shape"), "shared_name": Attr("str"),
        "handle": Attr("bool", True),
    },
    infer=lambda c: [TensorType(c.attrs["dtype"], c.attrs["shape"])],
    reference=None, grad=NotDifferentiable("a leaf has no inputs"), lowering=Leaf())

RANDOM_COUNTER = declare(
    "RandomCounter", "",
    attrs={
        "key": Attr("ints"), "seeded": Attr("bool"), "shared_name": Attr("str"),
        "handle": Attr("bool", True),
    },
    infer=lambda c: [scalar_of(dt.int64)],
    reference=None, grad=NotDifferentiable("a leaf has no inputs"), lowering=Leaf())

READ_VARIABLE = declare(
    "ReadVariable", "ref: &any", infer=same_as_input, reference=None,
    grad=lambda F, op, g: [g], sparse_grad=True,
    lowering=State(lambda F, current: (None, (current,)), writes=False))

IS_INITIALIZED = declare(
    "IsVariableInitialized", "ref: &any", infer=lambda c: [scalar_of(dt.bool_)], reference=None,
    grad=NotDifferentiable("a flag"),
    lowering=State(lambda F, current: (None, (current,)), writes=False, reads_flag=True))

ADVANCE_COUNTER = declare(
    "AdvanceCounter", "ref: &int64", infer=same_as_input, reference=None,
    grad=NotDifferentiable("a counter"),
    lowering=State(lambda F, current: (current + 1, (current,))))


_MIX = 0x9E3779B97F4A7C15


def _fold_in(counter: np.ndarray, iteration: np.ndarray) -> np.ndarray:
    """(counter · odd constant) xor ((iteration + 1) · another), modulo 2⁶⁴."""
    with np.errstate(over="ignore"):
        mixed = np.uint64(counter) * np.uint64(_MIX)
        mixed ^= (np.uint64(iteration) + np.uint64(1)) * np.uint64(0xBF58476D1CE4E5B9)
    return np.asarray(mixed, np.uint64).astype(np.int64)


FOLD_IN = declare(
    "FoldIn", "counter: int64, iteration: int64", infer=lambda c: [scalar_of(dt.int64)],
    reference=_fold_in, grad=NotDifferentiable("a counter"),
    lowering=Pointwise(lambda b, counter, iteration: b.bit_xor(
        counter * b.const(_MIX - 2**64, dt.int64),
        (iteration + 1) * b.const(0xBF58476D1CE4E5B9 - 2**64, dt.int64))),
    samples=lambda: [Sample((np.int64(3), np.int64(5))), Sample((np.int64(0), np.int64(0)))])


def _assigned_type(c: Infer) -> list[TensorType]:
    ref, value = c.types
    if not c.attrs["validate_shape"]:
        return [value]
    if not ref.shape.is_compatible_with(value.shape):
        raise c.error(
            f"the variable has shape {ref.shape}, the value {value.shape}",
            "Pass validate_shape=False to change the variable's shape.")
    return [TensorType(ref.dtype, ref.shape.merge_with(value.shape))]


ASSIGN = declare(
    "Assign", "ref: &T, value: T", attrs={"validate_shape": Attr("bool", True)},
    infer=_assigned_type, reference=None, grad=_ASSIGNMENT, T=dt.ALL,
    lowering=State(lambda F, current, value, validate_shape: (value, (value,)), blind=True))


def _updated_type(c: Infer) -> list[TensorType]:
    ref, value = c.types
    merged = c.broadcast()
    if ref.shape.rank is not None and (
        value.shape.rank is not None and (
            merged.rank != ref.shape.rank
            or any(same(a, b) is False for a, b in zip(merged.sizes, ref.shape.sizes)))
    ):
        raise c.error(f"the variable has shape {ref.shape}, the value {value.shape}",
                      "The value must have the variable's shape.")
    return [TensorType(ref.dtype, ref.shape)]


def _update(name: str, combine: Callable[..., Any]) -> OpDef:
    def new_value(F: Any, current: Any, value: Any) -> tuple[Any, tuple]:
        new = combine(F, current, value)
        return new, (new,)

    return declare(name, "ref: &T, value: T", infer=_updated_type, reference=None,
                   grad=_ASSIGNMENT, lowering=State(new_value), depth=2, T=dt.NUMBERS)


ASSIGN_ADD = _update("AssignAdd", lambda F, current, value: current + value)
ASSIGN_SUB = _update("AssignSub", lambda F, current, value: current - value)


def _scatter_type(c: Infer) -> list[TensorType]:
    ref, indices, updates = c.types
    c.require_rank(0, at_least=1)
    if None not in (ref.shape.rank, indices.shape.rank) and updates.shape.rank != 0:
        wanted = indices.shape.concatenate(ref.shape[1:])
        if not updates.shape.is_compatible_with(wanted):
            raise c.error(
                f"updates must have shape indices.shape + ref.shape[1:] = {wanted}, got "
                f"{c.show(2)} with {c.show(0)} and {c.show(1)}")
    return [TensorType(ref.dtype, ref.shape)]


def _scatter(name: str, combine: str, types: tuple[DType, ...]) -> OpDef:
    def new_value(F: Any, current: Any, indices: Any, updates: Any) -> tuple[Any, tuple]:
        new = F.scatter_rows(current, indices, updates, combine)
        return new, (new,)

    return declare(name, "ref: &T, indices: I, updates: T", infer=_scatter_type, reference=None,
                   grad=_ASSIGNMENT, lowering=State(new_value), depth=2, T=types, I=dt.INDICES)


SCATTER_UPDATE = _scatter("ScatterUpdate", "set", dt.ALL)
SCATTER_ADD = _scatter("ScatterAdd", "add", dt.NUMBERS)
SCATTER_SUB = _scatter("ScatterSub", "sub", dt.NUMBERS)
SCATTER_MUL = _scatter("ScatterMul", "mul", dt.NUMBERS)
SCATTER_DIV = _scatter("ScatterDiv", "div", dt.NUMBERS)
SCATTER_MIN = _scatter("ScatterMin", "min", dt.REALS)
SCATTER_MAX = _scatter("ScatterMax", "max", dt.REALS)


def _scatter_nd(name: str, combine: str) -> OpDef:
    def new_value(F: Any, current: Any, indices: Any, updates: Any) -> tuple[Any, tuple]:
        new = F.scatter_points(current, indices, updates, combine)
        return new, (new,)

    return declare(name, "ref: &T, indices: I, updates: T",
                   infer=lambda c: [TensorType(c.dtype(0), c.shape(0))], reference=None,
                   grad=_ASSIGNMENT, lowering=State(new_value), depth=2, T=dt.ALL, I=dt.INDICES)


SCATTER_ND_UPDATE = _scatter_nd("ScatterNdUpdate", "set")
SCATTER_ND_ADD = _scatter_nd("ScatterNdAdd", "add")
SCATTER_ND_SUB = _scatter_nd("ScatterNdSub", "sub")


@op_function
def assign(
    ref: Any, value: Any, validate_shape: Any = None, use_locking: Any = None,
    name: str | None = None,
) -> Any:
    """Sets the variable `ref` to `value`; gives the new value.

    Raises ShapeError if the shapes differ, unless `validate_shape` is False. `use_locking` is
    accepted for TensorFlow's sake: runs are atomic.
    """
    validate = True if validate_shape is None else bool(validate_shape)
    return apply(ASSIGN, (ref, value), {"validate_shape": validate}, name=name)


def _updater(opdef: OpDef, public_name: str, doc: str) -> Callable[..., Any]:
    def update(ref: Any, value: Any, use_locking: Any = None, name: str | None = None) -> Any:
        return apply(opdef, (ref, value), name=name)

    update.__name__ = update.__qualname__ = public_name
    update.__doc__ = doc
    return op_function(update)


assign_add = _updater(ASSIGN_ADD, "assign_add", "Adds `value` to a variable; gives the new value.")
assign_sub = _updater(
    ASSIGN_SUB, "assign_sub", "Subtracts `value` from a variable; gives the new value.")


def _scatterer(opdef: OpDef, public_name: str, verb: str, locking: bool) -> Callable[..., Any]:
    def scatter(
        ref: Any, indices: Any, updates: Any, use_locking: bool = locking,
        name: str | None = None,
    ) -> Any:
        return apply(opdef, (ref, indices, updates), name=name)

    scatter.__name__ = scatter.__qualname__ = public_name
    scatter.__doc__ = (
        f"{verb} the rows `updates` at `indices` of a variable; gives the new value.\n\n"
        "ref: [N, …] variable, indices: any shape, updates: indices.shape + ref.shape[1:] or a\n"
        "scalar. Repeated indices apply in order. Raises InvalidArgumentError for an index\n"
        "outside [0, N).")
    return op_function(scatter)


scatter_update = _scatterer(SCATTER_UPDATE, "scatter_update", "Sets", True)
scatter_add = _scatterer(SCATTER_ADD, "scatter_add", "Adds", False)
scatter_sub = _scatterer(SCATTER_SUB, "scatter_sub", "Subtracts", False)
scatter_mul = _scatterer(SCATTER_MUL, "scatter_mul", "Multiplies by", False)
scatter_div = _scatterer(SCATTER_DIV, "scatter_div", "Divides by", False)
scatter_min = _scatterer(SCATTER_MIN, "scatter_min", "Takes the minimum with", False)
scatter_max = _scatterer(SCATTER_MAX, "scatter_max", "Takes the maximum with", False)
scatter_nd_update = _scatterer(SCATTER_ND_UPDATE, "scatter_nd_update", "Sets", True)
scatter_nd_add = _scatterer(SCATTER_ND_ADD, "scatter_nd_add", "Adds", False)
scatter_nd_sub = _scatterer(SCATTER_ND_SUB, "scatter_nd_sub", "Subtracts", False)


@op_function
def is_variable_initialized(variable: Any) -> Any:
    """A bool scalar: whether the variable has a value (in the session that runs it)."""
    return apply(IS_INITIALIZED, (variable,))


@op_function
def random_counter(key: tuple[int, int], seeded: bool, name: str | None = None) -> Any:
    """An int64 scalar: how often it ran before in this session (from a random start if unseeded).

    Random ops draw from (key, counter); see `graphflow.ops.random`. The counter advances once a
    run; inside loops the iteration numbers are folded in, so that draws there are pure.
    """
    graph = get_default_graph()
    root = graph.root
    with root.as_default(), root.fresh_scopes(), root.name_scope(None):
        shared = root.unique_name(f"{name or 'random'}/counter")
        handle = apply(RANDOM_COUNTER, (), {
            "key": key, "seeded": seeded, "shared_name": shared}, name=f"{shared}/")
        counter = apply(ADVANCE_COUNTER, (handle,), name=f"{shared}/advance/")
    for iteration in graph.iterations():
        counter = apply(FOLD_IN, (counter, iteration))
    return counter


def check_assignable(variable_shape: TensorShape, value_shape: TensorShape, name: str) -> None:
    """Raises ShapeError if a value of one shape cannot be stored in a variable of the other."""
    if not variable_shape.is_compatible_with(value_shape):
        raise ShapeError(
            f"Variable '{name}' has shape {variable_shape}, the value {value_shape}."
        )
