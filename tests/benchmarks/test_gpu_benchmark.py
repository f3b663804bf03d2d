"""`python -m benchmarks.gpu`: what it says without a GPU; its kernels are what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import graphflow as gf
from graphflow.hardware import cuda_absence

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)


@pytest.mark.skipif(cuda_absence() is None, reason="there is a GPU")
def test_without_a_gpu_it_says_so_and_measures_nothing() -> None:
    from benchmarks.gpu.__main__ import NO_GPU, main

    result = CliRunner().invoke(main, [])
    assert result.exit_code == NO_GPU
    assert "There is no GPU to measure" in result.output and "µs" not in result.output


def test_steps_are_workloads_that_all_can_do() -> None:
    from benchmarks.gpu.frameworks import STEPS, frameworks
    from benchmarks.workloads import WORKLOADS

    for framework in (*frameworks(False), *frameworks(True)):
        assert framework.on_gpu and set(STEPS) <= framework.workloads <= WORKLOADS.keys()
    assert [f.name for f in frameworks(True)] == ["graphflow_cuda:fake"]


def test_kernels_compute_what_they_are_called() -> None:
    from benchmarks.gpu import kernels

    expected = {
        "copy x·1.5": lambda x: x * 1.5, "tanh(a·b + c)": lambda a, b, c: np.tanh(a * b + c),
        "softmax": lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True),
        "sum of rows": lambda x: x.sum(1), "sum of columns": lambda x: x.sum(0),
        "transpose": lambda x: x.T, "cumulative sum": lambda x: x.cumsum(1),
        "sort of rows": lambda x: np.sort(x, 1)}
    rng = np.random.default_rng(0)
    with gf.Graph().as_default() as graph, gf.Session(graph=graph, device="cpu") as session:
        for case in kernels.cases(1):
            assert bool(case.moved) != bool(case.flops)
            if case.flops:
                continue
            arrays = [rng.standard_normal(s, np.float32) for s in case.shapes]
            found = session.run(case.graphflow(gf, *map(gf.constant, arrays)))
            wanted = expected[case.name](*(a.astype(np.float64) for a in arrays))
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
