"""`import_meta_graph`: a whole graph from a file, and a Saver of its variables."""

from __future__ import annotations

from typing import Any

from graphflow.errors import DTypeError
from graphflow.export.archive import read_archive
from graphflow.export.limits import LoadLimits
from graphflow.graph import get_default_graph
from graphflow.ops.variable_collections import global_variables
from graphflow.train.meta_graph import MetaGraphDef, add_meta_graph
from graphflow.train.saver import Saver


def import_meta_graph(
    meta_graph_or_file: Any, clear_devices: bool = False, import_scope: str | None = None,
    **kwargs: Any,
) -> Saver | None:
    """Adds a meta graph to the default graph: operations, variables, collections.

    meta_graph_or_file: a MetaGraphDef, or the name of a file that `export_meta_graph` wrote.
    clear_devices: forgets the devices of operations. import_scope: a scope that all names get.
    Gives a Saver of the global variables, None if there are none. Raises NotFoundError if there
    is no such file, LoadError (a ValueError) for a damaged one. Names that are taken get a
    number.
    """
    meta = meta_graph_or_file
    if isinstance(meta, (str, bytes)) or hasattr(meta, "__fspath__"):
        members = read_archive(meta, LoadLimits())
        meta = MetaGraphDef()
        meta.read_members(members)
    if not isinstance(meta, MetaGraphDef):
        raise DTypeError("import_meta_graph: takes a MetaGraphDef or the name of a file, got "
                         f"{meta_graph_or_file!r}.")
    if clear_devices:
        copied = MetaGraphDef()
        copied.ParseFromString(meta.SerializeToString())
        copied.clear_devices()
        meta = copied
    add_meta_graph(meta, get_default_graph(), import_scope)
    return Saver() if global_variables() else None
