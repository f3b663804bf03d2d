"""The work that every framework does: shapes, NumPy formulas for data and weights.

A training step takes the batch as NumPy arrays, updates the parameters, and returns the loss
before the update. Images are NHWC, kernels HWIO, dense weights [in, out]; a worker may store them
as its framework likes best, outside the timed steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from benchmarks.kernel_workloads import kernel_workloads
from benchmarks.network_workloads import network_workloads
from benchmarks.workload import CLASSES, Arrays, Workload, glorot

BATCH = 64


def _linear_regression() -> Arrays:
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (100, 1))
    y = 3 * x + 2 + 0.1 * rng.standard_normal((100, 1))
    return {"x": x.astype(np.float32), "y": y.astype(np.float32),
            "w": np.full((1, 1), 0.5, np.float32), "b": np.zeros(1, np.float32)}


def _mlp() -> Arrays:
    rng = np.random.default_rng(2)
    return {"x": rng.random((BATCH, 784), np.float32),
            "labels": rng.integers(0, CLASSES, BATCH),
            "w1": glorot(rng, 784, 128, fan_in=784, fan_out=128),
            "b1": np.zeros(128, np.float32),
            "w2": glorot(rng, 128, CLASSES, fan_in=128, fan_out=CLASSES),
            "b2": np.zeros(CLASSES, np.float32)}


def _cnn() -> Arrays:
    rng = np.random.default_rng(3)
    return {"x": rng.random((BATCH, 28, 28, 1), np.float32),
            "labels": rng.integers(0, CLASSES, BATCH),
            "k1": glorot(rng, 3, 3, 1, 32, fan_in=9, fan_out=9 * 32),
            "b1": np.zeros(32, np.float32),
            "k2": glorot(rng, 3, 3, 32, 64, fan_in=9 * 32, fan_out=9 * 64),
            "b2": np.zeros(64, np.float32),
            "w3": glorot(rng, 1600, CLASSES, fan_in=1600, fan_out=CLASSES),
            "b3": np.zeros(CLASSES, np.float32)}


def _chain_softmax() -> Arrays:
    rng = np.random.default_rng(4)
    return {name: rng.standard_normal((1024, 4096), np.float32) for name in "abc"}


# Vector mathematics: inputs in which most of the work of each function is done.
MATH = {"exp": (-10, 10), "log": (1e-3, 10), "tanh": (-4, 4), "sigmoid": (-8, 8),
        "erf": (-3, 3), "sin": (-10, 10), "pow": (0.1, 4), "gelu": (-4, 4)}
MATH_SIZES = {"cache": 1 << 17, "memory": 1 << 24}  # 1 MiB in and out, 128 MiB in and out
ROWS, COLUMNS = 4096, 1024
LAYER_NORM_EPSILON = 1e-5


def math_name(workload: str) -> str:
    """The function of a workload of `vector_math`, "" for others."""
    parts = workload.split(".")
    return parts[1] if parts[0] == "vector_math" else ""


def _vector_math() -> Iterator[Workload]:
    for name, (low, high) in MATH.items():
        inputs = ("x", "y") if name == "pow" else ("x",)
        for where, size in MATH_SIZES.items():
            yield Workload(
                f"vector_math.{name}.{where}", f"{name} of {size} numbers", inputs, (),
                partial(_between, inputs, low, high, (size,)),
                "vector_math", size / 1e9, "Gelements/s")


def _between(
    names: tuple[str, ...], low: float, high: float, shape: tuple[int, ...]
) -> Arrays:
    rng = np.random.default_rng(5)
    return {n: rng.uniform(low, high, shape).astype(np.float32) for n in names}


def _rows() -> Iterator[Workload]:
    """Functions of rows with their gradients; what they must read and write, in bytes."""
    matrix = 4 * ROWS * COLUMNS / 1e9
    yield Workload("softmax", f"softmax and its gradient, {ROWS}×{COLUMNS}", ("x", "g"), (),
                   partial(_between, ("x", "g"), -2, 2, (ROWS, COLUMNS)),
                   "", 4 * matrix, "GB/s")
    yield Workload("layer_norm", f"layer norm and its gradients, {ROWS}×{COLUMNS}",
                   ("x", "g", "gamma", "beta"), (), _layer_norm, "", 4 * matrix, "GB/s")
    yield Workload("cross_entropy", f"cross-entropy of {ROWS}×{COLUMNS} logits, its gradient",
                   ("x", "labels"), (), _logits, "", 2 * matrix, "GB/s")


def _layer_norm() -> Arrays:
    return (_between(("x", "g"), -2, 2, (ROWS, COLUMNS))
            | _between(("gamma", "beta"), 0.5, 1.5, (COLUMNS,)))


def _logits() -> Arrays:
    labels = np.random.default_rng(6).integers(0, COLUMNS, ROWS)
    return _between(("x",), -2, 2, (ROWS, COLUMNS)) | {"labels": labels}


def _movements() -> Iterator[Workload]:
    """What costs bandwidth alone: the rates are to be compared with that of `copy`."""
    matrix = 4 * ROWS * COLUMNS / 1e9
    for name, title, table, bytes_moved in (
            ("copy", "1.5·x: the bandwidth that there is", "copy", 2 * matrix),
            ("transpose", "the transpose", "transpose", 2 * matrix),
            ("sum_all", "the sum of all elements", "sums", matrix),
            ("sum_rows", "the sum of each row", "sums", matrix),
            ("sum_columns", "the sum of each column", "sums", matrix)):
        yield Workload(name, f"{title}, {ROWS}×{COLUMNS}", ("x",), (),
                       partial(_between, ("x",), 0.5, 2, (ROWS, COLUMNS)),
                       table, bytes_moved, "GB/s")


WORKLOADS = {w.name: w for w in (
    Workload("linear_regression", "linear regression, 100×1, SGD step",
             ("x", "y"), ("w", "b"), _linear_regression, optimizer="sgd"),
    Workload("mlp", "MLP 784-128-10, batch 64, Adam step",
             ("x", "labels"), ("w1", "b1", "w2", "b2"), _mlp),
    Workload("cnn", "CNN 28×28×1, conv 3×3×32, conv 3×3×64, dense 10, batch 64, Adam step",
             ("x", "labels"), ("k1", "b1", "k2", "b2", "w3", "b3"), _cnn),
    Workload("chain_softmax", "softmax of tanh(a·b+c)·sigmoid(a−c)+exp(−b²)/2, 1024×4096",
             ("a", "b", "c"), (), _chain_softmax),
    *_vector_math(), *_rows(), *_movements(), *network_workloads(),
    *kernel_workloads(),
)}
