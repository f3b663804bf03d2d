"""The kernel of a tiled sum of products on tensor cores.

As in `products`, a block of 256 threads computes a tile of the result, whose terms come through
shared memory in two halves. Here each of its 8 warps computes 64 × 32 elements (or 32 × 16) by the
instructions of `fragments`. Threads bring 16 bytes at a time: neighbouring terms or neighbouring
lines, whichever lie side by side in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llvmlite import ir

from graphflow.codegen.cpu.memory import I32, I64
from graphflow.codegen.cpu.turns import ZERO, emit_turns
from graphflow.codegen.cuda.fragments import (
    COLUMNS,
    ROWS,
    Cores,
    fetch_matrices,
    half_bytes,
    multiply,
)
from graphflow.codegen.cuda.groups import Groups
from graphflow.codegen.cuda.products import FIRST_REGISTER, SUM_LOOP, Tiles
from graphflow.codegen.cuda.tiles import Product, TileSize

if TYPE_CHECKING:
    from graphflow.codegen.cuda.emit import KernelEmitter

WARPS_DOWN, WARPS_ACROSS = 2, 4


class TensorTiles(Tiles):
    """Emits one kernel."""

    def __init__(
        self, emitter: KernelEmitter, product: Product, size: TileSize, cores: Cores
    ) -> None:
        super().__init__(emitter, product, size)
        self.cores = cores

    def number(self, value: int) -> Any:
        """A constant of 32 bits."""
        return ir.Constant(I32, value)

    # ---- places -------------------------------------------------------------------------------

    def _own_place(self) -> None:
        b, number = self.b, self.number
        self.lane = b.and_(self.thread, number(31))
        self.group = b.lshr(self.lane, number(2))
        self.member = b.and_(self.lane, number(3))
        warp = b.lshr(self.thread, number(5))
        self.warp_row = b.mul(b.lshr(warp, number(2)), number(self.size.side // WARPS_DOWN))
        self.warp_column = b.mul(
            b.and_(warp, number(WARPS_ACROSS - 1)), number(self.size.side // WARPS_ACROSS))

    def _row_of(self, k: int) -> Any:
        away = self.number(k // 2 * ROWS + k % 2 * 8)
        return self.b.add(self.b.add(self.warp_row, self.group), away)

    def _column_of(self, k: Any) -> Any:
        b, number = self.b, self.number
        tile = b.mul(b.lshr(k, number(1)), number(COLUMNS))
        pair = b.add(b.mul(self.member, number(2)), b.and_(k, number(1)))
        return b.add(self.warp_column, b.add(tile, pair))

    # ---- the sum ------------------------------------------------------------------------------

    def _sum(self) -> None:
        b, values, product = self.b, self.values, self.product
        self._own_place()
        half = half_bytes(self.size)
        left = Groups(self, self.cores, product.left, product.rows, self.first_row, self.rows, 0)
        right = Groups(self, self.cores, product.right, product.columns, self.first_column,
                       self.columns, 2 * half)
        each = self.size.each
        self.registers = list(range(FIRST_REGISTER, FIRST_REGISTER - each ** 2, -1))
        values.accumulators.update((n, self.zero) for n in self.registers)
        names: list[int] = []
        for side in (left, right):
            side.names = [FIRST_REGISTER - 500 - len(names) - k for k in range(side.count)]
            names += side.names
            self._load(side, ZERO)
        depth = self._number(self.cores.depth)
        tiles = b.udiv(b.add(self.count, self._number(self.cores.depth - 1)), depth)

        def turn(index: Any) -> None:
            away = b.mul(b.trunc(b.and_(index, self._number(1)), I32), self.number(half))
            for side in (left, right):
                side.store(away, [values.accumulators[n] for n in side.names])
            self.machine.barrier()
            after = b.mul(b.add(index, self._number(1)), depth)
            for side in (left, right):
                self._load(side, after)
            self._multiply_groups(left, right, away)

        emit_turns(values, SUM_LOOP, ZERO, tiles, 1, [*self.registers, *names], turn)
        self.machine.barrier()

    def _load(self, side: Groups, first: Any) -> None:
        """This thread's groups of the terms from `first` on become accumulators."""
        made = side.load(first)  # which may have exchanged the dict of the accumulators
        self.values.accumulators.update(zip(side.names, made))

    def _multiply_groups(self, left: Groups, right: Groups, away: Any) -> None:
        """Adds the terms in shared memory to the sums."""
        each = self.size.each
        for first in range(0, self.cores.depth, self.cores.terms):
            xs = [self._left(left, away, k, first) for k in range(each // 2)]
            ys = [y for k in range(0, each // 2, 2) for y in self._right(right, away, k, first)]
            for i, x in enumerate(xs):
                for j, y in enumerate(ys):
                    self._multiply_tile(i, j, x, y)

    def _multiply_tile(self, i: int, j: int, x: Sequence[Any], y: Sequence[Any]) -> None:
        values, each = self.values, self.size.each
        names = [self.registers[(2 * i + k // 2) * each + 2 * j + k % 2] for k in range(4)]
        made = multiply(self.b, self.cores, x, y, [values.accumulators[n] for n in names])
        values.accumulators.update(zip(names, made))

    def _left(self, side: Groups, away: Any, tile: int, first: int) -> list[Any]:
        """The lane's words of 16 rows of the left factor."""
        b, number = self.b, self.number
        row = b.add(self.warp_row, number(tile * ROWS))
        if self.cores.size == 4:
            return [self._word(side, away, row, n % 2 * 8, first + n // 2 * 4) for n in range(4)]
        if side.terms_are_near:
            line = b.add(row, b.and_(self.lane, number(15)))
            term = b.shl(b.lshr(self.lane, number(4)), number(3))
        else:
            line = b.add(row, b.and_(self.lane, number(8)))
            term = b.add(b.and_(self.lane, number(7)),
                         b.shl(b.lshr(self.lane, number(4)), number(3)))
        at = side.pointer(away, line, b.add(term, number(first)))
        return fetch_matrices(b, at, not side.terms_are_near)

    def _right(self, side: Groups, away: Any, tile: int, first: int) -> list[list[Any]]:
        """The lane's words of twice 8 columns of the right factor."""
        b, number = self.b, self.number
        column = b.add(self.warp_column, number(tile * COLUMNS))
        if self.cores.size == 4:
            return [[self._word(side, away, column, k * 8, first + n * 4) for n in range(2)]
                    for k in range(2)]
        low = b.and_(self.lane, number(7))
        upper = b.shl(b.lshr(self.lane, number(4)), number(3))
        middle = b.and_(self.lane, number(8))
        if side.terms_are_near:
            line, term = b.add(column, b.add(low, upper)), middle
        else:
            line, term = b.add(column, upper), b.add(low, middle)
        at = side.pointer(away, line, b.add(term, number(first)))
        words = fetch_matrices(b, at, not side.terms_are_near)
        return [words[:2], words[2:]]

    def _word(self, side: Groups, away: Any, line: Any, lines: int, term: int) -> Any:
        """A TF32: line number g, term number t of some."""
        b, number = self.b, self.number
        at = side.pointer(away, b.add(b.add(line, self.group), number(lines)),
                          b.add(self.member, number(term)))
        return b.load(b.bitcast(at, ir.PointerType(I32, 3)))

    def bytes_at(self, place: Any) -> Any:
        """A pointer to shared memory, so many bytes (i32) from its start."""
        return self.machine.shared(self.b.zext(place, I64))
