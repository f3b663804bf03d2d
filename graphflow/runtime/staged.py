"""Running Programs stage by stage: what the executors of the CPU and of a GPU share.

A run goes through the stages (`runtime/stages.py`): for each, a plan for the sizes at hand is
taken or made, what it reads is bound, and its rows are walked. What a plan is, and how its rows
run, is the executor's own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from graphflow.codegen.sizes import Numbers, SizeGuards, concrete, symbols_of
from graphflow.codegen.steps import HostStep, Schedule
from graphflow.lowering import Host, Region
from graphflow.program import Node, Program, Value
from graphflow.reference import ReferenceExecutable
from graphflow.runtime.direct import is_direct
from graphflow.runtime.interludes import Run
from graphflow.runtime.plan import IllegalSizes, VariableUpdate
from graphflow.runtime.replay import replay_of
from graphflow.runtime.stages import Stage, find_stages, learn_numbers


class Refused(Exception):
    """Sizes or values that compiled code must not, or did not, handle."""


class StagedExecutable:
    """A compiled Program; who derives from it says where it runs.

    Args:
      source: what to run, as it was frozen.
      program: the same, optimised.
      schedule: of `program`.
      tell: is called with what runs by its reference.

    Attributes:
      arrays: the types of what values are in a run.
      stages: of the schedule.
      direct: whether a run is one native call.
      in_python: whether something of it runs in Python.
    """

    arrays: tuple[Any, ...] = (np.ndarray,)

    def __init__(
        self, source: Program, program: Program, schedule: Schedule,
        tell: Callable[[str], None],
    ) -> None:
        self.source, self.program, self.schedule = source, program, schedule
        results = (*self.program.outputs, *self.program.writes.values())
        self.stages = find_stages(
            self.schedule, self._measurable(), {self.schedule.root(v) for v in results})
        self._compile()
        self._claims = self._find_claims(results)
        self._updates = self._find_updates(results)
        self._initials = {k: v.node.attrs["initial"] for k, v in self.program.reads.items()}
        self._constants = {n.outputs[0]: n.attrs["value"].array for n in self.program.nodes
                           if n.opdef.name == "Const"}
        self._used = {v for n in self.program.nodes for v in n.inputs} | set(results)
        self._counted = self._used & self.schedule.room.keys()
        self._guards = SizeGuards(self.source.nodes, self.program.nodes)
        self._reference = ReferenceExecutable(self.program)
        self._bodies: dict[Program, Any] = {}
        self.direct = is_direct(self.program, self.schedule, self.stages)
        self._state_keys = list(self.program.reads)
        self._measured_at = [self.program.inputs.index(v) for v in self.stages[0].measured
                             ] if self.direct else []
        self.in_python = any(isinstance(s, HostStep) for s in self.schedule.steps)
        for complaint in self.complaints():
            tell(complaint)

    def _measurable(self) -> list[Value]:
        """Leaves whose sizes are found when they are bound: inputs, variables of any shape."""
        variables = [v for v in self.program.reads.values()
                     if v.shape.rank and symbols_of(v.shape.sizes)]
        return [*self.program.inputs, *variables]

    def _find_claims(self, results: Sequence[Value]) -> dict[Value, Value]:
        """Memory that kernels write and a run gives away → the result that it is given as.

        The memory is shaped as that result. Other results in the same memory are copied.
        """
        written = {root: stage for stage in self.stages for root in stage.results}
        claims: dict[Value, Value] = {}
        for value in results:
            root = self.schedule.root(value)
            if root not in written or (value is not root and root in self.schedule.room):
                continue
            known = symbols_of(value.shape.sizes) <= written[root].known
            claims.setdefault(root, value if known else root)
        return claims

    def _find_updates(self, results: Sequence[Value]) -> list[VariableUpdate]:
        """The variables whose old value no result is, in a program of one stage.

        None in a program that may wait for other runs, which can read them meanwhile.
        """
        if len(self.stages) > 1 or any(
                isinstance(s, HostStep) and getattr(s.node.opdef.lowering, "waits", False)
                for s in self.schedule.steps):
            return []
        given = {self.schedule.root(v) for v in results}
        updates: dict[Value, VariableUpdate] = {}
        for key, value in self.program.writes.items():
            old, new = self.program.reads.get(key), self.schedule.root(value)
            if old is not None and old not in given and new.shape == value.shape:
                updates.setdefault(new, (key, new, old))
        return list(updates.values())

    def complaints(self) -> list[str]:
        """What runs by its reference though it is no host step by nature."""
        return [f"{step.node.opdef.name} runs by the NumPy reference, because {step.reason}"
                for step in self.schedule.steps if isinstance(step, HostStep)
                and not isinstance(step.node.opdef.lowering, (Host, Region))
                and not any(v.dtype.is_string for v in (*step.node.inputs, *step.node.outputs))]

    # ---- for who derives from it ------------------------------------------------------------

    def _compile(self) -> None:
        """Gives all launches their addresses."""
        raise NotImplementedError

    def _planned(self, stage: Stage, numbers: Numbers) -> Any:
        """A new plan of a stage. Raises IllegalSizes."""
        raise NotImplementedError

    def _begin(self, run: Run, plan: Any) -> None:
        """Binds what the plan's rows read and write."""
        raise NotImplementedError

    def _walk(self, run: Run, plan: Any) -> None:
        """Runs the plan's rows. Raises Refused."""
        raise NotImplementedError

    def _end(self, run: Run, plan: Any) -> None:
        """What is to be done behind the rows."""

    def _kept(self, stage: Stage) -> Collection[Value]:
        """What later stages read in the plan's arena, if it has no array of its own."""
        return stage.kept

    def _compiled_body(self, program: Program) -> Any:
        """The executable of a region's body that Python drives."""
        raise NotImplementedError

    # ---- a run ------------------------------------------------------------------------------

    def _execute(self, run: Run) -> None:
        key: tuple = ()
        numbers: Numbers = {}
        for position, stage in enumerate(self.stages):
            values = run.values
            shapes = tuple([
                run.shapes[v] if v in run.shapes else getattr(values.get(v), "shape", None)
                for v in stage.measured])
            key = (*key, *shapes)
            plan = stage.take(key) or self._plan(stage, numbers, shapes)
            run.plans.append((stage, key, plan))
            numbers = plan.numbers
            self._begin(run, plan)
            self._walk(run, plan)
            run.changed |= bool(plan.in_place)
            self._end(run, plan)
            if position + 1 < len(self.stages):
                for value in self._kept(stage):
                    if value not in values:
                        values[value] = plan.view(value)

    def _plan(
        self, stage: Stage, earlier: Numbers, shapes: Sequence[tuple[int, ...] | None]
    ) -> Any:
        numbers = stage.numbers(earlier, shapes)
        if numbers is None or not self._guards.hold(numbers, frozenset(earlier)):
            raise Refused
        try:
            return self._planned(stage, numbers)
        except IllegalSizes:
            raise Refused from None

    def _computed(self, node: Node, inputs: list[Any]) -> Sequence[Any]:
        """The outputs of a step in Python, by the node's reference."""
        if isinstance(node.opdef.lowering, Region):
            used = tuple(v in self._used for v in node.outputs)
            outputs: Sequence[Any] = node.opdef.reference(  # type: ignore[misc]  # regions have one
                self._body, used, inputs, node.attrs)
            return outputs
        return self._reference.compute(node, inputs)

    def _body(self, program: Program) -> Any:
        if program not in self._bodies:
            self._bodies[program] = self._compiled_body(program)
        return self._bodies[program].call

    def _repeated(self, done: Sequence[list[Any]]) -> ReferenceExecutable:
        return replay_of(self.source, self.program, done)

    def _array(self, run: Run, value: Value) -> Any:
        """The array of a value: bound, in an arena, or made by a host step."""
        root = self.schedule.root(value)
        array: Any
        if root in run.values:
            array = run.values[root]
        elif root in self._constants:
            array = self._constants[root]
        else:
            array = next(p.view(root) for _, _, p in run.plans if root in p.placed)
        owner = self._claims.get(root, root)  # whose shape the memory has
        if owner is value or not isinstance(array, self.arrays):
            return array
        shape = run.shapes.get(value) or run.plans[-1][2].shapes.get(value)
        return array.reshape(self._late_shape(run, value) if shape is None else shape)

    def _late_shape(self, run: Run, value: Value) -> tuple[int, ...]:
        """A shape that host steps of the stage have decided."""
        numbers = dict(run.plans[-1][2].numbers)
        for found, shape in run.shapes.items():
            learn_numbers(numbers, found, shape)
        for found, array in run.values.items():
            if isinstance(array, np.ndarray) and found.shape.rank == array.ndim:
                learn_numbers(numbers, found, array.shape)
        return concrete(value.shape.sizes, numbers)


def take_variables(run: Run, plan: Any) -> None:
    """The arrays of the variables that a plan changes in place, held by nobody else."""
    for _, _, old in plan.in_place:
        run.values[old] = None
    assert run.store is not None  # bodies change no variables
    arrays = run.store.lend([key for key, _, _ in plan.in_place], range(len(plan.in_place)))
    assert arrays is not None  # the run has read them, and it alone is writing
    for (_, new, old), array in zip(plan.in_place, arrays):
        run.values[old] = run.values[new] = array
