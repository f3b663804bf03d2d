"""Summed loops are clipped and split so that exactly the terms inside are summed."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphflow import dtypes as dt
from graphflow.codegen.borders import Bound, Condition, Span, clip, split
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.index_arithmetic import simplified
from graphflow.loop_ir.interpreter import evaluate

ROW = 9  # the number of a loop around the sums


def const(value: int) -> Expr:
    return b.const(value, dt.int64)


def number(expr: Expr, indices: dict[int, int]) -> int:
    """The value of an expression at given loop indices."""
    table = [np.int64(indices.get(k, 0)) for k in range(ROW + 1)]
    return int(evaluate(expr, (), indices=table))


def turns(spans: list[Span], row: int) -> list[tuple[int, ...]]:
    """The summed indices that nested loops over `spans` go through."""
    found: list[tuple[int, ...]] = []

    def run(position: int, at: dict[int, int], done: tuple[int, ...]) -> None:
        if position == len(spans):
            found.append(done)
            return
        span = spans[position]
        for turn in range(number(span.extent, at)):
            here = at | {span.number: turn}
            run(position + 1, here, (*done, number(span.index, here)))

    run(0, {ROW: row}, ())
    return found


def holds(condition: Condition, at: dict[int, int]) -> bool:
    expr = condition.condition() if isinstance(condition, Bound) else condition
    return bool(number(expr, at))


@st.composite
def conditions(draw: st.DrawFn) -> Bound:
    """A bound that is linear in the loops 0 and 1 and in the row."""
    steps = [draw(st.integers(-2, 2)) for _ in range(3)]
    index = const(draw(st.integers(-3, 3)))
    for step, loop in zip(steps, (ROW, 0, 1)):
        index = index + b.index(loop) * step
    return Bound(simplified(index), const(draw(st.integers(0, 6))))


@settings(max_examples=150, deadline=None)
@given(st.lists(conditions(), max_size=3), st.integers(0, 4))
def test_clipped_loops_sum_the_terms_inside(bounds: list[Bound], row: int) -> None:
    spans, left = clip([0, 1], [const(4), const(5)], bounds)
    assert left == []
    inside = [(i, j) for i, j in product(range(4), range(5))
              if all(holds(c, {ROW: row, 0: i, 1: j}) for c in bounds)]
    assert turns(spans, row) == inside


def test_a_condition_that_is_not_linear_empties_the_loops_inside() -> None:
    even = b.lt(b.mod(b.index(ROW) + b.index(0), 2), 1)
    spans, left = clip([0, 1], [const(3), const(2)], [even])
    assert left == [] and turns(spans, 1) == [(1, 0), (1, 1)]


def test_a_condition_that_no_loop_can_take_in_is_left() -> None:
    even = b.lt(b.mod(b.index(0), 2), 1)
    assert clip([0], [const(3)], [even])[1] == [even]
    around = Bound(b.index(ROW), const(2))
    assert clip([], [], [around])[1] == [around]


@settings(max_examples=150, deadline=None)
@given(st.lists(conditions(), min_size=1, max_size=3), st.integers(0, 4), st.integers(0, 3))
def test_a_split_loop_goes_everywhere_once(bounds: list[Bound], row: int, outer: int) -> None:
    """First where all conditions hold, then where one does not."""
    plain = clip([0, 1], [const(4), const(5)], [])[0]
    cut = split(plain[1], plain[:1], bounds, 2)
    assert cut is not None
    within, (rest, extent) = cut
    at = {ROW: row, 0: outer}
    fast = [number(within.index, at | {1: t}) for t in range(number(within.extent, at))]
    slow = [number(rest, at | {2: t}) for t in range(number(extent, at))]
    good = [j for j in range(5) if all(holds(c, at | {1: j}) for c in bounds)]
    assert fast == good
    assert sorted(fast + slow) == list(range(5))


@pytest.mark.parametrize("step", [1, 2, -1, -3])
def test_every_step_through_an_axis(step: int) -> None:
    bound = Bound(b.index(0) * step + b.index(ROW) - 2, const(5))
    spans, _ = clip([0], [const(7)], [bound])
    for row in range(10):
        assert turns(spans, row) == [
            (k,) for k in range(7) if 0 <= k * step + row - 2 < 5]
