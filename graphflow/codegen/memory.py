"""Memory planning: one arena for all intermediate values, places shared by lifetime.

Input: values with their sizes in bytes and the steps between which they live. Output: offsets.
Greedy by size (Pisarchyk & Lee 2020, "Efficient memory management for deep neural net
inference"): large values first, each at the lowest place free for its whole life. Of very many
values each would be compared with most others; these are placed in the order of the run.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

ALIGNMENT = 64
MANY = 2000  # values


@dataclass(frozen=True, slots=True)
class Lifetime:
    """One value to place.

    Attributes:
      size: bytes.
      first, last: the steps that write it first and read it last.
    """

    size: int
    first: int
    last: int


def place(lifetimes: Sequence[Lifetime]) -> tuple[list[int], int]:
    """Offsets, aligned to 64 bytes, and the arena's size; values alive together do not overlap."""
    return _by_size(lifetimes) if len(lifetimes) <= MANY else _by_time(lifetimes)


def _by_size(lifetimes: Sequence[Lifetime]) -> tuple[list[int], int]:
    offsets = [0] * len(lifetimes)
    placed: list[tuple[int, int, int, int]] = []  # offset, end, first, last: lowest first
    total = 0
    for k in sorted(range(len(lifetimes)), key=lambda k: (-lifetimes[k].size, k)):
        own = lifetimes[k]
        size, own_first, own_last = _aligned(own.size), own.first, own.last
        at = 0
        for start, end, first, last in placed:
            if first <= own_last and own_first <= last:
                if at + size <= start:
                    break
                if end > at:
                    at = end
        offsets[k] = at
        insort(placed, (at, at + size, own_first, own_last))
        total = max(total, at + size)
    return offsets, total


def _by_time(lifetimes: Sequence[Lifetime]) -> tuple[list[int], int]:
    """As an allocator would: in the order of the run, each in the lowest hole that takes it."""
    offsets = [0] * len(lifetimes)
    alive: list[tuple[int, int, int]] = []  # last, offset, end: a heap
    holes: list[tuple[int, int]] = []  # offset, end: lowest first, never side by side
    total = 0
    order = sorted(range(len(lifetimes)), key=lambda k: (lifetimes[k].first, -lifetimes[k].size))
    for k in order:
        own = lifetimes[k]
        while alive and alive[0][0] < own.first:
            _, start, end = heappop(alive)
            _give_back(holes, start, end)
        size = _aligned(own.size)
        found = next((h for h, (start, end) in enumerate(holes) if end - start >= size), None)
        if found is not None:
            at, end = holes.pop(found)
            if at + size < end:
                holes.insert(found, (at + size, end))
        elif holes and holes[-1][1] == total:
            at, _ = holes.pop()
        else:
            at = total
        total = max(total, at + size)
        offsets[k] = at
        heappush(alive, (own.last, at, at + size))
    return offsets, total


def _give_back(holes: list[tuple[int, int]], start: int, end: int) -> None:
    """Makes a hole of a place, together with the holes beside it."""
    h = bisect_left(holes, (start, end))
    if h < len(holes) and holes[h][0] == end:
        end = holes.pop(h)[1]
    if h and holes[h - 1][1] == start:
        h -= 1
        start = holes.pop(h)[0]
    holes.insert(h, (start, end))


def _aligned(size: int) -> int:
    return (max(size, 1) + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
