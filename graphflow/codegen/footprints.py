"""What each member of a team does of a call: how long it takes, and which memory it touches.

Input: a kernel and its sizes. Output: for each unit of the kernel (`codegen/shares.py`) the depth
at which it is best divided, and for each member the range of each buffer that it reads and
writes. Ranges come from the bounds of the loops' indices, so they may be too large, never too
small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache

from graphflow.codegen.cost import time_of_a_turn
from graphflow.codegen.processor import vector_bytes
from graphflow.codegen.shares import (
    Path,
    Unit,
    digits,
    turns_of_a_part,
    units,
    walk_statements,
)
from graphflow.loop_ir import b
from graphflow.loop_ir.affine import learn_bounds, slope
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.nest import Fold, Kernel, Loop, Statement, Store, expressions

_REMEMBERED = 8

Bounds = dict[Expr, tuple[int, int] | None]


@dataclass(frozen=True, slots=True)
class Touched:
    """A part of a buffer: elements from `first` to before `end`; all of it if `end` is None."""

    buffer: int
    written: bool
    first: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True)
class _Access:
    buffer: int
    written: bool
    offset: Expr
    path: Path
    where: Expr | None = None


@dataclass(slots=True)
class _Part:
    """A unit of a kernel, looked at once for all sizes.

    Attributes:
      unit: it.
      times: of one turn of each statement, with the loops around it.
      accesses: to memory that is not private; each place of a buffer once.
      known: (sizes, depth, members) → what each member touches.
    """

    unit: Unit
    times: list[tuple[float, Path]] = field(default_factory=list)
    accesses: list[_Access] = field(default_factory=list)
    known: dict[tuple, list[list[Touched]]] = field(default_factory=dict)


class Footprints:
    """Answers about one kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._parts = [self._part(unit) for unit in units(kernel)]
        self._turns: dict[int, int] = {}  # of a part of a divided loop

    @property
    def count(self) -> int:
        """How many units there are."""
        return len(self._parts)

    def _part(self, unit: Unit) -> _Part:
        part = _Part(unit)
        found: dict[tuple[int, bool, Expr, int], _Access] = {}
        for statement, path in walk_statements(unit.body):
            part.times.append((time_of_a_turn(statement), path))
            for buffer, written, offset in _places(statement):
                if not self.kernel.buffers[buffer].private:
                    key = (buffer, written, offset, path[-1].number if path else -1)
                    where = statement.where if isinstance(statement, Store) else None
                    found.setdefault(key, _Access(buffer, written, offset, path, where))
        part.accesses = list(found.values())
        return part

    def time(self, sizes: Sequence[int]) -> float:
        """About how long a call takes on one thread, in nanoseconds, if its data is near."""
        known = _sizes(sizes)
        return sum(self._time(part, known, 0, 1) for part in self._parts)

    def choose(self, unit: int, sizes: Sequence[int], members: int) -> tuple[int, float]:
        """The depth at which a unit is divided best, and what that saves, in nanoseconds.

        Depth 0 if no depth saves anything.
        """
        part, known = self._parts[unit], _sizes(sizes)
        whole = self._time(part, known, 0, 1)
        gains = [(whole - self._time(part, known, depth, members), depth)
                 for depth in sorted(part.unit.depths)]
        while gains:
            most = max(gain for gain, _ in gains)
            saved, best = next(pair for pair in gains if pair[0] >= 0.95 * most)
            if saved <= 0:
                break
            if self._apart(part, sizes, best, members):
                return best, saved
            gains.remove((saved, best))
        return 0, 0.0

    def touched(
        self, unit: int, sizes: Sequence[int], depth: int, members: int
    ) -> list[list[Touched]]:
        """What each member touches; member 0 does all if `depth` is 0."""
        return self._touched(self._parts[unit], sizes, depth, members)

    def same_place(self, unit: int, written: int, read: int) -> bool:
        """True if a unit reads one buffer just where it writes the other one."""
        stores = {a.offset for a in self._parts[unit].accesses
                  if a.buffer == written and a.written}
        return all(a.offset in stores for a in self._parts[unit].accesses
                   if a.buffer == read and not a.written)

    # ---- time -------------------------------------------------------------------------------

    def _time(self, part: _Part, known: Bounds, depth: int, members: int) -> float:
        """About how long the member with the most work takes."""
        found, chosen = dict(known), part.unit.depths.get(depth, frozenset())
        return sum(each * self._longest(path, chosen, found, members)
                   for each, path in part.times)

    def _longest(
        self, path: Path, chosen: frozenset[int], found: Bounds, members: int
    ) -> float:
        turns, vectors = 1.0, False
        for loop in path:
            extent = _enter(loop, found)
            if loop.number in chosen and isinstance(loop, Loop):
                turns_in_part = self._part_turns(loop)
                parts = -(-extent // turns_in_part)
                extent = min(-(-parts // members) * turns_in_part, extent)
            if loop.lanes and not vectors:
                vectors = True
                extent = -(-extent // (vector_bytes() // 4))
            turns *= extent
        return turns

    def _part_turns(self, loop: Loop) -> int:
        if loop.number not in self._turns:
            self._turns[loop.number] = turns_of_a_part(self.kernel, loop, vector_bytes())
        return self._turns[loop.number]

    # ---- memory -----------------------------------------------------------------------------

    def _touched(
        self, part: _Part, sizes: Sequence[int], depth: int, members: int
    ) -> list[list[Touched]]:
        key = (tuple(sizes), depth, members)
        if key not in part.known:
            if len(part.known) >= _REMEMBERED:
                part.known.clear()
            part.known[key] = [self._touched_by(part, sizes, depth, member, members)
                               for member in range(members if depth else 1)]
        return part.known[key]

    def _touched_by(
        self, part: _Part, sizes: Sequence[int], depth: int, member: int, members: int
    ) -> list[Touched]:
        found, chosen = _sizes(sizes), part.unit.depths.get(depth, frozenset())
        empty: set[int] = set()
        ranges: dict[tuple[int, bool], Touched] = {}
        for access in part.accesses:
            for loop in access.path:
                index = _index(loop.number)
                if index in found:
                    continue
                extent = _enter(loop, found)
                if loop.number in chosen and isinstance(loop, Loop):
                    first, end = self._range(loop, extent, member, members)
                    found[index] = first, end - 1
                    if first >= end:
                        empty.add(loop.number)
            if not any(loop.number in empty for loop in access.path):
                _add(ranges, access, learn_bounds(access.offset, found))
        return list(ranges.values())

    def _range(self, loop: Loop, extent: int, member: int, members: int) -> tuple[int, int]:
        """As `codegen/cpu/sharing.py` computes it."""
        turns = self._part_turns(loop)
        parts = -(-extent // turns)
        return (min(parts * member // members * turns, extent),
                min(parts * (member + 1) // members * turns, extent))

    def _apart(self, part: _Part, sizes: Sequence[int], depth: int, members: int) -> bool:
        """True if no two members store to one place."""
        ranges: dict[int, list[tuple[int, int]]] = {}
        unknown: set[int] = set()
        for touched in self._touched(part, sizes, depth, members):
            for t in touched:
                if t.written and t.end is None:
                    unknown.add(t.buffer)
                elif t.written and t.end is not None:
                    ranges.setdefault(t.buffer, []).append((t.first, t.end))
        mixed = {buffer for buffer, found in ranges.items() if _overlap(found)}
        known, chosen = _sizes(sizes), part.unit.depths[depth]
        stores = [a for a in part.accesses if a.written]
        indirect = [a for a in stores if a.buffer in unknown]
        return len(unknown) == len(indirect) and all(
            _by_digit(a, chosen, dict(known)) for a in indirect) and all(
            _one_to_one(a, dict(known)) for a in stores if a.buffer in mixed - unknown)


@cache
def _index(number: int) -> Expr:
    return b.index(number)


@cache
def _size(number: int) -> Expr:
    return b.size(number)


def _places(statement: Statement) -> list[tuple[int, bool, Expr]]:
    """(buffer, written?, offset) of what a statement touches."""
    found = [(n.attr, False, n.args[0]) for n in walk(*expressions(statement)) if n.op == "load"]
    if isinstance(statement, Store):
        found.append((statement.buffer, True, statement.offset))
    return found


def _sizes(sizes: Sequence[int]) -> Bounds:
    return {_size(k): (n, n) for k, n in enumerate(sizes)}


def _enter(loop: Loop | Fold, found: Bounds) -> int:
    """The largest extent of a loop, whose index gets its bounds if it has none yet."""
    bounds = learn_bounds(loop.extent, found)
    extent = max(bounds[1], 0) if bounds is not None else 1
    found.setdefault(_index(loop.number), (0, extent - 1) if bounds is not None else None)
    return extent


def _add(
    ranges: dict[tuple[int, bool], Touched], access: _Access, bounds: tuple[int, int] | None
) -> None:
    key = access.buffer, access.written
    known = ranges.get(key)
    if bounds is None or (known is not None and known.end is None):
        ranges[key] = Touched(*key)
        return
    first, end = bounds[0], bounds[1] + 1
    if known is not None and known.end is not None:
        first, end = min(first, known.first), max(end, known.end)
    ranges[key] = Touched(*key, first, end)


def _overlap(ranges: list[tuple[int, int]]) -> bool:
    ranges = sorted(ranges)
    return any(end > first for (_, end), (first, _) in zip(ranges, ranges[1:]))


def _one_to_one(access: _Access, found: Bounds) -> bool:
    """True if no two turns store to one place, except those of loops that do not move it.

    So it is where each step is longer than all the way that the shorter ones go.
    """
    steps: list[tuple[int, int]] = []
    for loop in access.path:
        extent = _enter(loop, found)
        uses, step = _step(access.offset, loop.number)
        if not uses:
            continue
        bounds = learn_bounds(step, found) if step is not None else None
        if bounds is None or bounds[0] != bounds[1]:
            return False
        if extent > 1:
            steps.append((abs(bounds[0]), extent))
    way = 0
    for length, extent in sorted(steps):
        if length <= way:
            return False
        way += length * (extent - 1)
    return True


def _by_digit(access: _Access, chosen: frozenset[int], found: Bounds) -> bool:
    """True if the index of a chosen loop is a coordinate of the places that a store goes to.

    All coordinates after it, and it itself, must stay inside their axes, by their bounds or
    since the store asks for it.
    """
    for loop in access.path:
        _enter(loop, found)
    asked = _asked(access.where)
    for digit, axis in digits(access.offset):
        if axis is not None:
            size, limit = learn_bounds(axis, found), asked.get(digit)
            bounds = learn_bounds(digit, found)
            if limit is not None:
                most = learn_bounds(limit, found)
                bounds = (0, most[1] - 1) if most is not None else None
            if size is None or bounds is None or bounds[0] < 0 or bounds[1] >= size[0]:
                return False
        if digit.op == "index" and digit.attr in chosen:
            return True
    return False


def _asked(condition: Expr | None) -> dict[Expr, Expr]:
    """The numbers of which a condition says that they are not negative, and below what."""
    pending, parts = [condition] if condition is not None else [], []
    while pending:
        part = pending.pop()
        if part.op == "logical_and":
            pending += part.args
        else:
            parts.append(part)
    least = {p.args[0] for p in parts
             if p.op == "ge" and p.args[1].op == "const" and p.args[1].attr == 0}
    return {p.args[0]: p.args[1] for p in parts if p.op == "lt" and p.args[0] in least}


@lru_cache(4096)
def _step(offset: Expr, number: int) -> tuple[bool, Expr | None]:
    """Whether an offset uses the index of a loop, and how far it moves with it."""
    uses = any(n.op == "index" and n.attr == number for n in walk(offset))
    return uses, slope(offset, number)
