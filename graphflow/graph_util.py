"""`tf.graph_util`: parts of graphs, and variables turned into constants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from graphflow.errors import DTypeError, FailedPreconditionError, GraphError
from graphflow.export.attributes import AttributeWriter, Constants
from graphflow.export.graph_def import GraphDef, import_graph_def
from graphflow.export.sizes import SizeWriter
from graphflow.opdef import REGISTRY, Attr, ConstValue

__all__ = [
    "convert_variables_to_constants", "extract_sub_graph", "import_graph_def",
    "remove_training_nodes",
]

_CONST = Attr("const")


def extract_sub_graph(graph_def: GraphDef, dest_nodes: Sequence[str]) -> GraphDef:
    """The nodes of `graph_def` that `dest_nodes` (names) depend on.

    Raises DTypeError if dest_nodes is one text, GraphError for a name that is not there.
    """
    if isinstance(dest_nodes, str):
        raise DTypeError("extract_sub_graph: dest_nodes must be a list of names.")
    numbers = {r["name"]: k for k, r in enumerate(graph_def.records)}
    missing = [n for n in dest_nodes if n not in numbers]
    if missing:
        raise GraphError(f"{missing[0]} is not in graph")
    needed: set[int] = set()
    pending = [numbers[n] for n in dest_nodes]
    while pending:
        k = pending.pop()
        if k not in needed:
            needed.add(k)
            record = graph_def.records[k]
            pending += [op for op, _ in record.get("inputs", ())] + record.get("controls", [])
    kept = sorted(needed)
    new = {old: k for k, old in enumerate(kept)}
    records = []
    for k in kept:
        record = dict(graph_def.records[k])
        if "inputs" in record:
            record["inputs"] = [[new[op], output] for op, output in record["inputs"]]
        if "controls" in record:
            record["controls"] = [new[c] for c in record["controls"]]
        records.append(record)
    arrays = {name: graph_def.arrays[name] for name in _arrays_of(records)}
    return GraphDef(records, arrays, graph_def.versions)


def _arrays_of(plain: Any) -> set[str]:
    """The names of the large constants that plain values refer to."""
    if isinstance(plain, dict) and isinstance(plain.get("array"), str):
        return {plain["array"]}
    items = plain.values() if isinstance(plain, dict) else plain
    return {n for v in items if isinstance(v, (dict, list)) for n in _arrays_of(v)}


def convert_variables_to_constants(
    sess: Any, input_graph_def: GraphDef, output_node_names: Sequence[str],
    variable_names_whitelist: Iterable[str] | None = None,
    variable_names_blacklist: Iterable[str] | None = None,
) -> GraphDef:
    """The nodes that the outputs need, variables replaced by constants of their values in `sess`.

    output_node_names: names of operations. variable_names_whitelist, _blacklist: names of the
      variables that are (not) replaced.
    Raises GraphError if the outputs need an operation that assigns such a variable,
    FailedPreconditionError for a variable without a value, and what `extract_sub_graph` raises.
    """
    part = extract_sub_graph(input_graph_def, output_node_names)
    only = None if variable_names_whitelist is None else set(variable_names_whitelist)
    never = set(variable_names_blacklist or ())
    frozen = {k for k, r in enumerate(part.records) if r["op"] == "Variable"
              and (only is None or r["name"] in only) and r["name"] not in never}
    constants = Constants()
    writer = AttributeWriter(constants, SizeWriter())
    constants.arrays.update(part.arrays)
    records = []
    for k, record in enumerate(part.records):
        if k in frozen:
            record = _constant(record, sess, writer)
        elif any(op in frozen for op, _ in record.get("inputs", ())):
            record = _of_constants(record, part.records, frozen)
        records.append(record)
    records = [_captured_values(r, records) for r in records]
    versions = part.versions | {op: REGISTRY[op].version for op in ("Const", "Identity")}
    return GraphDef(records, constants.arrays, versions)


def remove_training_nodes(
    input_graph: GraphDef, protected_nodes: Iterable[str] | None = None
) -> GraphDef:
    """The graph without Identity and CheckNumerics nodes that only pass a value on.

    protected_nodes: names of nodes that stay. Nodes with control inputs, or that others wait for,
    stay too.
    """
    waited = {c for r in input_graph.records for c in r.get("controls", ())}
    protected = set(protected_nodes or ())
    passes: dict[int, list[int]] = {}
    kept: dict[int, int] = {}
    records: list[dict[str, Any]] = []
    for k, record in enumerate(input_graph.records):
        record = dict(record)
        if "inputs" in record:
            record["inputs"] = [passes.get(op, [kept.get(op, -1), out])
                                for op, out in record["inputs"]]
        if (record["op"] in ("Identity", "CheckNumerics") and k not in waited
                and not record.get("controls") and record["name"] not in protected):
            passes[k] = record["inputs"][0]
            continue
        if "controls" in record:
            record["controls"] = [kept[c] for c in record["controls"]]
        kept[k] = len(records)
        records.append(record)
    return GraphDef(records, input_graph.arrays, input_graph.versions)


def _constant(record: dict[str, Any], sess: Any, writer: AttributeWriter) -> dict[str, Any]:
    value = sess.store.get(record["attrs"]["shared_name"])
    if value is None:
        raise FailedPreconditionError(
            None, None, f"convert_variables_to_constants: the variable '{record['name']}' has no "
            "value in the session.")
    kept = {k: v for k, v in record.items() if k in ("name", "device", "site")}
    return {"op": "Const", "attrs": {"value": writer.write(_CONST, ConstValue(value))}, **kept}


def _of_constants(
    record: dict[str, Any], records: Sequence[dict[str, Any]], frozen: set[int]
) -> dict[str, Any]:
    """A read becomes an Identity; anything else would change what is constant now."""
    if record["op"] == "ReadVariable":
        return {**record, "op": "Identity"}
    names = [records[op]["name"] for op, _ in record["inputs"] if op in frozen]
    raise GraphError(
        f"convert_variables_to_constants: {record['op']} '{record['name']}' needs the variable "
        f"'{names[0]}' itself, so that cannot become a constant. Leave it out by "
        "variable_names_blacklist, or choose outputs that do not assign it.")


def _captured_values(
    record: dict[str, Any], records: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """What branches captured as a variable that was read, they capture as a value now."""
    bodies = {k: v for k, v in record.get("attrs", {}).items()
              if isinstance(v, dict) and "captures" in v}
    if not bodies:
        return record
    attrs = dict(record["attrs"])
    at = attrs["lead"] + attrs["loop_vars"]
    for name in REGISTRY[record["op"]].lowering.bodies:  # type: ignore[union-attr]  # a Region
        captures = []
        for stand_in, how in bodies[name]["captures"]:
            given = records[record["inputs"][at][0]]["op"]
            captures.append(
                [stand_in, "value" if how == "variable" and given == "Identity" else how])
            at += 1
        attrs[name] = {**bodies[name], "captures": captures}
    return {**record, "attrs": attrs}
