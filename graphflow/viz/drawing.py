"""Where everything stands, for a choice of open groups.

Input: a `Scene` (a view with its tree, levels, arrangements and faces) and the open groups.
Output: a `Drawing`: boxes and wires in pixels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from graphflow.viz.arrangement import Arrangement, arrangements_of
from graphflow.viz.coordinates import (
    BEND_WIDTH,
    PIN_WIDTH,
    BlockPlaces,
    Segment,
    place_block,
)
from graphflow.viz.faces import Face, faces_of
from graphflow.viz.levels import Level, LevelEdge, levels_of
from graphflow.viz.model import View
from graphflow.viz.tree import ROOT, Tree, tree_of

TITLE, SIDE, END, MARGIN, BLOCK_GAP = 24.0, 14.0, 14.0, 20.0, 26.0
FAN = 12.0
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scene:
    """A view, and all that is found out about it before it is drawn."""

    view: View
    tree: Tree
    levels: Mapping[int, Level]
    arrangements: Mapping[int, Arrangement]
    faces: Sequence[Face]

    @classmethod
    def of(cls, view: View, fold: bool = True) -> Scene:
        """The scene of a view. fold: whether repeated blocks become one item."""
        tree = tree_of(view, fold)
        levels = levels_of(view, tree)
        return cls(view, tree, levels, arrangements_of(tree, levels), faces_of(view, tree))


@dataclass(frozen=True, slots=True)
class Box:
    """An item; `open` if its contents are drawn inside."""

    number: int
    x: float
    y: float
    width: float
    height: float
    open: bool


@dataclass(frozen=True, slots=True)
class Wire:
    """An edge of one level. Between points of even and odd number it is straight, else curved."""

    edge: LevelEdge
    points: tuple[Point, ...]
    level: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn, outer boxes before inner ones."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]


def drawing_of(scene: Scene, open_groups: Collection[int]) -> Drawing:
    """The drawing. A group that is open inside a closed one is not seen."""
    top = _Panel.of(scene, ROOT, frozenset(open_groups))
    boxes: list[Box] = []
    wires: list[Wire] = []
    for found in _flat(top, 0.0, 0.0):
        if isinstance(found, Box):
            boxes.append(found)
        else:
            wires.append(found)
    return Drawing(round(top.width, 1), round(top.height, 1), tuple(boxes), tuple(wires))


class _Panel:
    """The inside of an open group, its left upper corner being (0, 0).

    Attributes:
      x, y: middle and top of each slot.
      width, height: of the whole, with title and borders.
      inside: the panels of open groups, by slot.
    """

    def __init__(self, scene: Scene, number: int, inside: dict[int, _Panel]) -> None:
        self.scene, self.number, self.inside = scene, number, inside
        self.level, self.made = scene.levels[number], scene.arrangements[number]
        self.x: dict[int, float] = {}
        self.y: dict[int, float] = {}
        self.row_top: dict[int, float] = {}
        self.row_bottom: dict[int, float] = {}
        self.row: dict[int, int] = {
            slot: k for block in self.made.blocks for k, row in enumerate(block) for slot in row}
        self.number_of = {end: k for k, end in enumerate(self.made.slots) if end[0] != "bend"}
        self.size = [self._size(slot) for slot in range(len(self.made.slots))]
        self.width = self.height = 0.0

    @classmethod
    def of(cls, scene: Scene, number: int, open_groups: frozenset[int]) -> _Panel:
        """The panel of a group whose open groups are measured first."""
        made = scene.arrangements[number]
        inside = {slot: cls.of(scene, item, open_groups)
                  for slot, (what, item) in enumerate(made.slots)
                  if what == "item" and item in open_groups and item in scene.levels}
        panel = cls(scene, number, inside)
        panel._place()
        return panel

    def _size(self, slot: int) -> tuple[float, float]:
        what, item = self.made.slots[slot]
        if what == "bend":
            return BEND_WIDTH, 0.0
        if what != "item":
            return PIN_WIDTH, 0.0
        if slot in self.inside:
            return self.inside[slot].width, self.inside[slot].height
        return self.scene.faces[item].width, self.scene.faces[item].height

    # ---- placing ----------------------------------------------------------------------------

    def port(self, slot: int, side: str, outside: int) -> float:
        """How far from the middle of an open group an edge from or to `outside` meets it."""
        panel = self.inside.get(slot)
        if panel is None:
            return 0.0
        return panel.x[panel.number_of[side, outside]] - panel.width / 2

    def _place(self) -> None:
        above, below = self._segments()
        widths, heights = [w for w, _ in self.size], [h for _, h in self.size]
        soft = [what != "item" for what, _ in self.made.slots]
        places = [place_block(block, widths, heights, soft, above, below)
                  for block in self.made.blocks]
        pinned = self._pinned_block()
        side, title, end = (
            (MARGIN, MARGIN, MARGIN) if self.number == ROOT else (SIDE, TITLE, END))
        corners, width, height = _packed(places, pinned)
        for block, found, (left, top) in zip(self.made.blocks, places, corners):
            for k, row in enumerate(block):
                row_top = title + top + found.tops[k]
                for slot in row:
                    self.x[slot] = side + left + found.x[slot]
                    self.row_top[slot] = row_top
                    self.row_bottom[slot] = row_top + found.heights[k]
                    self.y[slot] = row_top + (found.heights[k] - heights[slot]) / 2
        self.width = width + 2 * side
        self.height = title + height + end
        if self.number != ROOT:
            self.width = max(self.width, self.scene.faces[self.number].width + 40)

    def _pinned_block(self) -> int | None:
        for k, block in enumerate(self.made.blocks):
            if any(self.made.slots[s][0] in ("in", "out") for row in block for s in row):
                return k
        return None

    def _segments(self) -> tuple[list[list[Segment]], list[list[Segment]]]:
        slots = self.made.slots
        above: list[list[Segment]] = [[] for _ in slots]
        below: list[list[Segment]] = [[] for _ in slots]
        for edge, route in zip(self.level.edges, self.made.routes):
            shift = [0.0] * len(route)
            shift[0] = self.port(route[0], "out", edge.target[1])
            shift[-1] = self.port(route[-1], "in", edge.source[1])
            for k in range(len(route) - 1):
                a, b, offset = route[k], route[k + 1], shift[k] - shift[k + 1]
                bends = (slots[a][0] == "bend") + (slots[b][0] == "bend")
                weight = (1.0, 2.0, 8.0)[bends]
                if self.row[a] > self.row[b]:
                    a, b, offset = b, a, -offset
                above[b].append(Segment(a, weight, offset))
                below[a].append(Segment(b, weight, -offset))
        return above, below

    # ---- wires ------------------------------------------------------------------------------

    def wires(self) -> Iterator[Wire]:
        """The edges of this level."""
        fans = self._fans()
        for number, (edge, route) in enumerate(zip(self.level.edges, self.made.routes)):
            yield Wire(edge, tuple(self._points(edge, route, fans[number])), self.number)

    def _fans(self) -> list[float]:
        """How far from the middle of a closed item each edge ends, those from the left first."""
        arriving: dict[int, list[tuple[float, int]]] = {}
        for number, route in enumerate(self.made.routes):
            arriving.setdefault(route[-1], []).append((self.x[route[-2]], number))
        fans = [0.0] * len(self.made.routes)
        for slot, found in arriving.items():
            if self.made.slots[slot][0] != "item" or slot in self.inside:
                continue
            found.sort()
            step = min(FAN, (self.size[slot][0] - 12) / len(found))
            for k, (_, number) in enumerate(found):
                fans[number] = (k - (len(found) - 1) / 2) * step
        return fans

    def _points(self, edge: LevelEdge, route: Sequence[int], fan: float) -> Iterator[Point]:
        last = len(route) - 1
        for k, slot in enumerate(route):
            down = self.row[route[min(k + 1, last)]] > self.row[route[min(k, last - 1)]]
            first, second = self.row_top[slot], self.row_bottom[slot]
            if not down:
                first, second = second, first
            x = self.x[slot]
            if k == 0:
                yield self._end(slot, x + self.port(slot, "out", edge.target[1]), down, True)
                yield x + self.port(slot, "out", edge.target[1]), second
            elif k == last:
                x += fan + self.port(slot, "in", edge.source[1])
                yield x, first
                yield self._end(slot, x, down, False)
            else:
                yield x, first
                yield x, second

    def _end(self, slot: int, x: float, down: bool, leaving: bool) -> Point:
        what = self.made.slots[slot][0]
        if what == "in":
            return x, 0.0
        if what == "out":
            return x, self.height
        bottom = down == leaving
        return x, self.y[slot] + (self.size[slot][1] if bottom else 0.0)


def _packed(
    places: Sequence[BlockPlaces], pinned: int | None
) -> tuple[list[Point], float, float]:
    """Left upper corners of blocks, and the size of all: in rows, beside the one with pins."""
    corners: list[Point] = [(0.0, 0.0)] * len(places)
    loose = [k for k in range(len(places)) if k != pinned]
    start = places[pinned].width + BLOCK_GAP if pinned is not None and loose else 0.0
    area = sum((places[k].width + BLOCK_GAP) * (places[k].height + BLOCK_GAP) for k in loose)
    room = max([sqrt(area * 1.6), *(places[k].width for k in loose)])
    x = y = tall = wide = 0.0
    for k in sorted(loose, key=lambda k: -places[k].height):
        if x and x + places[k].width > room:
            x, y, tall = 0.0, y + tall + BLOCK_GAP, 0.0
        corners[k] = (start + x, y)
        x += places[k].width + BLOCK_GAP
        tall = max(tall, places[k].height)
        wide = max(wide, start + x - BLOCK_GAP)
    height = y + tall
    if pinned is not None:
        wide, height = max(wide, places[pinned].width), max(height, places[pinned].height)
    return corners, wide, height


def _flat(panel: _Panel, left: float, top: float) -> Iterator[Box | Wire]:
    """Boxes and wires of a panel and of those inside it, in place."""
    for wire in panel.wires():
        yield Wire(wire.edge, tuple((round(left + x, 1), round(top + y, 1))
                                    for x, y in wire.points), wire.level)
    for slot, (what, item) in enumerate(panel.made.slots):
        if what != "item":
            continue
        width, height = panel.size[slot]
        x, y = left + panel.x[slot] - width / 2, top + panel.y[slot]
        yield Box(item, round(x, 1), round(y, 1), round(width, 1), round(height, 1),
                  slot in panel.inside)
        if slot in panel.inside:
            yield from _flat(panel.inside[slot], x, y)


def open_at_first(scene: Scene, room: int = 40) -> set[int]:
    """Groups to open so that a picture tells most and holds about `room` boxes.

    Outer groups come first, small ones before large ones; variables, gradients and updates stay
    closed as long as there is anything else.
    """
    tree, opened = scene.tree, set[int]()
    shown = len(tree.roots)
    frontier = [c for c in tree.roots if tree.items[c].is_group]
    while frontier:
        frontier.sort(key=lambda c: (_patience(scene, c), len(tree.items[c].children), c))
        chosen = next((c for c in frontier if _patience(scene, c) < 100
                       and shown + len(tree.items[c].children) - 1 <= room), None)
        if chosen is None:
            break
        frontier.remove(chosen)
        opened.add(chosen)
        shown += len(tree.items[chosen].children) - 1
        frontier += [c for c in tree.items[chosen].children if tree.items[c].is_group]
    return opened


def _patience(scene: Scene, group: int) -> int:
    """How late a group is opened by itself: 100 for never."""
    item = scene.tree.items[group]
    if scene.faces[group].kind in ("variable", "constant") or item.fold or _is_plain(scene, group):
        return 100
    kinds = {e.kind for e in scene.levels[group].edges}
    late = 10 if kinds and not kinds & {"forward", "state"} else 0
    return late + len(scene.tree.ancestors(group)) - 2


def _is_plain(scene: Scene, group: int) -> bool:
    """True for one op and the constants that it uses."""
    inside = [scene.faces[c].kind for c in scene.tree.items[group].children]
    return len(inside) - inside.count("constant") <= 1
