"""Summed loops that stay where the index maps of a contraction lie inside their operands.

A term counts where all its conditions hold: `Bound` (0 ≤ index < size) or any other. A condition
that is the same for all sums side by side clips the loop whose index it is linear in, or empties
the loops inside it. What is left, because it differs between the sums, splits the innermost loop
in two: where all conditions hold for all sums, and the rest, where each is checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graphflow.loop_ir import b
from graphflow.loop_ir.affine import depends, stride
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.index_arithmetic import simplified


@dataclass(frozen=True, slots=True)
class Bound:
    """0 ≤ index < size."""

    index: Expr
    size: Expr

    def condition(self) -> Expr:
        """As a bool expression."""
        return b.logical_and(b.ge(self.index, 0), b.lt(self.index, self.size))


Condition = Bound | Expr


@dataclass(frozen=True, slots=True)
class Span:
    """What a summed index runs over: `first` to `end` − 1, in loop `number` from 0 on."""

    number: int
    first: Expr
    end: Expr

    @property
    def index(self) -> Expr:
        """The summed index."""
        return simplified(self.first + b.index(self.number))

    @property
    def extent(self) -> Expr:
        """How many turns the loop makes (none if negative)."""
        return simplified(self.end - self.first)


def all_of(conditions: Iterable[Condition]) -> Expr | None:
    """The conjunction; None if there is nothing to hold."""
    total: Expr | None = None
    for one in conditions:
        expr = one.condition() if isinstance(one, Bound) else one
        total = expr if total is None else b.logical_and(total, expr)
    return total


def clip(
    numbers: Sequence[int], extents: Sequence[Expr], conditions: Iterable[Condition]
) -> tuple[list[Span], list[Condition]]:
    """The loops in which conditions hold, and the conditions that they could not take in.

    numbers, extents: of the loops from outside in; conditions use their plain indices.
    """
    first: list[Expr] = [b.const(0, e) for e in extents]
    end = list(extents)
    guards: list[list[Condition]] = [[] for _ in numbers]
    left: list[Condition] = []
    for one in conditions:
        position = _innermost(one, numbers)
        limits = None if position < 0 else _limits(one, numbers[position])
        if limits is not None:
            first[position] = b.max(first[position], limits[0])
            end[position] = b.min(end[position], limits[1])
        elif position + 1 < len(numbers):
            guards[position + 1].append(one)
        else:
            left.append(one)
    spans: list[Span] = []
    moved: dict[Expr, Expr] = {}
    for number, low, high, guard in zip(numbers, first, end, guards):
        low, high = simplified(low, moved), simplified(high, moved)
        here = all_of(guard)
        if here is not None:
            high = b.select(simplified(here, moved), high, low)
        spans.append(Span(number, low, high))
        moved[b.index(number)] = spans[-1].index
    return spans, left


def split(
    span: Span, outer: Sequence[Span], conditions: Iterable[Condition], number: int
) -> tuple[Span, tuple[Expr, Expr]] | None:
    """The innermost loop where conditions hold, and (index, extent) of loop `number` for the rest.

    conditions use plain indices. None if one of them is not linear in the innermost index.
    """
    moved = {b.index(s.number): s.index for s in outer}
    low, high = span.first, span.end
    around: list[Condition] = []
    for one in conditions:
        if not _uses(one, span.number):
            around.append(one)
            continue
        limits = _limits(one, span.number)
        if limits is None:
            return None
        low = b.max(low, simplified(limits[0], moved))
        high = b.min(high, simplified(limits[1], moved))
    guard = all_of(around)
    count = b.max(high - low, 0)
    if guard is not None:
        count = b.select(simplified(guard, moved), count, 0)
    place = span.first + b.index(number)
    rest = b.select(b.lt(place, low), place, place + count)
    return Span(span.number, low, low + count), (rest, span.extent - count)


def _uses(condition: Condition, number: int) -> bool:
    if isinstance(condition, Bound):
        return depends(condition.index, number) or depends(condition.size, number)
    return depends(condition, number)


def _innermost(condition: Condition, numbers: Sequence[int]) -> int:
    """The position of the innermost loop that a condition depends on; −1: none."""
    return max((k for k, n in enumerate(numbers) if _uses(condition, n)), default=-1)


def _limits(condition: Condition, number: int) -> tuple[Expr, Expr] | None:
    """(first, end) of the values of a loop's index for which a bound holds, if it is linear."""
    if not isinstance(condition, Bound) or depends(condition.size, number):
        return None
    step = stride(condition.index, number)
    if not step:
        return None
    rest = simplified(condition.index, {b.index(number): b.const(0, condition.index)})
    if step > 0:
        return _ceil(-rest, step), _ceil(condition.size - rest, step)
    return (b.floordiv(rest - condition.size, -step) + 1, b.floordiv(rest, -step) + 1)


def _ceil(x: Expr, step: int) -> Expr:
    return x if step == 1 else -b.floordiv(-x, step)
