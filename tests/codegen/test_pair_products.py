"""Products of bfloat16 by pairs of terms: blocks, copies, what is left over, and their code.

Kernels are loops, which run on any processor; where it has the instructions, they are found.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from contraction_cases import Case, draw
from kernels import compiled, interpreted

import graphflow as gf
from graphflow import dtypes as dt
from graphflow.codegen.compile import llvm_text
from graphflow.codegen.cpu.pair_products import find_pair_copy, find_pair_product
from graphflow.codegen.pair_products import LEAST_ROWS, ROWS, instructions
from graphflow.codegen.settings import DEFAULT, Settings, using
from graphflow.errors import AttributeValueError
from graphflow.loop_ir.nest import Loop, Statement
from graphflow.runtime import executables

LAYOUTS = [(False, False), (False, True), (True, False), (True, True)]


def product(
    m: int, k: int, n: int, turned: tuple[bool, bool] = (False, False), pairs: str = "amx",
    unknown: bool = False,
) -> tuple[Case, np.ndarray, np.ndarray]:
    """The case of a product by pairs, and its operands in float64. unknown: the rows."""
    x, y = (draw(*s).astype(ml_dtypes.bfloat16) for s in ((m, k), (k, n)))
    places = {(0, 1 if turned[0] else 0): "m", (2, 0): "m"} if unknown else {}
    operands = [a.T if t else a for a, t in zip((x, y), turned)]
    attrs = {"transpose_a": turned[0], "transpose_b": turned[1]}
    with using(Settings(pairs=pairs)):
        case = Case("MatMul", operands, attrs, places, dt.bfloat16)
    return case, x.astype(np.float64), y.astype(np.float64)


def near(found: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """Within one rounding of a float32 sum of as many terms, in whatever order."""
    exact, scale = x @ y, np.abs(x) @ np.abs(y)
    room = 2.0 ** -8 * np.abs(exact) + (x.shape[-1] + 2) * 2.0 ** -23 * scale
    assert np.all(np.abs(found.astype(np.float64) - exact) <= room)


def loops(body: tuple[Statement, ...]) -> Iterator[Loop]:
    for statement in body:
        if isinstance(statement, Loop):
            yield statement
            yield from loops(statement.body)


@pytest.mark.parametrize("pairs", list(ROWS))
@pytest.mark.parametrize("turned", LAYOUTS)
@pytest.mark.parametrize("sizes", [
    (32, 32, 32), (16, 16, 1), (33, 70, 45), (100, 33, 31), (64, 96, 64), (40, 31, 200),
    (70, 1000, 96)])
def test_blocks_and_what_is_left_over(
    sizes: tuple[int, int, int], turned: tuple[bool, bool], pairs: str
) -> None:
    case, x, y = product(*sizes, turned, pairs)
    near(compiled(case.kernel, case.buffers, case.sizes)[case.result], x, y)


@pytest.mark.parametrize("pairs", list(ROWS))
@pytest.mark.parametrize("turned", LAYOUTS)
def test_the_loops_say_the_same(turned: tuple[bool, bool], pairs: str) -> None:
    case, x, y = product(17, 35, 33, turned, pairs)
    near(interpreted(case.kernel, case.buffers, case.sizes)[case.result], x, y)


@pytest.mark.parametrize("pairs", list(ROWS))
@pytest.mark.parametrize("turned", LAYOUTS)
def test_the_loops_are_recognised(turned: tuple[bool, bool], pairs: str) -> None:
    case, _, _ = product(64, 64, 64, turned, pairs)
    found = list(loops(case.kernel.body))
    (block,) = [p for x in found if (p := find_pair_product(x)) is not None]
    assert block.rows == ROWS[pairs]
    copies = [c.kind for x in found if (c := find_pair_copy(x)) is not None]
    assert copies == ["both"] * turned[0] + ["turn" if turned[1] else "interleave"]


def test_the_machines_instructions_are_taken() -> None:
    code = llvm_text(product(64, 64, 64, pairs=instructions() or "amx")[0].kernel)
    assert ("tdpbf16ps" in code) == (instructions() == "amx")
    assert ("dpbf16ps.512" in code) == (instructions() == "avx512")
    if instructions():
        assert "dpbf16ps.512" in llvm_text(product(64, 64, 64, pairs="avx512")[0].kernel)


@pytest.mark.parametrize("rows", [1, LEAST_ROWS - 1, LEAST_ROWS, 50])
def test_one_kernel_serves_any_number_of_rows(rows: int) -> None:
    case, x, y = product(rows, 40, 70, unknown=True)
    near(compiled(case.kernel, case.buffers, case.sizes)[case.result], x, y)
    assert case.kernel == product(20, 40, 70, unknown=True)[0].kernel


@pytest.mark.parametrize(("sizes", "kind"), [
    ((LEAST_ROWS - 1, 64, 64), dt.bfloat16), ((64, 8, 64), dt.bfloat16),
    ((64, 64, 64), dt.float16), ((64, 64, 64), dt.float32)])
def test_others_are_computed_as_before(sizes: tuple[int, int, int], kind: dt.DType) -> None:
    m, k, n = sizes
    arrays = [draw(m, k).astype(kind.numpy), draw(k, n).astype(kind.numpy)]
    with using(Settings(pairs="amx")):
        native = Case("MatMul", arrays, {}, dtype=kind).kernel
    assert native == Case("MatMul", arrays, {}, dtype=kind).kernel


# ---- whole programs -----------------------------------------------------------------------------


@pytest.fixture(params=list(ROWS))
def options(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Options for native products, on whatever machine this is."""
    if instructions() != "amx":  # plain loops then, which are slow
        monkeypatch.setattr("graphflow.codegen.pair_products.instructions", lambda: request.param)
    monkeypatch.setattr(
        executables, "settings_of", lambda o: Settings(pairs=request.param))
    return {"half_products": "native"}


def test_the_epilogue_is_fused(options: dict[str, Any]) -> None:
    x, w = (draw(*s).astype(ml_dtypes.bfloat16) for s in ((40, 50), (50, 60)))
    bias = draw(60).astype(ml_dtypes.bfloat16)
    a, c, d = (gf.placeholder(gf.bfloat16, v.shape) for v in (x, w, bias))
    y = gf.nn.relu(gf.matmul(a, c) + d)
    feeds = {a: x, c: w, d: bias}
    with gf.Session(options=gf.Options(**options)) as session:
        found = session.run(y, feeds)
        assert len(session.explain(y, feeds).kernels) == 1
    with gf.Session(device="reference") as session:
        expected = session.run(y, feeds)
    np.testing.assert_allclose(found.astype(np.float64), expected.astype(np.float64),
                               rtol=2.0 ** -7, atol=1e-2)


def test_batches_and_their_gradients(options: dict[str, Any]) -> None:
    x, y, g = (draw(*s).astype(ml_dtypes.bfloat16) for s in (
        (2, 3, 20, 40), (2, 3, 40, 36), (2, 3, 20, 36)))
    a, c, d = (gf.placeholder(gf.bfloat16, v.shape) for v in (x, y, g))
    z = gf.matmul(a, c)
    with gf.Session(options=gf.Options(**options)) as session:
        found = session.run([z, *gf.gradients(z, [a, c], grad_ys=d)], {a: x, c: y, d: g})
    x, y, g = (v.astype(np.float64) for v in (x, y, g))
    near(found[0], x, y)
    near(found[1], g, np.swapaxes(y, -1, -2))
    near(found[2], np.swapaxes(x, -1, -2), g)


@pytest.mark.parametrize("batch", [(), (5,)])
def test_results_are_the_same_bits_for_any_number_of_threads(
    options: dict[str, Any], batch: tuple[int, ...]
) -> None:
    x, y = (draw(*batch, *s).astype(ml_dtypes.bfloat16) for s in ((300, 600), (600, 300)))
    a, c = (gf.placeholder(gf.bfloat16, v.shape) for v in (x, y))
    z = gf.matmul(a, c)
    found = []
    for threads in (1, 2, 3):
        with gf.Session(options=gf.Options(threads=threads, **options)) as session:
            found.append(session.run(z, {a: x, c: y}).view(np.uint16))
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


def test_infinities_and_nan_stay_where_they_are(options: dict[str, Any]) -> None:
    x, y = (np.ones(s, ml_dtypes.bfloat16) for s in ((40, 33), (33, 40)))
    x[3, 5], x[35, 32], y[32, 7] = np.inf, np.nan, -np.inf
    a, c = (gf.placeholder(gf.bfloat16, v.shape) for v in (x, y))
    with gf.Session(options=gf.Options(**options)) as session:
        found = session.run(gf.matmul(a, c), {a: x, c: y}).astype(np.float64)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(found, x.astype(np.float64) @ y.astype(np.float64))


# ---- options ------------------------------------------------------------------------------------


def test_processors_without_instructions_convert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphflow.codegen.pair_products.instructions", lambda: "")
    assert executables.settings_of(gf.Options(half_products="native")) is DEFAULT
    monkeypatch.setattr("graphflow.codegen.pair_products.instructions", lambda: "avx512")
    made = executables.settings_of(gf.Options(half_products="native"))
    assert made.key() == ("pairs by avx512",)


def test_the_environment_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gf.Options.from_environment().half_products == "float32"
    monkeypatch.setenv("GRAPHFLOW_HALF_PRODUCTS", "native")
    assert gf.Options.from_environment().half_products == "native"


def test_other_words_are_refused() -> None:
    with pytest.raises(AttributeValueError, match="must be 'float32' or 'native', got 'fast'"):
        gf.Options(half_products="fast")


def test_what_is_only_moved_keeps_its_bits() -> None:
    """A signalling NaN of either half type goes through copies as it is."""
    for kind, bits in ((gf.float16, 0x7C01), (gf.bfloat16, 0x7F81)):
        x = np.full((3, 70), bits, np.uint16).view(kind.numpy)
        p = gf.placeholder(kind, x.shape)
        with gf.Session() as session:
            found = session.run([gf.transpose(p), gf.reverse(p, [0])], {p: x})
        assert all((f.view(np.uint16) == bits).all() for f in found)
