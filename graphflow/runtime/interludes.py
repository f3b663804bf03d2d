"""What Python does with memory and sizes where the dispatcher has stopped."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from graphflow.codegen.sizes import concrete, measured_shapes
from graphflow.codegen.steps import CountStep, MeasureStep
from graphflow.program import Value
from graphflow.reference import Store
from graphflow.runtime.plan import Plan
from graphflow.runtime.results import new_array
from graphflow.runtime.stages import Stage
from graphflow.runtime.tables import History


class Run:
    """What one run holds.

    Attributes:
      values: arrays by value.
      shapes: those that are found before there are arrays.
      plans: in use, with their stages and keys.
      done: the results of effects, in order.
      store: the variables, if the run may change some in place.
      changed: True once it has.
    """

    __slots__ = ("changed", "done", "plans", "shapes", "store", "values")

    def __init__(self, values: dict[Value, Any], store: Store | None = None) -> None:
        self.values, self.store = values, store
        self.changed = False
        self.shapes: dict[Value, tuple[int, ...]] = {}
        self.plans: list[tuple[Stage, tuple, Plan]] = []
        self.done: list[list[Any]] = []


def begin_histories(run: Run, plan: Plan) -> None:
    """Room for the histories of a plan's loops."""
    for history in plan.histories:
        array = new_array((history.capacity, *history.shape), history.value.dtype.numpy)
        _set_history(run, plan, history, array)


def grow(run: Run, plan: Plan, history: History) -> None:
    """Twice the room for a history that is full; the next run starts with as much."""
    old = run.values[history.value]
    history.capacity = 2 * len(old)
    new = new_array((history.capacity, *history.shape), old.dtype)
    new[:len(old)] = old
    _set_history(run, plan, history, new)


def _set_history(run: Run, plan: Plan, history: History, array: np.ndarray) -> None:
    run.values[history.value] = array
    plan.objects[history.number] = id(array)
    history.words[1] = len(array)


def end_histories(run: Run, plan: Plan) -> None:
    """Histories have as many entries as their loops have made turns."""
    for history in plan.histories:
        run.values[history.value] = run.values[history.value][:plan.count(history)]


def measure(
    run: Run, plan: Plan, step: MeasureStep, given: Mapping[Value, np.ndarray]
) -> bool:
    """Notes the shapes that follow from values; False if the op refuses these."""
    shapes = measured_shapes(step.node, plan.numbers, given)
    if shapes is not None:
        run.shapes.update(zip(step.node.outputs, shapes))
    return shapes is not None


def count(
    run: Run, plan: Plan, step: CountStep, counted: np.ndarray, counted_values: Collection[Value]
) -> None:
    """The results of a kernel that has counted them: the front of their memory.

    counted_values: those that anything uses and whose memory has room for more.
    """
    numbers = dict(plan.numbers)
    numbers.update(zip(step.unknowns, counted.tolist()))
    for value in step.node.outputs:
        if value not in counted_values:
            continue
        shape = concrete(value.shape.sizes, numbers)
        run.shapes[value] = shape
        memory = run.values[value] if value in run.values else plan.view(value)
        if memory.shape != shape:
            run.values[value] = memory.reshape(-1)[:math.prod(shape)].reshape(shape)
