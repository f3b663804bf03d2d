"""How the members of a team wait for each other, as LLVM functions.

A team's *record* is some cache lines of memory (`WORDS` says where each word lies). Member 0, the
thread that runs the program, takes the team, says where the others enter the table, and meets
them at the end. A meeting is a barrier: a counter and a turn, which the last to come moves on.
Whoever waits looks at the word for a while, since most waits are shorter than what it takes to
wake a thread, and then sleeps on it (Linux: futex; elsewhere: short sleeps).

Where processors are scarce, that is wrong: whoever looks uses up time that the system then takes
from him when he works, and the others wait for him. The sign of it are waits that take longer than
any kernel should. After one of them members sleep at once, for a few waits; if that goes on, for
many.
"""

from __future__ import annotations

import platform
import sys
import time
from typing import Any

from llvmlite import ir

I32, I64 = ir.IntType(32), ir.IntType(64)
P64 = I64.as_pointer()

LINE = 8  # words of a cache line
# Word → its place. Those that one member writes while others wait lie in lines of their own.
# Times are in ticks of the clock.
WORDS = {
    "busy": 0,          # 1 while a run has the team
    "ready": 1,         # 1 when its threads are there, -1 if they cannot be made
    "members": 2,
    "start": 3,         # of the function that makes the threads: start(record)
    "sleep": 4,         # of what puts a thread to sleep: Linux' syscall, or some microseconds' nap
    "clock": 5,         # of what tells the time
    "least": 6,         # the shortest patience: how long a member looks before it sleeps
    "state": LINE,      # the run: the dispatcher's state, and the row where members enter
    "row": LINE + 1,
    "last": LINE + 2,   # the turn of the last meeting of a run, -1 before there was one
    "core": LINE + 3,   # where member 0 was when it took the team
    "go": 2 * LINE,     # changes when a run begins
    "idle": 2 * LINE + 1,      # how many sleep until it does
    "idle_patience": 2 * LINE + 2,  # the patience before that, and the longest that it may be
    "idle_most": 2 * LINE + 3,
    "count": 3 * LINE,         # members that have come to the meeting
    "turn": 4 * LINE,          # changes when all have come
    "asleep": 4 * LINE + 1,    # as above
    "patience": 4 * LINE + 2,
    "most": 4 * LINE + 3,
    "quiet": 5 * LINE,         # how many waits shall be without patience; below 0: were since
    "penalty": 5 * LINE + 1,   # how many they were the last time
    "where": 5 * LINE + 2,     # of Linux' functions that say on which core a thread is, and on
    "allowed": 5 * LINE + 3,   # which ones it may be, and that change this; 0 if all may stay
    "allow": 5 * LINE + 4,
}
LOOKS = 16  # at a word, between two at the clock: some hundred nanoseconds
LEAST_QUIET, MOST_QUIET = 4, 1 << 16  # waits without patience
_CORES = 1024  # that Linux' sets of cores tell apart
FORGIVING = 4  # 2 ** 4 waits without trouble halve that
CALM = 64      # waits after which trouble seems to be over
RECORD_WORDS = 6 * LINE

_FUTEX_WAIT, _FUTEX_WAKE = 128, 129  # of one process
_FUTEX = {"x86_64": 202, "aarch64": 98} if sys.platform == "linux" else {}
_PAUSES: dict[str, tuple[str, list[Any]]] = {
    **dict.fromkeys(("x86_64", "AMD64"), ("llvm.x86.sse2.pause", [])),
    **dict.fromkeys(("aarch64", "arm64"), ("llvm.aarch64.hint", [ir.Constant(I32, 1)])),
}
_ZERO, _ONE = ir.Constant(I64, 0), ir.Constant(I64, 1)


class Meeting:
    """The functions of one LLVM module."""

    def __init__(self, module: ir.Module) -> None:
        self.module = module
        self.meet = self._function("meet", I64, [P64])
        self.join = self._function("join", I64, [P64, P64, I64])
        self.wait = self._function("wait", I64, [P64, P64, I32])
        self.blame = self._function("blame", ir.VoidType(), [P64])
        self.spread = self._function("spread", ir.VoidType(), [P64])
        for function, write in ((self.wait, self._wait), (self.meet, self._meet),
                                (self.join, self._join), (self.blame, self._blame),
                                (self.spread, self._spread)):
            write(ir.IRBuilder(function.append_basic_block()))

    def _function(self, name: str, result: Any, arguments: list[Any]) -> ir.Function:
        function = ir.Function(self.module, ir.FunctionType(result, arguments), name)
        function.linkage = "internal"
        function.attributes.add("noinline")
        return function

    def _wait(self, b: ir.IRBuilder) -> None:
        """wait(record, word, old): until the word is not what it was → its time, or 0.

        Behind the word lie the number of those that sleep, the patience of those that do not yet,
        and the most that it may be. Waking a thread takes as long as a short kernel, so patience
        is at least as long as every wait that looking could have seen the end of; a longer one
        halves it.
        """
        function = self.wait
        record, word, old = function.args
        sleepers, kept, bound = (b.gep(word, [ir.Constant(I64, k)]) for k in (1, 2, 3))
        head, again, ask, first, tired, sleep, doze, changed, done = (
            function.append_basic_block(name) for name in (
                "head", "again", "ask", "first", "tired", "sleep", "doze", "changed", "done"))
        moment = b.alloca(I64, 2)
        looks, began, patience = (b.alloca(I64) for _ in range(3))
        b.store(_ZERO, looks)
        b.branch(head)
        b.position_at_end(head)
        b.cbranch(b.icmp_unsigned("==", load(b, word, I32), old), again, done)
        b.position_at_end(again)
        _pause(b)
        more = b.add(b.load(looks), _ONE)
        b.store(more, looks)
        b.cbranch(b.icmp_unsigned("==", b.and_(more, ir.Constant(I64, LOOKS - 1)), _ZERO),
                  ask, head)
        b.position_at_end(ask)
        now = _now(b, record, moment)
        b.cbranch(b.icmp_unsigned("==", more, ir.Constant(I64, LOOKS)), first, tired)
        b.position_at_end(first)
        b.store(now, began)
        b.store(_patience(b, record, kept), patience)
        b.branch(head)
        b.position_at_end(tired)
        so_far = b.sub(now, b.load(began))
        b.cbranch(b.icmp_signed("<", so_far, b.load(patience)), head, sleep)
        b.position_at_end(sleep)
        b.atomic_rmw("add", sleepers, _ONE, "seq_cst")
        b.branch(doze)
        b.position_at_end(doze)
        self._sleep(b, record, word, old)
        b.cbranch(b.icmp_unsigned("==", load(b, word, I32), old), doze, changed)
        b.position_at_end(changed)
        b.atomic_rmw("sub", sleepers, _ONE, "seq_cst")
        waited = b.sub(_now(b, record, moment), b.load(began))
        _learn(b, record, kept, b.load(bound), waited)
        b.ret(waited)
        b.position_at_end(done)
        b.ret(_ZERO)

    def _sleep(self, b: ir.IRBuilder, record: Any, word: Any, old: Any) -> None:
        if _futex(b, record, word, _FUTEX_WAIT, b.zext(old, I64)):
            return
        nap = ir.FunctionType(ir.VoidType(), [I32]).as_pointer()
        b.call(b.inttoptr(b.load(word_of(b, record, "sleep")), nap),
               [ir.Constant(I32, 1 if sys.platform == "win32" else 50)])

    def _blame(self, b: ir.IRBuilder) -> None:
        """blame(record): members have no patience for some waits.

        They are twice as many as the last time, and half as many for each 2 ** FORGIVING waits
        since then: trouble that is rarer does no harm.
        """
        record, = self.blame.args
        quiet, penalty = word_of(b, record, "quiet"), word_of(b, record, "penalty")
        since = b.lshr(b.neg(b.load(quiet)), ir.Constant(I64, FORGIVING))
        twice = b.shl(b.load(penalty), _ONE)
        fewer = b.lshr(twice, smaller(b, since, ir.Constant(I64, 63)))
        least, most = ir.Constant(I64, LEAST_QUIET), ir.Constant(I64, MOST_QUIET)
        chosen = smaller(b, b.select(b.icmp_signed(">", fewer, least), fewer, least), most)
        b.store(chosen, penalty)
        b.store(chosen, quiet)
        b.ret_void()

    def _move(self, b: ir.IRBuilder, record: Any, name: str, sleepers: str) -> None:
        """Changes a word that others may wait for."""
        word = word_of(b, record, name)
        b.atomic_rmw("add", b.bitcast(word, I32.as_pointer()), ir.Constant(I32, 1), "seq_cst")
        asleep = b.load_atomic(word_of(b, record, sleepers), "seq_cst", 8)
        with b.if_then(b.icmp_signed("!=", asleep, _ZERO), likely=False):
            _futex(b, record, word, _FUTEX_WAKE, ir.Constant(I64, 1 << 30))

    def _meet(self, b: ir.IRBuilder) -> None:
        """meet(record) → the number of this turn, when all members have called it."""
        record, = self.meet.args
        count, turn = word_of(b, record, "count"), word_of(b, record, "turn")
        before = load(b, turn, I32)
        come = b.atomic_rmw("add", count, _ONE, "seq_cst")
        last = b.icmp_signed("==", b.add(come, _ONE), b.load(word_of(b, record, "members")))
        with b.if_else(last) as (then, otherwise):
            with then:
                b.store_atomic(_ZERO, count, "monotonic", 8)
                self._move(b, record, "turn", "asleep")
            with otherwise:
                waited = b.call(self.wait, [record, turn, before])
                late = b.icmp_signed(">", waited, b.load(word_of(b, record, "most")))
                patient = b.icmp_signed("<=", b.load(word_of(b, record, "quiet")), _ZERO)
                with b.if_then(b.and_(late, patient), likely=False):
                    b.call(self.blame, [record])
        b.ret(b.zext(before, I64))

    def _spread(self, b: ir.IRBuilder) -> None:
        """spread(record): another member than 0 leaves the core on which member 0 works.

        Systems may wake a thread where the one works that wakes it, and leave both there for
        seconds. Afterwards the thread may be on all cores that it was allowed before. Where
        processors are scarce, it stays: elsewhere it would have to wait for its turn.
        """
        record, = self.spread.args
        where, core = (b.load(word_of(b, record, name)) for name in ("where", "core"))
        scarce = b.icmp_signed(
            ">", b.load(word_of(b, record, "quiet")), ir.Constant(I64, -CALM))
        with b.if_then(b.or_(scarce, b.icmp_signed("==", where, _ZERO))):
            b.ret_void()
        with b.if_then(b.icmp_signed("!=", _core(b, where), core), likely=True):
            b.ret_void()
        cores = b.alloca(I64, _CORES // 64)
        kind = ir.FunctionType(I32, [I32, I64, P64]).as_pointer()
        ask, change = (b.inttoptr(b.load(word_of(b, record, name)), kind)
                       for name in ("allowed", "allow"))
        own = [ir.Constant(I32, 0), ir.Constant(I64, _CORES // 8), cores]
        known = b.icmp_signed("==", b.call(ask, own), ir.Constant(I32, 0))
        few = b.icmp_unsigned("<", core, ir.Constant(I64, _CORES))
        with b.if_then(b.and_(known, few)):
            word = b.gep(cores, [b.lshr(core, ir.Constant(I64, 6))])
            before = b.load(word)
            bit = b.shl(_ONE, b.and_(core, ir.Constant(I64, 63)))
            b.store(b.and_(before, b.not_(bit)), word)
            b.call(change, own)  # refused if it is the only core
            b.store(before, word)
            b.call(change, own)
        b.ret_void()

    def _join(self, b: ir.IRBuilder) -> None:
        """join(record, state, row) → the members that walk on from `row`, 1 if there is no team.

        A team whose threads are not there, at first and in a forked child, makes them now.
        """
        record, state, row = self.join.args
        busy, ready = word_of(b, record, "busy"), word_of(b, record, "ready")
        taken = b.extract_value(b.cmpxchg(busy, _ZERO, _ONE, "seq_cst", "monotonic"), 1)
        with b.if_then(b.not_(taken), likely=False):
            b.ret(_ONE)
        with b.if_then(b.icmp_signed("==", b.load(ready), _ZERO), likely=False):
            start = ir.FunctionType(ir.VoidType(), [P64]).as_pointer()
            b.call(b.inttoptr(b.load(word_of(b, record, "start")), start), [record])
        with b.if_then(b.icmp_signed("!=", b.load(ready), _ONE), likely=False):
            b.store_atomic(_ZERO, busy, "release", 8)
            b.ret(_ONE)
        b.store(b.ptrtoint(state, I64), word_of(b, record, "state"))
        b.store(row, word_of(b, record, "row"))
        where = b.load(word_of(b, record, "where"))
        with b.if_then(b.icmp_signed("!=", where, _ZERO)):
            b.store(_core(b, where), word_of(b, record, "core"))
        self._move(b, record, "go", "idle")
        b.ret(b.load(word_of(b, record, "members")))


def word_of(b: ir.IRBuilder, record: Any, name: str) -> Any:
    """The address of a word of a record."""
    return b.gep(record, [ir.Constant(I64, WORDS[name])])


def load(b: ir.IRBuilder, word: Any, kind: Any = I64) -> Any:
    """What a word holds that other members write; what they wrote before is seen after it."""
    return b.load_atomic(b.bitcast(word, kind.as_pointer()), "acquire", kind.width // 8)


def _core(b: ir.IRBuilder, where: Any) -> Any:
    """The number of the core that this thread is on."""
    return b.sext(b.call(b.inttoptr(where, ir.FunctionType(I32, []).as_pointer()), []), I64)


def smaller(b: ir.IRBuilder, x: Any, y: Any) -> Any:
    """The smaller one of two numbers."""
    return b.select(b.icmp_signed("<", x, y), x, y)


def _patience(b: ir.IRBuilder, record: Any, kept: Any) -> Any:
    """How long a wait that begins now may look; counts it."""
    place = word_of(b, record, "quiet")
    quiet = b.load(place)
    b.store(b.sub(quiet, _ONE), place)
    return b.select(b.icmp_signed(">", quiet, _ZERO), b.load(word_of(b, record, "least")),
                    b.load(kept))


def _learn(b: ir.IRBuilder, record: Any, kept: Any, most: Any, waited: Any) -> None:
    """Changes a patience after a wait, the last part of which was sleep."""
    usual, least = b.load(kept), b.load(word_of(b, record, "least"))
    half = b.sdiv(usual, ir.Constant(I64, 2))
    shorter = b.select(b.icmp_signed(">", half, least), half, least)
    longer = b.select(b.icmp_signed(">", waited, usual), waited, usual)
    b.store(b.select(b.icmp_signed(">", waited, most), shorter, longer), kept)


def _now(b: ir.IRBuilder, record: Any, moment: Any) -> Any:
    """The time in ticks: nanoseconds, or what Windows counts. moment: room for two words."""
    address = b.load(word_of(b, record, "clock"))
    if sys.platform == "win32":
        counter = ir.FunctionType(I32, [P64]).as_pointer()
        b.call(b.inttoptr(address, counter), [moment])
        return b.load(moment)
    clock = ir.FunctionType(I32, [I32, P64]).as_pointer()
    b.call(b.inttoptr(address, clock), [ir.Constant(I32, time.CLOCK_MONOTONIC), moment])
    seconds = b.mul(b.load(moment), ir.Constant(I64, 10**9))
    return b.add(seconds, b.load(b.gep(moment, [_ONE])))


def _futex(b: ir.IRBuilder, record: Any, word: Any, operation: int, operand: Any) -> bool:
    """The system call; False where there is none."""
    number = _FUTEX.get(platform.machine())
    if number is None:
        return False
    _system_call(b, record, number, b.ptrtoint(word, I64), ir.Constant(I64, operation), operand,
                 _ZERO)
    return True


def _system_call(b: ir.IRBuilder, record: Any, number: int, *operands: Any) -> None:
    kind = ir.FunctionType(I64, [I64], var_arg=True).as_pointer()
    b.call(b.inttoptr(b.load(word_of(b, record, "sleep")), kind),
           [ir.Constant(I64, number), *operands])


def _pause(b: ir.IRBuilder) -> None:
    """Tells the processor that this thread waits."""
    if platform.machine() in _PAUSES:
        name, operands = _PAUSES[platform.machine()]
        module = b.module
        function = module.globals.get(name) or ir.Function(
            module, ir.FunctionType(ir.VoidType(), [o.type for o in operands]), name)
        b.call(function, operands)
