"""The layers of `networks.py` in PyTorch. Images are channels_last, kernels [out, in, h, w]."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import networks as n


def lstm_weights(name: str, kernel: np.ndarray, bias: np.ndarray) -> dict[str, np.ndarray]:
    """kernel: [in + h, 4h] and bias: [4h] of the gates i, j, f, o → as `torch.nn.LSTM` has them.

    Its gates are i, f, j, o. Its second bias stays zero, or the sum would learn at twice the rate.
    """
    units = len(bias) // 4
    size = len(kernel) - units
    order = np.arange(4 * units).reshape(4, units)[[0, 2, 1, 3]].ravel()
    rows, bias = np.ascontiguousarray(kernel[:, order].T), bias[order]
    bias[units:2 * units] += n.FORGET_BIAS
    return {f"{name}/w_x": np.ascontiguousarray(rows[:, :size]),
            f"{name}/w_h": np.ascontiguousarray(rows[:, size:]), f"{name}/bias": bias}


class TorchLayers:
    """`networks.Layers`. torch: the package."""

    def __init__(self, torch: Any) -> None:
        self._torch, self._f = torch, torch.nn.functional

    def dense(self, x: Any, w: Any, b: Any) -> Any:
        return self._f.linear(x, w.mT, b)

    def relu(self, x: Any) -> Any:
        return self._torch.relu(x)

    def add(self, x: Any, y: Any) -> Any:
        return x + y

    def conv(self, x: Any, kernel: Any, stride: int, pad: int, bias: Any = None) -> Any:
        return self._f.conv2d(x, kernel, bias, stride, pad)

    def max_pool(self, x: Any) -> Any:
        return self._f.max_pool2d(x, 2)

    def flatten(self, x: Any) -> Any:
        return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1)

    def batch_norm(self, x: Any, p: n.Weights, name: str, training: bool) -> Any:
        return self._f.batch_norm(
            x, p[f"{name}/mean"], p[f"{name}/variance"], p[f"{name}/scale"],
            p[f"{name}/offset"], training, 1 - n.BATCH_NORM_MOMENTUM, n.BATCH_NORM_EPSILON)

    def mean_of_pixels(self, x: Any) -> Any:
        return x.mean((2, 3))

    def lstm(self, x: Any, p: n.Weights, name: str) -> Any:
        """By `torch.lstm`, what `torch.nn.LSTM` calls, with the weights of `lstm_weights`."""
        w_x, w_h, bias = (p[f"{name}/{part}"] for part in ("w_x", "w_h", "bias"))
        zeros = x.new_zeros(1, x.shape[0], w_h.shape[1])
        weights = w_x, w_h, bias, self._torch.zeros_like(bias)
        _, h, _ = self._torch.lstm(
            x, (zeros, zeros), weights, True, 1, 0.0, True, False, True)
        return h[0]

    def embed(self, table: Any, tokens: Any) -> Any:
        return self._f.embedding(tokens, table)

    def attention(self, q: Any, k: Any, v: Any) -> Any:
        count, steps, width = q.shape

        def heads(x: Any) -> Any:
            return x.view(count, steps, n.HEADS, -1).transpose(1, 2)

        mixed = self._f.scaled_dot_product_attention(heads(q), heads(k), heads(v))
        return mixed.transpose(1, 2).reshape(count, steps, width)

    def layer_norm(self, x: Any, gamma: Any, beta: Any) -> Any:
        return self._f.layer_norm(x, gamma.shape, gamma, beta, n.LAYER_NORM_EPSILON)

    def mean_of_tokens(self, x: Any) -> Any:
        return x.mean(1)

    def cross_entropy(self, logits: Any, labels: Any) -> Any:
        return self._f.cross_entropy(logits, labels)
