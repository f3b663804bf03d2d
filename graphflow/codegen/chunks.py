"""Long reductions to few results: chunk by chunk, then the chunks' results in order.

Such a reduction has no axis that the members of a team could divide among themselves, so it gets
one: chunks of its first axis, each of which is reduced by itself into memory. What a chunk is
depends on the shape alone, never on the number of threads, so that the result is the same for any
number of them. It is more accurate, too: errors grow with the length of a chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.library import memory
from graphflow.codegen.nests import COLUMN_VECTORS, Body, finished, linear, over
from graphflow.dims import Dim, ceildiv, known_factor, product
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import Begin, Fold, Loop, Store, accumulator, load
from graphflow.lowering import LoweringContext, Reduce
from graphflow.program import Node, Value

CHUNK = 1 << 14      # elements
FEW_RESULTS = 64
UNKNOWN_BESIDE = 256  # elements beside an unknown number that make a reduction long


def rows_of_a_chunk(sizes: Sequence[Dim], reduced: Sequence[int]) -> int | None:
    """How much of the first reduced axis is one chunk; None if there are to be no chunks."""
    kept = [d for a, d in enumerate(sizes) if a not in reduced]
    if not reduced or not all(isinstance(d, int) for d in kept):
        return None
    known = [d for d in sizes if isinstance(d, int)]
    beside = prod(known)
    if any(isinstance(d, int) and d == 0 for d in sizes) or _count(kept) > FEW_RESULTS:
        return None
    if len(known) < len(sizes):
        long = prod(map(known_factor, sizes)) >= UNKNOWN_BESIDE
    else:
        long = beside >= 2 * CHUNK
    first = sizes[reduced[0]]
    if not long or (isinstance(first, int) and first < 2):
        return None
    inner = beside // first if isinstance(first, int) else beside
    return max(1, CHUNK // max(inner, 1))


def _count(sizes: Sequence[Dim]) -> int:
    total = 1
    for d in sizes:
        total *= d if isinstance(d, int) else 1
    return total


def build_chunked(
    e: Elements, node: Node, lowering: Reduce, sizes: Sequence[Dim], reduced: Sequence[int],
    rows: int, ctx: LoweringContext,
) -> Body:
    """The statements of a reduction over the merged axes `reduced`, `rows` at a time."""
    return _Chunked(e, node, lowering, sizes, reduced, rows, ctx).body()


class _Chunked:
    def __init__(
        self, e: Elements, node: Node, lowering: Reduce, sizes: Sequence[Dim],
        reduced: Sequence[int], rows: int, ctx: LoweringContext,
    ) -> None:
        self.e, self.node, self.lowering, self.sizes = e, node, lowering, sizes
        self.reduced, self.rows, self.ctx = list(reduced), rows, ctx
        self.kept = [a for a in range(len(sizes)) if a not in reduced]
        self.kept_sizes = [sizes[a] for a in self.kept]
        self.along = self.reduced[-1] == len(sizes) - 1
        self.init = tuple(lowering.init(b, ctx))
        self.into = tuple(range(len(self.init)))
        self.right = tuple(range(len(self.init), 2 * len(self.init)))
        self.count = ceildiv(sizes[self.reduced[0]], rows)
        self.partial: list[Value] = []

    def body(self) -> Body:
        chunk = self.e.loop()
        first = over(self.e, self.kept_sizes, lambda index: self._chunk(b.index(chunk), index),
                     lanes=0 if self.along else COLUMN_VECTORS)
        second = over(self.e, self.kept_sizes, self._total, lanes=bool(self.kept))
        return (Loop(chunk, self.e.size(self.count), first), *second)

    def _merged(self, lifted: Sequence[Expr]) -> tuple[Expr, ...]:
        left, right = (tuple(accumulator(n, x.dtype) for n, x in zip(numbers, lifted))
                       for numbers in (self.into, self.right))
        return tuple(self.lowering.combine(b, left, right))

    def _chunk(self, chunk: Expr, kept_index: tuple[Expr, ...]) -> Body:
        """Folds one chunk at one index of the kept axes; stores what was accumulated."""
        e, head = self.e, self.reduced[0]
        numbers = {a: e.loop() for a in self.reduced}
        index: dict[int, Expr] = dict(zip(self.kept, kept_index))
        index |= {a: b.index(n) for a, n in numbers.items()}
        start = chunk * self.rows
        index[head] = start + index[head]
        extents = {a: e.size(self.sizes[a]) for a in self.reduced}
        extents[head] = b.min(extents[head] - start, self.rows)
        position = linear(
            e, [index[a] for a in self.reduced], [self.sizes[a] for a in self.reduced])
        element = e.element(self.node.inputs[0], tuple(index[a] for a in range(len(self.sizes))))
        lifted = tuple(self.lowering.lift(b, element, position, self.ctx))
        last = self.reduced[-1]
        body: Body = (Fold(
            numbers[last], extents[last], self.into, self.right, lifted, self._merged(lifted),
            self.init, lanes=self.along and (
                len(lifted) == 1 or self.lowering.any_order)),)
        for a in reversed(self.reduced[:-1]):
            body = (Loop(numbers[a], extents[a], body),)
        if not self.partial:
            self.partial = [memory(x.dtype, product([self.count, *self.kept_sizes]))
                            for x in lifted]
        place = linear(e, (chunk, *kept_index), (self.count, *self.kept_sizes))
        stores = tuple(Store(e.buffer(value, written=True), place, accumulator(n, value.dtype))
                       for n, value in zip(self.into, self.partial))
        return (Begin(tuple(zip(self.into, self.init))), *body, *stores)

    def _total(self, kept_index: tuple[Expr, ...]) -> Body:
        """Folds what the chunks gave, in order."""
        e, number = self.e, self.e.loop()
        place = linear(e, (b.index(number), *kept_index), (self.count, *self.kept_sizes))
        lifted = tuple(load(e.buffer(value), place, value.dtype) for value in self.partial)
        fold = Fold(number, e.size(self.count), self.into, self.right, lifted,
                    self._merged(lifted), self.init)
        total = int64(1)
        for a in self.reduced:
            total = total * e.size(self.sizes[a])
        result = linear(e, kept_index, self.kept_sizes)
        left = tuple(accumulator(n, x.dtype) for n, x in zip(self.into, lifted))
        return (Begin(tuple(zip(self.into, self.init))), fold, *finished(
            e, self.node, self.lowering, left, total, [result] * len(self.node.outputs),
            self.ctx))
