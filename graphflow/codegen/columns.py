"""Reductions down columns: row by row into partial results that stay in the cache.

Rows lie one after the other in memory, so it is read in order, and many rows have one loop that
combines each with what there is so far. Some rows at a time are a chunk with partial results of
its own, and these are combined in order at the end: chunks can be divided among threads. What a
chunk is depends on the shape alone, so the result is the same for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.library import memory
from graphflow.codegen.nests import Body, finished, over
from graphflow.dims import Dim, ceildiv, product
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.index_arithmetic import simplified
from graphflow.loop_ir.nest import Begin, Fold, Loop, Store, Update, accumulator, load
from graphflow.lowering import Reduce
from graphflow.program import Node

CHUNK = 1 << 15              # elements of a chunk, about
NARROWEST, WIDEST = 128, 1 << 15  # elements of a row
TOGETHER = 4                 # rows that are combined before the partial results are touched


def rows_together(row: Dim) -> int | None:
    """How many rows of that length are one chunk; None if they are not reduced in this way."""
    if not isinstance(row, int) or not NARROWEST <= row <= WIDEST:
        return None
    return max(4 * TOGETHER, CHUNK // row // TOGETHER * TOGETHER)


class Columns:
    """One reduction of the rows of input 0 to a single row.

    Args:
      e: the elements of the kernel.
      node: whose op reduces; its outputs are one row.
      sizes: how many rows there are, and how long they are.
      rows: of a chunk.
    """

    def __init__(
        self, e: Elements, node: Node, sizes: tuple[Dim, Dim], rows: int
    ) -> None:
        lowering = node.opdef.lowering
        assert isinstance(lowering, Reduce)
        self.e, self.node, self.lowering, self.sizes = e, node, lowering, sizes
        self.ctx = Elements(lambda v: True).context(node)
        self.chunks = ceildiv(sizes[0], rows)
        self.init = tuple(lowering.init(b, self.ctx))
        self.partial = [memory(x.dtype, product([self.chunks, sizes[1]])) for x in self.init]

    def _place(self, chunk: Expr, column: Expr) -> Expr:
        return chunk * self.e.size(self.sizes[1]) + column

    def clear(self, chunk: Expr, column: Expr) -> Body:
        """Partial results of no rows at a column."""
        return tuple(Store(self.e.buffer(v, written=True), self._place(chunk, column), x)
                     for v, x in zip(self.partial, self.init))

    def add(self, chunk: Expr, rows: Sequence[Expr], column: Expr) -> Body:
        """Combines some rows' elements at a column with the partial results."""
        place = self._place(chunk, column)
        so_far = tuple(load(self.e.buffer(v), place, v.dtype) for v in self.partial)
        names = tuple(accumulator(n, v.dtype) for n, v in enumerate(self.partial))
        body: Body = (Begin(tuple(enumerate(so_far))),)
        for row in rows:
            element = self.e.element(self.node.inputs[0], (row, column))
            lifted = self.lowering.lift(b, element, row, self.ctx)
            body += (Update(tuple(enumerate(self.lowering.combine(b, names, lifted)))),)
        return (*body, *(Store(self.e.buffer(v, written=True), place, name)
                         for v, name in zip(self.partial, names)))

    def total(self, column: Expr) -> Body:
        """Combines all chunks' partial results at a column, in order; stores the results."""
        e, number, count = self.e, self.e.loop(), len(self.partial)
        place = self._place(b.index(number), column)
        lifted = tuple(load(e.buffer(v), place, v.dtype) for v in self.partial)
        left, right = (tuple(accumulator(first + n, v.dtype) for n, v in enumerate(self.partial))
                       for first in (0, count))
        fold = Fold(number, e.size(self.chunks), tuple(range(count)),
                    tuple(range(count, 2 * count)), lifted,
                    tuple(self.lowering.combine(b, left, right)), self.init)
        return (Begin(tuple(enumerate(self.init))), fold, *finished(
            e, self.node, self.lowering, left, e.size(self.sizes[0]),
            [column] * len(self.node.outputs), self.ctx))


def build_columns(e: Elements, node: Node, sizes: tuple[Dim, Dim], rows: int) -> Body:
    """A reduction down columns by itself, some rows at a time."""
    columns = Columns(e, node, sizes, rows)
    chunk, block, single = (e.loop() for _ in range(3))
    start, count = b.index(chunk) * rows, rows_left(e, sizes[0], chunk, rows)
    blocks = b.floordiv(count, TOGETHER)

    def some(first: Expr, together: int) -> Body:
        places = [simplified(first + k) for k in range(together)]
        return over_row(e, sizes[1], partial(columns.add, b.index(chunk), places))

    body = (Loop(block, blocks, some(start + b.index(block) * TOGETHER, TOGETHER)),
            Loop(single, count - blocks * TOGETHER,
                 some(start + blocks * TOGETHER + b.index(single), 1)))
    return chunk_by_chunk(e, [columns], chunk, body)


def rows_left(e: Elements, size: Dim, chunk: int, rows: int) -> Expr:
    """How many rows a chunk has: the last one may have fewer."""
    return b.min(e.size(size) - b.index(chunk) * rows, int64(rows))


def chunk_by_chunk(e: Elements, columns: Sequence[Columns], chunk: int, body: Body) -> Body:
    """The loop over chunks around `body`, which adds to columns of equal sizes; the totals."""
    row = columns[0].sizes[1]

    def clear(column: Expr) -> Body:
        return tuple(s for x in columns for s in x.clear(b.index(chunk), column))

    totals = [s for x in columns for s in over_row(e, row, x.total)]
    return (Loop(chunk, e.size(columns[0].chunks), (*over_row(e, row, clear), *body)), *totals)


def over_row(e: Elements, row: Dim, inner: Callable[[Expr], Body]) -> Body:
    """A loop over the columns of a row, in lanes."""
    return over(e, [row], lambda at: inner(at[0]))
