"""The layers of `networks.py` in NumPy: with float64 weights, the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks import networks as n


def convolve(x: np.ndarray, kernel: np.ndarray, stride: int, pad: int) -> np.ndarray:
    """x: [N, H, W, C], kernel: [h, w, C, F] → [N, H', W', F]; pad: zeros on each side."""
    high, wide = kernel.shape[:2]
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = sliding_window_view(x, (high, wide), axis=(1, 2))[:, ::stride, ::stride]
    return np.tensordot(windows, kernel, ([4, 5, 3], [0, 1, 2]))


def softmax(x: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """logits: [N, n], labels: ints [N] → the mean, []."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -np.mean(log_p[np.arange(len(labels)), labels])


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


class NumpyLayers:
    """`networks.Layers`. Moving averages stay as they are: no first loss depends on them."""

    def dense(self, x: Any, w: Any, b: Any) -> Any:
        return x @ w + b

    def relu(self, x: Any) -> Any:
        return np.maximum(x, 0)

    def add(self, x: Any, y: Any) -> Any:
        return x + y

    def conv(self, x: Any, kernel: Any, stride: int, pad: int, bias: Any = None) -> Any:
        return convolve(x, kernel, stride, pad) + (0 if bias is None else bias)

    def max_pool(self, x: Any) -> Any:
        count, h, w, c = x.shape
        halves = x[:, :h // 2 * 2, :w // 2 * 2].reshape(count, h // 2, 2, w // 2, 2, c)
        return halves.max(axis=(2, 4))

    def flatten(self, x: Any) -> Any:
        return x.reshape(len(x), -1)

    def batch_norm(self, x: Any, p: n.Weights, name: str, training: bool) -> Any:
        mean, variance = p[f"{name}/mean"], p[f"{name}/variance"]
        if training:
            mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
        slope = p[f"{name}/scale"] / np.sqrt(variance + n.BATCH_NORM_EPSILON)
        return (x - mean) * slope + p[f"{name}/offset"]

    def mean_of_pixels(self, x: Any) -> Any:
        return x.mean(axis=(1, 2))

    def lstm(self, x: Any, p: n.Weights, name: str) -> Any:
        kernel, bias = p[f"{name}/kernel"], p[f"{name}/bias"]
        units = len(bias) // 4
        h = c = np.zeros((len(x), units))
        for t in range(x.shape[1]):
            gates = np.concatenate([x[:, t], h], axis=1) @ kernel + bias
            i, j, f, o = np.split(gates, 4, axis=1)
            c = c * _sigmoid(f + n.FORGET_BIAS) + _sigmoid(i) * np.tanh(j)
            h = np.tanh(c) * _sigmoid(o)
        return h

    def embed(self, table: Any, tokens: Any) -> Any:
        return table[tokens]

    def attention(self, q: Any, k: Any, v: Any) -> Any:
        count, steps, width = q.shape

        def heads(x: Any) -> Any:
            return x.reshape(count, steps, n.HEADS, -1).transpose(0, 2, 1, 3)

        scores = heads(q) @ heads(k).swapaxes(2, 3) / np.sqrt(width // n.HEADS)
        mixed = softmax(scores) @ heads(v)
        return mixed.transpose(0, 2, 1, 3).reshape(count, steps, width)

    def layer_norm(self, x: Any, gamma: Any, beta: Any) -> Any:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = np.mean(centred**2, axis=-1, keepdims=True)
        return centred / np.sqrt(variance + n.LAYER_NORM_EPSILON) * gamma + beta

    def mean_of_tokens(self, x: Any) -> Any:
        return x.mean(axis=1)

    def cross_entropy(self, logits: Any, labels: Any) -> Any:
        return cross_entropy(logits, labels)
