"""The edges of each scope by itself: between its children, and to its border.

An edge of the view is drawn in every scope that it passes. In the innermost scope that holds both
ends it joins two children; in scopes below that it leads from a child to a *pin* on the border.
There is one pin for each child of the outer scope at the other end, so that what goes the same
way goes together.
Input: a View and its Tree. Output: one `Level` for each scope.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from graphflow.viz.model import Edge, View
from graphflow.viz.tree import Tree

# What the ends of an edge of a level are: ("item", number) or ("in" | "out", item outside).
End = tuple[str, int]


@dataclass(slots=True)
class LevelEdge:
    """Edges of the view that are one in a scope.

    Attributes:
      source, target: the ends.
      kind: of all of them.
      label: what flows along all of them, or empty.
      count: how many edges it stands for.
      edges: their numbers.
    """

    source: End
    target: End
    kind: str
    label: str
    count: int = 0
    edges: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Level:
    """One scope.

    Attributes:
      number: of the group, or ROOT.
      children: numbers of items.
      pins_in, pins_out: the items outside that pins stand for, in order of first use.
      edges: in order of first use.
    """

    number: int
    children: list[int]
    pins_in: list[int] = field(default_factory=list)
    pins_out: list[int] = field(default_factory=list)
    edges: list[LevelEdge] = field(default_factory=list)


def levels_of(view: View, tree: Tree) -> dict[int, Level]:
    """The levels of all groups; ROOT is that of the whole view."""
    levels = {g: Level(g, tree.children(g)) for g in tree.groups()}
    made: dict[int, dict[tuple[End, End, str], LevelEdge]] = {g: {} for g in levels}
    chains = [tree.ancestors(k) for k in range(len(view.nodes))]
    for number, edge in enumerate(view.edges):
        if edge.quiet or edge.source == edge.target:
            continue
        for group, source, target in _parts(chains[edge.source], chains[edge.target]):
            _add(made[group], edge, number, source, target)
    for group, level in levels.items():
        level.edges = list(made[group].values())
        level.pins_in = _pins("in", (e.source for e in level.edges))
        level.pins_out = _pins("out", (e.target for e in level.edges))
    return levels


def _parts(
    source: list[int], target: list[int]
) -> list[tuple[int, End, End]]:
    """(scope, from, to) for each scope that an edge passes. Both chains begin with ROOT."""
    common = 0
    while source[common + 1] == target[common + 1]:
        common += 1
    left, right = source[common + 1], target[common + 1]
    parts: list[tuple[int, End, End]] = [(source[common], ("item", left), ("item", right))]
    for outer, inner in zip(source[common + 1:], source[common + 2:]):
        parts.append((outer, ("item", inner), ("out", right)))
    for outer, inner in zip(target[common + 1:], target[common + 2:]):
        parts.append((outer, ("in", left), ("item", inner)))
    return parts


def _add(
    made: dict[tuple[End, End, str], LevelEdge], edge: Edge, number: int, source: End, target: End
) -> None:
    found = made.get((source, target, edge.kind))
    if found is None:
        found = made[source, target, edge.kind] = LevelEdge(
            source, target, edge.kind, edge.label)
    elif found.label != edge.label:
        found.label = ""
    found.count += 1
    found.edges.append(number)


def _pins(side: str, ends: Iterable[End]) -> list[int]:
    return list(dict.fromkeys(number for what, number in ends if what == side))
