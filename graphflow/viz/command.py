"""`graphflow viz`: what is drawn is found from a name on the command line.

A name is a `.gflow` file, `module:name` (a graph, a session, a tensor, or a function that gives
one), or a checkpoint.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from graphflow.errors import AttributeValueError, GraphflowError, NotFoundError
from graphflow.graph import Graph
from graphflow.train.checkpoint_files import checkpoint_exists
from graphflow.viz.collect import picture_of
from graphflow.viz.drawing import Scene
from graphflow.viz.from_checkpoint import checkpoint_view
from graphflow.viz.picture import FORMATS, Picture


def draw(
    target: str, output: str | os.PathLike[str] | None = None, *, view: str | None = None,
    expand: int | str | Collection[str] | None = None, fold: bool = True,
) -> Path:
    """Draws `target` to a file and gives its path.

    target: `model.gflow`, `module:name`, or a checkpoint's prefix, file or folder.
    output: ends in .html, .svg, .png or .dot; the target's last name with .html if None.
    view, expand, fold: as for `gf.viz`.
    Raises NotFoundError if there is no such thing, AttributeValueError for a name that is of no
    known form or a function that needs arguments, GraphflowError for what the function raises.
    """
    path = Path(output) if output is not None else Path(_plain_name(target) + ".html")
    if path.suffix.lower() not in FORMATS:
        raise AttributeValueError(
            f"viz: the output must end in one of {', '.join(FORMATS)}, got {str(path)!r}.")
    picture_from(target, expand, fold).save(path, view)
    return path


def picture_from(
    target: str, expand: int | str | Collection[str] | None = None, fold: bool = True,
) -> Picture:
    """The picture of what a name on the command line stands for; see `draw`."""
    if target.endswith(".gflow"):
        return _of_model(target, expand, fold)
    if os.path.isdir(target) or checkpoint_exists(target) or os.path.isfile(target):
        scene = Scene.of(checkpoint_view(target), fold)
        return Picture(f"Checkpoint {os.path.basename(target)}", {"graph": scene}, None, expand)
    module, colon, name = target.partition(":")
    if colon and module and name:
        return picture_of(_named(module, name), None, None, expand, fold, None, target)
    raise NotFoundError(
        None, None,
        f"viz: {target!r} is no file, no checkpoint and not of the form module:name.")


def _of_model(
    target: str, expand: int | str | Collection[str] | None, fold: bool
) -> Picture:
    if not os.path.isfile(target):
        raise NotFoundError(None, None, f"viz: there is no file {target!r}.")
    from graphflow.export import load

    return picture_of(load(target), None, None, expand, fold, None, os.path.basename(target))


def _named(module: str, name: str) -> Any:
    """What `module:name` is; a function is called in a fresh graph, which counts if it gives None.
    """
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    graph = Graph()
    with graph.as_default():
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise NotFoundError(
                None, None, f"viz: there is no module {error.name!r}, which {module}:{name} "
                "needs. Run the command where the file is.") from error
        made: Any = found
        for part in name.split("."):
            if not hasattr(made, part):
                raise NotFoundError(
                    None, None, f"viz: {module} has no {part!r}; it has "
                    f"{', '.join(sorted(n for n in vars(found) if not n.startswith('_')))}.")
            made = getattr(made, part)
        if callable(made) and not hasattr(made, "graph"):
            made = _called(made, f"{module}:{name}")
    return graph if made is None else made


def _called(function: Any, where: str) -> Any:
    """What a function of the user's gives. Raises AttributeValueError, GraphflowError."""
    needed: list[str] = []
    with suppress(ValueError, TypeError):  # of some, the parameters are not known
        needed += [p.name for p in inspect.signature(function).parameters.values()
                   if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if needed:
        raise AttributeValueError(
            f"viz: {where} needs {', '.join(needed)}. Name a function that is called without "
            "arguments, or a graph, a session, a tensor.")
    try:
        return function()
    except GraphflowError:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise GraphflowError(f"viz: {where} raised {type(error).__name__}: {error} "
                             f"({last.filename}:{last.lineno}).") from error


def _plain_name(target: str) -> str:
    name = os.path.basename(os.path.normpath(target))
    return name.removesuffix(".gflow").rpartition(":")[2] or "graph"
