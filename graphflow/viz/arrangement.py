"""A level becomes layers: what a picture needs besides sizes, which change as groups open.

Input: the levels of a Tree. Output: for each an `Arrangement`: blocks of layers of slots. Python
(for SVG) and the page's own code find coordinates from it in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from graphflow.viz.levels import End, Level
from graphflow.viz.ordering import Layers, layers_of
from graphflow.viz.ranks import downward, ranks_of
from graphflow.viz.tree import ROOT, Tree

PIN_WEIGHT = 0.1


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The slots of one level.

    Attributes:
      slots: what each is: ("item" | "in" | "out", number), or ("bend", 0).
      blocks: parts that no edge connects; each a sequence of layers of slots.
      routes: for each edge of the level the slots that it passes, from source to target.
      crossings: how many edges cross.
    """

    slots: tuple[End, ...]
    blocks: tuple[tuple[tuple[int, ...], ...], ...]
    routes: tuple[tuple[int, ...], ...]
    crossings: int


def arrangements_of(tree: Tree, levels: Mapping[int, Level]) -> dict[int, Arrangement]:
    """The arrangements of all levels; those of outer ones decide the order of the pins within."""
    made: dict[int, Arrangement] = {}
    for number, level in levels.items():  # outer ones come first
        if number == ROOT:
            made[number] = arranged(tree, level)
            continue
        parent = tree.items[number].parent
        before = _approaches(number, levels[parent], made[parent])
        level.pins_in.sort(key=lambda pin: before.get(("in", pin), 0))
        level.pins_out.sort(key=lambda pin: before.get(("out", pin), 0))
        made[number] = arranged(tree, level)
    return made


def _approaches(group: int, outer: Level, made: Arrangement) -> dict[End, int]:
    """From where, left to right, the edges of a group's pins come."""
    place = {slot: k for block in made.blocks for row in block for k, slot in enumerate(row)}
    found: dict[End, int] = {}
    for edge, route in zip(outer.edges, made.routes):
        if edge.target == ("item", group):
            found.setdefault(("in", edge.source[1]), place[route[-2]])
        if edge.source == ("item", group):
            found.setdefault(("out", edge.target[1]), place[route[1]])
    return found


def arranged(tree: Tree, level: Level) -> Arrangement:
    """The arrangement of one level."""
    children = sorted(level.children, key=lambda c: (tree.items[c].first, c))
    slots: list[End] = [*(("item", c) for c in children), *(("in", p) for p in level.pins_in),
                        *(("out", p) for p in level.pins_out)]
    number = {end: k for k, end in enumerate(slots)}
    ends = [(number[e.source], number[e.target]) for e in level.edges]
    blocks: list[tuple[tuple[int, ...], ...]] = []
    routes: list[tuple[int, ...]] = [()] * len(ends)
    crossings = 0
    for members, edges in _parts(slots, ends):
        if len(members) == 1:
            blocks.append(((members[0],),))
            continue
        layers, down = _layered(slots, members, [ends[e] for e in edges])
        bends = len(layers.above) - len(members)
        local = [*members, *range(len(slots), len(slots) + bends)]
        slots += [("bend", 0)] * bends
        blocks.append(tuple(tuple(local[s] for s in row) for row in layers.rows))
        for e, route, leads_down in zip(edges, layers.routes, down):
            path = tuple(local[s] for s in route)
            routes[e] = path if leads_down else path[::-1]
        crossings += layers.crossings()
    return Arrangement(tuple(slots), tuple(blocks), tuple(routes), crossings)


def _layered(
    slots: Sequence[End], members: Sequence[int], ends: Sequence[tuple[int, int]]
) -> tuple[Layers, list[bool]]:
    """One part in layers, and for each edge whether it leads down."""
    place = {slot: k for k, slot in enumerate(members)}
    edges = [(place[a], place[b]) for a, b in ends]
    top = [place[s] for s in members if slots[s][0] == "in"]
    bottom = [place[s] for s in members if slots[s][0] == "out"]
    down = downward(len(members), edges)
    directed = [(a, b) if leads else (b, a) for (a, b), leads in zip(edges, down)]
    pins = {*top, *bottom}
    weight: dict[tuple[int, int], float] = {}
    for a, b in directed:
        own = PIN_WEIGHT if a in pins or b in pins else 1.0
        weight[a, b] = max(own, weight.get((a, b), 0.0))
    rank = ranks_of(len(members), [(a, b, w) for (a, b), w in weight.items()], top, bottom)
    return layers_of(len(members), rank, directed, (top, bottom)), down


def _parts(
    slots: Sequence[End], ends: Sequence[tuple[int, int]]
) -> Iterable[tuple[list[int], list[int]]]:
    """(slots, edges) of the parts that hang together; all that reach a pin are one."""
    group = list(range(len(slots)))

    def find(slot: int) -> int:
        while group[slot] != slot:
            group[slot] = slot = group[group[slot]]
        return slot

    pins = [k for k, (what, _) in enumerate(slots) if what != "item"]
    for a, b in (*ends, *zip(pins, pins[1:])):
        low, high = sorted((find(a), find(b)))
        group[high] = low
    members: dict[int, tuple[list[int], list[int]]] = {}
    for slot in range(len(slots)):
        members.setdefault(find(slot), ([], []))[0].append(slot)
    for number, (a, _) in enumerate(ends):
        members[find(a)][1].append(number)
    return members.values()
