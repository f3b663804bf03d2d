"""A drawing as SVG: standing alone, byte-stable, no script, no outside reference."""

from __future__ import annotations

import re
from collections.abc import Iterator

from graphflow.viz.drawing import Box, Drawing, Point, Scene, Wire
from graphflow.viz.faces import EDGE_LABEL_SIZE, LABEL_SIZE, NOTE_SIZE, Face
from graphflow.viz.model import middle_shortened, shortened
from graphflow.viz.theme import rules, shape_rules

_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")


def escaped(text: str) -> str:
    """Text for XML and HTML, in elements and in quoted attributes.

    Control characters, which XML refuses, and characters that turn the direction of writing, with
    which a name can look like another, become `\ufffd`.
    """
    text = _FORBIDDEN.sub("\ufffd", text)
    for plain, code in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"),
                        ("'", "&#39;")):
        text = text.replace(plain, code)
    return text


def number(value: float) -> str:
    """`12`, `12.5`: at most one digit behind the point."""
    text = f"{value:.1f}"
    text = text[:-2] if text.endswith(".0") else text
    return "0" if text == "-0" else text


def svg_text(scene: Scene, drawing: Drawing, theme: str = "auto") -> str:
    """The drawing as an SVG document. theme: `light`, `dark`, or `auto`, as the reader has it."""
    width, height = number(drawing.width), number(drawing.height)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-labelledby="t d">',
        f'<title id="t">{escaped(scene.view.title)}</title>',
        f'<desc id="d">{escaped(description(scene))}</desc>',
        f"<style>\n{style_text(theme)}\n</style>",
        f'<rect class="ground" width="{width}" height="{height}"/>']
    opened = {box.number for box in drawing.boxes if box.open}
    lines += [_open_box(scene, box) for box in drawing.boxes if box.open]
    lines += [_wire(wire, opened) for wire in drawing.wires]
    lines += list(_labels(scene, drawing))
    lines += [_closed_box(scene, box) for box in drawing.boxes if not box.open]
    return "\n".join([*lines, "</svg>", ""])


def description(scene: Scene) -> str:
    """What a screen reader says of the whole picture."""
    view = scene.view
    return (f"{len(view.nodes)} nodes and {len(view.edges)} edges, drawn from top to bottom; "
            f"{len(scene.tree.roots)} at the top level.")


def style_text(theme: str) -> str:
    """The style of a document. theme: `light`, `dark` or `auto`."""
    if theme == "dark":
        return f"{shape_rules()}\n{rules(True)}"
    light = f"{shape_rules()}\n{rules(False)}"
    if theme == "light":
        return light
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{rules(True)}\n}}"


def _open_box(scene: Scene, box: Box) -> str:
    face = scene.faces[box.number]
    ground = "kernel" if face.kind == "kernel" else "group"
    return (f'<g><title>{escaped("/".join(scene.tree.items[box.number].path))}</title>'
            f'<rect class="box open n-{ground}" {_frame(box)} rx="8"/>'
            f'<text class="ink title" x="{number(box.x + 10)}" y="{number(box.y + 16)}" '
            f'font-size="{number(LABEL_SIZE)}" font-weight="600">'
            f"{escaped(title_text(face.label, box.width))}</text></g>")


def title_text(label: str, width: float) -> str:
    """The label of an open group, as much of it as fits."""
    room = max(3, int((width - 20) / (0.6 * LABEL_SIZE)))
    return middle_shortened(label, room)


def _closed_box(scene: Scene, box: Box) -> str:
    face = scene.faces[box.number]
    item = scene.tree.items[box.number]
    middle, parts = number(box.x + box.width / 2), []
    told = scene.view.nodes[box.number] if box.number < len(scene.view.nodes) else None
    title = "/".join(item.path) if told is None else (
        " · ".join(filter(None, (told.name, told.op, *told.types))))
    for k in ((2, 1) if item.fold else (1,) if item.is_group else ()):
        shifted = Box(box.number, box.x + 3 * k, box.y + 3 * k, box.width, box.height, False)
        parts.append(f'<rect class="box n-{face.kind}" {_frame(shifted)} rx="{_radius(face)}"/>')
    parts.append(f'<rect class="box n-{face.kind}" {_frame(box)} rx="{_radius(face)}"/>')
    small = face.kind == "constant"
    first = box.y + (16 if face.note and not small else box.height / 2 + 4)
    parts.append(f'<text class="ink" x="{middle}" y="{number(first)}" text-anchor="middle" '
                 f'font-size="{number(NOTE_SIZE if small else LABEL_SIZE)}">'
                 f"{escaped(face.label)}</text>")
    if face.note:
        parts.append(f'<text class="faint" x="{middle}" y="{number(box.y + 30)}" '
                     f'text-anchor="middle" font-size="{number(NOTE_SIZE)}">'
                     f"{escaped(face.note)}</text>")
    if item.fold:
        parts.append(f'<text class="ink" x="{number(box.x + box.width - 4)}" '
                     f'y="{number(box.y - 3)}" text-anchor="end" font-weight="700" '
                     f'font-size="{number(LABEL_SIZE)}">×{item.fold}</text>')
    return f"<g><title>{escaped(shortened(title, 400))}</title>{''.join(parts)}</g>"


def _radius(face: Face) -> str:
    return {"variable": "13", "input": "13", "constant": "9"}.get(face.kind, "5")


def _frame(box: Box) -> str:
    return (f'x="{number(box.x)}" y="{number(box.y)}" width="{number(box.width)}" '
            f'height="{number(box.height)}"')


# ---- wires --------------------------------------------------------------------------------------


def path_text(points: tuple[Point, ...]) -> str:
    """Straight within rows, a curve with upright ends between them."""
    parts = [f"M{number(points[0][0])} {number(points[0][1])}"]
    for k in range(1, len(points)):
        (x0, y0), (x1, y1) = points[k - 1], points[k]
        if k % 2 or x0 == x1:
            if y0 != y1 or x0 != x1:
                parts.append(f"L{number(x1)} {number(y1)}")
        else:
            half = number((y0 + y1) / 2)
            parts.append(f"C{number(x0)} {half} {number(x1)} {half} {number(x1)} {number(y1)}")
    return "".join(parts)


def _wire(wire: Wire, opened: set[int]) -> str:
    edge = wire.edge
    told = edge.label or (f"{edge.count} edges" if edge.count > 1 else "")
    title = f"{edge.kind}: {told}" if told else edge.kind
    heavy = f' style="stroke-width:{number(min(1.3 + 0.25 * edge.count, 4))}"' if (
        edge.count > 2) else ""
    head = ""
    if edge.target[0] == "item" and edge.target[1] not in opened:
        (x, y), before = wire.points[-1], wire.points[-2]
        head = (f'<path class="a-{edge.kind}" d="M{number(x)} {number(y)}'
                f'l-3.2 {"-6" if before[1] <= y else "6"}h6.4z"/>')
    return (f'<g><title>{escaped(title)}</title><path class="wire e-{edge.kind}"{heavy} '
            f'd="{path_text(wire.points)}"/>{head}</g>')


def _labels(scene: Scene, drawing: Drawing) -> Iterator[str]:
    """Type and shape under each item all of whose edges carry the same."""
    leaving: dict[Point, set[str]] = {}
    for wire in drawing.wires:
        if wire.edge.source[0] == "item" and wire.edge.kind != "control":
            leaving.setdefault(wire.points[0], set()).add(wire.edge.label)
    ends: dict[int, float] = {}  # of the last label at each height: labels do not overlap
    for (x, y), labels in sorted(leaving.items()):
        label = labels.pop() if len(labels) == 1 else ""
        height = round(y / 8)
        if label and ends.get(height, x) <= x:
            ends[height] = x + 5.2 * len(label)
            yield (f'<text class="halo" x="{number(x + 4)}" y="{number(y + 12)}" '
                   f'font-size="{number(EDGE_LABEL_SIZE)}">{escaped(label)}</text>')
