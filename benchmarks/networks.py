"""Networks, written once for all frameworks against the few layers that `Layers` lists.

Each framework fills `Layers` in with the calls that its users would write; NumPy in float64 does,
too, as the oracle. A network is a function of (layers, weights by name, batch…); it returns the
mean cross-entropy if it is given labels, else the logits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

HEADS = 4
LAYER_NORM_EPSILON = 1e-5
BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM = 1e-3, 0.9
FORGET_BIAS = 1.0

Weights = Mapping[str, Any]


class Layers(Protocol):
    """Layers of one framework. Shapes are NHWC and [batch, time, features]; a framework may keep
    its tensors in another order of axes, as it likes best.
    """

    def dense(self, x: Any, w: Any, b: Any) -> Any:
        """x: […, in], w: [in, out], b: [out] → […, out]."""

    def relu(self, x: Any) -> Any:
        """The positive part."""

    def add(self, x: Any, y: Any) -> Any:
        """The sum of two tensors of one shape."""

    def conv(self, x: Any, kernel: Any, stride: int, pad: int, bias: Any = None) -> Any:
        """x: images; kernel: [h, w, in, out]; pad: zeros on each side."""

    def max_pool(self, x: Any) -> Any:
        """The largest of each 2×2 pixels; a last odd row or column is left out."""

    def flatten(self, x: Any) -> Any:
        """Images [N, H, W, C] → [N, H·W·C], in that order."""

    def batch_norm(self, x: Any, p: Weights, name: str, training: bool) -> Any:
        """Images, normalised by channel, by p[name/scale], p[name/offset].

        In training by the batch's moments, and p[name/mean], p[name/variance] are moved towards
        them (the variance with Bessel's correction); otherwise by these two.
        """

    def mean_of_pixels(self, x: Any) -> Any:
        """Images [N, H, W, C] → [N, C]."""

    def lstm(self, x: Any, p: Weights, name: str) -> Any:
        """x: [N, T, in] → the last output, [N, h], by p[name/kernel], [in + h, 4h], and
        p[name/bias], [4h], for the gates i, j, f, o. `FORGET_BIAS` is added to f.
        """

    def embed(self, table: Any, tokens: Any) -> Any:
        """table: [n, d], tokens: ints [N, T] → [N, T, d]."""

    def attention(self, q: Any, k: Any, v: Any) -> Any:
        """softmax(q·kᵀ/√d)·v in `HEADS` heads; all are [N, T, HEADS·d]."""

    def layer_norm(self, x: Any, gamma: Any, beta: Any) -> Any:
        """Over the last axis, with `LAYER_NORM_EPSILON`."""

    def mean_of_tokens(self, x: Any) -> Any:
        """[N, T, d] → [N, d]."""

    def cross_entropy(self, logits: Any, labels: Any) -> Any:
        """The mean over the batch."""


def _end(f: Layers, logits: Any, labels: Any) -> Any:
    return logits if labels is None else f.cross_entropy(logits, labels)


# ---- dense layers and plain convolutions --------------------------------------------------------


def mlp(f: Layers, p: Weights, x: Any, labels: Any = None) -> Any:
    """Dense layers w1, b1, w2, b2, … with ReLU between them."""
    count = len(p) // 2
    for i in range(1, count + 1):
        x = f.dense(x, p[f"w{i}"], p[f"b{i}"])
        x = f.relu(x) if i < count else x
    return _end(f, x, labels)


def cnn(f: Layers, p: Weights, x: Any, labels: Any = None) -> Any:
    """Two 3×3 convolutions with ReLU and max-pooling, and a dense layer."""
    for i in (1, 2):
        x = f.max_pool(f.relu(f.conv(x, p[f"k{i}"], 1, 0, p[f"b{i}"])))
    return _end(f, f.dense(f.flatten(x), p["w3"], p["b3"]), labels)


# ---- ResNet-20 ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Block:
    """Two 3×3 convolutions and a shortcut, a 1×1 convolution where the size changes."""

    name: str
    channels_in: int
    channels: int
    stride: int

    @property
    def projects(self) -> bool:
        """Whether the shortcut is a convolution."""
        return self.stride > 1 or self.channels_in != self.channels


def resnet_blocks() -> Iterator[Block]:
    """Three stages of three blocks with 16, 32 and 64 channels (He et al. 2016, section 4.2).

    Shortcuts where the size changes are projections, option B there.
    """
    before = 16
    for stage, channels in enumerate((16, 32, 64), 1):
        for number in range(1, 4):
            stride = 2 if stage > 1 and number == 1 else 1
            yield Block(f"block{stage}{number}", before, channels, stride)
            before = channels


def resnet20(f: Layers, p: Weights, x: Any, labels: Any = None) -> Any:
    """x: images [N, 32, 32, 3]. With labels the batch norms are in training."""
    training = labels is not None

    def unit(x: Any, name: str, stride: int = 1, pad: int = 1) -> Any:
        return f.batch_norm(f.conv(x, p[f"{name}/kernel"], stride, pad), p, name, training)

    x = f.relu(unit(x, "first"))
    for block in resnet_blocks():
        y = f.relu(unit(x, f"{block.name}/conv1", block.stride))
        y = unit(y, f"{block.name}/conv2")
        if block.projects:
            x = unit(x, f"{block.name}/shortcut", block.stride, 0)
        x = f.relu(f.add(y, x))
    return _end(f, f.dense(f.mean_of_pixels(x), p["dense/w"], p["dense/b"]), labels)


# ---- sequences ----------------------------------------------------------------------------------


def lstm(f: Layers, p: Weights, x: Any, labels: Any = None) -> Any:
    """x: [N, 28, 28], an image as a sequence of its rows."""
    last = f.lstm(x, p, "lstm")
    return _end(f, f.dense(last, p["dense/w"], p["dense/b"]), labels)


def transformer(f: Layers, p: Weights, tokens: Any, labels: Any = None) -> Any:
    """tokens: [N, T]. Blocks as in Vaswani et al. 2017 (layer norm after each sum, ReLU)."""
    x = f.add(f.embed(p["embedding"], tokens), p["positions"])
    block = 1
    while f"block{block}/q/w" in p:
        def dense(x: Any, name: str, block: int = block) -> Any:
            return f.dense(x, p[f"block{block}/{name}/w"], p[f"block{block}/{name}/b"])

        def norm(x: Any, name: str, block: int = block) -> Any:
            return f.layer_norm(
                x, p[f"block{block}/{name}/gamma"], p[f"block{block}/{name}/beta"])

        y = f.attention(dense(x, "q"), dense(x, "k"), dense(x, "v"))
        x = norm(f.add(x, dense(y, "out")), "norm1")
        x = norm(f.add(x, dense(f.relu(dense(x, "up")), "down")), "norm2")
        block += 1
    return _end(f, f.dense(f.mean_of_tokens(x), p["dense/w"], p["dense/b"]), labels)


NETWORKS: dict[str, Callable[..., Any]] = {
    "mlp_wide": mlp, "resnet20": resnet20, "lstm": lstm, "transformer": transformer,
    "mlp_inference": mlp, "cnn_inference": cnn, "resnet20_inference": resnet20}
