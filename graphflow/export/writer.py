"""`gf.export`: a graph with its weights, as one file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from graphflow.defaults import get_default_session
from graphflow.errors import ExportError, warn
from graphflow.export.archive import GRAPH, MANIFEST, WEIGHTS, digest_of, write_archive
from graphflow.export.collections import write_collections
from graphflow.export.graph_writer import GraphWriter, root_operations
from graphflow.export.signatures import Signature, as_signature, parts_of, write_signature
from graphflow.export.strict_json import to_json
from graphflow.export.variables import variables_of, write_variable
from graphflow.export.weights import pack_arrays
from graphflow.export.writable import Refused, writable
from graphflow.freeze import needed_operations
from graphflow.graph import Graph
from graphflow.ops.graph_functions import seed_count
from graphflow.session import BaseSession
from graphflow.storage import PathLike
from graphflow.tensor import Operation, Tensor
from graphflow.version import __version__

FORMAT = "gflow"
FORMAT_VERSION = 1
OLDEST_READER = 1
_PLACEHOLDERS = ("Placeholder", "PlaceholderWithDefault")


def write_export(
    path: PathLike, signatures: Mapping[str, Any], session: BaseSession | None, training: bool,
    sites: bool,
    compiled: Callable[[Mapping[str, bytes], BaseSession], Mapping[str, bytes]] | None = None,
) -> None:
    """What `gf.export` does. compiled: gives further members for those that there are."""
    session = _session(session, signatures)
    session._check_open()
    members = build_members(signatures, session, training=training, sites=sites)
    if compiled is not None:
        members = build_members(signatures, session, training=training, sites=sites,
                                extra=compiled(members, session))
    write_archive(path, members)


def build_members(
    signatures: Mapping[str, Any], session: BaseSession, *, training: bool = False,
    sites: bool = True, arrays: Mapping[str, np.ndarray] | None = None,
    extra: Mapping[str, bytes] | None = None,
) -> dict[str, bytes]:
    """The members of the archive, by name. `arrays` and `extra` members are added to them."""
    graph = session.graph
    found = _resolved(signatures, graph)
    fed, operations, refused = _chosen(found, graph, training)
    _tell(refused, session)
    writer = GraphWriter(sites)
    plain = graph_values(writer, graph, operations, fed, found)
    weights = dict(writer.constants.arrays) | _values(session, operations, training)
    weights |= arrays or {}
    members = {GRAPH: to_json(plain), WEIGHTS: pack_arrays(weights), **(extra or {})}
    return with_manifest(members, writer.versions, training)


def state_needed(signatures: Mapping[str, Any], graph: Graph) -> set[str]:
    """The state keys of the variables that an inference export of the signatures holds."""
    _, operations, _ = _chosen(_resolved(signatures, graph), graph, False)
    return {op.attrs["shared_name"] for op in operations if op.type == "Variable"}


def graph_values(
    writer: GraphWriter, graph: Graph, operations: Sequence[Operation],
    fed: Sequence[Tensor] = (), signatures: Mapping[str, Signature] | None = None,
) -> dict[str, Any]:
    """Operations, variables, collections and signatures of a graph as plain values."""
    records, reference, numbers = writer.operations(operations, fed)
    return {
        "operations": records,
        "variables": [write_variable(v, reference, numbers) for v in variables_of(operations)],
        "collections": write_collections(graph, reference, numbers),
        "signatures": [[name, write_signature(s, reference, numbers)]
                       for name, s in (signatures or {}).items()],
        "seed": graph.seed, "seed_count": seed_count(graph)}


def _session(session: BaseSession | None, signatures: Mapping[str, Any]) -> BaseSession:
    if not isinstance(signatures, Mapping) or not signatures:
        raise ExportError("export: signatures must be a dict with at least one signature, such as "
                          f"{{'serve': ({{'x': x}}, {{'y': y}})}}; got {signatures!r}.")
    if session is None:
        session = next((s.session for s in signatures.values() if hasattr(s, "session")), None)
    session = session or get_default_session()
    if not isinstance(session, BaseSession):
        raise ExportError("export: pass the session that has the variables, or call it inside "
                          f"`with gf.Session():`; got {session!r}.")
    return session


def _resolved(signatures: Mapping[str, Any], graph: Graph) -> dict[str, Signature]:
    found = {}
    for name, value in signatures.items():
        if not isinstance(name, str) or not name:
            raise ExportError(f"export: names of signatures are texts, got {name!r}.")
        found[name] = as_signature(value, name).resolved(graph, name)
    return found


def _chosen(
    signatures: Mapping[str, Signature], graph: Graph, training: bool
) -> tuple[list[Tensor], list[Operation], Refused]:
    """The tensors that placeholders replace, the operations that are written, and the others."""
    inputs = dict.fromkeys(
        parts_of(v for s in signatures.values() for v in s.inputs.values()))
    outputs = parts_of(v for s in signatures.values() for v in s.outputs.values())
    updates = [op for s in signatures.values() for op in s.updates]
    fed = [t for t in inputs if t.op.type not in _PLACEHOLDERS]
    leaves = [t.op for t in inputs if t.op.type in _PLACEHOLDERS]
    needed = needed_operations(outputs, [*updates, *leaves], set(fed))
    if not training:
        return fed, [op for op in needed if not set(op.outputs) & set(fed)], {}
    kept, refused = writable(root_operations(graph), set(fed))
    fed = [t for t in fed if t.op in refused]
    for op in needed:
        if op in refused and not set(op.outputs) & set(fed):
            raise refused[op]
    return fed, kept, refused


def _tell(refused: Refused, session: BaseSession) -> None:
    """Warns of operations that are left out."""
    if refused:
        causes = dict.fromkeys(str(error).split(". Built", 1)[0] for error in refused.values())
        warn("export-left-out",
             f"Left out of the file, since no signature needs them: operations ({len(refused)}) "
             f"that call Python or depend on such. {'; '.join(list(causes)[:3])}.",
             silenced=session.options.silence, stacklevel=6)


def _values(
    session: BaseSession, operations: Iterable[Operation], training: bool
) -> dict[str, np.ndarray]:
    """What the session holds for the variables and counters, all at one moment."""
    handles = [op for op in operations if op.outputs and op.outputs[0].is_handle]
    initials: dict[str, str | None] = {}
    for op in handles:
        drawn = training and op.type == "RandomCounter"
        # From here on, session and file draw the same numbers.
        initials[op.attrs["shared_name"]] = None if not drawn else (
            "zero" if op.attrs["seeded"] else "random")
    values = {key: value for key, value in session.store.read(initials).items()
              if value is not None}
    missing = [op.name for op in handles
               if op.type == "Variable" and op.attrs["shared_name"] not in values]
    if missing and not training:
        raise ExportError(f"export: these variables have no value: {', '.join(missing[:20])}. Run "
                          "gf.global_variables_initializer() or restore a checkpoint first.")
    return {f"variables/{key}": value for key, value in values.items() if value is not None}


def with_manifest(
    members: Mapping[str, bytes], versions: Mapping[str, int], training: bool
) -> dict[str, bytes]:
    """The members with the manifest before them."""
    return {MANIFEST: to_json({
        "format": FORMAT, "version": FORMAT_VERSION, "minimum_reader": OLDEST_READER,
        "graphflow": __version__, "training": training, "ops": dict(versions),
        "members": {name: digest_of(data) for name, data in members.items()}}), **members}
