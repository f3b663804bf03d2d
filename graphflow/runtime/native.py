"""Running compiled Programs: binding of arrays and sizes, native segments, host steps.

A `NativeExecutable` has the interface of `reference.ReferenceExecutable`. A run is a few native
calls, between which Python handles signals: Ctrl-C takes effect after the segment that is running,
before anything is committed.

What compiled code cannot say in words is repeated by the reference, which raises the error with
op, value and line: sizes that an op refuses, and values that a check found (an index out of
range, an integer division by zero). Nothing was committed before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from graphflow.codegen.compile import CACHE, missing_features
from graphflow.codegen.dispatch import dispatcher
from graphflow.codegen.sizes import Numbers, SizeGuards, concrete, symbols_of
from graphflow.codegen.steps import (
    CountStep,
    HostStep,
    Launch,
    MeasureStep,
    Schedule,
    Update,
)
from graphflow.errors import ResourceExhaustedError
from graphflow.lowering import Host, Region
from graphflow.program import Program, Value, is_effect
from graphflow.reference import ReferenceExecutable, Store
from graphflow.runtime.direct import Recipe, is_direct, recipe_of
from graphflow.runtime.interludes import (
    Run,
    begin_histories,
    count,
    end_histories,
    grow,
    measure,
)
from graphflow.runtime.plan import BUDGET, IllegalSizes, Plan, VariableUpdate
from graphflow.runtime.plans import make_plan
from graphflow.runtime.prepared import prepare
from graphflow.runtime.replay import replay_of
from graphflow.runtime.results import new_array
from graphflow.runtime.specialise import SpecialisedExecutable, exact, obstacles
from graphflow.runtime.stages import CannotCompile, Stage, find_stages, learn_numbers
from graphflow.runtime.tables import History, with_room

__all__ = ["CannotCompile", "NativeExecutable"]


def compile_program(
    program: Program, tell: Callable[[str], None], disabled: Collection[str] = frozenset(),
    threads: int = 1,
) -> NativeExecutable | SpecialisedExecutable:
    """A Program compiled for the CPU; in parts, if some of its shapes are found by running it.

    tell: is called with what runs by its reference, here and in bodies that Python drives.
    disabled: names of passes that are left out.
    threads: how many may share a run.
    Raises CannotCompile where sizes come too late, and on processors that lack vectors.
    """
    lacking = missing_features()
    if lacking:
        raise CannotCompile(f"this processor has no {', '.join(lacking)}")
    prepared = prepare(program, disabled)
    late = obstacles(prepared.schedule)
    if not late:
        try:
            return NativeExecutable(
                program, prepared.program, prepared.schedule, tell, disabled, threads,
                prepared.keep_answers)
        except CannotCompile as reason:
            nodes = set(prepared.program.nodes)
            late = {n for n in reason.nodes if n in nodes and not exact(n)}
            if not late:
                raise
    return SpecialisedExecutable(
        program, prepared.program, late,
        lambda part: _compiled_part(part, tell, disabled, threads))


def _compiled_part(
    program: Program, tell: Callable[[str], None], disabled: Collection[str], threads: int
) -> Any:
    try:
        return compile_program(program, tell, disabled, threads)
    except CannotCompile as reason:
        tell(f"a part of a program runs by the NumPy reference, because {reason}")
        return ReferenceExecutable(program)


class _Refused(Exception):
    """Sizes or values that compiled code must not, or did not, handle."""


class NativeExecutable:
    """A Program compiled for the CPU; `compile_program` makes one.

    Args:
      source: what to run, as it was frozen.
      program: the same, optimised.
      schedule: of `program`.
      tell, disabled, threads: see `compile_program`.
      planned: is called whenever a plan has been made.
    """

    def __init__(
        self, source: Program, program: Program, schedule: Schedule,
        tell: Callable[[str], None], disabled: Collection[str], threads: int = 1,
        planned: Callable[[], None] = lambda: None,
    ) -> None:
        self.source, self.program, self.schedule = source, program, schedule
        self._after_planning = planned
        self._tell = tell
        self._disabled, self._threads = disabled, threads
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
        self._dispatch = dispatcher()
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

    def _compile(self) -> None:
        """Compiles all kernels together."""
        launches: list[Launch | Update] = []
        for launch in self.schedule.launches():
            launches += [launch] if launch.update is None else [launch, launch.update]
        for call, address in zip(launches, CACHE.addresses([s.kernel for s in launches])):
            call.address = address

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

    def arena_bytes(self) -> int:
        """The bytes of the arenas that are kept for further runs."""
        return sum(plan.arena.nbytes for stage in self.stages for plan in stage.free_plans())

    # ---- a whole run ------------------------------------------------------------------------

    def run(self, feeds: Sequence[np.ndarray], store: Store) -> list[np.ndarray]:
        """The outputs; commits the writes. See `ReferenceExecutable.run`."""
        if not self.program.writes:
            return self._run(feeds, store)
        with store.writing(self.program.writes):
            return self._run(feeds, store)

    def direct_plan(self, feeds: Sequence[np.ndarray]) -> tuple[Plan, Recipe, list[str]] | None:
        """A plan for feeds of these sizes that is the caller's own, with the variables it reads.

        None if such runs are not direct.
        """
        plan = self._plan_for(self._shapes_of(feeds)) if self.direct else None
        recipe = self._recipe(plan) if plan is not None else None
        return None if plan is None or recipe is None else (plan, recipe, self._state_keys)

    def lend_plan(
        self, feeds: Sequence[np.ndarray]
    ) -> tuple[tuple, Plan, Recipe, list[str]] | None:
        """As `direct_plan`, but to be given back: with the key for `give_plan_back`."""
        if not self.direct:
            return None
        shapes = self._shapes_of(feeds)
        plan = self.stages[0].take(shapes) or self._plan_for(shapes)
        recipe = self._recipe(plan) if plan is not None else None
        if plan is not None and recipe is None:
            self.give_plan_back(shapes, plan)
        return None if plan is None or recipe is None else (
            shapes, plan, recipe, self._state_keys)

    def give_plan_back(self, key: tuple, plan: Plan) -> None:
        """Keeps a plan for the next run of these sizes."""
        self.stages[0].give_back(key, plan)

    def _shapes_of(self, feeds: Sequence[np.ndarray]) -> tuple:
        """What the plan of a direct run depends on."""
        return tuple([feeds[k].shape for k in self._measured_at])

    def _plan_for(self, shapes: tuple) -> Plan | None:
        """A new plan for feeds of these shapes; None if they are refused."""
        try:
            return self._plan(self.stages[0], {}, shapes)
        except (_Refused, MemoryError):
            return None

    def _recipe(self, plan: Plan) -> Recipe | None:
        """The recipe of a plan, looked for once."""
        if plan.recipe is None:
            plan.recipe = recipe_of(self.program, self.schedule, plan, self._claims) or False
        return plan.recipe or None

    def _run_directly(
        self, feeds: Sequence[np.ndarray], store: Store
    ) -> list[np.ndarray] | None:
        """The outputs, the short way; None if this run must go the long way."""
        stage = self.stages[0]
        key = self._shapes_of(feeds)
        plan = stage.take(key)
        if plan is None:
            return None
        recipe = self._recipe(plan)
        if recipe is None:
            stage.give_back(key, plan)
            return None
        try:
            fresh = [new_array(shape, dtype) for shape, dtype in recipe.fresh]
            states = store.lend(self._state_keys, recipe.taken)
        except MemoryError:
            states = None
        if states is None:
            stage.give_back(key, plan)
            return None
        arrays = [*map(_readable, feeds), *states, *fresh]
        plan.bind(*[id(arrays[k]) for k in recipe.order])
        state, actions = plan.state, plan.actions
        state[0] = 0
        while True:
            state[1] = BUDGET
            action = actions[self._dispatch(plan.address)]
            if plan.status[0]:
                plan.status[0] = 0
                stage.give_back(key, plan)
                store.give_back()
                return self._repeated([]).run(feeds, store)
            if action is None:
                break
        if recipe.commits:
            store.commit([(name, arrays[k]) for name, k in recipe.commits])
        stage.give_back(key, plan)
        return [arrays[k] for k in recipe.outputs]

    def _run(self, feeds: Sequence[np.ndarray], store: Store) -> list[np.ndarray]:
        if self.direct:
            outputs = self._run_directly(feeds, store)
            if outputs is not None:
                return outputs
        values: dict[Value, Any] = dict(zip(self.program.inputs, map(_readable, feeds)))
        if self._initials:
            current = store.read(self._initials)
            for key, leaf in self.program.reads.items():
                array = current[key]
                if array is None:  # the reference says which op needs it
                    return self._repeated([]).run(feeds, store)
                values[leaf] = array
            del current, array  # a variable that nobody else holds can be changed in place
        for key, flag in self.program.flags.items():
            values[flag] = np.array(store.has(key))
        run = Run(values, store)
        try:
            self._execute(run)
            outputs, commits = self._results(run)
        except (_Refused, MemoryError) as error:
            if run.changed:
                raise ResourceExhaustedError(
                    None, None, "Session.run: out of memory for results, after the variables have "
                    "got their new values.") from error
            store.give_back()
            return self._repeated(run.done).run(feeds, store)
        finally:
            self._release(run)
        if commits:
            store.commit(commits)
        return outputs

    def call(self, arguments: Sequence[Any]) -> list[Any]:
        """Runs a region's body."""
        run = Run(dict(zip(self.program.inputs, map(_readable, arguments))))
        try:
            self._execute(run)
            return self._results(run)[0]
        except (_Refused, MemoryError):
            return self._repeated(run.done).call(arguments)
        finally:
            self._release(run)

    def _repeated(self, done: Sequence[list[Any]]) -> ReferenceExecutable:
        return replay_of(self.source, self.program, done)

    def _release(self, run: Run) -> None:
        for stage, key, plan in run.plans:
            plan.status[0] = 0
            stage.give_back(key, plan)

    def _results(self, run: Run) -> tuple[list[Any], list[tuple[str, np.ndarray]]]:
        """The outputs, and what is to be committed; each array has one owner."""
        given: set[Value] = set()
        in_place = {key: new for _, _, plan in run.plans for key, new, _ in plan.in_place}
        changed = set(in_place.values())

        def own(value: Value) -> Any:
            array, root = self._array(run, value), self.schedule.root(value)
            if self._claims.get(root) is value and value not in given and root not in changed and (
                not isinstance(array, np.ndarray) or array.base is None
            ):
                given.add(value)
                return array
            return np.array(array, order="C") if isinstance(array, np.ndarray) else array

        outputs = [own(v) for v in self.program.outputs]
        return outputs, [(key, run.values[in_place[key]] if key in in_place else own(v))
                         for key, v in self.program.writes.items()]

    # ---- steps ------------------------------------------------------------------------------

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
            for value, shape, dtype in plan.fresh:
                values[value] = new_array(shape, dtype)
            if plan.in_place:
                _take_variables(run, plan)
            if plan.histories:
                begin_histories(run, plan)
            plan.bind(*[id(_NOTHING if values[v] is None else values[v]) for v in plan.bound])
            self._walk(run, plan)
            run.changed |= bool(plan.in_place)
            end_histories(run, plan)
            if position + 1 < len(self.stages):
                for value in stage.kept - stage.results:
                    if value not in values:
                        values[value] = plan.view(value)

    def _walk(self, run: Run, plan: Plan) -> None:
        """The plan's rows, with what Python does where they stop."""
        state, status, actions = plan.state, plan.status, plan.actions
        state[0] = 0
        while True:
            state[1] = BUDGET
            action = actions[self._enter(plan)]
            if status[0]:
                raise _Refused
            if action is None:
                return
            self._act(run, plan, action)

    def _enter(self, plan: Plan) -> int:
        """Lets the dispatcher go on; the number of the row at which it stops."""
        return self._dispatch(plan.address)

    def _act(self, run: Run, plan: Plan, action: Any) -> None:
        """What Python does where the dispatcher has stopped."""
        if isinstance(action, HostStep):
            self._host_step(run, plan, action)
        elif isinstance(action, MeasureStep):
            given = {v: self._array(run, v) for v in action.given}
            if not measure(run, plan, action, given):
                raise _Refused
        elif isinstance(action, CountStep):
            count(run, plan, action, self._array(run, action.count), self._counted)
        elif isinstance(action, History):
            grow(run, plan, action)
        # else a pause: signals have been let in

    def _plan(
        self, stage: Stage, earlier: Numbers, shapes: Sequence[tuple[int, ...] | None]
    ) -> Plan:
        numbers = stage.numbers(earlier, shapes)
        if numbers is None or not self._guards.hold(numbers, frozenset(earlier)):
            raise _Refused
        try:
            return self._planned(stage, numbers)
        except IllegalSizes:
            raise _Refused from None

    def _planned(self, stage: Stage, numbers: Numbers) -> Plan:
        plan = make_plan(
            stage, self.schedule, numbers, self._claims, self._updates, self._threads)
        self._after_planning()
        return plan

    def _host_step(self, run: Run, plan: Plan, step: HostStep) -> None:
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
            if number is not None:  # what a branch that was not taken has saved, nobody reads
                plan.objects[number] = id(_NOTHING if array is None else array)
            run.values[value] = array
            kept.append(array)
        if is_effect(node.opdef, node.attrs):
            run.done.append(kept)

    def _body(self, program: Program) -> Any:
        if program not in self._bodies:
            self._bodies[program] = _compiled_part(
                program, self._tell, self._disabled, self._threads)
        return self._bodies[program].call

    def _array(self, run: Run, value: Value) -> Any:
        """The array of a value: bound, in an arena, or made by a host step."""
        root = self.schedule.root(value)
        if root in run.values:
            array = run.values[root]
        elif root in self._constants:
            array = self._constants[root]
        else:
            array = next(p.view(root) for _, _, p in run.plans if root in p.placed)
        owner = self._claims.get(root, root)  # whose shape the memory has
        if owner is value or not isinstance(array, np.ndarray):
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


def _take_variables(run: Run, plan: Plan) -> None:
    """The arrays of the variables that a plan changes in place, held by nobody else."""
    for _, _, old in plan.in_place:
        run.values[old] = None
    assert run.store is not None  # bodies change no variables
    arrays = run.store.lend([key for key, _, _ in plan.in_place], range(len(plan.in_place)))
    assert arrays is not None  # the run has read them, and it alone is writing
    for (_, new, old), array in zip(plan.in_place, arrays):
        run.values[old] = run.values[new] = array


_NOTHING = np.zeros(1)


def _readable(array: Any) -> Any:
    """The array as kernels read it: contiguous and aligned. What is no array stays as it is."""
    if not isinstance(array, np.ndarray):
        return np.asarray(array) if isinstance(array, np.generic) else array
    flags = array.flags
    if not (flags.c_contiguous and flags.aligned):
        array = np.array(array, order="C")
    return array if array.size else with_room(array)
