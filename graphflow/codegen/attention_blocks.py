"""What attention and its gradient share: blocks of queries and keys, and tiles of scores.

A block of queries lies transposed in private memory, so that queries are lanes: scores, weights
and results are tiles of keys or of coordinates times vectors of queries, and the softmax needs no
sum across lanes. The last block of queries reaches back into the one before it where they are no
multiple of a block: a query's numbers do not depend on the block that it is computed in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.library import memory
from graphflow.codegen.processor import vector_bytes
from graphflow.codegen.tiles import cuts, registers
from graphflow.dims import Dim, product
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.index_arithmetic import simplified
from graphflow.loop_ir.nest import Begin, Loop, Statement, Store, Update, accumulator, load
from graphflow.program import Node, Value

Body = tuple[Statement, ...]

MOST_VECTORS = 4    # of queries side by side
FIRST = 4           # the first accumulator of a tile


class Blocks:
    """What both directions share: sizes, places, and the tiles of scores.

    Attributes:
      queries, keys, depth, length: how many, and the sizes of a key and of a value.
      width, together: queries and keys of a block.
    """

    def __init__(self, e: Elements, node: Node, mask: int) -> None:
        self.e, self.node = e, node
        self.query, self.key, self.value = node.inputs[:3]
        self.mask = node.inputs[mask] if len(node.inputs) > mask else None
        self.kind = self.query.dtype
        self.scale, self.causal = node.attrs["scale"], node.attrs["causal"]
        self.lanes = max(2, vector_bytes() // self.kind.size)
        queries, depth = self.query.shape.sizes[-2:]
        keys, length = self.value.shape.sizes[-2:]
        self.vectors = vectors_for(queries, self.lanes)
        self.width = self.vectors * self.lanes
        self.queries, self.keys, self.depth, self.length = map(
            self.number, (queries, keys, depth, length))
        self.counts = queries, keys, depth, length
        self.batch = self._batch()
        self.loops = [e.loop() for _ in self.batch]
        self.block, self.lane, self.keys_block = e.loop(), e.loop(), e.loop()
        self.together = node.attrs["block_keys"]
        self.weights = self.private(self.together, self.width)

    def _batch(self) -> tuple[Dim, ...]:
        """The leading sizes; as one where the mask has none."""
        sizes = self.node.outputs[0].shape.sizes[:-2]
        lead = self.mask.shape.sizes[:-2] if self.mask is not None else ()
        return (product(sizes),) if all(map(_is_one, lead)) else tuple(sizes)

    def number(self, size: Dim) -> Expr:
        """A size, which is a constant where it is known."""
        return int64(size) if isinstance(size, int) else self.e.size(size)

    def private(self, *sizes: Dim) -> Value:
        """Memory of a member of a team."""
        made = memory(self.kind, product(sizes))
        self.e.private.add(made)
        return made

    # ---- places -----------------------------------------------------------------------------

    def at(self, *last: Expr, sizes: Sequence[Expr]) -> Expr:
        """The place of an element: the batch's, then indices into axes of these sizes."""
        place: Expr = int64(0)
        for loop, size in zip(self.loops, self.batch):
            place = simplified(place * self.e.size(size) + b.index(loop))
        for index, extent in zip(last, sizes):
            place = simplified(place * extent + index)
        return place

    def row(self, value: Value, row: Expr, column: Expr, of: tuple[Expr, Expr]) -> Expr:
        """An element of the matrix that the batch has of a value."""
        return load(self.e.buffer(value), self.at(row, column, sizes=of), value.dtype)

    def near(self, value: Value, row: Expr, lane: Expr) -> Expr:
        """An element of private memory, which may be another one for each block of keys."""
        return load(self.e.buffer(value), self.place(row, lane), self.kind)

    def place(self, row: Expr, lane: Expr) -> Expr:
        return row * self.width + lane + b.index(self.keys_block) * 0

    def put(self, value: Value, row: Expr, lane: Expr, element: Expr) -> Store:
        return Store(self.e.buffer(value, written=True), simplified(row * self.width + lane),
                     element)

    @property
    def first_query(self) -> Expr:
        """Of the block: the last one ends where the queries do."""
        first = b.index(self.block) * self.width
        if self.queries.op == "const" and self.queries.attr % self.width == 0:
            return first
        return simplified(b.min(first, b.max(self.queries - self.width, 0)))

    @property
    def block_queries(self) -> Expr:
        """How many a block has."""
        return simplified(b.min(self.queries, self.width))

    @property
    def first_key(self) -> Expr:
        return b.index(self.keys_block) * self.together

    @property
    def block_keys(self) -> Expr:
        """How many keys the block has: the last one may have fewer."""
        if self.keys.op == "const" and self.keys.attr % self.together == 0:
            return int64(self.together)
        if self.keys.op == "const" and self.keys.attr < self.together:
            return self.keys
        return b.min(self.keys - self.first_key, self.together)

    def key_blocks(self) -> Expr:
        """How many blocks of keys the queries of a block see."""
        every = b.floordiv(self.keys + (self.together - 1), self.together)
        if not self.causal or self.mask is not None:
            return simplified(every)
        last = self.first_query + self.block_queries - 1
        return simplified(b.min(every, b.floordiv(last, self.together) + 1))

    # ---- loops ------------------------------------------------------------------------------

    def around(self, inner: Body, before: Body = ()) -> Body:
        """The loops over batches and blocks of queries; `before` runs once for each batch."""
        blocks = simplified(b.floordiv(self.queries + (self.width - 1), self.width))
        body: Body = (*before, Loop(self.block, blocks, inner))
        for number, size in zip(reversed(self.loops), reversed(self.batch)):
            body = (Loop(number, self.e.size(size), body),)
        return body

    def turned(self, value: Value, into: Value, size: Expr) -> Statement:
        """Copies the block's rows of a matrix: coordinates become rows, queries lanes."""
        number, inner = self.e.loop(), self.e.loop()
        lane, at = b.index(number), b.index(inner)
        element = self.row(value, simplified(self.first_query + lane), at, (self.queries, size))
        return Loop(number, self.block_queries, (
            Loop(inner, size, (self.put(into, at, lane, element),)),), lanes=1)

    def turned_back(self, value: Value, out: Value, size: Expr) -> Statement:
        """Stores a block's results, whose queries are lanes, as rows."""
        column, inner = self.e.loop(), self.e.loop()
        query, at = b.index(inner), b.index(column)
        place = self.at(simplified(self.first_query + query), at, sizes=(self.queries, size))
        element = load(self.e.buffer(value), at * self.width + query, self.kind)
        return Loop(column, size, (Loop(inner, self.block_queries, (
            Store(self.e.buffer(out, written=True), place, element),)),), lanes=1)

    def tiles(self, extent: Expr, tall: int, tile: Callable[[list[Expr]], Body]) -> Body:
        """Rows in tiles: as many of `tall` as there are, and then the rest."""
        body: Body = ()
        rest = tall if extent.op == "const" else 1
        for cut in cuts(extent, (tall, rest)):
            number = self.e.loop()
            first = cut.row(b.index(number))
            rows = [simplified(first + r) for r in range(cut.rows)]
            body += (Loop(number, cut.count, tile(rows)),)
        return body

    def sums(
        self, rows: Sequence[Expr], start: Callable[[Expr], Expr], extent: Expr,
        left: Callable[[Expr, Expr], Expr], right: Callable[[Expr], Expr],
    ) -> Body:
        """One accumulator for each row: left(row, term) · right(term), summed."""
        number = self.e.loop()
        term = b.index(number)
        y = right(term)
        begin = Begin(tuple((FIRST + n, start(row)) for n, row in enumerate(rows)))
        update = Update(tuple(
            (FIRST + n, b.fma(left(row, term), y, accumulator(FIRST + n, self.kind)))
            for n, row in enumerate(rows)))
        return begin, Loop(number, extent, (update,))

    def zero(self, _: Expr | None = None) -> Expr:
        return b.const(0.0, self.kind)

    def products(self, rows: Sequence[Expr], of: Value, turned: Value, size: Expr) -> Body:
        """The products of some keys' vectors with those of the block's queries."""
        lane = b.index(self.lane)
        return self.sums(
            rows, self.zero, size,
            lambda row, term: self.row(
                of, simplified(self.first_key + row), term, (self.keys, size)),
            lambda term: load(self.e.buffer(turned), simplified(term * self.width + lane),
                              self.kind))

    def score(self, n: int, row: Expr) -> Expr:
        """The score of the key `row` of the block, from accumulator n of a tile."""
        score, key = accumulator(FIRST + n, self.kind), simplified(self.first_key + row)
        if self.scale != 1:
            score = score * b.const(self.scale, self.kind)
        query = simplified(self.first_query + b.index(self.lane))
        if self.mask is not None:
            score = score + self._masked(query, key)
        if self.causal:
            score = b.select(b.le(key, query), score, b.const(
                float(self.kind.min) / 2, self.kind))
        return score

    def _masked(self, query: Expr, key: Expr) -> Expr:
        assert self.mask is not None
        lead = [b.index(n) for n in self.loops] if len(self.mask.shape.sizes) > 2 else []
        index = (*lead, query, key)[-len(self.mask.shape.sizes):]
        skipped = len(self.mask.shape.sizes) - len(index)
        place: Expr = int64(0)
        for i, size in zip(index, self.mask.shape.sizes[skipped:]):
            if not _is_one(size):
                place = simplified(place * self.number(size) + i)
        return load(self.e.buffer(self.mask), place, self.kind)


def vectors_for(size: Dim, lanes: int) -> int:
    """How many vectors side by side hold so many elements best; powers of two are LLVM's."""
    most = MOST_VECTORS if registers() >= 32 else MOST_VECTORS // 2
    if not isinstance(size, int):
        return most
    while most > 1 and most * lanes >= 2 * size:
        most //= 2
    return most


def _is_one(size: Dim) -> bool:
    return isinstance(size, int) and size == 1


def tall_for(extent: int, vectors: int) -> int:
    """The rows of a tile, which divide the extent where they can."""
    most = max(1, registers() * 3 // 4 // vectors)
    most = min(most, 8)
    return next((t for t in range(most, most // 2, -1) if extent % t == 0), most)


def tall_of(extent: Expr, vectors: int) -> int:
    return tall_for(extent.attr if extent.op == "const" else 0, vectors)
