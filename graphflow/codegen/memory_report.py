"""The memory plan of a schedule as data: what lies in the arena, where, how long, and the rest.

Input: a Program with its schedule, the unknown sizes, and the places of values in the arena.
Output: a `MemoryReport`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from graphflow.codegen.memory_text import memory_text
from graphflow.codegen.sizes import Numbers, concrete, symbols_of
from graphflow.codegen.steps import HostStep, Launch, Schedule, Step
from graphflow.program import Node, Origin, Program, Value


@dataclass(frozen=True, slots=True)
class StoredValue:
    """A value that has memory.

    Attributes:
      name: as in the listing of the program (`%12`).
      origin: the operation that it belongs to, with the line that built it.
      dtype: the name of the element type.
      shape: with None for sizes that depend on values, or None if the rank does.
      bytes: None if a size depends on values.
    """

    name: str
    origin: Origin
    dtype: str
    shape: tuple[int | None, ...] | None
    bytes: int | None


@dataclass(frozen=True, slots=True)
class ArenaValue(StoredValue):
    """A value in the arena.

    Attributes:
      offset: where it begins, in bytes; None for what gets its place only when sizes that depend
        on values are known.
      first, last: the numbers of the steps that write it first and touch it last.
    """

    offset: int | None
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class MemoryReport:
    """Where the memory of a run goes.

    Attributes:
      values: what lies in the arena, in the order in which it is written.
      arena_bytes: the size of the arena, with gaps and alignment, for what has a place.
      peak_bytes: the most bytes of values that are alive in the arena at one step.
      peak_step: the first step with as much; None if nothing lies there.
      variables: the variables that the run reads or writes.
      updates: the new values of the variables that it writes: both exist until the run ends.
      outputs: what is fetched; each is an array of its own.
      inputs: what is fed; it is read where it lies.
      constants: those that are memory, not part of the code.
      host: results of host steps.
    """

    values: tuple[ArenaValue, ...]
    arena_bytes: int
    peak_bytes: int
    peak_step: int | None
    variables: tuple[StoredValue, ...]
    updates: tuple[StoredValue, ...]
    outputs: tuple[StoredValue, ...]
    inputs: tuple[StoredValue, ...]
    constants: tuple[StoredValue, ...]
    host: tuple[StoredValue, ...]

    @property
    def at_peak(self) -> tuple[ArenaValue, ...]:
        """The values that are alive in the arena at the peak, the largest first."""
        if self.peak_step is None:
            return ()
        alive = [v for v in self.values if v.bytes and v.offset is not None
                 and v.first <= self.peak_step <= v.last]
        return tuple(sorted(alive, key=lambda v: -(v.bytes or 0)))

    @property
    def variable_bytes(self) -> int:
        """The bytes of the variables."""
        return total_bytes(self.variables)

    @property
    def output_bytes(self) -> int:
        """The bytes of what is fetched."""
        return total_bytes(self.outputs)

    @property
    def total_bytes(self) -> int:
        """All bytes together."""
        return self.arena_bytes + sum(map(total_bytes, (
            self.variables, self.updates, self.outputs, self.inputs, self.constants, self.host)))

    def __str__(self) -> str:
        return memory_text(self)


def total_bytes(values: Iterable[StoredValue]) -> int:
    """The bytes of values together, as far as they are known."""
    return sum(v.bytes or 0 for v in values)


def known_bytes(values: Iterable[StoredValue]) -> int | None:
    """The bytes of values together; None if some are not known."""
    found = [v.bytes for v in values]
    return None if None in found else sum(n for n in found if n is not None)


class ValueNames:
    """How the values of one Program are told: name, origin, sizes in numbers.

    Attributes:
      program: the Program, or the body of a region.
      names: the name of each value.
      numbers: the unknown sizes.
      schedule: how the Program is computed.
    """

    def __init__(
        self, program: Program, names: Mapping[Value, str], numbers: Numbers, schedule: Schedule
    ) -> None:
        self.program, self.names, self.numbers, self.schedule = program, names, numbers, schedule
        self._touched = Counter(
            root for step in schedule.steps for root in {r for r, _ in schedule.touches(step)})
        self._results = {schedule.root(v) for v in (*program.outputs, *program.writes.values())}

    def name(self, value: Value) -> str:
        """`%12`; a copy that the scheduler made is told as what it is."""
        if value in self.names:
            return self.names[value]
        if not value.node.inputs:
            return "scratch"
        return f"{value.node.opdef.name}({', '.join(map(self.name, value.node.inputs))})"

    def node_name(self, node: Node) -> str:
        """`%12`."""
        return self.names[node.outputs[0]].split(".")[0] if node.outputs else node.opdef.name

    def origin(self, node: Node) -> Origin:
        """The operation of a node; of a copy that the scheduler made, that of its source."""
        found = self.program.origins.get(node.serial) if node.serial >= 0 else None
        if found is None and node.inputs:
            return self.origin(node.inputs[0].node)
        return found or Origin("", None)

    def step_origin(self, step: Step) -> Origin:
        """The operation of a step; the first of several."""
        return self.origin(step.nodes[0] if isinstance(step, Launch) else step.node)

    def shape(self, value: Value) -> tuple[int | None, ...] | None:
        """The sizes of a value's memory, as far as they are known."""
        try:
            sizes = self.schedule.sizes(value)
        except ValueError:  # its rank depends on values
            return None
        return tuple(
            concrete([d], self.numbers)[0] if symbols_of([d]) <= self.numbers.keys() else None
            for d in sizes)

    def bytes(self, value: Value) -> int | None:
        """The bytes of a value's memory."""
        shape = self.shape(value)
        if shape is None or None in shape or value.dtype.is_string:
            return None
        return math.prod(n for n in shape if n is not None) * value.dtype.size

    def private(self, root: Value) -> bool:
        """True for memory that only one step touches, and no result."""
        return self._touched[root] == 1 and root not in self._results

    def stored(self, value: Value) -> StoredValue:
        """The record of a value."""
        return StoredValue(self.name(value), self.origin(value.node), value.dtype.name,
                           self.shape(value), self.bytes(value))

    def in_arena(
        self, value: Value | None, step: Step, size: int | None, offset: int | None,
        first: int, last: int,
    ) -> ArenaValue:
        """The record of memory in the arena; without a value it is a region's own."""
        origin = self.origin(value.node) if value is not None else Origin("", None)
        if not origin.name:
            origin = self.step_origin(step)
        if value is None:
            return ArenaValue("own", origin, "uint8", (size,), size, offset, first, last)
        return ArenaValue(self.name(value), origin, value.dtype.name, self.shape(value), size,
                          offset, first, last)


def memory_report(
    names: ValueNames, values: Sequence[ArenaValue], arena_bytes: int
) -> MemoryReport:
    """What a run needs: `values` in the arena, and what lies elsewhere."""
    program, schedule = names.program, names.schedule
    given_away = {schedule.root(v) for v in (*program.outputs, *program.writes.values())}
    written = {key: names.stored(v) for key, v in program.writes.items()}
    read = {key: names.stored(v) for key, v in program.reads.items()}
    large = [n.outputs[0] for n in program.nodes
             if n.opdef.name == "Const" and n.attrs["value"].array.size > 1]
    host = [v for s in schedule.steps if isinstance(s, HostStep) for v in s.node.outputs
            if v not in given_away]
    peak_step, peak = _peak(values)
    return MemoryReport(
        tuple(values), arena_bytes, peak, peak_step,
        tuple(_named(read.get(key) or written[key], key) for key in {**read, **written}),
        tuple(_named(v, key) for key, v in written.items()),
        tuple(map(names.stored, program.outputs)), tuple(map(names.stored, program.inputs)),
        tuple(map(names.stored, large)), tuple(map(names.stored, host)))


def _peak(values: Iterable[ArenaValue]) -> tuple[int | None, int]:
    places: dict[int, dict[int, int]] = {}  # values written over each other share an offset
    for value in values:
        if value.offset is not None:
            for step in range(value.first, value.last + 1):
                alive = places.setdefault(step, {})
                alive[value.offset] = max(alive.get(value.offset, 0), value.bytes or 0)
    live = {step: sum(alive.values()) for step, alive in places.items()}
    most = max(live.values(), default=0)
    return (min(s for s, n in live.items() if n == most), most) if most else (None, 0)


def _named(value: StoredValue, key: str) -> StoredValue:
    """The record of a variable's value, told by the variable's name."""
    return StoredValue(value.name, Origin(key, value.origin.site), value.dtype, value.shape,
                       value.bytes)
