"""Loops and addresses in what the emitter writes: no more of either than a kernel needs."""

from __future__ import annotations

import re

import numpy as np
import pytest
from kernels import check_exact, values

from graphflow import dtypes as dt
from graphflow.codegen.compile import llvm_text
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import (
    Begin,
    BufferParameter,
    Kernel,
    Loop,
    Statement,
    Store,
    Update,
    accumulator,
    load,
)

ROWS, TERMS, COLUMNS = 3, 6, 16
READ, WRITTEN = BufferParameter(dt.float32), BufferParameter(dt.float32, written=True)


def number(value: int) -> Expr:
    return b.const(value, dt.int64)


def sums(turns: int) -> Kernel:
    """out[i] = Σ in[i·turns + k] for i below size(0), k below `turns`."""
    i, k = b.index(0), b.index(1)
    body: tuple[Statement, ...] = (
        Begin(((0, b.const(0.0, dt.float32)),)),
        Loop(1, number(turns), (
            Update(((0, accumulator(0, dt.float32) + load(0, i * turns + k, dt.float32)),)),)),
        Store(1, i, accumulator(0, dt.float32)))
    return Kernel((READ, WRITTEN), 1, (Loop(0, b.size(0), body),))


def loops(kernel: Kernel) -> int:
    """Blocks that are the head of a loop, of all functions."""
    return len(re.findall(r"^\"?loop[.\d]*\"?:", llvm_text(kernel), re.MULTILINE))


@pytest.mark.parametrize("turns", [0, 1, 2, 7])
def test_known_turns(turns: int) -> None:
    count = 6
    check_exact(sums(turns), [values(dt.float32, max(1, count * turns), 3),
                              np.zeros(count, np.float32)], [count])


def test_no_turn_and_one_turn_are_no_loop() -> None:
    assert [loops(sums(turns)) for turns in (0, 1, 2)] == [1, 1, 2]


def test_known_turns_are_not_asked_for() -> None:
    guards = [llvm_text(sums(turns)).count("icmp slt") for turns in (1, 2)]
    assert guards[1] == guards[0] + 1  # whether the loop goes on, not whether it begins


def tile() -> Kernel:
    """out[i, j] = Σ in[n, i, k]·w[k, j] for each n below size(0): one vector for each row i."""
    n, j, k = b.index(0), b.index(1), b.index(2)
    plain = [accumulator(i, dt.float32) for i in range(ROWS)]
    right = load(1, k * COLUMNS + j, dt.float32)
    taps = [load(0, n * (ROWS * TERMS) + k + i * TERMS, dt.float32) for i in range(ROWS)]
    body: tuple[Statement, ...] = (
        Begin(tuple((i, b.const(0.0, dt.float32)) for i in range(ROWS))),
        Loop(2, number(TERMS), (
            Update(tuple((i, b.fma(taps[i], right, plain[i])) for i in range(ROWS))),)),
        *(Store(2, n * (ROWS * COLUMNS) + j + i * COLUMNS, plain[i]) for i in range(ROWS)))
    return Kernel((READ, READ, WRITTEN), 1, (
        Loop(0, b.size(0), (Loop(1, number(COLUMNS), body, lanes=1),)),))


@pytest.mark.parametrize("count", [0, 1, 4])
def test_a_tile(count: int) -> None:
    check_exact(tile(), [
        values(dt.float32, max(1, count * ROWS * TERMS), 1),
        values(dt.float32, TERMS * COLUMNS, 2),
        np.zeros(max(1, count * ROWS * COLUMNS), np.float32)], [count])


def test_rows_of_a_tile_lie_apart_by_constants_from_one_address() -> None:
    text = llvm_text(tile())
    between = {row * TERMS for row in range(1, ROWS)} | {row * COLUMNS for row in range(1, ROWS)}
    found = {int(n) for n in re.findall(r"getelementptr float, [^,]+, i64 (\d+)$", text, re.M)}
    assert between <= found


def test_what_the_innermost_loop_leaves_as_it_is_stands_in_front_of_it() -> None:
    code = re.sub(r"^declare.*\n?", "", llvm_text(tile()), flags=re.MULTILINE)
    blocks = re.split(r"^(?=\S+:)", code, flags=re.MULTILINE)
    kept = [block for block in blocks if "launder.invariant.group" in block]
    assert kept and any("llvm.fma" in block for block in blocks)
    assert not any("llvm.fma" in block for block in kept)
