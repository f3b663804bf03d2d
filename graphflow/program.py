"""`Program`: the frozen, interned SSA form of one run.

A Program is a straight line of nodes in topological order. Equal pure nodes are one object, so
common sub-expressions cost nothing and "did this pass change anything" is `after is not before`.
State is functional: variables are leaves (`StateValue`) and the run's `writes` name the values
that are committed at its end. Effects are chained by `after` edges and never interned.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphflow.builder import Arithmetic, Builder, F
from graphflow.dtypes import DType, as_dtype, to_array
from graphflow.errors import DTypeError, ProgramError
from graphflow.lowering import Host, Region
from graphflow.opdef import (
    ConstValue,
    Infer,
    OpDef,
    TensorType,
    check_dtypes,
    lookup,
    resolve_attrs,
    symbolic_outputs,
)
from graphflow.shapes import TensorShape


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a node comes from: the name of the user's operation and the line that built it."""

    name: str
    site: str | None


class Node:
    """One SSA node: an op, input values, attributes, typed outputs. Never changed."""

    __slots__ = ("after", "attrs", "inputs", "opdef", "outputs", "serial")

    def __init__(
        self,
        opdef: OpDef,
        inputs: tuple[Value, ...],
        attrs: dict[str, Any],
        types: Sequence[TensorType],
        symbolic: Sequence[np.ndarray | None],
        serial: int,
        after: Node | None,
    ) -> None:
        self.opdef, self.inputs, self.attrs, self.serial, self.after = (
            opdef, inputs, attrs, serial, after)
        self.outputs = tuple(
            Value(self, i, t.dtype, t.shape, s) for i, (t, s) in enumerate(zip(types, symbolic)))

    def __repr__(self) -> str:
        return f"<Node %{self.serial} {self.opdef.name}>"


class Value(Arithmetic):
    """One output of a Node."""

    __slots__ = ("dtype", "index", "node", "shape", "symbolic_value")

    def __init__(
        self, node: Node, index: int, dtype: DType, shape: TensorShape,
        symbolic: np.ndarray | None,
    ) -> None:
        self.node, self.index, self.dtype, self.shape = node, index, dtype, shape
        self.symbolic_value = symbolic

    @property
    def type(self) -> TensorType:
        """Element type and shape."""
        return TensorType(self.dtype, self.shape)

    def get_shape(self) -> TensorShape:
        """The shape."""
        return self.shape

    def __bool__(self) -> bool:
        raise DTypeError("A Program value has no truth value; use F.where or F.cond.")

    def __iter__(self) -> Any:
        raise DTypeError("A Program value cannot be iterated over.")

    def __repr__(self) -> str:
        return f"%{self.node.serial}.{self.index}: {self.type}"


def is_effect(opdef: OpDef, attrs: dict[str, Any]) -> bool:
    """True if a node of this op must run exactly once and in order."""
    lowering = opdef.lowering
    if isinstance(lowering, Host):
        return lowering.effect and attrs.get("stateful", True) is not False
    if isinstance(lowering, Region):
        return any(attrs[body].effects for body in lowering.bodies)
    return False


@dataclass(eq=False)
class Program:
    """A frozen computation.

    Attributes:
      nodes: all nodes in topological order, leaves included.
      inputs: `Feed` or `Argument` leaves, in the order in which values are bound.
      outputs: the values to give back.
      reads: state key → `StateValue` leaf.
      flags: state key → `StateFlag` leaf ("has this variable a value?").
      writes: state key → value committed at the end of the run.
      effects: nodes with effects, in order.
      origins: serial of a node → `Origin`; outside node identity, survives rewrites.
      types: None, or the types of the state keys that are read, for messages.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    reads: dict[str, Value] = field(default_factory=dict)
    flags: dict[str, Value] = field(default_factory=dict)
    writes: dict[str, Value] = field(default_factory=dict)
    effects: tuple[Node, ...] = ()
    origins: dict[int, Origin] = field(default_factory=dict)

    def structure(self) -> tuple:
        """A canonical description: two Programs compute the same if theirs are equal."""
        number = {node: i for i, node in enumerate(self.nodes)}

        def ref(value: Value) -> tuple[int, int]:
            return number[value.node], value.index

        nodes = tuple(
            (n.opdef.name, tuple(map(ref, n.inputs)), _attr_key(n.attrs),
             tuple((v.dtype.name, str(v.shape)) for v in n.outputs),
             number[n.after] if n.after is not None else None)
            for n in self.nodes)
        return (
            nodes, tuple(map(ref, self.inputs)), tuple(map(ref, self.outputs)),
            tuple(sorted((k, ref(v)) for k, v in self.writes.items())))

    def same_structure(self, other: Program) -> bool:
        """True if both are the same computation, node for node."""
        return self.structure() == other.structure()

    def __str__(self) -> str:
        return "\n".join(_lines(self, ""))


def _attr_key(attrs: dict[str, Any]) -> tuple:
    return tuple(
        (k, v.structure() if isinstance(v, Program) else v) for k, v in sorted(attrs.items()))


def _lines(program: Program, indent: str) -> Iterable[str]:
    number = {node: i for i, node in enumerate(program.nodes)}

    def ref(value: Value) -> str:
        suffix = f".{value.index}" if len(value.node.outputs) > 1 else ""
        return f"%{number[value.node]}{suffix}"

    for i, node in enumerate(program.nodes):
        bodies = {k: v for k, v in node.attrs.items() if isinstance(v, Program)}
        attrs = ", ".join(
            f"{k}={v!r}" for k, v in node.attrs.items() if k not in bodies and v is not None)
        types = ", ".join(str(v.type) for v in node.outputs)
        after = f" after %{number[node.after]}" if node.after is not None else ""
        origin = program.origins.get(node.serial)
        where = f"   # {origin.name}" if origin else ""
        yield (f"{indent}%{i} = {node.opdef.name}({', '.join(map(ref, node.inputs))})"
               f"{' {' + attrs + '}' if attrs else ''} : {types}{after}{where}")
        for key, body in bodies.items():
            yield f"{indent}  {key}:"
            yield from _lines(body, indent + "    ")
    for key, value in program.writes.items():
        yield f"{indent}write {key} = {ref(value)}"
    yield f"{indent}return {', '.join(map(ref, program.outputs))}"


class ProgramBuilder(Builder):
    """Makes interned nodes; `finish` gives the Program.

    Attributes:
      origin: the `Origin` that new nodes get; set by whoever translates.
      stage: what the verifier's complaints name.
    """

    def __init__(self, stage: str = "freeze") -> None:
        self.stage = stage
        self._interned: dict[tuple, Node] = {}
        self._nodes: list[Node] = []
        self._last_effect: Node | None = None
        self.origin: Origin | None = None
        self.origins: dict[int, Origin] = {}

    def apply(
        self,
        opdef: OpDef,
        inputs: Sequence[Any],
        attrs: dict[str, Any],
        *,
        name: str | None = None,
        default_name: str | None = None,
    ) -> tuple[Value, ...]:
        """One node, interned if it is pure. See `Builder.apply`."""
        attrs = resolve_attrs(opdef, attrs, name)
        return self.add(opdef, self._convert_inputs(opdef, inputs), attrs).outputs

    def add(
        self, opdef: OpDef, inputs: Sequence[Value], attrs: dict[str, Any],
        like: Node | None = None,
    ) -> Node:
        """One node over values of this builder, with attributes already resolved.

        like: a node of another Program that computes the same from the same; what is known of
        its outputs stays known.
        """
        inputs = tuple(inputs)
        effect = is_effect(opdef, attrs)
        key = None
        if not effect:
            key = (opdef.name, _ordered(opdef, inputs), tuple(attrs.items()))
            found = self._interned.get(key)
            if found is not None:
                return found
        types, symbolic = self._types(opdef, inputs, attrs, like)
        node = Node(opdef, inputs, attrs, types, symbolic, len(self._nodes),
                    self._last_effect if effect else None)
        self._nodes.append(node)
        if self.origin is not None:
            self.origins[node.serial] = self.origin
        if key is None:
            self._last_effect = node
        else:
            self._interned[key] = node
        return node

    def _types(
        self, opdef: OpDef, inputs: tuple[Value, ...], attrs: dict[str, Any], like: Node | None
    ) -> tuple[Sequence[TensorType], Sequence[np.ndarray | None]]:
        """Types and symbolic values of a node's outputs: inferred, unless nothing changed."""
        if like is not None and attrs is like.attrs and all(
                map(_known_alike, inputs, like.inputs)):
            return [v.type for v in like.outputs], [v.symbolic_value for v in like.outputs]
        where = (self.origin.name, self.origin.site) if self.origin else (None, None)
        types = [v.type for v in inputs]
        check_dtypes(opdef, types, *where)
        c = Infer(opdef, types, attrs, [v.symbolic_value for v in inputs], *where)
        out_types = opdef.infer(c)
        symbolic = symbolic_outputs(c, out_types)
        if like is None:
            return out_types, symbolic
        pairs = list(zip(out_types, symbolic, like.outputs))
        return ([TensorType(t.dtype, _refined(t.shape, old.shape)) for t, _, old in pairs],
                [old.symbolic_value if s is None else s for _, s, old in pairs])

    def _convert_inputs(self, opdef: OpDef, inputs: Sequence[Any]) -> list[Value]:
        hints: dict[str, DType] = {}
        for i, value in enumerate(inputs):
            variable = opdef.arg(i).variable
            if isinstance(value, Value) and variable:
                hints.setdefault(variable, value.dtype)
        converted = []
        for i, value in enumerate(inputs):
            arg = opdef.arg(i)
            dtype = hints.get(arg.variable) if arg.variable else None
            if dtype is None and len(arg.types) == 1:
                dtype = arg.types[0]
            converted.append(value if isinstance(value, Value) else self.convert(value, dtype))
        return converted

    def convert(self, value: Any, dtype: Any = None, name: str | None = None) -> Value:
        """`value` itself, a constant, or the stack of a list that holds values."""
        if isinstance(value, Value):
            return value
        dtype = as_dtype(dtype) if dtype is not None else None
        if isinstance(value, (list, tuple)) and any(isinstance(v, Value) for v in value):
            return F.stack([self.convert(v, dtype) for v in value])
        if isinstance(value, TensorShape):
            value = np.asarray(value.as_list(), np.int32)
        constant = {"value": ConstValue(to_array(value, dtype))}
        return self.add(lookup("Const"), (), constant).outputs[0]

    def leaf(self, opdef_name: str, **attrs: Any) -> Value:
        """A leaf node."""
        return self.add(lookup(opdef_name), (), attrs).outputs[0]

    def finish(
        self,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        reads: dict[str, Value] | None = None,
        flags: dict[str, Value] | None = None,
        writes: dict[str, Value] | None = None,
    ) -> Program:
        """The Program of what outputs, writes and effects need; everything else is dropped."""
        writes = writes or {}
        roots = [v.node for v in (*outputs, *writes.values())]
        effects = [n for n in self._nodes if is_effect(n.opdef, n.attrs)]
        needed = _reachable([*roots, *effects, *(v.node for v in inputs)])
        keep = {n.serial for n in needed}
        nodes = tuple(n for n in self._nodes if n.serial in keep)
        program = Program(
            nodes, tuple(inputs), tuple(outputs),
            {k: v for k, v in (reads or {}).items() if v.node.serial in keep},
            {k: v for k, v in (flags or {}).items() if v.node.serial in keep},
            writes, tuple(effects),
            {n.serial: self.origins[n.serial] for n in nodes if n.serial in self.origins})
        verify(program, self.stage)
        return program


def _ordered(opdef: OpDef, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """The inputs as they stand in the key of the intern table: x + y is y + x."""
    if not opdef.commutative:
        return inputs
    first, second = sorted(inputs[:2], key=lambda v: (v.node.serial, v.index))
    return (first, second, *inputs[2:])


def _known_alike(a: Value, b: Value) -> bool:
    """True if inference would see no difference between two values."""
    return (a.dtype is b.dtype and a.symbolic_value is b.symbolic_value
            and (a.shape is b.shape or a.shape == b.shape))


def _refined(new: TensorShape, old: TensorShape) -> TensorShape:
    """`old` with the sizes that `new` knows; a size keeps its symbol."""
    if new.rank is None or old.rank is None:
        return old if new.rank is None else new
    return TensorShape.of(n if isinstance(n, int) else o for n, o in zip(new.sizes, old.sizes))


def _reachable(roots: Iterable[Node]) -> set[Node]:
    seen: set[Node] = set()
    pending = list(roots)
    while pending:
        node = pending.pop()
        if node not in seen:
            seen.add(node)
            pending.extend(v.node for v in node.inputs)
            if node.after is not None:
                pending.append(node.after)
    return seen


def verify(program: Program, stage: str = "freeze") -> None:
    """Raises ProgramError, naming `stage`, if the Program breaks an invariant."""
    position = {node: i for i, node in enumerate(program.nodes)}
    for i, node in enumerate(program.nodes):
        sources = [v.node for v in node.inputs] + ([node.after] if node.after else [])
        for source in sources:
            if position.get(source, i) >= i:
                raise ProgramError(f"After {stage}: {node!r} uses {source!r} before it exists.")
        for value in node.inputs:
            if value.node.outputs[value.index] is not value:
                raise ProgramError(f"After {stage}: {node!r} uses a value that is no output.")
    for value in (*program.outputs, *program.writes.values(), *program.inputs):
        if value.node not in position:
            raise ProgramError(f"After {stage}: {value!r} is given back but not computed.")
    ordered = [n for n in program.nodes if is_effect(n.opdef, n.attrs)]
    if ordered != list(program.effects):
        raise ProgramError(f"After {stage}: the effects are not those of the nodes, in order.")
