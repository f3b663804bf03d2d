"""The gradient of attention: weights are computed again from the logarithms of their sums.

With P the weights, dP = g·vᵀ and dS = P ∘ (dP − Σ g·out): dv = Pᵀ·g, dq = dS·k, dk = dSᵀ·q (Dao et
al., "FlashAttention", 2022). The gradients of keys and values are added up block of queries by
block of queries, in order.
"""

from __future__ import annotations

from graphflow.codegen.attention_blocks import (
    FIRST,
    Blocks,
    Body,
    tall_for,
    tall_of,
    vectors_for,
)
from graphflow.codegen.elements import Elements
from graphflow.dims import Dim
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.index_arithmetic import simplified
from graphflow.loop_ir.nest import Loop, Statement, Store, accumulator, load
from graphflow.program import Node, Value


class Gradient(Blocks):
    """The gradients of queries, keys and values."""

    def __init__(self, e: Elements, node: Node) -> None:
        super().__init__(e, node, 6)
        _, _, depth, length = self.counts
        self.logs, self.along, self.g = node.inputs[3:6]
        self.slopes = self.private(self.together, self.width)
        self.turned_query, self.grad_query = (self.private(depth, self.width) for _ in range(2))
        self.turned_g = self.private(length, self.width)

    def body(self) -> Body:
        grad_query, grad_key, grad_value = self.node.outputs
        block = (
            self.turned(self.query, self.turned_query, self.depth),
            self.turned(self.g, self.turned_g, self.length),
            self._clear_queries(),
            Loop(self.keys_block, self.key_blocks(), (
                Loop(self.lane, self.block_queries, self._lanes(), lanes=self.vectors),
                *self._rows(self.weights, self.g, grad_value, self.length, self.counts[3]),
                *self._rows(self.slopes, self.query, grad_key, self.depth, self.counts[2]))),
            self.turned_back(self.grad_query, grad_query, self.depth))
        return self.around(block, (self._clear(grad_key, self.depth),
                                   self._clear(grad_value, self.length)))

    def _clear(self, out: Value, size: Expr) -> Statement:
        row, column = self.e.loop(), self.e.loop()
        place = self.at(b.index(row), b.index(column), sizes=(self.keys, size))
        return Loop(row, self.keys, (Loop(column, size, (
            Store(self.e.buffer(out, written=True), place, self.zero()),), lanes=1),))

    def _clear_queries(self) -> Statement:
        row, lane = self.e.loop(), self.e.loop()
        return Loop(row, self.depth, (Loop(lane, self.block_queries, (
            self.put(self.grad_query, b.index(row), b.index(lane), self.zero()),), lanes=1),))

    def _lanes(self) -> Body:
        """Weights and slopes of a block of keys, and what they add to the queries' gradient."""
        lane = b.index(self.lane)
        query = simplified(self.first_query + lane)
        logs, along = (load(self.e.buffer(v), self.at(query, sizes=(self.queries,)), self.kind)
                       for v in (self.logs, self.along))

        def tile(rows: list[Expr]) -> Body:
            weights = tuple(self.put(self.weights, row, lane, b.exp(self.score(n, row) - logs))
                            for n, row in enumerate(rows))
            slopes = tuple(self.put(self.slopes, row, lane, self._slope(n, row, query, along))
                           for n, row in enumerate(rows))
            return (*self.products(rows, self.key, self.turned_query, self.depth), *weights,
                    *self.products(rows, self.value, self.turned_g, self.length), *slopes)

        def queries(rows: list[Expr]) -> Body:
            return (
                *self.sums(
                    rows, lambda row: self.near(self.grad_query, row, lane), self.block_keys,
                    lambda row, term: self.row(
                        self.key, simplified(self.first_key + term), row,
                        (self.keys, self.depth)),
                    lambda term: self.near(self.slopes, term, lane)),
                *(self.put(self.grad_query, row, lane, accumulator(FIRST + n, self.kind))
                  for n, row in enumerate(rows)))

        return (*self.tiles(self.block_keys, tall_for(self.together, self.vectors), tile),
                *self.tiles(self.depth, tall_of(self.depth, self.vectors), queries))

    def _slope(self, n: int, row: Expr, query: Expr, along: Expr) -> Expr:
        """The gradient of a score, times the scale."""
        weight = self.near(self.weights, row, b.index(self.lane))
        slope = weight * (accumulator(FIRST + n, self.kind) - along)
        if self.scale != 1:
            slope = slope * b.const(self.scale, self.kind)
        if self.causal:
            seen = b.le(simplified(self.first_key + row), query)
            slope = b.select(seen, slope, self.zero())
        return slope

    def _rows(self, left: Value, right: Value, out: Value, size: Expr, known: Dim) -> Body:
        """Adds, for each key of the block, the sum over the queries of left · right.

        Queries that the block has in common with the one before it are done.
        """
        done = simplified(b.index(self.block) * self.width - self.first_query)
        count = simplified(self.block_queries - done)
        vectors = vectors_for(known, self.lanes)
        last = simplified(self.keys - 1)

        def tile(rows: list[Expr]) -> Body:
            column = self.e.loop()
            at = b.index(column)
            keys = [simplified(self.first_key + row) for row in rows]
            inside = [key if self.keys.op == "const" and self.keys.attr % self.together == 0
                      else b.min(key, last) for key in keys]
            return (Loop(column, size, (
                *self.sums(
                    rows, self.zero, count,
                    lambda row, term: self.near(left, row, simplified(done + term)),
                    lambda term: self.row(
                        right, simplified(self.first_query + (done + term)), at,
                        (self.queries, size))),
                *(Store(self.e.buffer(out, written=True),
                        self.at(key, at, sizes=(self.keys, size)),
                        accumulator(FIRST + n, self.kind), combine="add")
                  for n, key in enumerate(inside))), lanes=vectors),)

        return self.tiles(self.block_keys, tall_for(self.together, vectors), tile)
