"""Single kernels of the benchmarks: the oracle, and graphflow's program beside it."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import graphflow as tf

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)


def _arrays(kernel) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape) for name, shape in kernel.inputs.items()}


def _loops(x: np.ndarray, k: np.ndarray, kernel) -> np.ndarray:
    """The definition of a convolution, element by element."""
    y = np.zeros(kernel.out_shape)
    for n, i, j, c in np.ndindex(*kernel.out_shape):
        for di, dj in product(range(kernel.size), repeat=2):
            row, column = i * kernel.stride + di - kernel.pad, j * kernel.stride + dj - kernel.pad
            if 0 <= row < kernel.side and 0 <= column < kernel.side:
                pixel = x[n, row, column]
                y[n, i, j, c] += (pixel[c] * k[di, dj, c, 0] if kernel.depthwise
                                  else pixel @ k[di, dj, :, c])
    return y


def _kernels() -> list:
    from benchmarks.kernel_shapes import Convolution

    plain = Convolution(2, 5, 3, 4)
    return [plain, replace(plain, size=1, activation=""), replace(plain, stride=2, side=6),
            replace(plain, size=7, stride=2, side=6),
            Convolution(2, 5, 3, 3, activation="relu6", depthwise=True),
            Convolution(2, 6, 3, 3, stride=2, activation="relu6", depthwise=True)]


def test_the_oracle_of_convolutions_is_their_definition() -> None:
    limits = {"": np.inf, "relu": np.inf, "relu6": 6}
    for kernel in _kernels():
        a = _arrays(kernel)
        expected = _loops(a["x"], a["k"], kernel) + a["b"]
        if kernel.activation:
            expected = np.clip(expected, 0, limits[kernel.activation])
        np.testing.assert_allclose(kernel.result(a), expected, atol=1e-12)


def test_the_oracle_of_their_gradients_is_the_transpose() -> None:
    from benchmarks.kernel_shapes import BY_DATA, BY_FILTER

    for kernel in (k for k in _kernels() if not k.depthwise):
        a = _arrays(kernel)
        g = np.random.default_rng(1).standard_normal(kernel.out_shape)
        inner = (_loops(a["x"], a["k"], kernel) * g).sum()
        by_data = replace(kernel, direction=BY_DATA).result({"g": g, "k": a["k"]})
        by_filter = replace(kernel, direction=BY_FILTER).result({"x": a["x"], "g": g})
        np.testing.assert_allclose([(by_data * a["x"]).sum(), (by_filter * a["k"]).sum()], inner)


def test_graphflow_does_the_same_kernels() -> None:
    from benchmarks.kernel_shapes import BY_DATA, BY_FILTER, Product
    from benchmarks.workers.tf1_kernels import output_of

    directed = [replace(k, direction=d) for k in _kernels() if not k.depthwise
                for d in (BY_DATA, BY_FILTER)]
    turned = [Product(3, 4, 5, a, b) for a, b in product((False, True), repeat=2)]
    for kernel in (*_kernels(), *directed, *turned):
        arrays = {name: a.astype(np.float32) for name, a in _arrays(kernel).items()}
        with tf.Graph().as_default(), tf.Session() as sess:
            feeds = [tf.placeholder(tf.float32, a.shape) for a in arrays.values()]
            found = sess.run(output_of(tf, kernel, *feeds), dict(zip(feeds, arrays.values())))
        np.testing.assert_allclose(found, kernel.result(arrays), rtol=1e-4, atol=1e-4)


def test_names_tell_kernels_apart() -> None:
    from benchmarks.kernel_workloads import KERNEL_TABLES

    kernels = {k for _, table in KERNEL_TABLES.values() for k in table}
    assert len({k.name for k in kernels}) == len(kernels)
    assert len(KERNEL_TABLES["convolutions"][1]) == 15


def test_arrays_of_half_products_are_bfloat16_numbers() -> None:
    from benchmarks.frameworks import FRAMEWORKS, HALVES
    from benchmarks.workloads import WORKLOADS

    assert "product.64x784x128.bf16" in HALVES
    for array in WORKLOADS["product.64x784x128.bf16"].make().values():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, array.astype(tf.bfloat16.as_numpy_dtype))
    names = {f.name for f in FRAMEWORKS if f.workloads >= HALVES}
    assert names.issuperset(("graphflow_cpu", "graphflow_cpu:native", "torch_eager"))
