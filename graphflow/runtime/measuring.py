"""How long kernel calls take on this machine: alone, again and again, in the run's own team."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from graphflow.codegen.compile import CACHE
from graphflow.codegen.dispatch import dispatcher
from graphflow.codegen.sizes import symbols_of
from graphflow.codegen.steps import Launch, Schedule
from graphflow.dtypes import DType
from graphflow.program import Value
from graphflow.runtime.plan import BUDGET, Plan
from graphflow.runtime.plans import make_plan
from graphflow.runtime.results import new_array
from graphflow.runtime.stages import find_stages

BUDGET_SECONDS = 0.2  # for all calls of `least_times`, but for one call of each, which there is
TURN_SECONDS = 0.002  # a launch's calls at a time


def is_measurable(launch: Launch) -> bool:
    """True if all sizes of a launch are known before the run."""
    dims = [*launch.sizes, *(d for v in launch.buffers for d in v.shape.sizes)]
    return not symbols_of(dims)


def least_times(launches: Sequence[Launch], threads: int) -> list[float]:
    """The least seconds of a call of each launch, whose sizes are known.

    The launches take turns, so that what else the machine does falls on all of them. They read the
    same arrays, of the sizes of the run, and write to arrays of their own.
    """
    for launch, address in zip(launches, CACHE.addresses([s.kernel for s in launches])):
        launch.address = address
    arrays: dict[Value, np.ndarray] = {}
    calls = [_Call(launch, threads, arrays) for launch in launches]
    least = [call.seconds() for call in calls]
    started = time.perf_counter()
    while time.perf_counter() - started < BUDGET_SECONDS:
        for number, call in enumerate(calls):
            turn = 0.0
            while turn < TURN_SECONDS:
                spent = call.seconds()
                least[number] = min(least[number], spent)
                turn += spent
    return least


class _Call:
    """One launch as a program of its own."""

    def __init__(self, launch: Launch, threads: int, arrays: dict[Value, np.ndarray]) -> None:
        results = {v for n in launch.nodes for v in n.outputs}
        schedule = Schedule([launch], {}, [])
        (stage,) = find_stages(schedule, (), results)
        self._plan: Plan = make_plan(stage, schedule, {}, {}, (), threads)
        self._dispatch = dispatcher()
        fresh = {v for v, _, _ in self._plan.fresh}
        for value in self._plan.bound:
            if value not in arrays:
                shape = tuple(d for d in value.shape.sizes if isinstance(d, int))
                arrays[value] = _filled(shape, value.dtype, value not in fresh)
        self._held = [arrays[v] for v in self._plan.bound]

    def seconds(self) -> float:
        """The time of one call."""
        plan = self._plan
        plan.bind(*map(id, self._held))
        plan.state[0], plan.state[1] = 0, BUDGET
        started = time.perf_counter()
        self._dispatch(plan.address)
        return time.perf_counter() - started


def _filled(shape: tuple[int, ...], dtype: DType, read: bool) -> np.ndarray:
    """An array of numbers as ordinary as any: small ones, or zeros, which are no bad index."""
    made = new_array(shape, dtype.numpy)
    made.reshape(-1)[...] = 0
    if read and dtype.is_floating:
        flat = made.reshape(-1)
        block = np.random.default_rng(0).uniform(0.5, 1.0, 4096).astype(dtype.numpy)
        for first in range(0, flat.size, block.size):
            flat[first:first + block.size] = block[:flat.size - first]
    return made
