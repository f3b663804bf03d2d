"""The HTML page: one file that needs nothing else, neither network nor server.

Input: scenes. Output: HTML with its own code and style. A content security policy allows just
this code, by its hash: a name that was not escaped could still not run anything. All texts come to
the page as JSON and are set as text.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Sequence
from functools import lru_cache
from importlib.resources import files

from graphflow.viz.drawing import Scene
from graphflow.viz.model import EDGE_KINDS, NODE_KINDS
from graphflow.viz.page_data import scene_data
from graphflow.viz.svg import escaped
from graphflow.viz.theme import page_colours

CODE = ("coordinates", "panels", "scene", "paths", "stage", "outline", "details", "steps",
        "controls", "main")


def page_text(
    title: str, scenes: Sequence[tuple[Scene, Collection[int]]], pictures: Sequence[
        tuple[str, str]] = (),
) -> str:
    """The page.

    scenes: each with the groups that are open at first. pictures: (title, SVG) of further tabs.
    """
    data = {"title": title, "nodeKinds": [*NODE_KINDS, "group"], "edgeKinds": list(EDGE_KINDS),
            "views": [scene_data(scene, opened) for scene, opened in scenes]}
    code = _code()
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    tabs = "".join(f'<section class="picture" hidden data-title="{escaped(name)}">{svg}</section>'
                   for name, svg in pictures)
    policy = (f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
              "img-src data:; base-uri 'none'; form-action 'none'")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escaped(title)}</title>\n<style>\n{page_colours()}\n{_asset('page.css')}</style>\n"
        f"</head>\n<body>\n{_asset('page.html')}{tabs}\n"
        f'<script type="application/json" id="data">{json_in_html(data)}</script>\n'
        f"<script>{code}</script>\n</body>\n</html>\n")


def json_in_html(data: object) -> str:
    """JSON that cannot end the element that it stands in."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@lru_cache
def _code() -> str:
    parts = "\n".join(_asset(f"{name}.js") for name in CODE)
    return f'(() => {{\n"use strict";\n{parts}}})();'


@lru_cache
def _asset(name: str) -> str:
    return (files("graphflow.viz") / "page" / name).read_text("utf-8")
