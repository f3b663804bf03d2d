"""A thread for each turn: scalars, types, vectors and serial loops, exactly as the interpreter."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_kernels_on_cpu import check_on_gpu
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernels import ARITY, basic_ops, element, elementwise, interpreted, values

from graphflow import dtypes as dt
from graphflow.codegen.cuda.kernels import cuda_kernels
from graphflow.codegen.cuda.plans import Spread
from graphflow.codegen.cuda.target import AMPERE
from graphflow.dtypes import DType
from graphflow.loop_ir import b
from graphflow.loop_ir.approximations import expand
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import (
    Begin,
    BufferParameter,
    Kernel,
    Loop,
    Store,
    Update,
    accumulator,
    load,
)
from graphflow.loop_ir.scalar_ops import OPS, STORED

COUNTS = (200, 61, 3)


def check_elementwise(inputs: tuple[DType, ...], outputs: list[Expr]) -> None:
    kernel = elementwise(inputs, outputs)
    for count in COUNTS:
        arrays = [values(d, count, seed) for seed, d in enumerate(inputs)]
        results = [np.zeros(count, e.dtype.numpy) for e in outputs]
        check_on_gpu(kernel, [*arrays, *results], [count])


@pytest.mark.parametrize("dtype", STORED, ids=lambda d: d.name)
def test_basic_ops(dtype: DType) -> None:
    outputs = []
    for name in basic_ops(dtype):
        operands = [element(i, dtype) for i in range(ARITY.get(name, 2))]
        outputs.append(b.select(b.ne(operands[0], operands[1]), *operands) if name == "select"
                       else getattr(b, name)(*operands))
    check_elementwise((dtype,) * 3, outputs)


@pytest.mark.parametrize("source", STORED, ids=lambda d: d.name)
def test_casts(source: DType) -> None:
    check_elementwise((source,), [b.cast(element(0, source), target) for target in STORED])


@pytest.mark.parametrize("pair", [
    (dt.float32, dt.int32), (dt.float64, dt.uint64), (dt.float16, dt.uint16),
    (dt.bfloat16, dt.int16)], ids=lambda p: p[0].name)
def test_bits(pair: tuple[DType, DType]) -> None:
    for source, target in (pair, pair[::-1]):
        check_elementwise((source,), [b.bitcast(element(0, source), target)])


FUNCTIONS = ("exp", "expm1", "log", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh",
             "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "lgamma", "pow", "atan2")


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [dt.float32, dt.float64], ids=lambda d: d.name)
def test_functions_give_the_bits_that_the_interpreter_gives(dtype: DType, name: str) -> None:
    operands = [element(0, dtype), element(1, dtype)][:OPS[name].arity]
    kernel = elementwise((dtype, dtype), [expand(getattr(b, name)(*operands))])
    arrays = [values(dtype, 97, 1), values(dtype, 97, 2), np.zeros(97, dtype.numpy)]
    check_on_gpu(kernel, arrays, [97])


@st.composite
def expressions(draw: st.DrawFn) -> tuple[tuple[DType, ...], list[Expr]]:
    inputs = draw(st.lists(st.sampled_from(STORED), min_size=1, max_size=3))
    pool = [load(k, b.index(0), d) for k, d in enumerate(inputs)] + [b.index(0) + b.size(0)]
    for _ in range(draw(st.integers(1, 12))):
        dtype = draw(st.sampled_from((*inputs, *STORED)))
        name = draw(st.sampled_from(basic_ops(dtype)))
        picked = [b.cast(pool[draw(st.integers(0, len(pool) - 1))], dtype) for _ in range(3)]
        pool.append(b.select(b.ne(picked[0], picked[1]), *picked[:2]) if name == "select"
                    else getattr(b, name)(*picked[:ARITY.get(name, 2)]))
    return tuple(inputs), pool[len(inputs) + 1:][-4:]


@settings(max_examples=40, deadline=None, derandomize=True,
          suppress_health_check=list(HealthCheck))
@given(expressions(), st.sampled_from([0, 1, 15, 64, 65, 600]), st.integers(0, 99))
def test_random_expressions(
    case: tuple[tuple[DType, ...], list[Expr]], count: int, seed: int
) -> None:
    inputs, outputs = case
    arrays = [values(d, count, seed + k) for k, d in enumerate(inputs)]
    results = [np.zeros(count, e.dtype.numpy) for e in outputs]
    check_on_gpu(elementwise(inputs, outputs), [*arrays, *results], [count])


# ---- vectors ------------------------------------------------------------------------------------


def doubled(dtype: DType) -> Kernel:
    return elementwise((dtype,), [element(0, dtype) + element(0, dtype)])


@pytest.mark.parametrize(("dtype", "width"), [
    (dt.float64, 2), (dt.float32, 4), (dt.float16, 8), (dt.int8, 8)], ids=str)
def test_threads_take_sixteen_bytes_at_once(dtype: DType, width: int) -> None:
    (part,) = cuda_kernels(doubled(dtype), AMPERE)
    assert part.plan.spread is Spread.THREADS and part.plan.vector == width
    assert part.shape([width * 256]).grid == 1
    assert part.shape([width * 256 + 1]).grid == 2
    assert part.shape([0]).grid == 0


def test_pointers_that_are_not_aligned() -> None:
    x = values(dt.float32, 70, 3)
    shifted = np.zeros(71, np.float32)[1:]
    shifted[...] = x
    assert shifted.ctypes.data % 16 or x.ctypes.data % 16
    expected = interpreted(doubled(dt.float32), [x, np.zeros_like(x)], [70])[1]
    out = np.zeros(73, np.float32)
    from graphflow.codegen.cuda.on_cpu import execute_on_cpu

    execute_on_cpu(cuda_kernels(doubled(dt.float32), AMPERE), [shifted, out[3:]], [70])
    np.testing.assert_array_equal(out[3:], expected)
    assert not out[:3].any()


def test_a_kernel_may_write_over_what_it_reads() -> None:
    x = values(dt.float32, 333, 1)
    check_on_gpu(doubled(dt.float32), [x, x], [333])


# ---- loops --------------------------------------------------------------------------------------


def transposed(dtype: DType, batches: bool) -> Kernel:
    """y[…, j, i] = x[…, i, j] + 1, or x itself for conditions."""
    batch, row, column = b.index(2), b.index(0), b.index(1)
    first = batch * b.size(0) if batches else b.const(0, dt.int64)
    other = batch * b.size(1) if batches else b.const(0, dt.int64)
    x = load(0, (first + row) * b.size(1) + column, dtype)
    store = Store(1, (other + column) * b.size(0) + row, x if dtype.is_bool else x + x)
    body = (Loop(1, b.size(1), (Loop(0, b.size(0), (store,)),)),)
    return Kernel((BufferParameter(dtype), BufferParameter(dtype, True)), 3 if batches else 2,
                  (Loop(2, b.size(2), body),) if batches else body)


@pytest.mark.parametrize("dtype", [dt.float32, dt.bool_, dt.bfloat16, dt.int64],
                         ids=lambda d: d.name)
@pytest.mark.parametrize("sizes", [(35, 17), (64, 32), (1, 70), (3, 5, 2)])
def test_transposes_go_through_shared_memory(sizes: tuple[int, ...], dtype: DType) -> None:
    kernel = transposed(dtype, len(sizes) == 3)
    (part,) = cuda_kernels(kernel, AMPERE)
    assert part.plan.spread is Spread.TURNED
    x = values(dtype, int(np.prod(sizes)), 0)
    check_on_gpu(kernel, [x, np.zeros_like(x)], sizes)


def test_updates_of_a_scatter_keep_their_order() -> None:
    """Rows are found by an index; columns run side by side, rows one after the other."""
    update, column = b.index(0), b.index(1)
    target = load(0, update, dt.int64)
    store = Store(2, target * b.size(1) + column,
                  load(1, update * b.size(1) + column, dt.float32), combine="add",
                  where=b.lt(target, 4))
    kernel = Kernel(
        (BufferParameter(dt.int64), BufferParameter(dt.float32),
         BufferParameter(dt.float32, True)),
        2, (Loop(0, b.size(0), (Loop(1, b.size(1), (store,)),)),))
    (part,) = cuda_kernels(kernel, AMPERE)
    assert [g.number for g in part.plan.grid] == [1]
    rng = np.random.default_rng(0)
    check_on_gpu(kernel, [rng.integers(0, 5, 60), rng.normal(size=60 * 7).astype(np.float32),
                          np.zeros(4 * 7, np.float32)], [60, 7])


def test_a_scatter_of_scalars() -> None:
    target = load(0, b.index(0), dt.int64)
    store = Store(2, target, load(1, b.index(0), dt.float64), combine="max")
    kernel = Kernel(
        (BufferParameter(dt.int64), BufferParameter(dt.float64),
         BufferParameter(dt.float64, True)),
        1, (Loop(0, b.size(0), (store,)),))
    rng = np.random.default_rng(0)
    check_on_gpu(kernel, [rng.integers(0, 90, 300), rng.normal(size=300), np.zeros(90)], [300])


def test_sums_down_columns() -> None:
    column, row = b.index(0), b.index(1)
    total = accumulator(0, dt.float32)
    kernel = Kernel(
        (BufferParameter(dt.float32), BufferParameter(dt.float32, True)), 2,
        (Loop(0, b.size(1), (
            Begin(((0, b.const(0.0, dt.float32)),)),
            Loop(1, b.size(0), (Update(((0, total + load(
                0, row * b.size(1) + column, dt.float32)),)),)),
            Store(1, column, total))),))
    x = values(dt.float32, 40 * 33, 5)
    check_on_gpu(kernel, [x, np.zeros(33, np.float32)], [40, 33])


def test_the_name_says_all_that_the_code_depends_on() -> None:
    names = {cuda_kernels(doubled(d), AMPERE)[0].name for d in STORED if d.is_floating}
    assert len(names) == 4
    assert cuda_kernels(doubled(dt.float32), AMPERE)[0].name in names


def test_a_nest_around_two_loops_is_two_launches() -> None:
    """Even and odd places, at lengths that are known: the turns of no loop meet."""
    row, first, second = b.index(0), b.index(1), b.index(2)
    kernel = Kernel(
        (BufferParameter(dt.float32), BufferParameter(dt.float32, True)), 1,
        (Loop(0, b.size(0), (
            Loop(1, b.const(3, dt.int64), (
                Store(1, row * 6 + first * 2, load(0, row * 3 + first, dt.float32)),)),
            Loop(2, b.const(3, dt.int64), (
                Store(1, row * 6 + second * 2 + 1, load(0, row * 3 + second, dt.float32)),)),
        )),))
    parts = cuda_kernels(kernel, AMPERE)
    assert [[g.number for g in p.plan.grid] for p in parts] == [[0, 1], [0, 2]]
    check_on_gpu(kernel, [values(dt.float32, 21, 0), np.zeros(42, np.float32)], [7])


def test_turns_that_may_meet_stay_in_order() -> None:
    """Windows of three places, two apart: neighbours overlap."""
    row, inner = b.index(0), b.index(1)
    kernel = Kernel(
        (BufferParameter(dt.float32), BufferParameter(dt.float32, True)), 1,
        (Loop(0, b.size(0), (Loop(1, b.const(3, dt.int64), (
            Store(1, row * 2 + inner, load(0, row * 3 + inner, dt.float32), combine="add"),)),)),))
    (part,) = cuda_kernels(kernel, AMPERE)
    assert 0 not in [g.number for g in part.plan.grid]
    check_on_gpu(kernel, [values(dt.float32, 60, 0), np.zeros(41, np.float32)], [20])
