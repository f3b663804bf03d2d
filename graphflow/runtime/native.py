"""Running compiled Programs: binding of arrays and sizes, native segments, host steps.

A `NativeExecutable` has the interface of `reference.ReferenceExecutable`. A run is a few native
calls, between which Python handles signals: Ctrl-C takes effect after the segment that is running,
before anything is committed.

What compiled code cannot say in words is repeated by the reference, which raises the error with
op, value and line: sizes that an op refuses, and values that a check found (an index out of
range, an integer division by zero). Nothing was committed before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow.codegen.capabilities import Capabilities
from graphflow.codegen.compile import CACHE, missing_features
from graphflow.codegen.dispatch import dispatcher
from graphflow.codegen.schedule import HostStep, Launch, Schedule, Scheduler
from graphflow.codegen.sizes import Numbers, SizeGuards, concrete, symbols_of
from graphflow.lowering import Host, Region
from graphflow.passes.pipeline import optimise
from graphflow.program import Program, Value, is_effect
from graphflow.reference import ReferenceExecutable, Store
from graphflow.runtime.replay import replay_of
from graphflow.runtime.stages import (
    CannotCompile,
    Plan,
    Stage,
    find_stages,
    learn_numbers,
    make_plan,
)

__all__ = ["CannotCompile", "NativeExecutable"]


class _Refused(Exception):
    """Sizes or values that compiled code must not, or did not, handle."""


class _Run:
    """What one run holds: arrays by value, plans in use, results of effects in order."""

    __slots__ = ("done", "plans", "values")

    def __init__(self, values: dict[Value, Any]) -> None:
        self.values = values
        self.plans: list[tuple[Stage, tuple, Plan]] = []
        self.done: list[list[Any]] = []


class NativeExecutable:
    """A Program compiled for the CPU.

    Args:
      program: what to run.
      tell: is called with what runs by its reference, here and in the bodies of loops.
    Raises CannotCompile where sizes come too late, and on processors that lack vectors.
    """

    def __init__(self, program: Program, tell: Callable[[str], None] = lambda text: None) -> None:
        lacking = missing_features()
        if lacking:
            raise CannotCompile(f"this processor has no {', '.join(lacking)}")
        self.source = program
        self._tell = tell
        self.program = optimise(program)
        self.schedule: Schedule = Scheduler(self.program, Capabilities()).schedule()
        results = (*self.program.outputs, *self.program.writes.values())
        self.stages = find_stages(
            self.schedule, self._measurable(), {self.schedule.root(v) for v in results})
        self.addresses = self._compile()
        self._claims = self._find_claims(results)
        self._initials = {k: v.node.attrs["initial"] for k, v in self.program.reads.items()}
        self._constants = {n.outputs[0]: n.attrs["value"].array for n in self.program.nodes
                           if n.opdef.name == "Const"}
        self._used = {v for n in self.program.nodes for v in n.inputs} | set(results)
        self._guards = SizeGuards(self.source.nodes, self.program.nodes)
        self._reference = ReferenceExecutable(self.program)
        self._bodies: dict[Program, Any] = {}
        self._dispatch = dispatcher()
        for complaint in self.complaints():
            tell(complaint)

    def _measurable(self) -> list[Value]:
        """Leaves whose sizes are found when they are bound: inputs, variables of any shape."""
        variables = [v for v in self.program.reads.values()
                     if v.shape.rank and symbols_of(v.shape.sizes)]
        return [*self.program.inputs, *variables]

    def _compile(self) -> list[int]:
        """Compiles all kernels together; gives their addresses."""
        launches = [[s for s in stage.steps if isinstance(s, Launch)] for stage in self.stages]
        found = CACHE.addresses([s.kernel for group in launches for s in group])
        remaining = iter(found)
        for stage, group in zip(self.stages, launches):
            stage.addresses = [next(remaining) for _ in group]
        return found

    def _find_claims(self, results: Sequence[Value]) -> dict[Value, Value]:
        """Memory that kernels write and a run gives away → the result that it is given as.

        The memory is shaped as that result. Other results in the same memory are copied.
        """
        written = {root for stage in self.stages for root in stage.results}
        claims: dict[Value, Value] = {}
        for value in results:
            root = self.schedule.root(value)
            if root in written:
                claims.setdefault(root, value)
        return claims

    def complaints(self) -> list[str]:
        """What runs by its reference though it is no host step by nature."""
        return [f"{step.node.opdef.name} runs by the NumPy reference, because {step.reason}"
                for step in self.schedule.steps if isinstance(step, HostStep)
                and not isinstance(step.node.opdef.lowering, (Host, Region))]

    def arena_bytes(self) -> int:
        """The bytes of the arenas that are kept for further runs."""
        return sum(plan.arena.nbytes for stage in self.stages for plan in stage.kept())

    # ---- a whole run ------------------------------------------------------------------------

    def run(self, feeds: Sequence[np.ndarray], store: Store) -> list[np.ndarray]:
        """The outputs; commits the writes. See `ReferenceExecutable.run`."""
        if self.program.writes:
            with store.writing():
                return self._run(feeds, store)
        return self._run(feeds, store)

    def _run(self, feeds: Sequence[np.ndarray], store: Store) -> list[np.ndarray]:
        values: dict[Value, Any] = dict(zip(self.program.inputs, map(_readable, feeds)))
        if self._initials:
            current = store.read(self._initials)
            for key, leaf in self.program.reads.items():
                array = current[key]
                if array is None:  # the reference says which op needs it
                    return self._repeated([]).run(feeds, store)
                values[leaf] = array
        for key, flag in self.program.flags.items():
            values[flag] = np.array(store.has(key))
        run = _Run(values)
        try:
            self._execute(run)
            outputs, commits = self._results(run)
        except (_Refused, MemoryError):
            return self._repeated(run.done).run(feeds, store)
        finally:
            self._release(run)
        if commits:
            store.commit(commits)
        return outputs

    def call(self, arguments: Sequence[Any]) -> list[Any]:
        """Runs a region's body."""
        run = _Run(dict(zip(self.program.inputs, map(_readable, arguments))))
        try:
            self._execute(run)
            return self._results(run)[0]
        except (_Refused, MemoryError):
            return self._repeated(run.done).call(arguments)
        finally:
            self._release(run)

    def _repeated(self, done: Sequence[list[Any]]) -> ReferenceExecutable:
        return replay_of(self.source, self.program, done)

    def _release(self, run: _Run) -> None:
        for stage, key, plan in run.plans:
            plan.status[0] = 0
            stage.give_back(key, plan)

    def _results(self, run: _Run) -> tuple[list[Any], list[tuple[str, np.ndarray]]]:
        """The outputs, and what is to be committed; each array has one owner."""
        given: set[Value] = set()

        def own(value: Value) -> Any:
            array = self._array(run, value)
            if self._claims.get(self.schedule.root(value)) is value and value not in given:
                given.add(value)
                return array
            return np.array(array, order="C") if isinstance(array, np.ndarray) else array

        outputs = [own(v) for v in self.program.outputs]
        return outputs, [(key, own(v)) for key, v in self.program.writes.items()]

    # ---- steps ------------------------------------------------------------------------------

    def _execute(self, run: _Run) -> None:
        key: tuple = ()
        numbers: Numbers = {}
        dispatch = self._dispatch
        for position, stage in enumerate(self.stages):
            shapes = tuple([getattr(run.values[v], "shape", None) for v in stage.measured])
            key = (*key, *shapes)
            plan = stage.take(key) or self._plan(stage, numbers, shapes)
            run.plans.append((stage, key, plan))
            values, numbers = run.values, plan.numbers
            for value, shape, dtype in plan.fresh:
                values[value] = new_array(shape, dtype)
            plan.bind(*[id(values[v]) for v in plan.bound])
            for action in plan.actions:
                if type(action) is int:
                    dispatch(action)
                    if plan.status[0]:
                        raise _Refused
                else:
                    self._host_step(run, plan, action)
            if position + 1 < len(self.stages):
                values.update(plan.views)

    def _plan(
        self, stage: Stage, earlier: Numbers, shapes: Sequence[tuple[int, ...] | None]
    ) -> Plan:
        numbers = stage.numbers(earlier, shapes)
        if numbers is None or not self._guards.hold(numbers, frozenset(earlier)):
            raise _Refused
        return make_plan(stage, self.schedule, numbers, self._claims, self._constants)

    def _host_step(self, run: _Run, plan: Plan, step: HostStep) -> None:
        node = step.node
        inputs = [self._array(run, v) for v in node.inputs]
        if isinstance(node.opdef.lowering, Region):
            used = tuple(v in self._used for v in node.outputs)
            outputs = node.opdef.reference(  # type: ignore[misc]  # regions have one
                self._body, used, inputs, node.attrs)
        else:
            outputs = self._reference.compute(node, inputs)
        lent = {id(array) for array in inputs}
        kept = []
        for value, array in zip(node.outputs, outputs):
            if isinstance(array, (np.ndarray, np.generic)):
                array = np.asarray(array)
                if id(array) in lent or array.base is not None:  # it may lie in the arena
                    array = np.array(array, order="C")
                array = _readable(array)
                number = plan.made.get(value)
                if number is not None:
                    plan.objects[number] = id(array)
            run.values[value] = array
            kept.append(array)
        if is_effect(node.opdef, node.attrs):
            run.done.append(kept)

    def _body(self, program: Program) -> Any:
        if program not in self._bodies:
            try:
                self._bodies[program] = NativeExecutable(program, self._tell)
            except CannotCompile as reason:
                self._tell(f"the body of a loop runs by the NumPy reference, because {reason}")
                self._bodies[program] = ReferenceExecutable(program)
        return self._bodies[program].call

    def _array(self, run: _Run, value: Value) -> Any:
        """The array of a value: bound, in an arena, or made by a host step."""
        root = self.schedule.root(value)
        if root in run.values:
            array = run.values[root]
        elif root in self._constants:
            array = self._constants[root]
        else:
            array = next(p.views[root] for _, _, p in run.plans if root in p.views)
        owner = self._claims.get(root, root)  # whose shape the memory has
        if owner is value or not isinstance(array, np.ndarray):
            return array
        shape = run.plans[-1][2].shapes.get(value)
        return array.reshape(self._late_shape(run, value) if shape is None else shape)

    def _late_shape(self, run: _Run, value: Value) -> tuple[int, ...]:
        """A shape that host steps of the stage have decided."""
        numbers = dict(run.plans[-1][2].numbers)
        for found, array in run.values.items():
            if isinstance(array, np.ndarray) and found.shape.rank == array.ndim:
                learn_numbers(numbers, found, array.shape)
        return concrete(value.shape.sizes, numbers)


def new_array(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Memory that a run gives away."""
    return np.empty(shape, dtype)


def _readable(array: Any) -> Any:
    """The array as kernels read it: contiguous and aligned. What is no array stays as it is."""
    if not isinstance(array, np.ndarray):
        return np.asarray(array) if isinstance(array, np.generic) else array
    flags = array.flags
    if flags.c_contiguous and flags.aligned:
        return array
    return np.array(array, order="C")
