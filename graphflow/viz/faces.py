"""How large closed items are drawn, and what stands in them.

Sizes come from a table of character widths, not from a font: they are the same everywhere, so that
pictures are byte-stable.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from graphflow.viz.model import Node, View, middle_shortened, shortened
from graphflow.viz.tree import Item, Tree

LABEL_SIZE, NOTE_SIZE, EDGE_LABEL_SIZE = 12.0, 10.0, 9.0
LONGEST_LABEL, LONGEST_NOTE = 30, 46
_NARROW = frozenset("iljtfrI.,:;'|!()[]/ ")
_BROAD = frozenset("mwMWOQGD@%…")


@dataclass(frozen=True, slots=True)
class Face:
    """A closed item.

    Attributes:
      label, note: the lines of text; the note may be empty.
      kind: of the node, or of the op that gives a group its name; `group` otherwise.
      width, height: in pixels.
    """

    label: str
    note: str
    kind: str
    width: float
    height: float


def text_width(text: str, size: float) -> float:
    """About how wide a text is, in pixels, rather more than less."""
    units = 0.0
    for char in text:
        if char in _NARROW:
            units += 0.36
        elif char in _BROAD or unicodedata.east_asian_width(char) in "WF":
            units += 0.98
        elif char.isupper():
            units += 0.70
        else:
            units += 0.58
    return round(units * size, 1)


def faces_of(view: View, tree: Tree) -> list[Face]:
    """A face for each item."""
    facts = {path: dict(told) for path, told in view.groups}
    return [
        _group_face(view, tree, item, facts.get(item.path, {}))
        if item.is_group or item.number >= len(view.nodes)
        else _node_face(view.nodes[item.number], item.label) for item in tree.items]


def _node_face(node: Node, label: str) -> Face:
    note = node.op
    if node.kind in ("input", "variable") and node.types:
        note = node.types[0]
    elif label.rstrip("_0123456789").endswith(node.op) or node.kind == "constant":
        note = ""
    carried = text_width(node.types[0], EDGE_LABEL_SIZE) if node.types else 0.0
    return _face(label, note, node.kind, carried)


def _group_face(view: View, tree: Tree, item: Item, facts: dict[str, str]) -> Face:
    named = f"({item.label.rpartition('/')[2]})"
    main = next((view.nodes[c] for c in item.children
                 if c < len(view.nodes) and tree.items[c].label == named), None)
    if "kernel" in facts:
        return _face(item.label, facts["kernel"], "kernel")
    if item.fold:
        return _face(item.label, f"{item.fold} equal blocks", "group")
    if main is not None and main.types and main.kind == "variable":
        return _face(item.label, main.types[0], main.kind)
    return _face(item.label, f"{item.size} nodes", "group" if main is None else main.kind)


def _face(label: str, note: str, kind: str, least: float = 0.0) -> Face:
    label, note = middle_shortened(label, LONGEST_LABEL), shortened(note, LONGEST_NOTE)
    small = kind == "constant"
    size = NOTE_SIZE if small else LABEL_SIZE
    width = max(text_width(label, size), text_width(note, NOTE_SIZE)) + (14 if small else 22)
    height = 18.0 if small else 38.0 if note else 26.0
    return Face(label, note, kind, round(max(width, least, 44.0), 1), height)
