"""Convolutions and the gradients of their images, in tiles of registers read in place.

Rows of a tile are neighbours along the last spatial axis, its columns are output channels; what
they sum are window positions and input channels. Nothing is padded: at the other axes the loops
over window positions are clipped, and a tile at the border of the last axis adds to fewer rows
where a window position lies in the padding, which is known when code is made. The filter is copied
before, block by block of columns, in the order in which it is read. (Georganas et al. 2018,
"Anatomy of high-performance deep learning convolutions on SIMD architectures", without its layout
of images.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.library import memory
from graphflow.codegen.phases import Phase
from graphflow.codegen.tile_choice import REGISTERS, Columns, Tiling, choose_tiling, even_cut
from graphflow.loop_ir import b
from graphflow.loop_ir.affine import stride
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.nest import Begin, Loop, Statement, Store, Update, accumulator, load
from graphflow.program import Value

Body = tuple[Statement, ...]
Finish = Callable[[tuple[Expr, ...], Expr], Body]  # place, sum → stores
Phases = tuple[Phase, ...]  # one for each axis

PANEL_BYTES = 1 << 19  # of the filter, that are copied at a time: a part of the second cache
MOST_TILES = 8         # of different code along the last axis
FETCHED_TERMS = 32     # of a place of the image, that the next tile's are asked for beforehand
LEAST_TERMS = 4        # channels, from which on rows share what they load
MOST_TAPS = 7
LINE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """What is computed.

    Attributes:
      image: the value that windows slide over: [batch, *spatial, terms].
      filter: [*window, terms, columns], or, if `turned`, [*window, columns, terms].
      phases: those of each axis of the output.
      spatial: the sizes of the image's spatial axes, and window those of the filter's.
      terms, columns: the channels of the image, and of the output.
      groups: of channels, each of which is convolved by itself. A filter is then
        [*window, terms / groups, columns] or, if `turned`, [*window, columns / groups, terms].
      depthwise: True if each channel has a filter of its own: [*window, 1, columns].
    """

    image: Value
    filter: Value
    turned: bool
    phases: tuple[tuple[Phase, ...], ...]
    spatial: tuple[int, ...]
    window: tuple[int, ...]
    terms: int
    columns: int
    groups: int = 1
    depthwise: bool = False

    @property
    def summed(self) -> int:
        """How many channels of the image one output sees."""
        return self.terms // self.groups

    def tiling(self, lanes: int) -> Tiling | None:
        """The tiles; None if the last axis needs too many different ones."""
        last = self.phases[-1]
        runs = [p.count for p in last for _ in range(max(1, p.taps))]
        terms = prod(self.window) * self.summed // len(self.phases[-1])
        row_bytes = last[0].step * self.terms * self.image.dtype.size
        tiling = choose_tiling(
            runs, self.columns, self.groups, max(terms, 1), lanes, row_bytes)
        tiles = sum(len(tiles_along(p, tiling.rows)) for p in last)
        return tiling if tiles <= MOST_TILES * len(last) else None


@dataclass(frozen=True, slots=True)
class Tiles:
    """Some tiles along the last axis that are computed by the same code."""

    first: int
    rows: int
    turns: int


def tiles_along(phase: Phase, most: int) -> list[Tiles]:
    """The tiles of an axis: those inside that are alike in one loop, others by themselves."""
    found: list[Tiles] = []
    low, high = phase.inner
    first = 0
    for rows in even_cut(phase.count, most) if phase.count else ():
        inside = low <= first and first + rows <= high
        last = found[-1] if found else None
        if last and inside and last.rows == rows and last.first >= low:
            found[-1] = Tiles(last.first, rows, last.turns + 1)
        else:
            found.append(Tiles(first, rows, 1))
        first += rows
    return found


class ConvolutionTiles:
    """The statements of one convolution."""

    def __init__(
        self, e: Elements, plan: Plan, lanes: int, batch: Expr, finish: Finish
    ) -> None:
        tiling = plan.tiling(lanes)
        assert tiling is not None  # else this is not called
        self.e, self.plan, self.tiling, self.lanes = e, plan, tiling, lanes
        self.batch, self.finish = batch, finish
        self.kind = plan.image.dtype
        self.combinations: list[Phases] = list(product(*plan.phases))
        self.rows_before: list[int] = []  # of the copied filter, for each combination
        total = 0
        for phases in self.combinations:
            self.rows_before.append(total)
            total += prod(p.taps for p in phases) * plan.summed
        self.filter_rows = total

    def body(self) -> Body:
        """One loop for each part of the columns."""
        return tuple(self._part(part) for part in self.tiling.parts)

    def _part(self, part: Columns) -> Statement:
        group = self._group_of(part)
        number, n = self.e.loop(), self.e.loop()
        panel = _Panel(self, part, group, b.index(number))
        body: Body = ()
        for k, phases in enumerate(self.combinations):
            body += self._over_outputs(phases, k, panel, b.index(n))
        return Loop(number, int64(part.blocks // group), (
            *panel.copy(), Loop(n, self.batch, body)))

    def _group_of(self, part: Columns) -> int:
        """How many blocks of columns are copied at a time; they divide all blocks evenly."""
        bytes_each = self.filter_rows * part.width * self.kind.size
        most = max(1, PANEL_BYTES // max(bytes_each, 1))
        return next(g for g in range(min(most, part.blocks), 0, -1) if part.blocks % g == 0)

    # ---- loops over the output --------------------------------------------------------------

    def _over_outputs(self, phases: Phases, k: int, panel: _Panel, n: Expr) -> Body:
        outer = [self.e.loop() for _ in phases[:-1]]
        place = (n, *map(b.index, outer))
        body: Body = ()
        for tiles in tiles_along(phases[-1], self.tiling.rows):
            turn = self.e.loop()
            first = int64(tiles.first)
            if tiles.turns > 1:
                first = tiles.first + b.index(turn) * tiles.rows
            made = self._blocks(_Tile(self, phases, k, panel, place, tiles, first))
            body += (Loop(turn, int64(tiles.turns), made),) if tiles.turns > 1 else made
        for number, phase in zip(reversed(outer), reversed(phases[:-1])):
            body = (Loop(number, int64(phase.count), body),)
        return body

    def _blocks(self, tile: _Tile) -> Body:
        """The tile, for all blocks of columns that are copied."""
        block, lane = self.e.loop(), self.e.loop()
        panel = tile.panel
        several = panel.group > 1
        body = tile.body(b.index(block) if several else int64(0), b.index(lane))
        made = Loop(lane, int64(panel.part.lanes), body, lanes=1)
        return (Loop(block, int64(panel.group), (made,)),) if several else (made,)


class _Panel:
    """The columns of the filter that are summed next, in the order in which they are read."""

    def __init__(self, tiles: ConvolutionTiles, part: Columns, group: int, number: Expr) -> None:
        self.tiles, self.part, self.group, self.number = tiles, part, group, number
        plan = tiles.plan
        alone = part.blocks == 1 and part.vectors * tiles.lanes >= plan.columns
        self.in_place = alone and not plan.turned and all(
            p.by == 1 for phases in tiles.combinations for p in phases if p.taps > 1)
        self.memory: Value | None = None
        if not self.in_place:
            size = max(1, tiles.filter_rows * part.width * group)
            self.memory = memory(tiles.kind, size)
            tiles.e.private.add(self.memory)

    def group_of(self, block: Expr) -> Expr:
        """The number of the group of channels that a block belongs to."""
        plan = self.tiles.plan
        if plan.groups == 1:
            return int64(0)
        block = self.number * self.group + block
        each = plan.columns // plan.groups // self.part.width  # blocks of a group
        return block if each == 1 else b.floordiv(block, each)

    def column(self, block: Expr, vector: int, lane: Expr) -> Expr:
        """The column of the output that a lane stands for."""
        first = self.part.first + vector * self.part.lanes
        return (self.number * self.group + block) * self.part.width + lane + first

    def load(self, row: Expr, block: Expr, vector: int, lane: Expr) -> Expr:
        """The element of a row of the copied filter."""
        tiles, plan = self.tiles, self.tiles.plan
        if self.memory is None:
            at = row * plan.columns + self.column(block, vector, lane)
            return load(tiles.e.buffer(plan.filter), at, tiles.kind)
        width = self.part.width
        at = (block * tiles.filter_rows + row) * width + lane + vector * self.part.lanes
        return load(tiles.e.buffer(self.memory), at, tiles.kind)

    def copy(self) -> Body:
        """Copies what is needed of the filter."""
        if self.memory is None:
            return ()
        return tuple(self._copy_phases(phases, first) for phases, first in zip(
            self.tiles.combinations, self.tiles.rows_before) if all(p.taps for p in phases))

    def _copy_phases(self, phases: Phases, first: int) -> Statement:
        tiles, plan, e = self.tiles, self.tiles.plan, self.tiles.e
        assert self.memory is not None
        taps = [e.loop() for _ in phases]
        term, block, lane = e.loop(), e.loop(), e.loop()
        row, window = int64(0), int64(0)
        for number, phase, size in zip(taps, phases, plan.window):
            row = row * phase.taps + b.index(number)
            window = window * size + (phase.position + b.index(number) * phase.by)
        row = first + row * plan.summed + b.index(term)
        column = self.column(b.index(block), 0, b.index(lane))
        if plan.turned:
            which, each = self.group_of(b.index(block)), plan.columns // plan.groups
            at = (window * each + (column - which * each)) * plan.terms + (
                which * plan.summed + b.index(term))
        else:
            at = (window * plan.summed + b.index(term)) * plan.columns + column
        to = (b.index(block) * tiles.filter_rows + row) * self.part.width + b.index(lane)
        body: Body = (Store(e.buffer(self.memory, written=True), to,
                            load(e.buffer(plan.filter), at, tiles.kind)),)
        lanes, terms = (lane, self.part.width), (term, plan.summed)
        # Each line that the lanes touch is read to its end.
        inner = (terms, lanes) if plan.turned else (lanes, terms)
        for number, extent in inner:
            body = (Loop(number, int64(extent), body, lanes=1 if number == lane else 0),)
        for number, extent in ((block, self.group), *reversed(
                [(t, p.taps) for t, p in zip(taps, phases)])):
            body = (Loop(number, int64(extent), body),)
        return body[0]


def _asked_for(ends: Body, lane: Expr) -> Body:
    """Asks for what the statements at the end of a tile read besides its sums.

    Masks and residuals were made long ago: while a tile is summed, their lines come near.
    """
    stores = [s for s in ends if isinstance(s, Store)]
    read = {(n.attr, n.args[0]): None for s in stores for n in walk(s.value)
            if n.op == "load" and stride(n.args[0], lane.attr) == 1}
    if len(read) < len(stores):
        return ()  # a bias, if anything
    return (Update((), tuple(read | {(s.buffer, s.offset): None for s in stores})),)


@dataclass(slots=True)
class _Tile:
    """One tile: rows from `first` on of the last axis, times the vectors of a block.

    Attributes:
      number: of the combination of phases.
      place: the batch's index, and those of the other axes inside their phases.
    """

    tiles: ConvolutionTiles
    phases: Phases
    number: int
    panel: _Panel
    place: tuple[Expr, ...]
    span: Tiles
    first: Expr

    def body(self, block: Expr, lane: Expr) -> Body:
        """The sums of a block of columns."""
        tiles = self.tiles
        vectors = self.panel.part.vectors
        zero = b.const(0.0, tiles.kind)
        sums = [(row, vector) for row in range(self.span.rows) for vector in range(vectors)]
        begin = Begin(tuple((n, zero) for n in range(len(sums))))
        outer = [p.first + p.every * q for p, q in zip(self.phases, self.place[1:])]
        last = self.phases[-1]
        ends: Body = ()
        for n, (row, vector) in enumerate(sums):
            x = last.first + last.every * (self.first + row)
            place = (self.place[0], *outer, x, self.panel.column(block, vector, lane))
            ends += self.tiles.finish(place, accumulator(n, tiles.kind))
        if not all(p.taps for p in self.phases):
            return (begin, *ends)
        return (begin, *_asked_for(ends, lane), *self._over_taps(block, lane), *ends)

    def _over_taps(self, block: Expr, lane: Expr) -> Body:
        """The loops over window positions of all axes but the last, clipped."""
        e, plan = self.tiles.e, self.tiles.plan
        row, source = int64(0), self.place[0]
        loops: list[tuple[int, Expr]] = []
        for phase, q, size in zip(self.phases, self.place[1:], plan.spatial):
            tap, count = phase.seen_taps(q)
            if count is not None:
                loops.append((e.loop(), count))
                tap = tap + b.index(loops[-1][0])
            row = row * phase.taps + tap
            source = source * size + (q * phase.step + (phase.start + tap * phase.pitch))
        body = self._over_last(row, source, block, lane)
        for number, extent in reversed(loops):
            body = (Loop(number, extent, body),)
        return body

    def _over_last(self, row: Expr, source: Expr, block: Expr, lane: Expr) -> Body:
        """The window positions of the last axis, and the channels."""
        terms, last = self.tiles.plan.summed, self.phases[-1]
        row = self.tiles.rows_before[self.number] + row * last.taps * terms
        source = source * self.tiles.plan.spatial[-1]
        if self._shares_places():
            return self._over_places(row, source, block, lane)
        body: Body = ()
        for first, count, rows in self._runs():
            x = source + last.step * self.first + last.start + last.pitch * first
            row_of_run = row + first * terms
            if self.tiles.plan.groups == 1:
                body += self._over_terms(row_of_run, x, count * terms, rows, block, lane)
            else:  # what neighbours see of a group is not beside one another
                tap = self.tiles.e.loop()
                made = self._over_terms(row_of_run + b.index(tap) * terms, x + b.index(tap), terms,
                                        rows, block, lane)
                body += (Loop(tap, int64(count), made),)
        return body

    def _shares_places(self) -> bool:
        """Whether an element of the image is loaded once for all rows that see it.

        Else a tile of one vector loads as often as it multiplies.
        """
        plan, last = self.tiles.plan, self.phases[-1]
        return (plan.groups == 1 and self.panel.part.vectors == 1 and plan.terms >= LEAST_TERMS
                and last.step == last.pitch == 1 and 1 < last.taps <= MOST_TAPS
                and self.span.rows + last.taps + 3 <= REGISTERS)

    def _over_places(self, row: Expr, source: Expr, block: Expr, lane: Expr) -> Body:
        """Adds the terms of all window positions of the last axis, channel by channel."""
        tiles, plan, last = self.tiles, self.tiles.plan, self.phases[-1]
        image, number = tiles.e.buffer(plan.image), tiles.e.loop()
        term, first = b.index(number), source + (self.first + last.start)
        rights = [self.panel.load(row + tap * plan.terms + term, block, 0, lane)
                  for tap in range(last.taps)]
        added = []
        for r in range(self.span.rows):
            total = accumulator(r, tiles.kind)
            for tap, right in enumerate(rights):
                if self._sees(r, tap):
                    left = load(image, (first + (r + tap)) * plan.terms + term, tiles.kind)
                    total = b.fma(left, right, total)
            added.append((r, total))
        return (Loop(number, int64(plan.terms), (Update(tuple(added)),)),)

    def _runs(self) -> list[tuple[int, int, list[int]]]:
        """(first, count, rows): taps that are neighbours in the image, and the rows that see them.
        """
        last = self.phases[-1]
        found: list[tuple[int, int, list[int]]] = []
        for tap in range(last.taps):
            rows = [r for r in range(self.span.rows) if self._sees(r, tap)]
            if found and found[-1][2] == rows and last.pitch == 1:
                found[-1] = (found[-1][0], found[-1][1] + 1, rows)
            else:
                found.append((tap, 1, rows))
        return [run for run in found if run[2]]

    def _sees(self, row: int, tap: int) -> bool:
        return self.span.turns > 1 or self.phases[-1].seen(self.span.first + row, tap)

    def _over_terms(
        self, row: Expr, x: Expr, count: int, rows: Sequence[int], block: Expr, lane: Expr
    ) -> Body:
        """Adds `count` terms, neighbours in the image and in the filter, to the sums of rows.

        Few of them are a loop, too: written out, what one row loads for a term and its neighbour
        for another one would be kept, in more registers than there are.

        x: where row 0 of the tile sees the first one, in elements of the last spatial axis.
        """
        tiles, plan = self.tiles, self.tiles.plan
        vectors, step = self.panel.part.vectors, self.phases[-1].step
        image = tiles.e.buffer(plan.image)
        before = self.panel.group_of(block) * plan.summed

        def update(term: Expr) -> Update:
            added = []
            for r in rows:
                left = load(image, (x + step * r) * plan.terms + before + term, tiles.kind)
                for vector in range(vectors):
                    n = r * vectors + vector
                    right = self.panel.load(row + term, block, vector, lane)
                    added.append((n, b.fma(left, right, accumulator(n, tiles.kind))))
            return Update(tuple(added))

        number = tiles.e.loop()
        made = update(b.index(number))
        if plan.summed >= FETCHED_TERMS and plan.groups == 1:
            made = replace(made, soon=self._soon(x, b.index(number), count))
        return (Loop(number, int64(count), (made,)),)

    def _soon(self, x: Expr, term: Expr, count: int) -> tuple[tuple[int, Expr], ...]:
        """What the next tile reads in this row of the image, line by line over `count` terms."""
        tiles, plan, step = self.tiles, self.tiles.plan, self.phases[-1].step
        each = -(-self.span.rows * step * plan.terms // count)
        first = (x + step * self.span.rows) * plan.terms + term * each
        image = tiles.e.buffer(plan.image)
        return tuple((image, first + k) for k in range(0, each, LINE_BYTES // tiles.kind.size))
