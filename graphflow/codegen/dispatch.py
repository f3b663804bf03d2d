"""The native dispatcher: walks a table of rows, each a kernel call or a step of control flow.

A row is four int64 words: a code, or the address of a kernel, and three operands. A pointer cell
is a place in memory that holds the address of a value's elements; operands named `cell` are
addresses of cells. The state (`STATE` names its words) says where to go on. The dispatcher is
compiled like a kernel; it releases the interpreter lock while it runs.

It returns the number of the row at which it stopped: a `STOP`, a `KEEP` whose history is full
(tried again when entered anew), a `BACK` when the budget is spent or a check found a bad value,
or a `TEST` of that. Python then does what is to be done, and enters again; so Ctrl-C works inside
loops.

With a team (`codegen/meeting.py`), the thread that enters is member 0. It is alone until the first
`TEAM`; from there on all members walk the same rows. A kernel is told which member calls it, and
takes its share; calls that are not divided, and all that changes control data, are for member 0.
Others follow jumps, and meet member 0 at each `MEET`. When it leaves, wherever that is, it says
that the next meeting is the last, and the others go home behind that.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir

from graphflow.codegen.compile import CACHE
from graphflow.codegen.float_mode import begin_run, end_run, write_mode
from graphflow.codegen.meeting import Meeting, load, word_of
from graphflow.errors import ProgramError

_I8P = ir.IntType(8).as_pointer()
_I64 = ir.IntType(64)
_P64 = _I64.as_pointer()

# Codes of rows; every other code is the address of a kernel.
STOP = 0    # returns
BIND = 1    # (address of an array object's address, cell, bytes): the cell gets the address of
            # the array's elements, so many bytes behind the first one
COPY = 2    # (cell to, cell from, bytes)
UNLESS = 3  # (cell of a bool, row): goes on there if it is false
JUMP = 4    # (–, row)
BACK = 5    # (–, row, cost): the same, backwards
KEEP = 6    # (history, cell, bytes): history = (object's address, capacity, cell of the count)
SET = 7     # (cell of an int64, –, value)
ADD = 8     # (cell of an int64, –, value)
TEST = 9    # returns if a check has found a bad value
TEAM = 10   # from here on all members of the team walk, if it is free
MEET = 11   # a barrier
ALONE = 12  # (–, row): all but member 0 go on there
CODES = 13

ROW_WORDS = 4
DEPTHS = 7  # the bits of a call's mode that say how deep in the kernel the divided loops stand
# From the fifth on: of the team's record, or 0; whether a run that paused had it; 0, but for the
# states that the other members start with, which have their number there, and what the team's
# word `go` was before they came; whether subnormal numbers count as zero; the run's float mode.
STATE = ("row", "budget", "rows", "status", "team", "teamed", "member", "seen", "flush", "mode")
OBJECT_HEADER = object.__basicsize__

_ZERO, _ONE = ir.Constant(_I64, 0), ir.Constant(_I64, 1)


def emit_dispatcher(module: ir.Module, name: str) -> None:
    """`name(state)`: the run of member 0, or the life of another member."""
    meeting = Meeting(module)
    walk = Walk(module, meeting)
    walk.emit()
    function = ir.Function(module, ir.FunctionType(_I64, [_P64]), name)
    b = ir.IRBuilder(function.append_basic_block("entry"))
    state, = function.args
    words = {word: b.gep(state, [ir.Constant(_I64, i)]) for i, word in enumerate(STATE)}
    other, first = (function.append_basic_block(n) for n in ("other", "first"))
    b.cbranch(b.icmp_signed("!=", b.load(words["member"]), _ZERO), other, first)
    b.position_at_end(other)
    _live(b, words, walk.function, meeting)
    b.position_at_end(first)
    b.ret(walk_first(b, walk, meeting, state))


def walk_first(
    b: ir.IRBuilder, walk: Walk, meeting: Meeting, state: Any, *further: Any
) -> Any:
    """Walks as member 0, in the run's float mode → the number of the row at which it stopped."""
    words = {word: b.gep(state, [ir.Constant(_I64, i)]) for i, word in enumerate(STATE)}
    row = b.load(words["row"])
    with b.if_then(b.icmp_signed("==", row, _ZERO)):
        b.store(_ZERO, words["teamed"])
    before = begin_run(b, words["flush"], words["mode"])
    members = b.alloca(_I64)
    b.store(_ONE, members)
    with b.if_then(b.icmp_signed("!=", b.load(words["teamed"]), _ZERO), likely=False):
        team = b.inttoptr(b.load(words["team"]), _P64)
        b.store(b.call(meeting.join, [team, state, row]), members)
    stopped = b.call(walk.function, [state, _ZERO, b.load(members), row, *further])
    end_run(b, words["flush"], before)
    return stopped


def _live(b: ir.IRBuilder, words: dict[str, Any], walk: ir.Function, meeting: Meeting) -> None:
    """A member that is not member 0: it waits for runs, without an end."""
    function = b.function
    team = b.inttoptr(b.load(words["team"]), _P64)
    member, members = b.load(words["member"]), b.load(word_of(b, team, "members"))
    before = b.block
    go = word_of(b, team, "go")
    first = b.trunc(b.load(words["seen"]), ir.IntType(32))
    turn = function.append_basic_block("run")
    b.branch(turn)
    b.position_at_end(turn)
    seen = b.phi(ir.IntType(32))
    seen.add_incoming(first, before)
    b.call(meeting.wait, [team, go, seen])
    now = load(b, go, ir.IntType(32))
    b.call(meeting.spread, [team])
    state = b.inttoptr(b.load(word_of(b, team, "state")), _P64)
    write_mode(b, b.load(b.gep(state, [ir.Constant(_I64, STATE.index("mode"))])))
    b.call(walk, [state, member, members, b.load(word_of(b, team, "row"))])
    seen.add_incoming(now, b.block)
    b.branch(turn)


class Walk:
    """Writes `walk(state, member, members, row)`: the loop over the rows.

    Attributes:
      further: types of parameters behind these.
    """

    further: tuple[ir.Type, ...] = ()

    def __init__(self, module: ir.Module, meeting: Meeting) -> None:
        self.module, self.meeting = module, meeting
        kind = ir.FunctionType(_I64, [_P64, _I64, _I64, _I64, *self.further])
        self.function = ir.Function(module, kind, "walk")
        self.function.linkage = "internal"
        self.b = b = ir.IRBuilder(self.function.append_basic_block("entry"))
        state, self.member, members, row = self.function.args[:4]
        self.state = {word: b.gep(state, [ir.Constant(_I64, i)]) for i, word in enumerate(STATE)}
        self.row_at, self.members_at = b.alloca(_I64), b.alloca(_I64)
        b.store(row, self.row_at)
        b.store(members, self.members_at)
        self.first = b.icmp_signed("==", self.member, _ZERO)
        self.table = b.inttoptr(b.load(self.state["rows"]), _P64)
        self.team = b.inttoptr(b.load(self.state["team"]), _P64)
        self.head = self.function.append_basic_block("head")
        b.branch(self.head)

    def emit(self) -> None:
        """The loop over the rows."""
        b = self.b
        b.position_at_end(self.head)
        self.row = b.load(self.row_at)
        first = b.mul(self.row, ir.Constant(_I64, ROW_WORDS))
        words = [b.load(b.gep(self.table, [b.add(first, ir.Constant(_I64, k))]))
                 for k in range(ROW_WORDS)]
        code, self.operands = words[0], words[1:]
        call = self.function.append_basic_block("call")
        switch = b.switch(code, call)
        b.position_at_end(call)
        self._call(code)
        turns = {STOP: self._stop, BIND: self._bind, COPY: self._copy, UNLESS: self._unless,
                 JUMP: self._jump, BACK: self._back, KEEP: self._keep, SET: self._set,
                 ADD: self._add, TEST: self._test, TEAM: self._join, MEET: self._meet,
                 ALONE: self._alone}
        for number, turn in turns.items():
            block = self.function.append_basic_block(turn.__name__)
            switch.add_case(ir.Constant(_I64, number), block)
            b.position_at_end(block)
            turn()

    def _call(self, code: Any) -> None:
        """A kernel, by all members if it is divided (its mode says so), else by member 0."""
        b = self.b
        mode = self.operands[2]
        divided = b.icmp_signed("!=", b.and_(mode, ir.Constant(_I64, DEPTHS)), _ZERO)
        with b.if_then(b.or_(self.first, divided)):
            kernel = ir.FunctionType(
                ir.VoidType(), [_I8P.as_pointer(), _P64, _I64, _I64, _I64]).as_pointer()
            b.call(b.inttoptr(code, kernel),
                   [b.inttoptr(self.operands[0], _I8P.as_pointer()), self.pointer(1),
                    self.member, b.load(self.members_at), mode])
        self.go_on()

    def pointer(self, k: int, kind: Any = _P64) -> Any:
        """Operand `k` as an address."""
        return self.b.inttoptr(self.operands[k], kind)

    def elements(self, k: int, kind: Any = _P64) -> Any:
        """What the cell in operand `k` points to."""
        return self.b.inttoptr(self.b.load(self.pointer(k)), kind)

    def go_on(self, row: Any = None) -> None:
        """To `row`, or to the next one."""
        b = self.b
        b.store(b.add(self.row, _ONE) if row is None else row, self.row_at)
        b.branch(self.head)

    def leave(self, resume: Any) -> None:
        """Returns this row's number; the next entry starts at `resume`. For member 0.

        The team is given back when all have come to a meeting, and know that the run is left.
        """
        b = self.b
        b.store(resume, self.state["row"])
        with b.if_then(b.icmp_signed("!=", b.load(self.members_at), _ONE), likely=False):
            turn = load(b, word_of(b, self.team, "turn"), ir.IntType(32))
            b.store_atomic(
                b.zext(turn, _I64), word_of(b, self.team, "last"), "release", 8)
            b.call(self.meeting.meet, [self.team])
            b.store_atomic(_ZERO, word_of(b, self.team, "busy"), "release", 8)
        b.ret(self.row)

    def _unless_first(self, row: Any = None) -> None:
        """Members but member 0 skip this row."""
        with self.b.if_then(self.b.not_(self.first), likely=False):
            self.go_on(row)

    def _stop(self) -> None:
        b = self.b
        with b.if_then(b.not_(self.first), likely=False):
            b.call(self.meeting.meet, [self.team])
            b.ret(self.row)
        b.store(_ZERO, self.state["teamed"])
        self.leave(b.add(self.row, _ONE))

    def _join(self) -> None:
        b = self.b
        self._unless_first()
        with b.if_then(b.icmp_signed("==", b.load(self.members_at), _ONE)):
            b.store(_ONE, self.state["teamed"])
            joined = b.call(self.meeting.join, [
                self.team, self.function.args[0], b.add(self.row, _ONE)])
            b.store(joined, self.members_at)
        self.go_on()

    def _meet(self) -> None:
        b = self.b
        with b.if_then(b.icmp_signed("!=", b.load(self.members_at), _ONE)):
            turn = b.call(self.meeting.meet, [self.team])
            last = b.icmp_signed("==", load(b, word_of(b, self.team, "last")), turn)
            with b.if_then(b.and_(b.not_(self.first), last), likely=False):
                b.ret(self.row)
        self.go_on()

    def _alone(self) -> None:
        self.go_on(self.b.select(self.first, self.b.add(self.row, _ONE), self.operands[1]))

    def _array(self, address: Any) -> Any:
        """The address of the elements of the array object whose address lies at `address`.

        NumPy's C interface fixes that an array object holds it right behind the object header.
        """
        b = self.b
        field = b.add(b.load(address), ir.Constant(_I64, OBJECT_HEADER))
        return b.load(b.inttoptr(field, _P64))

    def _bind(self) -> None:
        self._unless_first()
        self.b.store(self.b.add(self._array(self.pointer(0)), self.operands[2]), self.pointer(1))
        self.go_on()

    def _move(self, target: Any, source: Any, size: Any) -> None:
        move = self.module.declare_intrinsic("llvm.memmove", [_I8P, _I8P, _I64])
        self.b.call(move, [target, source, size, ir.Constant(ir.IntType(1), 0)])

    def _copy(self) -> None:
        self._unless_first()
        self._move(self.elements(0, _I8P), self.elements(1, _I8P), self.operands[2])
        self.go_on()

    def _unless(self) -> None:
        b = self.b
        holds = b.icmp_unsigned("!=", b.load(self.elements(0, _I8P)),
                                ir.Constant(ir.IntType(8), 0))
        following = b.add(self.row, ir.Constant(_I64, 1))
        self.go_on(b.select(holds, following, self.operands[1]))

    def _jump(self) -> None:
        self.go_on(self.operands[1])

    def _back(self) -> None:
        b = self.b
        self._unless_first(self.operands[1])
        left = b.sub(b.load(self.state["budget"]), self.operands[2])
        b.store(left, self.state["budget"])
        spent = b.icmp_signed("<", left, ir.Constant(_I64, 0))
        with b.if_then(b.or_(spent, self._refused()), likely=False):
            self.leave(self.operands[1])
        self.go_on(self.operands[1])

    def _refused(self) -> Any:
        """True if a check has found a bad value."""
        b = self.b
        status = b.load(b.inttoptr(b.load(self.state["status"]), _P64))
        return b.icmp_signed("!=", status, ir.Constant(_I64, 0))

    def _test(self) -> None:
        self._unless_first()
        with self.b.if_then(self._refused(), likely=False):
            self.leave(self.row)
        self.go_on()

    def _keep(self) -> None:
        b = self.b
        self._unless_first()
        field = [b.gep(self.pointer(0), [ir.Constant(_I64, k)]) for k in range(3)]
        count = b.load(b.inttoptr(b.load(b.inttoptr(b.load(field[2]), _P64)), _P64))
        with b.if_then(b.icmp_signed(">=", count, b.load(field[1])), likely=False):
            self.leave(self.row)
        array = self._array(b.inttoptr(b.load(field[0]), _P64))
        target = b.add(array, b.mul(count, self.operands[2]))
        self._move(b.inttoptr(target, _I8P), self.elements(1, _I8P), self.operands[2])
        self.go_on()

    def _set(self) -> None:
        self._unless_first()
        self.b.store(self.operands[2], self.elements(0))
        self.go_on()

    def _add(self) -> None:
        self._unless_first()
        self.b.store(self.b.add(self.b.load(self.elements(0)), self.operands[2]),
                     self.elements(0))
        self.go_on()


@cache
def dispatcher() -> Callable[[int], int]:
    """`enter(address of the state)` → the number of the row at which it stopped."""
    _check_layout()
    address = CACHE.function("gf_dispatch", emit_dispatcher)
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(address)


def _check_layout() -> None:
    """Raises ProgramError if array objects are not laid out as NumPy's C interface says."""
    probe = np.zeros(3)
    found = ctypes.c_void_p.from_address(id(probe) + OBJECT_HEADER).value
    if found != probe.ctypes.data:
        raise ProgramError("This Python keeps NumPy arrays in another layout than CPython; use "
                           "device='reference'.")
