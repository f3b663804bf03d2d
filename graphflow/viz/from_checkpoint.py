"""A checkpoint as a View: its variables in their scopes, with what their values look like.

Input: the prefix of a checkpoint, its file, or the folder of several. Output: a `View`.
"""

from __future__ import annotations

import os

from graphflow.errors import NotFoundError
from graphflow.shapes import as_shape
from graphflow.train.checkpoint_reader import CheckpointReader
from graphflow.train.checkpoint_state import latest_checkpoint
from graphflow.viz.from_graph import type_text
from graphflow.viz.model import Node, View
from graphflow.viz.statistics import statistics_of, value_text


def checkpoint_view(path: str) -> View:
    """The view of a checkpoint; of the newest one if `path` is a folder.

    Raises NotFoundError if there is none, DataLossError if it is damaged.
    """
    prefix = path
    if os.path.isdir(path):
        newest = latest_checkpoint(path)
        if newest is None:
            raise NotFoundError(None, None, f"The folder {path} holds no checkpoint.")
        prefix = newest
    reader = CheckpointReader(prefix)
    dtypes = reader.get_variable_to_dtype_map()
    shapes = reader.get_variable_to_shape_map()
    names = sorted(shapes)
    scopes = {name[:k] for name in names for k, c in enumerate(name) if c == "/"}
    return View("graph", os.path.basename(prefix), tuple(
        _node(reader, name, type_text(dtypes[name], as_shape(shapes[name])), name in scopes)
        for name in names), ())


def _node(reader: CheckpointReader, name: str, kind: str, is_scope: bool) -> Node:
    array = reader.get_tensor(name)
    path = tuple(name.split("/"))
    return Node(
        (*path, f"({path[-1]})") if is_scope else path, name, "Variable", "variable", (kind,),
        (("value", value_text(array)), ("bytes", str(array.nbytes))),
        statistics=statistics_of(array), shape_key=(kind,))
