"""The native entry's step: runs a record's call from the fed arrays to the values it gives back.

A short step keeps the interpreter lock throughout, so nobody else sees the variables change; that
nobody is about to use them is all that is asked of the store. A long step (`releases`) gives the
lock up while the dispatcher works; if it writes, it is *guarded*: the store marks what is changed.
The step never waits: what others hold is a miss.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphflow.codegen.dispatch import STATE
from graphflow.codegen.entry_layout import (
    API,
    DATA,
    FLAGS,
    IN_ORDER,
    LIST,
    OBJECT_TYPE,
    RANK,
    SINGLE,
    SIZES,
    TYPE,
    WRITEABLE,
    RecordPen,
)

_I32, _I64 = ir.IntType(32), ir.IntType(64)


class Step(RecordPen):
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
