"""Kernels of running combinations: against the kernel interpreter, NumPy and plain loops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from kernels import check_exact, values

import graphflow as gf
from graphflow import dtypes as dt
from graphflow.builder import apply
from graphflow.codegen.capabilities import Capabilities
from graphflow.codegen.cumulative import ROWS, rows_at_a_time, used_accumulators
from graphflow.codegen.schedule import HostStep, Launch, Scheduler
from graphflow.codegen.sizes import concrete
from graphflow.dims import SymDim, symbol_name
from graphflow.dtypes import DType
from graphflow.freeze import freeze
from graphflow.loop_ir.nest import Begin, Loop, Statement
from graphflow.opdef import TensorType
from graphflow.ops.cumulative import CUMSUM
from graphflow.ops.linear_scan import LINEAR_SCAN, linear_scan

DTYPES = (dt.float16, dt.bfloat16, dt.float32, dt.float64, dt.int8, dt.uint16, dt.int32, dt.int64)
SHAPES = ((0,), (1,), (37,), (0, 3), (3, 0), (1, 5), (9, 7), (2, 5, 19), (3, 1, 2, 4), (4, 6, 33))
WAYS = list(product((False, True), (False, True)))


@pytest.fixture
def session() -> Iterator[gf.Session]:
    with gf.Graph().as_default() as graph, gf.Session(graph=graph, device="cpu") as made:
        yield made


def launches(y: gf.Tensor, inputs: list[gf.Tensor]) -> list[Launch]:
    """The kernels of a program, none of whose nodes runs in Python."""
    program = freeze([y], [], {x: TensorType(x.dtype, x.shape) for x in inputs})
    steps = Scheduler(program, Capabilities()).schedule().steps
    assert not any(isinstance(step, HostStep) for step in steps)
    return steps


def statements(body: tuple[Statement, ...]) -> Iterator[Statement]:
    for statement in body:
        yield statement
        if isinstance(statement, Loop):
            yield from statements(statement.body)


def check_kernel(
    build: Callable[..., gf.Tensor], dtype: DType, shape: tuple[int, ...], inputs: int = 1,
    known: bool = False,
) -> None:
    """The compiled kernel equals the interpreted one, bit for bit."""
    with gf.Graph().as_default():
        sizes = shape if known else [None] * len(shape)
        given = [gf.placeholder(dtype, sizes) for _ in range(inputs)]
        (launch,) = launches(build(*given), given)
    numbers = {symbol_name(d): n for x in given for d, n in zip(x.shape.sizes, shape)
               if isinstance(d, SymDim)}
    count = int(np.prod(shape))
    arrays = [np.zeros(count, dtype.numpy) if p.written else values(dtype, count, seed)
              for seed, p in enumerate(launch.kernel.buffers)]
    check_exact(launch.kernel, arrays, concrete(launch.sizes, numbers))


# ---- kernels ------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_axis_and_way(shape: tuple[int, ...], known: bool) -> None:
    for axis, (exclusive, reverse) in product(range(len(shape)), WAYS):
        check_kernel(lambda x, a=axis, e=exclusive, r=reverse: gf.cumsum(x, a, e, r),
                     dt.float32, shape, known=known)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.name)
@pytest.mark.parametrize("axis", [0, 1])
def test_every_element_type(dtype: DType, axis: int) -> None:
    for (exclusive, reverse), f in product(WAYS, (gf.cumsum, gf.cumprod)):
        check_kernel(lambda x, e=exclusive, r=reverse, f=f: f(x, axis, e, r), dtype, (6, 35))


@pytest.mark.parametrize("dtype", [dt.float16, dt.float32, dt.float64], ids=lambda d: d.name)
def test_recurrences_and_logsumexp(dtype: DType) -> None:
    for shape, reverse in product(((21,), (7, 21), (4, 21)), (False, True)):
        check_kernel(lambda a, c, r=reverse: linear_scan(a, c, r), dtype, shape, inputs=2)
        for axis, exclusive in product(range(len(shape)), (False, True)):
            check_kernel(
                lambda x, a=axis, e=exclusive, r=reverse: gf.math.cumulative_logsumexp(x, a, e, r),
                dtype, shape)


def test_rows_share_a_loop_and_columns_are_lanes() -> None:
    assert rows_at_a_time(3) == (1,) and rows_at_a_time(2 * ROWS) == (ROWS,)
    assert rows_at_a_time(2 * ROWS + 1) == (ROWS, 1)
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, [2 * ROWS, 50])
        for axis, running, lanes in ((1, ROWS, 0), (0, 1, 1)):
            (launch,) = launches(gf.cumsum(x, axis), [x])
            found = list(statements(launch.kernel.body))
            (begin,) = (s for s in found if isinstance(s, Begin))
            assert len(begin.accumulators) == running
            assert sum(isinstance(s, Loop) and s.lanes for s in found) == lanes


def test_axes_beside_the_scanned_one_are_merged() -> None:
    """So that [B, N, H, W] runs in long lanes, and by the kernel of [B, N, H·W]."""
    with gf.Graph().as_default():
        kernels = set()
        for shape in ([2, 3, 4, 5], [2, 3, 20], [None, None, 7]):
            x = gf.placeholder(gf.float32, shape)
            (launch,) = launches(gf.cumsum(gf.sin(x), 1), [x])
            kernels.add(str(launch.kernel))
    assert len(kernels) == 1


def test_accumulators_that_the_result_does_not_need_are_left_out() -> None:
    """A recurrence composes (factor, term) pairs; run in order, it needs the term only."""
    pair = (dt.float32, dt.float32)
    assert used_accumulators(LINEAR_SCAN.lowering, pair) == [1]
    assert used_accumulators(CUMSUM.lowering, pair[:1]) == [0]


# ---- values -------------------------------------------------------------------------------------


def run(session: gf.Session, y: Any, feeds: dict[Any, Any]) -> Any:
    """The values, computed by kernels alone."""
    found = session.run(y, feeds)
    for variants in session._variants.values():
        for variant in variants:
            assert not any(isinstance(s, HostStep) for s in variant.executable.schedule.steps)
    return found


def test_sums_of_what_is_computed_in_place(session: gf.Session) -> None:
    """Elementwise work, a transpose, a broadcast row and a gather under the running sums."""
    x = gf.placeholder(gf.float64, [None, None, 5])
    row, places = gf.placeholder(gf.float64, [5]), gf.placeholder(gf.int32, [None])
    given = np.random.default_rng(0).normal(size=(4, 3, 5))
    taken = np.array([2, 0, 2, 1, 1, 3])
    feeds = {x: given, row: np.arange(5.0), places: taken}
    turned = np.transpose(given, (2, 0, 1))
    ys, expected = [], []
    for axis in range(3):
        ys += [gf.cumsum(x * row + 1.0, axis), gf.cumsum(gf.transpose(x, [2, 0, 1]), axis),
               gf.cumprod(gf.gather(x, places), axis), gf.cumsum(gf.exp(x), axis) * 2.0]
        expected += [np.cumsum(given * np.arange(5.0) + 1, axis), np.cumsum(turned, axis),
                     np.cumprod(given[taken], axis), np.cumsum(np.exp(given), axis) * 2]
    for actual, wanted in zip(run(session, ys, feeds), expected):
        np.testing.assert_allclose(actual, wanted, rtol=1e-12)


def test_one_program_for_all_sizes(session: gf.Session) -> None:
    x = gf.placeholder(gf.int32, [None, None])
    y = [gf.cumsum(x, 0, exclusive=True), gf.cumsum(x, 1, reverse=True)]
    for shape in ((3, 4), (0, 4), (4, 0), (1, 1), (9, 100)):
        given = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
        down, left = run(session, y, {x: given})
        np.testing.assert_array_equal(down, np.cumsum(given, 0) - given)
        np.testing.assert_array_equal(left, np.cumsum(given[:, ::-1], 1)[:, ::-1])


def test_the_first_element_is_not_combined(session: gf.Session) -> None:
    """−0 stays −0, and an infinite factor of nothing is not a NaN; exclusive sums start at +0."""
    x = gf.constant([-0.0, -0.0])
    sums, later = run(session, [gf.cumsum(x), gf.cumsum(x, exclusive=True)], {})
    assert np.signbit(sums).all() and not np.signbit(later).any()
    a, c = gf.constant([np.inf, 2.0, 0.5]), gf.constant([1.0, 3.0, -1.0])
    np.testing.assert_array_equal(run(session, linear_scan(a, c), {}), [1.0, 5.0, 1.5])


def test_halves_are_summed_in_float32_and_integers_wrap(session: gf.Session) -> None:
    for dtype in (gf.float16, gf.bfloat16):
        found = run(session, gf.cumsum(gf.ones([2, 4096], dtype), 1), {})
        np.testing.assert_array_equal(found[:, -1].astype(np.float32), [4096, 4096])
    small = gf.constant(np.full(4, 100), gf.int8)
    np.testing.assert_array_equal(run(session, gf.cumsum(small), {}), [100, -56, 44, -112])


def test_a_recurrence_and_its_gradient(session: gf.Session) -> None:
    """Against a loop: ∂Σw·s/∂b is the recurrence of w backwards, that of a times sᵢ₋₁."""
    rng = np.random.default_rng(1)
    a, c, w = (rng.normal(size=(6, 11)) for _ in range(3))
    s, back = np.zeros_like(c), np.zeros_like(c)
    for i in range(11):
        s[:, i] = c[:, i] + (a[:, i] * s[:, i - 1] if i else 0)
    for i in reversed(range(11)):
        back[:, i] = w[:, i] + (a[:, i + 1] * back[:, i + 1] if i < 10 else 0)
    first, second = (gf.placeholder(gf.float64, [None, None]) for _ in range(2))
    y = apply(LINEAR_SCAN, (first, second), {})
    grads = gf.gradients(y, [first, second], grad_ys=[gf.constant(w)])
    found = run(session, [y, *grads], {first: a, second: c})
    before = np.concatenate([np.zeros((6, 1)), s[:, :-1]], 1)
    for actual, wanted in zip(found, (s, back * before, back)):
        np.testing.assert_allclose(actual, wanted, rtol=1e-9, atol=1e-12)


def test_gradients_of_products_compile(session: gf.Session) -> None:
    x = gf.placeholder(gf.float64, [None, 3])
    grad = gf.gradients(gf.cumprod(x, 0), x)[0]
    a, c, d = given = np.array([[2.0, 1.0, 0.0], [0.0, -1.0, 3.0], [3.0, 2.0, 0.0]])
    expected = [1 + c + c * d, a + a * d, a * c]
    np.testing.assert_allclose(run(session, grad, {x: given}), expected)
