"""Chunks of slices: a filter's gradient in parts that can be summed side by side.

The gradient of a filter sums over images (`summed_loops.py`), and often is too small to be divided
among threads itself. So some images at a time are summed into memory of their own, and these sums
are added in order. How many images are a chunk depends on the shapes alone, never on the number
of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from graphflow.codegen.elements import Elements
from graphflow.codegen.library import memory
from graphflow.dims import Dim, ceildiv, mul
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import Begin, Fold, Loop, Statement, Store, accumulator, load
from graphflow.program import Value

# Products that a chunk sums at least, and terms for each element, so that setting it to zero and
# adding it up costs a few hundredths of the time.
CHUNK_PRODUCTS, CHUNK_TERMS = 1_400_000, 840

Body = tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class SliceChunks:
    """The chunks of one contraction.

    Attributes:
      out: the result.
      extent: the number of slices.
      slices: of one chunk.
      loop: the number of the loop over chunks.
      sums: the chunks' results, one after the other.
    """

    out: Value
    extent: Dim
    slices: int
    loop: int
    sums: Value

    def slice_at(self, number: int) -> Expr:
        """The slice that turn `index(number)` of a chunk takes."""
        return b.index(self.loop) * self.slices + b.index(number)

    def add(self, e: Elements, place: Sequence[Expr], value: Expr) -> Store:
        """Adds to an element of the chunk's result."""
        at = b.index(self.loop) * e.size(self._elements()) + e.offset(self.out, tuple(place))
        return Store(e.buffer(self.sums, written=True), at, value, combine="add")

    def around(self, e: Elements, number: int, body: Body) -> Body:
        """The loops over chunks and their slices around what a slice adds; then the sum."""
        element, column, chunk = e.loop(), e.loop(), e.loop()
        kind, count = self.out.dtype, e.size(ceildiv(self.extent, self.slices))
        elements, zero = e.size(self._elements()), b.const(0.0, kind)
        clear = Store(e.buffer(self.sums, written=True),
                      b.index(self.loop) * elements + b.index(element), zero)
        left = e.size(self.extent) - b.index(self.loop) * self.slices
        part = load(e.buffer(self.sums), b.index(chunk) * elements + b.index(column), kind)
        so_far, more = accumulator(0, kind), accumulator(1, kind)
        return (
            Loop(self.loop, count, (
                Loop(element, elements, (clear,), lanes=1),
                Loop(number, b.min(left, self.slices), body))),
            Loop(column, elements, (
                Begin(((0, zero),)),
                Fold(chunk, count, (0,), (1,), (part,), (so_far + more,), (zero,)),
                Store(e.buffer(self.out, written=True), b.index(column), so_far)), lanes=1))

    def _elements(self) -> int:
        return prod(d for d in self.out.shape.sizes if isinstance(d, int))


def slice_chunks(e: Elements, out: Value, extent: Dim, terms: int) -> SliceChunks | None:
    """The chunks of a result of known sizes; None if there is only one.

    extent: the number of slices, each of which adds so many terms to each element.
    """
    elements = prod(d for d in out.shape.sizes if isinstance(d, int))
    if not elements:
        return None
    slices = max(-(-CHUNK_TERMS // terms), -(-CHUNK_PRODUCTS // (terms * elements)))
    if isinstance(extent, int) and extent <= slices:
        return None
    room = mul(ceildiv(extent, slices), elements)
    return SliceChunks(out, extent, slices, e.loop(), memory(out.dtype, room))
