"""Memory planning: one arena for all intermediate values, places shared by lifetime.

Input: values with their sizes in bytes and the steps between which they live. Output: offsets.
Greedy by size (Pisarchyk & Lee 2020, "Efficient memory management for deep neural net
inference"): large values first, each at the lowest place free for its whole life.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ALIGNMENT = 64


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
    offsets = [0] * len(lifetimes)
    placed: list[int] = []
    total = 0
    for k in sorted(range(len(lifetimes)), key=lambda k: (-lifetimes[k].size, k)):
        own = lifetimes[k]
        size = _aligned(own.size)
        taken = sorted(
            (offsets[j], offsets[j] + _aligned(lifetimes[j].size)) for j in placed
            if lifetimes[j].first <= own.last and own.first <= lifetimes[j].last)
        at = 0
        for start, end in taken:
            if at + size <= start:
                break
            at = max(at, end)
        offsets[k] = at
        placed.append(k)
        total = max(total, at + size)
    return offsets, total


def _aligned(size: int) -> int:
    return (max(size, 1) + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
