"""The networks of the benchmarks at small size: graphflow's first losses are those of NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphflow as tf

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)


def small(name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, dict[str, np.ndarray]]:
    """The workload with its batch cut down, and its arrays."""
    from benchmarks import network_workloads as made

    for size, value in (("WIDE_BATCH", 4), ("WIDE", 16), ("RESNET_BATCH", 2), ("LSTM_BATCH", 3),
                        ("LSTM_UNITS", 8), ("TOKENS", 6), ("WIDTH", 16), ("FFN", 8),
                        ("SEQUENCES", 3)):
        monkeypatch.setattr(made, size, value)
    workload = next(w for w in made.network_workloads() if w.name == name)
    return workload, workload.make()


def expected(workload: Any, arrays: dict[str, np.ndarray]) -> np.ndarray:
    from benchmarks.layers_numpy import NumpyLayers
    from benchmarks.networks import NETWORKS

    wide = {k: a.astype(np.float64) if a.dtype == np.float32 else a for k, a in arrays.items()}
    batch = [wide.pop(n) for n in workload.batch]
    return NETWORKS[workload.name](NumpyLayers(), wide, *batch)


@pytest.mark.parametrize("name", ["mlp_wide", "resnet20", "lstm", "transformer", "mlp_inference",
                                  "cnn_inference", "resnet20_inference"])
def test_the_first_result_is_that_of_numpy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.workers import tf1_program
    from benchmarks.workers.serve import Job

    workload, arrays = small(name, monkeypatch)
    with tf.Graph().as_default(), tf.Session() as sess:
        steps = tf1_program.build(tf, sess, Job(workload, arrays, 1, ""))
        first = steps.step()
        np.testing.assert_allclose(first, expected(workload, arrays), rtol=1e-4, atol=1e-5)
        if workload.trains:
            later = [steps.step() for _ in range(5)]
            assert min(later) < first
            steps.reset()
            assert steps.step() == first


def test_a_step_moves_the_averages_of_batch_normalization(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from benchmarks.layers_numpy import convolve
    from benchmarks.workers import tf1_program
    from benchmarks.workers.serve import Job

    workload, arrays = small("resnet20", monkeypatch)
    with tf.Graph().as_default(), tf.Session() as sess:
        tf1_program.build(tf, sess, Job(workload, arrays, 1, "")).step()
        moved = {v.op.name: sess.run(v) for v in tf.global_variables()
                 if v.op.name.startswith("first/")}
    y = convolve(arrays["x"].astype(np.float64), arrays["first/kernel"].astype(np.float64), 1, 1)
    np.testing.assert_allclose(moved["first/mean"], 0.1 * y.mean((0, 1, 2)), rtol=1e-4, atol=1e-6)
    unbiased = y.var((0, 1, 2), ddof=1)
    np.testing.assert_allclose(moved["first/variance"], 0.9 + 0.1 * unbiased, rtol=1e-4)


def test_weights_as_pytorch_has_them_give_the_same_gates() -> None:
    from benchmarks.layers_numpy import NumpyLayers
    from benchmarks.workers.torch_layers import lstm_weights

    rng = np.random.default_rng(0)
    x, kernel, bias = (rng.standard_normal(s) for s in ((2, 4, 3), (3 + 5, 20), (20,)))
    w = lstm_weights("lstm", kernel, bias)
    h = c = np.zeros((2, 5))
    for t in range(4):  # the equations of torch.nn.LSTM's documentation
        gates = x[:, t] @ w["lstm/w_x"].T + h @ w["lstm/w_h"].T + w["lstm/bias"]
        i, f, g, o = np.split(gates, 4, axis=1)
        i, f, o = (1 / (1 + np.exp(-v)) for v in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
    found = NumpyLayers().lstm(x, {"lstm/kernel": kernel, "lstm/bias": bias}, "lstm")
    np.testing.assert_allclose(found, h)
