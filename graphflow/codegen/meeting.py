"""How the members of a team wait for each other, as LLVM functions.

A team's *record* is some cache lines of memory (`WORDS` says where each word lies). Member 0, the
thread that runs the program, takes the team, says where the others enter the table, and meets
them at the end. A meeting is a barrier: a counter and a turn, which the last to come moves on.
Whoever waits looks at the word for some microseconds, since most waits are shorter than a system
call, and then sleeps on it (Linux: futex; elsewhere: short sleeps).
"""

from __future__ import annotations

import platform
import sys
from typing import Any

from llvmlite import ir

I32, I64 = ir.IntType(32), ir.IntType(64)
P64 = I64.as_pointer()

LINE = 8  # words of a cache line
# Word → its place. Those that one member writes while others wait lie in lines of their own.
WORDS = {
    "busy": 0,          # 1 while a run has the team
    "ready": 1,         # 1 when its threads are there, -1 if they cannot be made
    "members": 2,
    "start": 3,         # of the function that makes the threads: start(record)
    "sleep": 4,         # of what puts a thread to sleep: Linux' syscall, or some microseconds' nap
    "least": 5,         # the bounds of patience: how often a member looks before it sleeps
    "most": 6,
    "state": LINE,      # the run: the dispatcher's state, and the row where members enter
    "row": LINE + 1,
    "last": LINE + 2,   # the turn of the last meeting of a run, -1 before there was one
    "go": 2 * LINE,     # changes when a run begins
    "idle": 2 * LINE + 1,      # how many sleep until it does, and the patience before that
    "idle_patience": 2 * LINE + 2,  # and behind it a count of waits
    "count": 3 * LINE,         # members that have come to the meeting
    "turn": 4 * LINE,          # changes when all have come
    "asleep": 4 * LINE + 1,    # how many sleep until it does, and the patience before that
    "patience": 4 * LINE + 2,  # and behind it a count of waits
}
TRIALS = 31  # waits between two that have all patience, a power of two less one
RECORD_WORDS = 5 * LINE

_FUTEX_WAIT, _FUTEX_WAKE = 128, 129  # of one process
_FUTEX = {"x86_64": 202, "aarch64": 98} if sys.platform == "linux" else {}
_PAUSES: dict[str, tuple[str, list[Any]]] = {
    **dict.fromkeys(("x86_64", "AMD64"), ("llvm.x86.sse2.pause", [])),
    **dict.fromkeys(("aarch64", "arm64"), ("llvm.aarch64.hint", [ir.Constant(I32, 1)])),
}


class Meeting:
    """The functions of one LLVM module."""

    def __init__(self, module: ir.Module) -> None:
        self.module = module
        self.meet = self._function("meet", I64, [P64])
        self.join = self._function("join", I64, [P64, P64, I64])
        self.wait = self._function("wait", ir.VoidType(), [P64, P64, I32])
        self._wait(ir.IRBuilder(self.wait.append_basic_block()))
        self._meet(ir.IRBuilder(self.meet.append_basic_block()))
        self._join(ir.IRBuilder(self.join.append_basic_block()))

    def _function(self, name: str, result: Any, arguments: list[Any]) -> ir.Function:
        function = ir.Function(self.module, ir.FunctionType(result, arguments), name)
        function.linkage = "internal"
        function.attributes.add("noinline")
        return function

    def _wait(self, b: ir.IRBuilder) -> None:
        """wait(record, word, old): until the word is not what it was.

        Behind the word lie the number of those that sleep, the patience of those that do not yet,
        and how many have waited. Looking in vain halves the patience, as it seems that there are
        not enough processors: then a thread that sleeps is better off than one that looks or
        yields. One wait of some has all patience; what is seen in time is what the next ones
        have patience for, twice over.
        """
        function = self.wait
        record, word, old = function.args
        sleepers, kept, counter = (b.gep(word, [ir.Constant(I64, k)]) for k in (1, 2, 3))
        head, again, sleep, doze, changed, seen, done = (
            function.append_basic_block(name)
            for name in ("head", "again", "sleep", "doze", "changed", "seen", "done"))
        most = b.load(word_of(b, record, "most"))
        waits = b.add(b.load(counter), ir.Constant(I64, 1))
        b.store(waits, counter)
        trial = b.icmp_unsigned("==", b.and_(waits, ir.Constant(I64, TRIALS)), ir.Constant(I64, 0))
        usual = b.load(kept)
        patience = b.select(trial, most, usual)
        entry = b.block
        b.branch(head)
        b.position_at_end(head)
        looks = b.phi(I64)
        looks.add_incoming(ir.Constant(I64, 0), entry)
        b.cbranch(b.icmp_unsigned("==", load(b, word, I32), old), again, seen)
        b.position_at_end(seen)
        needed = b.add(b.mul(looks, ir.Constant(I64, 2)), ir.Constant(I64, 64))
        more = b.select(b.icmp_signed(">", needed, usual), needed, usual)
        b.store(b.select(b.icmp_signed("<", more, most), more, most), kept)
        b.branch(done)
        b.position_at_end(again)
        _pause(b)
        more = b.add(looks, ir.Constant(I64, 1))
        looks.add_incoming(more, again)
        b.cbranch(b.icmp_signed("<", more, patience), head, sleep)
        b.position_at_end(sleep)
        less, least = b.udiv(usual, ir.Constant(I64, 2)), b.load(word_of(b, record, "least"))
        b.store(b.select(b.icmp_signed(">", less, least), less, least), kept)
        b.atomic_rmw("add", sleepers, ir.Constant(I64, 1), "seq_cst")
        b.branch(doze)
        b.position_at_end(doze)
        self._sleep(b, record, word, old)
        b.cbranch(b.icmp_unsigned("==", load(b, word, I32), old), doze, changed)
        b.position_at_end(changed)
        b.atomic_rmw("sub", sleepers, ir.Constant(I64, 1), "seq_cst")
        b.branch(done)
        b.position_at_end(done)
        b.ret_void()

    def _sleep(self, b: ir.IRBuilder, record: Any, word: Any, old: Any) -> None:
        if _futex(b, record, word, _FUTEX_WAIT, b.zext(old, I64)):
            return
        nap = ir.FunctionType(ir.VoidType(), [I32]).as_pointer()
        b.call(b.inttoptr(b.load(word_of(b, record, "sleep")), nap),
               [ir.Constant(I32, 1 if sys.platform == "win32" else 50)])

    def _move(self, b: ir.IRBuilder, record: Any, name: str, sleepers: str) -> None:
        """Changes a word that others may wait for."""
        word = word_of(b, record, name)
        b.atomic_rmw("add", b.bitcast(word, I32.as_pointer()), ir.Constant(I32, 1), "seq_cst")
        asleep = b.load_atomic(word_of(b, record, sleepers), "seq_cst", 8)
        with b.if_then(b.icmp_signed("!=", asleep, ir.Constant(I64, 0)), likely=False):
            _futex(b, record, word, _FUTEX_WAKE, ir.Constant(I64, 1 << 30))

    def _meet(self, b: ir.IRBuilder) -> None:
        """meet(record) → the number of this turn, when all members have called it."""
        record, = self.meet.args
        count, turn = word_of(b, record, "count"), word_of(b, record, "turn")
        before = load(b, turn, I32)
        come = b.atomic_rmw("add", count, ir.Constant(I64, 1), "seq_cst")
        members = b.load(word_of(b, record, "members"))
        last = b.icmp_signed("==", b.add(come, ir.Constant(I64, 1)), members)
        with b.if_else(last) as (then, otherwise):
            with then:
                b.store_atomic(ir.Constant(I64, 0), count, "monotonic", 8)
                self._move(b, record, "turn", "asleep")
            with otherwise:
                b.call(self.wait, [record, turn, before])
        b.ret(b.zext(before, I64))

    def _join(self, b: ir.IRBuilder) -> None:
        """join(record, state, row) → the members that walk on from `row`, 1 if there is no team.

        A team whose threads are not there, at first and in a forked child, makes them now.
        """
        record, state, row = self.join.args
        zero, one = ir.Constant(I64, 0), ir.Constant(I64, 1)
        busy, ready = word_of(b, record, "busy"), word_of(b, record, "ready")
        taken = b.extract_value(b.cmpxchg(busy, zero, one, "seq_cst", "monotonic"), 1)
        with b.if_then(b.not_(taken), likely=False):
            b.ret(one)
        with b.if_then(b.icmp_signed("==", b.load(ready), zero), likely=False):
            start = ir.FunctionType(ir.VoidType(), [P64]).as_pointer()
            b.call(b.inttoptr(b.load(word_of(b, record, "start")), start), [record])
        with b.if_then(b.icmp_signed("!=", b.load(ready), one), likely=False):
            b.store_atomic(zero, busy, "release", 8)
            b.ret(one)
        b.store(b.ptrtoint(state, I64), word_of(b, record, "state"))
        b.store(row, word_of(b, record, "row"))
        self._move(b, record, "go", "idle")
        b.ret(b.load(word_of(b, record, "members")))


def word_of(b: ir.IRBuilder, record: Any, name: str) -> Any:
    """The address of a word of a record."""
    return b.gep(record, [ir.Constant(I64, WORDS[name])])


def load(b: ir.IRBuilder, word: Any, kind: Any = I64) -> Any:
    """What a word holds that other members write; what they wrote before is seen after it."""
    return b.load_atomic(b.bitcast(word, kind.as_pointer()), "acquire", kind.width // 8)


def _futex(b: ir.IRBuilder, record: Any, word: Any, operation: int, operand: Any) -> bool:
    """The system call; False where there is none."""
    number = _FUTEX.get(platform.machine())
    if number is None:
        return False
    kind = ir.FunctionType(I64, [I64], var_arg=True).as_pointer()
    b.call(b.inttoptr(b.load(word_of(b, record, "sleep")), kind),
           [ir.Constant(I64, number), b.ptrtoint(word, I64), ir.Constant(I64, operation),
            operand, ir.Constant(I64, 0)])
    return True


def _pause(b: ir.IRBuilder) -> None:
    """Tells the processor that this thread waits."""
    if platform.machine() in _PAUSES:
        name, operands = _PAUSES[platform.machine()]
        module = b.module
        function = module.globals.get(name) or ir.Function(
            module, ir.FunctionType(ir.VoidType(), [o.type for o in operands]), name)
        b.call(function, operands)
