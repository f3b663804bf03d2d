"""Stages and plans: what a compiled Program needs to know before its kernels can be called.

A stage is a run of steps whose sizes are known when it begins: most programs have one; a host step
whose result has a size of its own ends a stage. A `Plan`, made once per stage and set of sizes,
holds the arena and the tables of kernel calls. A plan serves one run at a time; a stage keeps
those that are free, so that concurrent runs have arenas of their own.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from graphflow.codegen.dispatch import WORDS
from graphflow.codegen.memory import Lifetime, place
from graphflow.codegen.schedule import HostStep, Launch, Schedule
from graphflow.codegen.sizes import Numbers, concrete, symbols_of
from graphflow.dims import Dim, SymDim, symbol_name
from graphflow.program import Value

KEPT_SIZES = 32


class CannotCompile(Exception):
    """A program cannot be compiled as a whole; the message says why."""


@dataclass(slots=True)
class Plan:
    """A stage with sizes, ready to be run by one run at a time.

    Attributes:
      actions: addresses of dispatcher words, and host steps, in order.
      objects: the addresses of the bound array objects, by number.
      bound: the values whose arrays exist when the stage begins, by number.
      bind: writes the addresses of their arrays.
      made: the number of each result of the stage's own host steps.
      fresh: (value, shape, dtype) of what kernels write and the run gives away.
      views: the arrays inside the arena.
      shapes: of values that only rename memory.
      numbers: the unknowns' values.
      status: the status word.
      arena: the bytes that the views lie in.
      keep: what the tables point into.
    """

    actions: list[Any]
    objects: np.ndarray
    bound: list[Value]
    bind: Callable[..., None]
    made: dict[Value, int]
    fresh: list[tuple[Value, tuple[int, ...], np.dtype]]
    views: dict[Value, np.ndarray]
    shapes: dict[Value, tuple[int, ...]]
    numbers: Numbers
    status: memoryview
    arena: np.ndarray
    keep: list[Any]


@dataclass(slots=True)
class Stage:
    """Steps that can be planned together.

    Attributes:
      steps: in order.
      addresses: of the kernels of the launches among them, once these are compiled.
      measured: the values whose shapes are looked at when the stage begins.
      before, known: the unknowns known before and after these are measured.
      externals: what kernels read and does not lie in the arena when the stage begins: leaves,
        results of host steps, and of earlier stages.
      made: results of the stage's own host steps that its kernels read, numbered after the
        externals.
      written: what kernels write, in order, with the first and last step that touches it.
      results: those of them that the run gives away.
    """

    steps: list[Launch | HostStep]
    addresses: list[int]
    measured: list[Value]
    before: frozenset[str]
    known: frozenset[str]
    externals: list[Value] = field(default_factory=list)
    made: list[Value] = field(default_factory=list)
    written: dict[Value, tuple[int, int]] = field(default_factory=dict)
    results: set[Value] = field(default_factory=set)
    _free: dict[tuple, list[Plan]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def numbers(
        self, earlier: Numbers, shapes: Sequence[tuple[int, ...] | None]
    ) -> Numbers | None:
        """The unknowns' values, from the shapes of `measured`; None if they contradict.

        A value that was not computed, since nothing uses it, has no shape.
        """
        found = dict(earlier)
        pairs = [(v, s) for v, s in zip(self.measured, shapes) if s is not None]
        for value, shape in pairs:
            learn_numbers(found, value, shape)
        for value, shape in pairs:
            if symbols_of(value.shape.sizes) <= found.keys() and (
                    concrete(value.shape.sizes, found) != shape):
                return None
        return found if self.known <= found.keys() else None

    def kept(self) -> list[Plan]:
        """The plans that no run uses at the moment."""
        return [plan for plans in list(self._free.values()) for plan in plans]

    def take(self, key: tuple) -> Plan | None:
        """A free plan for these sizes."""
        plans = self._free.get(key)
        try:
            return plans.pop() if plans else None
        except IndexError:  # another thread took it
            return None

    def give_back(self, key: tuple, plan: Plan) -> None:
        """Keeps a plan for the next run; only the newest sizes are kept."""
        plans = self._free.get(key)
        if plans is None:
            with self._lock:
                plans = self._free.setdefault(key, [])
                while len(self._free) > KEPT_SIZES:
                    del self._free[next(iter(self._free))]
        plans.append(plan)


def learn_numbers(numbers: dict[str, int], value: Value, shape: Sequence[int]) -> None:
    """Adds what a value's shape says about the unknowns."""
    for dim, size in zip(value.shape.sizes, shape):
        name = _name(dim)
        if name:
            numbers.setdefault(name, size)


def find_stages(
    schedule: Schedule, given: Iterable[Value], results: set[Value],
) -> list[Stage]:
    """The stages of a schedule, without the addresses of their kernels.

    given: the values that are there from the start, whose shapes can be looked at.
    results: the values (roots) that a run gives away.
    Raises CannotCompile if a kernel has a size that nothing before it has.
    """
    stages = [_first_stage(given)]
    pending: list[Value] = []
    for step in schedule.steps:
        stage = stages[-1]
        if isinstance(step, HostStep):
            stage.steps.append(step)
            pending.extend(v for v in step.node.outputs if v.shape.rank is not None)
            continue
        missing = _needs(step, schedule) - stage.known
        if missing:
            learned = frozenset(_names(pending))
            if not missing <= learned:
                raise CannotCompile(f"{step.nodes[0]!r} has a size that is not known before it")
            stage = Stage([], [], pending, stage.known, stage.known | learned)
            stages.append(stage)
            pending = []
        stage.steps.append(step)
    for number, stage in enumerate(stages):
        _fill(stage, schedule, results, stages[number + 1:])
    return stages


def _first_stage(given: Iterable[Value]) -> Stage:
    measured = [v for v in given if v.shape.rank]
    return Stage([], [], measured, frozenset(), frozenset(_names(measured)))


def _names(values: Iterable[Value]) -> set[str]:
    """The unknowns that are a size of one of the values."""
    return {name for v in values for d in v.shape.sizes if (name := _name(d))}


def _name(dim: Dim) -> str | None:
    """The unknown that a size is; None for numbers and for what is made of unknowns."""
    return symbol_name(dim) if isinstance(dim, SymDim) else None


def _needs(launch: Launch, schedule: Schedule) -> set[str]:
    """The unknowns that a launch must know: of its size parameters, and of what it writes."""
    needed = symbols_of(launch.sizes)
    for value, parameter in zip(launch.buffers, launch.kernel.buffers):
        if parameter.written:
            needed |= symbols_of(schedule.sizes(value))
    return needed


def _fill(stage: Stage, schedule: Schedule, results: set[Value], later: Sequence[Stage]) -> None:
    """Finds what the stage reads and writes, and how long."""
    touched: dict[Value, tuple[int, int]] = {}
    read: dict[Value, None] = {}
    own = {v for s in stage.steps if isinstance(s, HostStep) for v in s.node.outputs}
    for number, step in enumerate(stage.steps):
        for root, written in _touches(step, schedule):
            first, _ = touched.get(root, (number, number))
            touched[root] = (first, number)
            if written:
                stage.written[root] = (number, number)
            elif isinstance(step, Launch):
                read[root] = None
    end = len(stage.steps)
    afterwards = {root for s in later for step in s.steps for root, _ in _touches(step, schedule)}
    for root in stage.written:
        first, last = touched[root]
        stage.written[root] = (first, end if root in afterwards else last)
    stage.results = results & stage.written.keys()
    outside = [v for v in read if v not in stage.written and v is not schedule.status]
    stage.externals = [v for v in outside if v not in own]
    stage.made = [v for v in outside if v in own]


def _touches(step: Launch | HostStep, schedule: Schedule) -> list[tuple[Value, bool]]:
    """(root, written?) for what a step touches."""
    if isinstance(step, HostStep):
        return [(schedule.root(v), False) for v in step.node.inputs]
    return [(schedule.root(v), p.written and v is not schedule.status)
            for v, p in zip(step.buffers, step.kernel.buffers)]


# ---- plans --------------------------------------------------------------------------------------


def make_plan(
    stage: Stage, schedule: Schedule, numbers: Numbers, claims: Mapping[Value, Value],
    constants: Mapping[Value, np.ndarray],
) -> Plan:
    """The plan of a stage for these sizes.

    claims: result → the value whose shape its memory gets (an output may be a reshape of it).
    constants: arrays that are bound once and for all.
    """
    shapes = {v: concrete(schedule.sizes(v), numbers) for v in stage.written}
    inside = [v for v in stage.written if v not in stage.results]
    offsets, total = place([
        Lifetime(_bytes(v, shapes[v]), *stage.written[v]) for v in inside])
    arena = new_arena(total)
    views = {v: arena[o:o + _bytes(v, shapes[v])].view(v.dtype.numpy).reshape(shapes[v])
             for v, o in zip(inside, offsets)}
    status = np.zeros(1, np.int64)
    fixed = dict(views) | {v: constants[v] for v in stage.externals if v in constants}
    if schedule.status is not None:
        fixed[schedule.status] = status
    fresh = [(v, concrete(claims[v].shape.sizes, numbers), v.dtype.numpy)
             for v in stage.written if v in stage.results]
    bound = [v for v in stage.externals if v not in constants] + [v for v, _, _ in fresh]
    tables = _Tables(stage, schedule, numbers, fixed, [*bound, *stage.made])
    objects = np.zeros(max(len(bound) + len(stage.made), 1), np.uint64)
    actions = tables.actions(objects, len(bound))
    pack = struct.Struct(f"{len(bound)}Q").pack_into
    renamed = {v: concrete(v.shape.sizes, numbers) for v in (*schedule.aliases, *claims)
               if symbols_of(v.shape.sizes) <= numbers.keys()}
    view = memoryview(objects)  # type: ignore[arg-type]  # arrays are buffers
    return Plan(actions, objects, bound, partial(pack, view, 0), tables.made, fresh, views,
                renamed, numbers, memoryview(status), arena, [tables, *fixed.values()])  # type: ignore[arg-type]


class _Tables:
    """The tables that the dispatcher reads, as arrays."""

    def __init__(
        self, stage: Stage, schedule: Schedule, numbers: Numbers,
        fixed: Mapping[Value, np.ndarray], bound: Sequence[Value],
    ) -> None:
        self.stage = stage
        number_of = {v: i for i, v in enumerate(bound)}
        pointers: list[int] = []
        sizes: list[int] = []
        buffer_at, size_at = [], []
        self.places: dict[int, list[int]] = {}
        for step in stage.steps:
            if not isinstance(step, Launch):
                continue
            buffer_at.append(len(pointers))
            size_at.append(len(sizes))
            for value in step.buffers:
                root = schedule.root(value)
                if root in fixed:
                    pointers.append(fixed[root].ctypes.data)
                else:
                    self.places.setdefault(number_of[root], []).append(len(pointers))
                    pointers.append(0)
            sizes.extend(concrete(step.sizes, numbers))
        self.made = {v: number_of[v] for v in stage.made}
        self.pointers = np.array(pointers or [0], np.uint64)
        self.sizes = np.array(sizes or [0], np.int64)
        self.buffer_at = np.array(buffer_at or [0], np.int64)
        self.size_at = np.array(size_at or [0], np.int64)
        self.kernels = np.array(stage.addresses or [0], np.uint64)
        self.segments: list[np.ndarray] = []

    def actions(self, objects: np.ndarray, ready: int) -> list[Any]:
        """Dispatcher words and host steps; the first `ready` objects exist from the start."""
        found: list[Any] = []
        waiting = list(range(ready))
        row = count = 0
        for step in self.stage.steps:
            if isinstance(step, Launch):
                count += 1
                continue
            if count:
                found.append(self._segment(objects, waiting, row, count))
                waiting, row, count = [], row + count, 0
            found.append(step)
            waiting += [self.made[v] for v in step.node.outputs if v in self.made]
        if count:
            found.append(self._segment(objects, waiting, row, count))
        return found

    def _segment(
        self, objects: np.ndarray, waiting: Iterable[int], row: int, count: int
    ) -> int:
        pairs = np.array([(n, p) for n in waiting for p in self.places.get(n, ())] or [(0, 0)],
                         np.int64)
        bound = sum(len(self.places.get(n, ())) for n in waiting)
        words = {
            "bound": bound, "pairs": pairs.ctypes.data, "objects": objects.ctypes.data,
            "pointers": self.pointers.ctypes.data, "count": count,
            "kernels": self.kernels.ctypes.data + 8 * row,
            "buffer_at": self.buffer_at.ctypes.data + 8 * row,
            "size_at": self.size_at.ctypes.data + 8 * row, "sizes": self.sizes.ctypes.data}
        made = np.array([words[w] for w in WORDS], np.int64)
        self.segments += [pairs, objects, made]
        return made.ctypes.data


def _bytes(value: Value, shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64)) * value.dtype.size


def new_arena(size: int) -> np.ndarray:
    """Bytes, aligned to 64."""
    raw = np.empty(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start:start + size]
