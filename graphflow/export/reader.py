"""`gf.load`: an exported file becomes a graph with weights and signatures again."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow.collector import made_to_last
from graphflow.dtypes import array_dtype
from graphflow.errors import AttributeValueError, LoadError
from graphflow.export.archive import GRAPH, MANIFEST, WEIGHTS, digest_of, read_archive
from graphflow.export.collections import read_collections
from graphflow.export.graph_reader import GraphReader
from graphflow.export.limits import LoadLimits
from graphflow.export.plain import as_kind, field, number, only_keys, shown
from graphflow.export.signatures import LoadedSignature, Signature, Signatures, read_signature
from graphflow.export.strict_json import from_json
from graphflow.export.variables import read_variable
from graphflow.export.weights import unpack_arrays
from graphflow.export.writer import FORMAT, FORMAT_VERSION
from graphflow.graph import Graph
from graphflow.opdef import REGISTRY
from graphflow.ops.graph_functions import set_seed_count
from graphflow.session import Session
from graphflow.storage import PathLike
from graphflow.tensor import Operation, Tensor

OLDEST_FORMAT = 1
_GRAPH_KEYS = ("operations", "variables", "collections", "signatures", "seed", "seed_count")
_MANIFEST_KEYS = ("format", "version", "minimum_reader", "graphflow", "training", "ops",
                  "members")
_VARIABLES = "variables/"


class LoadedGraph:
    """What `gf.load` gives: a graph, values for its variables, and signatures.

    Attributes:
      graph: the graph; it can be extended, differentiated and exported like any other.
      signatures: name → signature, called like a function.
      variables: the Variables, in order of creation.
      training: True if the file holds a whole training program.
    """

    def __init__(
        self, graph: Graph, signatures: Mapping[str, Signature], variables: list[Any],
        values: Mapping[str, np.ndarray], training: bool,
    ) -> None:
        self.graph, self.variables, self.training = graph, variables, training
        self._values = dict(values)
        self._lock = threading.Lock()
        self._own: Session | None = None
        self.signatures = Signatures(
            (name, LoadedSignature(name, s, self._session)) for name, s in signatures.items())

    def session(self, **options: Any) -> Session:
        """A new session of the graph, with the values of the file. Takes Session's options."""
        session = Session(graph=self.graph, **options)
        self.restore(session)
        return session

    def restore(self, session: Any) -> None:
        """Sets variables and counters of a session of this graph to the values of the file."""
        if session.graph is not self.graph:
            raise LoadError("restore: the session runs another graph than the one of the file.")
        with session.store.writing(list(self._values)):
            session.store.commit((k, np.array(v, order="C")) for k, v in self._values.items())

    def _session(self) -> Session:
        """The session that calls of signatures share."""
        with self._lock:
            if self._own is None:
                self._own = self.session()
            return self._own

    def __repr__(self) -> str:
        return (f"<gf.LoadedGraph with {len(self.graph.get_operations())} operations, signatures "
                f"{sorted(self.signatures)}>")


def read_export(
    path: PathLike, ops: Mapping[str, Any] | None, limits: LoadLimits | None,
    native: str | None = None,
) -> LoadedGraph:
    """What `gf.load` does."""
    if native not in (None, "trusted"):
        raise AttributeValueError(
            f'load: native must be "trusted" or None, got {native!r}.')
    limits = limits or LoadLimits()
    try:
        members = read_archive(path, limits)
        loaded = read_members(members, ops, limits)
        if native is not None:
            with made_to_last():
                from graphflow.export.trusted import take_native
            take_native(members)
        return loaded
    except LoadError as error:
        raise LoadError(f"{os.fspath(path)}: {error}") from error


def read_members(
    members: Mapping[str, bytes], ops: Mapping[str, Any] | None, limits: LoadLimits
) -> LoadedGraph:
    """The graph in the members of an archive. Raises LoadError."""
    manifest = read_manifest(members, limits)
    arrays = unpack_arrays(members[WEIGHTS], limits)
    plain = from_json(members[GRAPH], GRAPH, limits)
    graph = Graph()
    built = build_graph(GraphReader(graph, arrays, limits, ops), plain, arrays)
    return LoadedGraph(graph, built.signatures, built.variables, built.values,
                       manifest["training"])


@dataclass(frozen=True, slots=True)
class BuiltGraph:
    """What stood in a file, as parts of a graph; `values` by the keys of that graph's state."""

    operations: list[Operation]
    variables: list[Any]
    values: dict[str, np.ndarray]
    signatures: dict[str, Signature]


def build_graph(
    reader: GraphReader, plain: Any, arrays: Mapping[str, np.ndarray]
) -> BuiltGraph:
    """Adds what `graph_values` wrote to the graph of `reader`. Raises LoadError."""
    plain, graph = as_kind(plain, dict, GRAPH), reader.graph
    only_keys(plain, _GRAPH_KEYS, GRAPH)
    start = graph.version
    with graph.as_default():
        built = reader.operations(plain.get("operations"), f"{GRAPH}: operation")
        values = _values(built, arrays, reader.keys)
        variables = [read_variable(v, built, values, f"{GRAPH}: variable {k}")
                     for k, v in enumerate(field(plain, "variables", list, GRAPH))]
        read_collections(plain.get("collections"), graph, built,
                         {v.handle: v for v in variables}, f"{GRAPH}: collection")
        signatures = _signatures(plain, built)
    if start == 0:
        graph.seed = None if plain.get("seed") is None else as_kind(
            plain["seed"], int, f"{GRAPH}: seed")
        set_seed_count(graph, number(plain.get("seed_count"), f"{GRAPH}: seed_count", 2**31))
    return BuiltGraph(built, variables, values, signatures)


def read_manifest(members: Mapping[str, bytes], limits: LoadLimits) -> dict[str, Any]:
    """The manifest, if this reader can read the file and the members are those it names."""
    manifest = as_kind(from_json(members[MANIFEST], MANIFEST, limits), dict, MANIFEST)
    if manifest.get("format") != FORMAT:
        raise LoadError(f"{MANIFEST}: the format is {shown(manifest.get('format'))}, not "
                        f"{FORMAT!r}.")
    _check_version(manifest)
    only_keys(manifest, _MANIFEST_KEYS, MANIFEST)
    field(manifest, "training", bool, MANIFEST)
    stated = field(manifest, "members", dict, MANIFEST)
    for name, data in members.items():
        if name != MANIFEST and stated.get(name) != digest_of(data):
            raise LoadError(f"{name}: it is not the member that the manifest describes: it was "
                            "damaged or replaced.")
    if len(stated) != len(members) - 1:
        raise LoadError(f"{MANIFEST}: it describes members that are not there.")
    for op, version in field(manifest, "ops", dict, MANIFEST).items():
        declared = REGISTRY.get(op)
        found = as_kind(version, int, f"{MANIFEST}: ops: {shown(op)}")
        if declared is not None and declared.version != found:
            raise LoadError(
                f"{MANIFEST}: the file was written with version {found} of {op}, this graphflow "
                f"has version {declared.version}. Export the graph again with this version.")
    return manifest


def _check_version(manifest: dict[str, Any]) -> None:
    version = number(manifest.get("version"), f"{MANIFEST}: version", 2**31)
    least = number(manifest.get("minimum_reader"), f"{MANIFEST}: minimum_reader", 2**31)
    if least > FORMAT_VERSION:
        raise LoadError(
            f"{MANIFEST}: the file needs a reader of format {least}, this graphflow reads up to "
            f"{FORMAT_VERSION}. It was written by graphflow {shown(manifest.get('graphflow'))}: "
            "install that version or a later one.")
    if version < OLDEST_FORMAT:
        raise LoadError(f"{MANIFEST}: format {version} does not exist.")


def _values(
    built: list[Operation], arrays: Mapping[str, np.ndarray], keys: Mapping[str, str]
) -> dict[str, np.ndarray]:
    """State key → value, each checked against the variable that it is for. Raises LoadError."""
    handles: dict[str, Tensor] = {
        op.attrs["shared_name"]: op.outputs[0] for op in built
        if op.outputs and op.outputs[0].is_handle}
    values = {}
    for name, array in arrays.items():
        if not name.startswith(_VARIABLES):
            continue
        handle = handles.get(keys.get(name.removeprefix(_VARIABLES), ""))
        if handle is None:
            raise LoadError(f"{WEIGHTS}: {shown(name)} is for no variable of the graph.")
        if array_dtype(array) is not handle.dtype or not handle.shape.is_compatible_with(
                array.shape):
            raise LoadError(
                f"{WEIGHTS}: {shown(name)} is {array.dtype.name} {list(array.shape)}, but "
                f"{handle.name} {handle.dtype.name} {handle.shape}.")
        values[handle.op.attrs["shared_name"]] = array
    return values


def _signatures(plain: dict[str, Any], built: list[Operation]) -> dict[str, Signature]:
    found: dict[str, Signature] = {}
    for pair in field(plain, "signatures", list, GRAPH):
        if not isinstance(pair, list) or len(pair) != 2 or (
                not isinstance(pair[0], str) or not pair[0] or pair[0] in found):
            raise LoadError(f"{GRAPH}: signatures: {shown(pair)} is no named signature, or its "
                            "name is there twice.")
        found[pair[0]] = read_signature(
            pair[1], built, f"{GRAPH}: signature {shown(pair[0])}")
    return found
