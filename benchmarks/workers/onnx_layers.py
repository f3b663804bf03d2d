"""The layers of `networks.py` as ONNX nodes: tensors are their names, images NCHW."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import networks as n


class OnnxLayers:
    """`networks.Layers`, for networks that only run on images.

    Attributes:
      nodes: what has been called, in order.
      weights: arrays by name; kernels turn [out, in, h, w] when they are used.
    """

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.nodes: list[Any] = []
        self.weights = dict(weights)

    def _node(self, op: str, *inputs: str, **attributes: Any) -> str:
        from onnx.helper import make_node

        output = f"{op}_{len(self.nodes)}"
        self.nodes.append(make_node(op, list(inputs), [output], **attributes))
        return output

    def dense(self, x: Any, w: Any, b: Any) -> Any:
        return self._node("Gemm", x, w, b)

    def relu(self, x: Any) -> Any:
        return self._node("Relu", x)

    def add(self, x: Any, y: Any) -> Any:
        return self._node("Add", x, y)

    def conv(self, x: Any, kernel: Any, stride: int, pad: int, bias: Any = None) -> Any:
        self.weights[kernel] = np.ascontiguousarray(self.weights[kernel].transpose(3, 2, 0, 1))
        inputs = (x, kernel) if bias is None else (x, kernel, bias)
        return self._node("Conv", *inputs, strides=[stride] * 2, pads=[pad] * 4)

    def max_pool(self, x: Any) -> Any:
        return self._node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])

    def flatten(self, x: Any) -> Any:
        return self._node("Flatten", self._node("Transpose", x, perm=[0, 2, 3, 1]))

    def batch_norm(self, x: Any, p: n.Weights, name: str, training: bool) -> Any:
        assert not training
        names = (p[f"{name}/{what}"] for what in ("scale", "offset", "mean", "variance"))
        return self._node("BatchNormalization", x, *names, epsilon=n.BATCH_NORM_EPSILON)

    def mean_of_pixels(self, x: Any) -> Any:
        return self._node("Flatten", self._node("GlobalAveragePool", x))

    def lstm(self, x: Any, p: n.Weights, name: str) -> Any:
        raise NotImplementedError("no workload runs an LSTM without training it")

    def embed(self, table: Any, tokens: Any) -> Any:
        return self._node("Gather", table, tokens)

    def attention(self, q: Any, k: Any, v: Any) -> Any:
        raise NotImplementedError("no workload runs a transformer without training it")

    def layer_norm(self, x: Any, gamma: Any, beta: Any) -> Any:
        return self._node("LayerNormalization", x, gamma, beta, epsilon=n.LAYER_NORM_EPSILON)

    def mean_of_tokens(self, x: Any) -> Any:
        return self._node("ReduceMean", x, axes=[1], keepdims=0)

    def cross_entropy(self, logits: Any, labels: Any) -> Any:
        raise NotImplementedError("ONNX Runtime runs models and does not train them")
