"""Where values lie in the caller's workspace, with sizes that are known when the code runs.

A value has its place from the step that writes it to the last one that reads it. A place is used
again by values of the same size, as an expression.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from graphflow.codegen.steps import Schedule
from graphflow.dims import Dim, product
from graphflow.program import Value


def bytes_of(schedule: Schedule, value: Value) -> Dim:
    """The bytes of the memory of a value; at least one element, as kernels may read it."""
    found: Dim = product([*schedule.sizes(value), value.dtype.size])
    return value.dtype.size if isinstance(found, int) and found == 0 else found


@dataclass(slots=True)
class Workspace:
    """Places in a block of memory.

    Attributes:
      sizes: the bytes of each place.
    """

    sizes: list[Dim] = field(default_factory=list)

    def place(self, size: Dim) -> int:
        """A new place."""
        self.sizes.append(size)
        return len(self.sizes) - 1

    def plan(
        self, schedule: Schedule, outside: set[Value], kept: set[Value]
    ) -> dict[Value, int]:
        """The places of all that the steps write but what is `outside`; some are kept."""
        last: dict[Value, int] = {}
        written: dict[Value, int] = {}
        for number, step in enumerate(schedule.steps):
            for root, writes in schedule.touches(step):
                last[root] = number
                if writes:
                    written.setdefault(root, number)
        found: dict[Value, int] = {}
        free: dict[Dim, list[int]] = {}
        ending: dict[int, list[Value]] = {}
        for root, number in written.items():
            if root not in outside and root not in kept:
                ending.setdefault(max(last[root], number), []).append(root)
        starting: dict[int, list[Value]] = {}
        for root, number in written.items():
            if root not in outside:
                starting.setdefault(number, []).append(root)
        for number in range(len(schedule.steps)):
            for root in starting.get(number, ()):
                size = bytes_of(schedule, root)
                spare = free.get(size)
                found[root] = spare.pop() if spare else self.place(size)
            for root in ending.get(number, ()):
                free.setdefault(self.sizes[found[root]], []).append(found[root])
        return found
