"""`Picture`: what `gf.viz` gives; writes itself in each format, and shows itself in a notebook."""

from __future__ import annotations

import importlib
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphflow.errors import AttributeValueError, GraphflowError
from graphflow.storage import write_atomic
from graphflow.viz.arena import arena_svg
from graphflow.viz.dot import dot_text
from graphflow.viz.drawing import Scene, drawing_of, open_at_first
from graphflow.viz.page import page_text
from graphflow.viz.svg import escaped, svg_text

if TYPE_CHECKING:
    from graphflow.codegen.memory_report import MemoryReport

FORMATS = (".html", ".svg", ".png", ".dot")
THEMES = ("auto", "light", "dark")


class MissingRendererError(GraphflowError, ImportError):
    """A PNG was asked for, and the library that draws it is not installed."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One or more views of a graph, ready to be written.

    Attributes:
      title: of the page.
      scenes: by key: `graph`, `passes`, `kernels`, as far as they were asked for.
      memory: the arena over time, or None.
      expand: which groups are open in still pictures, and at first on the page; see `gf.viz`.
    """

    title: str
    scenes: dict[str, Scene]
    memory: MemoryReport | None = None
    expand: int | str | Collection[str] | None = None

    def svg(self, view: str | None = None, theme: str = "auto") -> str:
        """A view as SVG; the same bytes for the same graph. No browser is needed.

        view: `graph`, `passes`, `kernels` or `memory`; the first that there is if None.
        theme: `light`, `dark`, or `auto`, which follows the reader's settings.
        Raises AttributeValueError for a view or theme that there is not.
        """
        if theme not in THEMES:
            raise AttributeValueError(
                f"Picture.svg: theme must be one of {', '.join(THEMES)}, got {theme!r}.")
        if view == "memory" and self.memory is not None:
            return arena_svg(self.memory, theme)
        scene = self._scene(view)
        return svg_text(scene, drawing_of(scene, self._opened(scene)), theme)

    def dot(self, view: str | None = None) -> str:
        """A view in the language of Graphviz."""
        scene = self._scene(view)
        return dot_text(scene, self._opened(scene))

    def png(self, view: str | None = None, theme: str = "light", scale: float = 2.0) -> bytes:
        """A view as PNG, `scale` pixels for one of the SVG.

        Raises MissingRendererError (an ImportError) without the package resvg-py.
        """
        try:
            resvg: Any = importlib.import_module("resvg_py")
        except ImportError as error:
            raise MissingRendererError(
                "Picture.png: drawing a PNG needs the package resvg-py: pip install "
                "'graphflow[png]'. SVG and HTML need nothing.") from error
        theme = "light" if theme == "auto" else theme
        return bytes(resvg.svg_to_bytes(svg_string=self.svg(view, theme), zoom=scale))

    def html(self) -> str:
        """All views as one page that needs no network."""
        memory = [] if self.memory is None else [("Memory", arena_svg(self.memory, "page"))]
        return page_text(
            self.title, [(s, self._opened(s)) for s in self.scenes.values()], memory)

    def save(self, path: str | os.PathLike[str], view: str | None = None) -> None:
        """Writes the picture in the format that the name ends in: .html, .svg, .png or .dot.

        A file that is there is replaced, in one step. Raises AttributeValueError for other names.
        """
        kind = Path(path).suffix.lower()
        if kind not in FORMATS:
            raise AttributeValueError(
                f"Picture.save: the name must end in one of {', '.join(FORMATS)}, got "
                f"{os.fspath(path)!r}.")
        if kind == ".png":
            data = self.png(view)
        elif kind == ".html":
            data = self.html().encode("utf-8")
        else:
            data = (self.svg(view) if kind == ".svg" else self.dot(view)).encode("utf-8")
        write_atomic(path, data)

    def _scene(self, view: str | None) -> Scene:
        if view is None:
            return next(iter(self.scenes.values()))
        if view not in self.scenes:
            known = [*self.scenes, *(["memory"] if self.memory is not None else [])]
            raise AttributeValueError(
                f"Picture: there is no view {view!r}; there are {', '.join(known)}. The "
                "compiler's views need fetches and, for sizes that are not known, feed_dict.")
        return self.scenes[view]

    def _opened(self, scene: Scene) -> set[int]:
        return opened_groups(scene, self.expand)

    def _repr_html_(self) -> str:
        return (f'<iframe srcdoc="{escaped(self.html())}" sandbox="allow-scripts allow-modals" '
                f'title="{escaped(self.title)}" width="100%" height="680" '
                'style="border:1px solid #ccc;border-radius:8px"></iframe>')

    def _repr_svg_(self) -> str:
        return self.svg()

    def __repr__(self) -> str:
        views = ", ".join(f"{k} of {len(s.view.nodes)} nodes" for k, s in self.scenes.items())
        return f"<gf.viz Picture '{self.title}': {views}; .save('graph.html') writes it>"


def opened_groups(scene: Scene, expand: int | str | Collection[str] | None) -> set[int]:
    """The groups that `expand` names. Raises AttributeValueError for a scope that is none."""
    groups = [i for i in scene.tree.items if i.is_group]
    if expand is None:
        return open_at_first(scene)
    if expand == "all":
        return {i.number for i in groups}
    if isinstance(expand, int) and not isinstance(expand, bool):
        return {i.number for i in groups
                if len(scene.tree.ancestors(i.number)) - 1 <= expand}
    if isinstance(expand, (str, bool)):
        expand = _names(expand)
    return {n for name in expand for n in _around(scene, name, groups)}


def _names(expand: str | bool) -> Collection[str]:
    if isinstance(expand, bool):
        raise AttributeValueError(
            f"viz: expand must be None, 'all', a depth, or names of scopes, got {expand!r}.")
    return [expand]


def _around(scene: Scene, name: str, groups: Sequence[Any]) -> list[int]:
    """A group and those around it, which must be open for it to be seen."""
    found = [i for i in groups if "/".join(i.path) == name]
    if not found:
        from difflib import get_close_matches

        near = get_close_matches(name, ["/".join(i.path) for i in groups], 1)
        raise AttributeValueError(
            f"viz: expand: there is no scope {name!r}."
            + (f" Did you mean {near[0]!r}?" if near else ""))
    return [n for i in found for n in scene.tree.ancestors(i.number)[1:]]
