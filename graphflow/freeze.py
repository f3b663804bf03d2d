"""Freezing: the slice of a Graph that the fetches need becomes a Program.

Input: a graph, fetched tensors and operations, fed tensors with the types of what was fed.
Output: a verified `Program`. Operations are translated in creation order, which gives every read
and write of a variable its place; fed tensors are leaves, so every type is inferred again from
the feeds. Graph errors found here carry the operation that the user built.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, using
from graphflow.collector import collected_later
from graphflow.dims import fresh, same
from graphflow.errors import (
    GraphError,
    InvalidArgumentError,
    OpError,
    ShapeError,
    describe,
)
from graphflow.lowering import Region, State
from graphflow.opdef import TensorType, lookup
from graphflow.program import Origin, Program, ProgramBuilder, Value
from graphflow.regions import RegionGraph
from graphflow.shapes import SCALAR, UNKNOWN_SHAPE, TensorShape
from graphflow.tensor import Operation, Tensor

_FLAG = TensorType(dt.bool_, SCALAR)


class RunShapeError(InvalidArgumentError, ShapeError):
    """The sizes of what was fed do not fit the graph."""


def freeze(
    tensors: Sequence[Tensor],
    operations: Iterable[Operation],
    feeds: dict[Tensor, TensorType],
) -> Program:
    """The Program that computes `tensors` and runs `operations`.

    A variable's handle among `tensors` is its value at the end of the run. Inputs of the
    Program are the feeds, in order. Raises InvalidArgumentError for a placeholder that is needed
    but not fed, and RunShapeError when sizes that were fed do not fit.
    """
    builder = ProgramBuilder()
    translator = _Translator(builder)
    inputs = []
    for tensor, kind in feeds.items():
        builder.origin = _origin(tensor.op)
        value = builder.leaf("Feed", tensor=tensor.name, type=kind)
        inputs.append(value)
        translator.feed(tensor, value)
    wanted = [t for t in tensors if t not in feeds]
    with collected_later():
        translator.translate(needed_operations(wanted, operations, feeds))
    outputs = [translator.final(t) for t in tensors]
    return builder.finish(inputs, outputs, translator.reads, translator.flags, translator.writes)


def needed_operations(
    tensors: Iterable[Tensor], operations: Iterable[Operation], fed: Any = ()
) -> list[Operation]:
    """The operations that the tensors and operations depend on, in creation order."""
    needed: set[Operation] = set()
    pending = [*operations, *(t.op for t in tensors if t not in fed)]
    while pending:
        op = pending.pop()
        if op in needed:
            continue
        needed.add(op)
        pending.extend(t.op for t in op.inputs if t not in fed)
        pending.extend(op.control_inputs)
    return sorted(needed, key=lambda op: op.id)


def _origin(op: Operation) -> Origin:
    return Origin(op.name, str(op.site) if op.site else None)


class _Translator:
    """Translates operations of one graph (or region) into nodes of one builder."""

    def __init__(self, builder: ProgramBuilder) -> None:
        self.builder = builder
        self.values: dict[Tensor, Value] = {}
        self.handles: dict[Tensor, str] = {}
        self.state: dict[str, Value] = {}
        self.written: dict[str, Value] = {}
        self.reads: dict[str, Value] = {}
        self.flags: dict[str, Value] = {}
        self._types: dict[str, tuple[TensorType, str | None]] = {}
        self._owners: dict[str, Origin] = {}

    @property
    def writes(self) -> dict[str, Value]:
        """State key → value at the end."""
        return {key: self.state[key] for key in self.written}

    def feed(self, tensor: Tensor, value: Value) -> None:
        """Gives `tensor` a value from outside; a variable's handle starts with that value."""
        self.values[tensor] = value
        if tensor.is_handle:
            key = self._bind_handle(tensor)
            self.state[key] = value

    def translate(self, operations: Iterable[Operation]) -> None:
        """Translates the operations, in the order given."""
        builder = self.builder
        with using(builder):
            for op in operations:
                builder.origin = _origin(op)
                try:
                    self._translate(op)
                except OpError:
                    raise
                except (ShapeError, ValueError, TypeError) as error:
                    raise RunShapeError(op.node_def, op, str(error)) from error

    def final(self, tensor: Tensor) -> Value:
        """The value of a fetched tensor (a variable: after all writes)."""
        if tensor.is_handle:
            return self.current(self.handles[tensor])
        return self.values[tensor]

    def value(self, tensor: Tensor) -> Value:
        """The value of a translated tensor."""
        return self.values[tensor]

    # ---- one operation ----------------------------------------------------------------------

    def _translate(self, op: Operation) -> None:
        lowering = op.opdef.lowering
        if op.outputs and all(t in self.values or t in self.handles for t in op.outputs):
            return
        if op.type == "Capture":
            raise GraphError(f"{op.name} is not bound.")
        if op.type == "Placeholder":
            raise _unfed(op)
        if any(t.is_handle for t in op.outputs):
            self._bind_handle(op.outputs[0])
        elif isinstance(lowering, State):
            self._translate_state(op, lowering)
        elif isinstance(lowering, Region):
            self._set(op, _RegionTranslator(self, op).translate())
        else:
            inputs = [self.value(t) for t in op.inputs]
            self._set(op, self.builder.add(op.opdef, inputs, op.attrs).outputs)

    def _set(self, op: Operation, values: Sequence[Value]) -> None:
        for tensor, value in zip(op.outputs, values):
            if tensor not in self.values:
                self.values[tensor] = self._with_known_shape(tensor, value)

    def _with_known_shape(self, tensor: Tensor, value: Value) -> Value:
        """What the user said by set_shape narrows a value that inference knows less of."""
        if value.shape.rank is None and tensor.shape.rank is not None:
            return self._ensured(value, tensor.shape)
        return value

    # ---- state ------------------------------------------------------------------------------

    def _bind_handle(self, handle: Tensor) -> str:
        attrs = handle.op.attrs
        key = attrs["shared_name"]
        self.handles[handle] = key
        initial = None
        if "seeded" in attrs:
            initial = "zero" if attrs["seeded"] else "random"
        elif "zeros" in attrs:
            initial = f"{attrs['zeros']} zeros"
        self._types[key] = (TensorType(handle.dtype, handle.shape), initial)
        if handle.op.type != "Capture":
            self._owners[key] = _origin(handle.op)
        return key

    def current(self, key: str) -> Value:
        """The value of a state key at this point."""
        if key not in self.state:
            self.state[key] = self.reads[key] = self._state_leaf(key)
        return self.state[key]

    def _state_leaf(self, key: str) -> Value:
        kind, initial = self._types[key]
        reader, self.builder.origin = self.builder.origin, self._owners.get(key)
        leaf = self.builder.leaf("StateValue", key=key, type=kind, initial=initial)
        self.builder.origin = reader
        return leaf

    def initialized(self, key: str) -> Value:
        """The flag of a state key at this point: has it a value?"""
        if key in self.written:
            return self.written[key]
        if key not in self.flags:
            self.flags[key] = self._flag_leaf(key)
        return self.flags[key]

    def _flag_leaf(self, key: str) -> Value:
        return self.builder.leaf("StateFlag", key=key)

    def write(self, key: str, value: Value, flag: Value | None = None) -> None:
        """Makes `value` the current value of a state key."""
        self.state[key] = value
        self.written[key] = self.builder.convert(True) if flag is None else flag

    def _translate_state(self, op: Operation, lowering: State) -> None:
        handle = op.inputs[0]
        if handle not in self.handles:
            self._set(op, [self.value(handle)])
            return
        key = self.handles[handle]
        if lowering.reads_flag:
            current = self.initialized(key)
        elif lowering.blind:
            current = None
        else:
            current = self.current(key)
        inputs = [self.value(t) for t in op.inputs[1:]]
        new, outputs = lowering.update(F, current, *inputs, **op.attrs)
        if new is not None:
            if op.attrs.get("validate_shape", True):
                fitting = self._fitting(op, new, inputs[-1] if inputs else new)
                outputs = tuple(fitting if v is new else v for v in outputs)
                new = fitting
            self.write(key, new)
        self._set(op, outputs)


    def _fitting(self, op: Operation, new: Value, given: Value) -> Value:
        """The new value of a variable, checked against its shape: now, or when it is known."""
        handle = op.inputs[0]
        if handle.shape.rank is None:
            return new
        if new.shape.rank is None:
            return self._ensured(new, handle.shape)
        answers = [same(a, b) for a, b in zip(new.shape.sizes, handle.shape.sizes)
                   if isinstance(b, int)]
        if new.shape.rank != handle.shape.rank or False in answers:
            raise ShapeError(describe(
                op.type, op.name, f"the variable has shape {handle.shape}, the value "
                f"{given.shape}", site=str(op.site) if op.site else None))
        return self._ensured(new, handle.shape) if None in answers else new

    def _ensured(self, value: Value, shape: TensorShape) -> Value:
        """`value`, whose known sizes are checked when the program runs."""
        known = TensorShape([d if isinstance(d, int) else None for d in shape.sizes])
        return self.builder.add(lookup("EnsureShape"), [value], {"shape": known}).outputs[0]


def _unfed(op: Operation) -> InvalidArgumentError:
    tensor = op.outputs[0]
    return InvalidArgumentError(op.node_def, op, describe(
        "Placeholder", op.name,
        f"needs a value: dtype {tensor.dtype.name}, shape {tensor.shape}",
        site=str(op.site) if op.site else None,
        fix=f"Pass feed_dict={{{op.name.rpartition('/')[2]}: value}} to run(), or feed it by its "
        f"name '{tensor.name}'."))


class _BodyTranslator(_Translator):
    """Translates a region's body: what comes from outside are arguments, made on demand."""

    def __init__(self, builder: ProgramBuilder, arguments: _Arguments) -> None:
        super().__init__(builder)
        self.arguments = arguments

    def argument(self, source: tuple, kind: TensorType) -> Value:
        """The argument that stands for `source`."""
        index = self.arguments.index(source)
        return self.builder.leaf("Argument", index=index, type=self.arguments.type(index, kind))

    def bind_capture(self, outer: _Translator, outer_tensor: Tensor, inner: Tensor) -> None:
        """Binds the stand-in of a captured tensor."""
        if outer_tensor in outer.handles:
            key = outer.handles[outer_tensor]
            self.handles[inner] = key
            self._types[key] = outer._types[key]
        else:
            value = outer.value(outer_tensor)
            self.values[inner] = self.argument(("value", outer_tensor), value.type)

    def _state_leaf(self, key: str) -> Value:
        return self.argument(("state", key), self._types[key][0])

    def _flag_leaf(self, key: str) -> Value:
        return self.argument(("flag", key), _FLAG)


class _Arguments:
    """The argument list that all bodies of one region operation share."""

    def __init__(self, types: Sequence[TensorType]) -> None:
        self.sources: dict[tuple, int] = {("loop", i): i for i in range(len(types))}
        self.types: list[TensorType | None] = list(types)

    def index(self, source: tuple) -> int:
        """The number of a source, appended if it is new."""
        if source not in self.sources:
            self.sources[source] = len(self.types)
            self.types.append(None)
        return self.sources[source]

    def type(self, index: int, kind: TensorType) -> TensorType:
        """The type of an argument: as first asked for, unless widened since."""
        known = self.types[index]
        if known is None:
            known = self.types[index] = kind
        return known


class _RegionTranslator:
    """Translates one region operation (`If`, `While`) of an outer translator's graph."""

    def __init__(self, outer: _Translator, op: Operation) -> None:
        self.outer, self.op = outer, op
        lowering = op.opdef.lowering
        assert isinstance(lowering, Region)
        self.bodies: dict[str, RegionGraph] = {name: op.attrs[name] for name in lowering.bodies}

    def translate(self) -> list[Value]:
        """The values of the operation's outputs."""
        first = self.op.attrs["loop_vars"]
        lead = self.op.attrs["lead"]
        starts = [self.outer.value(t) for t in self.op.inputs[lead:lead + first]]
        arguments = _Arguments([v.type for v in starts])
        while True:
            frozen = {n: self._freeze_body(g, arguments) for n, g in self.bodies.items()}
            if not first or not self._widen(arguments, frozen):
                break
        written = list(dict.fromkeys(
            key for translator, _ in frozen.values() for key in translator.written))
        for key in written:
            known = next(t._types[key] for t, _ in frozen.values() if key in t._types)
            for translator, _ in frozen.values():
                translator._types.setdefault(key, known)
            arguments.type(arguments.index(("state", key)), known[0])
            arguments.type(arguments.index(("flag", key)), _FLAG)
        programs = {n: self._finish(n, t, outs, arguments, written)
                    for n, (t, outs) in frozen.items()}
        inputs = [self.outer.value(t) for t in self.op.inputs[:lead]]
        inputs += [self._source(s, starts) for s in arguments.sources]
        attrs = dict(self.op.attrs) | programs
        attrs["carried"] = tuple(range(first)) + tuple(
            arguments.sources[kind, key] for key in written for kind in ("state", "flag"))
        if ("iteration",) in arguments.sources:
            attrs["iteration"] = arguments.sources["iteration",]
        outputs = self.outer.builder.add(self.op.opdef, inputs, attrs).outputs
        return self._split_outputs(outputs, written)

    def _freeze_body(
        self, graph: RegionGraph, arguments: _Arguments
    ) -> tuple[_BodyTranslator, list[Value]]:
        builder = ProgramBuilder()
        translator = _BodyTranslator(builder, arguments)
        for i, inner in enumerate(graph.inputs):
            translator.values[inner] = translator.argument(
                ("loop", i), TensorType(inner.dtype, inner.shape))
        if graph.iteration is not None:
            translator.values[graph.iteration] = translator.argument(
                ("iteration",), TensorType(dt.int64, SCALAR))
        for outer_tensor, inner in self._captures(graph):
            translator.bind_capture(self.outer, outer_tensor, inner)
        translator.translate(needed_operations(graph.outputs, ()))
        return translator, [translator.final(t) for t in graph.outputs]

    def _captures(self, graph: RegionGraph) -> Iterable[tuple[Tensor, Tensor]]:
        """Captured stand-ins with the tensors that the operation was given for them."""
        at = self.op.attrs["lead"] + self.op.attrs["loop_vars"]
        for body in self.bodies.values():
            for inner in body.captures.values():
                if body is graph:
                    yield self.op.inputs[at], inner
                at += 1

    def _widen(self, arguments: _Arguments, frozen: dict[str, Any]) -> bool:
        """Forgets sizes of loop variables that a turn of the loop changes; True if any."""
        _, outputs = frozen["body"]
        changed = False
        for i, value in enumerate(outputs[: self.op.attrs["loop_vars"]]):
            old = arguments.types[i]
            assert old is not None  # loop variables start with a type
            merged = widened(old.shape, value.shape)
            if merged is not old.shape:
                arguments.types[i] = TensorType(old.dtype, merged)
                changed = True
        return changed

    def _finish(
        self, name: str, translator: _BodyTranslator, outputs: list[Value],
        arguments: _Arguments, written: list[str],
    ) -> Program:
        final = list(outputs)
        if name != "condition":
            for key in written:
                final += [translator.current(key), translator.initialized(key)]
        known = {v.node.attrs["index"]: v for v in (
            n.outputs[0] for n in translator.builder._nodes if n.opdef.name == "Argument")}
        inputs = [known[i] if i in known else translator.builder.leaf("Argument", index=i, type=t)
                  for i, t in enumerate(arguments.types)]
        return translator.builder.finish(inputs, final)

    def _source(self, source: tuple, starts: list[Value]) -> Value:
        kind = source[0]
        if kind == "loop":
            return starts[source[1]]
        if kind == "value":
            return self.outer.value(source[1])
        if kind == "state":
            return self.outer.current(source[1])
        if kind == "flag":
            return self.outer.initialized(source[1])
        return self.outer.builder.convert(np.int64(0))

    def _split_outputs(self, outputs: Sequence[Value], written: list[str]) -> list[Value]:
        """Takes the final state out of the node's outputs; the rest are the operation's."""
        own = len(self.op.outputs)
        state = outputs[own:]
        for i, key in enumerate(written):
            self.outer.write(key, state[2 * i], state[2 * i + 1])
        return list(outputs[:own])


def widened(old: TensorShape, new: TensorShape) -> TensorShape:
    """`old` itself if `new` fits it, else a shape that both fit."""
    if old.rank is None:
        return old
    if new.rank != old.rank:
        return UNKNOWN_SHAPE
    sizes = [a if same(a, b) else fresh() for a, b in zip(old.sizes, new.sizes)]
    if all(a is b for a, b in zip(sizes, old.sizes)):
        return old
    if any(isinstance(a, int) or not str(a).startswith("?") for a, s in zip(old.sizes, sizes)
           if a is not s):
        return TensorShape.of(sizes)
    return old

