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

from graphflow.codegen.compile import CACHE
from graphflow.codegen.dispatch import STATE, dispatcher
from graphflow.codegen.processor import missing_features
from graphflow.codegen.settings import DEFAULT, Settings, using
from graphflow.codegen.sizes import Numbers
from graphflow.codegen.steps import (
    CountStep,
    HostStep,
    Launch,
    MeasureStep,
    Schedule,
    Update,
)
from graphflow.errors import ResourceExhaustedError
from graphflow.program import Program, Value, is_effect
from graphflow.reference import ReferenceExecutable, Store
from graphflow.runtime.direct import Recipe, recipe_of
from graphflow.runtime.interludes import (
    Run,
    begin_histories,
    count,
    end_histories,
    grow,
    measure,
)
from graphflow.runtime.plan import BUDGET, Plan
from graphflow.runtime.plans import make_plan
from graphflow.runtime.prepared import prepare
from graphflow.runtime.results import new_array
from graphflow.runtime.specialise import SpecialisedExecutable, exact, obstacles
from graphflow.runtime.staged import Refused, StagedExecutable, take_variables
from graphflow.runtime.stages import CannotCompile, Stage
from graphflow.runtime.tables import History, with_room

__all__ = ["CannotCompile", "NativeExecutable"]


def compile_program(
    program: Program, tell: Callable[[str], None], disabled: Collection[str] = frozenset(),
    threads: int = 1, settings: Settings = DEFAULT,
) -> NativeExecutable | SpecialisedExecutable:
    """A Program compiled for the CPU; in parts, if some of its shapes are found by running it.

    tell: is called with what runs by its reference, here and in bodies that Python drives.
    disabled: names of passes that are left out.
    threads: how many may share a run.
    settings: of the builders of kernels.
    Raises CannotCompile where sizes come too late, and on processors that lack vectors.
    """
    lacking = missing_features()
    if lacking:
        raise CannotCompile(f"this processor has no {', '.join(lacking)}")
    with using(settings):
        prepared = prepare(program, disabled)
    late = obstacles(prepared.schedule)
    if not late:
        try:
            return NativeExecutable(
                program, prepared.program, prepared.schedule, tell, disabled, threads,
                prepared.keep_answers, settings)
        except CannotCompile as reason:
            nodes = set(prepared.program.nodes)
            late = {n for n in reason.nodes if n in nodes and not exact(n)}
            if not late:
                raise
    return SpecialisedExecutable(
        program, prepared.program, late,
        lambda part: _compiled_part(part, tell, disabled, threads, settings))


def _compiled_part(
    program: Program, tell: Callable[[str], None], disabled: Collection[str], threads: int,
    settings: Settings,
) -> Any:
    try:
        return compile_program(program, tell, disabled, threads, settings)
    except CannotCompile as reason:
        tell(f"a part of a program runs by the NumPy reference, because {reason}")
        return ReferenceExecutable(program)


class NativeExecutable(StagedExecutable):
    """A Program compiled for the CPU; `compile_program` makes one.

    Args:
      source: what to run, as it was frozen.
      program: the same, optimised.
      schedule: of `program`.
      tell, disabled, threads, settings: see `compile_program`.
      planned: is called whenever a plan has been made.
    """

    def __init__(
        self, source: Program, program: Program, schedule: Schedule,
        tell: Callable[[str], None], disabled: Collection[str], threads: int = 1,
        planned: Callable[[], None] = lambda: None, settings: Settings = DEFAULT,
    ) -> None:
        self._after_planning = planned
        self._tell = tell
        self._disabled, self._threads, self._settings = disabled, threads, settings
        super().__init__(source, program, schedule, tell)
        self._dispatch = dispatcher()

    def _compile(self) -> None:
        """Compiles all kernels together."""
        launches: list[Launch | Update] = []
        for launch in self.schedule.launches():
            launches += [launch] if launch.update is None else [launch, launch.update]
        for call, address in zip(launches, CACHE.addresses([s.kernel for s in launches])):
            call.address = address

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
        except (Refused, MemoryError):
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
        except (Refused, MemoryError) as error:
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
        except (Refused, MemoryError):
            return self._repeated(run.done).call(arguments)
        finally:
            self._release(run)

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

    def _begin(self, run: Run, plan: Plan) -> None:
        values = run.values
        for value, shape, dtype in plan.fresh:
            values[value] = new_array(shape, dtype)
        if plan.in_place:
            take_variables(run, plan)
        if plan.histories:
            begin_histories(run, plan)
        plan.bind(*[id(_NOTHING if values[v] is None else values[v]) for v in plan.bound])

    def _end(self, run: Run, plan: Plan) -> None:
        end_histories(run, plan)

    def _kept(self, stage: Stage) -> Collection[Value]:
        return stage.kept - stage.results

    def _walk(self, run: Run, plan: Plan) -> None:
        """The plan's rows, with what Python does where they stop."""
        state, status, actions = plan.state, plan.status, plan.actions
        state[0] = 0
        while True:
            state[1] = BUDGET
            action = actions[self._enter(plan)]
            if status[0]:
                raise Refused
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
                raise Refused
        elif isinstance(action, CountStep):
            count(run, plan, action, self._array(run, action.count), self._counted)
        elif isinstance(action, History):
            grow(run, plan, action)
        # else a pause: signals have been let in

    def _plan(
        self, stage: Stage, earlier: Numbers, shapes: Sequence[tuple[int, ...] | None]
    ) -> Plan:
        plan: Plan = super()._plan(stage, earlier, shapes)
        plan.state[STATE.index("flush")] = self._settings.flush_denormals
        return plan

    def _planned(self, stage: Stage, numbers: Numbers) -> Plan:
        plan = make_plan(
            stage, self.schedule, numbers, self._claims, self._updates, self._threads)
        self._after_planning()
        return plan

    def _compiled_body(self, program: Program) -> Any:
        return _compiled_part(program, self._tell, self._disabled, self._threads, self._settings)

    def _host_step(self, run: Run, plan: Plan, step: HostStep) -> None:
        node = step.node
        inputs = [self._array(run, v) for v in node.inputs]
        outputs = self._computed(node, inputs)
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

_NOTHING = np.zeros(1)


def _readable(array: Any) -> Any:
    """The array as kernels read it: contiguous and aligned. What is no array stays as it is."""
    if not isinstance(array, np.ndarray):
        return np.asarray(array) if isinstance(array, np.generic) else array
    flags = array.flags
    if not (flags.c_contiguous and flags.aligned):
        array = np.array(array, order="C")
    return array if array.size else with_room(array)
