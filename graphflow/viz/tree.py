"""Nodes in their scopes as a tree of items, repeated blocks folded.

Input: a View. Output: `Tree`: items that are ops or groups, each with its children in order.
Items are numbered: nodes keep their numbers, groups follow.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from graphflow.viz.model import Edge, View
from graphflow.viz.repeats import FEWEST_UNITS, Run, find_runs

ROOT = -1
MOST_CHILDREN, CHUNK = 6000, 500
DEEPEST = 40  # scopes within scopes; what is deeper is told in one name


@dataclass(slots=True)
class Item:
    """One thing that can be drawn.

    Attributes:
      number: of the item; below the number of nodes it is a node.
      label: its own part of the name.
      path: the scope, or the node's path.
      parent: number of the item around it, or ROOT.
      children: numbers; none for a node.
      first, last: the numbers of the first and the last node in it.
      size: how many nodes are in it.
      fold: 0, or how many equal blocks it stands for.
    """

    number: int
    label: str
    path: tuple[str, ...]
    parent: int
    children: list[int] = field(default_factory=list)
    first: int = 0
    last: int = 0
    size: int = 1
    fold: int = 0

    @property
    def is_group(self) -> bool:
        """True for what can be expanded."""
        return bool(self.children)


@dataclass(slots=True)
class Tree:
    """All items of a view.

    Attributes:
      items: by number.
      roots: the numbers of those that stand in no other, in order.
    """

    items: list[Item]
    roots: list[int]

    def children(self, number: int) -> list[int]:
        """The children of an item, or of ROOT."""
        return self.roots if number == ROOT else self.items[number].children

    def ancestors(self, number: int) -> list[int]:
        """The items around one, from ROOT to itself."""
        chain = [number]
        while chain[-1] != ROOT:
            chain.append(self.items[chain[-1]].parent)
        return chain[::-1]

    def groups(self) -> Iterator[int]:
        """ROOT and all groups, outer ones first."""
        pending = [ROOT]
        while pending:
            number = pending.pop()
            yield number
            pending.extend(c for c in reversed(self.children(number)) if self.items[c].is_group)


def tree_of(view: View, fold: bool = True) -> Tree:
    """The tree of a view. fold: whether repeated blocks become one item."""
    items = [Item(k, "/".join(node.path[DEEPEST - 1:]) or node.path[-1], node.path, ROOT,
                  first=k, last=k)
             for k, node in enumerate(view.nodes)]
    tree = Tree(items, [])
    groups: dict[tuple[str, ...], int] = {}
    for k, node in enumerate(view.nodes):
        parent = ROOT
        for depth in range(1, min(len(node.path), DEEPEST)):
            path = node.path[:depth]
            if path not in groups:
                groups[path] = len(items)
                items.append(Item(len(items), path[-1], path, parent, first=k, size=0))
                tree.children(parent).append(groups[path])
            parent = groups[path]
            items[parent].size += 1
            items[parent].last = k
        items[k].parent = parent
        tree.children(parent).append(k)
    _raise_only_children(tree, {path for path, _ in view.groups})
    if fold:
        _fold(tree, view)
    _divide(tree)
    return tree


def _divide(tree: Tree) -> None:
    """Puts the children of a scope that has very many into groups, in their order.

    A layout of tens of thousands of nodes at once could not be read, nor be found in useful time.
    """
    for number in list(tree.groups()):
        children = _in_order(tree, tree.children(number))
        if len(children) > MOST_CHILDREN:
            for at in range(0, len(children), CHUNK):
                _group(tree, number, tuple(children[at:at + CHUNK]), {}, {})


def _raise_only_children(tree: Tree, kept: Collection[tuple[str, ...]]) -> None:
    """A group that holds one thing and nothing else is told as one: `a/b`.

    kept: paths of groups of which something is told; they stay.
    """
    for item in list(tree.items):
        if item.path in kept:
            continue
        while len(item.children) == 1 and tree.items[item.children[0]].is_group:
            only = tree.items[item.children[0]]
            if only.path in kept:
                break
            item.label, item.path = f"{item.label}/{only.label}", only.path
            item.children, only.children = only.children, []
            for child in item.children:
                tree.items[child].parent = item.number
        if len(item.children) == 1 and not tree.items[item.children[0]].is_group:
            leaf = tree.items[item.children[0]]
            leaf.label, leaf.parent = f"{item.label}/{leaf.label}", item.parent
            item.children = []
            siblings = tree.children(item.parent)
            siblings[siblings.index(item.number)] = leaf.number


# ---- repeated blocks ----------------------------------------------------------------------------


def _fold(tree: Tree, view: View) -> None:
    """Puts runs of equal blocks into one group each, inner runs first."""
    keys: dict[int, int] = {}
    known: dict[tuple, int] = {}
    inputs: list[list[Edge]] = [[] for _ in view.nodes]
    for edge in view.edges:
        if not edge.quiet:
            inputs[edge.target].append(edge)
    for number in reversed(list(tree.groups())):
        children = tree.children(number)
        for child in children:
            if not tree.items[child].is_group:
                keys[child] = known.setdefault(("node", view.nodes[child].shape_key), len(known))
        sizes = {child: tree.items[child].size for child in children}
        for run in reversed(find_runs(_in_order(tree, children), keys, sizes)):
            for units in _alike(tree, run, inputs):
                _put_together(tree, number, units, keys, known)
        if number != ROOT:
            keys[number] = known.setdefault(
                _block_key(tree, number, keys, inputs), len(known))


def _in_order(tree: Tree, children: list[int]) -> list[int]:
    return sorted(children, key=lambda c: (tree.items[c].first, c))


def _alike(
    tree: Tree, run: Run, inputs: list[list[Edge]]
) -> list[tuple[tuple[int, ...], ...]]:
    """The parts of a run whose blocks are connected alike inside, the last first."""
    found: list[list[tuple[int, ...]]] = []
    last: tuple | None = None
    for unit in run.units:
        wires = _wires([n for item in unit for n in _nodes(tree, item)], inputs)
        if wires == last:
            found[-1].append(unit)
        else:
            found.append([unit])
        last = wires
    return [tuple(units) for units in reversed(found) if len(units) >= FEWEST_UNITS]


def _block_key(
    tree: Tree, number: int, keys: dict[int, int], inputs: list[list[Edge]]
) -> tuple:
    """Equal for groups that hold the same, connected in the same way."""
    return ("group", tuple(keys[c] for c in tree.items[number].children),
            _wires(list(_nodes(tree, number)), inputs))


def _wires(nodes: list[int], inputs: list[list[Edge]]) -> tuple:
    """How nodes are connected among themselves."""
    ordered = sorted(nodes)
    place = {node: k for k, node in enumerate(ordered)}
    return tuple(
        tuple(sorted((place.get(e.source, -1), e.kind) for e in inputs[node]))
        for node in ordered)


def _nodes(tree: Tree, number: int) -> Iterator[int]:
    pending = [number]
    while pending:
        item = tree.items[pending.pop()]
        if item.is_group:
            pending.extend(item.children)
        else:
            yield item.number


def _put_together(
    tree: Tree, parent: int, blocks: tuple[tuple[int, ...], ...], keys: dict[int, int],
    known: dict[tuple, int],
) -> None:
    units = [unit[0] if len(unit) == 1 else _group(tree, parent, unit, keys, known)
             for unit in blocks]
    first, last = tree.items[units[0]].label, tree.items[units[-1]].label
    _group(tree, parent, tuple(units), keys, known, f"{first} … {last}", len(units))


def _group(
    tree: Tree, parent: int, members: tuple[int, ...], keys: dict[int, int],
    known: dict[tuple, int], label: str = "", fold: int = 0,
) -> int:
    """A new group around some children of `parent`."""
    inside = [tree.items[m] for m in members]
    label = label or f"{inside[0].label} … {inside[-1].label}"
    outer = () if parent == ROOT else tree.items[parent].path
    number = len(tree.items)
    tree.items.append(Item(
        number, label, (*outer, label), parent, list(members), min(i.first for i in inside),
        max(i.last for i in inside), sum(i.size for i in inside), fold))
    children = tree.children(parent)
    taken = set(members)
    children[children.index(members[0])] = number
    children[:] = [c for c in children if c not in taken]
    for item in inside:
        item.parent = number
    unit = ("unit", fold, tuple(keys.get(m, -1) for m in members))
    keys[number] = known.setdefault(unit, len(known))
    return number
