"""The short way through a run: programs of one stage without steps in Python.

What a run binds, takes and gives away is the same each time for one plan. A `Recipe` holds it as
positions in one list of arrays: feeds, values of variables, fresh arrays, in this order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graphflow.codegen.steps import Launch, RegionStep, Schedule
from graphflow.program import Program, Value
from graphflow.runtime.plan import Plan
from graphflow.runtime.stages import Stage


@dataclass(frozen=True, slots=True)
class Recipe:
    """One plan's arrays.

    Attributes:
      taken: the positions, among the variables, of those that are changed in place.
      fresh: shape and type of the arrays that are made for each run.
      order: the positions of what the plan binds.
      outputs: the positions of the outputs.
      commits: (variable, position of its new value).
    """

    taken: frozenset[int]
    fresh: tuple[tuple[tuple[int, ...], np.dtype], ...]
    order: tuple[int, ...]
    outputs: tuple[int, ...]
    commits: tuple[tuple[str, int], ...]

    def fresh_commits(self, first: int) -> tuple[tuple[str, int], ...]:
        """The commits of arrays that are made for each run; `first`: the position of these."""
        return tuple((key, place) for key, place in self.commits if place >= first)


def is_direct(program: Program, schedule: Schedule, stages: Sequence[Stage]) -> bool:
    """True if nothing but kernels and native regions stands between the feeds and the results."""
    if len(stages) != 1 or program.flags or program.effects:
        return False
    return all(v in program.inputs for v in stages[0].measured) and all(
        isinstance(s, Launch) or (isinstance(s, RegionStep) and not s.histories())
        for s in schedule.steps)


def recipe_of(
    program: Program, schedule: Schedule, plan: Plan, claims: Mapping[Value, Value]
) -> Recipe | None:
    """The recipe of a plan; None if a result is not an array of its own (a feed, a copy)."""
    states = list(program.reads)
    position: dict[Value, int] = {v: k for k, v in enumerate(program.inputs)}
    for key in states:
        position[program.reads[key]] = len(position)
    for value, _, _ in plan.fresh:
        position[value] = len(position)
    in_place = {key: (new, old) for key, new, old in plan.in_place}
    for new, old in in_place.values():
        position[new] = position[old]
    changed = {new for new, _ in in_place.values()}
    given: set[int] = set()

    def own(value: Value) -> int | None:
        root = schedule.root(value)
        found = position.get(root)
        if claims.get(root) is not value or root in changed or found is None or found in given:
            return None
        given.add(found)
        return found

    outputs = [own(v) for v in program.outputs]
    commits = [(key, position[in_place[key][0]] if key in in_place else own(v))
               for key, v in program.writes.items()]
    if None in outputs or any(place is None for _, place in commits):
        return None
    return Recipe(
        frozenset(k for k, key in enumerate(states) if key in in_place),
        tuple((shape, dtype) for _, shape, dtype in plan.fresh),
        tuple(position[v] for v in plan.bound),
        tuple(k for k in outputs if k is not None),
        tuple((key, k) for key, k in commits if k is not None))
