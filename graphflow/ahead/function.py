"""Emission of one signature as a C function over its kernels.

    int name(const T *input…, int64_t size…, T *output…, void *workspace, void *state)

Kernels are called with arrays of pointers and of sizes on the stack. Sizes are computed from the
caller's; conditionals and loops are branches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir

from graphflow.ahead.programs import Entry
from graphflow.ahead.workspace import Workspace, bytes_of
from graphflow.codegen.compile import kernel_name
from graphflow.codegen.library import LibraryKernel
from graphflow.codegen.steps import Body, Launch, RegionStep, Schedule
from graphflow.dims import Dim, SymDim, add, mul, product, symbol, symbol_name
from graphflow.dims.size import opaque
from graphflow.loop_ir.nest import Kernel
from graphflow.program import Value

I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
POINTER = I8.as_pointer()
KERNEL = ir.FunctionType(
    ir.VoidType(), [POINTER.as_pointer(), I64.as_pointer(), I64, I64, I64])
ALIGNMENT = 64
C_WORDS = frozenset({
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else",
    "enum", "extern", "float", "for", "goto", "if", "inline", "int", "long", "register",
    "restrict", "return", "short", "signed", "sizeof", "static", "struct", "switch", "typedef",
    "union", "unsigned", "void", "volatile", "while"})
OK, REFUSED, ILLEGAL_SIZES = 0, 1, 2


@dataclass
class Emission:
    """A module that grows, and what its functions share.

    Attributes:
      kernels: the kernels that are called, by name.
      state: variable → its offset in the caller's state.
      values: of the variables that nothing writes.
    """

    module: ir.Module
    state: Mapping[str, int]
    values: Mapping[str, np.ndarray]
    kernels: dict[str, Kernel | LibraryKernel] = field(default_factory=dict)
    _constants: dict[bytes, ir.GlobalVariable] = field(default_factory=dict)

    def kernel(self, kernel: Kernel | LibraryKernel) -> ir.Function:
        """A kernel as a function of the module, which is defined elsewhere."""
        name = kernel_name(kernel)
        if name not in self.kernels:
            self.kernels[name] = kernel
            ir.Function(self.module, KERNEL, name)
        return self.module.get_global(name)

    def constant(self, array: np.ndarray) -> ir.Constant:
        """The address of an array's elements."""
        data = np.ascontiguousarray(array).tobytes() or b"\0" * ALIGNMENT
        found = self._constants.get(data)
        if found is None:
            kind = ir.ArrayType(I8, len(data))
            found = ir.GlobalVariable(self.module, kind, f"constant_{len(self._constants)}")
            found.linkage, found.global_constant, found.align = "internal", True, ALIGNMENT
            found.initializer = ir.Constant(kind, bytearray(data))
            self._constants[data] = found
        return found.bitcast(POINTER)


class Sizes:
    """Sizes as instructions; `known` are the unknowns as values of the function."""

    def __init__(self, b: ir.IRBuilder, known: Mapping[str, Any]) -> None:
        self.b, self.known = b, dict(known)

    def __call__(self, dim: Dim) -> Any:
        """The number that a size is."""
        if not isinstance(dim, SymDim):
            return ir.Constant(I64, int(dim))
        total: Any = None
        for monomial, coefficient in dim.terms:
            term: Any = None if coefficient == 1 and monomial else ir.Constant(I64, coefficient)
            for atom, power in monomial:
                factor = self._atom(atom)
                for _ in range(power):
                    term = factor if term is None else self.b.mul(term, factor)
            total = term if total is None else self.b.add(total, term)
        return ir.Constant(I64, 0) if total is None else total

    def _atom(self, atom: Any) -> Any:
        if isinstance(atom, str):
            return self.known[atom]
        b = self.b
        x, y = (self(d) for d in atom[1:])
        if atom[0] == "floordiv":
            return b.sdiv(x, y)  # sizes are not negative
        if atom[0] == "ceildiv":
            return b.sdiv(b.sub(b.add(x, y), ir.Constant(I64, 1)), y)
        if atom[0] == "broadcast":
            return b.select(b.icmp_signed("==", x, ir.Constant(I64, 1)), y, x)
        return b.select(b.icmp_signed("<" if atom[0] == "min" else ">", x, y), x, y)


@dataclass(slots=True)
class _Frame:
    """One use of a schedule: where its values lie.

    `outer` has the unknowns of a body in terms of the caller's sizes.
    """

    schedule: Schedule
    sizes: Sizes
    memory: dict[Value, Any]
    outer: Mapping[str, Dim] = field(default_factory=dict)


class FunctionEmitter:
    """Writes the functions of one entry."""

    def __init__(self, emission: Emission, entry: Entry, name: str) -> None:
        self.emission, self.entry, self.name = emission, entry, name
        self.module = emission.module
        self.workspace = Workspace()

    def emit(self) -> None:
        """The function itself, then those that tell sizes, which need its workspace."""
        entry, schedule = self.entry, self.entry.schedule
        stateful = bool(self.emission.state)
        kinds = ([POINTER] * len(entry.inputs) + [I64] * len(entry.sizes)
                 + [POINTER] * (len(entry.outputs) + 1 + stateful))
        function = ir.Function(self.module, ir.FunctionType(I32, kinds), self.name)
        arguments = list(function.args)
        inputs = arguments[:len(entry.inputs)]
        given = arguments[len(inputs):len(inputs) + len(entry.sizes)]
        outputs = arguments[len(inputs) + len(given):][:len(entry.outputs)]
        self.base = arguments[len(inputs) + len(given) + len(outputs)]
        self.b = b = ir.IRBuilder(function.append_basic_block("entry"))
        sizes = Sizes(b, {name: value for (name, _), value in zip(entry.sizes, given)})
        self._check_sizes(sizes)
        memory = {v: pointer for (_, v), pointer in zip(entry.inputs, inputs)}
        for key, leaf in entry.program.reads.items():
            memory[leaf] = (b.gep(arguments[-1], [ir.Constant(I64, self.emission.state[key])])
                            if key in self.emission.state
                            else self.emission.constant(self.emission.values[key]))
        self.status = b.alloca(I64)
        b.store(ir.Constant(I64, 0), self.status)
        if schedule.status is not None:
            memory[schedule.status] = b.bitcast(self.status, POINTER)
        self._give(memory, outputs)
        results = {schedule.root(v)
                   for v in (*entry.program.outputs, *entry.program.writes.values())}
        for root, place in self.workspace.plan(schedule, set(memory), results).items():
            memory[root] = self._at(place)
        self.top = _Frame(schedule, sizes, memory)
        for step in schedule.steps:
            self._step(self.top, step)
        self._finish(sizes, outputs, arguments[-1] if stateful else None)
        self._emit_sizes()

    def _check_sizes(self, sizes: Sizes) -> None:
        b = self.b
        legal: Any = ir.Constant(ir.IntType(1), 1)
        for value in sizes.known.values():
            legal = b.and_(legal, b.icmp_signed(">=", value, ir.Constant(I64, 0)))
        for x, y, equal in self.entry.guards:
            legal = b.and_(legal, b.icmp_signed("==" if equal else "!=", sizes(x), sizes(y)))
        with b.if_then(b.not_(legal), likely=False):
            b.ret(ir.Constant(I32, ILLEGAL_SIZES))

    def _give(self, memory: dict[Value, Any], outputs: Sequence[Any]) -> None:
        """Lets kernels write to the caller's memory at once, where an output is theirs alone."""
        schedule = self.entry.schedule
        written = {root for step in schedule.steps for root, w in schedule.touches(step) if w}
        for (_, value), pointer in zip(self.entry.outputs, outputs):
            root = schedule.root(value)
            if root in written and root not in memory and root not in schedule.room:
                memory[root] = pointer

    def _finish(self, sizes: Sizes, outputs: Sequence[Any], state: Any) -> None:
        """Copies what is not in its place yet, unless a check has found a bad value."""
        b = self.b
        refused = b.icmp_signed("!=", b.load(self.status), ir.Constant(I64, 0))
        with b.if_then(refused, likely=False):
            b.ret(ir.Constant(I32, REFUSED))
        for (_, value), pointer in zip(self.entry.outputs, outputs):
            source = self._memory(self.top, value)
            if source is not pointer:
                self._move(pointer, source, self._bytes(sizes, value))
        for key, value in self.entry.program.writes.items():
            target = b.gep(state, [ir.Constant(I64, self.emission.state[key])])
            self._move(target, self._memory(self.top, value), self._bytes(sizes, value))
        b.ret(ir.Constant(I32, OK))

    # ---- memory -----------------------------------------------------------------------------

    def _bytes(self, sizes: Sizes, value: Value) -> Any:
        return sizes(product([*value.shape.sizes, value.dtype.size]))

    def _move(self, target: Any, source: Any, size: Any) -> None:
        move = self.module.declare_intrinsic("llvm.memmove", [POINTER, POINTER, I64])
        self.b.call(move, [target, source, size, ir.Constant(ir.IntType(1), 0)])

    def _at(self, place: int) -> Any:
        """The address of a place in the workspace: the offsets are filled in at the end."""
        offset = self.b.call(self._offset(place), [
            self.top_sizes()[name] for name, _ in self.entry.sizes])
        start = self.b.add(self.b.ptrtoint(self.base, I64), ir.Constant(I64, ALIGNMENT - 1))
        aligned = self.b.and_(start, ir.Constant(I64, -ALIGNMENT))
        return self.b.inttoptr(self.b.add(aligned, offset), POINTER)

    def top_sizes(self) -> Mapping[str, Any]:
        """The caller's sizes."""
        count = len(self.entry.inputs)
        given = self.b.function.args[count:count + len(self.entry.sizes)]
        return {name: value for (name, _), value in zip(self.entry.sizes, given)}

    def _offset(self, place: int) -> ir.Function:
        name = f"{self.name}.offset.{place}"
        found = self.module.globals.get(name)
        if found is None:
            found = ir.Function(
                self.module, ir.FunctionType(I64, [I64] * len(self.entry.sizes)), name)
            found.linkage = "internal"
            found.attributes.add("alwaysinline")
        return found

    def _memory(self, frame: _Frame, value: Value) -> Any:
        """The address of a value's elements."""
        root = frame.schedule.root(value)
        found = frame.memory.get(root)
        if found is None:
            if root.node.opdef.name == "Const":
                found = self.emission.constant(root.node.attrs["value"].array)
            else:
                size = bytes_of(frame.schedule, root)
                found = self._at(self.workspace.place(_substituted(size, frame.outer)))
            frame.memory[root] = found
        return found

    # ---- steps ------------------------------------------------------------------------------

    def _step(self, frame: _Frame, step: Any) -> None:
        if isinstance(step, Launch):
            self._launch(frame, step)
        elif step.node.opdef.name == "If":
            self._conditional(frame, step)
        else:
            self._loop(frame, step)

    def _launch(self, frame: _Frame, step: Launch) -> None:
        b = self.b
        pointers = [self._memory(frame, v) for v in step.buffers]
        pointers += [ir.Constant(POINTER, None) for p in step.kernel.buffers if p.private]
        numbers = [frame.sizes(d) for d in step.sizes]
        with b.goto_entry_block():
            buffers = b.alloca(ir.ArrayType(POINTER, max(len(pointers), 1)))
            sizes = b.alloca(ir.ArrayType(I64, max(len(numbers), 1)))
        zero = ir.Constant(I32, 0)
        for block, values in ((buffers, pointers), (sizes, numbers)):
            for k, value in enumerate(values):
                b.store(value, b.gep(block, [zero, ir.Constant(I32, k)]))
        b.call(self.emission.kernel(step.kernel), [
            b.bitcast(buffers, POINTER.as_pointer()), b.bitcast(sizes, I64.as_pointer()),
            ir.Constant(I64, 0), ir.Constant(I64, 1), ir.Constant(I64, 0)])

    def _inner(
        self, body: Body, frame: _Frame, arguments: Sequence[Value], memories: Sequence[Any]
    ) -> _Frame:
        """The frame of a body that is called with `arguments`, which lie in `memories`."""
        known, names = dict(frame.sizes.known), dict(frame.outer)
        for inner, argument in zip(body.program.inputs, arguments):
            for dim, size in zip(inner.shape.sizes if inner.shape.rank else (),
                                 argument.shape.sizes if inner.shape.rank else ()):
                name = symbol_name(dim) if isinstance(dim, SymDim) else ""
                if name and name not in known:
                    known[name] = frame.sizes(size)
                    names[name] = _substituted(size, names)
        return _Frame(body.schedule, Sizes(self.b, known),
                      dict(zip(body.program.inputs, memories)), names)

    def _run(self, body: Body, inner: _Frame) -> None:
        for step in body.schedule.steps:
            self._step(inner, step)

    def _truth(self, address: Any) -> Any:
        return self.b.icmp_unsigned("!=", self.b.load(address), ir.Constant(I8, 0))

    def _conditional(self, frame: _Frame, step: RegionStep) -> None:
        node, b = step.node, self.b
        arguments = node.inputs[node.attrs["lead"]:]
        memories = [self._memory(frame, v) for v in arguments]
        used = [v for v, taken in zip(node.outputs, step.used) if taken]
        targets = {v: self._memory(frame, v) for v in used}
        with b.if_else(self._truth(self._memory(frame, node.inputs[0]))) as branches:
            for branch, name in zip(branches, ("then", "orelse")):
                with branch:
                    body = step.bodies[name]
                    inner = self._inner(body, frame, arguments, memories)
                    self._run(body, inner)
                    for value, place in zip(body.program.outputs, _places(node, name)):
                        output = node.outputs[place]
                        if output in targets:
                            self._move(targets[output], self._memory(inner, value),
                                       self._bytes(frame.sizes, output))

    def _loop(self, frame: _Frame, step: RegionStep) -> None:
        node, attrs, b = step.node, step.node.attrs, self.b
        count, saved = attrs["loop_vars"], attrs["saved"]
        memories = [self._memory(frame, v) for v in node.inputs]
        finals = [*node.outputs[:count], *node.outputs[2 * count + 1 + saved:]]
        state, extents = [], []
        for position, output in zip(attrs["carried"], finals):
            extent = self._bytes(frame.sizes, node.inputs[position])
            own = self._memory(frame, output)
            self._move(own, memories[position], extent)
            memories[position] = own
            state.append(own)
            extents.append(extent)
        trips = self._at(self.workspace.place(8))
        trips_word = b.bitcast(trips, I64.as_pointer())
        b.store(ir.Constant(I64, 0), trips_word)
        if attrs["iteration"] is not None:
            memories[attrs["iteration"]] = trips
        head, turn, end = (b.append_basic_block() for _ in range(3))
        inner = {name: self._inner(body, frame, node.inputs, memories)
                 for name, body in step.bodies.items()}
        body = step.bodies["body"].program
        results = [*body.outputs[:count], *body.outputs[count + saved:]]
        fresh = [self._at(self.workspace.place(_substituted(product(
            [*node.inputs[p].shape.sizes, node.inputs[p].dtype.size]), frame.outer)))
            for p in attrs["carried"]]
        b.branch(head)
        b.position_at_end(head)
        self._run(step.bodies["condition"], inner["condition"])
        holds = self._truth(self._memory(
            inner["condition"], step.bodies["condition"].program.outputs[0]))
        b.cbranch(holds, turn, end)
        b.position_at_end(turn)
        self._run(step.bodies["body"], inner["body"])
        for to, value, extent in zip(fresh, results, extents):  # all at once: some are swapped
            self._move(to, self._memory(inner["body"], value), extent)
        for to, source, extent in zip(state, fresh, extents):
            self._move(to, source, extent)
        b.store(b.add(b.load(trips_word), ir.Constant(I64, 1)), trips_word)
        b.branch(head)
        b.position_at_end(end)
        if step.used[count]:
            self._move(self._memory(frame, node.outputs[count]), trips, ir.Constant(I64, 8))

    # ---- sizes ------------------------------------------------------------------------------

    def _emit_sizes(self) -> None:
        """Offsets of places, the bytes of the workspace, those of inputs and outputs."""
        places = self.workspace.sizes
        for number in range(len(places)):
            found = self.module.globals.get(f"{self.name}.offset.{number}")
            if found is not None:
                self._size_function(found, partial(self._total, places=places[:number]))
        self._size_function(
            None, lambda s: s.b.add(self._total(s, places), ir.Constant(I64, ALIGNMENT)),
            f"{self.name}_workspace_bytes")
        for name, value in named_arguments(self.entry):
            self._size_function(
                None, partial(self._bytes, value=value), f"{self.name}_{name}_bytes")

    def _total(self, sizes: Sizes, places: Sequence[Dim]) -> Any:
        b, total = sizes.b, ir.Constant(I64, 0)
        for size in places:
            rounded = b.and_(b.add(sizes(size), ir.Constant(I64, ALIGNMENT - 1)),
                             ir.Constant(I64, -ALIGNMENT))
            total = b.add(total, rounded)
        return total

    def _size_function(
        self, function: ir.Function | None, result: Callable[[Sizes], Any], name: str = ""
    ) -> None:
        """Writes a function of the caller's sizes."""
        if function is None:
            kind = ir.FunctionType(I64, [I64] * len(self.entry.sizes))
            function = ir.Function(self.module, kind, name)
        b = ir.IRBuilder(function.append_basic_block("entry"))
        known = {n: v for (n, _), v in zip(self.entry.sizes, function.args)}
        b.ret(result(Sizes(b, known)))


def identifier(name: str) -> str:
    """A name as C takes it."""
    found = re.sub(r"\W", "_", name, flags=re.ASCII)
    return f"_{found}" if not found or found[0].isdigit() or found in C_WORDS else found


def named_arguments(entry: Entry) -> list[tuple[str, Value]]:
    """Inputs, then outputs, by distinct names in C."""
    taken = {"workspace", "state", *(c for _, c in entry.sizes)}
    named: list[tuple[str, Value]] = []
    for name, value in (*entry.inputs, *entry.outputs):
        found = identifier(name)
        while found in taken:
            found += "_out" if len(named) >= len(entry.inputs) else "_"
        taken.add(found)
        named.append((found, value))
    return named


def _places(node: Any, name: str) -> list[int]:
    """The numbers of the node's outputs that a branch computes, in its order."""
    results, saved = node.attrs["results"], node.attrs["saved"]
    own = saved[0] if name == "then" else saved[1]
    skipped = 0 if name == "then" else saved[0]
    return [*range(results), *range(results + skipped, results + skipped + own),
            *range(results + sum(saved), len(node.outputs))]


def _substituted(size: Dim, names: Mapping[str, Dim]) -> Dim:
    """A size with other sizes for some of its unknowns."""
    if not isinstance(size, SymDim) or not names:
        return size
    total: Dim = 0
    for monomial, coefficient in size.terms:
        term: Dim = coefficient
        for atom, power in monomial:
            factor: Dim = (names.get(atom, symbol(atom)) if isinstance(atom, str) else opaque(
                atom[0], *(_substituted(d, names) for d in atom[1:])))
            for _ in range(power):
                term = mul(term, factor)
        total = add(total, term)
    return total
