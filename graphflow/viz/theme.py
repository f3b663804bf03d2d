"""The colours of pictures: one table for SVG and page, light and dark.

Kinds of edges differ in dashes as well as in colour, so that they are told apart in print and by
those who do not see the colours.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Paint:
    """Fill and line, on light and on dark ground."""

    fill: str
    line: str
    dark_fill: str
    dark_line: str


NODE_PAINT = {
    "input": Paint("#dcecfd", "#2f7dd1", "#16324f", "#5ba4ee"),
    "constant": Paint("#f3efe7", "#a08f77", "#33302a", "#a99a83"),
    "variable": Paint("#d5f0ea", "#118272", "#123b36", "#3fb8a5"),
    "state": Paint("#e3f4e1", "#4b9a3f", "#1f3a1d", "#7cc370"),
    "product": Paint("#e6e0fb", "#6247c8", "#2b2358", "#9d88f2"),
    "pointwise": Paint("#fdf3d3", "#c4951a", "#3d3215", "#dbb449"),
    "reduce": Paint("#fbe1ea", "#c9346f", "#47192b", "#ec7aa5"),
    "move": Paint("#e8edf2", "#64788c", "#28323c", "#8fa5ba"),
    "composite": Paint("#dfe6fb", "#3c5cc0", "#1d2a52", "#7f9bf0"),
    "region": Paint("#f3e0f6", "#96369f", "#3c1b41", "#d17fda"),
    "host": Paint("#fde2dc", "#cf4527", "#4a2017", "#f08c74"),
    "control": Paint("#f2f3f5", "#8b949e", "#2a2e33", "#7d8791"),
    "kernel": Paint("#fdebd8", "#cf7412", "#43290f", "#eda150"),
    "group": Paint("#f4f7fa", "#9aabbc", "#1e252d", "#566677"),
}

EDGE_PAINT = {"forward": ("#5d6e80", "#9fb0c1"), "gradient": ("#cc5a0c", "#f29a57"),
              "update": ("#8440b5", "#c08ae8"), "state": ("#0e7f70", "#43bda9"),
              "control": ("#8b949e", "#7d8791")}
EDGE_DASH = {"forward": "", "gradient": "7 3", "update": "8 3 2 3", "state": "4 2",
             "control": "1.5 3"}

GROUND, INK, FAINT, HALO = "#ffffff", "#1c2733", "#5c6b7a", "#ffffff"
DARK_GROUND, DARK_INK, DARK_FAINT = "#12171c", "#e6edf3", "#93a3b3"
FONT = "ui-sans-serif, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif"


def rules(dark: bool) -> str:
    """The colours as CSS."""
    ground, ink, faint = (
        (DARK_GROUND, DARK_INK, DARK_FAINT) if dark else (GROUND, INK, FAINT))
    lines = [f".ground{{fill:{ground}}}", f".ink{{fill:{ink}}}",
             f".faint{{fill:{faint}}}", f".title{{stroke:{ground};stroke-opacity:.8}}",
             f".halo{{fill:{faint};stroke:{ground}}}"]
    for kind, paint in NODE_PAINT.items():
        fill, line = (paint.dark_fill, paint.dark_line) if dark else (paint.fill, paint.line)
        lines.append(f".n-{kind}{{fill:{fill};stroke:{line}}}")
    for kind, colours in EDGE_PAINT.items():
        lines.append(f".e-{kind}{{stroke:{colours[dark]}}}")
        lines.append(f".a-{kind}{{fill:{colours[dark]}}}")
    return "\n".join(lines)


def shape_rules() -> str:
    """What does not depend on the ground."""
    dashes = "\n".join(f".e-{kind}{{stroke-dasharray:{dash}}}"
                       for kind, dash in EDGE_DASH.items() if dash)
    return f"""text{{font-family:{FONT}}}
.wire{{fill:none;stroke-width:1.3}}
.box{{stroke-width:1.2}}
.open{{fill-opacity:.55}}
.halo{{stroke-width:3;paint-order:stroke;stroke-linejoin:round}}
.title{{paint-order:stroke;stroke-width:4;stroke-linejoin:round}}
.e-state{{stroke-width:1.7}}
{dashes}"""


def page_colours() -> str:
    """The colours as variables of CSS, for the page: as the reader has it, or as chosen there."""
    light = (f"--ground:{GROUND};--ink:{INK};--faint:{FAINT};--panel:#f7f9fb;--line:#d5dde5;"
             "--accent:#1f6fd6;--hot:#e0245e;--mark:#fff3b0")
    dark = (f"--ground:{DARK_GROUND};--ink:{DARK_INK};--faint:{DARK_FAINT};--panel:#1a2128;"
            "--line:#323d48;--accent:#6cb0ff;--hot:#ff6b98;--mark:#5a4a10")
    for kind, paint in NODE_PAINT.items():
        light += f";--n-{kind}:{paint.fill};--s-{kind}:{paint.line}"
        dark += f";--n-{kind}:{paint.dark_fill};--s-{kind}:{paint.dark_line}"
    for kind, (on_light, on_dark) in EDGE_PAINT.items():
        light += f";--e-{kind}:{on_light}"
        dark += f";--e-{kind}:{on_dark}"
    classes = [f".n-{kind}{{fill:var(--n-{kind});stroke:var(--s-{kind})}}" for kind in NODE_PAINT]
    classes += [f".e-{kind}{{stroke:var(--e-{kind})}}.a-{kind}{{fill:var(--e-{kind})}}"
                for kind in EDGE_PAINT]
    return "\n".join((
        f":root{{color-scheme:light dark;{light}}}",
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}",
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}",
        ":root[data-theme=light]{color-scheme:light}",
        f"@media print{{:root,:root:not([data-theme=light]){{{light}}}}}",
        ".ground{fill:var(--ground)}.ink{fill:var(--ink)}.faint{fill:var(--faint)}",
        ".halo{fill:var(--faint);stroke:var(--ground)}.title{stroke:var(--ground);stroke-opacity:.8}",
        *classes, shape_rules()))
