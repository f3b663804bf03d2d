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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod

from graphflow.codegen.elements import Elements, int64
from graphflow.codegen.library import memory
from graphflow.codegen.tile_choice import (
    PART,
    Columns,
    cut_columns,
    cycles,
    even_cut,
    most_rows,
)
from graphflow.dims import Dim, ceildiv
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

SLAB = 200              # places that a tile sums before the next one: what the first cache holds
CHUNKS = 8              # of the images
CHUNK_BYTES = 1 << 19   # of a filter that is summed in chunks
GROUP_BYTES = 3 << 18   # of a group of columns
TILE_COST = 90.0    # cycles to begin a tile, and to add a sum to memory
SUM_COST = 2.5


@dataclass(frozen=True, slots=True)
class FilterPlan:
    """What is computed: filter[k, channel, column] = Σ image[n, i, channel] · grad[n, o, column].

    The sum is over images n and those places o that see a place i of the image through position k.

    Attributes:
      image, grad, filter: the values; the filter is the result.
      axes: how windows slide along each spatial axis.
      batch: the number of images.
      channels, columns: of images and of the gradient.
      lanes: of a vector.
    """

    image: Value
    grad: Value
    filter: Value
    axes: tuple[WindowAxis, ...]
    batch: Dim
    channels: int
    columns: int
    lanes: int

    @property
    def elements(self) -> int:
        """Of the filter."""
        return prod(a.window for a in self.axes) * self.channels * self.columns

    @property
    def slab(self) -> tuple[int, int]:
        """(images, rows of the first axis) of a slab; either is all of one image or one image."""
        places = prod(a.out for a in self.axes)
        if 2 * places <= 3 * SLAB or len(self.axes) == 1:
            return max(1, round(SLAB / places)), self.axes[0].out
        parts = min(round(places / SLAB), self.axes[0].out)
        return 1, -(-self.axes[0].out // parts)

    def tile(self, rows: int) -> tuple[int, tuple[Columns, ...]]:
        """(rows, columns) of the tiles that cover so many rows at the least cost."""
        images, first = self.slab
        terms = images * first * prod(a.out for a in self.axes[1:])

        def cost(choice: tuple[int, tuple[Columns, ...]]) -> float:
            most, parts = choice
            total = sum(
                part.blocks * (TILE_COST + r * part.vectors * SUM_COST
                               + terms * cycles(r, part.vectors))
                for part in parts for r in even_cut(rows, most))
            return total * (1 + PART * len(parts))

        return min(self._tiles(rows), key=cost)

    def _tiles(self, rows: int) -> Iterator[tuple[int, tuple[Columns, ...]]]:
        for vectors in range(1, max(1, min(4, self.columns // self.lanes)) + 1):
            parts = cut_columns(self.columns, self.lanes, vectors)
            for most in range(min(most_rows(vectors), rows), 0, -1):
                yield most, parts


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


class FilterGradient:
    """The statements of one gradient of a filter."""

    def __init__(self, e: Elements, plan: FilterPlan) -> None:
        self.e, self.plan = e, plan
        self.batch = e.size(plan.batch)
        self.rows, self.parts = plan.tile(plan.channels)
        small = plan.elements * plan.filter.dtype.size <= CHUNK_BYTES
        self.chunks = CHUNKS if small else 1
        if isinstance(plan.batch, int):
            self.chunks = max(1, min(self.chunks, plan.batch))
        self.slices = e.size(ceildiv(plan.batch, self.chunks))
        self.sums: Value | None = None
        if self.chunks > 1:
            self.sums = memory(plan.filter.dtype, self.chunks * plan.elements)

    def body(self) -> Body:
        """Chunk by chunk, or group of columns by group."""
        if self.sums is None:
            return tuple(self._by_groups(part) for part in self.parts)
        chunk, element = self.e.loop(), self.e.loop()
        clear = self._store(b.index(chunk), b.index(element), None)
        inner: Body = (Loop(element, int64(self.plan.elements), (clear,), lanes=1),)
        first = b.index(chunk) * self.slices
        inner += self._over_slabs(
            first, b.min(self.slices, self.batch - first),
            lambda slab: tuple(s for part in self.parts for s in self._blocks(
                part, int64(0), part.blocks, slab, b.index(chunk))))
        return (Loop(chunk, int64(self.chunks), inner), self._added())

    def _by_groups(self, part: Columns) -> Statement:
        group, row, lane = self.e.loop(), self.e.loop(), self.e.loop()
        rows = self.plan.elements // self.plan.columns
        most = max(1, GROUP_BYTES // (rows * part.width * self.plan.filter.dtype.size))
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
        plan, kind = self.plan, self.plan.filter.dtype
        column, chunk = self.e.loop(), self.e.loop()
        part = load(self.e.buffer(self.sums), b.index(chunk) * plan.elements + b.index(column),
                    kind)
        zero = b.const(0.0, kind)
        so_far, more = accumulator(0, kind), accumulator(1, kind)
        return Loop(column, int64(plan.elements), (
            Begin(((0, zero),)),
            Fold(chunk, int64(self.chunks), (0,), (1,), (part,), (so_far + more,), (zero,)),
            Store(self.e.buffer(plan.filter, written=True), b.index(column), so_far)), lanes=2)

    def _store(self, chunk: Expr, element: Expr, value: Expr | None) -> Store:
        """Adds to an element of the filter, or sets it to zero."""
        target = self.plan.filter if self.sums is None else self.sums
        if self.sums is not None:
            element = chunk * self.plan.elements + element
        buffer = self.e.buffer(target, written=True)
        if value is None:
            return Store(buffer, element, b.const(0.0, self.plan.filter.dtype))
        return Store(buffer, element, value, combine="add")

    # ---- tiles ------------------------------------------------------------------------------

    def window(self, grad: _Gradient, chunk: Expr) -> Body:
        """All window positions and channels of a block of columns."""
        plan = self.plan
        taps = [self.e.loop() for _ in plan.axes]
        body: Body = ()
        done = 0
        cut = even_cut(plan.channels, self.rows)
        for size in dict.fromkeys(cut):
            turn, turns = self.e.loop(), cut.count(size)
            first = done + b.index(turn) * size
            body += (Loop(turn, int64(turns), self._tile(
                grad, chunk, tuple(map(b.index, taps)), first, size)),)
            done += turns * size
        for number, axis in zip(reversed(taps), reversed(plan.axes)):
            body = (Loop(number, int64(axis.window), body),)
        return body

    def _tile(
        self, grad: _Gradient, chunk: Expr, taps: Sequence[Expr], first: Expr, rows: int
    ) -> Body:
        """The sums of some channels of one window position."""
        plan, slab, image = self.plan, grad.slab, self.e.loop()
        element = int64(0)
        for tap, axis in zip(taps, plan.axes):
            element = element * axis.window + tap
        element = (element * plan.channels + first) * plan.columns
        one = slab.images.op == "const"
        n = int64(0) if one else b.index(image)
        loops = [] if one else [(image, slab.images)]
        source, places = slab.image + n, []
        for k, (tap, axis) in enumerate(zip(taps, plan.axes)):
            number = self.e.loop()
            low, high = clipped(axis, tap)
            if k == 0 and self.cut:
                low, high = b.max(low, slab.row), b.min(high, slab.row + slab.rows)
            place = low + b.index(number)
            loops.append((number, high - low))
            source = source * axis.size + (
                place * axis.stride + (tap * axis.dilation - axis.before))
            places.append(place)
        return self.tile(
            grad, chunk, loops, n, places, [element + r * plan.columns for r in range(rows)],
            [load(self.e.buffer(plan.image), source * plan.channels + (first + r),
                  plan.image.dtype) for r in range(rows)])

    @property
    def cut(self) -> bool:
        """True if a slab is a part of an image."""
        return self.plan.slab[1] != self.plan.axes[0].out

    def tile(
        self, grad: _Gradient, chunk: Expr, loops: Sequence[tuple[int, Expr]], image: Expr,
        places: Sequence[Expr], elements: Sequence[Expr], factors: Sequence[Expr],
    ) -> Body:
        """Some rows of the filter, summed over `loops`, and added to what is there.

        elements: where the rows begin in the filter; factors: what each row multiplies the
          gradient by, which is read at `places` of the slab's image number `image`.
        """
        kind, lane = self.plan.filter.dtype, self.e.loop()
        rights = grad.load(image, places, b.index(lane))
        pairs = [(x, y) for x in factors for y in rights]
        body: Body = (Update(tuple(
            (n, b.fma(x, y, accumulator(n, kind))) for n, (x, y) in enumerate(pairs))),)
        for number, extent in reversed(loops):
            body = (Loop(number, extent, body),)
        zero = b.const(0.0, kind)
        begin = Begin(tuple((n, zero) for n in range(len(pairs))))
        columns = [grad.column(j, b.index(lane)) for j in range(grad.part.vectors)]
        stores = tuple(
            self._store(chunk, element + c, accumulator(n, kind))
            for n, (element, c) in enumerate((x, c) for x in elements for c in columns))
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

