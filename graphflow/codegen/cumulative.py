"""Kernels of running combinations along an axis: sums, products, linear recurrences.

The axis is walked in order with the running values in accumulators. What does not depend on each
other runs side by side: vectors of scans over the last axis where another axis is scanned, else
several rows, whose chains of dependent operations overlap.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.nests import Body, linear, over
from graphflow.dims import Dim
from graphflow.dtypes import DType
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.nest import Begin, Loop, Statement, Store, Update, accumulator
from graphflow.lowering import Cumulative, LoweringContext
from graphflow.program import Node

ROWS = 4  # an addition takes about 4 cycles until the next one can use it


def build_cumulative(
    e: Elements, node: Node, lowering: Cumulative, sizes: Sequence[Dim], axis: int,
    ctx: LoweringContext,
) -> Body:
    """A running combination of the inputs along the merged axis `axis` of `sizes`."""
    scan = _Scan(e, node, lowering, sizes, axis, ctx)
    if axis < len(sizes) - 1:
        kept = [*sizes[:axis], *sizes[axis + 1:]]
        return over(e, kept, lambda index: scan.together([index]))
    if not axis:
        return scan.together([()])
    return _row_by_row(e, scan, sizes[:-1])


def _row_by_row(e: Elements, scan: _Scan, lead: Sequence[Dim]) -> Body:
    """Loops over the rows, several at a time, then one by one."""
    outer = [e.loop() for _ in lead[:-1]]
    start = tuple(b.index(n) for n in outer)
    body: Body = ()
    done: Expr = int64(0)
    for rows in rows_at_a_time(lead[-1]):
        number = e.loop()
        count = b.floordiv(e.size(lead[-1]) - done, rows)
        first = done + b.index(number) * rows
        body += (Loop(number, count, scan.together([(*start, first + r) for r in range(rows)])),)
        done = done + count * rows
    for number, size in zip(reversed(outer), reversed(lead[:-1])):
        body = (Loop(number, e.size(size), body),)
    return body


def rows_at_a_time(rows: Dim) -> tuple[int, ...]:
    """How many rows to scan together, then for what is left."""
    if isinstance(rows, int):
        if rows < ROWS:
            return (1,)
        if rows % ROWS == 0:
            return (ROWS,)
    return (ROWS, 1)


class _Scan:
    """What the scans of one kernel have in common."""

    def __init__(
        self, e: Elements, node: Node, lowering: Cumulative, sizes: Sequence[Dim], axis: int,
        ctx: LoweringContext,
    ) -> None:
        self.e, self.node, self.lowering = e, node, lowering
        self.sizes, self.axis = sizes, axis
        self.init = tuple(lowering.init(b, ctx))
        self.kinds = [x.dtype for x in self.init]
        self.used = used_accumulators(lowering, self.kinds)
        self.exclusive = bool(ctx.attrs.get("exclusive", False))
        self.reverse = bool(ctx.attrs.get("reverse", False))

    def together(self, places: Sequence[tuple[Expr, ...]]) -> Body:
        """The scans at these indices of the other axes, in one loop over the axis.

        An inclusive scan starts with the first element itself, as the references do: the
        identity would change −0 + 0, and inf·0 in a recurrence.
        """
        size = self.e.size(self.sizes[self.axis])
        begin = Begin(tuple((self._number(place, k), self.init[k])
                            for place in range(len(places)) for k in self.used))
        first = self.e.loop()
        if self.exclusive:
            return (begin, Loop(first, size, self._turn(places, b.index(first), False)))
        rest = self.e.loop()
        return (begin,
                Loop(first, b.min(size, 1), self._turn(places, b.index(first), True)),
                Loop(rest, size - 1, self._turn(places, b.index(rest) + 1, False)))

    def _number(self, place: int, k: int) -> int:
        return place * len(self.init) + k

    def _turn(self, places: Sequence[tuple[Expr, ...]], step: Expr, first: bool) -> Body:
        """Element number `step` of each scan, counted in the running order."""
        e, out = self.e, self.node.outputs[0]
        size = e.size(self.sizes[self.axis])
        at = size - 1 - step if self.reverse else step
        updates: list[tuple[int, Expr]] = []
        stores: list[Statement] = []
        for place, kept in enumerate(places):
            index = (*kept[:self.axis], at, *kept[self.axis:])
            new = tuple(b.cast(e.element(x, index), kind)
                        for x, kind in zip(self.node.inputs, self.kinds))
            running = tuple(accumulator(self._number(place, k), kind)
                            for k, kind in enumerate(self.kinds))
            if not first:
                new = self.lowering.combine(b, running, new)
            updates += [(self._number(place, k), new[k]) for k in self.used]
            stores.append(Store(e.buffer(out, written=True), linear(e, index, self.sizes),
                                b.cast(running[-1], out.dtype)))
        update = Update(tuple(updates))
        return (*stores, update) if self.exclusive else (update, *stores)


def used_accumulators(lowering: Cumulative, kinds: Sequence[DType]) -> list[int]:
    """The accumulators that the last one, which is the result, ever depends on."""
    count = len(kinds)
    running, element = (tuple(accumulator(start + k, kind) for k, kind in enumerate(kinds))
                        for start in (0, count))
    combined = lowering.combine(b, running, element)
    used, pending = {count - 1}, [count - 1]
    while pending:
        read = {n.attr for n in walk(combined[pending.pop()])
                if n.op == "accumulator" and n.attr < count}
        pending += read - used
        used |= read
    return sorted(used)
