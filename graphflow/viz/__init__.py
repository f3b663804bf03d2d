"""`gf.viz`: graphs, passes, kernels and memory as pictures."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphflow.viz.picture import Picture


def viz(
    what: Any = None, path: str | os.PathLike[str] | None = None, *, fetches: Any = None,
    feed_dict: Any = None, expand: int | str | Collection[str] | None = None, fold: bool = True,
    profile: Any = None, view: str | None = None, title: str | None = None,
) -> Picture:
    """A picture of a graph; written to `path` if that is given.

    what: a Graph, a Session, fetches (a tensor, operation, variable or a nest of them: what they
      need is drawn), what `Session.explain` gave, anything with a `graph`; the default graph if
      None.
    path: a name that ends in .html (all views, to be explored), .svg, .png or .dot (one view).
    fetches: with a session or graph, draws only what they need.
    feed_dict: as for `run`. With it, or with a session and fetches, the picture also shows the
      compiler's work: what each pass changes, what is fused into which kernel, the arena over
      time. Nothing is run.
    expand: the groups that are open at first: None for a readable choice, `"all"`, a depth, or
      names of scopes.
    fold: whether blocks that repeat are drawn once, with ×N.
    profile: times of kernels, by the number of the step: `{3: 1.2e-4}`, or
      `{3: {"seconds": 1.2e-4, "share_of_peak": 0.8}}`, or records with these names.
    view: of several views, the one that .svg, .png and .dot show: `graph`, `passes`, `kernels`,
      `memory`.
    Returns a `Picture`, which shows itself in a notebook; `.svg()`, `.html()`, `.dot()`, `.png()`
    give the formats. Raises AttributeValueError for a wrong argument, and what `Session.explain`
    raises.
    """
    from graphflow.viz.collect import picture_of

    picture = picture_of(what, fetches, feed_dict, expand, fold, profile, title)
    if path is not None:
        picture.save(path, view)
    return picture
