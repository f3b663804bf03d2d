"""Products on tensor cores: halves, and float32 rounded to TF32, run on the CPU warp by warp."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from cuda_kernels_on_cpu import cuda_kernels_on_cpu, on_gpu

import graphflow as gf
from graphflow import dtypes as dt
from graphflow.codegen.cuda.fragments import BRAIN, HALF, TF32
from graphflow.codegen.cuda.kernels import cuda_kernels
from graphflow.codegen.cuda.target import AMPERE, CudaTarget
from graphflow.codegen.cuda.tiles import LARGE, SMALL
from graphflow.dtypes import DType
from graphflow.loop_ir import b
from graphflow.loop_ir.nest import (
    Begin,
    BufferParameter,
    Kernel,
    Loop,
    Store,
    Update,
    accumulator,
    load,
)

ROUNDED = replace(AMPERE, tensor_float_32=True)


def product(dtype: DType, left_turned: bool, right_turned: bool) -> Kernel:
    """x [size 0, size 2] · y [size 2, size 1] in float32; a turned one lies transposed."""
    row, column, term = (b.index(k) for k in range(3))
    total = accumulator(0, dt.float32)
    x = load(0, term * b.size(0) + row if left_turned else row * b.size(2) + term, dtype)
    y = load(1, column * b.size(2) + term if right_turned else term * b.size(1) + column, dtype)
    more = b.fma(b.cast(x, dt.float32), b.cast(y, dt.float32), total)
    return Kernel(
        (BufferParameter(dtype), BufferParameter(dtype), BufferParameter(dt.float32, True)), 3,
        (Loop(0, b.size(0), (Loop(1, b.size(1), (
            Begin(((0, b.const(0.0, dt.float32)),)), Loop(2, b.size(2), (Update(((0, more),)),)),
            Store(2, row * b.size(1) + column, total))),)),))


def to_tf32(x: np.ndarray) -> np.ndarray:
    """float32 rounded to 10 bits behind the point, half away from zero."""
    mantissa, exponent = np.frexp(x.astype(np.float64))
    scaled = np.ldexp(np.abs(mantissa), 11)
    return np.copysign(np.ldexp(np.floor(scaled + 0.5), exponent - 11), x)


@pytest.mark.parametrize("turned", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("dtype", [dt.float16, dt.bfloat16, dt.float32], ids=lambda d: d.name)
@pytest.mark.parametrize(("tile", "sizes"), [
    (SMALL, (64, 72, 40)), (SMALL, (33, 17, 21)), (LARGE, (130, 40, 48))])
def test_layouts_and_sizes(
    tile: Any, sizes: tuple[int, int, int], dtype: DType, turned: tuple[int, int]
) -> None:
    """Vectors of 16 bytes where rows are aligned, one by one where they are not, and at edges."""
    target = replace(ROUNDED, processors=1 if tile is LARGE else 108)
    kernel = product(dtype, *map(bool, turned))
    chosen = [p for p in cuda_kernels(kernel, target) if p.shape(sizes).grid]
    assert [p.plan.tile for p in chosen] == [tile] and chosen[0].plan.cores is not None
    m, n, k = sizes
    rng = np.random.default_rng(m)
    x, y = rng.normal(size=(m, k)).astype(dtype.numpy), rng.normal(size=(k, n)).astype(dtype.numpy)
    arrays = [np.ascontiguousarray(x.T if turned[0] else x).ravel(),
              np.ascontiguousarray(y.T if turned[1] else y).ravel(), np.zeros(m * n, np.float32)]
    found = on_gpu(kernel, arrays, sizes, target)[2].reshape(m, n)
    wide = to_tf32 if dtype is dt.float32 else lambda a: a.astype(np.float64)
    np.testing.assert_allclose(found, wide(x) @ wide(y), rtol=1e-5, atol=1e-5)


def test_which_products_go_to_tensor_cores() -> None:
    def cores(dtype: DType, target: CudaTarget) -> Any:
        return cuda_kernels(product(dtype, False, False), target)[0].plan.cores

    assert cores(dt.float16, AMPERE) == HALF and cores(dt.bfloat16, AMPERE) == BRAIN
    assert cores(dt.float32, AMPERE) is None and cores(dt.float32, ROUNDED) == TF32
    assert cores(dt.float16, CudaTarget((7, 5))) is None


def test_numbers_that_are_none_and_without_end() -> None:
    for dtype, target in ((dt.float16, AMPERE), (dt.bfloat16, AMPERE), (dt.float32, ROUNDED)):
        x = np.zeros((16, 16), dtype.numpy)
        x[0, 0], x[1, 0], x[2, 0], x[3, 0] = np.inf, -np.inf, np.nan, dtype.numpy.type(1e-6)
        y = np.ones((16, 16), dtype.numpy)
        found = on_gpu(product(dtype, False, False),
                       [x.ravel(), y.ravel(), np.zeros(256, np.float32)], (16, 16, 16), target)[2]
        expected = x.astype(np.float32).sum(1)
        np.testing.assert_allclose(found.reshape(16, 16)[:, 3], expected, rtol=1e-3)


# ---- in programs --------------------------------------------------------------------------------


def compare(build: Callable[..., Any], arrays: Sequence[np.ndarray], rtol: float) -> None:
    """A program's kernels use tensor cores, and give what its reference gives."""
    with gf.Graph().as_default() as graph:
        inputs = [gf.placeholder(a.dtype, [None, *a.shape[1:]]) for a in arrays]
        made = build(*inputs)
        fetches = list(made) if isinstance(made, (list, tuple)) else [made]
        feeds = dict(zip(inputs, arrays))
        with gf.Session(graph=graph, device="reference") as session:
            expected = session.run(fetches, feeds)
        with cuda_kernels_on_cpu() as parts, gf.Session(graph=graph) as session:
            found = session.run(fetches, feeds)
    assert any(p.plan.cores is not None for p in parts.values())
    for one, other in zip(found, expected):
        one, other = one.astype(np.float64), other.astype(np.float64)
        scale = np.max(np.abs(other), initial=1e-9)
        np.testing.assert_allclose(one / scale, other / scale, rtol=rtol, atol=rtol)


def normal(*shape: int, dtype: Any = np.float16) -> np.ndarray:
    return np.random.default_rng(len(shape) + shape[0]).normal(size=shape).astype(dtype)


HALVES = pytest.mark.parametrize(
    ("dtype", "rtol"), [(np.float16, 2e-3), (dt.bfloat16.numpy, 1.6e-2)],
    ids=["float16", "bfloat16"])


@HALVES
def test_a_dense_layer_in_one_kernel(dtype: Any, rtol: float) -> None:
    compare(lambda x, w, c: gf.nn.relu(gf.matmul(x, w) + c),
            [normal(20, 40, dtype=dtype), normal(40, 24, dtype=dtype), normal(24, dtype=dtype)],
            rtol)


@HALVES
def test_batches(dtype: Any, rtol: float) -> None:
    compare(lambda x, y: gf.matmul(x, y, transpose_b=True),
            [normal(3, 20, 32, dtype=dtype), normal(3, 40, 32, dtype=dtype)], rtol)


@pytest.mark.parametrize("step", [1, 2])
@HALVES
def test_convolutions_and_their_gradients(step: int, dtype: Any, rtol: float) -> None:
    def build(x: Any, f: Any) -> list[Any]:
        y = gf.nn.conv2d(x, f, [1, step, step, 1], "SAME")
        return [gf.nn.relu(y), *gf.gradients(gf.reduce_sum(y), [x, f])]

    compare(build, [normal(4, 6, 6, 16, dtype=dtype), normal(3, 3, 16, 24, dtype=dtype)], rtol)


def test_tf32_in_programs() -> None:
    with mock.patch("cuda_kernels_on_cpu.AMPERE", ROUNDED):
        compare(lambda x, y: gf.tanh(gf.matmul(x, y)),
                [normal(20, 30, dtype=np.float32), normal(30, 24, dtype=np.float32)], 3e-3)
        compare(lambda x, f: gf.nn.conv2d(x, f, [1, 1, 1, 1], "SAME"),
                [normal(2, 6, 6, 3, dtype=np.float32), normal(3, 3, 3, 16, dtype=np.float32)],
                3e-3)
