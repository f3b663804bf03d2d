"""A graph as plain values: operations in creation order, with inputs by number.

Input `[3, 0]` is output 0 of operation 3; only earlier operations can be named, so what is written
has no cycles. Branches and loop bodies stand inside the attributes that hold them. Equal graphs
give equal values.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from graphflow.errors import ExportError, GraphflowError, describe
from graphflow.export.attributes import AttributeWriter, Constants
from graphflow.export.sizes import SizeWriter, open_shape
from graphflow.freeze import needed_operations
from graphflow.gradient_registry import NamedRule
from graphflow.graph import Graph
from graphflow.inference import Infer, TensorType
from graphflow.lowering import Host, Region
from graphflow.opdef import REGISTRY, Attr
from graphflow.regions import RegionGraph
from graphflow.tensor import Operation, Tensor

Plain = dict[str, Any]
Number = dict[Operation, int]


class GraphWriter:
    """Writes operations of one graph. Large constants are left in `constants`.

    Attributes:
      constants: the arrays that the values refer to.
      versions: op → version of its declaration, of all that were written.
      sites: whether the lines that built the operations are kept.
      lenient: whether an operation that cannot be written is written without its attributes, for
        whoever takes it out of the graph later, instead of an ExportError.
    """

    def __init__(self, sites: bool = True, lenient: bool = False) -> None:
        self.constants = Constants()
        self.versions: dict[str, int] = {}
        self.sites, self.lenient = sites, lenient
        self._sizes = SizeWriter()
        self._attributes = AttributeWriter(self.constants, self._sizes)

    def operations(
        self, operations: Sequence[Operation], fed: Iterable[Tensor] = ()
    ) -> tuple[list[Plain], Callable[[Tensor], list[int]], Number]:
        """The records of `operations` (of one graph, in creation order).

        fed: tensors whose operations are not written; a placeholder stands for each.
        Returns records, a function from tensor to reference, and operation → number.
        Raises ExportError, which names the operation that cannot be written.
        """
        places = {tensor: k for k, tensor in enumerate(fed)}
        first = len(places)
        numbers = {op: first + k for k, op in enumerate(operations)}

        def reference(tensor: Tensor) -> list[int]:
            if tensor in places:
                return [places[tensor], 0]
            return [numbers[tensor.op], tensor.index]

        records = [_placeholder(tensor) for tensor in places]
        if places:
            self.versions["Placeholder"] = REGISTRY["Placeholder"].version
        records += [self._operation(op, reference, numbers) for op in operations]
        return records, reference, numbers

    def _operation(
        self, op: Operation, reference: Callable[[Tensor], list[int]], numbers: Number
    ) -> Plain:
        record: Plain = {"op": op.type, "name": op.name}
        if REGISTRY.get(op.type) is op.opdef:
            self.versions[op.type] = op.opdef.version
        else:
            record["own"] = True
        if op.inputs:
            record["inputs"] = [reference(t) for t in op.inputs]
        try:
            refuse_outside(op)
            if attrs := self.attributes(op):
                record["attrs"] = attrs
        except ExportError:
            if not self.lenient:
                raise
        if controls := [numbers[c] for c in op.control_inputs if c in numbers]:
            record["controls"] = controls
        if op.device:
            record["device"] = op.device
        if op.gradient_override is not None:
            record["gradient"] = _rule_name(op)
        if self.sites and op.site is not None:
            record["site"] = [_portable(op.site.file), op.site.line]
        if narrowed := _narrowed(op):
            record["shapes"] = narrowed
        return record

    def attributes(self, op: Operation) -> Plain:
        """The attributes by name. Raises ExportError."""
        lowering = op.opdef.lowering
        bodies = lowering.bodies if isinstance(lowering, Region) else ()
        at = op.attrs["lead"] + op.attrs["loop_vars"] if bodies else 0
        written: Plain = {}
        for name, attr in op.opdef.attrs.items():
            value = op.attrs[name]
            try:
                if name in bodies:
                    written[name] = self._region(value, op.inputs[at:])
                    at += len(value.captures)
                elif op.type == "Capture" and name == "type":
                    kind = TensorType(op.outputs[0].dtype, op.outputs[0].shape)
                    written[name] = self._sizes.type(kind)
                elif not _is_fixed(op, name, attr):
                    written[name] = self._attributes.write(attr, value)
            except ValueError as error:
                if isinstance(error, ExportError):
                    raise
                raise refusal(op, f"attribute {name} cannot be written: {error}") from error
        return written

    def _region(self, region: RegionGraph, given_to: Sequence[Tensor]) -> Plain:
        needed = set(needed_operations(region.outputs, ()))
        operations = [o for o in region.get_operations() if o in needed or o.type == "Capture"]
        records, inner, _ = self.operations(operations)
        captures = [[inner(stand_in), _captured_as(outer, given)]
                    for (outer, stand_in), given in zip(region.captures.items(), given_to)]
        plain: Plain = {
            "operations": records, "captures": captures,
            "inputs": [inner(t) for t in region.inputs],
            "outputs": [inner(t) for t in region.outputs]}
        if region.iteration is not None:
            plain["iteration"] = inner(region.iteration)
        if region.is_condition:
            plain["is_condition"] = True
        if scope := region.get_name_scope():
            plain["scope"] = scope
        return plain


def _is_fixed(op: Operation, name: str, attr: Attr) -> bool:
    """True for what the declaration says, not the file.

    `handle` is what makes an op a variable; a user's op holds its function as a default.
    """
    if name == "handle":
        return op.type != "Capture"
    return attr.kind == "object" and attr.codec is None and op.attrs[name] is attr.default


def _captured_as(outer: Tensor, given: Tensor) -> str | None:
    """How the region knows what it is given for a stand-in: as such, or as the variable read.

    None where it is given something else: the operation is a copy of another one.
    """
    if outer is given:
        return "value"
    reads = given.op.type == "ReadVariable" and given.op.inputs[0] is outer
    return "variable" if reads else None


def _placeholder(tensor: Tensor) -> Plain:
    name = tensor.op.name if tensor.index == 0 else f"{tensor.op.name}_{tensor.index}"
    return {"op": "Placeholder", "name": name, "attrs": {
        "dtype": tensor.dtype.name, "shape": {"sizes": open_shape(tensor.shape)}}}


def refuse_outside(op: Operation) -> None:
    """Raises ExportError for an op that opens files or calls functions."""
    lowering = op.opdef.lowering
    if isinstance(lowering, Host) and lowering.reaches_out:
        raise refusal(op, "it calls a Python function or opens files, which no file can hold")


def refusal(op: Operation, problem: str) -> ExportError:
    """The error that names an operation which cannot be written."""
    return ExportError(describe(
        op.type, op.name, problem, site=str(op.site) if op.site else None,
        fix="Export outputs that do not need it, or feed its result."))


def _rule_name(op: Operation) -> Any:
    rule = op.gradient_override
    return rule.name if isinstance(rule, NamedRule) else True


def _portable(file: str) -> str:
    """A file as seen from the current directory; its name alone if it lies elsewhere."""
    if not os.path.isabs(file):
        return file
    path = os.path.relpath(file)
    return os.path.basename(file) if path.startswith("..") else path.replace(os.sep, "/")


def _narrowed(op: Operation) -> Plain:
    """Output → known sizes, where `set_shape` said more than follows from the inputs."""
    if op.type == "Capture" or isinstance(op.opdef.lowering, Region):
        return {}
    types = [TensorType(t.dtype, t.shape) for t in op.inputs]
    c = Infer(op.opdef, types, op.attrs, [t.symbolic_value for t in op.inputs], op.name, None)
    try:
        inferred = op.opdef.infer(c)
    except GraphflowError:  # sizes that were narrowed since contradict each other
        inferred = []
    found = {}
    for k, tensor in enumerate(op.outputs):
        known = open_shape(tensor.shape)
        if known is not None and (k >= len(inferred) or known != open_shape(inferred[k].shape)):
            found[str(k)] = known
    return found


def root_operations(graph: Graph) -> list[Operation]:
    """All operations of a graph. Raises ExportError for the graph of a branch or loop body."""
    if graph.outer is not None:
        raise ExportError("A branch or loop body cannot be exported without the graph around it.")
    return graph.get_operations()
