"""Steps of terms: sums over two operands that lie along their rows and columns, part by part.

Aᵀ·B reads both operands term after term. A tile of its result needs a few elements of each line
of A; if it takes all terms at once, lines that are far apart meet in the same places of the cache,
and B streams past once for each tile. So all tiles take some terms before the next ones: few
enough that a panel of B stays in the level-one cache, and many enough that reading the sums so far
and writing them back costs little (Goto, van de Geijn 2008, "Anatomy of high-performance matrix
multiplication": panels that fit the caches).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.library import memory
from graphflow.codegen.matrices import Product
from graphflow.codegen.tiles import chunk_of_terms
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import Loop, Statement, Store, load
from graphflow.program import Value

STEP = 128        # terms
ROW_BYTES = 2048  # of an operand's line, from which on steps pay
COLUMNS = 64      # of a result
VECTORS = 4       # of a panel's row

Element = Callable[[Expr, Expr], Expr]  # column, term → element


@dataclass(frozen=True, slots=True)
class StepPanels:
    """The columns of the right operand that tiles read in a step.

    Attributes:
      width: the columns of a panel.
      memory: where a panel lies, term by term.
    """

    width: int
    memory: Value

    def copy(
        self, e: Elements, element: Element, terms: Expr, first: Expr, count: int
    ) -> Statement:
        """Copies `count` columns from `first` on, whose elements `element(column, term)` gives."""
        e.private.add(self.memory)
        term, column = e.loop(), e.loop()
        at, of = b.index(term), b.index(column)
        store = Store(e.buffer(self.memory, written=True), at * self.width + of,
                      b.cast(element(first + of, at), self.memory.dtype))
        return Loop(term, terms, (Loop(column, int64(count), (store,), lanes=2),))

    def element(self, e: Elements, term: Expr, column: Expr) -> Expr:
        """The element of a term and a column of the panel."""
        return load(e.buffer(self.memory), term * self.width + column, self.memory.dtype)


def goes_in_steps(product: Product) -> bool:
    """True if there are chunks of terms, whose sums are to be added up so."""
    rows, columns = product.rows, product.columns
    if chunk_of_terms(product) is None or product.exchanged or not (
            product.left.turned and not product.right.turned):
        return False
    if not (isinstance(rows, int) and isinstance(columns, int)) or columns < COLUMNS:
        return False
    kind = product.kind
    wide = max(rows, columns) * kind.size >= ROW_BYTES
    return wide and kind is product.left.value.dtype is product.right.value.dtype


def step_panels(product: Product) -> StepPanels:
    """The panels of a product that goes in steps."""
    assert isinstance(product.columns, int)  # `goes_in_steps` has looked
    width = min(VECTORS * product.lanes, product.columns)
    return StepPanels(width, memory(product.kind, STEP * width))
