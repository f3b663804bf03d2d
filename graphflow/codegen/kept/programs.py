"""Programs as plain data: rows of nodes and of Programs, each after what it is made of.

`describe` writes a Program that is about to be compiled. What it gives is equal for Programs that
are compiled alike, in any process: constants stand for their digests, and where nodes come from is
left out. `ProgramWriter` writes what was made of it. That takes from the described Program
(`Given`) what need not be written or cannot be: constants, counters of prints, names and lines.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphflow.codegen.kept.attributes import (
    NotKept,
    array_from,
    plain,
    plain_array,
    plain_shape,
    plain_symbolic,
    restored,
    shape_from,
    symbolic_from,
)
from graphflow.dtypes import as_dtype
from graphflow.inference import TensorType
from graphflow.opdef import REGISTRY, ConstValue, OpDef
from graphflow.program import Node, Origin, Program, Value

LARGEST_CONSTANT = 2**20  # bytes: what passes have computed and is longer is computed again
_PACKAGE = Path(__file__).parents[2]
_OPS = str(_PACKAGE / "ops") + os.sep


@dataclass(slots=True)
class Given:
    """What a described Program gives to the one that is made of it.

    Attributes:
      constants: by number, and the number by digest.
      objects: attributes of kind `object`, by number.
      origins: of its nodes, those of bodies included, in order.
    """

    constants: list[ConstValue] = field(default_factory=list)
    constant_at: dict[bytes, int] = field(default_factory=dict)
    objects: list[Any] = field(default_factory=list)
    origins: list[Origin | None] = field(default_factory=list)

    def constant(self, value: ConstValue) -> tuple:
        """The plain form of a constant while the Program is described."""
        if value.digest not in self.constant_at:
            self.constant_at[value.digest] = len(self.constants)
            self.constants.append(value)
        return "const", value.digest.hex()

    def written_constant(self, value: ConstValue) -> tuple:
        """The plain form of a constant of what was made."""
        number = self.constant_at.get(value.digest)
        if number is not None:
            return "given", number
        if value.array.nbytes > LARGEST_CONSTANT:
            raise NotKept("a long constant")
        return "const", plain_array(value.array)

    def object(self, value: Any, opdef: OpDef, name: str) -> tuple:
        """The plain form of an attribute of kind `object` while the Program is described."""
        codec = opdef.attrs[name].codec
        if codec is None:
            raise NotKept(f"{name} of {opdef.name}")
        try:
            text = hashlib.sha256(repr(codec.encode(value)).encode()).hexdigest()
        except ValueError as error:
            raise NotKept(f"{name} of {opdef.name}: {error}") from None
        self.objects.append(value)
        return "object", text

    def written_object(self, value: Any, opdef: OpDef, name: str) -> tuple:
        """The plain form of an attribute of kind `object` of what was made."""
        for number, known in enumerate(self.objects):
            if known is value:
                return "object", number
        raise NotKept(f"{name} of {opdef.name}")


def is_declared(opdef: OpDef) -> bool:
    """True for ops of graphflow's own, as they were declared: their sources say what they do."""
    if REGISTRY.get(opdef.name) is not opdef:
        return False
    file = opdef.defined_at.rpartition(":")[0]
    return file.startswith(_OPS) or os.path.dirname(file) == str(_PACKAGE)


class ProgramWriter:
    """Writes nodes and Programs, each once.

    Attributes:
      rows: what was written.
      made: the Programs that were written, in order.
    """

    def __init__(
        self, constant: Callable[[ConstValue], Any], an_object: Callable[[Any, OpDef, str], Any],
        origins: Sequence[Origin | None] | None = None,
    ) -> None:
        self.rows: list[tuple] = []
        self._constant, self._object = constant, an_object
        self._origins = None if origins is None else {
            o: k for k, o in reversed([*enumerate(origins)]) if o is not None}
        self._nodes: dict[Node, int] = {}
        self._values: dict[Value, int] = {}
        self._programs: dict[Program, int] = {}
        self._declared: dict[str, OpDef] = {}

    def value(self, value: Value) -> int:
        """The number of a value; its node is written first, if it was not yet."""
        number = self._values.get(value)
        if number is None:
            self.node(value.node)
            number = self._values[value]
        return number

    def values(self, values: Sequence[Value]) -> tuple[int, ...]:
        """The numbers of values."""
        return tuple([self.value(v) for v in values])

    def node(self, node: Node) -> int:
        """The number of a node."""
        if node.outputs and node.outputs[0].node is not node:
            node = node.outputs[0].node  # reads operands in another order; computes the same
        number = self._nodes.get(node)
        if number is not None:
            return number
        opdef = node.opdef
        if self._declared.get(opdef.name) is not opdef:
            if not is_declared(opdef):
                raise NotKept(f"the op {opdef.name}")
            self._declared[opdef.name] = opdef
        inputs = self.values(node.inputs)
        attrs = tuple([(k, v if type(v) in (int, bool) else self._attribute(opdef, k, v))
                       for k, v in node.attrs.items()])
        outputs = tuple([(v.dtype.name, plain_shape(v.shape), plain_symbolic(v.symbolic_value))
                         for v in node.outputs])
        after = -1 if node.after is None else self.node(node.after)
        serial = 0 if self._origins is None else node.serial
        self.rows.append(("node", opdef.name, inputs, attrs, outputs, serial, after))
        for value in node.outputs:
            self._values[value] = len(self._values)
        self._nodes[node] = number = len(self._nodes)
        return number

    def program(self, program: Program) -> int:
        """The number of a Program."""
        number = self._programs.get(program)
        if number is not None:
            return number
        nodes = tuple([self.node(n) for n in program.nodes])
        state = [tuple([(k, self.value(v)) for k, v in items.items()])
                 for items in (program.reads, program.flags, program.writes)]
        self.rows.append((
            "program", nodes, self.values(program.inputs), self.values(program.outputs), *state,
            tuple([self.node(n) for n in program.effects]), self._plain_origins(program)))
        self._programs[program] = number = len(self._programs)
        return number

    def _plain_origins(self, program: Program) -> tuple:
        if self._origins is None:
            return ()
        found = []
        for serial, origin in program.origins.items():
            known = self._origins.get(origin)
            found.append((serial, (origin.name, origin.site) if known is None else known))
        return tuple(found)

    def _attribute(self, opdef: OpDef, name: str, value: Any) -> Any:
        if isinstance(value, ConstValue):
            return self._constant(value)
        if isinstance(value, Program):
            return "program", self.program(value)
        if isinstance(value, tuple) and any(isinstance(v, ConstValue) for v in value):
            return ("attributes", *[self._attribute(opdef, name, v) for v in value])
        if opdef.attrs[name].kind == "object" and value is not None:
            return self._object(value, opdef, name)
        return plain(value)


def describe(program: Program) -> tuple[tuple, Given]:
    """A Program as plain data, and what it gives to the one made of it. Raises NotKept."""
    given = Given()
    writer = ProgramWriter(given.constant, given.object)
    writer.program(program)
    _gather_origins(program, given.origins)
    return tuple(writer.rows), given


def _gather_origins(program: Program, found: list[Origin | None]) -> None:
    for node in program.nodes:
        found.append(program.origins.get(node.serial))
        for value in node.attrs.values():
            if isinstance(value, Program):
                _gather_origins(value, found)


class ProgramReader:
    """The nodes and Programs that a `ProgramWriter` has written.

    Attributes:
      nodes, values, programs: by number.
    """

    def __init__(self, rows: Sequence[tuple], given: Given) -> None:
        self.nodes: list[Node] = []
        self.values: list[Value] = []
        self.programs: list[Program] = []
        self._given = given
        self._types: dict[tuple, TensorType] = {}
        for kind, *fields in rows:
            if kind == "node":
                self._node(*fields)
            else:
                self._program(*fields)

    def _node(
        self, name: str, inputs: tuple, attrs: tuple, outputs: tuple, serial: int, after: int
    ) -> None:
        opdef = REGISTRY[name]
        if not is_declared(opdef):
            raise ValueError(f"the op {name} is not graphflow's own")
        node = Node(
            opdef, tuple([self.values[k] for k in inputs]),
            {k: self._attribute(v) if type(v) is tuple else v for k, v in attrs},
            [self._type(dtype, sizes) for dtype, sizes, _ in outputs],
            [symbolic_from(symbolic) for *_, symbolic in outputs],
            serial, None if after < 0 else self.nodes[after])
        self.nodes.append(node)
        self.values.extend(node.outputs)

    def _type(self, dtype: str, sizes: tuple | None) -> TensorType:
        found = self._types.get((dtype, sizes))
        if found is None:
            found = self._types[dtype, sizes] = TensorType(as_dtype(dtype), shape_from(sizes))
        return found

    def _attribute(self, data: tuple) -> Any:
        kind = data[0]
        if kind == "given":
            return self._given.constants[data[1]]
        if kind == "const":
            return ConstValue(array_from(data[1]))
        if kind == "program":
            return self.programs[data[1]]
        if kind == "object":
            return self._given.objects[data[1]]
        if kind == "attributes":
            return tuple([self._attribute(v) if type(v) is tuple else v for v in data[1:]])
        return restored(data)

    def _program(
        self, nodes: tuple, inputs: tuple, outputs: tuple, reads: tuple, flags: tuple,
        writes: tuple, effects: tuple, origins: tuple,
    ) -> None:
        values = self.values
        reading, flagged, written = ({k: values[v] for k, v in items}
                                     for items in (reads, flags, writes))
        known = self._given.origins
        found = {serial: Origin(*origin) if type(origin) is tuple else known[origin]
                 for serial, origin in origins}
        self.programs.append(Program(
            tuple([self.nodes[k] for k in nodes]), tuple([values[k] for k in inputs]),
            tuple([values[k] for k in outputs]), reading, flagged, written,
            tuple([self.nodes[k] for k in effects]),
            {serial: origin for serial, origin in found.items() if origin is not None}))
