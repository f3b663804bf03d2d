"""Emission: machine code of a kernel does what the kernel interpreter says, to the last bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from kernels import check_exact, compiled, element, elementwise, interpreted, values

from graphflow import dtypes as dt
from graphflow.codegen.compile import llvm_text
from graphflow.dtypes import DType
from graphflow.errors import ProgramError
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
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
from graphflow.loop_ir.scalar_ops import STORED

EXTENTS = (0, 1, 15, 16, 17, 63, 64, 65, 200)
FLOATS = (dt.float16, dt.bfloat16, dt.float32, dt.float64)
INTEGERS = dt.INTEGERS


def check_elementwise(
    inputs: tuple[DType, ...], outputs: list[Expr], counts: tuple[int, ...] = (200, 61, 3, 0)
) -> None:
    kernel = elementwise(inputs, outputs)
    for count in counts:
        arrays = [values(d, count, seed) for seed, d in enumerate(inputs)]
        results = [np.zeros(count, e.dtype.numpy) for e in outputs]
        check_exact(kernel, [*arrays, *results], [count])


# ---- elementwise --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: d.name)
def test_float_arithmetic(dtype: DType) -> None:
    x, y, z = (element(i, dtype) for i in range(3))
    check_elementwise((dtype,) * 3, [
        x + y, x - y, x * y, x / y, -x, abs(x), b.min(x, y), b.max(x, y), b.sqrt(abs(x)),
        b.floor(x), b.ceil(x), b.rint(x), b.trunc(x), b.fma(x, y, z),
        b.select(b.lt(x, y), x + 1.0, z * 2.0)])


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: d.name)
@pytest.mark.parametrize("limit", [0.0, -0.0, 2.5, float("inf"), float("nan")])
def test_extrema_with_constants(dtype: DType, limit: float) -> None:
    x, c = element(0, dtype), b.const(limit, dtype)
    check_elementwise((dtype,), [b.min(x, c), b.min(c, x), b.max(x, c), b.max(c, x)])


@pytest.mark.parametrize("dtype", INTEGERS, ids=lambda d: d.name)
def test_integer_arithmetic_wraps(dtype: DType) -> None:
    x, y = element(0, dtype), element(1, dtype)
    check_elementwise((dtype,) * 2, [
        x + y, x - y, x * y, -x, abs(x), b.min(x, y), b.max(x, y), x & y, x | y, x ^ y, ~x,
        b.select(b.lt(x, y), x, y)])


@pytest.mark.parametrize("dtype", INTEGERS, ids=lambda d: d.name)
def test_integer_division_by_zero_and_of_the_smallest_number(dtype: DType) -> None:
    x, y = element(0, dtype), element(1, dtype)
    kernel = elementwise((dtype,) * 2, [b.floordiv(x, y), b.mod(x, y), b.truncdiv(x, y),
                                        b.truncmod(x, y)])
    low = int(dtype.min)
    edges = [low, int(dtype.max), 0, 1, 5, low + 1] + ([-1, -5] if not dtype.is_unsigned else [])
    first, second = (g.ravel() for g in np.meshgrid(
        np.array(edges, dtype.numpy), np.array(edges, dtype.numpy)))
    results = [np.zeros(first.size, dtype.numpy) for _ in range(4)]
    check_exact(kernel, [first, second, *results], [first.size])
    quotient, remainder = compiled(kernel, [first, second, *results], [first.size])[2:4]
    assert np.all(quotient[second == 0] == 0) and np.all(remainder[second == 0] == 0)
    if not dtype.is_unsigned:
        assert quotient[(first == low) & (second == -1)] == [low]


@pytest.mark.parametrize("dtype", INTEGERS, ids=lambda d: d.name)
def test_shifts_past_the_width(dtype: DType) -> None:
    x, count = element(0, dtype), element(1, dtype)
    kernel = elementwise((dtype,) * 2, [b.shl(x, count), b.shr(x, count)])
    bits = 8 * dtype.size
    counts = np.array([0, 1, bits - 1, bits, bits + 1, 100], dtype.numpy)
    if not dtype.is_unsigned:
        counts = np.append(counts, np.array([-1, dtype.min], dtype.numpy))
    first, second = (g.ravel() for g in np.meshgrid(values(dtype, 20), counts))
    check_exact(kernel, [first, second, np.zeros_like(first), np.zeros_like(first)],
                [first.size])


@pytest.mark.parametrize("dtype", STORED, ids=lambda d: d.name)
def test_comparisons(dtype: DType) -> None:
    x, y = element(0, dtype), element(1, dtype)
    ordered = [] if dtype.is_bool else [b.lt(x, y), b.le(x, y), b.gt(x, y), b.ge(x, y)]
    check_elementwise((dtype,) * 2, [b.eq(x, y), b.ne(x, y), b.eq(x, x), *ordered])


def test_logic_of_bools() -> None:
    x, y = element(0, dt.bool_), element(1, dt.bool_)
    check_elementwise((dt.bool_, dt.bool_), [
        b.logical_and(x, y), b.logical_or(x, y), b.logical_xor(x, y), b.logical_not(x),
        b.select(x, y, b.logical_not(y))])


def test_bools_of_any_byte_are_true() -> None:
    kernel = elementwise((dt.bool_,), [b.cast(element(0, dt.bool_), dt.int32)])
    odd = np.array([0, 1, 2, 128, 255] * 9, np.uint8).view(bool)
    result = compiled(kernel, [odd, np.zeros(45, np.int32)], [45])[1]
    assert result.tolist() == [0, 1, 1, 1, 1] * 9


@pytest.mark.parametrize("source", STORED, ids=lambda d: d.name)
def test_casts_clamp_and_wrap(source: DType) -> None:
    x = element(0, source)
    targets = [t for t in STORED if t is not source]
    check_elementwise((source,), [b.cast(x, t) for t in targets], counts=(200, 5))


def test_casts_of_large_floats_into_integers_clamp() -> None:
    x = element(0, dt.float32)
    kernel = elementwise((dt.float32,), [b.cast(x, t) for t in (dt.int8, dt.uint8, dt.int64)])
    given = np.array([1e30, -1e30, np.nan, np.inf, 3.9, -3.9], np.float32)
    out = [np.zeros(6, t) for t in (np.int8, np.uint8, np.int64)]
    small, unsigned, large = compiled(kernel, [given, *out], [6])[1:]
    assert small.tolist() == [127, -128, 0, 127, 3, -3]
    assert unsigned.tolist() == [255, 0, 0, 255, 3, 0]
    assert large.tolist() == [2**63 - 1, -2**63, 0, 2**63 - 1, 3, -3]


@pytest.mark.parametrize("dtype", [dt.float16, dt.bfloat16], ids=lambda d: d.name)
def test_every_half_is_widened_and_narrowed_exactly(dtype: DType) -> None:
    bits = np.arange(2**16, dtype=np.uint16).view(dtype.numpy)
    x = element(0, dtype)
    kernel = elementwise((dtype,), [b.cast(x, dt.float32), x])
    check_exact(kernel, [bits, np.zeros(2**16, np.float32), np.zeros_like(bits)], [2**16])


@pytest.mark.parametrize("dtype", [dt.float16, dt.bfloat16], ids=lambda d: d.name)
def test_halves_round_to_even(dtype: DType) -> None:
    every = np.arange(2**16, dtype=np.uint16).view(dtype.numpy).astype(np.float32)
    every = every[np.isfinite(every)]
    ties = (every.astype(np.float64) + np.roll(every, 1)) / 2
    near = np.concatenate([ties.astype(np.float32), np.nextafter(ties.astype(np.float32), 1e9)])
    kernel = elementwise((dt.float32,), [b.cast(element(0, dt.float32), dtype)])
    check_exact(kernel, [near, np.zeros(near.size, dtype.numpy)], [near.size])


def test_bits_of_floats_and_integers() -> None:
    pairs = [(dt.float32, dt.int32), (dt.float64, dt.uint64), (dt.int16, dt.float16),
             (dt.bfloat16, dt.uint16), (dt.uint32, dt.float32), (dt.int8, dt.uint8)]
    for source, target in pairs:
        check_elementwise((source,), [b.bitcast(element(0, source), target)], counts=(33,))


def test_high_half_of_products() -> None:
    x, y = element(0, dt.uint32), element(1, dt.uint32)
    check_elementwise((dt.uint32, dt.uint32), [b.mulhi_u32(x, y)])


def test_index_and_size_are_numbers_like_others() -> None:
    made = b.cast(b.index(0) * 3 + b.size(0), dt.float32)
    check_elementwise((dt.float32,), [element(0, dt.float32) + made])


@pytest.mark.parametrize("extent", [0, 1, 2, 15, 16, 17, 32, 33])
def test_extents_that_are_known(extent: int) -> None:
    for dtype in (dt.bool_, dt.bfloat16, dt.float16, dt.int16, dt.float32, dt.float64):
        kernel = Kernel(
            (BufferParameter(dtype), BufferParameter(dt.int32), BufferParameter(dtype, True)), 1,
            (Loop(0, b.const(extent, dt.int64), (Store(2, b.index(0), b.select(
                b.gt(load(1, b.index(0), dt.int32), 0), load(0, b.index(0), dtype),
                load(0, b.const(0, dt.int64), dtype))),), lanes=True),))
        check_exact(kernel, [values(dtype, extent), np.arange(extent, dtype=np.int32) % 2,
                             np.zeros(extent, dtype.numpy)], [extent])


# ---- addresses ----------------------------------------------------------------------------------


def test_loads_with_any_stride() -> None:
    i, n = b.index(0), b.size(0)
    f32 = dt.float32
    offsets = [i, i * 2, i * 2 + 1, n - 1 - i, b.floordiv(i, 3), b.mod(i, 5), b.const(0, dt.int64),
               b.min(b.max(i - 4, 0), n - 1), i * n - i * (n - 1)]
    stores = tuple(Store(1 + k, i, load(0, o, f32)) for k, o in enumerate(offsets))
    kernel = Kernel(
        (BufferParameter(f32), *(BufferParameter(f32, True) for _ in offsets)), 1,
        (Loop(0, n, stores, lanes=True),))
    for count in EXTENTS:
        source = values(f32, 2 * count + 1)
        check_exact(kernel, [source, *(np.zeros(count, np.float32) for _ in offsets)], [count])


@pytest.mark.parametrize("dtype", [dt.bool_, dt.float16, dt.int64], ids=lambda d: d.name)
def test_indirect_loads(dtype: DType) -> None:
    i = b.index(0)
    at = b.cast(load(1, i, dt.int32), dt.int64)
    kernel = Kernel(
        (BufferParameter(dtype), BufferParameter(dt.int32), BufferParameter(dtype, True)), 1,
        (Loop(0, b.size(0), (Store(2, i, load(0, at, dtype)),), lanes=True),))
    rng = np.random.default_rng(3)
    for count in (1, 17, 65):
        check_exact(kernel, [values(dtype, 40), rng.integers(0, 40, count).astype(np.int32),
                             np.zeros(count, dtype.numpy)], [count])


def test_places_that_are_read_soon_need_not_exist() -> None:
    """Only a hint: beyond the buffer's end, and before its beginning."""
    i, far = b.index(0), b.size(0) * 1_000_003
    add = Update(((0, accumulator(0, dt.float32) + load(0, i, dt.float32)),),
                 soon=((0, i + far), (0, i - far), (1, i)))
    kernel = Kernel((BufferParameter(dt.float32), BufferParameter(dt.float32, written=True)), 1, (
        Begin(((0, b.const(0.0, dt.float32)),)), Loop(0, b.size(0), (add,)),
        Store(1, b.const(0, dt.int64), accumulator(0, dt.float32))))
    for count in (0, 1, 7):
        numbers = np.arange(count, dtype=np.float32)
        for run in (compiled, interpreted):
            _, total = run(kernel, [numbers, np.zeros(1, np.float32)], [count])
            assert total[0] == numbers.sum()
    assert "soon 0, 0, 1" in str(kernel)


def test_transposing_loads() -> None:
    i, j, n = b.index(0), b.index(1), b.size(0)
    kernel = Kernel(
        (BufferParameter(dt.float32), BufferParameter(dt.float32, True)), 2,
        (Loop(0, n, (Loop(1, b.size(1), (
            Store(1, i * b.size(1) + j, load(0, j * n + i, dt.float32)),), lanes=True),)),))
    for rows, columns in [(3, 17), (16, 16), (1, 5), (0, 4), (4, 0)]:
        x = values(dt.float32, rows * columns)
        check_exact(kernel, [x, np.zeros_like(x)], [rows, columns])


# ---- folds --------------------------------------------------------------------------------------


def row_fold(
    dtype: DType, merge: Callable[[Expr, Expr], Expr], identity: float, lanes: bool,
    lift: Callable[[Expr], Expr] = lambda x: x,
) -> Kernel:
    """result[row] = the elements of a row, lifted and merged, one row after the other."""
    row, column = b.index(0), b.index(1)
    lifted = lift(load(0, row * b.size(1) + column, dtype))
    start = b.const(identity, lifted.dtype)
    total, right = accumulator(0, lifted.dtype), accumulator(1, lifted.dtype)
    fold = Fold(1, b.size(1), (0,), (1,), (lifted,), (merge(total, right),), (start,), lanes)
    body = (Begin(((0, start),)), fold, Store(1, row, total))
    return Kernel((BufferParameter(dtype), BufferParameter(lifted.dtype, True)), 2,
                  (Loop(0, b.size(0), body),))


@pytest.mark.parametrize("extent", EXTENTS)
def test_row_folds_of_whole_numbers_are_exact(extent: int) -> None:
    kernels = [
        (row_fold(dt.int32, lambda x, y: x + y, 0, True), values(dt.int32, 3 * extent)),
        (row_fold(dt.float32, b.max, -3e38, True), np.random.default_rng(1).normal(
            size=3 * extent).astype(np.float32)),
        (row_fold(dt.int8, b.min, 127, True), values(dt.int8, 3 * extent)),
        (row_fold(dt.bool_, b.logical_and, True, True), np.arange(3 * extent) % 50 != 7),
        (row_fold(dt.float32, lambda x, y: x + y, 0.0, True),  # halves: sums have no rounding
         np.random.default_rng(2).integers(-99, 99, 3 * extent).astype(np.float32) / 2),
        (row_fold(dt.float16, lambda x, y: x + y, 0.0, True, lambda x: b.cast(x, dt.float32)),
         np.random.default_rng(2).integers(-99, 99, 3 * extent).astype(np.float16))]
    for kernel, x in kernels:
        out = np.zeros(3, kernel.buffers[1].dtype.numpy)
        check_exact(kernel, [x, out], [3, extent])


@pytest.mark.parametrize("dtype", [dt.float32, dt.float64], ids=lambda d: d.name)
def test_row_folds_in_order_are_exact_and_lanes_are_close(dtype: DType) -> None:
    def add(x: Expr, y: Expr) -> Expr:
        return x + y

    rng = np.random.default_rng(5)
    for extent in EXTENTS:
        x, out = rng.normal(size=2 * extent).astype(dtype.numpy), np.zeros(2, dtype.numpy)
        check_exact(row_fold(dtype, add, 0.0, False), [x, out], [2, extent])
        found = compiled(row_fold(dtype, add, 0.0, True), [x, out], [2, extent])[1]
        rounding = np.finfo(dtype.numpy).eps
        np.testing.assert_allclose(
            found, x.reshape(2, extent).astype(np.longdouble).sum(1).astype(np.float64),
            atol=rounding * (1 + np.abs(x).sum()))


def test_the_order_of_a_fold_in_lanes_depends_on_the_extent_alone() -> None:
    kernel = row_fold(dt.float32, lambda x, y: x + y, 0.0, True)
    x = np.random.default_rng(6).normal(size=777).astype(np.float32)
    alone = compiled(kernel, [x, np.zeros(1, np.float32)], [1, 777])[1]
    among = compiled(kernel, [np.tile(x, 4), np.zeros(4, np.float32)], [4, 777])[1]
    assert np.all(among == alone)


def test_a_fold_of_two_accumulators_in_order() -> None:
    row, column = b.index(0), b.index(1)
    x = load(0, row * b.size(1) + column, dt.float32)
    best, place, other, at = (accumulator(n, d) for n, d in enumerate(
        (dt.float32, dt.int64, dt.float32, dt.int64)))
    better = b.gt(other, best)
    start = (b.const(-np.inf, dt.float32), b.const(0, dt.int64))
    fold = Fold(1, b.size(1), (0, 1), (2, 3), (x, column),
                (b.select(better, other, best), b.select(better, at, place)), start)
    kernel = Kernel(
        (BufferParameter(dt.float32), BufferParameter(dt.float32, True),
         BufferParameter(dt.int64, True)), 2,
        (Loop(0, b.size(0), (Begin(((0, start[0]), (1, start[1]))), fold,
                             Store(1, row, best), Store(2, row, place))),))
    drawn = np.random.default_rng(8).integers(0, 9, (5, 40)).astype(np.float32)
    out = compiled(kernel, [drawn, np.zeros(5, np.float32), np.zeros(5, np.int64)], [5, 40])
    assert out[2].tolist() == drawn.argmax(1).tolist()
    assert out[1].tolist() == drawn.max(1).tolist()


@pytest.mark.parametrize("columns", EXTENTS)
def test_column_folds(columns: int) -> None:
    row, column = b.index(0), b.index(1)
    kinds = (dt.float32, dt.int16, dt.float64)
    for dtype in kinds:
        zero = b.const(0 if dtype.is_integer else 0.0, dtype)
        total = accumulator(0, dtype)
        fold = Fold(0, b.size(0), (0,), (1,), (load(0, row * b.size(1) + column, dtype),),
                    (total + accumulator(1, dtype),), (zero,))
        kernel = Kernel(
            (BufferParameter(dtype), BufferParameter(dtype, True)), 2,
            (Loop(1, b.size(1), (Begin(((0, zero),)), fold, Store(1, column, total)),
                  lanes=True),))
        for rows in (0, 1, 5):
            drawn = np.random.default_rng(4).integers(-50, 50, rows * columns)
            check_exact(kernel, [drawn.astype(dtype.numpy), np.zeros(columns, dtype.numpy)],
                        [rows, columns])


# ---- loops and accumulators ---------------------------------------------------------------------


def matrix_product(tile: int) -> Kernel:
    """C = A · B, `tile` rows at a time: scalar loops inside a loop in lanes."""
    rows, columns, depth = (b.size(k) for k in range(3))
    first, column, k = (b.index(n) for n in range(3))
    places = [first * tile + t for t in range(tile)]
    updates = tuple(
        (t, b.fma(load(0, p * depth + k, dt.float32), load(1, k * columns + column, dt.float32),
                  accumulator(t, dt.float32))) for t, p in enumerate(places))
    body = (Begin(tuple((t, b.const(0.0, dt.float32)) for t in range(tile))),
            Loop(2, depth, (Update(updates),)),
            *(Store(2, p * columns + column, accumulator(t, dt.float32))
              for t, p in enumerate(places)))
    return Kernel(
        (BufferParameter(dt.float32), BufferParameter(dt.float32),
         BufferParameter(dt.float32, True)), 3,
        (Loop(0, b.floordiv(rows, tile), (Loop(1, columns, body, lanes=True),)),))


@pytest.mark.parametrize("tile", [1, 3])
def test_scalar_loops_inside_lanes(tile: int) -> None:
    rng = np.random.default_rng(0)
    for rows, columns, depth in [(3, 5, 4), (6, 33, 7), (3, 16, 1), (3, 16, 0), (0, 4, 2)]:
        left = rng.normal(size=rows * depth).astype(np.float32)
        right = rng.normal(size=depth * columns).astype(np.float32)
        check_exact(matrix_product(tile), [left, right, np.zeros(rows * columns, np.float32)],
                    [rows, columns, depth])


def test_nested_accumulators() -> None:
    """Σ_i (max_j x[i, j])², with two loops of accumulators, one inside the other."""
    i, j = b.index(0), b.index(1)
    total, best = accumulator(0, dt.float64), accumulator(1, dt.float64)
    x = load(0, i * b.size(1) + j, dt.float64)
    inner = (Begin(((1, b.const(-9.0, dt.float64)),)),
             Loop(1, b.size(1), (Update(((1, b.max(best, x)),)),)),
             Update(((0, total + best * best),)))
    kernel = Kernel(
        (BufferParameter(dt.float64), BufferParameter(dt.float64, True)), 2,
        (Begin(((0, b.const(0.0, dt.float64)),)), Loop(0, b.size(0), inner),
         Store(1, b.const(0, dt.int64), total)))
    for rows, columns in [(0, 3), (4, 5), (3, 0), (1, 1)]:
        x0 = np.random.default_rng(1).normal(size=rows * columns)
        check_exact(kernel, [x0, np.zeros(1)], [rows, columns])


def test_updates_see_old_values() -> None:
    """Fibonacci: both accumulators change at once."""
    first, second = accumulator(0, dt.int64), accumulator(1, dt.int64)
    kernel = Kernel(
        (BufferParameter(dt.int64, True),), 1,
        (Begin(((0, b.const(0, dt.int64)), (1, b.const(1, dt.int64)))),
         Loop(0, b.size(0), (Store(0, b.index(0), first),
                             Update(((0, second), (1, first + second)))))))
    assert compiled(kernel, [np.zeros(9, np.int64)], [9])[0].tolist() == [
        0, 1, 1, 2, 3, 5, 8, 13, 21]
    check_exact(kernel, [np.zeros(9, np.int64)], [9])


def test_accumulators_of_a_lanes_loop_under_a_mask() -> None:
    """x[i] to the power 5 by a counted loop inside lanes; halves are rounded once."""
    i, power = b.index(0), accumulator(0, dt.float32)
    x = b.cast(load(0, i, dt.float16), dt.float32)
    body = (Begin(((0, b.const(1.0, dt.float32)),)),
            Loop(1, b.const(5, dt.int64), (Update(((0, power * x),)),)),
            Store(1, i, b.cast(power, dt.float16)))
    kernel = Kernel((BufferParameter(dt.float16), BufferParameter(dt.float16, True)), 1,
                    (Loop(0, b.size(0), body, lanes=True),))
    for count in EXTENTS:
        check_exact(kernel, [values(dt.float16, count), np.zeros(count, np.float16)], [count])


# ---- stores -------------------------------------------------------------------------------------


@pytest.mark.parametrize("combine", ["add", "sub", "mul", "div", "min", "max", None])
@pytest.mark.parametrize("dtype", [dt.float32, dt.int32, dt.bfloat16], ids=lambda d: d.name)
def test_scattered_stores_keep_their_order(combine: str | None, dtype: DType) -> None:
    i = b.index(0)
    at = b.cast(load(1, i, dt.int32), dt.int64)
    where = b.logical_and(b.ge(at, 0), b.lt(at, 7))
    kernel = Kernel(
        (BufferParameter(dtype), BufferParameter(dt.int32), BufferParameter(dtype, True)), 1,
        (Loop(0, b.size(0), (Store(2, at, load(0, i, dtype), where, combine),)),))
    rng = np.random.default_rng(2)
    for count in (0, 1, 40):
        updates = rng.integers(1, 5, count).astype(dtype.numpy)
        check_exact(kernel, [updates, rng.integers(-1, 8, count).astype(np.int32),
                             np.ones(7, dtype.numpy)], [count])


@pytest.mark.parametrize("combine", ["add", "sub", "mul", "max"])
@pytest.mark.parametrize("dtype", [dt.float16, dt.float32, dt.int16], ids=lambda d: d.name)
@pytest.mark.parametrize("vectors", [1, 3])
def test_combining_stores_in_lanes(combine: str, dtype: DType, vectors: int) -> None:
    place, count = b.index(0), b.size(0)
    kernel = Kernel(
        (BufferParameter(dtype), BufferParameter(dtype, True)), 1,
        (Loop(0, count, (Store(1, place, load(0, place, dtype), combine=combine),),
              lanes=vectors),))
    for extent in EXTENTS:
        check_exact(kernel, [values(dtype, extent), values(dtype, extent, 1)], [extent])


@pytest.mark.parametrize("vectors", [2, 3, 4])
@pytest.mark.parametrize("known", [False, True])
def test_vectors_side_by_side(vectors: int, known: bool) -> None:
    """Sums along columns: wide turns, then single vectors, then the rest under a mask."""
    total = accumulator(0, dt.float32)
    for columns in (0, 1, 16, 31, 48, 64, 100):
        extent = b.const(columns, dt.int64) if known else b.size(1)
        at = b.index(1) * b.size(1) + b.index(0)
        kernel = Kernel(
            (BufferParameter(dt.float32), BufferParameter(dt.float32, True)), 2,
            (Loop(0, extent, (
                Begin(((0, b.const(0.5, dt.float32)),)),
                Loop(1, b.size(0), (Update(((0, b.fma(load(0, at, dt.float32), total, total)),)),
                                    )),
                Store(1, b.index(0), total)), lanes=vectors),))
        given = np.random.default_rng(columns).normal(size=5 * columns).astype(np.float32)
        check_exact(kernel, [given, np.zeros(columns, np.float32)], [5, columns])


def test_a_store_in_lanes_must_be_contiguous() -> None:
    kernel = Kernel((BufferParameter(dt.float32, True),), 1, (Loop(0, b.size(0), (
        Store(0, b.index(0) * 2, b.const(1.0, dt.float32)),), lanes=True),))
    with pytest.raises(ProgramError, match="contiguous"):
        compiled(kernel, [np.zeros(8, np.float32)], [4])


@pytest.mark.parametrize("combine", [None, "add"])
def test_stores_in_lanes_under_a_condition_of_the_row(combine: str | None) -> None:
    place = load(0, b.index(0), dt.int64)
    kernel = Kernel(
        (BufferParameter(dt.int64), BufferParameter(dt.float32),
         BufferParameter(dt.float32, True)), 2,
        (Loop(0, b.size(0), (Loop(1, b.size(1), (Store(
            2, place * b.size(1) + b.index(1),
            load(1, b.index(0) * b.size(1) + b.index(1), dt.float32), b.ge(place, 0), combine),),
            lanes=1),)),))
    for columns in (1, 7, 16, 33):
        rows = np.array([2, -1, 0, 2, -5, 1], np.int64)
        check_exact(kernel, [rows, values(dt.float32, 6 * columns),
                             values(dt.float32, 3 * columns, 1)], [6, columns])


def test_a_tile_asks_for_what_it_stores() -> None:
    """Lines are asked for where they are written, and where they are read beside the sums."""
    def tile(terms: int) -> Kernel:
        rows, column, term = range(4), b.index(0), b.index(1)
        sums = tuple((r, b.fma(load(0, r * b.size(0) + term, dt.float32),
                               load(1, term * b.size(1) + column, dt.float32),
                               accumulator(r, dt.float32))) for r in rows)
        places = [column + r * b.size(1) for r in rows]
        return Kernel(
            (*[BufferParameter(dt.float32)] * 3, BufferParameter(dt.float32, True)), 2,
            (Loop(0, b.size(1), (
                Begin(tuple((r, b.const(0.0, dt.float32)) for r in rows)),
                Loop(1, b.const(terms, dt.int64), (Update(sums),)),
                *(Store(3, p, accumulator(r, dt.float32) + load(2, p, dt.float32))
                  for r, p in zip(rows, places))), lanes=2),))

    for terms, asks in ((64, True), (63, False)):
        text = llvm_text(tile(terms))
        assert [f"i32 {write}, i32 3, i32 1" in text for write in (0, 1)] == [asks, asks]
        for columns in (1, 32, 70):
            rng, lengths = np.random.default_rng(columns), (
                4 * terms, terms * columns, 4 * columns, 4 * columns)
            check_exact(tile(terms), [rng.normal(size=n).astype(np.float32) for n in lengths],
                        [terms, columns])


def test_a_kernel_without_work_changes_nothing() -> None:
    kernel = elementwise((dt.float32,), [element(0, dt.float32) * 2.0])
    assert compiled(kernel, [np.zeros(0, np.float32)] * 2, [0])[1].size == 0
    assert interpreted(kernel, [np.zeros(0, np.float32)] * 2, [0])[1].size == 0
