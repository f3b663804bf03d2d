"""A plan: what a run of a stage needs, for one set of sizes. `runtime/plans.py` makes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow.codegen.sizes import Numbers
from graphflow.program import Value
from graphflow.runtime.tables import History

BUDGET = 1 << 27       # bytes that a loop touches before it returns, to let signals in

# A variable: its key, its new value (a root), and the leaf that is its old one.
VariableUpdate = tuple[str, Value, Value]


class IllegalSizes(Exception):
    """The sizes inside a body are not those that its code was made for."""


@dataclass(slots=True)
class Plan:
    """A stage with sizes, ready to be run by one run at a time.

    Attributes:
      state: the dispatcher's words, and their address.
      actions: number of a row → what Python does when the dispatcher stops there; None at the end.
      objects: the addresses of the bound array objects, by number.
      bound: the values whose arrays exist when the stage begins, by number.
      bind: writes the addresses of their arrays.
      made: the number of each result of the stage's own host steps.
      fresh: (value, shape, dtype) of what kernels write and the run gives away.
      in_place: the updates of variables whose new value is written over the old one.
      placed: value → (offset in the arena, shape).
      shapes: of values that only rename memory.
      histories: what loops keep.
      numbers: the unknowns' values.
      status: the status word.
      arena: bytes.
      keep: what the tables point into.
      recipe: the arrays of a direct run, once it has been looked for.
      cost: roughly the bytes that a run touches, loops left out.
      loops: whether it holds loops.
    """

    state: Any
    address: int
    actions: dict[int, Any]
    objects: np.ndarray
    bound: list[Value]
    bind: Callable[..., None]
    made: dict[Value, int]
    fresh: list[tuple[Value, tuple[int, ...], np.dtype]]
    in_place: list[VariableUpdate]
    placed: dict[Value, tuple[int, tuple[int, ...]]]
    shapes: dict[Value, tuple[int, ...]]
    histories: list[History]
    numbers: Numbers
    status: memoryview
    arena: np.ndarray
    keep: list[Any]
    recipe: Any = None
    cost: int = 0
    loops: bool = False

    @property
    def last_row(self) -> int:
        """The row at which the dispatcher is through."""
        return next(row for row, action in self.actions.items() if action is None)

    def view(self, value: Value) -> np.ndarray:
        """The array of a value that lies in the arena."""
        offset, shape = self.placed[value]
        size = bytes_of(value, shape)
        return self.arena[offset:offset + size].view(value.dtype.numpy).reshape(shape)

    def count(self, history: History) -> int:
        """How many turns the loop of a history has made."""
        at = history.count.offset
        return int(self.arena[at:at + 8].view(np.int64)[0])


def bytes_of(value: Value, shape: Sequence[int]) -> int:
    """The memory that a value of this shape needs."""
    size = value.dtype.size
    for extent in shape:
        size *= extent
    return size
