"""Meta graphs: a whole graph with its variables and collections, without values, in one file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphflow.export.archive import (
    GRAPH,
    WEIGHTS,
    pack_archive,
    unpack_archive,
)
from graphflow.export.graph_def import GraphDef, scope_for
from graphflow.export.graph_reader import GraphReader
from graphflow.export.graph_writer import GraphWriter, root_operations
from graphflow.export.limits import LoadLimits
from graphflow.export.plain import as_kind, field
from graphflow.export.reader import BuiltGraph, build_graph, read_manifest
from graphflow.export.strict_json import from_json, to_json
from graphflow.export.weights import pack_arrays, unpack_arrays
from graphflow.export.writable import writable
from graphflow.export.writer import graph_values, with_manifest
from graphflow.graph import Graph, get_default_graph
from graphflow.storage import PathLike, write_atomic


class MetaGraphDef:
    """A graph with variables and collections as a value, opaque but for `graph_def`."""

    def __init__(
        self, plain: Any = None, arrays: Mapping[str, np.ndarray] | None = None,
        versions: Mapping[str, int] | None = None,
    ) -> None:
        self.plain = {"operations": []} if plain is None else plain
        self.arrays, self.versions = dict(arrays or {}), dict(versions or {})

    @property
    def graph_def(self) -> GraphDef:
        """The operations."""
        return GraphDef(field(self.plain, "operations", list, GRAPH), self.arrays, self.versions)

    def SerializeToString(self) -> bytes:
        """The bytes of the file that `export_meta_graph` writes."""
        members = {GRAPH: to_json(self.plain), WEIGHTS: pack_arrays(self.arrays)}
        return pack_archive(with_manifest(members, self.versions, True))

    def ParseFromString(self, serialized: bytes) -> int:
        """Becomes what `SerializeToString` gave. Raises LoadError."""
        self.read_members(unpack_archive(bytes(serialized), LoadLimits()))
        return len(serialized)

    def read_members(self, members: Mapping[str, bytes]) -> None:
        """Becomes what the members of an archive hold. Raises LoadError."""
        limits = LoadLimits()
        manifest = read_manifest(members, limits)
        self.plain = as_kind(from_json(members[GRAPH], GRAPH, limits), dict, GRAPH)
        self.arrays = unpack_arrays(members[WEIGHTS], limits)
        self.versions = manifest["ops"]

    def clear_devices(self) -> None:
        """Forgets the devices of all operations outside of branches and loops."""
        for record in field(self.plain, "operations", list, GRAPH):
            as_kind(record, dict, GRAPH).pop("device", None)

    def __repr__(self) -> str:
        return f"<gf.MetaGraphDef with {len(self.plain['operations'])} nodes>"


def meta_graph_of(graph: Graph) -> MetaGraphDef:
    """The meta graph of a whole graph, without what no file can hold (`py_func`, summaries)."""
    writer = GraphWriter()
    plain = graph_values(writer, graph, writable(root_operations(graph))[0])
    return MetaGraphDef(plain, writer.constants.arrays, writer.versions)


def export_meta_graph(
    filename: PathLike | None = None, meta_info_def: Any = None, graph_def: Any = None,
    saver_def: Any = None, collection_list: Iterable[str] | None = None, as_text: bool = False,
    graph: Graph | None = None, export_scope: str | None = None, clear_devices: bool = False,
    clear_extraneous_savers: bool = False, strip_default_attrs: bool = False,
    save_debug_info: bool = False, **kwargs: Any,
) -> MetaGraphDef:
    """The graph with its variables and collections, written to `filename` if there is one.

    graph: the default graph if None. collection_list: names of the collections that are kept, all
      if None. The other arguments are accepted for TensorFlow's sake.
    What no file can hold (`py_func`, summaries) is left out, with what depends on it.
    """
    found = meta_graph_of(graph or get_default_graph())
    if collection_list is not None:
        wanted = set(collection_list)
        found.plain["collections"] = {
            k: v for k, v in found.plain["collections"].items() if k in wanted}
    if clear_devices:
        found.clear_devices()
    if filename:
        write_atomic(filename, found.SerializeToString())
    return found


def add_meta_graph(
    meta: MetaGraphDef, graph: Graph, import_scope: str | None = None
) -> BuiltGraph:
    """Adds a meta graph to `graph`. Raises LoadError."""
    scope = scope_for(graph, import_scope or "")
    reader = GraphReader(graph, meta.arrays, LoadLimits(), prefix=scope, rename=True)
    return build_graph(reader, meta.plain, {})
