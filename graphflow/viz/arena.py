"""The memory of a run as a picture: steps from left to right, addresses from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator

from graphflow.codegen.memory_report import ArenaValue, MemoryReport
from graphflow.codegen.memory_text import bytes_text, shape_text
from graphflow.viz.faces import text_width
from graphflow.viz.model import middle_shortened
from graphflow.viz.svg import escaped, number, style_text

WIDTH, HEIGHT, LEFT, TOP, CURVE = 1000.0, 420.0, 70.0, 90.0, 60.0
_KINDS = ("product", "pointwise", "variable", "reduce", "composite", "region", "kernel", "input",
          "state")


def arena_svg(report: MemoryReport, theme: str = "auto") -> str:
    """The arena as an SVG document: who lies where, from which step to which.

    Above it stands how many bytes are alive at each step. Values whose place is found during the
    run are left out and counted.
    """
    placed = [v for v in report.values if v.offset is not None and v.bytes]
    steps = max((v.last for v in report.values), default=0) + 1
    width, height = number(LEFT + WIDTH + 20), number(TOP + HEIGHT + 60)
    told = _told(report, placed)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-labelledby="arena-t">',
        f'<title id="arena-t">{escaped(told)}</title>',
        f"<style>\n{style_text(theme)}\n</style>" if theme != "page" else "",
        f'<rect class="ground" width="{width}" height="{height}"/>',
        f'<text class="ink" x="{number(LEFT)}" y="18" font-size="13">{escaped(told)}</text>',
        *_axes(report, steps), *_curve(report, placed, steps),
        *(_value(v, k, report, steps) for k, v in enumerate(placed)), "</svg>", ""]
    return "\n".join(filter(None, lines)) + "\n"


def _told(report: MemoryReport, placed: list[ArenaValue]) -> str:
    text = (f"Arena of {bytes_text(report.arena_bytes)}: {len(placed)} values, at most "
            f"{bytes_text(report.peak_bytes)} alive")
    if report.peak_step is not None:
        text += f", at step {report.peak_step}"
    later = len(report.values) - len(placed)
    return text + (f"; {later} more get their place during the run" if later else "")


def _x(step: float, steps: int) -> float:
    return LEFT + WIDTH * step / steps


def _y(address: float, report: MemoryReport) -> float:
    return TOP + HEIGHT * address / max(report.arena_bytes, 1)


def _axes(report: MemoryReport, steps: int) -> Iterator[str]:
    bottom = TOP + HEIGHT
    yield (f'<path class="wire e-control" d="M{number(LEFT)} {number(TOP)}V{number(bottom)}'
           f'H{number(LEFT + WIDTH)}"/>')
    for k in range(5):
        share = report.arena_bytes * k // 4
        yield (f'<text class="faint" x="{number(LEFT - 6)}" y="{number(_y(share, report) + 4)}" '
               f'text-anchor="end" font-size="10">{bytes_text(share)}</text>')
    every = max(1, -(-steps // 20))
    for step in range(0, steps, every):
        yield (f'<text class="faint" x="{number(_x(step + 0.5, steps))}" '
               f'y="{number(bottom + 14)}" text-anchor="middle" font-size="10">{step}</text>')
    yield (f'<text class="faint" x="{number(LEFT + WIDTH / 2)}" y="{number(bottom + 32)}" '
           'text-anchor="middle" font-size="11">step</text>')


def _curve(report: MemoryReport, placed: list[ArenaValue], steps: int) -> Iterator[str]:
    """How many bytes are alive at each step."""
    alive = [0] * (steps + 1)
    for v in placed:
        alive[v.first] += v.bytes or 0
        alive[v.last + 1] -= v.bytes or 0
    most = max(report.peak_bytes, 1)
    base = TOP - 8
    path = [f"M{number(LEFT)} {number(base)}"]
    now = 0
    for step in range(steps):
        now += alive[step]
        path.append(f"V{number(base - (CURVE - 14) * now / most)}H{number(_x(step + 1, steps))}")
    yield (f'<path class="box n-group" d="{"".join(path)}V{number(base)}z">'
           f"<title>bytes alive at each step</title></path>")


def _value(value: ArenaValue, place: int, report: MemoryReport, steps: int) -> str:
    assert value.offset is not None and value.bytes is not None
    left, right = _x(value.first, steps), _x(value.last + 1, steps)
    top, bottom = _y(value.offset, report), _y(value.offset + value.bytes, report)
    height = max(bottom - top, 0.8)
    name = f"{value.name} {value.origin.name}".strip()
    title = (f"{name}\n{shape_text(value)}, {bytes_text(value.bytes)} at {value.offset}, steps "
             f"{value.first} to {value.last}")
    label = ""
    room = int((right - left - 6) / 5.6)
    if height >= 11 and room >= 4:
        shown = middle_shortened(name, room)
        if text_width(shown, 9) <= right - left - 2:
            label = (f'<text class="ink" x="{number((left + right) / 2)}" '
                     f'y="{number((top + bottom) / 2 + 3)}" text-anchor="middle" font-size="9">'
                     f"{escaped(shown)}</text>")
    return (f'<g><title>{escaped(title)}</title>'
            f'<rect class="box n-{_KINDS[place % len(_KINDS)]}" x="{number(left)}" '
            f'y="{number(top)}" width="{number(right - left)}" height="{number(height)}"/>'
            f"{label}</g>")
