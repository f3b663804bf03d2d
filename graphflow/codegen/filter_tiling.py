"""How large the register tiles of filters' gradients are: a written model of what a tile costs.

A tile has rows, which are channels of the image, for one window position along the last axis, or
for all of them *together*: then an element of the image, broadcast once, serves as many sums as
the window is wide, and few loads are left for each multiply-add.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from graphflow.codegen.choices import choose
from graphflow.codegen.tile_choice import (
    LATENCY,
    PART,
    REGISTERS,
    Columns,
    cut_columns,
    even_cut,
    most_rows,
)
from graphflow.dims import Dim
from graphflow.ops.convolution_geometry import WindowAxis
from graphflow.program import Value

SLAB = 200              # places that a tile sums before the next one
SLAB_BYTES = 1 << 15    # of them, which the first cache holds
LEAST_SLAB = 64         # places, as long as all sums stay in the second cache
CHUNK_BYTES = 1 << 19   # of a filter that is summed in chunks
TILE_COST = 60.0    # cycles to begin a tile, and to add a sum to memory
SUM_COST = 2.5
LOAD_COST = 1.1     # of a load, where a multiply-add costs one
COPY_COST = 1.5     # of a vector, where columns are cut into blocks, which are copied
MOST_TOGETHER = 7   # window positions: what is computed at the border has code of its own


@dataclass(frozen=True, slots=True)
class FilterTiling:
    """The tiles of a filter's gradient.

    Attributes:
      rows: channels of a tile, at most.
      parts: how the columns are cut.
      taps: window positions along the last axis of a tile: all of them, or one.
    """

    rows: int
    parts: tuple[Columns, ...]
    taps: int


def choose_filter_tiling(
    channels: int, columns: int, lanes: int, window: int, terms: int, together: bool
) -> FilterTiling:
    """The cheapest tiling.

    lanes: of a vector; window: positions along the last axis; terms: places that a tile sums;
    together: whether all these positions may be summed together.
    """
    def cost(tiling: FilterTiling) -> float:
        total = sum(
            part.blocks * (TILE_COST + rows * tiling.taps * part.vectors * SUM_COST
                           + terms * _cycles(rows, tiling.taps, part.vectors))
            for part in tiling.parts for rows in even_cut(channels, tiling.rows))
        copies = sum(part.blocks * part.vectors for part in tiling.parts
                     if part.width < columns) * terms * COPY_COST
        return (total * (window // tiling.taps) + copies) * (1 + PART * len(tiling.parts))

    return choose("tile", _tilings(channels, columns, lanes, window if together else 1), cost)


def _tilings(channels: int, columns: int, lanes: int, window: int) -> Iterator[FilterTiling]:
    for vectors in range(1, max(1, min(4, columns // lanes)) + 1):
        parts = cut_columns(columns, lanes, vectors)
        for rows in range(min(most_rows(vectors), channels), 0, -1):
            yield FilterTiling(rows, parts, 1)
        if not 1 < window <= MOST_TOGETHER:
            continue
        for rows in range(min((REGISTERS - 1) // (window * vectors) - 1, channels), 0, -1):
            yield FilterTiling(rows, parts, window)


def _cycles(rows: int, taps: int, vectors: int) -> float:
    """What one place costs."""
    loads = LOAD_COST * (rows + taps * vectors) + 0.5
    return max(rows * taps * vectors, loads, LATENCY) / 2


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
        ways = (self._slab_places, self._slab_places // 2, self._slab_places * 2)
        most = choose("slab", ways, ways.index)
        if 2 * places <= 3 * most or len(self.axes) == 1:
            return max(1, round(most / places)), self.axes[0].out
        parts = min(round(places / most), self.axes[0].out)
        return 1, -(-self.axes[0].out // parts)

    @property
    def slab_bytes(self) -> int:
        """Of the image and the gradient."""
        images, rows = self.slab
        places = images * rows * prod(a.out for a in self.axes[1:])
        return places * (self.channels + self.columns) * self.image.dtype.size

    @property
    def next_slab(self) -> tuple[int, int]:
        """How many elements further the next slab lies in the image, and in the gradient."""
        images, rows = self.slab
        whole = rows == self.axes[0].out
        first_in = images * self.axes[0].size if whole else rows * self.axes[0].stride
        first_out = images * rows
        return (first_in * prod(a.size for a in self.axes[1:]) * self.channels,
                first_out * prod(a.out for a in self.axes[1:]) * self.columns)

    @property
    def _slab_places(self) -> int:
        size = self.image.dtype.size
        if self.elements * size > CHUNK_BYTES:
            return SLAB
        return min(SLAB, max(LEAST_SLAB, SLAB_BYTES // ((self.channels + self.columns) * size)))

    @property
    def tiling(self) -> FilterTiling:
        """The cheapest tiles."""
        images, first = self.slab
        last = self.axes[-1]
        terms = images * first * prod(a.out for a in self.axes[1:])
        together = last.stride == last.dilation == 1
        return choose_filter_tiling(
            self.channels, self.columns, self.lanes, last.window, terms, together)
