"""`tf.io.write_graph`: a graph definition in a file of its own."""

from __future__ import annotations

import json
import os
from typing import Any

from graphflow.graph import Graph
from graphflow.storage import write_atomic


def write_graph(graph_or_graph_def: Any, logdir: Any, name: str, as_text: bool = True) -> str:
    """Writes a Graph or GraphDef to `logdir/name`; gives the path.

    as_text: JSON for people to read, in which large constants are left out; otherwise the bytes
      that `GraphDef.ParseFromString` reads. The folder is made if it does not exist.
    Operations that no file can hold (`py_func`) are only named.
    """
    definition = graph_or_graph_def
    if isinstance(definition, Graph):
        definition = definition.as_graph_def()
    directory = os.fspath(logdir)
    os.makedirs(directory or os.curdir, exist_ok=True)
    path = os.path.join(directory, name)
    data = json.dumps(definition.records, indent=1, sort_keys=True).encode() \
        if as_text else definition.SerializeToString()
    write_atomic(path, data)
    return path
