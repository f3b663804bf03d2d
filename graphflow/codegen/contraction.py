"""Products and convolutions: sums of products over index maps, in tiles of registers.

The last output axis lies in the lanes; some vectors of it, times some rows of other axes, are
summed side by side, so that each element that is loaded is used several times. Rows run along
axes for which the summed loops are the same (`borders`) as far as there are such. The loop over
the columns is the outermost: what it reads of the right operand stays in the cache for all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.matrices import product_of
from graphflow.codegen.pair_products import build_pair_product, fits_pairs, many_rows
from graphflow.codegen.processor import vector_bytes
from graphflow.codegen.products import build_few_rows, build_product_of
from graphflow.codegen.sliding import build_sliding
from graphflow.codegen.summed_loops import Finish, Sums, is_one
from graphflow.dims import Dim
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.index_arithmetic import simplified
from graphflow.loop_ir.nest import Loop, Statement
from graphflow.lowering import Contraction, LoweringContext
from graphflow.program import Node

Body = tuple[Statement, ...]
Places = tuple[Expr, ...]
Ranges = dict[Expr, Any]
Rows = dict[int, list[Expr]]  # axis → its indices in a tile

LATENCY = 8  # multiply-adds that a core has in flight
UNKNOWN_ROWS = 8
# Vectors side by side → rows, for 32 registers: the sums leave room for what is loaded.
ROWS = {1: 14, 2: 12, 4: 6}


def build_contraction(
    e: Elements, node: Node, lowering: Contraction, ctx: LoweringContext,
    finish: Finish | None = None,
) -> Body:
    """The statements that compute a contraction's output.

    finish: gives what is stored for a sum at a place; None: the sum.
    """
    matrices = product_of(node)
    if matrices is not None and fits_pairs(matrices):
        few = () if isinstance(matrices.rows, int) else build_few_rows(
            e, matrices, finish, 1 - many_rows(e, matrices))
        return (*few, *build_pair_product(e, matrices, finish))
    if matrices is not None:
        return build_product_of(e, matrices, finish)
    sliding = build_sliding(e, node, finish)
    if sliding is not None:
        return sliding
    return _Tiles(e, node, lowering, ctx, finish).body()


class _Tiles:
    """The loops over the output."""

    def __init__(
        self, e: Elements, node: Node, lowering: Contraction, ctx: LoweringContext,
        finish: Finish | None,
    ) -> None:
        self.e = e
        self.sums = Sums(e, node, lowering, ctx, finish)
        self.sizes: Sequence[Dim] = node.outputs[0].shape.sizes
        self.column = e.loop()
        self.loops = [e.loop() for _ in self.sizes[:-1]]
        self.vectors = self._vectors(node)

    def _vectors(self, node: Node) -> int:
        """How many vectors of the last axis are summed side by side."""
        last = self.sizes[-1] if self.sizes else 1
        dtypes = [v.dtype for v in (*node.inputs[:2], *node.outputs)]
        if not isinstance(last, int) or any(d.is_complex for d in dtypes):
            return 1
        whole = last // max(2, vector_bytes() // max(d.size for d in dtypes))
        if vector_bytes() < 64 or whole < 2:
            return 1
        # One vector that is left over costs little; LLVM takes types of three vectors apart.
        return 4 if self.sums.slices is not None and whole % 4 == 0 else 2

    def body(self) -> Body:
        if not self.sizes:
            return self.sums.over_slices(self.sums.statements([()], {}, None))
        last = self.sizes[-1]
        column = int64(0) if is_one(last) else b.index(self.column)

        def tile(index: Places, ranges: Ranges, rows: Rows) -> Body:
            return self._row_tile((*index, column), ranges | {column: last}, rows)

        body = self._over_rows(tile)
        if not is_one(last):
            extent = int64(last) if isinstance(last, int) else self.e.size(last)
            body = (Loop(self.column, extent, body, lanes=self.vectors),)
        return self.sums.over_slices(body)

    def _over_rows(self, tile: Callable[[Places, Ranges, Rows], Body]) -> Body:
        """The loops over all axes but the last, around tiles of rows."""
        axes, tiled, room = self._rows()
        outer = [a for a in range(len(self.loops)) if a not in axes and a != tiled]
        index = tuple(map(b.index, self.loops))
        ranges: Ranges = {index[a]: self.sizes[a] for a in outer}
        body: Body = ()
        if tiled is None:
            body = tile(index, ranges, {a: _counted(self.sizes[a]) for a in axes})
        else:
            for number, count, rows in self._cuts(tiled, room):
                here = ranges | {b.index(number): count} | dict.fromkeys(
                    rows, self.sizes[tiled])
                rows_by_axis = {a: _counted(self.sizes[a]) for a in axes} | {tiled: rows}
                body += (Loop(number, count, tile(index, here, rows_by_axis)),)
        for a in reversed(outer):
            body = (Loop(self.loops[a], self.e.size(self.sizes[a]), body),)
        return body

    def _rows(self) -> tuple[list[int], int | None, int]:
        """The axes that are rows as a whole, the one that is cut into tiles, and the tile."""
        place = tuple(map(b.index, (*self.loops, self.column)))
        bordered = self.sums.borders(place, dict(zip(place, self.sizes)))
        axes: list[int] = []
        if is_one(self.sizes[-1]) and self.sums.is_dot((*place[:-1], int64(0))):
            return axes, None, 1
        rows = 1
        for a in sorted(range(len(self.loops)), key=lambda a: (a in bordered, -a)):
            size, room = self.sizes[a], ROWS[self.vectors] // rows
            if room < 2 or (a in bordered and rows * self.vectors >= LATENCY):
                break
            if not isinstance(size, int) or size > room:
                return axes, a, room
            if size >= 1:
                axes.append(a)
                rows *= size
        return axes, None, 1

    def _cuts(self, axis: int, room: int) -> Iterator[tuple[int, Expr, list[Expr]]]:
        """(loop, extent, rows) of the tiles of an axis."""
        size = self.sizes[axis]
        tiles: Sequence[int] = [t for t in (UNKNOWN_ROWS, 2, 1) if t <= room]
        if isinstance(size, int):
            tile = self._even_tile(size, room)
            tiles = [tile, size % tile] if size % tile else [tile]
        done: Expr = int64(0)
        for tile in tiles:
            number = self.e.loop()
            count = int64(size // tile if tile == tiles[0] else 1) if isinstance(
                size, int) else b.floordiv(self.e.size(size) - done, tile)
            first = simplified(done + b.index(number) * tile)
            yield number, count, [first + t if t else first for t in range(tile)]
            done = simplified(done + count * tile)

    def _even_tile(self, size: int, room: int) -> int:
        """A tile that leaves nothing over, as that halves the code, or as little as possible."""
        enough = max(room // 2, LATENCY // self.vectors)
        whole = (t for t in range(room, enough - 1, -1) if size % t == 0)
        return next(whole, -(-size // -(-size // room)))

    def _row_tile(self, index: Places, ranges: Ranges, rows: Rows) -> Body:
        """The sums of all combinations of rows; `index` says where the other axes stand."""
        places = []
        for chosen in product(*rows.values()):
            at = dict(enumerate(index)) | dict(zip(rows, chosen))
            places.append(tuple(at[a] for a in range(len(self.sizes))))
        in_lanes = None if is_one(self.sizes[-1]) else self.column
        return self.sums.statements(places, ranges, in_lanes)


def _counted(size: Dim) -> list[Expr]:
    assert isinstance(size, int)
    return [int64(i) for i in range(size)]
