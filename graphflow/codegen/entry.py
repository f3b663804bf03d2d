"""The native entry: a built-in function that runs a compiled step from Python objects.

A step that stays the same from call to call — the same fetches, feeds of the same types and
sizes — is written down once as a *record* (`runtime/entries.py`). The entry compares a call with
the records by identity, reads the fields of the fed arrays, makes the results, enters the
dispatcher and gives the values back, without a line of Python. Whatever is not exactly as the
record says is a *miss*: nothing has happened, and the session goes the long way.

A short step keeps the interpreter lock throughout, so nobody else sees the variables change; that
nobody is about to use them is all that is asked of the store. A long step (`releases`) gives the
lock up while the dispatcher works; if it writes, it is *guarded*: the store marks what is changed.
The entry never waits: what others hold is a miss.

The layouts of Python's and NumPy's objects are those of their C interfaces; all functions are
called by addresses in a table, so the code is the same in every process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from graphflow.codegen.dispatch import OBJECT_HEADER, STATE
from graphflow.codegen.pen import Pen

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)

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


class _ApiPen(Pen):
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


class _RecordPen(_ApiPen):
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


class _Step(_RecordPen):
    """`step(api, record, values)`: the result as a new reference, 0 for an error, or a miss."""

    def __init__(self, module: ir.Module) -> None:
        super().__init__(module, "gf_step", 3)
        self.function.linkage = "internal"
        self.values = self.arguments[2]
        self.missed, self.unlocked, self.unwritten, self.unready = (
            self.block() for _ in range(4))

    def emit(self) -> None:
        self.leave_if(self.differ(self.word("busy"), 0), self.missed)
        self._read_feeds()
        with self.b.if_then(self.differ(self.word("guarded"), 0)):
            self._ask("begin", self.missed)
        self._read_states()
        self._make_fresh()
        with self.rows("binds") as (_, number, position):
            self.put(self.slot("objects", number), 0, self.at(self.slot("arrays", position)))
        self._dispatch()
        with self.rows("commits") as (_, key, position):  # only where the GIL was held all along
            array = self.at(self.slot("arrays", position))
            self.call("PyDict_SetItem", self.word("values"), key, array)
            self.call("Py_DecRef", array)
        self._end()
        self.b.ret(self._results())
        self._misses()

    def _misses(self) -> None:
        """Where a miss ends, from the inside out: fresh arrays, variables."""
        with self.written_in(self.unready):
            self._drop_fresh()
            self.b.branch(self.unwritten)
        with self.written_in(self.unlocked):
            self._tell("unlock")
            self._unguard()
            self.b.branch(self.missed)
        with self.written_in(self.unwritten):
            self._end()
            self.b.branch(self.missed)
        with self.written_in(self.missed):
            self.b.ret(self.object("miss"))

    # ---- before ------------------------------------------------------------------------------

    def _read_feeds(self) -> None:
        with self.rows("feeds") as (turn, kind, rank, sizes):
            array = self.at(self.values, self.b.mul(turn, self.number(8)))
            for found, wanted in (
                (self.at(array, OBJECT_TYPE), self.object("ndarray")),
                (self.at(array, TYPE), kind),
                (self.b.sext(self.at(array, RANK, _I32), _I64), rank),
            ):
                self.leave_if(self.differ(found, wanted), self.missed)
            self._leave_unless(self.at(array, FLAGS, _I32), IN_ORDER, self.missed)
            actual = self.at(array, SIZES)
            with self.each(rank) as axis:
                offset = self.b.mul(axis, self.number(8))
                self.leave_if(self.differ(self.at(actual, offset), self.at(sizes, offset)),
                              self.missed)
            self.put(self.slot("arrays", turn), 0, array)

    def _leave_unless(self, flags: Any, wanted: int, target: ir.Block) -> None:
        bits = ir.Constant(_I32, wanted)
        self.leave_if(self.differ(self.b.and_(flags, bits), bits), target)

    def _ask(self, name: str, otherwise: ir.Block, *arguments: Any) -> None:
        """Calls what answers True; goes to `otherwise` if it does not."""
        call = "PyObject_CallOneArg" if arguments else "PyObject_CallNoArgs"
        found = self.call(call, self.word(name), *arguments)
        failed = self.block()
        self.leave_if(self.same(found, 0), failed)
        self.call("Py_DecRef", found)
        self.leave_if(self.differ(found, self.object("true")), otherwise)
        with self.written_in(failed):
            self.call("PyErr_Clear")
            self.b.branch(otherwise)

    def _tell(self, name: str) -> None:
        """Calls what gives nothing back."""
        found = self.call("PyObject_CallNoArgs", self.word(name))
        with self.b.if_then(self.differ(found, 0)):
            self.call("Py_DecRef", found)

    def _unguard(self) -> None:
        with self.b.if_then(self.differ(self.word("guarded"), 0)):
            self._tell("end")

    def _read_states(self) -> None:
        """The arrays of the variables; those that change in place must be held by nobody else."""
        b = self.b
        unguarded = self.block()
        with self.written_in(unguarded):
            self._unguard()
            b.branch(self.missed)
        with b.if_then(self.differ(b.add(self.word("state_count"), self.word("commit_count")), 0)):
            self._ask("lock", unguarded, self.object("false"))
            with b.if_then(self.same(self.word("guarded"), 0)):
                self.leave_if(self.differ(self.call("PySet_Size", self.word("taken")), 0),
                              self.unlocked)
                with b.if_then(self.differ(self.word("writes"), 0)):
                    self.leave_if(self.differ(self.call("PyDict_Size", self.word("writers")), 0),
                                  self.unlocked)
            first = self.word("feed_count")
            with self.rows("states") as (turn, key, in_place):
                array = self.call("PyDict_GetItem", self.word("values"), key)
                self.leave_if(self.same(array, 0), self.unlocked)
                with b.if_then(self.differ(in_place, 0)):
                    self.leave_if(self.differ(self.at(array, 0, _I32), 1), self.unlocked)
                    self._leave_unless(self.at(array, FLAGS, _I32), WRITEABLE, self.unlocked)
                self.put(self.slot("arrays", b.add(first, turn)), 0, array)
            with self.rows("states") as (turn, _, _in_place):
                self.call("Py_IncRef", self.at(self.slot("arrays", b.add(first, turn))))
            self._tell("unlock")

    def _make_fresh(self) -> None:
        """Arrays for what is given away. Those not made yet are 0 in case it cannot be done."""
        b = self.b
        first = b.add(self.word("feed_count"), self.word("state_count"))
        with self.each(self.word("fresh_count")) as turn:
            self.put(self.slot("arrays", b.add(first, turn)), 0, 0)
        usual = self._take_memory()
        with self.rows("fresh") as (turn, kind, rank, sizes, scalar):
            place = self.slot("arrays", b.add(first, turn))
            with b.if_else(self.differ(scalar, 0)) as (kept, new):
                with kept:
                    self.call("Py_IncRef", scalar)
                    self.put(place, 0, scalar)
                with new:
                    self.call("Py_IncRef", kind)  # the call below takes it
                    array = self.call(
                        "PyArray_NewFromDescr", self.object("ndarray"), kind,
                        b.trunc(rank, _I32), sizes, self.number(0), self.number(0), 0,
                        self.number(0))
                    failed = self.block()
                    self.leave_if(self.same(array, 0), failed)
                    with self.written_in(failed):
                        self.call("PyErr_Clear")
                        self._leave_memory(usual)
                        b.branch(self.unready)
                    self.put(place, 0, array)
        self._leave_memory(usual)

    def _take_memory(self) -> Any:
        """Takes the results' memory from the record's handler; gives the one before, or 0."""
        b, handler = self.b, self.word("memory")
        given = b.block
        with b.if_then(self.differ(handler, 0)):
            before = self.call("PyDataMem_SetHandler", handler)
            with b.if_then(self.same(before, 0)):
                self.call("PyErr_Clear")
            end = b.block
        usual = b.phi(_I64)
        usual.add_incoming(self.number(0), given)
        usual.add_incoming(before, end)
        return usual

    def _leave_memory(self, usual: Any) -> None:
        """Back to the handler before, which was held as long as it was not in use."""
        with self.b.if_then(self.differ(usual, 0)):
            own = self.call("PyDataMem_SetHandler", usual)
            with self.b.if_then(self.differ(own, 0)):
                self.call("Py_DecRef", own)
            self.call("Py_DecRef", usual)

    def _drop_fresh(self) -> None:
        first = self.b.add(self.word("feed_count"), self.word("state_count"))
        with self.each(self.word("fresh_count")) as turn:
            array = self.at(self.slot("arrays", self.b.add(first, turn)))
            with self.b.if_then(self.differ(array, 0)):
                self.call("Py_DecRef", array)

    # ---- the step ----------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Enters the dispatcher until it is through; signals are let in where it pauses."""
        b = self.b
        self.set_word("busy", 1)
        self._hold("Py_IncRef")
        state = self.word("state")
        self.put(state, 8 * STATE.index("row"), 0)
        enter = b.inttoptr(self.word("dispatch"), ir.FunctionType(_I64, [_I64]).as_pointer())
        head, done, refused, signal, failed = (self.block() for _ in range(5))
        b.branch(head)
        b.position_at_end(head)
        self.put(state, 8 * STATE.index("budget"), self.word("budget"))
        releases = self.differ(self.word("releases"), 0)
        with b.if_else(releases) as (alone, held):
            with alone:
                thread = self.call("PyEval_SaveThread")
                stopped_alone = b.call(enter, [state])
                self.call("PyEval_RestoreThread", thread)
                end_alone = b.block
            with held:
                stopped_held = b.call(enter, [state])
                end_held = b.block
        stopped = b.phi(_I64)
        stopped.add_incoming(stopped_alone, end_alone)
        stopped.add_incoming(stopped_held, end_held)
        status = self.word("status")
        self.leave_if(self.differ(self.at(status), 0), refused)
        b.cbranch(self.same(stopped, self.word("last")), done, signal)
        with self.written_in(refused):
            self.put(status, 0, 0)
            self._let_go()
            b.branch(self.unready)
        with self.written_in(signal):
            b.cbranch(self.same(self.call("PyErr_CheckSignals"), 0), head, failed)
        with self.written_in(failed):
            self._let_go()
            self._drop_fresh()
            self._end()
            b.ret(self.number(0))
        b.position_at_end(done)
        self._let_go()

    def _hold(self, name: str) -> None:
        """The fed arrays stay while the dispatcher works, whatever other threads do."""
        with self.each(self.word("feed_count")) as turn:
            self.call(name, self.at(self.slot("arrays", turn)))

    def _let_go(self) -> None:
        self._hold("Py_DecRef")
        self.set_word("busy", 0)

    def _end(self) -> None:
        """Gives back the variables."""
        b = self.b
        first = self.word("feed_count")
        with self.rows("states") as (turn, _, _in_place):
            self.call("Py_DecRef", self.at(self.slot("arrays", b.add(first, turn))))
        self._unguard()

    # ---- after -------------------------------------------------------------------------------

    def _results(self) -> Any:
        """What was fetched, as a new reference; 0 and an error if there is no memory for it."""
        b = self.b
        result = b.alloca(_I64)
        b.store(self.number(0), result)
        done = self.block()
        self._make_outputs(done)
        single = self.same(self.word("form"), SINGLE)
        with b.if_else(single) as (alone, several):
            with alone:
                b.store(self._picked(self.at(self.word("picks"), 8)), result)
            with several, b.if_else(self.same(self.word("form"), LIST)) as (as_list, as_tuple):
                for block, name in ((as_list, "PyList"), (as_tuple, "PyTuple")):
                    with block:
                        b.store(self._container(name, done), result)
        b.branch(done)
        b.position_at_end(done)
        with self.each(self.word("output_count")) as turn:
            made = self.at(self.slot("made", turn))
            with b.if_then(self.differ(made, 0)):
                self.call("Py_DecRef", made)
        return b.load(result)

    def _make_outputs(self, failed: ir.Block) -> None:
        """Arrays stay what they are; the element of a scalar becomes a NumPy scalar."""
        b = self.b
        with self.each(self.word("output_count")) as turn:
            self.put(self.slot("made", turn), 0, 0)
        with self.rows("outputs") as (turn, position, scalar):
            array = self.at(self.slot("arrays", position))
            with b.if_else(self.differ(scalar, 0)) as (as_scalar, as_array):
                with as_scalar:
                    made = self.call("PyArray_Scalar", self.at(array, DATA), self.at(array, TYPE),
                                     self.number(0))
                    self.call("Py_DecRef", array)
                    self.put(self.slot("made", turn), 0, made)
                with as_array:
                    self.put(self.slot("made", turn), 0, array)
        with self.each(self.word("output_count")) as turn:
            self.leave_if(self.same(self.at(self.slot("made", turn)), 0), failed)

    def _picked(self, output: Any) -> Any:
        """An output by its number, or None, as a new reference."""
        b = self.b
        exists = b.icmp_signed(">=", output, self.number(0))
        place = b.select(exists, output, self.number(0))
        spare = self.word("made")
        address = b.select(exists, b.add(spare, b.mul(place, self.number(8))),
                           b.add(self.api, self.number(8 * API.index("none"))))
        found = self.at(address)
        self.call("Py_IncRef", found)
        return found

    def _container(self, name: str, failed: ir.Block) -> Any:
        made = self.call(f"{name}_New", self.word("pick_count"))
        self.leave_if(self.same(made, 0), failed)
        with self.rows("picks") as (turn, _, output):
            self.call(f"{name}_SetItem", made, turn, self._picked(output))
        return made


class _Match(_RecordPen):
    """`match(api, record, fetches, feeds, values)`: 1 if a call of `run` is the record's.

    Writes the fed objects to `values`, in the record's order.
    """

    def __init__(self, module: ir.Module) -> None:
        super().__init__(module, "gf_match", 5)
        self.function.linkage = "internal"

    def emit(self) -> None:
        _, _, fetches, feeds, values = self.arguments
        self.no, fed, yes = (self.block() for _ in range(3))
        self._match_fetches(fetches)
        with self.b.if_then(self.same(self.word("feed_count"), 0)):
            with self.b.if_then(self.same(feeds, self.object("none"))):
                self.b.branch(yes)
            self._match_feeds(feeds, values)
            self.b.branch(yes)
        self.b.branch(fed)
        self.b.position_at_end(fed)
        self._match_feeds(feeds, values)
        self.b.branch(yes)
        for block, answer in ((yes, 1), (self.no, 0)):
            with self.written_in(block):
                self.b.ret(self.number(answer))

    def _match_fetches(self, fetches: Any) -> None:
        b = self.b
        form = self.word("form")
        kind = self.at(fetches, OBJECT_TYPE)
        with b.if_else(self.same(form, SINGLE)) as (single, several):
            with single:
                self.leave_if(self.differ(fetches, self.at(self.word("picks"))), self.no)
            with several, b.if_else(self.same(form, LIST)) as (as_list, as_tuple):
                for block, name in ((as_list, "list"), (as_tuple, "tuple")):
                    with block:
                        self.leave_if(self.differ(kind, self.object(name)), self.no)
                        self._match_items(fetches, f"Py{name.title()}")

    def _match_items(self, fetches: Any, name: str) -> None:
        self.leave_if(self.differ(self.call(f"{name}_Size", fetches), self.word("pick_count")),
                      self.no)
        with self.rows("picks") as (turn, fetch, _):
            self.leave_if(self.differ(self.call(f"{name}_GetItem", fetches, turn), fetch), self.no)

    def _match_feeds(self, feeds: Any, values: Any) -> None:
        """The dict's keys must be the record's, in order."""
        b = self.b
        self.leave_if(self.differ(self.at(feeds, OBJECT_TYPE), self.object("dict")), self.no)
        self.leave_if(self.differ(self.call("PyDict_Size", feeds), self.word("feed_count")),
                      self.no)
        with b.goto_entry_block():
            cells = [b.alloca(_I64) for _ in range(3)]
        b.store(self.number(0), cells[0])
        addresses = [b.ptrtoint(cell, _I64) for cell in cells]
        with self.each(self.word("feed_count")) as turn:
            more = self.call("PyDict_Next", feeds, *addresses)
            self.leave_if(self.same(more, 0), self.no)
            self.leave_if(self.differ(b.load(cells[1]), self.at(self.slot("keys", turn))), self.no)
            place = b.add(values, b.mul(turn, self.number(8)))
            self.put(place, 0, b.load(cells[2]))


class _Entry(_ApiPen):
    """`entry(self, arguments, count)`: the built-in function; `self` is the table, an array."""

    def __init__(self, module: ir.Module, name: str) -> None:
        super().__init__(module, name, 3)
        table, self.values, self.count = self.arguments
        self.table = self.at(table, DATA)
        self.api = self.word("api")

    def word(self, name: str) -> Any:
        return self.at(self.table, 8 * TABLE.index(name))

    def emit(self, match: ir.Function, step: ir.Function) -> None:
        b = self.b
        missed = self.block()
        self.leave_if(self.same(self.at(self.word("open")), 0), missed)
        with self.each(self.word("count")) as turn:
            offset = b.add(b.mul(turn, self.number(8)), self.number(8 * len(TABLE)))
            record = self.at(self.table, offset)
            with b.if_else(self.differ(self.word("positional"), 0)) as (called, run):
                with called:
                    count = self.at(record, 8 * RECORD.index("feed_count"))
                    values, fits = self.values, b.zext(self.same(count, self.count), _I64)
                    end_called = b.block
                with run:
                    fed = self.at(record, 8 * RECORD.index("fed"))
                    fits_run = b.call(match, [self.api, record, self.at(self.values),
                                              self.at(self.values, 8), fed])
                    end_run = b.block
            merged = [b.phi(_I64), b.phi(_I64)]
            for phi, (one, other) in zip(merged, ((values, fed), (fits, fits_run))):
                phi.add_incoming(one, end_called)
                phi.add_incoming(other, end_run)
            with b.if_then(self.differ(merged[1], 0)):
                result = b.call(step, [self.api, record, merged[0]])
                with b.if_then(self.differ(result, self.object("miss"))):
                    b.ret(result)
        b.branch(missed)
        b.position_at_end(missed)
        miss = self.object("miss")
        self.call("Py_IncRef", miss)
        b.ret(miss)


def emit_entry(module: ir.Module, name: str) -> None:
    """Writes the built-in function `name`, as Python calls one that takes positional arguments."""
    step, match = _Step(module), _Match(module)
    step.emit()
    match.emit()
    _Entry(module, name).emit(match.function, step.function)
