"""How many turns a loop makes, where its condition counts.

`i < n`, with a loop variable i that each turn adds a constant to, holds for a number of turns that
is known before the loop runs: as a number or, where n is a size, as an expression of sizes.
Histories of such loops have a known length, and the code generator may lay the turns out one
after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphflow.dims import (
    Dim,
    SymDim,
    add,
    ceildiv,
    dim_max,
    dim_min,
    is_size,
    mul,
    never_negative,
    sub,
)
from graphflow.program import Node, Program, Value

_MOST_NODES = 64  # of a condition: longer ones are not looked at

# slope · turn + offset
_Line = tuple[int, Dim]


def loop_turns(attrs: Mapping[str, Any], values: Sequence[np.ndarray | None]) -> Dim | None:
    """The number of turns of a `While` whose regions are Programs; None if it is not known.

    attrs: of the node. values: what is known of its inputs.
    """
    condition, body = attrs["condition"], attrs["body"]
    if not isinstance(condition, Program) or len(condition.nodes) > _MOST_NODES:
        return None
    return _Count(condition, body, attrs, values).turns(condition.outputs[0])


def turns_of(node: Node) -> Dim | None:
    """How many turns a loop makes, if that is known; None for other nodes."""
    if node.opdef.name != "While":
        return None
    known = node.outputs[node.attrs["loop_vars"]].symbolic_value
    if known is None:
        return None
    turns = known.item()
    return turns if isinstance(turns, SymDim) else int(turns)


class _Count:
    """One loop's condition and how its variables change."""

    def __init__(
        self, condition: Program, body: Program, attrs: Mapping[str, Any],
        values: Sequence[np.ndarray | None],
    ) -> None:
        self.values, self.iteration = values, attrs["iteration"]
        count, saved = attrs["loop_vars"], attrs["saved"]
        results = [*body.outputs[:count], *body.outputs[count + saved:]]
        self.next = dict(zip(attrs["carried"], results))
        self.place = {v: k for program in (condition, body) for k, v in enumerate(program.inputs)}

    def turns(self, test: Value) -> Dim | None:
        """The number of turns for which a condition holds."""
        node = test.node
        name = node.opdef.name
        if name == "Identity":
            return self.turns(node.inputs[0])
        if name == "LogicalAnd":
            first, second = (self.turns(v) for v in node.inputs)
            return None if first is None or second is None else dim_min(first, second)
        if name not in ("Less", "LessEqual", "Greater", "GreaterEqual"):
            return None
        smaller, larger = node.inputs if name.startswith("Less") else node.inputs[::-1]
        if not smaller.dtype.is_integer:
            return None
        low, high = self.line(smaller), self.line(larger)
        if low is None or high is None:
            return None
        (slope, offset), (other, bound) = low, high
        # The condition is slope · turn < room.
        slope -= other
        room = sub(bound, offset)
        if name.endswith("Equal"):
            room = add(room, 1)
        if slope <= 0:
            return None
        found = ceildiv(room, slope)
        return found if never_negative(found) else dim_max(found, 0)

    def line(self, value: Value) -> _Line | None:
        """What a scalar of the condition is at each turn."""
        place = self.place.get(value)
        if place is not None and place in self.next:
            if value.dtype.name not in ("int32", "int64"):
                return None  # it may wrap around
            start, step = self.known(place), self.step(self.next[place], place)
            return None if start is None or step is None else (step, start)
        if place is not None and place == self.iteration:
            return 1, 0
        name, inputs = value.node.opdef.name, value.node.inputs
        if name in ("Identity", "Cast") and inputs[0].dtype.is_integer:
            return self.line(inputs[0])
        if name in ("Add", "Sub"):
            a, c = (self.line(v) for v in inputs)
            if a is None or c is None:
                return None
            if name == "Add":
                return a[0] + c[0], add(a[1], c[1])
            return a[0] - c[0], sub(a[1], c[1])
        fixed = self.fixed(value)
        return None if fixed is None else (0, fixed)

    def step(self, value: Value, place: int) -> int | None:
        """By how much a turn changes the variable number `place`, which becomes `value`."""
        if self.place.get(value) == place:
            return 0
        name, inputs = value.node.opdef.name, value.node.inputs
        if name == "Identity":
            return self.step(inputs[0], place)
        if name not in ("Add", "Sub"):
            return None
        for first, second in ((0, 1), (1, 0)) if name == "Add" else ((0, 1),):
            change, before = self.fixed(inputs[second]), self.step(inputs[first], place)
            if before is not None and isinstance(change, int):
                return before + change if name == "Add" else before - change
        return None

    def fixed(self, value: Value) -> Dim | None:
        """A scalar that is the same at each turn."""
        place = self.place.get(value)
        if place is not None:
            return None if place in self.next or place == self.iteration else self.known(place)
        name, inputs = value.node.opdef.name, value.node.inputs
        if name == "Const":
            return _size(value.node.attrs["value"].array)
        if name in ("Identity", "Cast") and inputs[0].dtype.is_integer:
            return self.fixed(inputs[0])
        if name not in _FIXED:
            return None
        a, c = (self.fixed(v) for v in inputs)
        return None if a is None or c is None else _FIXED[name](a, c)

    def known(self, place: int) -> Dim | None:
        """What is known of input number `place` of the loop."""
        return _size(self.values[place])


_FIXED = {"Add": add, "Sub": sub, "Mul": mul, "Minimum": dim_min, "Maximum": dim_max}


def _size(value: np.ndarray | None) -> Dim | None:
    """The one element of an integer array, unless it is a fed number that nothing is known of."""
    if value is None or value.size != 1 or value.dtype.kind not in "iuO":
        return None
    item = value.reshape(-1)[0]
    if not is_size(item):
        return None
    if isinstance(item, SymDim):
        return None if "?int" in str(item) else item
    return int(item)
