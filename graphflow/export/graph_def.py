"""`GraphDef` and the functions of TensorFlow 1 over it: graphs as values, imported into others.

graphflow has no protocol buffers. A `GraphDef` is opaque but for the names, ops and inputs of its
nodes; `SerializeToString` gives the bytes of a `.gflow` archive, `ParseFromString` reads them with
the same suspicion as `gf.load`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphflow.errors import DTypeError, GraphError, LoadError
from graphflow.export.archive import GRAPH, WEIGHTS, pack_archive, unpack_archive
from graphflow.export.graph_reader import GraphReader
from graphflow.export.graph_writer import GraphWriter, root_operations
from graphflow.export.limits import LoadLimits
from graphflow.export.plain import as_kind, field, number, shown
from graphflow.export.reader import read_manifest
from graphflow.export.strict_json import from_json, to_json
from graphflow.export.weights import pack_arrays, unpack_arrays
from graphflow.export.writer import with_manifest
from graphflow.graph import Graph, get_default_graph
from graphflow.tensor import dereferenced


class NodeDef(NamedTuple):
    """What can be seen of a node: its name, op, inputs by name (`^name` waits for it), device."""

    name: str
    op: str
    input: list[str]
    device: str


class GraphDef:
    """The operations of a graph as a value; see `Graph.as_graph_def` and `import_graph_def`."""

    def __init__(
        self, records: Sequence[dict[str, Any]] = (),
        arrays: Mapping[str, np.ndarray] | None = None, versions: Mapping[str, int] | None = None,
    ) -> None:
        self.records, self.arrays = list(records), dict(arrays or {})
        self.versions = dict(versions or {})

    @property
    def node(self) -> list[NodeDef]:
        """The nodes, in an order in which inputs come first."""
        names = [field(r, "name", str, GRAPH) for r in self.records]
        return [NodeDef(
            r["name"], r["op"],
            [names[op] + (f":{k}" if k else "") for op, k in r.get("inputs", ())]
            + [f"^{names[c]}" for c in r.get("controls", ())], r.get("device", ""))
            for r in self.records]

    def SerializeToString(self) -> bytes:
        """The graph as bytes, for `ParseFromString`; equal graphs give equal bytes."""
        members = {GRAPH: to_json({"operations": self.records}),
                   WEIGHTS: pack_arrays(self.arrays)}
        return pack_archive(with_manifest(members, self.versions, False))

    def ParseFromString(self, serialized: bytes) -> int:
        """Becomes what `SerializeToString` gave; gives the number of bytes. Raises LoadError.

        The operations themselves are checked by `import_graph_def`.
        """
        limits = LoadLimits()
        members = unpack_archive(bytes(serialized), limits)
        manifest = read_manifest(members, limits)
        plain = as_kind(from_json(members[GRAPH], GRAPH, limits), dict, GRAPH)
        records = field(plain, "operations", list, GRAPH)
        for k, record in enumerate(records):
            _check_record(record, k)
        self.records = records
        self.arrays = unpack_arrays(members[WEIGHTS], limits)
        self.versions = manifest["ops"]
        return len(serialized)

    def CopyFrom(self, other: GraphDef) -> None:
        """Becomes a copy of `other`."""
        self.records, self.arrays = list(other.records), dict(other.arrays)
        self.versions = dict(other.versions)

    def ByteSize(self) -> int:
        """The length of what `SerializeToString` gives."""
        return len(self.SerializeToString())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GraphDef) and (
            self.SerializeToString() == other.SerializeToString())

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def __repr__(self) -> str:
        return f"<gf.GraphDef with {len(self.records)} nodes>"


def _check_record(record: Any, place: int) -> None:
    """Raises LoadError unless the record has what `node` and `graph_util` look at."""
    where = f"{GRAPH}: operation {place}"
    record = as_kind(record, dict, where)
    for key in ("name", "op"):
        field(record, key, str, where)
    field(record, "device", str, where, "")
    for pair in field(record, "inputs", list, where, []):
        if len(as_kind(pair, list, where)) != 2:
            raise LoadError(f"{where}: a tensor is [operation, output], got {shown(pair)}.")
        number(pair[0], where, place)
        number(pair[1], where, 2**31)
    for control in field(record, "controls", list, where, []):
        number(control, where, place)


def made_of(graph: Graph) -> GraphDef:
    """The operations of `graph`.

    Those that no file can hold (`py_func`) are named in it; importing them is a LoadError.
    """
    writer = GraphWriter(lenient=True)
    records, _, _ = writer.operations(root_operations(graph))
    return GraphDef(records, writer.constants.arrays, writer.versions)


def import_graph_def(
    graph_def: GraphDef, input_map: Mapping[str, Any] | None = None,
    return_elements: Iterable[str] | None = None, name: str | None = None, op_dict: Any = None,
    producer_op_list: Any = None,
) -> list[Any] | None:
    """Adds the operations of `graph_def` to the default graph, under the scope `name`.

    input_map: name in graph_def (`"x"` or `"x:0"`) → tensor of the default graph that is used
      instead. return_elements: names in graph_def of operations and tensors that are given back.
    name: "import" if None; "" adds no scope. Names that are taken get a number.
    op_dict, producer_op_list: accepted for TensorFlow's sake.
    Variables come as operations, without values and Variable objects; see
    `train.import_meta_graph`.
    Raises DTypeError if graph_def is none, LoadError (a ValueError) for what cannot be built or
    names that do not exist.
    """
    if not isinstance(graph_def, GraphDef):
        raise DTypeError(f"import_graph_def: graph_def must be a gf.GraphDef, got {graph_def!r}.")
    graph = get_default_graph()
    replaced = {_tensor_name(k): _as_tensor(graph, v) for k, v in (input_map or {}).items()}
    prefix = scope_for(graph, "import" if name is None else name)
    reader = GraphReader(graph, graph_def.arrays, LoadLimits(), prefix=prefix, replaced=replaced,
                         rename=True)
    operations = reader.operations(graph_def.records, "graph_def: operation")
    built = {r["name"]: op for r, op in zip(graph_def.records, operations)}
    unused = [k for k in replaced if k not in reader.used]
    if unused:
        raise LoadError("import_graph_def: Attempted to map inputs that were not found in "
                        f"graph_def: {unused}.")
    if return_elements is None:
        return None
    return [_element(e, built, replaced) for e in return_elements]


def scope_for(graph: Graph, name: str) -> str:
    """The scope that imported names get: `name` made unique under the scope in force, or that."""
    return graph.unique_name(name.rstrip("/")) if name else graph.get_name_scope()


def _tensor_name(name: Any) -> str:
    if not isinstance(name, str):
        raise DTypeError(f"import_graph_def: keys of input_map are names, got {name!r}.")
    return name if ":" in name else f"{name}:0"


def _as_tensor(graph: Graph, value: Any) -> Any:
    tensor = graph.convert(dereferenced(value))
    return graph.own(tensor)


def _element(name: str, built: Mapping[str, Any], replaced: Mapping[str, Any]) -> Any:
    if name in replaced:
        return replaced[name]
    op, colon, output = name.partition(":")
    found = built.get(op)
    if found is None or (colon and (
            not output.isdigit() or int(output) >= len(found.outputs))):
        raise GraphError(f"import_graph_def: Requested return_element {name!r} not found in "
                         "graph_def.")
    return found.outputs[int(output)] if colon else found
