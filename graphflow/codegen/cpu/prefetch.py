"""Lines that a tile of sums is finished with, asked for while it is busy with multiply-adds.

Where a tile stores its sums, and what it reads to finish them, is known before it begins; caches
do not find it out by themselves, as each tile touches other lines. The prefetches are spread over
the turns of the tile's loop, since a core waits for a dozen lines at a time at most. A prefetch
changes no value, and may name an address outside a buffer. (What is to be read while sums are
added up stands in the loop IR, `Update.soon`.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.memory import I8, I64, prefetch
from graphflow.codegen.cpu.values import Values
from graphflow.dtypes import DType
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.nest import Loop, Statement, Store

LINE = 64          # bytes
FEWEST_TERMS = 64  # of a tile that takes long enough for its lines to come

Ahead = Callable[[Any], None]  # the index of a turn → its prefetches
Touch = tuple[int, Expr, DType, bool]  # buffer, offset, its elements, whether it is written


def prefetch_results(
    values: Values, loop: Loop, after: Sequence[Statement], step: int
) -> tuple[Ahead, int]:
    """What the turns of a tile's loop prefetch, each for `step` turns; how many turns that takes.

    after: the statements that follow the loop.
    """
    rows = _rows(values, after)
    if (loop.extent.op == "const" and loop.extent.attr < FEWEST_TERMS) or not rows:
        return (lambda index: None), 0
    made = [_walk(values, touches, step) for touches in rows]

    def ahead(index: Any) -> None:
        for one in made:
            one(index)

    assert values.vector is not None  # else there is no tile
    width = values.vector.width
    return ahead, max(len(touches) << _turns_of_a_row(width * touches[0][2].size, step)
                      for touches in rows)


def _turns_of_a_row(size: int, step: int) -> int:
    """How many turns prefetch a row of so many bytes, as a power of two."""
    return (max(1, size // LINE) * step - 1).bit_length()


def _rows(values: Values, after: Sequence[Statement]) -> list[list[Touch]]:
    """What stores touch, row by row, for each buffer that is not private."""
    found: dict[tuple[int, bool], dict[Expr, Touch]] = {}
    for touch in _touched(after):
        buffer, offset, _, write = touch
        if not values.kernel.buffers[buffer].private and not any(
                node.op in ("load", "accumulator") for node in walk(offset)):
            found.setdefault((buffer, write), {}).setdefault(offset, touch)
    return [list(touches.values()) for touches in found.values()]


def _touched(after: Sequence[Statement]) -> Iterator[Touch]:
    """What the statements touch up to the first one that is no store."""
    for statement in after:
        if not isinstance(statement, Store):
            return
        for node in walk(statement.value):
            if node.op == "load":
                yield node.attr, node.args[0], node.dtype, False
        yield statement.buffer, statement.offset, statement.value.dtype, True


def _walk(values: Values, touches: Sequence[Touch], step: int) -> Ahead:
    """Line after line of rows, which are taken to be alike far apart."""
    b, vector = values.builder, values.vector
    assert vector is not None  # else there is no tile
    size, write = touches[0][2].size, touches[0][3]
    first, *others = [
        b.ptrtoint(b.gep(values.buffers[n], [values.value(offset, base=True)]), I64)
        for n, offset, *_ in touches[:2]]
    apart = b.sub(others[0], first) if others else _number(0)
    lines = max(1, vector.width * size // LINE)  # of a row
    turns = _turns_of_a_row(vector.width * size, step)
    last = _number(len(touches) - 1)

    def ahead(index: Any) -> None:
        row = b.lshr(index, _number(turns))
        row = b.select(b.icmp_unsigned("<", row, last), row, last)
        along = b.and_(b.mul(index, _number(LINE // step)), _number((lines - 1) * LINE))
        place = b.add(b.add(first, b.mul(row, apart)), along)
        prefetch(b, b.inttoptr(place, I8.as_pointer()), write)

    return ahead


def _number(n: int) -> Any:
    return ir.Constant(I64, n)
