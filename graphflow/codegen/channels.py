"""Reductions of many rows to a few channels: chunk by chunk, several of them in one pass.

The sums of a batch normalisation and of its gradient are of this kind: they read the same
elements, so that one kernel computes them together. A row is short: some rows are reduced side by
side, for there is nothing else to do while an addition runs. What a chunk is depends on the shape
alone, so the result is the same for any number of threads.

Moments go twice over a chunk, which lies in the first cache: its mean, then squared deviations
from it. Chunks are joined in order by the op's own `combine`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from graphflow.codegen.elements import Elements
from graphflow.codegen.library import memory
from graphflow.codegen.nests import Body, finished
from graphflow.codegen.processor import vector_bytes
from graphflow.codegen.rows import Reduction
from graphflow.dims import Dim, ceildiv, known_factor, product
from graphflow.loop_ir import b
from graphflow.loop_ir.affine import stride
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.nest import Begin, Fold, Loop, Store, Update, accumulator, load
from graphflow.lowering import LoweringContext, Reduce
from graphflow.program import Node

CHUNK = 1 << 13                    # elements, which stay in the first cache
MOST_CHANNELS = 64
MANY, UNKNOWN_MANY = 1 << 15, 256  # elements; where their number is unknown, a factor of it
CHAINS = 4                         # sums of one kind that run side by side
MOST_MEMBERS = 3
AHEAD_BYTES = 1 << 11              # how far ahead memory is asked for
LINE_BYTES = 64

Added = list[tuple[int, Expr]]
Row = Callable[[int, Expr], Added]  # (chain, row) → what becomes of accumulators


@dataclass(slots=True)
class ChannelGroup:
    """Reductions over the same rows, which one kernel computes; `number` as in `Group`."""

    number: int
    members: list[Reduction]


def merge_channels(
    steps: Sequence[tuple[object, Sequence[int]]], follows: Sequence[set[int]],
    fit: Callable[[list[Reduction]], bool],
) -> list[tuple[object, Sequence[int]]]:
    """The steps, each with the numbers it stands for, where reductions that can be are one.

    follows: for each step, the steps whose results it reads; fit: whether reductions, the first
    of which stands where they are to run, can be one kernel.
    """
    merged: list[tuple[object, Sequence[int]]] = []
    for step, numbers in steps:
        last = merged[-1][0] if merged else None
        if isinstance(step, Reduction) and isinstance(last, (Reduction, ChannelGroup)):
            members = [*(last.members if isinstance(last, ChannelGroup) else [last]), step]
            before = last.number
            if len(members) <= MOST_MEMBERS and max(
                    follows[step.number], default=-1) < before and fit(members):
                merged[-1] = (ChannelGroup(before, members), (*merged[-1][1], *numbers))
                continue
        merged.append((step, numbers))
    return merged


def channels_of(sizes: Sequence[Dim], reduced: Sequence[int]) -> int | None:
    """The number of channels, if a reduction over merged axes is of this kind."""
    if len(sizes) != 2 or list(reduced) != [0]:
        return None
    count, channels = sizes
    if not isinstance(channels, int) or not 0 < channels <= MOST_CHANNELS:
        return None
    if isinstance(count, int):
        return channels if count * channels >= MANY else None
    return channels if prod(map(known_factor, sizes)) >= UNKNOWN_MANY else None


def in_any_order(node: Node) -> bool:
    """Whether the elements of a reduction may be combined in another order."""
    lowering = node.opdef.lowering
    return isinstance(lowering, Reduce) and (
        lowering.any_order or len(lowering.init(b, _context(node))) == 1)


def build_channels(e: Elements, nodes: Sequence[Node], sizes: tuple[Dim, int]) -> Body:
    """Reductions of values of merged `sizes` (rows, channels) over all rows."""
    return _Channels(e, nodes, sizes).body()


def _context(node: Node) -> LoweringContext:
    return Elements(lambda v: True).context(node)


class _Channels:
    def __init__(self, e: Elements, nodes: Sequence[Node], sizes: tuple[Dim, int]) -> None:
        self.e, (self.count, self.channels) = e, sizes
        self.rows = max(1, CHUNK // self.channels)
        self.chunks = ceildiv(self.count, self.rows)
        contexts = [_context(node) for node in nodes]
        widest = max(x.dtype.size for node, ctx in zip(nodes, contexts)
                     for x in _lowering(node).init(b, ctx))
        self.lanes = max(1, vector_bytes() // widest)
        self.vectors = max(1, min(CHAINS, self.channels // self.lanes))
        self.chains = CHAINS // self.vectors
        self.members: list[_Member] = []
        first = 0
        for node, ctx in zip(nodes, contexts):
            kind = _Moments if _lowering(node).moments else _Member
            self.members.append(kind(self, node, ctx, first))
            first = self.members[-1].end

    def body(self) -> Body:
        """The chunks, and then their results in order."""
        chunk, lane = self.e.loop(), self.e.loop()
        start = b.index(chunk) * self.rows
        count = b.min(self.e.size(self.count) - start, self.rows)
        column = b.index(lane)
        begun = [pair for m in self.members for pair in m.begun()]

        def row(chain: int, at: Expr) -> Added:
            return [pair for m in self.members for pair in m.added(chain, at, column)]

        body: Body = (Begin(tuple(begun)), *self.over_rows(start, count, row, lane))
        for m in self.members:
            body += m.joined(start, count, lane)
            place = b.index(chunk) * self.channels + column
            body += tuple(Store(self.e.buffer(v, written=True), place, x)
                          for v, x in zip(m.partial, m.result(count)))
        lanes = Loop(lane, b.const(self.channels, column.dtype), body, lanes=self.vectors)
        return (Loop(chunk, self.e.size(self.chunks), (lanes,)),
                *(m.total() for m in self.members))

    def over_rows(self, start: Expr, count: Expr, row: Row, lane: int) -> Body:
        """The loops over a chunk's rows, some at a time."""
        block, single = self.e.loop(), self.e.loop()
        if self.chains == 1:
            return (Loop(block, count, (self._update(row(0, start + b.index(block)), lane),)),)
        blocks = b.floordiv(count, self.chains)
        first = start + b.index(block) * self.chains
        together = [pair for k in range(self.chains) for pair in row(k, first + k)]
        last = start + blocks * self.chains + b.index(single)
        return (Loop(block, blocks, (self._update(together, lane),)),
                Loop(single, count - blocks * self.chains, (Update(tuple(row(0, last))),)))

    def _update(self, added: Added, lane: int) -> Update:
        """The update, which asks for the memory that comes some rows later."""
        loads = {n: None for _, x in added for n in walk(x)
                 if n.op == "load" and stride(n.args[0], lane) == 1 and not _fixed(n, lane)}
        soon = [(n.attr, n.args[0] + (AHEAD_BYTES + line * LINE_BYTES) // n.dtype.size)
                for n in loads
                for line in range(max(1, self.vectors * self.lanes * n.dtype.size // LINE_BYTES))]
        return Update(tuple(added), tuple(soon))


def _fixed(node: Expr, lane: int) -> bool:
    """True for an element that depends on the channel alone."""
    return all(n.op != "index" or n.attr == lane for n in walk(node.args[0]))


def _lowering(node: Node) -> Reduce:
    lowering = node.opdef.lowering
    assert isinstance(lowering, Reduce)
    return lowering


class _Member:
    """One of the reductions.

    Attributes:
      partial: memory for what the chunks give.
      first, end: its accumulators, the same number for each chain.
    """

    def __init__(self, group: _Channels, node: Node, ctx: LoweringContext, first: int) -> None:
        self.group, self.node, self.ctx, self.first = group, node, ctx, first
        self.lowering = _lowering(node)
        self.init = tuple(self.lowering.init(b, ctx))
        self.end = first + self.width * group.chains
        self.partial = [memory(x.dtype, product([group.chunks, group.channels]))
                        for x in self.init]

    @property
    def width(self) -> int:
        """Accumulators of a chain."""
        return len(self.init)

    def names(self, chain: int) -> list[Expr]:
        """The accumulators of a chain."""
        first = self.first + chain * self.width
        return [accumulator(first + k, x.dtype) for k, x in enumerate(self.init[:self.width])]

    def begun(self) -> Added:
        """All accumulators at their beginning."""
        return [(n.attr, x) for chain in range(self.group.chains)
                for n, x in zip(self.names(chain), self.init)]

    def added(self, chain: int, row: Expr, column: Expr) -> Added:
        """The accumulators of a chain with one element more."""
        names = self.names(chain)
        element = self.group.e.element(self.node.inputs[0], (row, column))
        lifted = self.lowering.lift(b, element, row, self.ctx)
        return [(n.attr, x) for n, x in zip(names, self.lowering.combine(
            b, tuple(names), tuple(lifted)))]

    def joined(self, start: Expr, count: Expr, lane: int) -> Body:
        """Brings the chains together in the first one."""
        into = self.names(0)
        return tuple(
            Update(tuple((n.attr, x) for n, x in zip(into, self.lowering.combine(
                b, tuple(into), tuple(self.names(chain))))))
            for chain in range(1, self.group.chains))

    def result(self, count: Expr) -> Sequence[Expr]:
        """What a chunk gives."""
        return self.names(0)

    def total(self) -> Loop:
        """Combines what the chunks gave; stores the results."""
        e, channels = self.group.e, self.group.channels
        lane, chunk, count = e.loop(), e.loop(), len(self.init)
        place = b.index(chunk) * channels + b.index(lane)
        lifted = tuple(load(e.buffer(v), place, v.dtype) for v in self.partial)
        left, right = (tuple(accumulator(first + k, x.dtype) for k, x in enumerate(self.init))
                       for first in (0, count))
        fold = Fold(chunk, e.size(self.group.chunks), tuple(range(count)),
                    tuple(range(count, 2 * count)), lifted,
                    tuple(self.lowering.combine(b, left, right)), self.init)
        return Loop(lane, b.const(channels, place.dtype), (
            Begin(tuple(enumerate(self.init))), fold, *finished(
                e, self.node, self.lowering, left, e.size(self.group.count),
                [b.index(lane)] * len(self.node.outputs), self.ctx)), lanes=1)


class _Moments(_Member):
    """Moments: the sum of a chunk, and then the squared deviations from its mean."""

    def __init__(self, group: _Channels, node: Node, ctx: LoweringContext, first: int) -> None:
        super().__init__(group, node, ctx, first)
        kind = self.init[1].dtype
        self.sum, self.mean = (accumulator(self.end + k, kind) for k in range(2))
        self.end += 2

    @property
    def width(self) -> int:
        """Accumulators of a chain: one, for the sum, and then for the deviations."""
        return 1

    def begun(self) -> Added:
        return [(self.names(k)[0].attr, self.init[1]) for k in range(self.group.chains)]

    def _element(self, row: Expr, column: Expr) -> Expr:
        element = self.group.e.element(self.node.inputs[0], (row, column))
        return self.lowering.lift(b, element, row, self.ctx)[1]

    def added(self, chain: int, row: Expr, column: Expr) -> Added:
        (name,) = self.names(chain)
        return [(name.attr, name + self._element(row, column))]

    def joined(self, start: Expr, count: Expr, lane: int) -> Body:
        """The chunk's sum and mean, and a second pass over it."""
        chains = [self.names(k)[0] for k in range(self.group.chains)]
        mean, found = self.mean, chains[0]
        for other in chains[1:]:
            found = found + other

        def squared(chain: int, row: Expr) -> Added:
            name = chains[chain]
            away = self._element(row, b.index(lane)) - mean
            return [(name.attr, b.fma(away, away, name))]

        zero = self.init[2]
        body: Body = (Begin(((self.sum.attr, found),)),
                      Begin(((mean.attr, self.sum / b.cast(count, mean.dtype)),)),
                      Begin(tuple((n.attr, zero) for n in chains)),
                      *self.group.over_rows(start, count, squared, lane))
        for other in chains[1:]:
            body += (Update(((chains[0].attr, chains[0] + other),)),)
        return body

    def result(self, count: Expr) -> Sequence[Expr]:
        return b.cast(count, self.sum.dtype), self.sum, self.names(0)[0]
