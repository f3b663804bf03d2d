"""Running compiled Programs on a GPU: feeds, variables, segments, what the host decides, results.

A run puts its work on the session's stream and returns without waiting for it, unless there is
something to wait for: values that go to the host, a check's status word, the condition of a branch
or loop, a step in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from graphflow.codegen.dispatch import CODES
from graphflow.codegen.sizes import Numbers
from graphflow.codegen.steps import HostStep, Launch, Schedule, Update
from graphflow.errors import ResourceExhaustedError
from graphflow.program import Program, Value, is_effect
from graphflow.reference import ReferenceExecutable
from graphflow.runtime.cuda.array import DeviceArray
from graphflow.runtime.cuda.code import CodeCache, DeviceCode
from graphflow.runtime.cuda.context import Buffer, Context
from graphflow.runtime.cuda.direct import Recipe, recipe_of
from graphflow.runtime.cuda.driver import DeviceMemoryError
from graphflow.runtime.cuda.instructions import HostCall
from graphflow.runtime.cuda.plans import LISTED, DevicePlan, DevicePlanner
from graphflow.runtime.cuda.store import DeviceVariableStore
from graphflow.runtime.cuda.walk import walk
from graphflow.runtime.interludes import Run
from graphflow.runtime.staged import Refused, StagedExecutable, take_variables
from graphflow.runtime.stages import Stage


class DeviceExecutable(StagedExecutable):
    """A Program compiled for a GPU.

    Args:
      source, program, schedule, tell: see `StagedExecutable`.
      context: the session's GPU.
      codes: the code that it has loaded.
      make: compiles another Program for it.
      keep: whether results stay on the GPU.
    """

    arrays = (np.ndarray, DeviceArray)

    def __init__(
        self, source: Program, program: Program, schedule: Schedule,
        tell: Callable[[str], None], context: Context,
        codes: CodeCache, make: Callable[[Program], Any], keep: bool = False,
    ) -> None:
        self.context, self._cache, self._make, self._keep = context, codes, make, keep
        self._codes: list[DeviceCode] = []
        self._on_device: dict[Value, DeviceArray] = {}
        super().__init__(source, program, schedule, tell)
        self._short, self.direct = self.direct, False

    def _compile(self) -> None:
        """Gets the code of all kernels; a launch's address becomes CODES + its number."""
        calls: list[Launch | Update] = []
        for launch in self.schedule.launches():
            calls += [launch] if launch.update is None else [launch, launch.update]
        self._codes = self._cache.of([c.kernel for c in calls])
        for number, call in enumerate(calls):
            call.address = CODES + number

    def complaints(self) -> list[str]:
        """What runs elsewhere than on the GPU though it is no host step by nature."""
        found = super().complaints()
        for launch in self.schedule.launches():
            code = self._codes[launch.address - CODES]
            if not code.parts:
                names = " and ".join(dict.fromkeys(n.opdef.name for n in launch.nodes)) or "a step"
                found.append(f"{names} runs on the CPU in a session on a GPU, with copies both "
                             f"ways, because {code.reason}")
        return list(dict.fromkeys(found))

    # ---- a whole run ------------------------------------------------------------------------

    def run(self, feeds: Sequence[Any], store: Any) -> list[Any]:
        """The outputs; commits the writes. See `ReferenceExecutable.run`."""
        assert isinstance(store, DeviceVariableStore)
        try:
            if self._short:
                outputs = self._run_shortly(feeds, store)
                if outputs is not None:
                    return outputs
            if not self.program.writes:
                return self._run(feeds, store)
            with store.writing(self.program.writes):
                return self._run(feeds, store)
        except DeviceMemoryError as error:
            plans: list[Any] = [p for s in self.stages for p in s.free_plans()]
            largest = sorted({b for plan in plans for b in plan.largest}, reverse=True)
            raise error.for_run(largest[:LISTED], self.arena_bytes()) from error

    def arena_bytes(self) -> int:
        """The bytes of the arenas that are kept for further runs."""
        plans: list[Any] = [p for s in self.stages for p in s.free_plans()]
        return sum(plan.arena.size for plan in plans)

    def _run_shortly(
        self, feeds: Sequence[Any], store: DeviceVariableStore
    ) -> list[Any] | None:
        """The outputs, the short way; None if this run must go the long way."""
        stage = self.stages[0]
        key = tuple([feeds[k].shape for k in self._measured_at])
        plan: Any = stage.take(key)
        if plan is None:
            return None
        if plan.recipe is None:
            plan.recipe = recipe_of(self.program, self.schedule, plan) or False
        recipe: Recipe = plan.recipe
        arrays = store.borrow(recipe.names, recipe.changed, recipe.taken) if recipe else None
        if arrays is None:
            stage.give_back(key, plan)
            return None
        try:
            recipe.run(self.context, plan, arrays, feeds)
            outputs = self._short_outputs(recipe, plan) if recipe.outputs else []
        finally:
            store.settle(recipe.changed)
        stage.give_back(key, plan)
        self._hold(feeds)
        return outputs

    def _short_outputs(self, recipe: Recipe, plan: DevicePlan) -> list[Any]:
        found = [DeviceArray(self.context, shape, dtype, plan.arena,
                             plan.cells[cell] if cell >= 0 else at)
                 for cell, at, shape, dtype in recipe.outputs]
        return self._given(found, self._keep)

    def _run(self, feeds: Sequence[Any], store: Any) -> list[Any]:
        values: dict[Value, Any] = dict(zip(self.program.inputs, feeds))
        if self._initials:
            current = store.device_read(self._initials)
            for key, leaf in self.program.reads.items():
                array = current[key]
                if array is None:  # the reference says which op needs it
                    return self._repeated([]).run(_on_host(feeds), store)
                values[leaf] = array
            del current, array  # a variable that nobody else holds can be changed in place
        for key, flag in self.program.flags.items():
            values[flag] = np.array(store.has(key))
        run = Run(values, store)
        try:
            self._execute(run)
            outputs = self._outputs(run, self.program.outputs, self._keep)
            self._commit(run, store)
        except Refused as error:
            if run.changed:
                raise ResourceExhaustedError(
                    None, None, "Session.run: failed after the variables have got their new "
                    "values.") from error
            store.give_back()
            return self._repeated(run.done).run(_on_host(feeds), store)
        finally:
            self._release(run)
            self._hold(feeds)
        return outputs

    def call(self, arguments: Sequence[Any]) -> list[Any]:
        """Runs a region's body; its results are on the host."""
        run = Run(dict(zip(self.program.inputs, arguments)))
        try:
            self._execute(run)
            return self._outputs(run, self.program.outputs, False)
        except Refused:
            return self._repeated(run.done).call(_on_host(arguments))
        finally:
            self._release(run)

    def _release(self, run: Run) -> None:
        for stage, key, plan in run.plans:
            stage.give_back(key, plan)

    def _hold(self, feeds: Sequence[Any]) -> None:
        """What other libraries lent must live until the work with it is done."""
        for fed in feeds:
            if isinstance(fed, DeviceArray) and not (
                    isinstance(fed.buffer, Buffer) and fed.buffer.context is self.context):
                self.context.hold(fed)

    def _outputs(self, run: Run, wanted: Sequence[Value], keep: bool) -> list[Any]:
        """The values that a run gives away, each with memory of its own. Looks at the checks."""
        arrays = [self._array(run, value) for value in wanted]
        plans: list[Any] = [plan for _, _, plan in run.plans]
        words = [np.zeros(1, np.int64) for plan in plans if plan.status]
        given = self._given(arrays, keep, zip(
            [plan.status for plan in plans if plan.status], words))
        if any(word[0] for word in words):
            raise Refused
        return given

    def _given(
        self, arrays: Sequence[Any], keep: bool, further: Iterable[tuple[int, np.ndarray]] = ()
    ) -> list[Any]:
        """Copies for who called, on the device or on the host; waits if anything goes there.

        further: what else goes to the host.
        """
        if keep:
            given = [a.copy() if isinstance(a, DeviceArray) else a if not _has_bytes(a)
                     else DeviceArray.of(self.context, a) for a in arrays]
            pieces: list[tuple[int, Any]] = []
        else:
            given = [np.empty(a.shape, a.dtype) if isinstance(a, DeviceArray)
                     else np.array(a, order="C") if isinstance(a, np.ndarray) else a
                     for a in arrays]
            pieces = [(a.address, g) for a, g in zip(arrays, given) if isinstance(a, DeviceArray)]
        self.context.download([*pieces, *further])
        return given

    def _commit(self, run: Run, store: DeviceVariableStore) -> None:
        in_place = {key: new for _, _, plan in run.plans for key, new, _ in plan.in_place}
        if in_place:
            store.commit([(key, run.values[new]) for key, new in in_place.items()])
        copies = [(key, self._owned(run, value)) for key, value in self.program.writes.items()
                  if key not in in_place]
        if copies:
            store.commit_copies(copies)

    def _owned(self, run: Run, value: Value) -> Any:
        array = self._array(run, value)
        return np.array(array, order="C") if isinstance(array, np.ndarray) else array

    # ---- stages -----------------------------------------------------------------------------

    def _begin(self, run: Run, plan: DevicePlan) -> None:
        if plan.in_place:
            take_variables(run, plan)
        self._bind(run, plan)
        plan.recent = None

    def _walk(self, run: Run, plan: DevicePlan) -> None:
        walk(self, run, plan)

    def _planned(self, stage: Stage, numbers: Numbers) -> Any:
        return DevicePlanner(
            stage, self.schedule, numbers, self._claims, self._updates, self.context,
            self._codes, self._constant).device_plan()

    def _constant(self, value: Value) -> DeviceArray:
        """A constant's copy on the GPU, made once."""
        found = self._on_device.get(value)
        if found is None:
            found = DeviceArray.of(self.context, value.node.attrs["value"].array)
            self._on_device[value] = found
        return found

    def _bind(self, run: Run, plan: DevicePlan) -> None:
        """The cells of what exists when the stage begins; arrays of the host are copied."""
        fed: list[tuple[int, np.ndarray]] = []
        for number, value in enumerate(plan.bound):
            array = run.values[value]
            if isinstance(array, DeviceArray):
                plan.cells[number], plan.sizes[number] = array.address, array.room
            elif array is None:  # what was not computed, since nothing uses it
                plan.cells[number], plan.sizes[number] = plan.arena.address, 0
            else:
                fed.append((number, array))
                plan.sizes[number] = _room(array)
        if fed:
            plan.copy_in(fed)

    # ---- steps in Python --------------------------------------------------------------------

    def host_step(self, run: Run, plan: Any, step: HostStep) -> None:
        """Runs a node by its reference, over copies of its inputs."""
        node = step.node
        inputs = _on_host([self._array(run, v) for v in node.inputs])
        outputs = self._computed(node, inputs)
        kept = []
        for value, array in zip(node.outputs, outputs):
            if isinstance(array, (np.ndarray, np.generic)):
                array = np.array(array, order="C")
            run.values[value] = array
            kept.append(array)
        if is_effect(node.opdef, node.attrs):
            run.done.append(kept)

    def _compiled_body(self, program: Program) -> Any:
        return self._make(program)

    def timing(self, plan: DevicePlan, call: HostCall) -> AbstractContextManager[None]:
        """Around a kernel that runs on the CPU: timed runs note it."""
        return nullcontext()

    def array(self, run: Run, value: Value) -> Any:
        """The array of a value: bound, in an arena, or made by a host step."""
        return self._array(run, value)

    @property
    def counted(self) -> Collection[Value]:
        """The values with memory for more than they turn out to be, that anything uses."""
        return self._counted


class HostExecutable(ReferenceExecutable):
    """The NumPy executor in a device session: what it is fed may lie on the GPU."""

    def run(self, feeds: Sequence[Any], store: Any) -> list[np.ndarray]:
        """See `ReferenceExecutable.run`."""
        return super().run(_on_host(feeds), store)


def _on_host(arrays: Sequence[Any]) -> list[Any]:
    return [a.numpy() if isinstance(a, DeviceArray) else a for a in arrays]


def _has_bytes(array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.dtype != object


def _room(array: np.ndarray) -> int:
    """The bytes that kernels may read of an array."""
    room = array.itemsize
    for size in array.shape:
        room *= max(size, 1)
    return room
