"""Products in tiles: matrix products, convolutions, their gradients and epilogues."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from cuda_kernels_on_cpu import check_on_gpu, cuda_kernels_on_cpu, on_gpu

import graphflow as gf
from graphflow import dtypes as dt
from graphflow.codegen.cuda.kernels import cuda_kernels
from graphflow.codegen.cuda.plans import Spread
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

EAGER = CudaTarget((8, 0), processors=1)  # so few multiprocessors that large tiles fill them


def matrix_product(dtype: DType, right_turned: bool = False) -> Kernel:
    """x [size 0, size 2] · y [size 2, size 1]; y lies transposed if `right_turned`."""
    row, column, term = (b.index(k) for k in range(3))
    total = accumulator(0, dtype)
    x = load(0, row * b.size(2) + term, dtype)
    y = load(1, column * b.size(2) + term if right_turned else term * b.size(1) + column, dtype)
    more = b.fma(x, y, total) if dtype.is_floating else total + x * y
    zero = b.const(0.0 if dtype.is_floating else 0, dtype)
    return Kernel(
        (BufferParameter(dtype), BufferParameter(dtype), BufferParameter(dtype, True)), 3,
        (Loop(0, b.size(0), (Loop(1, b.size(1), (
            Begin(((0, zero),)), Loop(2, b.size(2), (Update(((0, more),)),)),
            Store(2, row * b.size(1) + column, total))),)),))


def matrices(dtype: DType, m: int, n: int, k: int) -> list[np.ndarray]:
    rng = np.random.default_rng(m + n + k)
    drawn = [rng.normal(size=m * k) * 9, rng.normal(size=n * k) * 9, np.zeros(m * n)]
    return [a.astype(dtype.numpy) for a in drawn]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("target", [AMPERE, EAGER], ids=["small", "large"])
def test_terms_are_added_in_the_order_of_the_loop(target: CudaTarget, turned: bool) -> None:
    kernel = matrix_product(dt.float32, turned)
    sizes = (19, 17, 11)
    parts = cuda_kernels(kernel, target)
    assert [p.plan.tile for p in parts] == [LARGE, SMALL]
    assert [bool(p.shape(sizes).grid) for p in parts] == [target is EAGER, target is AMPERE]
    check_on_gpu(kernel, matrices(dt.float32, *sizes), sizes, target)


@pytest.mark.parametrize("target", [AMPERE, EAGER], ids=["small", "large"])
@pytest.mark.parametrize("sizes", [(64, 64, 16), (130, 70, 37), (17, 129, 8), (1, 300, 5)])
def test_sizes_that_tiles_do_not_divide(
    sizes: tuple[int, int, int], target: CudaTarget
) -> None:
    arrays = matrices(dt.float32, *sizes)
    m, n, k = sizes
    found = on_gpu(matrix_product(dt.float32), arrays, sizes, target)[2].reshape(m, n)
    expected = arrays[0].reshape(m, k).astype(np.float64) @ arrays[1].reshape(k, n)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("dtype", [dt.float64, dt.int32, dt.int64], ids=lambda d: d.name)
def test_products_of_other_types(dtype: DType) -> None:
    check_on_gpu(matrix_product(dtype), matrices(dtype, 20, 18, 9), (20, 18, 9))


@pytest.mark.parametrize("sizes", [(0, 4, 4), (4, 0, 4), (4, 4, 0), (1, 1, 1)])
def test_products_of_nothing(sizes: tuple[int, int, int]) -> None:
    arrays = matrices(dt.float32, *sizes)
    arrays[2][...] = 7.0
    found = on_gpu(matrix_product(dt.float32), [a if a.size else np.zeros(1, np.float32)
                                                for a in arrays], sizes)[2]
    m, n, k = sizes
    expected = arrays[0].reshape(m, k) @ arrays[1].reshape(k, n)
    np.testing.assert_allclose(found[:m * n].reshape(m, n), expected, rtol=1e-6)


# ---- in programs --------------------------------------------------------------------------------


def compare(
    build: Callable[..., Any], arrays: Sequence[np.ndarray], known: bool = False,
    spread: Spread = Spread.TILES, rtol: float = 3e-5,
) -> None:
    """A program's CUDA kernels give what its reference gives."""
    with gf.Graph().as_default() as graph:
        inputs = [gf.placeholder(a.dtype, a.shape if known else [None, *a.shape[1:]])
                  for a in arrays]
        made = build(*inputs)
        fetches = list(made) if isinstance(made, (list, tuple)) else [made]
        feeds = dict(zip(inputs, arrays))
        with gf.Session(graph=graph, options=gf.Options(device="reference")) as session:
            expected = session.run(fetches, feeds)
        with cuda_kernels_on_cpu() as parts, gf.Session(graph=graph) as session:
            found = session.run(fetches, feeds)
    assert spread in {p.plan.spread for p in parts.values()}
    for one, other in zip(found, expected):
        scale = np.max(np.abs(other.astype(np.float64)), initial=1e-9)
        np.testing.assert_allclose(one / scale, other / scale, rtol=rtol, atol=rtol)


def normal(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(len(shape) + shape[0]).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("known", [False, True])
def test_a_layer_with_bias_and_activation_is_one_product(known: bool) -> None:
    compare(lambda x, w, c: gf.nn.relu(gf.matmul(x, w) + c),
            [normal(33, 50), normal(50, 70), normal(70)], known)


@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True)])
def test_operands_as_they_lie(turned: tuple[bool, bool]) -> None:
    x, y = normal(40, 30), normal(30, 50)
    compare(lambda a, c: gf.matmul(a, c, transpose_a=turned[0], transpose_b=turned[1]),
            [x.T.copy() if turned[0] else x, y.T.copy() if turned[1] else y])


def test_batches_and_einsum() -> None:
    compare(gf.matmul, [normal(3, 20, 30), normal(3, 30, 25)])
    compare(lambda x, y: gf.einsum("bij,jk->bik", x, y), [normal(3, 20, 30), normal(30, 25)])


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32])
def test_element_types(dtype: Any) -> None:
    arrays = [(normal(20, 30) * 3).astype(dtype), (normal(30, 40) * 3).astype(dtype)]
    compare(gf.matmul, arrays, rtol=2e-3 if dtype is np.float16 else 1e-6)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("step", [1, 2])
def test_convolutions_and_their_gradients(step: int, padding: str) -> None:
    def build(x: Any, f: Any) -> list[Any]:
        y = gf.nn.conv2d(x, f, [1, step, step, 1], padding)
        return [gf.nn.relu(y), *gf.gradients(gf.reduce_sum(y * y), [x, f])]

    compare(build, [normal(6, 9, 9, 17), normal(3, 3, 17, 20)])


def test_long_sums_to_small_results_are_cut() -> None:
    """As the gradient of a weight: 2500 terms for each of few elements."""
    compare(lambda x, y: gf.matmul(x, y, transpose_a=True), [normal(2500, 20), normal(2500, 24)])


def test_thin_products_take_a_thread_for_each_element() -> None:
    compare(gf.matmul, [normal(5, 30), normal(30, 3)], known=True, spread=Spread.THREADS)


def test_a_convolution_of_each_channel() -> None:
    compare(lambda x, f: gf.nn.depthwise_conv2d(x, f, [1, 1, 1, 1], "SAME"),
            [normal(2, 7, 7, 5), normal(3, 3, 5, 2)], spread=Spread.THREADS)
