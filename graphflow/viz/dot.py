"""A scene in the language of Graphviz: open groups are clusters, closed ones are nodes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from graphflow.viz.drawing import Scene
from graphflow.viz.theme import EDGE_PAINT, NODE_PAINT
from graphflow.viz.tree import ROOT

_STYLE = {"forward": "solid", "gradient": "dashed", "update": "dashed", "state": "bold",
          "control": "dotted"}
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def quoted(text: str) -> str:
    """Text as a quoted string of DOT, taken as it is: no escape sequence is left in it."""
    plain = _CONTROL.sub("\ufffd", text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain}"'


def dot_text(scene: Scene, open_groups: Collection[int]) -> str:
    """The scene as a DOT document, byte-stable."""
    lines = ["digraph graphflow {", '  graph [rankdir=TB, fontname="Helvetica"];',
             '  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=11];',
             '  edge [fontname="Helvetica", fontsize=9];']
    lines += _members(scene, ROOT, frozenset(open_groups), "  ")
    shown = {item: _shown(scene, item, open_groups) for item in range(len(scene.view.nodes))}
    counts: dict[tuple[int, int, str], list[str]] = {}
    for edge in scene.view.edges:
        a, b = shown[edge.source], shown[edge.target]
        if a != b and not edge.quiet:
            counts.setdefault((a, b, edge.kind), []).append(edge.label)
    for (a, b, kind), labels in counts.items():
        label = labels[0] if len(set(labels)) == 1 else f"{len(labels)} edges"
        lines.append(f"  n{a} -> n{b} [label={quoted(label)}, style={_STYLE[kind]}, "
                     f'color="{EDGE_PAINT[kind][0]}"];')
    return "\n".join([*lines, "}", ""])


def _members(scene: Scene, number: int, opened: frozenset[int], indent: str) -> Iterator[str]:
    for child in scene.tree.children(number):
        face = scene.faces[child]
        if child in opened and scene.tree.items[child].is_group:
            yield f"{indent}subgraph cluster_{child} {{"
            yield f'{indent}  label={quoted(face.label)}; color="{NODE_PAINT["group"].line}";'
            yield from _members(scene, child, opened, indent + "  ")
            yield f"{indent}}}"
            continue
        label = f"{face.label} — {face.note}" if face.note else face.label
        paint = NODE_PAINT[face.kind]
        yield (f"{indent}n{child} [label={quoted(label)}, fillcolor=\"{paint.fill}\", "
               f'color="{paint.line}"];')


def _shown(scene: Scene, item: int, opened: Collection[int]) -> int:
    """The box in which an item is seen: the outermost group around it that is closed."""
    chain = scene.tree.ancestors(item)[1:]
    return next((n for n in chain if n not in opened), item)
