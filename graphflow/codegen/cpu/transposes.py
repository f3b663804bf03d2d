"""Copies that turn a matrix: square blocks are transposed in registers.

A loop in lanes around a loop that copies one element in each turn, along which the source is
contiguous, reads as many elements of each lane's line as there are lanes, exchanges rows and
columns between registers, and stores whole vectors. Read one by one, each element would cost a
load and a shuffle of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.lanes import Lanes
from graphflow.codegen.cpu.memory import I32, I64, load_vector, store_vector
from graphflow.codegen.cpu.values import Values, Vector
from graphflow.loop_ir.affine import slope, stride
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import Loop, Store

MOST_LANES = 16  # the registers that a block fills


@dataclass(frozen=True, slots=True)
class Turned:
    """One copy that turns a matrix.

    Attributes:
      store: the statement.
      away: how far the source moves from lane to lane.
      along: how far the target moves with the loop inside.
    """

    store: Store
    away: Expr
    along: Expr


def find_turned(loop: Loop, vector: Vector | None) -> Turned | None:
    """What the loop copies, if it stands in lanes and turns a matrix."""
    if vector is None or vector.width > MOST_LANES or len(loop.body) != 1:
        return None
    (store,) = loop.body
    if not isinstance(store, Store) or store.where is not None or store.combine is not None:
        return None
    source = store.value
    if source.op != "load" or source.dtype.is_bool or source.dtype.size < 4:
        return None
    if stride(source.args[0], loop.number) != 1 or stride(store.offset, vector.number) != 1:
        return None
    away, along = slope(source.args[0], vector.number), slope(store.offset, loop.number)
    return None if away is None or along is None else Turned(store, away, along)


def emit_block(values: Values, turned: Turned) -> None:
    """As many turns of the loop inside as there are lanes, from its present index on."""
    b, vector = values.builder, values.vector
    assert vector is not None
    lanes, store = Lanes(b, vector.width), turned.store
    source, target = store.value, values.buffers[store.buffer]
    first = b.gep(values.buffers[source.attr], [values.value(source.args[0], base=True)])
    away = values.value(turned.away)
    lines = [load_vector(lanes, b.gep(first, [_away(b, away, lane, vector)]), source.dtype, None)
             for lane in range(vector.width)]
    place, along = values.value(store.offset, base=True), values.value(turned.along)
    for turn, column in enumerate(transposed(b, lines)):
        pointer = b.gep(target, [b.add(place, b.mul(along, ir.Constant(I64, turn)))])
        store_vector(lanes, column, pointer, source.dtype, vector.mask)


def _away(b: ir.IRBuilder, away: Any, lane: int, vector: Vector) -> Any:
    """Where the line of a lane begins; that of a lane that does not exist is the first one."""
    far = b.mul(away, ir.Constant(I64, lane))
    if vector.mask is None or not lane:
        return far
    return b.select(b.extract_element(vector.mask, ir.Constant(I32, lane)), far,
                    ir.Constant(I64, 0))


def transposed(b: ir.IRBuilder, rows: list[Any]) -> list[Any]:
    """The columns of a square of registers.

    A round interleaves each row of the upper half with its partner in the lower one: the number
    of an element, row first, is rotated by one bit. As many rounds as a row number has bits make
    a transposition.
    """
    count = len(rows)
    halves = [ir.Constant(ir.VectorType(I32, count), [
        k * count // 2 + i // 2 + i % 2 * count for i in range(count)]) for k in range(2)]
    for _ in range(count.bit_length() - 1):
        pairs = zip(rows[:count // 2], rows[count // 2:])
        rows = [b.shuffle_vector(x, y, half) for x, y in pairs for half in halves]
    return rows
