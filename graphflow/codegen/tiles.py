"""How many rows and vectors a tile of a product has, by a model of what tiles cost.

A tile of r rows and v vectors has r·v multiply-adds for each term, and r + v loads. A core does
two of either in a cycle, has some eight multiply-adds under way, and gets vectors of the right
operand from the level-two cache at not much more than one in a cycle.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass

from graphflow.codegen.choices import choose
from graphflow.codegen.elements import int64
from graphflow.codegen.matrices import Product
from graphflow.codegen.processor import vector_bytes
from graphflow.dims import Dim
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.index_arithmetic import simplified

LATENCY = 4          # cycles from a multiply-add to the next one of the same sum
FAR_VECTOR = 1.3     # cycles for one that comes from the level-two cache
TURN = 0.5           # cycles of a turn for everything else
MOST_ROWS = 16       # more make code longer, not faster
MOST_VECTORS = 4
FEW_ROWS_VECTORS = 8
CHUNK, MOST_RESULTS = 512, 1 << 16  # terms that are summed at a time, for not too many results
CHUNKS = (CHUNK, 2 * CHUNK, CHUNK // 2)
LONG_CHUNK, FEW_RESULTS = 4096, 256
DOT_TERMS = 16
FEW_ROWS = 12                       # of a result, that no copy of an operand pays for
NEAR_BYTES = 1 << 20                # of an operand that stays in the level-two cache


@dataclass(frozen=True, slots=True)
class Cut:
    """Tiles of equal size, one after the other.

    Attributes:
      first: row of the first one.
      count: how many.
      rows: of each.
    """

    first: Expr
    count: Expr
    rows: int

    def row(self, number: Expr) -> Expr:
        """The first row of tile `number`."""
        return simplified(self.first + number * self.rows)


def cuts(extent: Expr, sizes: Sequence[int]) -> list[Cut]:
    """So many rows in tiles of these sizes: as many as there can be of each, in order.

    An extent that is known needs no more than a whole size and the rest. There is at least one
    cut, of no tiles where there are no rows.
    """
    found: list[Cut] = []
    first = int64(0)
    for size in sizes:
        left = simplified(extent - first)
        if left.op == "const":
            size = min(size, max(left.attr, 1))
        count = simplified(b.floordiv(left, size))
        if not found or not (count.op == "const" and count.attr == 0):
            found.append(Cut(first, count, size))
        first = simplified(first + count * size)
    return found


def registers() -> int:
    """How many vector registers this machine has."""
    wide = vector_bytes() == 64 or platform.machine() in ("aarch64", "arm64")
    return 32 if wide else 16


@dataclass(frozen=True, slots=True)
class Tiling:
    """The tiles of a product.

    Args:
      vectors: of all columns; None if that is not known.
      width: the registers that a vector of sums fills.
    """

    vectors: int | None
    width: int

    @classmethod
    def of(cls, product: Product) -> Tiling:
        """That of a product."""
        width = max(1, product.kind.size * product.lanes // vector_bytes())
        return cls(vectors_of(product.columns, product.lanes), width)

    def time(self, rows: int) -> float:
        """Cycles for a term of so many rows, in the tiles that are best for them."""
        return min(self._ways(rows))[0] if rows else 0.0

    @property
    def room(self) -> int:
        """How many vectors of sums there are registers for, beside what is loaded."""
        return max(1, registers() * 3 // 4 // self.width)

    def best(self, rows: int | None) -> tuple[int, int]:
        """Rows and vectors of the tiles that take least time with all rows; None: with many."""
        _, vectors, tall = choose("tile", self._ways(rows), lambda way: way)
        return -tall, -vectors

    def _ways(self, rows: int | None) -> list[tuple[float, int, int]]:
        """Cycles, and vectors and rows below zero, of the tiles that there can be."""
        found = []
        for vectors in (1, 2, 4, 8):
            if vectors > (MOST_VECTORS if rows is None else self.beside(1) if rows == 1
                          else MOST_VECTORS) or vectors >= 2 * (self.vectors or vectors):
                break
            most = min(self.room // vectors, MOST_ROWS, rows or MOST_ROWS)
            found += [(self._time(rows, tall, vectors), -vectors, -tall)
                      for tall in range(1, most + 1)]
        return found

    def _time(self, rows: int | None, tall: int, vectors: int) -> float:
        """Cycles for a term of all rows, or for a row of many."""
        if rows is None:
            return self._across(tall, vectors) / tall
        rest = rows % tall
        time = rows // tall * self._across(tall, vectors)
        return time + 1.01 * self._across(rest, self.beside(rest)) if rest else time

    def _across(self, tall: int, vectors: int) -> float:
        """Cycles for a term of some rows, over all columns."""
        if self.vectors is None:
            return time_of_tile(tall, vectors) / vectors
        time = self.vectors // vectors * time_of_tile(tall, vectors)
        rest = self.vectors % vectors
        return time + time_of_tile(tall, power_of_two(rest)) if rest else time

    def beside(self, rows: int) -> int:
        """The vectors of a tile of so few rows that several of them must hide the latency."""
        most = power_of_two(self.vectors) if self.vectors else MOST_VECTORS
        vectors = min(most, FEW_ROWS_VECTORS)
        while vectors > 1 and (rows * vectors > self.room or rows * vectors > 4 * LATENCY):
            vectors //= 2
        return vectors


def time_of_tile(rows: int, vectors: int) -> float:
    """About how many cycles a tile takes for one term."""
    return TURN + max(rows * vectors / 2, (rows + vectors) / 2, LATENCY, vectors * FAR_VECTOR)


def power_of_two(count: int) -> int:
    """The smallest one that is not below `count`."""
    return 1 << max(count - 1, 0).bit_length()


def vectors_of(columns: Dim, lanes: int) -> int | None:
    """The vectors that hold so many columns; None if that is not known."""
    return max(-(-columns // lanes), 1) if isinstance(columns, int) else None


def chunk_of_terms(product: Product) -> int | None:
    """How many terms are summed at a time; None: all.

    Where both operands are read once for each tile, and all terms of a tile's rows and columns do
    not stay in the cache, part of them do. And few results of many terms can be divided among
    threads only so.
    """
    rows, columns, terms = product.rows, product.columns, product.terms
    if len(product.out.shape.sizes) != 2 or not (
            isinstance(rows, int) and isinstance(columns, int) and product.kind.is_floating):
        return None
    results = rows * columns
    if not isinstance(terms, int):
        return LONG_CHUNK if 0 < results <= FEW_RESULTS else None
    if 0 < results <= 16 * FEW_RESULTS and terms >= 2 * LONG_CHUNK:
        return LONG_CHUNK
    far = product.left.turned or terms * columns * product.right.value.dtype.size > NEAR_BYTES
    if far and terms >= 2 * CHUNK and 12 * columns <= results <= MOST_RESULTS:
        return choose("chunk", CHUNKS, CHUNKS.index)
    return None


def lies_along(product: Product) -> bool:
    """True if sums can run in lanes along the terms, in both operands."""
    single = isinstance(product.columns, int) and product.columns == 1
    short = isinstance(product.terms, int) and product.terms < DOT_TERMS
    return not short and not product.left.turned and (product.right.turned or single)


def sums_along(product: Product) -> bool:
    """True if all sums are to run so: there are few rows, or a single column."""
    single = isinstance(product.columns, int) and product.columns == 1
    few = isinstance(product.rows, int) and product.rows < FEW_ROWS
    return lies_along(product) and (single or few)
