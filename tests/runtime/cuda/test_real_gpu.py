"""What only a GPU can show; `pytest -m gpu` runs these beside the tests of all devices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.options import Options
from graphflow.runtime.cuda.array import DeviceArray

pytestmark = pytest.mark.gpu


@pytest.fixture
def real(graph: gf.Graph) -> Any:
    with gf.Session(graph=graph, options=Options(device="cuda", fetches="device")) as session:
        yield session


def test_the_same_step_again_and_again_is_a_graph(real: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 64])
    w = gf.Variable(np.full((64, 64), 0.01, np.float32))
    y = gf.reduce_sum(gf.tanh(gf.matmul(x, w)))
    real.run(w.initializer)
    data = np.ones((128, 64), np.float32)
    found = [float(real.run(y, {x: data})) for _ in range(5)]
    assert len(set(found)) == 1
    assert found[0] == pytest.approx(128 * 64 * np.tanh(0.64), rel=1e-5)


def test_large_copies_both_ways(real: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None])
    data = np.random.default_rng(0).normal(size=30_000_000).astype(np.float32)
    value = real.run(x * 2.0, {x: data})
    assert isinstance(value, DeviceArray)
    np.testing.assert_array_equal(value.numpy(), data * 2)


def test_more_memory_than_the_gpu_has(real: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None])
    table = gf.cumsum(x[:, None] * x, 0)
    with pytest.raises(gf.errors.ResourceExhaustedError, match="largest buffers"):
        real.run(table, {x: np.ones(2_000_000)})
    np.testing.assert_array_equal(real.run(table, {x: np.ones(2)}), [[1, 1], [2, 2]])


@pytest.mark.parametrize("library", ["torch", "cupy"])
def test_arrays_of_other_libraries(real: gf.Session, library: str) -> None:
    module: Any = pytest.importorskip(library)
    x = gf.placeholder(gf.float32, [None])
    if library == "torch":
        theirs = module.arange(8, dtype=module.float32, device="cuda")
    else:
        theirs = module.arange(8, dtype="float32")
    value = real.run(x * 3.0, {x: theirs})
    back = module.from_dlpack(value)
    assert back.tolist() == [3.0 * n for n in range(8)]


def test_two_streams_and_a_sum_that_both_need(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float32, [None])
    keep = Options(device="cuda", fetches="device")
    with gf.Session(graph=graph, options=keep) as one, (
            gf.Session(graph=graph, options=keep)) as two:
        value: Any = np.ones(1 << 20, np.float32)
        for turn in range(40):
            value = (one if turn % 2 else two).run(x + 1.0, {x: value})
        np.testing.assert_array_equal(value, np.full(1 << 20, 41))


# ---- what has only been emulated so far ---------------------------------------------------------


def drawn(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("turned", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("size", [(1000, 777, 513), (1024, 1024, 1024), (64, 8, 40)])
def test_products(real: gf.Session, size: Any, name: str, turned: Any) -> None:
    """Tensor cores, cuBLASLt where it is installed, and our own kernel for a fused epilogue."""
    dtype: Any = getattr(gf, name)
    m, n, k = size
    x = drawn(*((k, m) if turned[0] else (m, k))).astype(dtype.numpy)
    y = drawn(*((n, k) if turned[1] else (k, n))).astype(dtype.numpy)
    a, b = gf.placeholder(dtype, [None, x.shape[1]]), gf.placeholder(dtype, y.shape)
    product = gf.matmul(a, b, transpose_a=bool(turned[0]), transpose_b=bool(turned[1]))
    plain, fused = real.run([product, gf.nn.relu(product * 0.5)], {a: x, b: y})
    left, right = (v.astype(np.float64) for v in (x, y))
    expected = (left.T if turned[0] else left) @ (right.T if turned[1] else right)
    bound = {"float16": 2e-3, "bfloat16": 1.6e-2, "float32": 1e-5}[name] * k ** 0.5 * 4
    for found, wanted in ((plain, expected), (fused, np.maximum(expected * 0.5, 0))):
        np.testing.assert_allclose(np.asarray(found).astype(np.float64), wanted, atol=bound,
                                   rtol=bound / 4)


def test_tf32_is_an_option(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float32, [None, 512])
    y = gf.nn.relu(gf.matmul(x, x, transpose_b=True))
    data = drawn(300, 512)
    wide = np.maximum(data.astype(np.float64) @ data.T.astype(np.float64), 0)
    errors = []
    for allowed in (False, True):
        options = Options(device="cuda", tensor_float_32=allowed)
        with gf.Session(graph=graph, options=options) as session:
            errors.append(np.max(np.abs(session.run(y, {x: data}) - wide)))
    assert errors[0] < 1e-3 < errors[1] < 1.0


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_convolutions_of_halves(real: gf.Session, name: str) -> None:
    dtype: Any = getattr(gf, name)
    x, f = gf.placeholder(dtype, [None, 14, 14, 32]), gf.placeholder(dtype, [3, 3, 32, 48])
    y = gf.nn.conv2d(x, f, [1, 1, 1, 1], "SAME")
    feeds = {x: drawn(8, 14, 14, 32).astype(dtype.numpy),
             f: drawn(3, 3, 32, 48).astype(dtype.numpy)}
    fetches = [y, *gf.gradients(y, [x, f])]
    found = real.run(fetches, feeds)
    with gf.Session(graph=real.graph, device="reference") as reference:
        expected = reference.run(fetches, feeds)
    for one, other in zip(found, expected):
        wide = other.astype(np.float64)
        bound = (2e-3 if name == "float16" else 1.6e-2) * np.abs(wide).max()
        np.testing.assert_allclose(np.asarray(one).astype(np.float64), wide, atol=bound)


@pytest.mark.parametrize("shape", [(3, 1_000_000), (1000, 1000), (7, 2049)])
def test_sorting_and_scans_of_much(real: gf.Session, shape: tuple[int, int]) -> None:
    x = gf.placeholder(gf.float32, [None, None])
    data = np.round(drawn(*shape), 3)
    best = gf.nn.top_k(x, 5)
    found = real.run([gf.argsort(x, stable=True), gf.sort(x, direction="DESCENDING"),
                      best.values, best.indices, gf.cumsum(gf.cast(x * 1000.0, gf.int64), 1)],
                     {x: data})
    order = np.argsort(data, -1, kind="stable")
    np.testing.assert_array_equal(found[0], order)
    np.testing.assert_array_equal(found[1], np.sort(data, -1)[:, ::-1])
    descending = shape[1] - 1 - np.argsort(data[:, ::-1], -1, kind="stable")[:, ::-1]
    np.testing.assert_array_equal(found[3], descending[:, :5])
    whole = (data * np.float32(1000)).astype(np.int64)
    np.testing.assert_array_equal(found[4], np.cumsum(whole, 1))


def test_sets_and_places_of_much(real: gf.Session) -> None:
    x = gf.placeholder(gf.int32, [None])
    data = np.random.default_rng(0).integers(0, 5000, 2_000_000).astype(np.int32)
    values, numbers, counts = gf.unique_with_counts(x)
    found = real.run([values, numbers, counts, gf.where(x > 2500)], {x: data})
    _, first, inverse, count = np.unique(
        data, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)
    np.testing.assert_array_equal(found[0], data[first[order]])
    np.testing.assert_array_equal(found[1], np.argsort(order)[inverse])
    np.testing.assert_array_equal(found[2], count[order])
    np.testing.assert_array_equal(found[3], np.argwhere(data > 2500))


def test_loops_and_branches_in_graphs(real: gf.Session) -> None:
    x, turns = gf.placeholder(gf.float32, [64]), gf.placeholder(gf.int32, [])

    def body(i: Any, s: Any) -> Any:
        return i + 1, gf.cond(gf.equal(i % 3, 0), lambda: gf.tanh(s), lambda: s + x)

    y = gf.while_loop(lambda i, s: i < turns, body, [0, x])[1]
    data = drawn(64)
    for count in (10, 0, 1, 1000, 10):
        s = data
        for i in range(count):
            s = np.tanh(s) if i % 3 == 0 else s + data
        np.testing.assert_allclose(real.run(y, {x: data, turns: count}), s, rtol=1e-4, atol=1e-5)


def test_a_profile_has_times(real: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 2048])
    y = gf.matmul(x, x, transpose_b=True, name="product")
    made = real.profile(y, {x: drawn(2048, 2048)}, runs=5)
    (kernel,) = (k for k in made.kernels if k.origin.name == "product")
    assert 1e-5 < kernel.seconds < 1 and made.peaks.memory > 1e10
    assert kernel.share_of_peak is not None and kernel.share_of_peak > 0


def test_code_in_a_file(graph: gf.Graph, tmp_path: Any) -> None:
    x = gf.placeholder(gf.float32, [None, 4], name="x")
    w = gf.Variable(np.full((4, 2), 0.5, np.float32))
    y = gf.nn.softmax(gf.matmul(x, w))
    data = drawn(5, 4)
    with gf.Session(graph=graph, device="cuda") as session:
        session.run(w.initializer)
        gf.export(tmp_path / "net.gflow", {"serve": ({"x": x}, {"y": y})}, session, compiled=True)
        expected = session.run(y, {x: data})
    loaded = gf.load(tmp_path / "net.gflow", native="trusted")
    with loaded.session(device="cuda") as session:
        np.testing.assert_array_equal(
            loaded.signatures["serve"].run(session, x=data)["y"], expected)


def test_a_function_of_the_user(real: gf.Session) -> None:
    def soft(v: float) -> float:
        if v > 0.5:
            return 0.5 + math.log1p(v - 0.5)
        return v

    x = gf.placeholder(gf.float32, [None])
    data = drawn(10_000)
    wide = data.astype(np.float64)
    expected = np.where(wide > 0.5, 0.5 + np.log1p(np.maximum(wide - 0.5, 0)), wide)
    np.testing.assert_allclose(real.run(gf.numba_op(soft)(x), {x: data}), expected, rtol=1e-5)
