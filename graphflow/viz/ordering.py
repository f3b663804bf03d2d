"""The order of nodes within their layers, with few crossings.

Input: ranks and edges. Output: layers of slots; a slot is a node, or a *bend* where a long edge
passes a layer.

Method: sweeps down and up, each layer sorted by the median or the mean of its neighbours' places
(Eades & Wormald, 1994), then swaps of neighbours as long as that helps (Gansner et al., 1993). It
starts from two depth-first orders; the best order that was seen is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graphflow.viz.crossings import crossings_between, crossings_of_pair

PATIENCE = 8
WIDE, SMALL, SHUFFLES = 150, 700, 4


@dataclass(slots=True)
class Layers:
    """Slots in layers.

    Attributes:
      rows: the slots of each layer, from left to right; nodes first have their own numbers,
        bends follow.
      above, below: the neighbours of each slot in the layers next to its own.
      routes: for each edge the slots that it passes, from its upper to its lower end.
    """

    rows: list[list[int]]
    above: list[list[int]]
    below: list[list[int]]
    routes: list[tuple[int, ...]]

    def crossings(self) -> int:
        """How many edges cross."""
        return sum(_between(self, k) for k in range(len(self.rows) - 1))


def layers_of(
    count: int, rank: Sequence[int], edges: Sequence[tuple[int, int]],
    fixed: Sequence[Sequence[int]] = ((), ()),
) -> Layers:
    """Nodes in layers, ordered.

    edges: from a node to one of higher rank. fixed: nodes of the first and of the last layer
    whose order is given.
    """
    layers = _with_bends(count, rank, edges)
    held = [{slot: k for k, slot in enumerate(side)} for side in fixed]
    best: tuple[int, list[list[int]]] | None = None
    starts = [_depth_first(layers, layers.below, False), _depth_first(layers, layers.above, True)]
    if len(layers.above) < SMALL:
        starts += [_shuffled(starts[0], seed) for seed in range(1, SHUFFLES + 1)]
    for start in starts:
        layers.rows = start
        _hold(layers.rows, held)
        found = _improved(layers, held)
        if best is None or found[0] < best[0]:
            best = found
        if not found[0]:
            break
    assert best is not None
    layers.rows = best[1]
    return layers


def _with_bends(count: int, rank: Sequence[int], edges: Sequence[tuple[int, int]]) -> Layers:
    rows: list[list[int]] = [[] for _ in range(max(rank, default=-1) + 1)]
    for node in range(count):
        rows[rank[node]].append(node)
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    routes = []
    for a, b in edges:
        route = [a]
        for row in range(rank[a] + 1, rank[b]):
            slot = len(above)
            above.append([])
            below.append([])
            rows[row].append(slot)
            route.append(slot)
        route.append(b)
        routes.append(tuple(route))
        for upper, lower in zip(route, route[1:]):
            below[upper].append(lower)
            above[lower].append(upper)
    return Layers(rows, above, below, routes)


def _depth_first(layers: Layers, following: list[list[int]], upwards: bool) -> list[list[int]]:
    """Rows in the order in which a walk along the edges comes to their slots."""
    row_of = {slot: k for k, row in enumerate(layers.rows) for slot in row}
    rows: list[list[int]] = [[] for _ in layers.rows]
    seen = [False] * len(layers.above)
    for row in reversed(layers.rows) if upwards else layers.rows:
        for start in row:
            pending = [start]
            while pending:
                slot = pending.pop()
                if not seen[slot]:
                    seen[slot] = True
                    rows[row_of[slot]].append(slot)
                    pending.extend(reversed(following[slot]))
    return rows


def _shuffled(rows: Sequence[Sequence[int]], seed: int) -> list[list[int]]:
    """The rows in an order that looks random and is the same everywhere."""
    def key(slot: int) -> int:
        return (slot * 2654435761 + seed * 40503) % 65521 * (seed + 7) % 8191

    return [sorted(row, key=lambda slot: (key(slot), slot)) for row in rows]


def _hold(rows: list[list[int]], held: Sequence[dict[int, int]]) -> None:
    """Puts the slots whose order is given into that order."""
    for row, places in ((rows[0], held[0]), (rows[-1], held[1])):
        if places:
            row.sort(key=lambda slot: places.get(slot, len(places)))


def _improved(layers: Layers, held: Sequence[dict[int, int]]) -> tuple[int, list[list[int]]]:
    slots = len(layers.above)
    turns = 40 if slots < 1500 else 10 if slots < 6000 else 4
    best = (layers.crossings(), [row[:] for row in layers.rows])
    idle = 0
    for turn in range(turns):
        if not best[0] or idle >= PATIENCE:
            break
        _sweep(layers, turn % 4 < 2, turn % 2 == 0, held)
        if turn % 3 == 2:  # what makes no difference by itself may lead on
            _swap(layers, held, ties=True)
        _swap(layers, held)
        found = layers.crossings()
        idle += 1
        if found < best[0]:
            best, idle = (found, [row[:] for row in layers.rows]), 0
    return best


def _sweep(
    layers: Layers, median: bool, down: bool, held: Sequence[dict[int, int]]
) -> None:
    rows = layers.rows
    numbers = range(1, len(rows)) if down else range(len(rows) - 2, -1, -1)
    for k in numbers:
        if (k == 0 and held[0]) or (k == len(rows) - 1 and held[1]):
            continue
        place = {slot: p for p, slot in enumerate(rows[k - 1 if down else k + 1])}
        near = layers.above if down else layers.below
        rows[k] = _sorted_by(rows[k], [
            _middle(sorted(place[n] for n in near[slot]), median) for slot in rows[k]])


def _middle(places: Sequence[int], median: bool) -> float:
    if not places:
        return -1.0
    if not median:
        return sum(places) / len(places)
    half = len(places) // 2
    return float(places[half]) if len(places) % 2 else (places[half - 1] + places[half]) / 2


def _sorted_by(row: list[int], goals: Sequence[float]) -> list[int]:
    """The row sorted by goals; slots with goal -1 keep their places."""
    moving = iter(sorted((k for k in range(len(row)) if goals[k] >= 0), key=lambda k: goals[k]))
    return [row[next(moving)] if goals[k] >= 0 else row[k] for k in range(len(row))]


def _swap(layers: Layers, held: Sequence[dict[int, int]], ties: bool = False) -> None:
    """Swaps neighbours while that takes crossings away; once, also where it makes none."""
    rows = layers.rows
    for _ in range(1 if ties else 6):
        helped = False
        for k, row in enumerate(rows):
            if len(row) > WIDE or (k == 0 and held[0]) or (k == len(rows) - 1 and held[1]):
                continue
            up = _sorted_places(layers.above, row, rows[k - 1] if k else ())
            down = _sorted_places(layers.below, row, rows[k + 1] if k + 1 < len(rows) else ())
            for i in range(len(row) - 1):
                a, b = row[i], row[i + 1]
                now = crossings_of_pair(up[a], up[b]) + crossings_of_pair(down[a], down[b])
                if not now:
                    continue
                then = crossings_of_pair(up[b], up[a]) + crossings_of_pair(down[b], down[a])
                if now > then or (ties and now == then):
                    row[i], row[i + 1] = b, a
                    helped = True
        if not helped:
            break


def _sorted_places(
    near: Sequence[Sequence[int]], row: Iterable[int], other: Iterable[int]
) -> dict[int, list[int]]:
    place = {slot: p for p, slot in enumerate(other)}
    return {slot: sorted(place[n] for n in near[slot]) for slot in row}


def _between(layers: Layers, k: int) -> int:
    place = {slot: p for p, slot in enumerate(layers.rows[k + 1])}
    return crossings_between(
        [[place[n] for n in layers.below[slot]] for slot in layers.rows[k]],
        len(layers.rows[k + 1]))
