"""The kernel of a tiled sum of products.

A block computes a tile of the result: rows × columns, and each of its 256 threads a part of it
that it keeps in registers. Terms lie in shared memory, a few at a time and twice, so that the next
ones are on their way while these are summed. The order in which an element's terms are added is
that of the loops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llvmlite import ir

from graphflow.codegen.cpu.lanes import Lanes, register_type
from graphflow.codegen.cpu.memory import I32, I64
from graphflow.codegen.cpu.turns import ZERO, emit_turns
from graphflow.codegen.cuda.tiles import (
    THREADS_ALONG,
    WIDE,
    Factor,
    Product,
    TileSize,
    padded_side,
    tile_words,
)
from graphflow.loop_ir.affine import stride
from graphflow.loop_ir.expr import walk

if TYPE_CHECKING:
    from graphflow.codegen.cuda.emit import KernelEmitter

THREADS = THREADS_ALONG * THREADS_ALONG
SUM_LOOP, ELEMENT_LOOP = -1, -2  # numbers of the loops that are not the kernel's
FIRST_REGISTER = -1000           # accumulators that are not the kernel's


class Tiles:
    """Emits one kernel."""

    def __init__(self, emitter: KernelEmitter, product: Product, size: TileSize) -> None:
        self.emitter, self.values, self.product = emitter, emitter.values, product
        self.b, self.machine, self.size = emitter.values.builder, emitter.machine, size
        self.kind = register_type(product.zero.dtype)
        self.bytes = product.zero.dtype.size
        self.extents = {loop.number: loop.extent for loop in emitter.plan.grid}
        self.sums = [n for n, _ in product.sums]

    def run(self) -> None:
        """Writes the function's body."""
        b, values = self.b, self.values
        self.thread = self.machine.thread()
        self.across = b.and_(self.thread, ir.Constant(I32, THREADS_ALONG - 1))
        self.down = b.lshr(self.thread, ir.Constant(I32, 4))
        self.zero = values.value(self.product.zero)
        lengths = {n: values.value(e) for n, e in self.extents.items()}
        self.rows = self._total([lengths[n] for n in self.product.rows])
        self.columns = self._total([lengths[n] for n in self.product.columns])
        self.first_row, self.first_column, batch = self._place()
        self.lengths = lengths
        for n, index in zip(self.product.batches, self._indices(
                batch, [lengths[n] for n in self.product.batches])):
            values.bind(n, index)
        self.terms = [values.value(e) for _, e in self.product.sums]
        self.count = self._total(self.terms)
        self._sum()
        self._finish()
        for n in reversed(self.product.batches):
            values.leave(n)

    # ---- places -------------------------------------------------------------------------------

    def _number(self, value: int) -> Any:
        return ir.Constant(I64, value)

    def _total(self, extents: Sequence[Any]) -> Any:
        total: Any = self._number(1)
        for extent in extents:
            total = self.b.mul(total, extent)
        return total

    def _place(self) -> tuple[Any, Any, Any]:
        """First row, first column and batch of the block."""
        b, side = self.b, self._number(self.size.side)
        most = self._number(self.size.side - 1)
        high = b.udiv(b.add(self.rows, most), side)
        wide = b.udiv(b.add(self.columns, most), side)
        above = b.udiv(self.machine.block(), wide)
        column = b.sub(self.machine.block(), b.mul(above, wide))
        batch = b.udiv(above, high)
        row = b.sub(above, b.mul(batch, high))
        return b.mul(row, side), b.mul(column, side), batch

    def _indices(self, place: Any, extents: Sequence[Any]) -> list[Any]:
        """The indices of nested loops at a place, the last of which moves fastest."""
        b = self.b
        found: list[Any] = []
        for extent in reversed(extents[1:]):
            above = b.udiv(place, extent)
            found.append(b.sub(place, b.mul(above, extent)))
            place = above
        return [place, *reversed(found)] if extents else []

    def _near(self, place: Any, count: Any) -> Any:
        """The place, or the last one that there is."""
        b = self.b
        last = b.sub(count, self._number(1))
        inside = b.icmp_signed("<", place, last)
        near = b.select(inside, place, last)
        return b.select(b.icmp_signed("<", near, ZERO), ZERO, near)

    # ---- the sum ------------------------------------------------------------------------------

    def _sum(self) -> None:
        """Sums all terms; the sums are in registers then."""
        b, values, size = self.b, self.values, self.size
        left = _Side(self, self.product.left, self.product.rows, self.first_row, self.rows, 0)
        right = _Side(self, self.product.right, self.product.columns, self.first_column,
                      self.columns, 2 * tile_words(size))
        sides = (left, right)
        self.registers = list(range(FIRST_REGISTER, FIRST_REGISTER - size.each ** 2, -1))
        next_ones: list[int] = []
        values.accumulators.update((n, self.zero) for n in self.registers)
        for side in sides:
            side.names = [FIRST_REGISTER - 500 - len(next_ones) - k for k in range(side.count)]
            next_ones += side.names
            values.accumulators.update(zip(side.names, side.load(ZERO)))
        depth = self._number(size.depth)
        tiles = b.udiv(b.add(self.count, self._number(size.depth - 1)), depth)

        def turn(index: Any) -> None:
            half = b.trunc(b.and_(index, self._number(1)), I32)
            for side in sides:
                side.store(half, [values.accumulators[n] for n in side.names])
            self.machine.barrier()
            after = b.mul(b.add(index, self._number(1)), depth)
            for side in sides:
                values.accumulators.update(zip(side.names, side.load(after)))
            self._multiply(left, right, half)

        emit_turns(values, SUM_LOOP, ZERO, tiles, 1, [*self.registers, *next_ones], turn)
        self.machine.barrier()  # shared memory is used for the results next

    def _multiply(self, left: _Side, right: _Side, half: Any) -> None:
        """Adds the terms in shared memory to the sums."""
        values, each = self.values, self.size.each
        for term in range(self.size.depth):
            xs, ys = left.fetch(half, term, self.down), right.fetch(half, term, self.across)
            for i, x in enumerate(xs):
                for j, y in enumerate(ys):
                    n = self.registers[i * each + j]
                    values.accumulators[n] = self._add(x, y, values.accumulators[n])

    def _add(self, x: Any, y: Any, total: Any) -> Any:
        if isinstance(self.kind, ir.IntType):
            return self.b.add(total, self.b.mul(x, y))
        return Lanes(self.b, 1).call("fma", self.kind, x, y, total)

    def pointer(self, words: Any, lanes: int = 1) -> Any:
        """A pointer to shared memory, so many elements from its start."""
        b = self.b
        at = self.machine.shared(b.zext(b.mul(words, ir.Constant(I32, self.bytes)), I64))
        kind = ir.VectorType(self.kind, lanes) if lanes > 1 else self.kind
        return b.bitcast(at, ir.PointerType(kind, 3))

    # ---- what is done with the sums -------------------------------------------------------------

    def _finish(self) -> None:
        """Row by row of a thread: its sums go to shared memory, from where a loop takes them."""
        b, values, each = self.b, self.values, self.size.each
        sums = [values.accumulators[n] for n in self.registers]
        for n in [n for n in values.accumulators if n <= FIRST_REGISTER]:
            del values.accumulators[n]
        for i in range(each):
            for j in range(each):
                at = b.add(self.thread, ir.Constant(I32, j * THREADS))
                b.store(sums[i * each + j], self.pointer(at))
            away = b.zext(self._row_of(i), I64)
            row = b.add(self.first_row, away)
            with b.if_then(b.icmp_signed("<", row, self.rows)):
                self._row(row)

    def _along(self, thread: Any, k: Any) -> Any:
        """Row or column number k of a thread in its tile."""
        b = self.b
        if isinstance(k, int):
            away = ir.Constant(I32, k // WIDE * WIDE * THREADS_ALONG + k % WIDE)
        else:
            block = b.mul(b.lshr(k, ir.Constant(I32, 2)), ir.Constant(I32, WIDE * THREADS_ALONG))
            away = b.add(block, b.and_(k, ir.Constant(I32, WIDE - 1)))
        return b.add(b.mul(thread, ir.Constant(I32, WIDE)), away)

    def _row_of(self, k: int) -> Any:
        """Row number k of this thread in its tile."""
        return self._along(self.down, k)

    def _column_of(self, k: Any) -> Any:
        """Column number k (i32) of this thread in its tile."""
        return self._along(self.across, k)

    def _row(self, row: Any) -> None:
        b, values, product = self.b, self.values, self.product
        for n, index in zip(product.rows, self._indices(
                row, [self.lengths[n] for n in product.rows])):
            values.bind(n, index)

        def element(k: Any) -> None:
            number = b.trunc(k, I32)
            column = b.add(self.first_column, b.zext(self._column_of(number), I64))
            with b.if_then(b.icmp_signed("<", column, self.columns)):
                at = b.add(self.thread, b.mul(number, ir.Constant(I32, THREADS)))
                values.accumulators[product.number] = b.load(self.pointer(at))
                for n, index in zip(product.columns, self._indices(
                        column, [self.lengths[n] for n in product.columns])):
                    values.bind(n, index)
                self.emitter.statements(product.stores)
                for n in reversed(product.columns):
                    values.leave(n)

        emit_turns(values, ELEMENT_LOOP, ZERO, self._number(self.size.each), 1, [], element)
        for n in reversed(product.rows):
            values.leave(n)


class _Side:
    """One factor: how its part of a tile gets to shared memory and from there to registers.

    Attributes:
      count: the elements that each thread loads.
      names: the accumulators that hold them.
    """

    def __init__(
        self, tiles: Tiles, factor: Factor, loops: Sequence[int], first: Any, total: Any,
        start: int,
    ) -> None:
        self.tiles, self.factor, self.loops, self.start = tiles, factor, tuple(loops), start
        self.names: list[int] = []
        b, size = tiles.b, tiles.size
        self.count = size.side * size.depth // THREADS
        self.cells: list[tuple[Any, Any]] = []   # (line, term) of each element in the tile
        self.known: list[tuple[list[Any], Any]] = []
        for k in range(self.count):
            cell = b.add(tiles.thread, ir.Constant(I32, k * THREADS))
            inner = size.depth if self._terms_are_near() else size.side
            low = b.and_(cell, ir.Constant(I32, inner - 1))
            high = b.lshr(cell, ir.Constant(I32, inner.bit_length() - 1))
            line, term = (high, low) if self._terms_are_near() else (low, high)
            self.cells.append((line, term))
            place = b.add(first, b.zext(line, I64))
            near = tiles._near(place, total)
            self.known.append((tiles._indices(near, [tiles.lengths[n] for n in self.loops]),
                               b.icmp_signed("<", place, total)))

    def _terms_are_near(self) -> bool:
        """True if neighbouring terms lie side by side in memory, rather than lines."""
        loads = [n for n in walk(self.factor.value) if n.op == "load"]
        return any(stride(n.args[0], self.tiles.sums[-1]) == 1 for n in loads)

    def load(self, first: Any) -> list[Any]:
        """This thread's elements of the terms from `first` on; zero where there are none."""
        tiles, b, values = self.tiles, self.tiles.b, self.tiles.values
        made = []
        for (_, term), (indices, exists) in zip(self.cells, self.known):
            place = b.add(first, b.zext(term, I64))
            here = b.and_(exists, b.icmp_signed("<", place, tiles.count))
            sums = tiles._indices(tiles._near(place, tiles.count), tiles.terms)
            bound = [*zip(self.loops, indices), *zip(tiles.sums, sums)]
            for n, index in bound:
                values.bind(n, index)
            value = values.value(self.factor.value)
            for condition in self.factor.inside:
                here = b.and_(here, values.value(condition))
            made.append(b.select(here, value, tiles.zero))
            for n, _ in reversed(bound):
                values.leave(n)
        return made

    def store(self, half: Any, elements: Sequence[Any]) -> None:
        """Stores elements to one half of this factor's shared memory."""
        tiles, b = self.tiles, self.tiles.b
        for (line, term), element in zip(self.cells, elements):
            at = b.add(b.mul(term, ir.Constant(I32, padded_side(tiles.size))), line)
            b.store(element, tiles.pointer(b.add(self._half(half), at)))

    def _half(self, half: Any) -> Any:
        b = self.tiles.b
        return b.add(b.mul(half, ir.Constant(I32, tile_words(self.tiles.size))),
                     ir.Constant(I32, self.start))

    def fetch(self, half: Any, term: int, thread: Any) -> list[Any]:
        """The elements of one term that a thread needs."""
        tiles, b = self.tiles, self.tiles.b
        found = []
        for k in range(0, tiles.size.each, WIDE):
            away = term * padded_side(tiles.size)
            at = b.add(b.add(self._half(half), ir.Constant(I32, away)), tiles._along(thread, k))
            vector = b.load(tiles.pointer(at, WIDE), align=16)
            found += [b.extract_element(vector, ir.Constant(I32, n)) for n in range(WIDE)]
        return found
