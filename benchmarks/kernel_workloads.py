"""The workloads that are single kernels: products, convolutions, the layers of two networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from benchmarks.kernel_shapes import BY_DATA, BY_FILTER, FORWARD, Convolution, Kernel, Product
from benchmarks.workload import Arrays, Workload

# Dense layers: forward at several batches, and the gradients of two layers at batch 64.
PRODUCTS = (
    Product(1024, 1024, 1024), Product(2048, 2048, 2048),
    *(Product(m, 784, 128) for m in (32, 64, 128, 256)),
    Product(64, 128, 10), Product(1, 784, 128),
    Product(784, 64, 128, transpose_a=True), Product(64, 128, 784, transpose_b=True),
    Product(128, 64, 10, transpose_a=True), Product(64, 10, 128, transpose_b=True),
)
HALF_PRODUCTS = tuple(replace(p, half=True) for p in (
    Product(1024, 1024, 1024), Product(256, 1024, 1024), Product(64, 784, 128),
    Product(1, 784, 128), Product(784, 64, 128, transpose_a=True),
    Product(64, 128, 784, transpose_b=True)))
_SMALL = (Convolution(64, 28, 1, 32), Convolution(64, 13, 32, 64), Convolution(32, 32, 16, 16),
          Convolution(32, 8, 64, 64), Convolution(8, 56, 64, 64))
CONVOLUTIONS = tuple(
    replace(c, direction=d) for d in (FORWARD, BY_DATA, BY_FILTER) for c in _SMALL)

LAYER_BATCH = 8
# (side, channels in, channels, size, stride); ResNet-50 as in He et al. 2016 with the stride in
# the 3×3 convolutions, which is how it is used today.
_RESNET50 = (
    (224, 3, 64, 7, 2),
    (56, 64, 64, 1, 1), (56, 64, 64, 3, 1), (56, 64, 256, 1, 1), (56, 256, 64, 1, 1),
    (56, 256, 128, 1, 1), (56, 128, 128, 3, 2), (56, 256, 512, 1, 2),
    (28, 128, 512, 1, 1), (28, 512, 128, 1, 1), (28, 128, 128, 3, 1),
    (28, 512, 256, 1, 1), (28, 256, 256, 3, 2), (28, 512, 1024, 1, 2),
    (14, 256, 1024, 1, 1), (14, 1024, 256, 1, 1), (14, 256, 256, 3, 1),
    (14, 1024, 512, 1, 1), (14, 512, 512, 3, 2), (14, 1024, 2048, 1, 2),
    (7, 512, 2048, 1, 1), (7, 2048, 512, 1, 1), (7, 512, 512, 3, 1),
)
# Sandler et al. 2018, table 2: expansions, depthwise convolutions, projections without activation.
_EXPANSIONS = ((112, 16, 96), (56, 24, 144), (28, 32, 192), (14, 64, 384), (14, 96, 576),
               (7, 160, 960), (7, 320, 1280))
_DEPTHWISE = ((112, 32, 1), (112, 96, 2), (56, 144, 1), (56, 144, 2), (28, 192, 1), (28, 192, 2),
              (14, 384, 1), (14, 576, 1), (14, 576, 2), (7, 960, 1))
_PROJECTIONS = ((112, 32, 16), (56, 96, 24), (56, 144, 24), (28, 144, 32), (28, 192, 32),
                (14, 192, 64), (14, 384, 64), (14, 384, 96), (14, 576, 96), (7, 576, 160),
                (7, 960, 160), (7, 960, 320))
RESNET50 = (*(Convolution(LAYER_BATCH, *layer) for layer in _RESNET50),
            Product(LAYER_BATCH, 2048, 1000))
MOBILENET = (
    Convolution(LAYER_BATCH, 224, 3, 32, 3, 2, activation="relu6"),
    *(Convolution(LAYER_BATCH, *layer, 1, activation="relu6") for layer in _EXPANSIONS),
    *(Convolution(LAYER_BATCH, side, c, c, 3, stride, activation="relu6", depthwise=True)
      for side, c, stride in _DEPTHWISE),
    *(Convolution(LAYER_BATCH, *layer, 1, activation="") for layer in _PROJECTIONS),
    Product(LAYER_BATCH, 1280, 1000),
)
KERNEL_TABLES: dict[str, tuple[str, tuple[Kernel, ...]]] = {
    "products": ("products of matrices", PRODUCTS),
    "half_products": ("products of matrices of bfloat16", HALF_PRODUCTS),
    "convolutions": ("3×3 convolutions; forward with bias and ReLU", CONVOLUTIONS),
    "resnet50_layers": ("the distinct layers of ResNet-50 with bias and ReLU", RESNET50),
    "mobilenet_layers": ("the distinct layers of MobileNet-v2 with bias and ReLU6", MOBILENET),
}


def kernel_workloads() -> Iterator[Workload]:
    """A workload for each kernel, named after it; a kernel may stand in two tables."""
    for table, (title, kernels) in KERNEL_TABLES.items():
        for kernel in kernels:
            yield Workload(kernel.name, title, tuple(kernel.inputs), (), partial(_make, kernel),
                           table, kernel.flops / 1e9, "GFLOP/s", kernel=kernel)


def _make(kernel: Kernel) -> Arrays:
    rng = np.random.default_rng(21)
    arrays = {n: rng.standard_normal(shape, np.float32) for n, shape in kernel.inputs.items()}
    if isinstance(kernel, Product) and kernel.half:
        return {name: in_bfloat16(a) for name, a in arrays.items()}
    return arrays


def in_bfloat16(a: np.ndarray) -> np.ndarray:
    """float32 numbers cut to the 16 upper bits, which are a bfloat16; as float32."""
    return (a.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
