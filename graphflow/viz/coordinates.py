"""Coordinates of an arrangement, once the sizes of its items are known.

Input: rows of slots with widths and heights, and the segments between neighbouring rows. Output:
the middle of each slot, the top of each row. `page/coordinates.js` does the same in the same
order, so that the page shows what the SVG shows.

Method: each row in turn is put as near as possible, in weighted least squares, to where its
neighbours want it, with the order and the least distances kept. That is isotonic regression,
solved exactly by pooling adjacent violators (Barlow et al., 1972). Segments between bends weigh
most: long edges become straight (Gansner et al., 1993).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ITEM_GAP, BEND_GAP, ROW_GAP, PIN_GAP = 18.0, 10.0, 46.0, 26.0
BEND_WIDTH, PIN_WIDTH = 4.0, 10.0
ROUNDS = 12
_IDLE = 0.02


@dataclass(frozen=True, slots=True)
class Segment:
    """Where a slot wants to be: at the middle of `other` plus `offset`, that strongly."""

    other: int
    weight: float
    offset: float


@dataclass(slots=True)
class BlockPlaces:
    """Coordinates within a block, whose left upper corner is (0, 0).

    Attributes:
      x: middle of each slot.
      tops, heights: of each row.
      width, height: of the block.
    """

    x: dict[int, float]
    tops: list[float]
    heights: list[float]
    width: float
    height: float


def place_block(
    rows: Sequence[Sequence[int]], width: Sequence[float], height: Sequence[float],
    soft: Sequence[bool], above: Sequence[Sequence[Segment]],
    below: Sequence[Sequence[Segment]],
) -> BlockPlaces:
    """Coordinates of one block.

    width, height, soft, above, below: by slot. soft: whether it is a bend or pin, which may stand
    nearer to its neighbours.
    """
    x: dict[int, float] = {}
    spans = []
    for row in rows:
        offsets = [0.0]
        for one, other in zip(row, row[1:]):
            gap = BEND_GAP if soft[one] or soft[other] else ITEM_GAP
            offsets.append(offsets[-1] + width[one] / 2 + gap + width[other] / 2)
        spans.append(offsets)
        for slot, offset in zip(row, offsets):
            x[slot] = offset - offsets[-1] / 2
    for turn in range(ROUNDS):
        down = turn % 2 == 0
        for k in range(len(rows)) if down else range(len(rows) - 1, -1, -1):
            both = turn >= ROUNDS - 4
            _settle(rows[k], spans[k], x, above if down or both else None,
                    below if not down or both else None)
    heights = [max([height[s] for s in row], default=0.0) for row in rows]
    tops = []
    at = 0.0
    for k, own in enumerate(heights):
        tops.append(at)
        if k + 1 < len(rows):  # a row of no height holds pins, or nothing but bends
            at += own + (ROW_GAP if own and max(height[s] for s in rows[k + 1]) else PIN_GAP)
        else:
            at += own
    left = min((x[s] - width[s] / 2 for row in rows for s in row), default=0.0)
    right = max((x[s] + width[s] / 2 for row in rows for s in row), default=0.0)
    return BlockPlaces({s: v - left for s, v in x.items()}, tops, heights, right - left, at)


def _settle(
    row: Sequence[int], offsets: Sequence[float], x: dict[int, float],
    above: Sequence[Sequence[Segment]] | None, below: Sequence[Sequence[Segment]] | None,
) -> None:
    """Moves the slots of one row towards their neighbours."""
    means: list[float] = []
    weights: list[float] = []
    counts: list[int] = []
    for slot, offset in zip(row, offsets):
        total, weight = x[slot] * _IDLE, _IDLE
        for near in (above, below):
            if near is not None:
                for segment in near[slot]:
                    total += segment.weight * (x[segment.other] + segment.offset)
                    weight += segment.weight
        means.append(total / weight - offset)
        weights.append(weight)
        counts.append(1)
        while len(means) > 1 and means[-2] > means[-1]:
            mean, own, count = means.pop(), weights.pop(), counts.pop()
            both = weights[-1] + own
            means[-1] = (means[-1] * weights[-1] + mean * own) / both
            weights[-1] = both
            counts[-1] += count
    k = 0
    for mean, count in zip(means, counts):
        for _ in range(count):
            x[row[k]] = mean + offsets[k]
            k += 1
