"""Panels: the columns of a matrix that the tiles of a product read next, laid side by side.

The rows of a wide matrix lie in different pages, and often in the same few places of the cache;
the columns of a transposed one cannot be loaded as vectors. A product of many rows copies the
columns that it sums next into memory of its own, once for all rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphflow.codegen.compile import vector_bytes
from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.library import memory
from graphflow.dims import product
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import Loop, Statement, Store, load
from graphflow.lowering import Contraction
from graphflow.program import Node, Value

ROW_BYTES = 2048  # of a matrix, from which on a copy of its columns pays
TERMS = 32
ROWS = 12
VECTORS = 8  # of a panel's row
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
        terms = e.size(self.right.shape.sizes[1 if self.turned else 0])
        at, of = b.index(row), first + b.index(column)
        store = Store(e.buffer(self.memory, written=True), at * self.width + b.index(column),
                      e.element(self.right, (of, at) if self.turned else (at, of)))
        if self.turned:  # each line that the lanes touch is read to its end
            return Loop(column, int64(count), (Loop(row, terms, (store,)),), lanes=1)
        return Loop(row, terms, (Loop(column, int64(count), (store,), lanes=2),))

    def element(self, e: Elements, row: Expr, column: Expr) -> Expr:
        """The element of a row and a column of the panel."""
        return load(e.buffer(self.memory), row * self.width + column, self.memory.dtype)


def panels_of(node: Node) -> Panels | None:
    """The panels of a product that is so large, or whose right operand so lies, that they pay."""
    lowering = node.opdef.lowering
    assert isinstance(lowering, Contraction)
    sizes = node.outputs[0].shape.sizes
    left, right = node.inputs[:2]
    if len(sizes) != 2 or len(right.shape.sizes) != 2 or lowering.inside is not None:
        return None
    ctx = Elements(lambda v: True).context(node)
    if len(tuple(lowering.extents(ctx))) != 1:
        return None
    place, term = (b.index(0), b.index(1)), b.index(2)
    index = tuple(lowering.right(place, (term,), ctx))
    turned = index == (place[1], term)
    columns, terms = sizes[1], right.shape.sizes[1 if turned else 0]
    dtypes = (left.dtype, right.dtype, node.outputs[0].dtype)
    lanes = max(2, vector_bytes() // max(d.size for d in dtypes))
    if not (turned or index == (term, place[1])) or any(d.is_complex for d in dtypes) or (
        not isinstance(columns, int) or columns < lanes
    ):
        return None
    large = columns * right.dtype.size >= ROW_BYTES and not any(
        isinstance(n, int) and n < enough for n, enough in ((sizes[0], ROWS), (terms, TERMS)))
    if not (turned or large):
        return None
    width = VECTORS * lanes
    while isinstance(terms, int) and width > 2 * lanes and (
            terms * width * right.dtype.size > PANEL_BYTES):
        width //= 2
    width = min(width, columns)
    return Panels(right, turned, width, memory(right.dtype, product([terms, width])))
