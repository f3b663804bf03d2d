"""Running compiled Programs: binding of pointers and sizes, native segments, host steps.

A `NativeExecutable` has the interface of `reference.ReferenceExecutable`. A plan, made once per
set of sizes, holds the arena, the table of kernel calls and the places where pointers of feeds,
variables and outputs are put before each run. When a kernel reports a bad value (an index out of
range), the run is repeated by the reference, which words the error; nothing was committed yet.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphflow.codegen.capabilities import Capabilities
from graphflow.codegen.compile import CACHE
from graphflow.codegen.dispatch import dispatcher
from graphflow.codegen.memory import Lifetime, place
from graphflow.codegen.schedule import HostStep, Launch, Schedule, Scheduler
from graphflow.dims import SymDim, evaluate_dim
from graphflow.lowering import Host, Region
from graphflow.passes.pipeline import optimise
from graphflow.program import Program, Value
from graphflow.reference import ReferenceExecutable, Store


class CannotCompile(Exception):
    """The program has sizes that are not known before it runs."""


@dataclass(slots=True)
class _Segment:
    """Consecutive kernel calls: rows `first` to `first + count` of the table."""

    first: int
    count: int


@dataclass(slots=True)
class _Plan:
    """Everything that depends on sizes."""

    arena: np.ndarray
    pointers: np.ndarray
    sizes: np.ndarray
    buffer_at: np.ndarray
    size_at: np.ndarray
    kernels: np.ndarray
    patches: dict[Value, np.ndarray]
    shapes: dict[Value, tuple[int, ...]]
    views: dict[Value, np.ndarray]
    fresh: list[Value]
    lock: threading.Lock = field(default_factory=threading.Lock)


class NativeExecutable:
    """A Program compiled for the CPU."""

    def __init__(self, program: Program) -> None:
        self.source = program
        self.program = optimise(program)
        self.schedule: Schedule = Scheduler(self.program, Capabilities()).schedule()
        self._check_sizes()
        launches = [s for s in self.schedule.steps if isinstance(s, Launch)]
        self.addresses = CACHE.addresses([s.kernel for s in launches])
        self._reference: ReferenceExecutable | None = None
        self._values = ReferenceExecutable(self.program)
        self._bodies: dict[Program, Any] = {}
        self._plans: dict[tuple[int, ...], _Plan] = {}
        self._symbols = self._find_symbols()

    def complaints(self) -> list[str]:
        """What runs by its reference though it is no host step by nature."""
        return [f"{step.node.opdef.name} runs by the NumPy reference, because {step.reason}"
                for step in self.schedule.steps if isinstance(step, HostStep)
                and not isinstance(step.node.opdef.lowering, (Host, Region))]

    # ---- what is known of sizes -------------------------------------------------------------

    def _check_sizes(self) -> None:
        known = {str(d) for v in self._external() if v.shape.rank is not None
                 for d in v.shape.sizes if isinstance(d, SymDim)}
        for value in self.schedule.stored:
            if value.shape.rank is None:
                raise CannotCompile(f"{value!r} has no known rank")
            for dim in value.shape.sizes:
                if isinstance(dim, SymDim) and not _atoms(dim) <= known:
                    raise CannotCompile(f"{value!r} has a size that is not known before the run")

    def _external(self) -> list[Value]:
        return list(self.program.inputs)

    def _find_symbols(self) -> list[tuple[int, int, str]]:
        """(input, axis, symbol) for each unknown size of the inputs."""
        return [(i, axis, str(dim)) for i, value in enumerate(self.program.inputs)
                for axis, dim in enumerate(value.shape.sizes) if isinstance(dim, SymDim)]

    # ---- planning ---------------------------------------------------------------------------

    def _plan_for(self, arrays: Sequence[Any]) -> _Plan:
        key = tuple(np.shape(arrays[i])[axis] for i, axis, _ in self._symbols)
        plan = self._plans.get(key)
        if plan is None:
            sizes = {name: n for (_, _, name), n in zip(self._symbols, key)}
            plan = self._plans[key] = self._make_plan(sizes)
        return plan

    def root(self, value: Value) -> Value:
        """The value whose memory this one has."""
        return self.schedule.aliases.get(value, value)

    def _make_plan(self, symbols: dict[str, int]) -> _Plan:
        def shape_of(value: Value) -> tuple[int, ...]:
            sizes = self.schedule.scratch.get(value, value.shape.sizes)
            return tuple(evaluate_dim(d, symbols) for d in sizes)

        shapes = {v: shape_of(v) for v in self.schedule.stored}
        results = {self.root(v) for v in (*self.program.outputs, *self.program.writes.values())}
        written, lives = self._lifetimes()
        inside = [v for v in written if v not in results]
        fresh = [v for v in written if v in results]
        for v in written:
            shapes.setdefault(v, shape_of(v))
        offsets, total = place([
            Lifetime(_bytes(v, shapes[v]), *lives[v]) for v in inside])
        arena = _aligned_bytes(total)
        views = {v: arena[o:o + _bytes(v, shapes[v])].view(v.dtype.numpy).reshape(shapes[v])
                 for v, o in zip(inside, offsets)}
        pointers, patches, buffer_at, size_at, sizes = [], {}, [], [], []
        for step in self.schedule.steps:
            if not isinstance(step, Launch):
                continue
            buffer_at.append(len(pointers))
            size_at.append(len(sizes))
            for value in step.buffers:
                root = self.root(value)
                if root in views:
                    pointers.append(views[root].ctypes.data)
                else:
                    patches.setdefault(root, []).append(len(pointers))
                    pointers.append(0)
            sizes.extend(evaluate_dim(d, symbols) for d in step.sizes)
        return _Plan(
            arena, np.array(pointers, np.uint64), np.array(sizes or [0], np.int64),
            np.array(buffer_at, np.int64), np.array(size_at, np.int64),
            np.array(self.addresses, np.uint64),
            {v: np.array(p) for v, p in patches.items()}, shapes, views, fresh)

    def _lifetimes(self) -> tuple[list[Value], dict[Value, tuple[int, int]]]:
        """Values that kernels write, and the first and last step that touches each."""
        lives: dict[Value, tuple[int, int]] = {}
        written: dict[Value, None] = {}
        for number, step in enumerate(self.schedule.steps):
            if isinstance(step, Launch):
                touched = list(step.buffers)
                written.update(
                    (self.root(v), None) for v, p in zip(step.buffers, step.kernel.buffers)
                    if p.written)
            else:
                touched = [v for v in step.node.inputs if v in self.schedule.stored]
            for value in map(self.root, touched):
                first, _ = lives.get(value, (number, number))
                lives[value] = (first, number)
        return list(written), lives

    # ---- running ----------------------------------------------------------------------------

    def run(self, feeds: Sequence[np.ndarray], store: Store) -> list[np.ndarray]:
        """The outputs; commits the writes. See `ReferenceExecutable.run`."""
        if self.program.writes:
            with store.writing():
                return self._run(feeds, store)
        return self._run(feeds, store)

    def _run(self, feeds: Sequence[np.ndarray], store: Store) -> list[np.ndarray]:
        known: dict[Value, Any] = {}
        for key, leaf in self.program.reads.items():
            value = store.get(key, leaf.node.attrs["initial"])
            if value is None:
                return self._by_reference(feeds, store)
            known[leaf] = value
        for key, flag in self.program.flags.items():
            known[flag] = np.array(store.has(key))
        known.update(zip(self.program.inputs, map(_contiguous, feeds)))
        plan = self._plan_for(feeds)
        with plan.lock:
            values = self._execute(plan, known)
            outputs = [self._output(plan, values, v) for v in self.program.outputs]
            lent = {id(o) for o in outputs}
            commits = []
            for key, value in self.program.writes.items():
                array = self._value(plan, values, value)
                if self.root(value) not in plan.fresh or id(array) in lent or (
                    array.base is not None
                ):
                    array = np.array(array, order="C")
                lent.add(id(array))
                commits.append((key, array))
            store.commit(commits)
        return outputs

    def call(self, arguments: Sequence[Any]) -> list[Any]:
        """Runs a region's body."""
        known = dict(zip(self.program.inputs, map(_contiguous, arguments)))
        plan = self._plan_for(arguments)
        with plan.lock:
            values = self._execute(plan, known)
            return [self._output(plan, values, v) for v in self.program.outputs]

    def _by_reference(self, feeds: Sequence[np.ndarray], store: Store) -> list[np.ndarray]:
        if self._reference is None:
            self._reference = ReferenceExecutable(self.source)
        return self._reference.run(feeds, store)

    def _execute(self, plan: _Plan, known: dict[Value, Any]) -> dict[Value, Any]:
        values = known
        for node in self.program.nodes:
            if node.opdef.name == "Const":
                values[node.outputs[0]] = node.attrs["value"].array
        for value in plan.fresh:
            values[value] = np.empty(plan.shapes[value], value.dtype.numpy)
        for value, array in list(values.items()):
            self._bind(plan, value, array)
        run = dispatcher()
        row = 0
        pending = 0
        for step in self.schedule.steps:
            if isinstance(step, Launch):
                pending += 1
                continue
            self._call(run, plan, row, pending)
            row, pending = row + pending, 0
            self._host_step(plan, step, values)
        self._call(run, plan, row, pending)
        return values

    def _bind(self, plan: _Plan, value: Value, array: Any) -> None:
        places = plan.patches.get(value)
        if places is not None:
            plan.pointers[places] = array.ctypes.data

    def _call(self, run: Any, plan: _Plan, first: int, count: int) -> None:
        if count:
            run(count, plan.kernels.ctypes.data + 8 * first,
                plan.buffer_at.ctypes.data + 8 * first, plan.size_at.ctypes.data + 8 * first,
                plan.pointers.ctypes.data, plan.sizes.ctypes.data)

    def _host_step(self, plan: _Plan, step: HostStep, values: dict[Value, Any]) -> None:
        node = step.node
        inputs = [self._value(plan, values, v) for v in node.inputs]
        if isinstance(node.opdef.lowering, Region):
            used = tuple(bool(self._values_used(v)) for v in node.outputs)
            outputs = node.opdef.reference(self._body, used, inputs, node.attrs)  # type: ignore[misc]
        else:
            outputs = self._values.compute(node, inputs)
        for value, array in zip(node.outputs, outputs):
            values[value] = _contiguous(array)
            self._bind(plan, value, values[value])

    def _values_used(self, value: Value) -> bool:
        return value in self.program.outputs or value in self.program.writes.values() or any(
            value in n.inputs for n in self.program.nodes)

    def _body(self, program: Program) -> Any:
        if program not in self._bodies:
            try:
                self._bodies[program] = NativeExecutable(program)
            except CannotCompile:
                self._bodies[program] = ReferenceExecutable(program)
        return self._bodies[program].call

    def _value(self, plan: _Plan, values: dict[Value, Any], value: Value) -> Any:
        """The array of a value: in the arena, bound, or made by a host step."""
        if value in values:
            return values[value]
        root = self.root(value)
        array = plan.views[root] if root in plan.views else values[root]
        return array if root is value else array.reshape(plan.shapes[value])

    def _output(self, plan: _Plan, values: dict[Value, Any], value: Value) -> np.ndarray:
        array = self._value(plan, values, value)
        if value in plan.fresh:
            return array
        return np.array(array, order="C") if isinstance(array, np.ndarray) else array


def _atoms(dim: SymDim) -> set[str]:
    found: set[str] = set()
    for monomial, _ in dim.terms:
        for atom, _ in monomial:
            if isinstance(atom, str):
                found.add(atom)
            else:
                for part in atom[1:]:
                    if isinstance(part, SymDim):
                        found |= _atoms(part)
    return found


def _bytes(value: Value, shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64)) * value.dtype.size


def _aligned_bytes(size: int) -> np.ndarray:
    raw = np.empty(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start:start + size]


def _contiguous(array: Any) -> Any:
    return np.ascontiguousarray(array) if isinstance(array, np.ndarray) and array.ndim else array
