"""Kernels without complex numbers compute what the kernels computed that they were made from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels import assert_same, compiled, element, elementwise, interpreted

from graphflow import dtypes as dt
from graphflow.dtypes import DType
from graphflow.errors import ProgramError
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.nest import (
    Begin,
    BufferParameter,
    Fold,
    Kernel,
    Loop,
    Statement,
    Store,
    Update,
    accumulator,
    expressions,
    load,
    verify_kernel,
)
from graphflow.loop_ir.split_complex import basic_parts, split_complex

ROW, COLUMN = b.index(0), b.index(1)


def numbers(dtype: DType, count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype.is_integer:
        return rng.integers(0, 5, count).astype(dtype.numpy)
    parts = rng.uniform(-2, 2, (2, count))
    return (parts[0] + 1j * parts[1] if dtype.is_complex else parts[0]).astype(dtype.numpy)


def as_parts(array: np.ndarray) -> np.ndarray:
    """The same memory, as floats."""
    return array.view(array.real.dtype) if array.dtype.kind == "c" else array


def check(kernel: Kernel, arrays: Sequence[np.ndarray], sizes: Sequence[int]) -> None:
    """Interpreted, split and interpreted, split and compiled: the same within some roundings."""
    made = split_complex(kernel)
    verify_kernel(made)
    assert not any(node.dtype.is_complex for node in nodes(made.body))
    assert not any(p.dtype.is_complex for p in made.buffers)
    expected = interpreted(kernel, arrays, sizes)
    parts = [as_parts(a) for a in arrays]
    split = interpreted(made, parts, sizes)
    eps = max(np.finfo(n.dtype.real_dtype.numpy).eps for n in nodes(kernel.body)
              if n.dtype.is_complex or n.dtype.is_floating)
    for wanted, found in zip(expected, split):
        largest = max(1.0, float(np.abs(wanted).max(initial=0)))
        np.testing.assert_allclose(
            found.view(wanted.dtype), wanted, rtol=0, atol=64 * eps * largest)
    if not any(isinstance(s, Fold) and s.lanes for s in statements(made.body)):
        for native, found in zip(compiled(made, parts, sizes), split):
            assert_same(native, found, str(made))


def statements(body: Sequence[Statement]) -> list[Statement]:
    return [t for s in body for t in (s, *(statements(s.body) if isinstance(s, Loop) else ()))]


def nodes(body: Sequence[Statement]) -> list[Expr]:
    return list(walk(*(e for s in statements(body) for e in expressions(s))))


# ---- examples -----------------------------------------------------------------------------------


def test_a_complex_element_is_two_floats_side_by_side() -> None:
    z = load(0, ROW, dt.complex64)
    before = Kernel(
        (BufferParameter(dt.complex64), BufferParameter(dt.complex64, written=True)), 1,
        (Loop(0, b.size(0), (Store(1, ROW, b.conj(z)),), lanes=True),))
    real, imag = (load(0, at, dt.float32) for at in (ROW * 2, ROW * 2 + 1))
    after = Kernel(
        (BufferParameter(dt.float32), BufferParameter(dt.float32, written=True)), 1,
        (Loop(0, b.size(0), (Store(1, ROW * 2, real), Store(1, ROW * 2 + 1, -imag))),))
    assert split_complex(before) == after


def test_a_kernel_of_real_numbers_stays() -> None:
    kernel = elementwise((dt.float32,), [b.tanh(element(0, dt.float32))])
    assert split_complex(kernel) is kernel


@pytest.mark.parametrize("dtype", dt.COMPLEX, ids=str)
def test_elementwise(dtype: DType) -> None:
    z, w, x = element(0, dtype), element(1, dtype), element(2, dtype.real_dtype)
    outputs = [z * w - z, z / w, b.exp(z), b.select(b.real(z) > x, z, w), b.sqrt(z) + (1 - 2j),
               b.cast(x, dtype) * b.conj(w), b.cast(z, dt.complex128)]
    inputs = (dtype, dtype, dtype.real_dtype)
    for count in (0, 1, 7, 40):
        arrays = [numbers(d, count, k) for k, d in enumerate(inputs)]
        results = [np.zeros(count, e.dtype.numpy) for e in outputs]
        check(elementwise(inputs, outputs), [*arrays, *results], [count])


@pytest.mark.parametrize("dtype", dt.COMPLEX, ids=str)
def test_real_results_keep_their_lanes(dtype: DType) -> None:
    z, x = element(0, dtype), element(1, dtype.real_dtype)
    outputs = [b.abs(z) + x, b.imag(b.complex(x, x) * z), b.cast(b.eq(z, 0), dt.float32)]
    kernel = elementwise((dtype, dtype.real_dtype), outputs)
    (loop,) = split_complex(kernel).body
    assert isinstance(loop, Loop) and loop.lanes
    for count in (0, 1, 17, 40):
        arrays = [numbers(dtype, count), numbers(dtype.real_dtype, count, 1)]
        check(kernel, [*arrays, *(np.zeros(count, e.dtype.numpy) for e in outputs)], [count])


def test_complex_numbers_between_real_ones() -> None:
    x, y = element(0, dt.float64), element(1, dt.float64)
    kernel = elementwise((dt.float64, dt.float64), [b.abs(b.exp(b.complex(x, y)))])
    arrays = [numbers(dt.float64, 20, k) for k in range(2)]
    check(kernel, [*arrays, np.zeros(20)], [20])


# ---- accumulators -------------------------------------------------------------------------------


def sums(dtype: DType, lanes: bool) -> Kernel:
    """Rows of z: their products, and the sums of their moduli."""
    z = load(0, ROW * b.size(1) + COLUMN, dtype)
    product, length = accumulator(0, dtype), accumulator(1, dtype.real_dtype)
    right = accumulator(2, dtype), accumulator(3, dtype.real_dtype)
    one, zero = b.const(1.0 + 0j, dtype), b.const(0.0, dtype.real_dtype)
    fold = Fold(1, b.size(1), (0, 1), (2, 3), (z, b.abs(z)),
                (product * right[0], length + right[1]), (one, zero), lanes)
    return Kernel(
        (BufferParameter(dtype), BufferParameter(dtype, written=True),
         BufferParameter(dtype.real_dtype, written=True)), 2,
        (Loop(0, b.size(0), (Begin(((0, one), (1, zero))), fold, Store(1, ROW, product),
                             Store(2, ROW, length))),))


@pytest.mark.parametrize("dtype", dt.COMPLEX, ids=str)
@pytest.mark.parametrize("lanes", [False, True])
def test_folds_hold_both_parts(dtype: DType, lanes: bool) -> None:
    for rows, columns in ((3, 0), (2, 1), (3, 9), (1, 40)):
        z = numbers(dtype, rows * columns)
        outputs = np.zeros(rows, dtype.numpy), np.zeros(rows, dtype.real_dtype.numpy)
        check(sums(dtype, lanes), [z, *outputs], [rows, columns])
        native = compiled(split_complex(sums(dtype, lanes)),
                          [as_parts(a) for a in (z, *outputs)], [rows, columns])
        wide = z.reshape(rows, columns).astype(np.complex128)
        tolerance = 64 * np.finfo(dtype.numpy).eps
        np.testing.assert_allclose(native[1].view(dtype.numpy), wide.prod(1), rtol=tolerance)
        np.testing.assert_allclose(native[2], np.abs(wide).sum(1), rtol=tolerance)


def test_updates_see_the_old_values_of_both_parts() -> None:
    """A product, kept in one accumulator that its own parts are made from."""
    z, total = load(0, ROW, dt.complex128), accumulator(0, dt.complex128)
    kernel = Kernel(
        (BufferParameter(dt.complex128), BufferParameter(dt.complex128, written=True)), 1,
        (Begin(((0, b.const(1j, dt.complex128)),)),
         Loop(0, b.size(0), (Update(((0, total * z),)), Store(1, ROW, total)))))
    check(kernel, [numbers(dt.complex128, 12), np.zeros(12, np.complex128)], [12])


# ---- stores -------------------------------------------------------------------------------------


@pytest.mark.parametrize("combine", [None, "add", "sub"])
def test_combining_stores_part_by_part(combine: str | None) -> None:
    place = load(1, ROW, dt.int32)
    store = Store(2, b.cast(place, dt.int64), load(0, ROW, dt.complex64), b.ne(place, 2), combine)
    kernel = Kernel(
        (BufferParameter(dt.complex64), BufferParameter(dt.int32),
         BufferParameter(dt.complex64, written=True)), 1, (Loop(0, b.size(0), (store,)),))
    check(kernel, [numbers(dt.complex64, 30), numbers(dt.int32, 30),
                   numbers(dt.complex64, 5, seed=2)], [30])


@pytest.mark.parametrize("combine", ["mul", "div"])
def test_a_store_cannot_combine_by_a_product(combine: str) -> None:
    store = Store(1, ROW, load(0, ROW, dt.complex64), combine=combine)
    kernel = Kernel((BufferParameter(dt.complex64), BufferParameter(dt.complex64, written=True)),
                    1, (Loop(0, b.size(0), (store,)),))
    with pytest.raises(ProgramError, match=f"cannot combine complex numbers by '{combine}'"):
        split_complex(kernel)


def test_basic_parts_are_basic() -> None:
    z, x = b.arg(0, dt.complex64), b.arg(1, dt.float32)
    parts = basic_parts(z + 1.0, b.tanh(x), b.abs(load(0, ROW, dt.complex64)))
    assert [p.dtype for p in parts] == [dt.float32] * 4
    assert not any(node.dtype.is_complex for node in walk(*parts))


# ---- random kernels -----------------------------------------------------------------------------

BINARY = ("add", "sub", "mul")
UNARY = ("neg", "conj", "exp", "square")
TYPES = (dt.complex64, dt.complex128, dt.float32, dt.float64)


@st.composite
def random_kernels(draw: st.DrawFn) -> tuple[Kernel, tuple[DType, ...], list[Expr]]:
    """Elements and a running accumulator, put together at random; each result is stored."""
    inputs = tuple(draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=3)))
    running = draw(st.sampled_from(dt.COMPLEX))
    pool = [load(k, ROW, d) for k, d in enumerate(inputs)] + [accumulator(0, running)]
    for _ in range(draw(st.integers(1, 8))):
        x, y = (pool[draw(st.integers(0, len(pool) - 1))] for _ in range(2))
        wide = draw(st.sampled_from(dt.COMPLEX))
        x, y = b.cast(x, wide), b.cast(y, wide)
        name = draw(st.sampled_from((*BINARY, *UNARY, "select", "abs", "complex")))
        if name in BINARY:
            made = getattr(b, name)(x, y) * 0.25
        elif name in UNARY:
            made = getattr(b, name)(x * 0.25)
        elif name == "select":
            made = b.select(b.real(x) < 0.5, x, y)
        else:
            made = b.abs(x) if name == "abs" else b.complex(b.imag(x), b.real(y))
        pool.append(made)
    outputs = pool[-3:]
    first = b.const(0.5 - 0.25j, running)
    turn = (*(Store(len(inputs) + k, ROW, e) for k, e in enumerate(outputs)),
            Update(((0, b.cast(pool[-1], running) * 0.125),)))
    buffers = (*(BufferParameter(d) for d in inputs),
               *(BufferParameter(e.dtype, written=True) for e in outputs))
    body = (Begin(((0, first),)), Loop(0, b.size(0), turn))
    return Kernel(buffers, 1, body), inputs, outputs


@settings(max_examples=60, deadline=None)
@given(random_kernels(), st.sampled_from([0, 1, 5, 17]), st.integers(0, 99))
def test_random_kernels(
    case: tuple[Kernel, tuple[DType, ...], list[Expr]], count: int, seed: int
) -> None:
    kernel, inputs, outputs = case
    arrays = [numbers(d, count, seed + k) for k, d in enumerate(inputs)]
    check(kernel, [*arrays, *(np.zeros(count, e.dtype.numpy) for e in outputs)], [count])
