"""Lookup tables: keys to values, on the host. They are state of a session.

`StaticHashTable` and what is made of it are filled once, by `tables_initializer()`;
`MutableHashTable` by operations.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, convert, current
from graphflow.dims import fresh
from graphflow.dtypes import DType, to_array
from graphflow.errors import (
    DTypeError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
)
from graphflow.graph import get_default_graph
from graphflow.lowering import Host
from graphflow.opdef import Attr, ConstValue, Infer, NotDifferentiable, RunError, TensorType
from graphflow.ops.declare import declare
from graphflow.ops.graph_functions import init_scope
from graphflow.ops.host_state import current_host_state
from graphflow.ops.leaves import group
from graphflow.scopes import GraphKeys
from graphflow.shapes import SCALAR, TensorShape
from graphflow.tensor import Operation

_TABLE = NotDifferentiable("what comes from a table has no gradient")
STEP = Host(effect=True, reaches_out=True)


@dataclass(frozen=True, eq=False)
class TableSpec:
    """What the operations on one table share; equal by identity.

    Attributes:
      name: how messages call it.
      key_dtype, value_dtype: the types.
      default: what a missing key gives; its shape is that of each value.
      begins_filled: it may be used from the start.
    """

    name: str
    key_dtype: DType
    value_dtype: DType
    default: ConstValue
    begins_filled: bool = False

    def state(self) -> TableState:
        """The table of the session that runs."""
        found: TableState = current_host_state().kept(self, TableState)
        return found

    def __repr__(self) -> str:
        return f"table '{self.name}'"


class TableState:
    """The entries in one session; None until it is initialised."""

    def __init__(self) -> None:
        self.entries: dict[Any, Any] | None = None
        self.lock = threading.Lock()

    def entries_of(self, table: TableSpec) -> dict[Any, Any]:
        """The entries. Raises RunError if the table was not initialised."""
        with self.lock:
            if self.entries is None:
                if not table.begins_filled:
                    raise RunError(FailedPreconditionError, f"Table not initialized: {table!r}",
                                   "Run gf.tables_initializer() first.")
                self.entries = {}
            return self.entries


def _fill(table: TableSpec, keys: list[Any], values: list[Any]) -> tuple[()]:
    entries: dict[Any, Any] = {}
    for key, value in zip(keys, values):
        if entries.setdefault(key, value) != value:
            raise RunError(FailedPreconditionError,
                           f"HashTable has different value for same key. Key {key!r} has "
                           f"{entries[key]!r} and trying to add value {value!r}")
    state = table.state()
    with state.lock:
        state.entries = entries
    return ()


def _initialize(keys: np.ndarray, values: np.ndarray, table: TableSpec) -> tuple[()]:
    if keys.shape != values.shape:
        raise RunError(InvalidArgumentError, f"keys {list(keys.shape)} and values "
                                             f"{list(values.shape)} must have one shape")
    return _fill(table, keys.ravel().tolist(), values.ravel().tolist())


TABLE = {"table": Attr("object")}

INITIALIZE_TABLE = declare(
    "InitializeTableV2", "keys: any, values: any", attrs=TABLE, infer=lambda c: [],
    reference=_initialize, grad=_TABLE, lowering=STEP)

WHOLE_LINE, LINE_NUMBER = -2, -1


def _from_file(
    filename: np.ndarray, table: TableSpec, key_index: int, value_index: int, vocab_size: int,
    delimiter: str,
) -> tuple[()]:
    name = filename.item()
    try:
        with open(name, "rb") as stream:
            lines = stream.read().splitlines()
    except OSError as error:
        raise RunError(NotFoundError, f"{name.decode()}; {error.strerror}") from error
    if vocab_size > 0:
        if len(lines) < vocab_size:
            raise RunError(InvalidArgumentError,
                           f"Invalid vocab_size in {name.decode()}: expected {vocab_size} but got "
                           f"{len(lines)}")
        lines = lines[:vocab_size]

    def column(index: int, dtype: DType) -> list[Any]:
        if index == LINE_NUMBER:
            return list(range(len(lines)))
        texts = lines if index == WHOLE_LINE else [
            _part(line.split(delimiter.encode()), index, number)
            for number, line in enumerate(lines, 1)]
        if dtype.is_string:
            return texts
        try:
            return [int(t) if dtype.is_integer else float(t) for t in texts]
        except ValueError as error:
            raise RunError(InvalidArgumentError, f"{name.decode()}: {error}") from error

    return _fill(table, column(key_index, table.key_dtype), column(value_index, table.value_dtype))


def _part(parts: list[bytes], index: int, line: int) -> bytes:
    if index >= len(parts):
        raise RunError(InvalidArgumentError, f"Invalid number of columns in line {line}: expected "
                                             f"at least {index + 1}, got {len(parts)}")
    return parts[index]


INITIALIZE_FROM_FILE = declare(
    "InitializeTableFromTextFileV2", "filename: string",
    attrs={**TABLE, "key_index": Attr("int"), "value_index": Attr("int"),
           "vocab_size": Attr("int"), "delimiter": Attr("str")},
    infer=lambda c: [], reference=_from_file, grad=_TABLE, lowering=STEP)


# ---- looking up ---------------------------------------------------------------------------------


def _find(keys: np.ndarray, table: TableSpec) -> np.ndarray:
    entries, default = table.state().entries_of(table), table.default.array
    out = np.empty((keys.size, *default.shape), default.dtype)
    out[:] = default
    for place, key in enumerate(keys.ravel().tolist()):
        value = entries.get(key)
        if value is not None:
            out[place] = value
    return out.reshape(*keys.shape, *default.shape)


def _check_keys(c: Infer) -> None:
    expected = c.attrs["table"].key_dtype
    if c.dtype(0) is not expected:
        raise c.error(f"keys must be {expected.name}, got {c.dtype(0).name}", cls=DTypeError)


def _value_type(c: Infer) -> list[TensorType]:
    _check_keys(c)
    table: TableSpec = c.attrs["table"]
    shape = TensorShape(table.default.array.shape)
    return [TensorType(table.value_dtype, c.shape(0).concatenate(shape))]


TABLE_FIND = declare(
    "LookupTableFindV2", "keys: any", attrs=TABLE, infer=_value_type, reference=_find,
    grad=_TABLE, lowering=STEP)

TABLE_SIZE = declare(
    "LookupTableSizeV2", "", attrs=TABLE, infer=lambda c: [TensorType(dt.int64, SCALAR)],
    reference=lambda table: np.int64(len(table.state().entries_of(table))), grad=_TABLE,
    lowering=STEP)


# ---- changing -----------------------------------------------------------------------------------


def _insert(keys: np.ndarray, values: np.ndarray, table: TableSpec) -> tuple[()]:
    state, entries = table.state(), table.state().entries_of(table)
    rows = values.reshape(keys.size, *table.default.array.shape)
    with state.lock:
        for key, value in zip(keys.ravel().tolist(), rows):
            entries[key] = np.array(value) if isinstance(value, np.ndarray) else value
    return ()


def _insert_check(c: Infer) -> list[TensorType]:
    _check_keys(c)
    table: TableSpec = c.attrs["table"]
    expected = c.shape(0).concatenate(TensorShape(table.default.array.shape))
    if not expected.is_compatible_with(c.shape(1)):
        raise c.error(f"values must have shape {expected}, got {c.show(1)}")
    return []


TABLE_INSERT = declare(
    "LookupTableInsertV2", "keys: any, values: any", attrs=TABLE, infer=_insert_check,
    reference=_insert, grad=_TABLE, lowering=STEP)


def _remove(keys: np.ndarray, table: TableSpec) -> tuple[()]:
    state, entries = table.state(), table.state().entries_of(table)
    with state.lock:
        for key in keys.ravel().tolist():
            entries.pop(key, None)
    return ()


def _remove_check(c: Infer) -> list[TensorType]:
    _check_keys(c)
    return []


TABLE_REMOVE = declare(
    "LookupTableRemoveV2", "keys: any", attrs=TABLE, infer=_remove_check, reference=_remove,
    grad=_TABLE, lowering=STEP)


def _export(table: TableSpec) -> tuple[np.ndarray, np.ndarray]:
    entries, default = dict(table.state().entries_of(table)), table.default.array
    keys = np.empty(len(entries), table.key_dtype.numpy)
    values = np.empty((len(entries), *default.shape), default.dtype)
    keys[:] = list(entries)
    for place, value in enumerate(entries.values()):
        values[place] = value
    return keys, values


def _export_types(c: Infer) -> list[TensorType]:
    table: TableSpec = c.attrs["table"]
    size = fresh()
    return [TensorType(table.key_dtype, TensorShape.of((size,))),
            TensorType(table.value_dtype, TensorShape.of((size,)).concatenate(
                TensorShape(table.default.array.shape)))]


TABLE_EXPORT = declare(
    "LookupTableExportV2", "", attrs=TABLE, infer=_export_types, reference=_export, grad=_TABLE,
    lowering=STEP)


# ---- for the public classes ---------------------------------------------------------------------


def new_table(
    name: str, key_dtype: Any, value_dtype: Any, default: Any, begins_filled: bool
) -> TableSpec:
    """A table under a name that is not taken."""
    value = dt.as_dtype(value_dtype)
    with init_scope():
        unique = get_default_graph().unique_name(name)
    return TableSpec(unique, dt.as_dtype(key_dtype), value,
                     ConstValue(to_array(default, value)), begins_filled)


def step(opdef: Any, inputs: tuple[Any, ...], attrs: dict[str, Any], name: str | None
         ) -> Operation:
    """One operation without results."""
    graph: Any = current()
    operation: Operation = graph.add_operation(opdef, tuple(map(convert, inputs)), attrs, name)
    return operation


def find(table: TableSpec, keys: Any, name: str | None = None) -> Any:
    """The values of keys, a tensor."""
    return apply(TABLE_FIND, (convert(keys, table.key_dtype),), {"table": table}, name=name)


def tables_initializer(name: str = "init_all_tables") -> Any:
    """An operation that fills all tables that exist now."""
    return group(*get_default_graph().get_collection(GraphKeys.TABLE_INITIALIZERS),
                 name=name or "init_all_tables")


def initialize_all_tables(name: str = "init_all_tables") -> Any:
    """The older name of `tables_initializer`."""
    return tables_initializer(name)
