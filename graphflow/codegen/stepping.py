"""Many runs of one plan in one native call: the loop of `Session.run_many`.

Between two steps, addresses move on: of the feeds to the next slice, of the results to the next
place, and of a variable that is written anew from one of two arrays to the other.
"""

from __future__ import annotations

from llvmlite import ir

from graphflow.codegen.dispatch import STATE
from graphflow.codegen.pen import Pen

# `first` to `end` are the steps to be made; `resumes` says that the first one has paused inside.
STEPS = ("first", "end", "resumes", "state", "dispatch", "last", "status", "budget",
         "moves", "move_count", "swaps", "swap_count")
DONE, REFUSED, PAUSED = 0, 1, 2

_I64 = ir.IntType(64)


def emit_steps(module: ir.Module, name: str) -> None:
    """Writes `name(words)` → DONE, or why it stopped in step `first`."""
    pen = Pen(module, name, 1)
    words, = pen.arguments
    b = pen.b
    place = {word: 8 * number for number, word in enumerate(STEPS)}
    head, body, done, refused, paused = (pen.block() for _ in range(5))
    b.branch(head)
    b.position_at_end(head)
    step = pen.at(words, place["first"])
    b.cbranch(b.icmp_signed("<", step, pen.at(words, place["end"])), body, done)
    b.position_at_end(body)
    state = pen.at(words, place["state"])
    with b.if_then(pen.same(pen.at(words, place["resumes"]), 0)):
        pen.put(state, 8 * STATE.index("row"), 0)
    pen.put(words, place["resumes"], 0)
    pen.put(state, 8 * STATE.index("budget"), pen.at(words, place["budget"]))
    enter = b.inttoptr(pen.at(words, place["dispatch"]),
                       ir.FunctionType(_I64, [_I64]).as_pointer())
    stopped = b.call(enter, [state])
    pen.leave_if(pen.differ(pen.at(pen.at(words, place["status"])), 0), refused)
    pen.leave_if(pen.differ(stopped, pen.at(words, place["last"])), paused)
    with pen.each(pen.at(words, place["move_count"])) as turn:
        row = b.add(pen.at(words, place["moves"]), b.mul(turn, pen.number(16)))
        address = pen.at(row)
        pen.put(address, 0, b.add(pen.at(address), pen.at(row, 8)))
    with pen.each(pen.at(words, place["swap_count"])) as turn:
        row = b.add(pen.at(words, place["swaps"]), b.mul(turn, pen.number(16)))
        one, other = pen.at(row), pen.at(row, 8)
        first, second = pen.at(one), pen.at(other)
        pen.put(one, 0, second)
        pen.put(other, 0, first)
    pen.put(words, place["first"], b.add(step, pen.number(1)))
    b.branch(head)
    for block, answer in ((done, DONE), (refused, REFUSED), (paused, PAUSED)):
        with pen.written_in(block):
            if block is paused:
                pen.put(words, place["resumes"], 1)
            b.ret(pen.number(answer))
