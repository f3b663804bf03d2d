"""`Session.run_many`: many steps over stacked feeds, with the loop in native code.

Each bound array stands for itself in `run`. Here the dispatcher is given stand-ins for array
objects, of which it reads nothing but the address of the elements; that moves from step to step.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from graphflow.codegen.compile import CACHE
from graphflow.codegen.dispatch import OBJECT_HEADER
from graphflow.codegen.stepping import DONE, REFUSED, STEPS, emit_steps
from graphflow.errors import FeedError
from graphflow.runtime.bind import bind_feeds, bind_stack, resolve_feed_key
from graphflow.runtime.calls import PreparedCall, call_key
from graphflow.runtime.direct import Recipe
from graphflow.runtime.entries import dispatcher_address
from graphflow.runtime.executables import Executable
from graphflow.runtime.fetch import FetchPlan
from graphflow.runtime.native import NativeExecutable
from graphflow.runtime.plan import BUDGET, Plan
from graphflow.runtime.store import VariableStore
from graphflow.tensor import Tensor

if TYPE_CHECKING:
    from graphflow.session import BaseSession

_ADDRESS = OBJECT_HEADER // 8  # the word of an array object that holds its elements' address


def run_many(
    session: BaseSession, fetches: Any, feeds: Any, steps: int | None, feed_dict: Any
) -> Any:
    """See `Session.run_many`."""
    if feeds is not None and not isinstance(feeds, Mapping):
        dicts = [{**(feed_dict or {}), **one} for one in feeds]
        return _one_by_one(session, fetches, _count(steps, {len(dicts)}), dicts.__getitem__)
    graph = session.graph
    stacks = {resolve_feed_key(graph, k): v for k, v in (feeds or {}).items()}
    arrays = {k: bind_stack(k, v) for k, v in stacks.items()}
    count = _count(steps, {len(a) for a in arrays.values()})
    alike = {k: v for k, v in bind_feeds(graph, feed_dict).items() if k not in arrays}
    call = _prepared(session, fetches, [*arrays, *alike])
    done = 0
    if count:
        executable, _ = call.prepare(
            [*(a[0] for a in arrays.values()), *alike.values()], session._executable)
        stacked = [True] * len(arrays) + [False] * len(alike)
        values = [*arrays.values(), *map(np.ascontiguousarray, alike.values())]
        try:
            found = _in_one_go(executable, values, stacked, count, session.store)
            if found is not None:
                return call.plan.rebuild(found)
        except Refusal as refusal:
            done = refusal.step  # it is repeated, to be refused in words
    return _one_by_one(session, fetches, count, lambda i: {
        **alike, **{k: a[i] for k, a in arrays.items()}}, done)


def _prepared(session: BaseSession, fetches: Any, keys: list[Tensor]) -> PreparedCall:
    """The call, as it was resolved before if it comes again."""
    key = call_key(fetches, dict.fromkeys(keys))
    known = session.prepared_calls
    call = known.get(("many", key)) if key is not None else None
    if call is None:
        call = PreparedCall(FetchPlan(session.graph, fetches), keys)
        if key is not None:
            known["many", key] = call
    return call


def _count(steps: int | None, lengths: set[int]) -> int:
    """The number of steps. Raises FeedError if there is none, or several."""
    found = lengths | ({steps} if steps is not None else set())
    if len(found) != 1 or min(found) < 0:
        raise FeedError(
            "Session.run_many: it must be clear how many steps to make: "
            + (f"the feeds and `steps` say {', '.join(map(str, sorted(found)))}." if found
               else "give feeds with a slice for each step, or steps=…"))
    return found.pop()


def _one_by_one(
    session: BaseSession, fetches: Any, steps: int, feeds: Callable[[int], dict[Any, Any]],
    first: int = 0,
) -> Any:
    """A loop of runs, from step `first` on."""
    plan = FetchPlan(session.graph, fetches)
    tensors = plan.tensors
    rows = [session.run(tensors + plan.operations, feeds(i)) for i in range(first, steps)]
    return plan.rebuild([
        np.stack([row[k] for row in rows]) if rows else _none_of(tensor)
        for k, tensor in enumerate(tensors)])


def _none_of(tensor: Tensor) -> np.ndarray:
    """The values of no step; sizes that are not known are 0."""
    sizes = tensor.shape.sizes if tensor.shape.rank is not None else ()
    return np.empty((0, *(d if isinstance(d, int) else 0 for d in sizes)), tensor.dtype.numpy)


class Refusal(Exception):
    """A step met a value that an op refuses; nothing of it has happened.

    Attributes:
      step: its number. Those before it are done.
    """

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step


def _in_one_go(
    executable: Executable, feeds: Sequence[np.ndarray], stacked: Sequence[bool], steps: int,
    store: VariableStore,
) -> list[np.ndarray] | None:
    """The outputs of all steps, stacked; None if such runs are not one native call each.

    feeds: contiguous; those that are stacked hold a slice for each step.
    Raises Refusal.
    """
    shown = [f[0] if many else f for f, many in zip(feeds, stacked)]
    if not isinstance(executable, NativeExecutable) or not all(f.size for f in shown):
        return None
    found = executable.lend_plan(shown)
    if found is None:
        return None
    sizes, plan, recipe, keys = found

    def run() -> list[np.ndarray] | None:
        states = store.lend(keys, recipe.taken)
        return None if states is None else _Steps(
            plan, recipe, keys, feeds, stacked, states, steps).run(store)

    try:
        if not recipe.commits:
            return run()
        with store.writing([key for key, _ in recipe.commits]):
            return run()
    finally:
        executable.give_plan_back(sizes, plan)


class _Steps:
    """One call of `run_many` that the native loop makes."""

    def __init__(
        self, plan: Plan, recipe: Recipe, keys: Sequence[str], feeds: Sequence[np.ndarray],
        stacked: Sequence[bool], states: Sequence[np.ndarray], steps: int,
    ) -> None:
        self.plan, self.recipe, self.steps = plan, recipe, steps
        first = len(feeds) + len(states)
        fresh = [np.empty((steps, *shape) if place in recipe.outputs else shape, dtype)
                 for place, (shape, dtype) in enumerate(recipe.fresh, first)]
        self.arrays = [*feeds, *states, *fresh]
        self.stand_ins = np.zeros((len(self.arrays), _ADDRESS + 1), np.int64)
        self.stand_ins[:, _ADDRESS] = [a.ctypes.data for a in self.arrays]
        moving = [k for k, many in enumerate(stacked) if many] + list(recipe.outputs)
        self.moves = np.array(
            [(self._word(k), self.arrays[k].strides[0]) for k in moving], np.int64)
        for number, place in enumerate(recipe.order):
            plan.objects[number] = self.stand_ins[place].ctypes.data
        # Variables that are written anew and read in the next step: (read, written, key).
        at = {key: len(feeds) + k for k, key in enumerate(keys)}
        self.renewed = [(at.get(key), place, key)
                        for key, place in recipe.fresh_commits(first)]
        self.swaps = np.array(
            [(self._word(read), self._word(place)) for read, place, _ in self.renewed
             if read is not None], np.int64)

    def _word(self, place: int) -> int:
        return int(self.stand_ins[place].ctypes.data) + 8 * _ADDRESS

    def run(self, store: VariableStore) -> list[np.ndarray]:
        """Makes the steps; commits those that were made, whatever happens."""
        plan = self.plan
        words = np.zeros(len(STEPS), np.int64)
        status = np.asarray(plan.status)
        settings = {
            "state": plan.address, "dispatch": dispatcher_address(),
            "last": plan.last_row,
            "status": status.ctypes.data, "budget": BUDGET,
            "moves": self.moves.ctypes.data, "move_count": len(self.moves)}
        for name, value in settings.items():
            words[STEPS.index(name)] = value
        self.words = words
        try:
            self._make_steps(1)
            self._renew()
            words[STEPS.index("swaps")] = self.swaps.ctypes.data
            words[STEPS.index("swap_count")] = len(self.swaps)
            in_one_call = max(1, BUDGET // max(plan.cost, 1))
            while self._made() < self.steps:
                self._make_steps(min(self.steps, self._made() + in_one_call))
        finally:
            if self._made():
                store.commit(self._commits())
        return [self.arrays[k] for k in self.recipe.outputs]

    def _made(self) -> int:
        return int(self.words[STEPS.index("first")])

    def _make_steps(self, end: int) -> None:
        """Steps up to number `end`; signals are let in where a loop pauses."""
        self.words[STEPS.index("end")] = end
        while True:
            answer = _native_steps()(self.words.ctypes.data)
            if answer == DONE:
                return
            if answer == REFUSED:
                np.asarray(self.plan.status)[0] = 0
                raise Refusal(self._made())

    def _renew(self) -> None:
        """After the first step: the stored arrays, which others may hold, are read no more."""
        self.spare: dict[int, np.ndarray] = {}
        for read, place, _ in self.renewed:
            if read is not None:
                self.spare[place] = np.empty_like(self.arrays[place])
                self.stand_ins[read, _ADDRESS] = self.stand_ins[place, _ADDRESS]
                self.stand_ins[place, _ADDRESS] = self.spare[place].ctypes.data

    def _commits(self) -> list[tuple[str, np.ndarray]]:
        renewed = {place for _, place, _ in self.renewed}
        commits = [(key, self.arrays[k]) for key, k in self.recipe.commits if k not in renewed]
        for read, place, key in self.renewed:
            odd = self._made() % 2 == 1 or read is None
            commits.append((key, self.arrays[place] if odd else self.spare[place]))
        return commits


@cache
def _native_steps() -> Callable[[int], int]:
    address = CACHE.function("gf_steps", emit_steps)
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(address)
