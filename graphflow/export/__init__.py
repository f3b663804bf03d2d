"""Graphs in files: `gf.export` writes one with its weights and signatures, `gf.load` reads it.

A `.gflow` file is a zip archive of a manifest, the graph as JSON and the weights as safetensors.
It is data: reading it runs nothing that it brings, and checks everything that it says. The room is
loaded when it is first used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graphflow.builder import publish

if TYPE_CHECKING:
    from graphflow.export.limits import LoadLimits
    from graphflow.export.reader import LoadedGraph
    from graphflow.graph import Graph
    from graphflow.session import BaseSession
    from graphflow.storage import PathLike

__all__ = ["export", "load"]


def export(
    path: PathLike, signatures: Mapping[str, Any], session: BaseSession | None = None, *,
    training: bool = False, sites: bool = True, compiled: bool = False,
) -> None:
    """Writes a graph, its weights and its signatures to one file (`.gflow`), for `gf.load`.

    signatures: name → `gf.Signature(inputs, outputs, updates)` or `(inputs, outputs)`, dicts from
      names to tensors, SparseTensors or IndexedSlices; or the `signatures` of a loaded file.
    session: where the variables have their values; the default session, or the one of the
      loaded signatures, if None.
    training: writes the whole graph instead of what the signatures need: gradients, optimizers
      with their slots, initialisers, collections, the counters of random operations, so that
      training goes on from the file where it stood.
    compiled: adds the machine code of the signatures for this processor, which
      `load(path, native="trusted")` runs without compiling.
    sites: keeps file and line of what built each operation, for messages.

    The file is replaced as a whole or not at all; equal graphs and values give equal bytes.
    Raises ExportError, which names the operation, for what no file can hold: Python functions
    (`py_func`), operations on files. Raises NotFoundError if the directory does not exist.
    """
    from graphflow.export.writer import write_export

    if not compiled:
        write_export(path, signatures, session, training, sites)
        return
    from graphflow.export.native import native_members

    write_export(path, signatures, session, training, sites, native_members)


def load(
    path: PathLike, *, ops: Mapping[str, Any] | None = None, limits: LoadLimits | None = None,
    native: str | None = None,
) -> LoadedGraph:
    """The graph that `gf.export` wrote to `path`, in a new `Graph`.

    ops: the user's own ops (`gf.numba_op`) that the file names, by those names.
    limits: what is accepted at most; see `gf.LoadLimits`.
    native: `"trusted"` runs the machine code that the file brings for this processor, if it does:
      say so only of files that you would run as a program. Where it brings none, or for another
      processor or graphflow, the graph is compiled as always.

    A file is data: loading it runs nothing that it brings, and whatever is wrong with it is a
    LoadError that says what and where. Raises NotFoundError if there is no such file.
    """
    from graphflow.export.reader import read_export

    return read_export(path, ops, limits, native)


def graph_def_of(graph: Graph) -> Any:
    """The `GraphDef` of a graph; see `Graph.as_graph_def`."""
    from graphflow.export.graph_def import made_of

    return made_of(graph)


publish(graph_def_of)
