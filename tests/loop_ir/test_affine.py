"""How offsets move with loop indices, and between which numbers they stay."""

from __future__ import annotations

from itertools import product

import pytest

from graphflow import dtypes as dt
from graphflow.loop_ir import b
from graphflow.loop_ir.affine import bounds, depends, slope, stride
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.interpreter import evaluate

I0, I1, N = b.index(0), b.index(1), b.size(0)


@pytest.mark.parametrize(("offset", "constant", "symbolic"), [
    (I0, 1, b.const(1, dt.int64)),
    (I0 * 3 + I1, 3, b.const(3, dt.int64)),
    (I1 * N + I0, 1, b.const(1, dt.int64)),
    (I0 * N + I1, None, N),
    ((I0 * N + I1) * N, None, N * N),
    (I1 - I0 * N, None, -N),
    (b.floordiv(I0, 2), None, None),
    (I0 * I0, None, None),
    (I1 * N, 0, None),
])
def test_steps_along_a_loop(offset: Expr, constant: int | None, symbolic: Expr | None) -> None:
    assert stride(offset, 0) == constant
    assert slope(offset, 0) is symbolic
    assert depends(offset, 0) == (constant != 0)


@pytest.mark.parametrize("offset", [I0 * N + I1, I1 - I0 * N, (I0 + I1 * 2) * N - I0])
def test_a_slope_is_the_difference_of_neighbours(offset: Expr) -> None:
    step = slope(offset, 0)
    assert step is not None
    for i, j, n in product(range(3), range(3), (1, 5)):
        here, there = (int(evaluate(offset, (), (i + k, j), (n,))) for k in range(2))
        assert there - here == int(evaluate(step, (), (0, j), (n,)))


@pytest.mark.parametrize("expr", [
    I0 + I1, I0 - I1, I0 * I1, -I0 + 3, b.min(I0, 4), b.max(I1, 1), b.floordiv(I0 - 5, 3),
    b.mod(I0 - 5, 3)])
def test_bounds_hold_for_all_indices(expr: Expr) -> None:
    found = bounds(expr, {I0: (-2, 6), I1: (0, 3)})
    assert found is not None
    values = [int(evaluate(expr, (), (i, j))) for i in range(-2, 7) for j in range(4)]
    assert found[0] <= min(values) and max(values) <= found[1]
    assert b.mod(I0 - 5, 3) is expr or found == (min(values), max(values))


def test_what_is_not_known_has_no_bounds() -> None:
    assert bounds(I0 + N, {I0: (0, 3)}) is None
    assert bounds(b.floordiv(I0, I1), {I0: (0, 3), I1: (1, 2)}) is None
