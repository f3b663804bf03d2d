"""Who does what of a plan: calls that a team divides, and where its members meet.

Input: the rows of a plan. `divide` says how each call is divided (the calls that gain nothing by
it are left to member 0), or that no team is worth it. When memory has its places, `script` says
where members meet: where one reads or writes what another one has written, or writes what another
one has read, since they met last. Members meet at every label, too, so that what is known there
does not depend on the way that led to it; loops and branches without divided calls are left to
member 0 as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphflow.codegen.cost import time_of_memory
from graphflow.codegen.dispatch import (
    ADD,
    ALONE,
    BACK,
    CODES,
    COPY,
    KEEP,
    MEET,
    SET,
    STOP,
    TEAM,
    UNLESS,
)
from graphflow.codegen.footprints import Footprints
from graphflow.codegen.kept.answers import footprints_of
from graphflow.codegen.library import LibraryKernel
from graphflow.codegen.memory import ALIGNMENT
from graphflow.codegen.shares import DEPTH_BITS
from graphflow.codegen.steps import Launch
from graphflow.runtime.tables import Label, Memory, Script

# Nanoseconds that dividing a call, and having a team at all, must save.
MEETING, WAKING = 2500.0, 10_000.0
MOST_PENDING = 200       # ranges that are compared; with more of them members just meet
_BOUND = 1 << 48         # above all addresses: where bound arrays stand for comparisons

Span = tuple[int, int, bool]  # first byte, end, written?


@dataclass(slots=True)
class _Division:
    """How one call is divided: the depth for each of its units."""

    footprints: Footprints
    depths: list[int]


@dataclass(slots=True)
class Teamwork:
    """The divided calls of a plan.

    Attributes:
      rows: of the plan.
      launches: row → what it calls.
      members: of the team.
      divisions: row → how it is divided.
    """

    rows: Sequence[tuple]
    launches: Mapping[int, Launch]
    members: int
    divisions: dict[int, _Division]
    _pending: list[list[Span]] = field(default_factory=list)

    # ---- meetings ---------------------------------------------------------------------------

    def script(self) -> Script:
        """The rows that members do on top of the plan's own. Memory must have its places."""
        script = Script()
        constructs = _constructs(self.rows)
        targets = {label.row for _, *operands in self.rows for label in operands
                   if isinstance(label, Label)}
        joined, row = False, 0
        self._clear()
        while row < len(self.rows):
            end = constructs.get(row, row + 1)
            divided = any(r in self.divisions for r in range(row, end))
            loop = _is_loop(self.rows, row, end)
            if row in targets and joined and not loop:
                self._meet(script.before.setdefault(row, []))
            here = (script.after.setdefault(row - 1, []) if loop  # not done again in each turn
                    else script.before.setdefault(row, []))
            if divided and not joined:
                here.append((TEAM,))
                joined = True
                self._clear()
            if loop and divided:
                self._meet(script.before.setdefault(row, []))
            if end > row + 1 and joined and not divided:
                self._meet(here)
                label = Label()
                label.row = end
                here.append((ALONE, label))
                row = end
                continue
            for inner in range(row, end):
                if joined and inner in targets and inner > row:
                    self._meet(script.before.setdefault(inner, []))
                if joined:
                    self._row(script, inner)
            if self.rows[row][0] == STOP:
                joined = False
                self._clear()
            row = end
        return script

    def _clear(self) -> None:
        self._pending = [[] for _ in range(self.members)]

    def _meet(self, words: list[tuple]) -> None:
        if (MEET,) not in words:
            words.append((MEET,))
        self._clear()

    def _row(self, script: Script, row: int) -> None:
        kind, *operands = self.rows[row]
        before = script.before.setdefault(row, [])
        if kind >= CODES:
            script.calls[row] = self._call(row, before, operands)
        elif kind == COPY:
            self._touch(before, [[_span(operands[0], True), _span(operands[1], False)]])
        elif kind in (SET, ADD):
            self._touch(before, [[_span(operands[0], True)]])
        elif kind == UNLESS:
            self._touch(before, [[_span(operands[0], False)]] * self.members)
        elif kind == KEEP:
            spans = [_span(operands[1], False), _span(operands[0].count, False)]
            if operands[0].target is not None:
                spans.append(_span(operands[0].target, True))
            self._touch(before, [spans])
            if self.rows[row + 1][0] != KEEP:  # member 0 may leave, and come back to do it again
                self._meet(script.after.setdefault(row, []))

    def _call(self, row: int, before: list[tuple], operands: list[Any]) -> list[int | None]:
        """The modes of the calls of a kernel, unit by unit; None for a meeting between two."""
        memories, sizes = operands[0], operands[1]
        division = self.divisions.get(row)
        if division is None:
            parameters = self.launches[row].kernel.buffers
            self._touch(before, [[_span(m, p.written) for m, p in zip(memories, parameters)]])
            return [0]
        made: list[int | None] = []
        count = division.footprints.count
        for unit, depth in enumerate(division.depths):
            spans = [[_part_of(memories[t.buffer], division, t) for t in touched]
                     + self._private(row, member)
                     for member, touched in enumerate(
                         division.footprints.touched(unit, sizes, depth, self.members))]
            words = before if not made else []
            met = len(words)
            self._touch(words, spans)
            every = (1 << count) - 1 if count > 1 else 0
            if made and len(words) == met and made[-1] is not None and (
                    made[-1] & ((1 << DEPTH_BITS) - 1)) == depth:
                made[-1] &= ~(1 << (DEPTH_BITS + unit))
                continue
            if made and len(words) > met:
                made.append(None)
            made.append(depth | (every & ~(1 << unit)) << DEPTH_BITS)
        return made

    def _private(self, row: int, member: int) -> list[Span]:
        """The private memory of a member, whose place other calls use before and after."""
        parameters, memories = self.launches[row].kernel.buffers, self.rows[row][1]
        private = [m for m, p in zip(memories, parameters) if p.private]
        spans = []
        for memory, stride in zip(private, memories[len(parameters):]):
            start, distance = _start(memory), stride.address or 0
            spans.append((start + member * distance, start + (member + 1) * distance, True))
        return spans

    def _touch(self, before: list[tuple], spans: Sequence[Sequence[Span]]) -> None:
        """Notes what each member touches, after a meeting if that is needed."""
        if sum(map(len, self._pending)) > MOST_PENDING or any(
            _conflict(mine, theirs) for k, mine in enumerate(spans)
            for j, theirs in enumerate(self._pending) if j != k
        ):
            self._meet(before)
        for mine, pending in zip(spans, self._pending):
            pending.extend(mine)


def divide(
    rows: Sequence[tuple], launches: Mapping[int, Launch], members: int
) -> Teamwork | None:
    """How a team of so many members does a plan; None if one thread does it as well.

    launches: row → what it calls. Private memory gets room for all members.
    """
    divisions: dict[int, _Division] = {}
    total = 0.0
    asked: dict[tuple, tuple[_Division | None, float]] = {}  # of the turns of a loop
    known: dict[int, Footprints] = {}  # of kernels: layers that are alike share theirs
    for row, launch in launches.items():
        address, memories, sizes = rows[row]
        kernel = launch.kernel
        if address != launch.address or isinstance(kernel, LibraryKernel):
            continue  # a scatter in place, a hand-written kernel
        if launch.footprints is None:
            if id(kernel) not in known:
                known[id(kernel)] = footprints_of(kernel)
            launch.footprints = known[id(kernel)]
        places = [id(m.place()) for m in memories]
        key = (id(launch), sizes, *(m.size for m in memories), *map(places.index, places))
        if key not in asked:
            asked[key] = _division(launch, memories, sizes, members)
        found, saved = asked[key]
        if found is not None:
            divisions[row] = found
            total += saved
    if total < WAKING:
        return None
    for row in divisions:
        _make_room(launches[row], rows[row][1], members)
    return Teamwork(rows, launches, members, divisions)


def _division(
    launch: Launch, memories: Sequence[Memory], sizes: Sequence[int], members: int
) -> tuple[_Division | None, float]:
    """The best division of a call, and what it saves."""
    footprints = launch.footprints
    assert footprints is not None  # `divide` has asked
    moved = time_of_memory(sum(m.size for m in memories))
    time = max(footprints.time(sizes), 1.0)
    slower = max(1.0, moved / time)
    if time * slower < 2 * MEETING:
        return None, 0.0
    depths, total = [], 0.0
    for unit in range(footprints.count):
        depth, saved = footprints.choose(unit, sizes, members)
        gain = saved * slower - MEETING
        if gain <= 0 or not _reads_its_own(launch, footprints, memories, sizes, unit, depth,
                                           members):
            depth, gain = 0, 0.0
        depths.append(depth)
        total += gain
    for unit in range(footprints.count if any(depths) else 0):
        if not depths[unit]:  # where others are divided, one that is not would be waited for
            depth, _ = footprints.choose(unit, sizes, members)
            if _reads_its_own(launch, footprints, memories, sizes, unit, depth, members):
                depths[unit] = depth
    return (_Division(footprints, depths), total) if any(depths) else (None, 0.0)


def _reads_its_own(
    launch: Launch, footprints: Footprints, memories: Sequence[Memory], sizes: Sequence[int],
    unit: int, depth: int, members: int,
) -> bool:
    """True if no member reads what another one writes of memory that a call reads and writes."""
    parameters = launch.kernel.buffers
    places = [m.place() for m in memories[:len(parameters)]]
    pairs = [(w, r) for w, p in enumerate(parameters) for r, q in enumerate(parameters)
             if p.written and not q.written and not p.private and places[w] is places[r]]
    pairs = [(w, r) for w, r in pairs if not footprints.same_place(unit, w, r)]
    if not pairs:
        return True
    touched = footprints.touched(unit, sizes, depth, members)
    for written, read in pairs:
        for k, mine in enumerate(touched):
            for j, theirs in enumerate(touched):
                if j != k and any(
                    a.buffer == read and not a.written and c.buffer == written and c.written
                    and (a.end is None or c.end is None
                         or (a.first < c.end and c.first < a.end))
                    for a in mine for c in theirs
                ):
                    return False
    return True


def _make_room(launch: Launch, memories: Sequence[Memory], members: int) -> None:
    """Private memory for each member; the distances stand behind the buffers."""
    parameters = launch.kernel.buffers
    strides = iter(memories[len(parameters):])
    for parameter, memory in zip(parameters, memories):
        if parameter.private:
            distance = -(-max(memory.size, 1) // ALIGNMENT) * ALIGNMENT
            memory.place().room = max(memory.place().room, distance * members)
            next(strides).address = distance


# ---- memory -------------------------------------------------------------------------------------


def _start(memory: Memory) -> int:
    """Where memory begins; bound arrays have places of their own above all addresses."""
    base, shift = memory.base()
    start = base.address if base.address is not None else _BOUND * (1 + (base.number or 0))
    return start + shift


def _span(memory: Memory, written: bool) -> Span:
    """All of a memory, which is not known to end where its size is not known."""
    start = _start(memory)
    place = memory.place()
    size = place.room or memory.room
    return start, start + (size if place.number is None else _BOUND), written


def _part_of(memory: Memory, division: _Division, touched: Any) -> Span:
    if touched.end is None:
        return _span(memory, touched.written)
    start = _start(memory)
    size = division.footprints.kernel.buffers[touched.buffer].dtype.size
    return start + size * touched.first, start + size * touched.end, touched.written


def _conflict(mine: Sequence[Span], theirs: Sequence[Span]) -> bool:
    return any((w or v) and a < d and c < e
               for a, e, w in mine for c, d, v in theirs)


# ---- control flow -------------------------------------------------------------------------------


def _constructs(rows: Sequence[tuple]) -> dict[int, int]:
    """First row → the row behind the last one, of each outermost loop and branch."""
    spans = []
    for row, (kind, *operands) in enumerate(rows):
        for label in operands:
            if isinstance(label, Label):
                spans.append((label.row, row + 1) if kind == BACK else (row, label.row))
    found: dict[int, int] = {}
    last = -1
    for first, end in sorted(spans):
        if last >= 0 and first < found[last]:
            found[last] = max(found[last], end)
        else:
            last = first
            found[first] = end
    return found


def _is_loop(rows: Sequence[tuple], first: int, end: int) -> bool:
    """True if a construct begins with what its last row goes back to."""
    return any(kind == BACK and any(isinstance(o, Label) and o.row == first for o in operands)
               for kind, *operands in rows[first:end])
