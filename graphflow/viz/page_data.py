"""A scene as data for the page: lists and numbers, texts that occur often told once.

What `page/*.js` reads is described where it is written.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from graphflow.viz.arrangement import Arrangement
from graphflow.viz.drawing import Scene
from graphflow.viz.levels import Level
from graphflow.viz.model import EDGE_KINDS, NODE_KINDS, Node, Statistics, Step

_SLOT = {"item": 0, "bend": 1, "in": 2, "out": 3}


class _Texts:
    """Numbers for texts."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._numbers: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        if text not in self._numbers:
            self._numbers[text] = len(self.all)
            self.all.append(text)
        return self._numbers[text]


def scene_data(scene: Scene, opened: Collection[int]) -> dict[str, Any]:
    """Everything that the page knows of one view.

    nodes: [name, op, kind, types, details, site, statistics]; edges: [source, target, kind, text
    of what flows, quiet]; items: [label, note, kind, width, height, parent, children, fold, size,
    path]; levels: by group, [slots, blocks, edges with routes].
    """
    texts = _Texts()
    view = scene.view
    return {
        "key": view.key, "title": view.title,
        "nodes": [_node(node, texts) for node in view.nodes],
        "edges": [[e.source, e.target, EDGE_KINDS.index(e.kind), texts(e.label), int(e.quiet)]
                  for e in view.edges],
        "items": [[face.label, face.note, _kind(face.kind), face.width, face.height, item.parent,
                   item.children, item.fold, item.size, "/".join(item.path)]
                  for item, face in zip(scene.tree.items, scene.faces)],
        "roots": scene.tree.roots,
        "levels": {str(n): _level(level, scene.arrangements[n])
                   for n, level in scene.levels.items()},
        "open": sorted(opened),
        "steps": [_step(step) for step in view.steps],
        "groups": _by_item(scene, dict(view.groups)),
        "heat": _by_item(scene, dict(view.heat)),
        "texts": texts.all}


def _node(node: Node, texts: _Texts) -> list[Any]:
    return [node.name, texts(node.op), _kind(node.kind), [texts(t) for t in node.types],
            [[texts(k), texts(v)] for k, v in node.details], texts(node.site),
            _statistics(node.statistics)]


def _kind(kind: str) -> int:
    return NODE_KINDS.index(kind) if kind in NODE_KINDS else len(NODE_KINDS)


def _statistics(found: Statistics | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"count": found.count, "finite": found.finite, "mean": found.mean,
            "deviation": found.deviation, "least": found.least, "most": found.most,
            "zeros": found.zeros, "bars": list(found.bars), "shown": found.shown}


def _level(level: Level, made: Arrangement) -> list[Any]:
    return [
        [[_SLOT[what], number] for what, number in made.slots],
        [[list(row) for row in block] for block in made.blocks],
        [[_SLOT[e.source[0]], e.source[1], _SLOT[e.target[0]], e.target[1],
          EDGE_KINDS.index(e.kind), e.edges, list(route)]
         for e, route in zip(level.edges, made.routes)]]


def _step(step: Step) -> dict[str, Any]:
    return {"title": step.title, "note": step.note, "present": list(step.present),
            "added": list(step.added), "removed": list(step.removed),
            "changed": list(step.changed), "edges": list(step.edges),
            "lines": [list(line) for line in step.lines]}


def _by_item(scene: Scene, told: dict[tuple[str, ...], Any]) -> dict[str, Any]:
    """What is told of scopes, by the number of the group."""
    return {str(item.number): told[item.path] for item in scene.tree.items
            if item.path in told and item.is_group}
