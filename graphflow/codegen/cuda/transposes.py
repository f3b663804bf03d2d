"""Transposes: elementwise work that reads along one axis and stores along another.

A block takes a tile of 32 × 32 elements: its threads read what lies along the one axis line by
line into shared memory, and then compute and store line by line along the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llvmlite import ir

from graphflow.codegen.cpu.lanes import register_type
from graphflow.codegen.cpu.memory import I8, I32, I64
from graphflow.loop_ir.affine import stride
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.nest import Statement, Store, expressions

if TYPE_CHECKING:
    from graphflow.codegen.cuda.emit import KernelEmitter

SIDE = 32
LINES = 8              # that the threads of a block take at once
ROOM = SIDE * (SIDE + 1)  # elements of a tile, a line of which ends in another bank
MOST_LOADS = 4


@dataclass(frozen=True, slots=True)
class Turned:
    """Work that reads across.

    Attributes:
      reads, stores: the loops along which elements are read, and stored.
      loads: what is read that way.
    """

    reads: int
    stores: int
    loads: tuple[Expr, ...]

    @property
    def shared(self) -> int:
        """Bytes of shared memory."""
        return sum(ROOM * _bytes(load) for load in self.loads)


def _bytes(load: Expr) -> int:
    return max(4, load.dtype.size)


def turned_of(grid: Sequence[tuple[int, Expr]], body: tuple[Statement, ...]) -> Turned | None:
    """Along which loops a nest reads and stores, if these are two and all else is elementwise.

    grid: (number, extent) of its independent loops, inside of which `body` stands.
    """
    stores = [s for s in body if isinstance(s, Store) and s.where is None and s.combine is None]
    if len(grid) < 2 or not stores or len(stores) != len(body):
        return None
    long = [n for n, e in grid if not (e.op == "const" and e.attr < SIDE // 2)]
    along = [n for n in long if all(stride(s.offset, n) == 1 for s in stores)]
    if len(along) != 1:
        return None
    loads = list(dict.fromkeys(n for s in stores for n in walk(*expressions(s))
                               if n.op == "load"))
    if any(n.op == "rarely" for s in stores for n in walk(s.value)):
        return None
    for n in long:
        found = [x for x in loads if n != along[0] and stride(x.args[0], n) == 1
                 and stride(x.args[0], along[0]) != 0 and _is_direct(x)]
        if found and len(found) <= MOST_LOADS:
            return Turned(n, along[0], tuple(found))
    return None


def _is_direct(load: Expr) -> bool:
    return not any(n.op == "load" for n in walk(load.args[0]))


def emit_turned(emitter: KernelEmitter, turned: Turned) -> None:
    """The body of the kernel."""
    _Tile(emitter, turned).run()


class _Tile:
    def __init__(self, emitter: KernelEmitter, turned: Turned) -> None:
        self.emitter, self.values, self.turned = emitter, emitter.values, turned
        self.b, self.machine = emitter.values.builder, emitter.machine
        self.thread = self.machine.thread()
        self.column = self.b.and_(self.thread, ir.Constant(I32, SIDE - 1))
        self.line = self.b.lshr(self.thread, ir.Constant(I32, 5))

    def run(self) -> None:
        b, values = self.b, self.values
        loops = {loop.number: values.value(loop.extent) for loop in self.emitter.plan.grid}
        reads, stores = self.turned.reads, self.turned.stores
        others = [n for n in loops if n not in (reads, stores)]
        side = ir.Constant(I64, SIDE)
        tiles = {n: b.udiv(b.add(loops[n], ir.Constant(I64, SIDE - 1)), side)
                 for n in (reads, stores)}
        place = self.machine.block()
        place, first_store = self._split(place, tiles[stores])
        place, first_read = self._split(place, tiles[reads])
        for n in reversed(others[1:]):
            place, index = self._split(place, loops[n])
            values.bind(n, index)
        for n in others[:1]:
            values.bind(n, place)
        self.lengths = loops
        firsts = {reads: b.mul(first_read, side), stores: b.mul(first_store, side)}
        for k in range(0, SIDE, LINES):
            self._elements(firsts, reads, stores, k, self._read)
        self.machine.barrier()
        for k in range(0, SIDE, LINES):
            self._elements(firsts, stores, reads, k, self._store)
        for n in others:
            values.leave(n)

    def _split(self, place: Any, extent: Any) -> tuple[Any, Any]:
        above = self.b.udiv(place, extent)
        return above, self.b.sub(place, self.b.mul(above, extent))

    def _elements(
        self, firsts: dict[int, Any], along: int, across: int, k: int, each: Any
    ) -> None:
        """Some lines of the tile, whose neighbouring elements neighbouring threads take."""
        b, values = self.b, self.values
        line = b.add(self.line, ir.Constant(I32, k))
        index = b.add(firsts[along], b.zext(self.column, I64))
        other = b.add(firsts[across], b.zext(line, I64))
        there = b.and_(b.icmp_signed("<", index, self.lengths[along]),
                       b.icmp_signed("<", other, self.lengths[across]))
        with b.if_then(there):
            values.bind(along, index)
            values.bind(across, other)
            each(line)
            values.leave(across)
            values.leave(along)

    def _read(self, line: Any) -> None:
        for load, pointer in self._cells(line, self.column):
            value = self.values.value(load)
            if value.type == ir.IntType(1):
                value = self.b.zext(value, I8)
            self.b.store(value, pointer)

    def _store(self, line: Any) -> None:
        b = self.b
        for load, pointer in self._cells(self.column, line):
            value = b.load(pointer)
            if load.dtype.is_bool:
                value = b.icmp_unsigned("!=", value, ir.Constant(I8, 0))
            self.values.given[load] = value
        self.emitter.statements(self.emitter.kernel.body)
        self.values.given = {}

    def _cells(self, line: Any, column: Any) -> list[tuple[Expr, Any]]:
        """Where the element of each load stands in shared memory."""
        b = self.b
        cell = b.add(b.mul(line, ir.Constant(I32, SIDE + 1)), column)
        found, start = [], 0
        for load in self.turned.loads:
            away = b.add(b.mul(cell, ir.Constant(I32, _bytes(load))), ir.Constant(I32, start))
            kind = I8 if load.dtype.is_bool else register_type(load.dtype)
            pointer = self.machine.shared(b.zext(away, I64))
            found.append((load, b.bitcast(pointer, ir.PointerType(kind, 3))))
            start += ROOM * _bytes(load)
        return found
