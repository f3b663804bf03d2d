"""Attention without the matrix of scores: blocks of queries meet blocks of keys in the cache.

Weights are relative to the largest score so far; where a block of keys has a larger one, the sums
so far are scaled down (Milakov, Gimelshein, "Online normalizer calculation for softmax", 2018;
Dao et al., "FlashAttention", 2022).
"""

from __future__ import annotations

from graphflow.codegen.attention_blocks import FIRST, Blocks, Body, tall_for, tall_of
from graphflow.codegen.attention_gradient import Gradient
from graphflow.codegen.elements import Elements, NotCompilable
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.index_arithmetic import simplified
from graphflow.loop_ir.nest import Begin, Loop, Statement, Store, Update, accumulator
from graphflow.passes.attention import fits, shapes_of
from graphflow.program import Node, Value

MOST, SUM, FACTOR, BLOCK_MOST = range(FIRST)  # accumulators of a query


def build_attention(e: Elements, node: Node) -> Body:
    """The statements that compute an `Attention` or its gradient.

    Raises NotCompilable if the inputs' leading sizes are not known to be equal.
    """
    if not fits(shapes_of(node)):
        raise NotCompilable(f"{node.opdef.name} of inputs whose leading sizes may differ")
    forward = node.opdef.name == "Attention"
    return Forward(e, node).body() if forward else Gradient(e, node).body()


class Forward(Blocks):
    """The weighted means of values, and the logarithms of the sums of exponentials."""

    def __init__(self, e: Elements, node: Node) -> None:
        super().__init__(e, node, 3)
        _, _, depth, length = self.counts
        self.turned_query = self.private(depth, self.width)
        self.means = self.private(length, self.width)

    def body(self) -> Body:
        out, logs = self.node.outputs
        block = (
            self.turned(self.query, self.turned_query, self.depth),
            Loop(self.lane, self.block_queries, self._queries(logs), lanes=self.vectors),
            self.turned_back(self.means, out, self.length))
        return self.around(block)

    def _queries(self, logs: Value) -> Body:
        """All that is computed for the queries of some vectors."""
        lowest, zero = b.const(float("-inf"), self.kind), self.zero()
        lane, number = b.index(self.lane), self.e.loop()
        clear = Loop(number, self.length, (self.put(self.means, b.index(number), lane, zero),))
        most, total = accumulator(MOST, self.kind), accumulator(SUM, self.kind)
        divisor = total
        if not (self.keys.op == "const" and self.keys.attr):
            divisor = b.select(b.eq(self.keys, 0), b.const(1.0, self.kind), total)
        last = self.e.loop()
        place = simplified(b.index(last) * self.width + lane)
        divide = Store(self.e.buffer(self.means, written=True), place,
                       accumulator(FACTOR, self.kind), combine="mul")
        query = simplified(self.first_query + lane)
        return (
            Begin(((MOST, lowest), (SUM, zero))), clear,
            Loop(self.keys_block, self.key_blocks(), self._keys()),
            Begin(((FACTOR, b.const(1.0, self.kind) / divisor),)),
            Loop(last, self.length, (divide,)),
            Store(self.e.buffer(logs, written=True), self.at(query, sizes=(self.queries,)),
                  self._shift(most) + b.log(total)))

    def _shift(self, most: Expr) -> Expr:
        """What is subtracted from scores: nothing if all of them are −∞."""
        nothing = b.eq(most, b.const(float("-inf"), self.kind))
        return b.select(nothing, self.zero(), most)

    def _keys(self) -> Body:
        """What one block of keys adds."""
        tall = tall_for(self.together, self.vectors)
        most, largest = accumulator(MOST, self.kind), accumulator(BLOCK_MOST, self.kind)

        def tile(rows: list[Expr]) -> Body:
            lane = b.index(self.lane)
            scores = [self.score(n, row) for n, row in enumerate(rows)]
            found = largest
            for score in scores:
                found = b.max(found, score)
            return (*self.products(rows, self.key, self.turned_query, self.depth),
                    *(self.put(self.weights, row, lane, s) for row, s in zip(rows, scores)),
                    Update(((BLOCK_MOST, found),)))

        return (
            Begin(((BLOCK_MOST, most),)),
            *self.tiles(self.block_keys, tall, tile),
            Begin(((FACTOR, b.exp(most - self._shift(largest))),)),
            Update(((MOST, largest),
                    (SUM, accumulator(SUM, self.kind) * accumulator(FACTOR, self.kind)))),
            self._exponentials(), *self._means())

    def _exponentials(self) -> Statement:
        number, lane = self.e.loop(), b.index(self.lane)
        key, weight = b.index(number), accumulator(FIRST, self.kind)
        score = self.near(self.weights, key, lane)
        return Loop(number, self.block_keys, (
            Begin(((FIRST, b.exp(score - self._shift(accumulator(MOST, self.kind)))),)),
            self.put(self.weights, key, lane, weight),
            Update(((SUM, accumulator(SUM, self.kind) + weight),))))

    def _means(self) -> Body:
        """Adds the values of the block, weighted, to what there is so far, scaled."""
        lane = b.index(self.lane)

        def tile(rows: list[Expr]) -> Body:
            return (
                *self.sums(
                    rows, lambda row: self.near(self.means, row, lane) * accumulator(
                        FACTOR, self.kind),
                    self.block_keys,
                    lambda row, term: self.row(
                        self.value, simplified(self.first_key + term), row,
                        (self.keys, self.length)),
                    lambda term: self.near(self.weights, term, lane)),
                *(self.put(self.means, row, lane, accumulator(FIRST + n, self.kind))
                  for n, row in enumerate(rows)))

        return self.tiles(self.length, tall_of(self.length, self.vectors), tile)
