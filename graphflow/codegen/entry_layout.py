"""The native entry's tables: what its functions are given, and pens that write such functions.

Layouts are 64-bit words. The layouts of Python's and NumPy's objects are those of their C
interfaces; all functions are called by addresses in a table, so the code is the same in every
process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from graphflow.codegen.dispatch import OBJECT_HEADER
from graphflow.codegen.pen import Pen

_I32, _I64 = ir.IntType(32), ir.IntType(64)

# Functions that the entry calls: result and arguments, `o` an object or address, `n` a size,
# `i` a C int, `v` nothing. Then the objects that it knows.
FUNCTIONS = {
    "Py_IncRef": "vo", "Py_DecRef": "vo", "PyErr_Clear": "v", "PyErr_CheckSignals": "i",
    "PyEval_SaveThread": "o", "PyEval_RestoreThread": "vo",
    "PyDict_GetItem": "ooo", "PyDict_SetItem": "iooo", "PyDict_Size": "no", "PyDict_Next": "ioooo",
    "PyList_New": "on", "PyList_Size": "no", "PyList_GetItem": "oon", "PyList_SetItem": "iono",
    "PyTuple_New": "on", "PyTuple_Size": "no", "PyTuple_GetItem": "oon", "PyTuple_SetItem": "iono",
    "PySet_Size": "no",
    "PyObject_CallNoArgs": "oo", "PyObject_CallOneArg": "ooo",
    "PyArray_NewFromDescr": "oooioooio", "PyArray_Scalar": "oooo", "PyDataMem_SetHandler": "oo",
}
OBJECTS = ("ndarray", "dict", "list", "tuple", "none", "true", "false", "miss")
API = (*FUNCTIONS, *OBJECTS)

# The words of an entry's table, before the addresses of its records.
TABLE = ("api", "open", "positional", "count")

# The words of a record. Words in plural are addresses of rows, which `ROWS` describes.
RECORD = (
    "busy", "releases", "writes", "guarded", "form",
    "feeds", "feed_count", "states", "state_count", "fresh", "fresh_count",
    "binds", "bind_count", "commits", "commit_count", "outputs", "output_count",
    "picks", "pick_count", "keys", "fed", "arrays", "made", "objects",
    "state", "dispatch", "last", "status", "budget",
    "values", "taken", "writers", "lock", "unlock", "begin", "end",
    "memory",  # the memory handler of the results; 0 for NumPy's own
)
ROWS = {
    "feeds": ("type", "rank", "sizes"),
    "states": ("key", "in_place"),
    "fresh": ("type", "rank", "sizes", "scalar"),  # scalar: an array that is used each time
    "binds": ("object", "position"),
    "commits": ("key", "position"),
    "outputs": ("position", "scalar"),
    "picks": ("fetch", "output"),                  # output: -1 for None
}
SINGLE, LIST, TUPLE = 0, 1, 2                      # forms of what is fetched

# Fields of an array object, behind its header, in bytes: NumPy's PyArrayObject_fields.
DATA, RANK, SIZES, TYPE, FLAGS = (OBJECT_HEADER + k for k in (0, 8, 16, 40, 48))
OBJECT_TYPE = OBJECT_HEADER - 8                    # Python's PyObject
IN_ORDER = 0x0001 | 0x0100                         # contiguous and aligned
WRITEABLE = 0x0400


class ApiPen(Pen):
    """Writes functions whose first argument is the table of what `API` names."""

    def __init__(self, module: ir.Module, name: str, arguments: int) -> None:
        super().__init__(module, name, arguments)
        self.api = self.arguments[0]

    def object(self, name: str) -> Any:
        """A function's or object's address."""
        return self.at(self.api, 8 * API.index(name))

    def call(self, name: str, *arguments: Any) -> Any:
        """Calls a function of the interpreter or of NumPy."""
        kinds = {"o": _I64, "n": _I64, "i": _I32, "v": ir.VoidType()}
        result, *parameters = (kinds[letter] for letter in FUNCTIONS[name])
        kind = ir.FunctionType(result, parameters).as_pointer()
        values = [ir.Constant(p, a) if isinstance(a, int) else a
                  for p, a in zip(parameters, arguments, strict=True)]
        return self.b.call(self.b.inttoptr(self.object(name), kind), values)


class RecordPen(ApiPen):
    """Writes functions of (api, record, …)."""

    def __init__(self, module: ir.Module, name: str, arguments: int) -> None:
        super().__init__(module, name, arguments)
        self.record = self.arguments[1]

    def word(self, name: str) -> Any:
        """A word of the record."""
        return self.at(self.record, 8 * RECORD.index(name))

    def set_word(self, name: str, value: Any) -> None:
        self.put(self.record, 8 * RECORD.index(name), value)

    @contextmanager
    def rows(self, name: str) -> Iterator[tuple[Any, ...]]:
        """A loop over the rows of one kind; gives the turn and the row's words."""
        words = ROWS[name]
        count = self.word({"fresh": "fresh_count"}.get(name, f"{name[:-1]}_count"))
        with self.each(count) as turn:
            step = self.b.mul(turn, self.number(8 * len(words)))
            row = self.b.add(self.word(name), step)
            yield turn, *(self.at(row, 8 * k) for k in range(len(words)))

    def slot(self, name: str, number: Any) -> Any:
        """The address of a word in one of the record's lists of addresses."""
        return self.b.add(self.word(name), self.b.mul(number, self.number(8)))
