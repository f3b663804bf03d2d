"""Depthwise convolutions and the gradients of their images: channels in lanes.

Each channel has a filter of its own, so nothing is shared between channels. Neighbours along the
last spatial axis are summed side by side: they see the same window positions, whose elements of
the filter are loaded once for all of them, and in part the same elements of the image.
"""

from __future__ import annotations

from itertools import product

from graphflow.codegen.convolution_tiles import Finish, Plan, Tiles, tiles_along
from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.phases import Phase
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import Begin, Loop, Statement, Update, accumulator, load

Body = tuple[Statement, ...]
Phases = tuple[Phase, ...]

ROWS = 8          # neighbours side by side
MOST_TAPS = 16    # along the last axis


def depthwise_fits(plan: Plan) -> bool:
    """True if the code for a convolution stays small."""
    last = plan.phases[-1]
    return all(p.taps <= MOST_TAPS and len(tiles_along(p, ROWS)) <= 6 for p in last)


class DepthwiseTiles:
    """The statements of one depthwise convolution."""

    def __init__(self, e: Elements, plan: Plan, batch: Expr, finish: Finish) -> None:
        self.e, self.plan, self.batch, self.finish = e, plan, batch, finish
        self.kind = plan.image.dtype

    def body(self) -> Body:
        """Image by image, phase by phase."""
        n = self.e.loop()
        body: Body = ()
        for phases in product(*self.plan.phases):
            body += self._phases(phases, b.index(n))
        return (Loop(n, self.batch, body),)

    def _phases(self, phases: Phases, n: Expr) -> Body:
        outer = [self.e.loop() for _ in phases[:-1]]
        place = (n, *map(b.index, outer))
        body: Body = ()
        for tiles in tiles_along(phases[-1], ROWS):
            turn, lane = self.e.loop(), self.e.loop()
            first = int64(tiles.first)
            if tiles.turns > 1:
                first = tiles.first + b.index(turn) * tiles.rows
            made: Statement = Loop(lane, int64(self.plan.columns), self._tile(
                phases, place, tiles, first, b.index(lane)), lanes=1)
            body += (Loop(turn, int64(tiles.turns), (made,)) if tiles.turns > 1 else made,)
        for number, phase in zip(reversed(outer), reversed(phases[:-1])):
            body = (Loop(number, int64(phase.count), body),)
        return body

    def _tile(
        self, phases: Phases, place: tuple[Expr, ...], tiles: Tiles, first: Expr, lane: Expr
    ) -> Body:
        """Some neighbours, for a vector of channels."""
        zero, last = b.const(0.0, self.kind), phases[-1]
        made: Body = (Begin(tuple((r, zero) for r in range(tiles.rows))),)
        if all(p.taps for p in phases):
            made += self._over_taps(phases, place, tiles, first, lane)
        outer = [p.first + p.every * q for p, q in zip(phases, place[1:])]
        for r in range(tiles.rows):
            at = (place[0], *outer, last.first + last.every * (first + r), lane)
            made += self.finish(at, accumulator(r, self.kind))
        return made

    def _over_taps(
        self, phases: Phases, place: tuple[Expr, ...], tiles: Tiles, first: Expr, lane: Expr
    ) -> Body:
        """The loops over window positions of all axes but the last, clipped."""
        e, plan, last = self.e, self.plan, phases[-1]
        window, source = int64(0), place[0]
        loops: list[tuple[int, Expr]] = []
        for phase, q, size, extent in zip(phases, place[1:], plan.spatial, plan.window):
            tap, count = phase.seen_taps(q)
            if count is not None:
                loops.append((e.loop(), count))
                tap = tap + b.index(loops[-1][0])
            window = window * extent + (phase.position + tap * phase.by)
            source = source * size + (q * phase.step + (phase.start + tap * phase.pitch))
        updates = []
        for r in range(tiles.rows):
            total = accumulator(r, self.kind)
            for k in range(last.taps):
                if tiles.turns > 1 or last.seen(tiles.first + r, k):
                    x = first * last.step + (last.step * r + last.start + last.pitch * k)
                    at = window * plan.window[-1] + (last.position + k * last.by)
                    total = b.fma(
                        load(e.buffer(plan.image), (source * plan.spatial[-1] + x) * plan.columns
                             + lane, self.kind),
                        load(e.buffer(plan.filter), at * plan.columns + lane, self.kind), total)
            updates.append((r, total))
        body: Body = (Update(tuple(updates)),)
        for number, extent_of in reversed(loops):
            body = (Loop(number, extent_of, body),)
        return body

