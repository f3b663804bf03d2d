"""Panels: the columns of a matrix that the tiles of a product read next, laid side by side.

The rows of a wide matrix lie in different pages, and often in the same few places of the cache;
the columns of a transposed one cannot be loaded as vectors. A product of many rows copies the
columns that it sums next into memory of its own, once for all rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphflow import dims
from graphflow.codegen.choices import choose
from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.library import memory
from graphflow.codegen.matrices import Product
from graphflow.codegen.term_steps import goes_in_steps
from graphflow.codegen.tiles import FEW_ROWS, MOST_RESULTS, NEAR_BYTES
from graphflow.dtypes import float32
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import Loop, Statement, Store, load
from graphflow.program import Value

ROW_BYTES = 2048  # of a matrix, from which on a copy of its columns pays
TERMS = 32
COLUMNS = 256     # of a result, from which on a transposed left operand pays
VECTORS = (4, 2, 8)  # of a panel's row: the first is best as a rule
PANEL_BYTES = 1 << 19


@dataclass(frozen=True, slots=True)
class Panels:
    """How the right operand of a product is copied.

    Attributes:
      right: the matrix.
      turned: True if its columns lie along its first axis.
      width: the columns of a panel.
      memory: where a panel lies, row by row.
    """

    right: Value
    turned: bool
    width: int
    memory: Value

    def copy(self, e: Elements, first: Expr, count: int) -> Statement:
        """Copies `count` columns from `first` on."""
        e.private.add(self.memory)
        row, column = e.loop(), e.loop()
        size = self.right.shape.sizes[1 if self.turned else 0]
        terms = int64(size) if isinstance(size, int) else e.size(size)
        at, of = b.index(row), first + b.index(column)
        store = Store(e.buffer(self.memory, written=True), at * self.width + b.index(column),
                      b.cast(e.element(self.right, (of, at) if self.turned else (at, of)),
                             self.memory.dtype))
        if self.turned:  # each line that the lanes touch is read to its end
            return Loop(column, int64(count), (Loop(row, terms, (store,)),), lanes=1)
        return Loop(row, terms, (Loop(column, int64(count), (store,), lanes=2),))

    def element(self, e: Elements, row: Expr, column: Expr) -> Expr:
        """The element of a row and a column of the panel."""
        return load(e.buffer(self.memory), row * self.width + column, self.memory.dtype)


def panels_of(product: Product) -> Panels | None:
    """The panels of a product that is so large, or whose right operand so lies, that they pay."""
    rows, columns, terms = product.rows, product.columns, product.terms
    right, lanes = product.right.value, product.lanes
    if len(product.out.shape.sizes) != 2 or not isinstance(columns, int) or columns < 2:
        return None
    if (isinstance(rows, int) and rows < FEW_ROWS) or goes_in_steps(product):
        return None
    kind = float32 if product.kind is float32 else right.dtype
    row = columns * kind.size
    wide = row >= ROW_BYTES and not (isinstance(terms, int) and terms < TERMS)
    # More than the level-two cache holds is read from afar for each tile of rows.
    high = isinstance(terms, int) and terms * row > NEAR_BYTES and not (
        isinstance(rows, int) and rows * columns <= MOST_RESULTS)  # else there are chunks
    # Half types are converted while they are copied.
    halves = kind is not right.dtype and not isinstance(rows, int)
    if not (product.right.turned or wide or high or halves):
        return None
    width = choose("panel", VECTORS, VECTORS.index) * lanes
    while isinstance(terms, int) and width > 2 * lanes and (
            terms * width * kind.size > PANEL_BYTES):
        width //= 2
    width = min(width, columns)
    return Panels(right, product.right.turned, width,
                  memory(kind, dims.product([terms, width])))


def copies_left(product: Product) -> bool:
    """True if a left operand that lies along its rows is to be transposed as a whole.

    A tile reads a few elements of each of its lines; where these are far apart, each stands in a
    page of its own, and they meet in the same places of the cache.
    """
    rows, columns, terms = product.rows, product.columns, product.terms
    return (
        product.left.turned and not goes_in_steps(product) and len(product.out.shape.sizes) == 2
        and isinstance(rows, int) and rows * product.left.value.dtype.size >= ROW_BYTES
        and isinstance(columns, int) and columns >= COLUMNS
        and not (isinstance(terms, int) and terms < 4 * TERMS))
