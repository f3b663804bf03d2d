"""A graph from plain values that anybody may have written.

Operations are built one by one, as a user's program would build them: by name from the registry,
attributes checked against their declarations, inputs against what is there already, types inferred
again. What the values say of shapes only narrows what inference left open, and freezing infers
once more from what is fed. Nothing is imported, called or looked up by a name of the file, but
op declarations (and the user's own, passed in as `ops`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphflow.errors import GradientError, LoadError, describe
from graphflow.export.attributes import AttributeReader
from graphflow.export.limits import LoadLimits
from graphflow.export.plain import as_kind, field, number, only_keys, shown
from graphflow.export.region_checks import check_region_operation
from graphflow.export.sizes import SizeReader, checked, closed_shape
from graphflow.gradient_registry import NamedRule
from graphflow.graph import Graph, is_read
from graphflow.inference import TensorType
from graphflow.lowering import Host, Leaf, Region
from graphflow.opdef import REGISTRY, OpDef
from graphflow.regions import RegionGraph
from graphflow.shapes import TensorShape
from graphflow.sites import Site
from graphflow.tensor import Operation, Tensor

_KEYS = ("op", "name", "inputs", "attrs", "controls", "device", "gradient", "site", "shapes",
         "own")
_REGION_KEYS = ("operations", "captures", "inputs", "outputs", "iteration", "is_condition",
                "scope")
_MAX_INPUTS = 1 << 16
_MAX_LINE = 2**31


class GraphReader:
    """Builds operations in `graph`.

    Args:
      graph: where the operations join what is there.
      arrays: the large constants, by name.
      ops: the user's own ops, by the names of the file: OpDefs, or functions with an `opdef`.
      prefix: a scope that all names get, or "".
      replaced: name of a tensor in the file → tensor that stands for it instead.
      rename: gives operations whose names the graph has already other ones, as TensorFlow does.

    Attributes:
      used: the names among `replaced` that an operation of the file refers to.
      keys: key of a variable's or counter's state in the file → its key in the graph.
    """

    def __init__(
        self, graph: Graph, arrays: dict[str, np.ndarray], limits: LoadLimits,
        ops: Mapping[str, Any] | None = None, prefix: str = "",
        replaced: Mapping[str, Tensor] | None = None, rename: bool = False,
    ) -> None:
        self.graph, self.prefix, self.keys = graph, prefix, dict[str, str]()
        self._rename, self._names = rename, list[str]()
        self._limits, self._ops = limits, dict(ops or {})
        self._replaced = dict(replaced or {})
        self.used: set[str] = set()
        self._sizes = SizeReader()
        self._attributes = AttributeReader(arrays, self._sizes, limits.text)
        self._count = 0
        self._state = {op.attrs["shared_name"] for op in graph.get_operations()
                       if op.outputs and op.outputs[0].is_handle}

    # ---- the operations of one graph ---------------------------------------------------------

    def operations(self, records: Any, where: str) -> list[Operation]:
        """The operations of the root graph. Raises LoadError."""
        built: list[Operation] = []
        for k, record in enumerate(as_kind(records, list, where)):
            built.append(self._operation(self.graph, record, built, f"{where} {k}", 0, {}))
            self._names.append(record["name"])
        return built

    def _operation(
        self, graph: Graph, record: Any, built: list[Operation], where: str, depth: int,
        captured: Mapping[int, Tensor],
    ) -> Operation:
        record = as_kind(record, dict, where)
        only_keys(record, _KEYS, where)
        name = field(record, "name", str, where)
        where = f"{where} {shown(name)}"
        self._count += 1
        if self._count > self._limits.operations or len(name) > self._limits.text:
            raise LoadError(
                f"{where}: the limit is {self._limits.operations} operations and outputs with "
                f"names of {self._limits.text} characters.")
        opdef = self._opdef(record, where, depth)
        inputs = self._inputs(opdef, record, built, where)
        attrs = self._attrs(graph, opdef, record, inputs, where, depth)
        outer = captured.get(len(built))
        if outer is not None:
            _as_captured(attrs, outer, where)
        if "shared_name" in attrs:
            self._claim(attrs, depth, where)
        operation = self._add(graph, opdef, inputs, attrs, record, built, name, where)
        if outer is not None and operation.outputs[0].shape is outer.shape:
            operation.outputs[0]._symbolic = outer.symbolic_value
        if isinstance(opdef.lowering, Region):
            check_region_operation(operation, where)
        return operation

    def _claim(self, attrs: dict[str, Any], depth: int, where: str) -> None:
        """Gives a variable a key of its own: two of one key could differ in type."""
        stated = attrs["shared_name"]
        key = base = f"{self.prefix}/{stated}" if self.prefix else stated
        if depth or stated in self.keys or (key in self._state and not self._rename):
            raise LoadError(f"{where}: " + (
                "a variable is made outside of branches and loops." if depth else
                f"two variables share the key {shown(key)}."))
        taken = 0
        while key in self._state:
            taken += 1
            key = f"{base}_{taken}"
        attrs["shared_name"] = self.keys[stated] = key
        self._state.add(key)

    def _add(
        self, graph: Graph, opdef: OpDef, inputs: list[Tensor], attrs: dict[str, Any],
        record: dict[str, Any], built: list[Operation], name: str, where: str,
    ) -> Operation:
        controls = [built[number(c, f"{where}: controls", len(built))]
                    for c in field(record, "controls", list, where, [])]
        device = field(record, "device", str, where, "")
        site = _site(record, where)
        full = f"{self.prefix}/{name}" if self.prefix and graph is self.graph else name
        if self._rename and graph is self.graph and full in graph._by_name:
            with graph.name_scope(None):
                full = graph.unique_name(full)
        try:
            with graph.name_scope(None), graph.built_for(site), graph.device(device or None), \
                    graph.fresh_scopes(), graph.control_dependencies(controls):
                operation = graph.add_operation(opdef, inputs, attrs, f"{full}/")
        except Exception as error:
            # Inference was written for what public functions pass on; whatever it says of
            # attributes that they never would, the file is to blame.
            raise LoadError(f"{where}: {type(error).__name__}: {error}") from error
        operation.site = site
        self._count += len(operation.outputs)
        reserve_name(graph, operation.name)
        self._settle(operation, record, name, where)
        return operation

    def _settle(
        self, operation: Operation, record: dict[str, Any], name: str, where: str
    ) -> None:
        """What is known of an operation beside its inputs and attributes."""
        if "gradient" in record:
            operation.gradient_override = _rule(record["gradient"], where)
        for key, sizes in field(record, "shapes", dict, where, {}).items():
            if not key.isdigit() or int(key[:6]) >= len(operation.outputs):
                raise LoadError(f"{where}: shapes: there is no output {shown(key)}.")
            try:
                operation.outputs[int(key)].set_shape(closed_shape(sizes, where))
            except ValueError as error:
                raise LoadError(f"{where}: shapes: {error}") from error
        for tensor in operation.outputs:
            checked(tensor.shape, where)
            if operation.type == "Placeholder" and tensor.shape.rank is not None:
                for axis, size in enumerate(tensor.shape.sizes):
                    self._sizes.symbols[f"{name}.{axis}"] = size
        if is_read(operation) and not operation.control_inputs:
            handle, graph = operation.inputs[0], operation.graph
            graph._reads[handle] = graph._writes.get(handle, 0), operation.outputs[0]

    # ---- the parts of one operation ----------------------------------------------------------

    def _opdef(self, record: dict[str, Any], where: str, depth: int) -> OpDef:
        op = field(record, "op", str, where)
        if op in self._ops:
            found = getattr(self._ops[op], "opdef", self._ops[op])
            if not isinstance(found, OpDef):
                raise LoadError(f"{where}: ops[{shown(op)}] is no op: {found!r}.")
            return found
        if "own" in record:
            raise LoadError(f"{where}: it is an op of the exporter's own. Pass it as "
                            f"gf.load(…, ops={{{shown(op)}: …}}).")
        opdef = REGISTRY.get(op)
        if opdef is None:
            raise LoadError(f"{where}: graphflow has no op {shown(op)}.")
        lowering = opdef.lowering
        if isinstance(lowering, Host) and lowering.reaches_out:
            raise LoadError(f"{where}: a file may not hold {op}, which opens files or calls "
                            "functions.")
        if (isinstance(lowering, Leaf) and lowering.of_programs) or (
                op == "Capture" and depth == 0):
            raise LoadError(f"{where}: {op} has no place in a graph.")
        return opdef

    def _inputs(
        self, opdef: OpDef, record: dict[str, Any], built: list[Operation], where: str
    ) -> list[Tensor]:
        references = field(record, "inputs", list, where, [])
        many = bool(opdef.args) and opdef.args[-1].many
        least = len(opdef.args) - many
        if len(references) < least or (len(references) > least and not many) or (
                len(references) > _MAX_INPUTS):
            raise LoadError(f"{where}: {opdef.name} takes {'at least ' if many else ''}{least} "
                            f"inputs, got {len(references)}.")
        inputs = [self._tensor(r, built, f"{where}: inputs") for r in references]
        if not isinstance(opdef.lowering, Region):
            for k, tensor in enumerate(inputs):
                if tensor.is_handle != opdef.arg(k).handle:
                    what = "a variable" if opdef.arg(k).handle else "a value"
                    raise LoadError(f"{where}: {opdef.arg_name(k)} must be {what}.")
        return inputs

    def _tensor(self, reference: Any, built: list[Operation], where: str) -> Tensor:
        tensor = tensor_at(reference, built, where)
        if self._replaced and tensor.graph is self.graph:
            name = f"{self._names[reference[0]]}:{tensor.index}"
            if name in self._replaced:
                self.used.add(name)
                return self._replaced[name]
        return tensor

    def _attrs(
        self, graph: Graph, opdef: OpDef, record: dict[str, Any], inputs: list[Tensor],
        where: str, depth: int,
    ) -> dict[str, Any]:
        plain = field(record, "attrs", dict, where, {})
        only_keys(plain, tuple(opdef.attrs), f"{where}: attrs")
        lowering = opdef.lowering
        bodies = lowering.bodies if isinstance(lowering, Region) else ()
        attrs: dict[str, Any] = {}
        at = _first_captured(plain, where) if bodies else 0
        for name in (*bodies, *(n for n in plain if n not in bodies)):
            place = f"{where}: {name}"
            if name in bodies:
                attrs[name] = self._region(graph, plain.get(name), inputs, at, place, depth + 1)
                at += len(attrs[name].captures)
            elif name == "handle" and opdef.name != "Capture":
                raise LoadError(f"{place}: what is a variable is not the file's to say.")
            else:
                attrs[name] = self._attributes.read(opdef.attrs[name], plain[name], place)
        return attrs

    # ---- branches and loop bodies ------------------------------------------------------------

    def _region(
        self, outer: Graph, plain: Any, inputs: list[Tensor], first: int, where: str, depth: int
    ) -> RegionGraph:
        plain = as_kind(plain, dict, where)
        only_keys(plain, _REGION_KEYS, where)
        if depth > self._limits.region_depth:
            raise LoadError(f"{where}: branches and loops more than {self._limits.region_depth} "
                            "deep.")
        region = RegionGraph(outer, _scope(plain, where))
        listed = field(plain, "captures", list, where)
        if first + len(listed) > len(inputs):
            raise LoadError(f"{where}: it captures more tensors than its operation has inputs.")
        captured: dict[int, Tensor] = {}
        for k, entry in enumerate(listed):
            pair = as_kind(entry, list, f"{where}: captures")
            captured[_own_number(pair, f"{where}: captures")] = inputs[first + k]
        built: list[Operation] = []
        for k, record in enumerate(field(plain, "operations", list, where)):
            built.append(self._operation(
                region, record, built, f"{where}: operation {k}", depth, captured))
        self._bind(region, plain, inputs[first:], built, where)
        return region

    def _bind(
        self, region: RegionGraph, plain: dict[str, Any], given: list[Tensor],
        built: list[Operation], where: str,
    ) -> None:
        """Captures, inputs and outputs of a region; each of its leaves has one role."""
        leaves = {op.outputs[0] for op in built if op.type == "Capture"}

        def leaf(reference: Any, role: str) -> Tensor:
            found = tensor_at(reference, built, f"{where}: {role}")
            if found not in leaves:
                raise LoadError(f"{where}: {role}: {found.name} is no stand-in, or one that has "
                                "another role.")
            leaves.remove(found)
            return found

        for (reference, outer), tensor in zip(plain["captures"], given):
            stand_in = leaf(reference, "captures")
            key = _captured_key(outer, tensor, where)
            region.captures[stand_in if key is None or key in region.captures else key] = stand_in
        region.inputs = [leaf(r, "inputs") for r in field(plain, "inputs", list, where)]
        if "iteration" in plain:
            region.iteration = leaf(plain["iteration"], "iteration")
        if leaves:
            raise LoadError(f"{where}: the stand-in {leaves.pop().name} stands for nothing.")
        region.outputs = [tensor_at(r, built, f"{where}: outputs")
                          for r in field(plain, "outputs", list, where)]
        region.is_condition = field(plain, "is_condition", bool, where, False)


def tensor_at(reference: Any, built: list[Operation], where: str) -> Tensor:
    """The tensor that `[operation, output]` names. Raises LoadError."""
    pair = as_kind(reference, list, where)
    if len(pair) != 2:
        raise LoadError(f"{where}: a tensor is [operation, output], got {shown(pair)}.")
    operation = built[number(pair[0], where, len(built))]
    return operation.outputs[number(pair[1], where, len(operation.outputs))]


def _captured_key(how: Any, tensor: Tensor, where: str) -> Tensor | None:
    """What the region calls the tensor that it is given: itself, or the variable it is read from.

    None if nothing is said: the stand-in then counts as its own.
    """
    if how is None:
        return None
    if how == "variable" and is_read(tensor.op):
        return tensor.op.inputs[0]
    if how != "value":
        raise LoadError(f"{where}: captures: {tensor.name} is not captured as {shown(how)}.")
    return tensor


def _own_number(pair: list[Any], where: str) -> int:
    if len(pair) != 2:
        raise LoadError(f"{where}: a capture is [stand-in, tensor], got {shown(pair)}.")
    reference = as_kind(pair[0], list, where)
    if len(reference) != 2:
        raise LoadError(f"{where}: a tensor is [operation, output], got {shown(reference)}.")
    return number(reference[0], where, 2**31)


def _as_captured(attrs: dict[str, Any], outer: Tensor, where: str) -> None:
    """Gives a stand-in the type of what it stands for, where that is known as well."""
    kind = attrs.get("type")
    if not isinstance(kind, TensorType) or kind.dtype is not outer.dtype:
        raise LoadError(f"{where}: the stand-in of {outer.name} must be {outer.dtype.name}.")
    if _as_known(outer.shape, kind.shape):
        attrs["type"] = TensorType(outer.dtype, outer.shape)


def _as_known(shape: TensorShape, other: TensorShape) -> bool:
    """True if every size that `other` knows, `shape` knows to be the same."""
    if other.rank is None:
        return True
    return shape.rank == other.rank and all(
        b is None or a == b for a, b in zip(shape.as_list(), other.as_list()))


def _first_captured(plain: dict[str, Any], where: str) -> int:
    """The number of the first input that a region captures."""
    return sum(number(plain.get(key, 0), f"{where}: {key}", _MAX_INPUTS)
               for key in ("lead", "loop_vars"))


def _scope(plain: dict[str, Any], where: str) -> str:
    scope = field(plain, "scope", str, where, "")
    if any(not (c.isascii() and (c.isalnum() or c in "_.-/>")) for c in scope):
        raise LoadError(f"{where}: {shown(scope)} is no name scope.")
    return scope


def _site(record: dict[str, Any], where: str) -> Site | None:
    if "site" not in record:
        return None
    pair = as_kind(record["site"], list, f"{where}: site")
    if len(pair) != 2:
        raise LoadError(f"{where}: site: a file and a line, got {shown(pair)}.")
    file = as_kind(pair[0], str, f"{where}: site")
    if not file.isprintable():
        raise LoadError(f"{where}: site: {shown(file)} is no file name.")
    return Site(file[:400], number(pair[1], f"{where}: site", _MAX_LINE))


def _rule(plain: Any, where: str) -> Any:
    if plain is not True:
        return NamedRule(as_kind(plain, str, f"{where}: gradient"))

    def missing(op: Operation, *grads: Any) -> Any:
        raise GradientError(describe(
            op.type, op.name, "its gradient was a Python function (custom_gradient), which the "
            "file does not hold", site=str(op.site) if op.site else None,
            fix="Export with training=True: the gradients that were built then are in the file."))

    return missing


def reserve_name(graph: Graph, name: str) -> None:
    """Keeps later operations from taking the name, or a scope that it stands in."""
    key = name.lower()
    while key and key not in graph._names_in_use:
        graph._names_in_use[key] = 1
        key = key.rpartition("/")[0]


