"""Products of matrices: tiles, panels, chunks and turned copies, for all sizes and layouts."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from contraction_cases import Case, draw
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels import check_exact, compiled

import graphflow as gf
from graphflow import dtypes as dt
from graphflow.codegen import term_steps, tiles
from graphflow.codegen.compile import llvm_text
from graphflow.codegen.processor import vector_bytes
from graphflow.codegen.tiles import Tiling, cuts
from graphflow.dtypes import DType
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr
from graphflow.loop_ir.nest import BufferParameter, Kernel, Loop, Store, load

AXES = {"m": ((0, 0), (2, 0)), "k": ((0, 1), (1, 0)), "n": ((1, 1), (2, 1))}
PRECISION = {"float16": 2.0 ** -11, "float32": 2.0 ** -24, "float64": 2.0 ** -53, "int32": 0.0}


def product(
    m: int, k: int, n: int, turned: tuple[bool, bool] = (False, False), unknown: str = "",
    dtype: DType = dt.float32,
) -> tuple[Case, np.ndarray, np.ndarray]:
    """The case of a product, and its operands as they enter it. unknown: letters of sizes."""
    x, y = (np.asarray(np.rint(a * 4) if dtype is dt.int32 else a, dtype.numpy)
            for a in (draw(m, k), draw(k, n)))
    places = {(which, 1 - axis if which < 2 and turned[which] else axis): letter
              for letter in unknown for which, axis in AXES[letter]}
    operands = [a.T if t else a for a, t in zip((x, y), turned)]
    attrs = {"transpose_a": turned[0], "transpose_b": turned[1]}
    return Case("MatMul", operands, attrs, places, dtype), x, y


def check(m: int, k: int, n: int, *settings: Any, **more: Any) -> Case:
    """Compares with a product in float64, within what the roundings of k terms may amount to."""
    case, x, y = product(m, k, n, *settings, **more)
    found = compiled(case.kernel, case.buffers, case.sizes)[case.result].astype(np.float64)
    x, y = x.astype(np.float64), y.astype(np.float64)
    room = (k + 2) * PRECISION[case.buffers[case.result].dtype.name]
    assert np.all(np.abs(found - x @ y) <= room * (np.abs(x) @ np.abs(y)))
    return case


sizes = st.one_of(st.integers(0, 20), st.integers(21, 140))


@settings(deadline=None, max_examples=60)
@given(sizes, sizes, sizes, st.tuples(st.booleans(), st.booleans()),
       st.sampled_from(["", "", "m", "k", "n", "mk", "mkn"]),
       st.sampled_from([dt.float32, dt.float32, dt.float64, dt.int32]))
def test_random_products(
    m: int, k: int, n: int, turned: tuple[bool, bool], unknown: str, dtype: DType
) -> None:
    check(m, k, n, turned, unknown, dtype)


@pytest.mark.parametrize("turned", [(False, False), (False, True)])
@pytest.mark.parametrize("rows", [1, 2, 11, 12, 13, 31])
def test_one_kernel_serves_few_rows_and_many(rows: int, turned: tuple[bool, bool]) -> None:
    case = check(rows, 37, 530, turned, "m")
    assert case.kernel == product(12, 37, 530, turned, "m")[0].kernel


# ---- terms in chunks ----------------------------------------------------------------------------


def memory_of_sums(case: Case) -> int:
    """The elements that a kernel needs for the sums of its chunks."""
    shared = [a for a, p in zip(case.buffers, case.kernel.buffers)
              if p.written and not p.private and a is not case.buffers[case.result]]
    return sum(a.size for a in shared)


@pytest.mark.parametrize(("m", "k", "n", "turned"), [
    (40, 1030, 33, (True, False)), (1, 9001, 1, (False, False)), (3, 8200, 5, (False, True))])
def test_many_terms_are_summed_in_chunks(
    m: int, k: int, n: int, turned: tuple[bool, bool]
) -> None:
    chunks = -(-k // (tiles.LONG_CHUNK if m * n <= tiles.FEW_RESULTS else tiles.CHUNK))
    assert chunks > 1
    assert memory_of_sums(check(m, k, n, turned)) == chunks * m * n


def test_chunks_of_an_unknown_number_of_terms() -> None:
    for k in (1, 4096, 4097, 9000):
        assert memory_of_sums(check(2, k, 7, (True, False), "k")) == -(-k // 4096) * 14
    check(2, 50, 7, (True, False), "k", dtype=dt.float16)
    check(30, 50, 1, (True, False), "k")


def panel_of_steps(case: Case) -> int:
    """The elements of the panel that a kernel copies for each step of terms; 0: no steps."""
    return sum({id(a): a.size for a, p in zip(case.buffers, case.kernel.buffers)
                if p.private}.values())


@pytest.mark.parametrize(("m", "k", "n"), [(520, 1100, 64), (513, 1024, 90), (64, 1031, 530)])
def test_chunks_of_terms_go_in_steps(m: int, k: int, n: int) -> None:
    case = check(m, k, n, (True, False))
    panel = term_steps.STEP * min(n, term_steps.VECTORS * vector_bytes() // 4)
    assert panel_of_steps(case) == panel
    assert memory_of_sums(case) == -(-k // tiles.CHUNK) * m * n


def test_steps_of_doubles_and_with_an_epilogue() -> None:
    assert panel_of_steps(check(300, 1024, 65, (True, False), dtype=dt.float64)) > 0
    x, y, r = draw(1100, 512), draw(1100, 70), draw(512, 70)
    with gf.Graph().as_default():
        leaves = [gf.placeholder(gf.float32, a.shape) for a in (x, y, r)]
        made = gf.nn.relu(gf.matmul(leaves[0], leaves[1], transpose_a=True) + leaves[2])
        with gf.Session() as session:
            found = session.run(made, dict(zip(leaves, (x, y, r))))
    wide = x.astype(np.float64).T @ y + r
    np.testing.assert_allclose(found, np.maximum(wide, 0), rtol=1e-4, atol=1e-4)


def test_short_lines_and_few_columns_need_no_steps() -> None:
    for m, n in ((128, 128), (520, 40)):
        assert panel_of_steps(check(m, 1030, n, (True, False))) == 0


def test_tiles_ask_for_the_rows_of_the_next_ones() -> None:
    for k, turned, asks in ((64, False, True), (63, False, False), (257, False, False),
                            (64, True, False)):
        case = check(30, k, 40, (turned, False))
        assert (" soon " in str(case.kernel)) == asks


def test_products_of_many_results_have_no_chunks() -> None:
    assert memory_of_sums(check(300, 1030, 260)) == 0


def test_panels_hold_all_terms() -> None:
    assert memory_of_sums(check(32, 1026, 519, (True, True))) == 0


# ---- layouts ------------------------------------------------------------------------------------


def test_a_left_operand_whose_lines_are_far_apart_is_turned_as_a_whole() -> None:
    assert len(check(520, 130, 260, (True, False)).copies) == 1
    assert len(check(120, 130, 260, (True, False)).copies) == 0
    assert len(check(520, 130, 60, (True, False)).copies) == 0


def test_a_column_by_a_turned_matrix_runs_over_its_lines() -> None:
    case = check(50, 20, 1, (True, False))
    loads = [s for s in case.kernel.body if isinstance(s, Loop) and s.lanes]
    assert loads and case.copies == []


@pytest.mark.parametrize(("m", "k", "n"), [(128, 20, 10), (75, 33, 7), (64, 1200, 3), (40, 9, 2)])
@pytest.mark.parametrize("dtype", [dt.float32, dt.float64], ids=lambda d: d.name)
def test_few_columns_of_a_turned_matrix(m: int, k: int, n: int, dtype: DType) -> None:
    for turned in ((True, False), (True, True)):
        case = check(m, k, n, turned, dtype=dtype)
        vector = vector_bytes() // dtype.size
        stages = [a.size for a, p in zip(case.buffers, case.kernel.buffers) if p.private]
        assert (n * 4 <= 3 * vector) == (n * 4 * vector in stages)


def test_a_high_operand_is_copied_in_panels() -> None:
    def panels(case: Case) -> int:
        return len({id(a) for a, p in zip(case.buffers, case.kernel.buffers) if p.private})

    assert panels(check(300, 2100, 257)) == 1
    assert panels(check(300, 900, 257)) == 0


# ---- tiles --------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 5, 6, 13, 64])
@pytest.mark.parametrize("sizes", [(6, 6), (12, 2, 1), (1,)])
def test_cuts_take_each_row_once(count: int, sizes: tuple[int, ...]) -> None:
    found = [c.first.attr + t * c.rows + r for c in cuts(b.const(count, dt.int64), sizes)
             for t in range(c.count.attr) for r in range(c.rows)]
    assert found == list(range(count))


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("rows", [None, 1, 2, 3, 7, 32, 100])
@pytest.mark.parametrize("vectors", [None, 1, 2, 3, 5, 8, 49])
def test_tiles_fit_the_registers(vectors: int | None, rows: int | None, width: int) -> None:
    tiling = Tiling(vectors, width)
    tall, wide = tiling.best(rows)
    assert 1 <= tall <= (rows or tall)
    assert tall * wide * width <= tiles.registers() * 3 // 4
    rest = tiling.beside(1)
    assert rest * width <= tiles.registers() * 3 // 4


def test_tiles_that_keep_both_units_busy() -> None:
    """Two multiply-adds a cycle need eight sums; what is loaded must not be more than that."""
    tall, wide = Tiling(None, 1).best(None)
    assert tall * wide >= 8 and (tall + wide) / 2 <= tall * wide / 2
    assert Tiling(8, 1).best(1) == (1, Tiling(8, 1).beside(1))


# ---- copies that turn a matrix ------------------------------------------------------------------


def turning(dtype: DType) -> Kernel:
    """out[r, c] = x[c, r] for r < size 0 and c < size 1."""
    row, column = b.index(1), b.index(0)
    rows, columns = b.size(0), b.size(1)
    source: Expr = load(0, column * rows + row, dtype)
    store = Store(1, row * columns + column, source)
    return Kernel((BufferParameter(dtype), BufferParameter(dtype, True)), 2, (
        Loop(0, columns, (Loop(1, rows, (store,)),), lanes=1),))


@pytest.mark.parametrize("dtype", [dt.float32, dt.float64, dt.int32, dt.float16],
                         ids=lambda d: d.name)
def test_copies_that_turn(dtype: DType) -> None:
    for rows, columns in ((1, 1), (3, 40), (16, 16), (17, 33), (50, 5), (0, 3), (33, 0)):
        x = np.arange(rows * columns).astype(dtype.numpy)
        check_exact(turning(dtype), [x, np.zeros_like(x)], [rows, columns])


@pytest.mark.parametrize("dtype", [dt.float32, dt.float64], ids=lambda d: d.name)
def test_blocks_are_turned_in_registers(dtype: DType) -> None:
    lanes = vector_bytes() // dtype.size
    text = llvm_text(turning(dtype))
    shuffles = len(re.findall(r"shufflevector <\d+ x (?:float|double)>", text))
    rounds = lanes.bit_length() - 1
    assert shuffles == 2 * lanes * rounds  # a block of whole lanes, and one of the last lanes
