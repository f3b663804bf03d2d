"""What the first step must return, from NumPy in float64: the oracle that no framework has a part
in.

First losses are means over the batch; `chain_softmax` has the whole [1024, 4096] output.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.workloads import Arrays


def first_output(name: str, arrays: Arrays) -> np.ndarray:
    """The first loss (shape []) or output of the workload `name`, float64."""
    wide = {k: a.astype(np.float64) if a.dtype == np.float32 else a for k, a in arrays.items()}
    return np.asarray(_FIRST[name](wide))


def relative_error(got: np.ndarray, expected: np.ndarray) -> float:
    """The largest |got − expected| / |expected|; infinite for another shape or a NaN."""
    if got.shape != expected.shape or not np.isfinite(got).all():
        return float("inf")
    return float(np.max(np.abs(got - expected) / np.abs(expected)))


def _linear_regression(a: Arrays) -> np.ndarray:
    return np.mean((a["x"] @ a["w"] + a["b"] - a["y"]) ** 2)


def _cross_entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -np.mean(log_p[np.arange(len(labels)), labels])


def _mlp(a: Arrays) -> np.ndarray:
    hidden = np.maximum(a["x"] @ a["w1"] + a["b1"], 0)
    return _cross_entropy(hidden @ a["w2"] + a["b2"], a["labels"])


def _conv_relu_pool(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """x: [N, H, W, C], kernel: [3, 3, C, F] → [N, (H−2)//2, (W−2)//2, F]."""
    windows = sliding_window_view(x, (3, 3), axis=(1, 2))  # [N, H−2, W−2, C, 3, 3]
    y = np.maximum(np.tensordot(windows, kernel, ([4, 5, 3], [0, 1, 2])) + bias, 0)
    n, h, w, f = y.shape
    return y[:, :h // 2 * 2, :w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, f).max(axis=(2, 4))


def _cnn(a: Arrays) -> np.ndarray:
    features = _conv_relu_pool(_conv_relu_pool(a["x"], a["k1"], a["b1"]), a["k2"], a["b2"])
    return _cross_entropy(features.reshape(len(features), -1) @ a["w3"] + a["b3"], a["labels"])


def _chain_softmax(arrays: Arrays) -> np.ndarray:
    a, b, c = arrays["a"], arrays["b"], arrays["c"]
    y = np.tanh(a * b + c) / (1 + np.exp(c - a)) + np.exp(-b * b) / 2
    e = np.exp(y - y.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


_FIRST = {"linear_regression": _linear_regression, "mlp": _mlp, "cnn": _cnn,
          "chain_softmax": _chain_softmax}
