"""Index expressions get shorter and keep their value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphflow import dtypes as dt
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.index_arithmetic import simplified
from graphflow.loop_ir.interpreter import evaluate

N, J = b.index(0), b.index(1)


def const(value: int) -> Expr:
    return b.const(value, dt.int64)


@pytest.mark.parametrize(("before", "after"), [
    (N * 1 + J * 1 - 0, N + J),
    (N * 0 + J, J),
    (b.floordiv(N, 1), N),
    (b.mod(N, 1), const(0)),
    (b.lt(b.mod(N, 1) + b.mod(J, 1), 1), b.const(True, dt.bool_)),
    ((N + 3) - 1, N + 2),
    ((N - 3) + 3, N),
    (const(2) * 5 - 1, const(9)),
    (b.floordiv(const(-7), 2), const(-4)),
    (b.floordiv(const(7), 0), const(0)),
    (b.max(b.min(const(7), 3), 0), const(3)),
    (b.cast(b.lt(const(-1), 0), dt.int64) * 10, const(10)),
    (b.cast(b.const(-3, dt.int32), dt.int64) + N, const(-3) + N),
])
def test_what_does_nothing_goes(before: Expr, after: Expr) -> None:
    assert simplified(before) is after


def test_leaves_are_replaced() -> None:
    assert simplified(N * 2 + J, {N: const(3), J: N}) is const(6) + N


def test_floats_are_left_alone() -> None:
    x = b.arg(0, dt.float32)
    assert simplified(x + 0.0) is x + 0.0


@st.composite
def expressions(draw: st.DrawFn) -> Expr:
    pool = [N, J, const(0), const(1), const(2), const(-3)]
    for _ in range(draw(st.integers(1, 10))):
        op = draw(st.sampled_from(["add", "sub", "mul", "floordiv", "mod", "min", "max"]))
        pool.append(getattr(b, op)(*(draw(st.sampled_from(pool)) for _ in range(2))))
    return pool[-1]


@settings(max_examples=200, deadline=None)
@given(expressions())
def test_the_value_stays(expr: Expr) -> None:
    grid = np.meshgrid(np.arange(-4, 5), np.arange(-3, 4))
    short = simplified(expr)
    assert len(list(walk(short))) <= len(list(walk(expr)))
    expected, found = (np.broadcast_to(evaluate(e, (), indices=grid), grid[0].shape)
                       for e in (expr, short))
    np.testing.assert_array_equal(found, expected)
