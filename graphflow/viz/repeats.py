"""Runs of equal blocks in a sequence: what a picture folds into ×N.

Method: for each place and period, how long the sequence of keys repeats itself; the run that
covers most is taken, the shortest period among equals (tandem repeats: Main & Lorentz, 1984, in
the plain form, for periods up to `LONGEST`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LONGEST = 12
FEWEST_UNITS = 3
FEWEST_NODES = 6


@dataclass(frozen=True, slots=True)
class Run:
    """Equal neighbours.

    Attributes:
      units: the blocks, each the items that it consists of, in order.
    """

    units: tuple[tuple[int, ...], ...]


def find_runs(
    items: Sequence[int], keys: Mapping[int, int], sizes: Mapping[int, int]
) -> list[Run]:
    """Runs of at least `FEWEST_UNITS` blocks, none overlapping, in order.

    keys: equal for equal items. sizes: how many nodes an item holds; a block has two or more, a
    run `FEWEST_NODES` or more.
    """
    sequence = [keys.get(item, -1 - k) for k, item in enumerate(items)]
    found: list[Run] = []
    at = 0
    reach = {p: _reach(sequence, p) for p in range(1, min(LONGEST, len(sequence) // 2) + 1)}
    while at < len(sequence):
        best, period = 0, 0
        for p, far in reach.items():
            units = far[at] // p + 1
            block = sum(sizes[i] for i in items[at:at + p])
            if (units >= FEWEST_UNITS and block > 1 and block * units >= FEWEST_NODES
                    and units * p > best):
                best, period = units * p, p
        if not period:
            at += 1
            continue
        found.append(Run(tuple(
            tuple(items[k:k + period]) for k in range(at, at + best, period))))
        at += best
    return found


def _reach(sequence: Sequence[int], period: int) -> list[int]:
    """For each place, how many elements from it on equal the one `period` further."""
    far = [0] * (len(sequence) + 1)
    for k in range(len(sequence) - period - 1, -1, -1):
        far[k] = far[k + 1] + 1 if sequence[k] == sequence[k + period] else 0
    return far
