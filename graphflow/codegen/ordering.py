"""Updates wait until what they write over has been read.

A scatter starts from an array of which it changes a few elements. Written over that array it costs
no more than these; so it comes behind the other steps that read the array, where nothing that
reads its result stands in between. (The gradients of what loops write into a `TensorArray`, for
example: each turn reads an element and then clears it.)
"""

from __future__ import annotations

from bisect import bisect_right

from graphflow.codegen.steps import Launch, Schedule
from graphflow.program import Value

_Place = tuple[int, ...]  # of a step: (3, 1) lies behind (3,) and before (4,)


def delay_updates(schedule: Schedule) -> None:
    """Changes the order of a schedule's steps."""
    places: list[_Place] = [(k,) for k in range(len(schedule.steps))]
    updates = [k for k, step in enumerate(schedule.steps)
               if isinstance(step, Launch) and step.update is not None]
    if not updates:
        return
    touching: dict[Value, list[int]] = {}
    for k, step in enumerate(schedule.steps):
        for value, _ in dict.fromkeys(schedule.touches(step)):
            touching.setdefault(value, []).append(k)
    for k in reversed(updates):
        later = _last_before_result(schedule, k, touching, places)
        if later > places[k]:
            places[k] = (*later, 1)
    order = sorted(range(len(places)), key=places.__getitem__)
    schedule.steps[:] = [schedule.steps[k] for k in order]


def _last_before_result(
    schedule: Schedule, k: int, touching: dict[Value, list[int]], places: list[_Place]
) -> _Place:
    """The last step that touches what update `k` starts from, and comes before its readers."""
    step = schedule.steps[k]
    assert isinstance(step, Launch)
    assert step.update is not None
    made, base = (schedule.root(step.buffers[n]) for n in step.update.pair)
    behind = [places[j] for j in _after(touching[made], k)]
    end = min(behind, default=(len(places),))
    return max((places[j] for j in _after(touching[base], k) if places[j] < end),
               default=places[k])


def _after(steps: list[int], k: int) -> list[int]:
    return steps[bisect_right(steps, k):]
