"""Single kernels: the shapes of products and convolutions, and what their results must be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.layers_numpy import convolve
from benchmarks.workload import Arrays

FORWARD, BY_DATA, BY_FILTER = "forward", "by_data", "by_filter"


@dataclass(frozen=True, slots=True)
class Product:
    """[m, k] · [k, n]; transposed operands lie in memory as [k, m] or [n, k].

    half: operands and result are bfloat16. The arrays are float32 ones that hold such numbers.
    """

    m: int
    k: int
    n: int
    transpose_a: bool = False
    transpose_b: bool = False
    half: bool = False

    @property
    def name(self) -> str:
        """Such as 64x784x128, what is transposed, and whether in bfloat16."""
        marks = ".aT" * self.transpose_a + ".bT" * self.transpose_b + ".bf16" * self.half
        return f"product.{self.m}x{self.k}x{self.n}{marks}"

    @property
    def flops(self) -> int:
        """A multiplication and an addition are two."""
        return 2 * self.m * self.k * self.n

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Shapes by name, in order."""
        a, b = (self.m, self.k), (self.k, self.n)
        return {"a": a[::-1] if self.transpose_a else a, "b": b[::-1] if self.transpose_b else b}

    def result(self, arrays: Arrays) -> np.ndarray:
        """The product, in the type of the arrays."""
        a, b = arrays["a"], arrays["b"]
        return (a.T if self.transpose_a else a) @ (b.T if self.transpose_b else b)


@dataclass(frozen=True, slots=True)
class Convolution:
    """One pass of a convolution: x [N, H, W, C], kernel [size, size, C, F] → y [N, H', W', F].

    Attributes:
      batch, side, channels_in, channels: N, H = W, C, F.
      size, stride: of the kernel; there are size // 2 zeros on each side.
      direction: FORWARD with bias and activation, BY_DATA (dy, kernel → dx) or BY_FILTER
        (x, dy → the kernel's gradient).
      activation: "relu", "relu6" or "".
      depthwise: each channel by itself, by a kernel [size, size, C, 1].
    """

    batch: int
    side: int
    channels_in: int
    channels: int
    size: int = 3
    stride: int = 1
    direction: str = FORWARD
    activation: str = "relu"
    depthwise: bool = False

    @property
    def name(self) -> str:
        """Such as conv.8x56x56x64-64.3x3.forward."""
        kind = "depthwise" if self.depthwise else "conv"
        strided = f"s{self.stride}" if self.stride > 1 else ""
        end = f".{self.direction}" if self.direction != FORWARD else (
            f".{self.activation or 'linear'}")
        return (f"{kind}.{self.batch}x{self.side}x{self.side}x{self.channels_in}-{self.channels}"
                f".{self.size}x{self.size}{strided}{end}")

    @property
    def pad(self) -> int:
        """Zeros on each side."""
        return self.size // 2

    @property
    def out_side(self) -> int:
        """H' = W'."""
        return (self.side + 2 * self.pad - self.size) // self.stride + 1

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        """[size, size, C, F], F being 1 if depthwise."""
        return (self.size, self.size, self.channels_in, 1 if self.depthwise else self.channels)

    @property
    def image_shape(self) -> tuple[int, int, int, int]:
        """Of x."""
        return (self.batch, self.side, self.side, self.channels_in)

    @property
    def out_shape(self) -> tuple[int, int, int, int]:
        """Of y."""
        return (self.batch, self.out_side, self.out_side, self.channels)

    @property
    def flops(self) -> int:
        """As if there were no zeros at the sides."""
        return 2 * int(np.prod(self.out_shape[:3])) * int(np.prod(self.kernel_shape))

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Shapes by name, in order."""
        return {FORWARD: {"x": self.image_shape, "k": self.kernel_shape, "b": (self.channels,)},
                BY_DATA: {"g": self.out_shape, "k": self.kernel_shape},
                BY_FILTER: {"x": self.image_shape, "g": self.out_shape}}[self.direction]

    def result(self, arrays: Arrays) -> np.ndarray:
        """What the pass gives, in the type of the arrays."""
        if self.direction == FORWARD:
            return self._forward(**arrays)
        return (self._by_data if self.direction == BY_DATA else self._by_filter)(**arrays)

    def _forward(self, x: np.ndarray, k: np.ndarray, b: np.ndarray) -> np.ndarray:
        if self.depthwise:
            padded = self._padded(x)
            y = b + sum(padded[self._tap(i, j)] * k[i, j, :, 0] for i, j in self._taps())
        else:
            y = convolve(x, k, self.stride, self.pad) + b
        limits = {"": (-np.inf, np.inf), "relu": (0, np.inf), "relu6": (0, 6)}[self.activation]
        return np.clip(y, *limits)

    def _by_data(self, g: np.ndarray, k: np.ndarray) -> np.ndarray:
        padded = np.zeros_like(self._padded(np.zeros(self.image_shape, g.dtype)))
        for i, j in self._taps():
            padded[self._tap(i, j)] += g @ k[i, j].T
        inside = slice(self.pad, self.pad + self.side)
        return padded[:, inside, inside]

    def _by_filter(self, x: np.ndarray, g: np.ndarray) -> np.ndarray:
        padded, axes = self._padded(x), ([0, 1, 2], [0, 1, 2])
        found = [np.tensordot(padded[self._tap(i, j)], g, axes) for i, j in self._taps()]
        return np.reshape(found, self.kernel_shape)

    def _padded(self, x: np.ndarray) -> np.ndarray:
        edge = (self.pad, self.pad)
        return np.pad(x, ((0, 0), edge, edge, (0, 0)))

    def _taps(self) -> list[tuple[int, int]]:
        return [(i, j) for i in range(self.size) for j in range(self.size)]

    def _tap(self, i: int, j: int) -> tuple[slice, slice, slice]:
        """Where the padded image meets one element of the kernel."""
        reach = self.stride * (self.out_side - 1) + 1
        return (slice(None), slice(i, i + reach, self.stride), slice(j, j + reach, self.stride))


Kernel = Product | Convolution
