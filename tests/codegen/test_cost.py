"""Operations of hand-made kernels, counted on paper."""

from __future__ import annotations

from typing import Any

from graphflow.codegen.cost import flops, turns
from graphflow.dtypes import float32, int64
from graphflow.loop_ir import b
from graphflow.loop_ir.nest import (
    Begin,
    BufferParameter,
    Fold,
    Kernel,
    Loop,
    Store,
    Update,
    accumulator,
    load,
)

BUFFERS = (BufferParameter(float32), BufferParameter(float32, written=True))


def kernel(*body: Any, sizes: int = 2) -> Kernel:
    return Kernel(BUFFERS, sizes, body)


def x(*loops: int) -> Any:
    offset = b.const(0, int64)
    for number in loops:
        offset = offset * 10 + b.index(number)
    return load(0, offset, float32)


def zero() -> Any:
    return b.const(0.0, float32)


def test_turns_of_nested_loops_multiply() -> None:
    loops = tuple(Loop(k, b.size(k), ()) for k in range(3))
    assert turns(loops, (4, 5, 6)) == 120
    assert turns(loops, (4, 0, 6)) == 0
    assert turns((), ()) == 1


def test_extents_may_depend_on_indices_outside() -> None:
    triangle = (Loop(0, b.size(0), ()), Loop(1, b.index(0) + 1, ()))
    assert turns(triangle, (7,)) == 7 * 8 // 2
    blocks = (Loop(0, b.const(3, int64), ()),
              Loop(1, b.min(b.size(0) - b.index(0) * 4, 4), ()))
    assert turns(blocks, (10,)) == 10


def test_index_arithmetic_is_no_floating_point() -> None:
    body = Loop(0, b.size(0), (Store(1, b.index(0) * 3 + 1, x(0) + 1.0),))
    assert flops(kernel(body), (8, 1)) == 8


def test_a_fused_multiply_add_counts_two() -> None:
    body = Loop(0, b.size(0), (Store(1, b.index(0), b.fma(x(0), x(0), zero())),))
    assert flops(kernel(body), (8, 1)) == 16


def test_an_operation_runs_as_often_as_what_it_depends_on_changes() -> None:
    outer = x(0) * 2.0
    inner = Store(1, b.index(1), outer + x(0, 1))
    body = Loop(0, b.size(0), (Loop(1, b.size(1), (inner,)),))
    assert flops(kernel(body), (3, 5)) == 3 + 3 * 5


def test_equal_operations_of_one_loop_run_once() -> None:
    value = b.sqrt(x(0))
    body = Loop(0, b.size(0), (Store(1, b.index(0), value), Store(1, b.index(0) + 9, value)))
    assert flops(kernel(body), (4, 1)) == 4


def test_folds_and_what_comes_after_them() -> None:
    total, element = accumulator(0, float32), accumulator(1, float32)
    fold = Fold(1, b.size(1), (0,), (1,), (x(0, 1) * x(0, 1),), (total + element,), (zero(),))
    body = Loop(0, b.size(0), (
        Begin(((0, zero()),)), fold, Store(1, b.index(0), total / 3.0)))
    assert flops(kernel(body), (4, 10)) == 4 * 10 * (1 + 1) + 4


def test_updates_are_computed_every_turn() -> None:
    total = accumulator(0, float32)
    body = Loop(0, b.size(0), (
        Begin(((0, zero()),)), Loop(1, b.size(1), (Update(((0, total + total),)),)),
        Store(1, b.index(0), total)))
    assert flops(kernel(body), (4, 10)) == 40


def test_a_store_that_combines_counts_its_operation() -> None:
    body = Loop(0, b.size(0), (Store(1, b.index(0), x(0), None, "add"),))
    assert flops(kernel(body), (6, 1)) == 6


def test_an_extent_that_depends_on_values_has_no_count() -> None:
    extent = b.cast(x(), int64)
    assert flops(kernel(Loop(0, extent, (Store(1, b.index(0), x(0) + 1.0),))), (1, 1)) is None
