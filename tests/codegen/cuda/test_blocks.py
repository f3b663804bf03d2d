"""A block for each turn: folds, rows, private memory, and what threads must wait for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from cuda_kernels_on_cpu import check_on_gpu, cuda_kernels_on_cpu, on_gpu
from kernels import values

import graphflow as gf
from graphflow import dtypes as dt
from graphflow.codegen.cuda.kernels import cuda_kernels
from graphflow.codegen.cuda.plans import Spread
from graphflow.codegen.cuda.target import AMPERE
from graphflow.dtypes import DType
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import (
    Begin,
    BufferParameter,
    Fold,
    Kernel,
    Loop,
    Store,
    accumulator,
    load,
)

ROW, TERM, COLUMN = b.index(0), b.index(1), b.index(2)


def row_fold(
    dtype: DType, identity: Expr, merge: Callable[[Expr, Expr], Expr], out: DType | None = None
) -> Kernel:
    """One number for each row of a matrix."""
    left, right = accumulator(0, dtype), accumulator(1, dtype)
    fold = Fold(1, b.size(1), (0,), (1,), (load(0, ROW * b.size(1) + TERM, dtype),),
                (merge(left, right),), (identity,), lanes=True)
    return Kernel((BufferParameter(dtype), BufferParameter(dtype, True)), 2, (
        Loop(0, b.size(0), (Begin(((0, identity),)), fold, Store(1, ROW, left))),))


@pytest.mark.parametrize("count", [0, 1, 31, 64, 300, 1500])
@pytest.mark.parametrize("dtype", [dt.int64, dt.int32, dt.uint8, dt.float32, dt.float64],
                         ids=lambda d: d.name)
def test_folds_whose_order_does_not_matter(dtype: DType, count: int) -> None:
    kernel = row_fold(dtype, b.const(3 if dtype.is_integer else 3.0, dtype), b.max)
    x = values(dtype, 5 * count, 1)
    check_on_gpu(kernel, [np.nan_to_num(x), np.zeros(5, dtype.numpy)], [5, count])


def test_a_fold_of_conditions() -> None:
    kernel = row_fold(dt.bool_, b.const(False, dt.bool_), b.logical_or)
    x = np.zeros((4, 200), bool)
    x[1, 199] = x[3, 0] = True
    check_on_gpu(kernel, [x.ravel(), np.zeros(4, bool)], [4, 200])


def test_sums_do_not_depend_on_the_number_of_rows() -> None:
    kernel = row_fold(dt.float32, b.const(0.0, dt.float32), b.add)
    x = np.random.default_rng(0).normal(size=(9, 700)).astype(np.float32)
    whole = on_gpu(kernel, [x.ravel(), np.zeros(9, np.float32)], [9, 700])[1]
    np.testing.assert_allclose(whole, x.sum(1, dtype=np.float64), rtol=1e-5, atol=1e-5)
    one = on_gpu(kernel, [x[4], np.zeros(1, np.float32)], [1, 700])[1]
    assert one[0] == whole[4]


def scaled_rows() -> Kernel:
    """out = x² / Σ x² for each row, where x² stands in private memory."""
    x = load(0, ROW * b.size(1) + COLUMN, dt.float32)
    total, right = accumulator(0, dt.float32), accumulator(1, dt.float32)
    zero = b.const(0.0, dt.float32)
    again = load(3, ROW * 0 + TERM, dt.float32)
    last = b.index(3)
    return Kernel(
        (BufferParameter(dt.float32), BufferParameter(dt.float32, True),
         BufferParameter(dt.float32, True, private=True),
         BufferParameter(dt.float32, private=True)), 2,
        (Loop(0, b.size(0), (
            Loop(2, b.size(1), (Store(2, ROW * 0 + COLUMN, x * x),), lanes=1),
            Begin(((0, zero),)),
            Fold(1, b.size(1), (0,), (1,), (again,), (total + right,), (zero,), lanes=True),
            Loop(3, b.size(1), (Store(1, ROW * b.size(1) + last,
                                      load(3, ROW * 0 + last, dt.float32) / total),), lanes=1),
        )),))


@pytest.mark.parametrize("count", [5, 400, 20_000])
def test_private_memory_lies_in_shared_memory_if_it_fits(count: int) -> None:
    kernel = scaled_rows()
    (part,) = cuda_kernels(kernel, AMPERE)
    assert part.plan.spread is Spread.BLOCKS and part.private == (2, 3)
    shape = part.shape([3, count], [4 * count, 0])
    assert (shape.copies == 0) is (count < 12_000)
    x = np.random.default_rng(1).normal(size=(3, count)).astype(np.float32)
    row = np.zeros(count, np.float32)
    found = on_gpu(kernel, [x.ravel(), np.zeros(3 * count, np.float32), row, row], [3, count])[1]
    squares = x.astype(np.float64) ** 2
    np.testing.assert_allclose(
        found.reshape(3, count), squares / squares.sum(1, keepdims=True), rtol=2e-5)


def test_blocks_for_short_rows_are_small() -> None:
    (part,) = cuda_kernels(row_fold(dt.float32, b.const(0.0, dt.float32), b.add), AMPERE)
    assert [part.shape([7, n]).block for n in (1, 128, 129, 512, 5000)] == [32, 32, 64, 128, 256]
    assert part.shape([7, 100]).grid == 7


@pytest.mark.parametrize("shape", [(3, 7), (5, 129), (2, 1000)])
def test_rows_of_several_steps(shape: tuple[int, int]) -> None:
    """Softmax, layer normalisation, arg max and a cumulative sum of each row, and gradients."""
    array = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    with gf.Graph().as_default() as graph:
        x = gf.placeholder(gf.float32, [None, None])
        mean, variance = gf.nn.moments(x, [1], keep_dims=True)
        normal = (x - mean) * gf.rsqrt(variance + 1e-5)
        soft = gf.nn.softmax(x)
        fetches = [soft, normal, gf.argmax(x, 1), gf.cumsum(x, 1),
                   *gf.gradients(gf.reduce_sum(soft * soft) + gf.reduce_sum(normal ** 3), x)]
        with gf.Session(graph=graph, options=gf.Options(device="reference")) as session:
            expected = session.run(fetches, {x: array})
        for backwards in (False, True):
            with cuda_kernels_on_cpu(backwards) as parts, gf.Session(graph=graph) as session:
                found = session.run(fetches, {x: array})
            assert any(p.plan.spread is Spread.BLOCKS for p in parts.values())
            for one, other in zip(found, expected):
                np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5)
