"""Running combinations along an axis for GPUs: chunk by chunk, where few scans stand side by side.

Three nests: each chunk is combined by itself; the chunks' results are combined in order, for each
scan; each chunk is walked again, beginning with what comes before it (Blelloch, Prefix sums and
their applications, 1990, section 1.4). Every thread has a chunk, so a long row is no work of one
thread. What a chunk is depends on the sizes alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt, prod

from graphflow.codegen.cumulative import used_accumulators
from graphflow.codegen.elements import Elements
from graphflow.codegen.library import memory
from graphflow.codegen.nests import Body, linear
from graphflow.dims import Dim, ceildiv, product
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import Begin, Loop, Statement, Store, Update, accumulator, load
from graphflow.lowering import Cumulative, LoweringContext
from graphflow.program import Node

MANY = 1 << 15      # scans that fill a GPU, a thread for each
SHORT = 128         # elements that a thread walks in any case
CHUNK = 128         # of an axis whose length is not known


def build_cumulative(
    e: Elements, node: Node, lowering: Cumulative, sizes: Sequence[Dim], axis: int,
    ctx: LoweringContext,
) -> Body:
    """A running combination of the inputs along the merged axis `axis` of `sizes`."""
    scan = _Scan(e, node, lowering, sizes, axis, ctx)
    chunk = _chunk(sizes, axis)
    return scan.plain() if chunk is None else scan.chunked(chunk)


def _chunk(sizes: Sequence[Dim], axis: int) -> int | None:
    """Elements of a chunk; None if a thread walks a whole scan."""
    length = sizes[axis]
    kept = [d for a, d in enumerate(sizes) if a != axis]
    scans = prod(d for d in kept if isinstance(d, int))
    if scans >= MANY or (axis < len(sizes) - 1 and not all(isinstance(d, int) for d in kept)):
        return None
    if not isinstance(length, int):
        return CHUNK
    return None if length <= SHORT else max(isqrt(length), SHORT // 4)


class _Scan:
    """What the nests of one kernel have in common."""

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
        self.kept = [d for a, d in enumerate(sizes) if a != axis]

    def plain(self) -> Body:
        """Each scan by itself, element by element.

        An inclusive scan starts with the first element itself, as the references do: the
        identity would change −0 + 0, and inf·0 in a recurrence.
        """
        numbers, place = self._around()
        size = self.e.size(self.sizes[self.axis])
        first = self.e.loop()
        if self.exclusive:
            inside: Body = (self._begin(), Loop(first, size, self._turn(place, b.index(first))))
        else:
            rest = self.e.loop()
            inside = (
                self._begin(),
                Loop(first, b.min(size, 1), self._turn(place, b.index(first), first=True)),
                Loop(rest, size - 1, self._turn(place, b.index(rest) + 1)))
        return self._nest(numbers, inside)

    def chunked(self, chunk: int) -> Body:
        """Chunk by chunk, in three nests."""
        count = ceildiv(self.sizes[self.axis], chunk)
        memories = {k: memory(self.kinds[k], product([*self.kept, count])) for k in self.used}
        self.memories, self.count, self.chunk = memories, count, chunk
        return (*self._chunks_by_themselves(), *self._chunks_in_order(), *self._walked_again())

    # ---- loops --------------------------------------------------------------------------------

    def _around(self) -> tuple[list[tuple[int, Expr]], tuple[Expr, ...]]:
        """Loops over the other axes, (number, extent), and the index there."""
        numbers = [(self.e.loop(), self.e.size(d)) for d in self.kept]
        return numbers, tuple(b.index(n) for n, _ in numbers)

    def _nest(self, numbers: Sequence[tuple[int, Expr]], body: Body) -> Body:
        for number, extent in reversed(numbers):
            body = (Loop(number, extent, body),)
        return body

    def _begin(self) -> Begin:
        return Begin(tuple((k, self.init[k]) for k in self.used))

    def _extent(self, chunk: Expr) -> tuple[Expr, Expr]:
        """Where a chunk begins, and how many elements it has."""
        start = chunk * self.chunk
        return start, b.min(self.e.size(self.sizes[self.axis]) - start, self.chunk)

    def _partial(self, place: Sequence[Expr], chunk: Expr) -> Expr:
        """Where a chunk's result lies."""
        return linear(self.e, [*place, chunk], [*self.kept, self.count])

    def _stored(self, place: Sequence[Expr], chunk: Expr) -> Body:
        return tuple(Store(self.e.buffer(self.memories[k], written=True),
                           self._partial(place, chunk), accumulator(k, self.kinds[k]))
                     for k in self.used)

    def _loaded(self, place: Sequence[Expr], chunk: Expr) -> tuple[Expr, ...]:
        """What a chunk has left; for accumulators that do not count, anything."""
        return tuple(
            load(self.e.buffer(self.memories[k]), self._partial(place, chunk), kind)
            if k in self.used else self.init[k] for k, kind in enumerate(self.kinds))

    # ---- nests --------------------------------------------------------------------------------

    def _chunks_by_themselves(self) -> Body:
        """Each chunk begins with its first element."""
        numbers, place = self._around()
        number = self.e.loop()
        start, extent = self._extent(b.index(number))
        first, rest = self.e.loop(), self.e.loop()
        body: Body = (
            self._begin(),
            Loop(first, b.min(extent, 1),
                 (self._update(place, start + b.index(first), first=True),)),
            Loop(rest, extent - 1, (self._update(place, start + b.index(rest) + 1),)),
            *self._stored(place, b.index(number)))
        return self._nest([*numbers, (number, self.e.size(self.count))], body)

    def _chunks_in_order(self) -> Body:
        """The results of the chunks up to each one."""
        numbers, place = self._around()
        first, rest = self.e.loop(), self.e.loop()
        count = self.e.size(self.count)
        running = self._running()
        following = b.index(rest) + 1

        def turn(chunk: Expr, new: tuple[Expr, ...]) -> Body:
            return (Update(tuple((k, new[k]) for k in self.used)), *self._stored(place, chunk))

        found = self._loaded(place, following)
        return self._nest(numbers, (
            self._begin(),
            Loop(first, b.min(count, 1), turn(b.index(first),
                                              self._loaded(place, b.index(first)))),
            Loop(rest, count - 1, turn(following, self.lowering.combine(b, running, found)))))

    def _walked_again(self) -> Body:
        """Each chunk, beginning with what all chunks before it have left."""
        numbers, place = self._around()
        number = self.e.loop()
        chunk = b.index(number)
        start, extent = self._extent(chunk)
        is_first = b.eq(chunk, 0)
        before = self._loaded(place, b.max(chunk - 1, 0))
        begin = Begin(tuple((k, b.select(is_first, self.init[k], before[k])) for k in self.used))
        first = self.e.loop()
        if self.exclusive:
            inside: Body = (begin, Loop(first, extent, self._turn(place, start + b.index(first))))
        else:
            rest = self.e.loop()
            inside = (
                begin,
                Loop(first, b.min(extent, 1),
                     self._turn(place, start + b.index(first), chosen=is_first)),
                Loop(rest, extent - 1, self._turn(place, start + b.index(rest) + 1)))
        return self._nest([*numbers, (number, self.e.size(self.count))], inside)

    # ---- one element --------------------------------------------------------------------------

    def _running(self) -> tuple[Expr, ...]:
        return tuple(accumulator(k, kind) for k, kind in enumerate(self.kinds))

    def _index(self, place: Sequence[Expr], step: Expr) -> tuple[Expr, ...]:
        size = self.e.size(self.sizes[self.axis])
        at = size - 1 - step if self.reverse else step
        return (*place[:self.axis], at, *place[self.axis:])

    def _update(
        self, place: Sequence[Expr], step: Expr, first: bool = False, chosen: Expr | None = None
    ) -> Statement:
        """Element number `step`, in the running order, joins the accumulators.

        first: it takes their place; chosen: it does so if that holds.
        """
        index = self._index(place, step)
        new = tuple(b.cast(self.e.element(x, index), kind)
                    for x, kind in zip(self.node.inputs, self.kinds))
        if not first:
            both = self.lowering.combine(b, self._running(), new)
            new = both if chosen is None else tuple(
                b.select(chosen, one, other) for one, other in zip(new, both))
        return Update(tuple((k, new[k]) for k in self.used))

    def _turn(
        self, place: Sequence[Expr], step: Expr, first: bool = False, chosen: Expr | None = None
    ) -> Body:
        update = self._update(place, step, first, chosen)
        out = self.node.outputs[0]
        store = Store(self.e.buffer(out, written=True),
                      linear(self.e, self._index(place, step), self.sizes),
                      b.cast(self._running()[-1], out.dtype))
        return (store, update) if self.exclusive else (update, store)
