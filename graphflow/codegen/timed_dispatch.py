"""The dispatcher once more, with a log: when each kernel call of a run began and ended.

Input: a plan's state, and a log (`LOG` names its int64 words). The times are those of the system's
monotonic clock, in nanoseconds. The log counts calls and time for each row, without an end, and
has the moments of as many calls as there is room for. Besides kernels, rows that move memory and
those at which members of a team meet are timed. Only member 0 keeps a log; the others walk as
ever, and share its plan.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from llvmlite import ir

from graphflow.codegen.compile import CACHE
from graphflow.codegen.dispatch import Walk, walk_first
from graphflow.codegen.meeting import Meeting
from graphflow.errors import UnimplementedError

# The clock's function and number; room for events, how many there were, where they are: row,
# begin, end; where the totals are: calls and nanoseconds for each row; and the shortest time
# between two looks at the clock, which each call's time contains.
LOG = ("clock", "clock_number", "room", "count", "events", "totals", "look")
EVENT_WORDS, TOTAL_WORDS = 3, 2

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_P64 = _I64.as_pointer()
_ZERO, _ONE = ir.Constant(_I64, 0), ir.Constant(_I64, 1)
_SECOND = ir.Constant(_I64, 10**9)


class _TimedWalk(Walk):
    """Writes `walk(state, member, members, row, log)` for member 0."""

    further = (_P64,)

    def __init__(self, module: ir.Module, meeting: Meeting) -> None:
        super().__init__(module, meeting)
        b, self.began = self.b, None
        log = self.function.args[4]
        with b.goto_entry_block():
            self.moment = b.alloca(_I64, 2)
            self.log = {word: b.gep(log, [ir.Constant(_I64, k)]) for k, word in enumerate(LOG)}
            kind = ir.FunctionType(_I32, [_I32, _P64]).as_pointer()
            self.clock = b.inttoptr(b.load(self.log["clock"]), kind)
            self.clock_number = b.trunc(b.load(self.log["clock_number"]), _I32)
            self.room = b.load(self.log["room"])
            self.events = b.inttoptr(b.load(self.log["events"]), _P64)
            self.totals = b.inttoptr(b.load(self.log["totals"]), _P64)
            first = self._now()
            look, least = b.sub(self._now(), first), b.load(self.log["look"])
            b.store(b.select(b.icmp_signed("<", look, least), look, least), self.log["look"])

    def _now(self) -> Any:
        b = self.b
        b.call(self.clock, [self.clock_number, self.moment])
        return b.add(b.mul(b.load(self.moment), _SECOND),
                     b.load(b.gep(self.moment, [_ONE])))

    def go_on(self, row: Any = None) -> None:
        """To `row`, or to the next one; what the row took is logged, if it is one that counts."""
        if self.began is not None:
            self._note(self.began, self._now())
            self.began = None
        super().go_on(row)

    def _note(self, began: Any, ended: Any) -> None:
        b = self.b
        total = b.gep(self.totals, [b.mul(self.row, ir.Constant(_I64, TOTAL_WORDS))])
        b.store(b.add(b.load(total), _ONE), total)
        spent = b.gep(total, [_ONE])
        b.store(b.add(b.load(spent), b.sub(ended, began)), spent)
        count = b.load(self.log["count"])
        b.store(b.add(count, _ONE), self.log["count"])
        with b.if_then(b.icmp_signed("<", count, self.room)):
            event = b.gep(self.events, [b.mul(count, ir.Constant(_I64, EVENT_WORDS))])
            for k, word in enumerate((self.row, began, ended)):
                b.store(word, b.gep(event, [ir.Constant(_I64, k)]))

    def _unless_first(self, row: Any = None) -> None:
        """Nothing: this is member 0."""

    def _call(self, code: Any) -> None:
        self.began = self._now()
        super()._call(code)

    def _copy(self) -> None:
        self.began = self._now()
        super()._copy()

    def _keep(self) -> None:
        self.began = self._now()
        super()._keep()

    def _join(self) -> None:
        self.began = self._now()
        super()._join()

    def _meet(self) -> None:
        self.began = self._now()
        super()._meet()


def emit_timed_dispatcher(module: ir.Module, name: str) -> None:
    """`name(state, log)`: the run of member 0, with a log."""
    meeting = Meeting(module)
    walk = _TimedWalk(module, meeting)
    walk.emit()
    function = ir.Function(module, ir.FunctionType(_I64, [_P64, _P64]), name)
    b = ir.IRBuilder(function.append_basic_block("entry"))
    state, log = function.args
    b.ret(walk_first(b, walk, meeting, state, log))


@cache
def timed_dispatcher() -> Callable[[int, int], int]:
    """`enter(address of the state, address of the log)` → the row at which it stopped."""
    address = CACHE.function("gf_timed_dispatch", emit_timed_dispatcher)
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)(address)


@cache
def clock_words() -> tuple[int, int]:
    """The first two words of a log. Raises UnimplementedError where there is no such clock."""
    found = None if sys.platform == "win32" else getattr(
        ctypes.CDLL(None), "clock_gettime", None)
    if found is None:
        raise UnimplementedError(
            None, None, "Kernels are timed by POSIX's clock_gettime, which this system lacks.")
    return ctypes.cast(found, ctypes.c_void_p).value or 0, time.CLOCK_MONOTONIC


def now() -> int:
    """The same clock, in nanoseconds."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)
