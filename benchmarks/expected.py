"""What the first step must return, from NumPy in float64: the oracle that no framework has a part
in.

First losses are means over the batch. Plain functions have all their outputs, one behind the
other if they are several.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.layers_numpy import NumpyLayers, cross_entropy, softmax
from benchmarks.networks import NETWORKS, cnn, mlp
from benchmarks.workload import Arrays
from benchmarks.workloads import LAYER_NORM_EPSILON, WORKLOADS, math_name


def first_outputs(name: str, arrays: Arrays) -> list[np.ndarray]:
    """The first loss (shape []) of the workload `name`, or its outputs; float64."""
    wide = {k: a.astype(np.float64) if a.dtype == np.float32 else a for k, a in arrays.items()}
    function = math_name(name)
    if (kernel := WORKLOADS[name].kernel) is not None:
        return [kernel.result(wide)]
    if name in NETWORKS:
        batch = [wide.pop(n) for n in WORKLOADS[name].batch]
        return [np.asarray(NETWORKS[name](NumpyLayers(), wide, *batch))]
    found = _MATH[function](*wide.values()) if function else _FIRST[name](wide)
    return found if isinstance(found, list) else [np.asarray(found)]


def joined(outputs: Any) -> np.ndarray:
    """One array as it is; a list or tuple of arrays as one of shape [n]."""
    if isinstance(outputs, (list, tuple)):
        return np.concatenate([np.ravel(np.asarray(o)) for o in outputs])
    return np.asarray(outputs)


def relative_error(got: np.ndarray, expected: list[np.ndarray]) -> float:
    """The largest |got − expected| / |expected|; infinite for another shape or a NaN.

    got: as `joined` gives it. Elements that are small among the others of their output, and may
    have cancelled, count as a third of their root mean square.
    """
    if got.shape != joined(expected if len(expected) > 1 else expected[0]).shape:
        return float("inf")
    parts = np.split(got.ravel(), np.cumsum([e.size for e in expected])[:-1])
    return max(_error_of_one(p, e.ravel()) for p, e in zip(parts, expected))


def _error_of_one(got: np.ndarray, expected: np.ndarray) -> float:
    if not np.isfinite(got).all():
        return float("inf")
    least = np.sqrt(np.mean(np.square(expected))) / 3
    return float(np.max(np.abs(got - expected) / np.maximum(np.abs(expected), least)))


def _linear_regression(a: Arrays) -> np.ndarray:
    return np.mean((a["x"] @ a["w"] + a["b"] - a["y"]) ** 2)


def _network(network: Callable[..., Any], a: Arrays) -> np.ndarray:
    weights = {k: v for k, v in a.items() if k not in ("x", "labels")}
    return network(NumpyLayers(), weights, a["x"], a["labels"])


def _chain_softmax(arrays: Arrays) -> np.ndarray:
    a, b, c = arrays["a"], arrays["b"], arrays["c"]
    y = np.tanh(a * b + c) / (1 + np.exp(c - a)) + np.exp(-b * b) / 2
    return softmax(y)


def _softmax(a: Arrays) -> list[np.ndarray]:
    y = softmax(a["x"])
    return [y, y * (a["g"] - (y * a["g"]).sum(axis=1, keepdims=True))]


def _layer_norm(a: Arrays) -> list[np.ndarray]:
    x, g = a["x"], a["g"]
    scale = 1 / np.sqrt(x.var(axis=1, keepdims=True) + LAYER_NORM_EPSILON)
    normal = (x - x.mean(axis=1, keepdims=True)) * scale
    inner = g * a["gamma"]
    along = (inner * normal).mean(axis=1, keepdims=True)
    dx = (inner - inner.mean(axis=1, keepdims=True) - normal * along) * scale
    return [normal * a["gamma"] + a["beta"], dx, (g * normal).sum(axis=0), g.sum(axis=0)]


def _cross_entropy_of_logits(a: Arrays) -> list[np.ndarray]:
    slope = softmax(a["x"])
    slope[np.arange(len(slope)), a["labels"]] -= 1
    return [cross_entropy(a["x"], a["labels"]), slope / len(slope)]


_erf = np.vectorize(math.erf, otypes=[np.float64])

_MATH: dict[str, Callable[..., np.ndarray]] = {
    "exp": np.exp, "log": np.log, "tanh": np.tanh, "sin": np.sin,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "erf": _erf,
    "pow": lambda x, y: np.power(x, y), "gelu": lambda x: x * (1 + _erf(x * math.sqrt(0.5))) / 2}

_FIRST: dict[str, Callable[[Arrays], Any]] = {
    "softmax": _softmax, "layer_norm": _layer_norm, "cross_entropy": _cross_entropy_of_logits,
    "copy": lambda a: 1.5 * a["x"], "transpose": lambda a: a["x"].T,
    "sum_all": lambda a: a["x"].sum(), "sum_rows": lambda a: a["x"].sum(axis=1),
    "sum_columns": lambda a: a["x"].sum(axis=0),
    "linear_regression": _linear_regression,
    "mlp": partial(_network, mlp), "cnn": partial(_network, cnn),
    "chain_softmax": _chain_softmax}
