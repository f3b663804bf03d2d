"""What only a GPU can show; `pytest -m gpu` runs these beside the tests of all devices."""

from __future__ import annotations

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
