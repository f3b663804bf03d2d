"""Gradients of filters: sums over all images and places, slab by slab.

Rows of a tile are input channels of one window position, its columns output channels; what it sums
are the places of a *slab*: some rows of one image, or some small images, which stay in the caches
while all tiles take their part of them. Places whose window position lies in the padding are left
out of the loops. (DESIGN of the order: Georganas et al. 2018, "Anatomy of high-performance deep
learning convolutions on SIMD architectures", update of weights.)

Threads divide *chunks* of the images, each of which is summed into memory of its own; how many
chunks there are does not depend on the number of threads. A large filter is divided into groups of
columns instead, each of which stays in the second cache while images pass by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.filter_tiling import CHUNK_BYTES, SLAB_BYTES, FilterPlan
from graphflow.codegen.library import memory
from graphflow.codegen.tile_choice import Columns, even_cut
from graphflow.dims import ceildiv
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import (
    Begin,
    Fold,
    Loop,
    Statement,
    Store,
    Update,
    accumulator,
    load,
)
from graphflow.ops.convolution_geometry import WindowAxis
from graphflow.program import Value

Body = tuple[Statement, ...]
Soon = tuple[tuple[int, Expr], ...]

CHUNKS = 8              # of the images
GROUP_BYTES = 3 << 18   # of a group of columns
LEAST_GROUPS = 4        # for threads, where there are as many blocks
LEAST_FETCHING = 8      # rows of a tile, for which to ask for memory is little work
LINE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Slab:
    """The places that are summed next.

    Attributes:
      image, images: the first image, and how many.
      row, rows: the first row of the first axis, and how many.
    """

    image: Expr
    images: Expr
    row: Expr
    rows: Expr


@dataclass(frozen=True, slots=True)
class Seen:
    """The places of a slab that see the image through some window position.

    Attributes:
      loops: (number, extent) of the loops over them.
      image: the number of the slab's image, places where the output is along each axis.
      source: the place that is seen, in elements of the last of these axes.
      position: the number of the window position.
    """

    loops: Sequence[tuple[int, Expr]]
    image: Expr
    places: Sequence[Expr]
    source: Expr
    position: Expr


class FilterGradient:
    """The statements of one gradient of a filter."""

    def __init__(self, e: Elements, plan: FilterPlan) -> None:
        self.e, self.plan = e, plan
        self.batch = e.size(plan.batch)
        self.tiling = plan.tiling
        self.kind = plan.image.dtype  # of the sums
        small = plan.elements * self.kind.size <= CHUNK_BYTES
        self.chunks = CHUNKS if small else 1
        if isinstance(plan.batch, int):
            self.chunks = max(1, min(self.chunks, plan.batch))
        self.slices = e.size(ceildiv(plan.batch, self.chunks))
        self.sums: Value | None = None
        if self.chunks > 1 or plan.filter.dtype is not self.kind:
            self.sums = memory(self.kind, self.chunks * plan.elements)

    def body(self) -> Body:
        """Chunk by chunk, or group of columns by group."""
        if self.chunks == 1:
            groups = tuple(self._by_groups(part) for part in self.tiling.parts)
            return groups if self.sums is None else (*groups, self._added())
        chunk, element = self.e.loop(), self.e.loop()
        clear = self._store(b.index(chunk), b.index(element), None)
        inner: Body = (Loop(element, int64(self.plan.elements), (clear,), lanes=1),)
        first = b.index(chunk) * self.slices
        inner += self._over_slabs(
            first, b.min(self.slices, self.batch - first),
            lambda slab: tuple(s for part in self.tiling.parts for s in self._blocks(
                part, int64(0), part.blocks, slab, b.index(chunk))))
        return (Loop(chunk, int64(self.chunks), inner), self._added())

    def _by_groups(self, part: Columns) -> Statement:
        group, row, lane = self.e.loop(), self.e.loop(), self.e.loop()
        rows = self.plan.elements // self.plan.columns
        most = max(1, min(GROUP_BYTES // (rows * part.width * self.kind.size),
                          part.blocks // LEAST_GROUPS))
        count = next(g for g in range(min(most, part.blocks), 0, -1) if part.blocks % g == 0)
        first = b.index(group) * count
        column = part.first + first * part.width + b.index(lane)
        clear = self._store(int64(0), b.index(row) * self.plan.columns + column, None)
        inner: Body = (Loop(row, int64(rows), (
            Loop(lane, int64(count * part.width), (clear,), lanes=1),)),)
        inner += self._over_slabs(int64(0), self.batch, lambda slab: self._blocks(
            part, first, count, slab, int64(0)))
        return Loop(group, int64(part.blocks // count), inner)

    def _blocks(
        self, part: Columns, first: Expr, count: int, slab: Slab, chunk: Expr
    ) -> Body:
        """What a slab adds to some blocks of columns."""
        number = self.e.loop()
        block = first + b.index(number)
        grad = _Gradient(self, part, block, slab)
        return (Loop(number, int64(count), (*grad.copy(), *self.window(grad, chunk))),)

    def _over_slabs(
        self, first: Expr, count: Expr, tiles: Callable[[Slab], Body]
    ) -> Body:
        """The loops over the slabs of `count` images."""
        images, rows = self.plan.slab
        out = self.plan.axes[0].out
        group, part = self.e.loop(), self.e.loop()
        done, row = b.index(group) * images, b.index(part) * rows
        turns = count if images == 1 else b.floordiv(count + (images - 1), images)
        if rows == out:
            slab = Slab(first + done, b.min(count - done, images) if images > 1 else int64(1),
                        int64(0), int64(out))
            return (Loop(group, turns, tiles(slab)),)
        height = int64(rows) if out % rows == 0 else b.min(out - row, rows)
        inner = tiles(Slab(first + done, int64(1), row, height))
        return (Loop(group, turns, (Loop(part, int64(-(-out // rows)), inner),)),)

    def _added(self) -> Statement:
        """The chunks' sums, added in order."""
        assert self.sums is not None
        plan, kind = self.plan, self.kind
        column, chunk = self.e.loop(), self.e.loop()
        part = load(self.e.buffer(self.sums), b.index(chunk) * plan.elements + b.index(column),
                    kind)
        zero = b.const(0.0, kind)
        so_far, more = accumulator(0, kind), accumulator(1, kind)
        return Loop(column, int64(plan.elements), (
            Begin(((0, zero),)),
            Fold(chunk, int64(self.chunks), (0,), (1,), (part,), (so_far + more,), (zero,)),
            Store(self.e.buffer(plan.filter, written=True), b.index(column),
                  b.cast(so_far, plan.filter.dtype))), lanes=2)

    def _store(self, chunk: Expr, element: Expr, value: Expr | None) -> Store:
        """Adds to an element of the filter, or sets it to zero."""
        target = self.plan.filter if self.sums is None else self.sums
        if self.sums is not None:
            element = chunk * self.plan.elements + element
        buffer = self.e.buffer(target, written=True)
        if value is None:
            return Store(buffer, element, b.const(0.0, self.kind))
        return Store(buffer, element, value, combine="add")

    # ---- tiles ------------------------------------------------------------------------------

    def window(self, grad: _Gradient, chunk: Expr) -> Body:
        """All window positions and channels of a block of columns."""
        plan, tiling = self.plan, self.tiling
        axes = plan.axes if tiling.taps == 1 else plan.axes[:-1]
        tile = self._tile if tiling.taps == 1 else self._wide_tile
        taps = [self.e.loop() for _ in axes]
        body: Body = ()
        done = 0
        cut = even_cut(plan.channels, tiling.rows)
        for size in dict.fromkeys(cut):
            turn, turns = self.e.loop(), cut.count(size)
            first = done + b.index(turn) * size
            body += (Loop(turn, int64(turns), tile(
                grad, chunk, tuple(map(b.index, taps)), first, size)),)
            done += turns * size
        for number, axis in zip(reversed(taps), reversed(axes)):
            body = (Loop(number, int64(axis.window), body),)
        return body

    def _tile(
        self, grad: _Gradient, chunk: Expr, taps: Sequence[Expr], first: Expr, rows: int
    ) -> Body:
        """The sums of some channels of one window position."""
        plan, seen = self.plan, self._seen(grad.slab, taps)
        kind, lane = self.kind, self.e.loop()
        rights = grad.load(seen.image, seen.places, b.index(lane))
        lefts = [load(self.e.buffer(plan.image), seen.source * plan.channels + (first + r),
                      plan.image.dtype) for r in range(rows)]
        pairs = [(x, y) for x in lefts for y in rights]
        added = Update(tuple(
            (n, b.fma(x, y, accumulator(n, kind))) for n, (x, y) in enumerate(pairs)),
            self._soon(lefts, rights))
        element = (seen.position * plan.channels + first) * plan.columns
        return self._summed(grad, chunk, lane, seen.loops, (added,),
                            [element + r * plan.columns for r in range(rows)])

    def _wide_tile(
        self, grad: _Gradient, chunk: Expr, taps: Sequence[Expr], first: Expr, rows: int
    ) -> Body:
        """The sums of some channels of all window positions along the last axis."""
        plan, seen, last = self.plan, self._seen(grad.slab, taps), self.plan.axes[-1]
        kind, lane, vectors = self.kind, self.e.loop(), grad.part.vectors
        image = self.e.buffer(plan.image)

        def added(column: Expr, taps: Sequence[int]) -> Update:
            rights = {t: grad.load(seen.image, (*seen.places, column + (last.before - t)),
                                   b.index(lane)) for t in taps}
            sums, lefts = [], []
            place = seen.source * last.size + column
            for r in range(rows):
                left = load(image, place * plan.channels + (first + r), plan.image.dtype)
                lefts.append(left)
                for t in taps:
                    for v, right in enumerate(rights[t]):
                        n = (t * rows + r) * vectors + v
                        sums.append((n, b.fma(left, right, accumulator(n, kind))))
            return Update(tuple(sums), self._soon(lefts, rights[taps[0]]))

        body: Body = ()
        for column, count, seeing in _runs(last):
            number = self.e.loop()
            body += (Loop(number, int64(count), (added(column + b.index(number), seeing),)),) if (
                count > 1) else (added(int64(column), seeing),)
        position = seen.position * last.window
        elements = [((position + t) * plan.channels + (first + r)) * plan.columns
                    for t in range(last.window) for r in range(rows)]
        return self._summed(grad, chunk, lane, seen.loops, body, elements)

    def _soon(self, lefts: Sequence[Expr], rights: Sequence[Expr]) -> Soon:
        """What the same tile of the next slab reads, if the first cache has room for both."""
        plan = self.plan
        if plan.slab_bytes >= SLAB_BYTES or len(lefts) < LEAST_FETCHING:
            return ()
        line = LINE_BYTES // plan.image.dtype.size
        ahead, ahead_of_gradient = plan.next_slab
        soon = [(x.attr, x.args[0] + ahead) for x in lefts[::line]]
        if rights[0].attr == self.e.buffer(plan.grad):
            soon += [(x.attr, x.args[0] + ahead_of_gradient) for x in rights]
        return tuple(soon)

    def _seen(self, slab: Slab, taps: Sequence[Expr]) -> Seen:
        """What window positions along the first axes see."""
        image = self.e.loop()
        one = slab.images.op == "const"
        n = int64(0) if one else b.index(image)
        loops = [] if one else [(image, slab.images)]
        position, source, places = int64(0), slab.image + n, []
        for k, (tap, axis) in enumerate(zip(taps, self.plan.axes)):
            number = self.e.loop()
            low, high = clipped(axis, tap)
            if k == 0 and self.cut:
                low, high = b.max(low, slab.row), b.min(high, slab.row + slab.rows)
            place = low + b.index(number)
            loops.append((number, high - low))
            position = position * axis.window + tap
            source = source * axis.size + (
                place * axis.stride + (tap * axis.dilation - axis.before))
            places.append(place)
        return Seen(loops, n, places, source, position)

    @property
    def cut(self) -> bool:
        """True if a slab is a part of an image."""
        return self.plan.slab[1] != self.plan.axes[0].out

    def _summed(
        self, grad: _Gradient, chunk: Expr, lane: int, loops: Sequence[tuple[int, Expr]],
        body: Body, elements: Sequence[Expr],
    ) -> Body:
        """Sums over `loops`, whose innermost body is given, and adds to what is there.

        elements: where each row of sums begins in the filter.
        """
        for number, extent in reversed(loops):
            body = (Loop(number, extent, body),)
        columns = [grad.column(j, b.index(lane)) for j in range(grad.part.vectors)]
        targets = [element + c for element in elements for c in columns]
        zero = b.const(0.0, self.kind)
        begin = Begin(tuple((n, zero) for n in range(len(targets))))
        stores = tuple(self._store(chunk, target, accumulator(n, self.kind))
                       for n, target in enumerate(targets))
        return (Loop(lane, int64(grad.part.lanes), (begin, *body, *stores), lanes=1),)


class _Gradient:
    """A block of columns of the output's gradient at the places of a slab, laid side by side."""

    def __init__(self, sums: FilterGradient, part: Columns, block: Expr, slab: Slab) -> None:
        self.sums, self.part, self.block, self.slab = sums, part, block, slab
        self.memory: Value | None = None
        plan = sums.plan
        images, rows = plan.slab
        self.image_places = rows * prod(a.out for a in plan.axes[1:])
        if part.width < plan.columns:
            self.memory = memory(plan.grad.dtype, images * self.image_places * part.width)
            sums.e.private.add(self.memory)

    def column(self, vector: int, lane: Expr) -> Expr:
        """The column of the filter that a lane stands for."""
        return self.part.first + self.block * self.part.width + (lane + vector * self.part.lanes)

    def copy(self) -> Body:
        """Lays the columns side by side: else they lie in a few sets of the cache."""
        if self.memory is None:
            return ()
        plan, e, slab = self.sums.plan, self.sums.e, self.slab
        place, lane = e.loop(), e.loop()
        after = prod(a.out for a in plan.axes[1:])
        first = (slab.image * plan.axes[0].out + slab.row) * after
        count = slab.images * slab.rows * after
        value = load(e.buffer(plan.grad), (first + b.index(place)) * plan.columns
                     + self.column(0, b.index(lane)), plan.grad.dtype)
        store = Store(e.buffer(self.memory, written=True),
                      b.index(place) * self.part.width + b.index(lane), value)
        return (Loop(place, count, (Loop(lane, int64(self.part.width), (store,), lanes=1),)),)

    def load(self, image: Expr, places: Sequence[Expr], lane: Expr) -> list[Expr]:
        """The vectors at a place of one of the slab's images."""
        plan, e = self.sums.plan, self.sums.e
        if self.memory is None:
            place = self.slab.image + image
            for axis, p in zip(plan.axes, places):
                place = place * axis.out + p
            return [load(e.buffer(plan.grad), place * plan.columns + self.column(j, lane),
                         plan.grad.dtype) for j in range(self.part.vectors)]
        place = places[0] - self.slab.row
        for axis, p in zip(plan.axes[1:], places[1:]):
            place = place * axis.out + p
        place = image * self.image_places + place
        return [load(e.buffer(self.memory),
                     place * self.part.width + (lane + j * self.part.lanes), plan.grad.dtype)
                for j in range(self.part.vectors)]


def clipped(axis: WindowAxis, tap: Expr) -> tuple[Expr, Expr]:
    """(first, end) of the outputs that see an input, no padding, at a window position."""
    offset = tap * axis.dilation - axis.before
    last = (axis.window - 1) * axis.dilation - axis.before
    low, high = int64(0), int64(axis.out)
    if axis.before > 0:
        low = b.max(-b.floordiv(offset, axis.stride) if axis.stride > 1 else -offset, 0)
    if (axis.out - 1) * axis.stride + last >= axis.size:
        end = axis.size - 1 - offset
        end = b.floordiv(end, axis.stride) if axis.stride > 1 else end
        high = b.min(end + 1, axis.out)
    return low, high


def _runs(axis: WindowAxis) -> list[tuple[int, int, list[int]]]:
    """(first, count, positions): neighbours of an image that are seen through the same positions.

    The axis has neither strides nor dilations.
    """
    found: list[tuple[int, int, list[int]]] = []
    for x in range(axis.size):
        taps = [t for t in range(axis.window) if 0 <= x + axis.before - t < axis.out]
        if found and found[-1][2] == taps:
            found[-1] = (found[-1][0], found[-1][1] + 1, taps)
        else:
            found.append((x, 1, taps))
    return [run for run in found if run[2]]
