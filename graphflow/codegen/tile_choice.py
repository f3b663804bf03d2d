"""How large the register tiles of convolutions are: a written model of what a tile costs.

A core adds two vectors of products at a time and loads two operands; each load of the columns
serves all rows of a tile, each broadcast of a row serves all its columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graphflow.codegen.choices import choose

REGISTERS = 32
LATENCY = 8         # multiply-adds that a core has in flight
WAYS = 8            # rows that may lie in one set of the first cache, of its twelve ways
SET_PERIOD = 4096   # bytes after which addresses come to the same set again
STORE = 1.5         # cycles to set a sum to zero, finish and store it
BEGIN = 24.0        # cycles to begin a tile
PART = 0.08         # what each part of the columns adds: it reads all rows again


@dataclass(frozen=True, slots=True)
class Columns:
    """A part of the columns, in blocks of some vectors side by side.

    Attributes:
      first: its first column.
      vectors: of a block.
      lanes: of a vector; less than a whole one at the end of the columns only.
      blocks: how many.
    """

    first: int
    vectors: int
    lanes: int
    blocks: int

    @property
    def width(self) -> int:
        """Of a block."""
        return self.vectors * self.lanes


@dataclass(frozen=True, slots=True)
class Tiling:
    """How many rows a tile has at most, and how the columns are cut."""

    rows: int
    parts: tuple[Columns, ...]


def most_rows(vectors: int) -> int:
    """The rows of the largest tile whose sums and operands fit into the registers."""
    return (REGISTERS - 2 - vectors) // vectors


def cycles(rows: int, vectors: int) -> float:
    """What one term of all sums of a tile costs."""
    return max(rows * vectors, rows + vectors + 0.5, LATENCY) / 2


def cut_columns(columns: int, lanes: int, vectors: int) -> tuple[Columns, ...]:
    """Blocks of so many vectors, the whole vectors that are left, and a part of one.

    One block if as many vectors hold all columns alike: 24 of them are two vectors of 12.
    """
    whole, rest = divmod(columns, lanes)
    if rest and whole < vectors and columns % vectors == 0:
        return (Columns(0, vectors, columns // vectors, 1),)
    parts = []
    if whole >= vectors:
        parts.append(Columns(0, vectors, lanes, whole // vectors))
    if whole % vectors:
        parts.append(Columns(whole // vectors * vectors * lanes, whole % vectors, lanes, 1))
    if rest:
        parts.append(Columns(whole * lanes, 1, rest, 1))
    return tuple(parts)


def even_cut(count: int, most: int) -> list[int]:
    """`count` in as few parts as there can be of at most so many, alike as far as possible."""
    parts = -(-count // most)
    size = -(-count // parts)
    return [size] * (count // size) + ([count % size] if count % size else [])


def choose_tiling(
    counts: Sequence[int], columns: int, groups: int, terms: int, lanes: int, row_bytes: int
) -> Tiling:
    """The cheapest tiling for rows in runs of `counts`, and so many terms of each sum.

    groups: of columns; no block belongs to two of them. lanes: of a vector; row_bytes: from one
    row to the next.
    """
    def cost(tiling: Tiling) -> float:
        total = 0.0
        for part in tiling.parts:
            for count in counts:
                for rows in even_cut(count, tiling.rows):
                    total += part.blocks * (BEGIN + rows * part.vectors * STORE
                                            + terms * cycles(rows, part.vectors))
        return total * (1 + PART * len(tiling.parts))

    return choose("tile", _tilings(columns, groups, lanes, row_bytes), cost)


def _tilings(columns: int, groups: int, lanes: int, row_bytes: int) -> Iterator[Tiling]:
    each = columns // groups
    for vectors in range(1, min(4, -(-each // lanes)) + 1):
        parts = (cut_columns(columns, lanes, vectors) if groups == 1
                 else _cut_groups(columns, each, lanes, vectors))
        together = max(1, SET_PERIOD // _power_of_two(row_bytes))
        for rows in range(min(most_rows(vectors), WAYS * together), 3, -1):
            if parts:
                yield Tiling(rows, parts)


def _cut_groups(columns: int, each: int, lanes: int, vectors: int) -> tuple[Columns, ...]:
    """Blocks of vectors that divide each group of columns; nothing if the vectors do not."""
    if each % vectors:
        return ()
    width = next(n for n in range(min(lanes, each // vectors), 0, -1)
                 if each // vectors % n == 0)
    return (Columns(0, vectors, width, columns // (vectors * width)),)


def _power_of_two(n: int) -> int:
    """The largest one that divides n, up to `SET_PERIOD`."""
    return min(n & -n, SET_PERIOD)
