"""Products by NVIDIA's library: which launches it takes, how matrices are described to it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from fake_gpu import FakeDriver

import graphflow as gf
from graphflow import dtypes as dt
from graphflow.codegen.cuda.matrix_form import MatrixForm, Operand
from graphflow.runtime.cuda import blas, plans

HALF, BRAIN = np.float16, dt.bfloat16.numpy


@pytest.fixture
def taken(gpu: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[MatrixForm]]:
    """The products that the library was asked for; it takes small ones, too."""
    monkeypatch.setattr(plans, "LEAST_FLOPS", 1)
    asked: list[MatrixForm] = []
    product = gpu.product
    gpu.library = True

    def product_of(form: MatrixForm) -> MatrixForm | None:
        asked.append(form)
        return product(form)

    monkeypatch.setattr(gpu, "product", product_of)
    yield asked


def normal(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


def run(build: Callable[..., Any], *arrays: np.ndarray) -> np.ndarray:
    with gf.Graph().as_default() as graph:
        fed = [gf.placeholder(a.dtype, a.shape) for a in arrays]
        y = build(*fed)
        with gf.Session(graph=graph, device="cuda") as session:
            for _ in range(3):  # piece by piece, captured, replayed
                found = session.run(y, dict(zip(fed, arrays)))
            return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64, HALF, BRAIN], ids=lambda d: str(d))
@pytest.mark.parametrize("turned", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_layouts(taken: list[MatrixForm], gpu: FakeDriver, turned: Any, dtype: Any) -> None:
    x = normal(*((24, 32) if turned[0] else (32, 24)), dtype=dtype)
    y = normal(*((40, 24) if turned[1] else (24, 40)), dtype=dtype)
    found = run(lambda a, b: gf.matmul(
        a, b, transpose_a=bool(turned[0]), transpose_b=bool(turned[1])), x, y)
    wide = [a.astype(np.float64) for a in (x, y)]
    expected = (wide[0].T if turned[0] else wide[0]) @ (wide[1].T if turned[1] else wide[1])
    tolerance = {HALF: 1e-3, BRAIN: 1e-2}.get(dtype, 1e-5)
    np.testing.assert_allclose(found.astype(np.float64), expected, rtol=tolerance,
                               atol=tolerance * 20)
    assert len(taken) == 1 and (taken[0].rows, taken[0].columns, taken[0].terms) == (32, 40, 24)
    assert "product" in gpu.counts and blas.layouts(taken[0]) is not None


def test_batches_and_axes_that_count_as_one(taken: list[MatrixForm]) -> None:
    x, y = normal(5, 20, 16), normal(5, 16, 24)
    np.testing.assert_allclose(run(gf.matmul, x, y), x @ y, rtol=1e-4, atol=1e-5)
    assert taken[-1].batches == 5
    w = normal(16, 24)
    found = run(lambda a, b: gf.einsum("bij,jk->bik", a, b), x, w)
    np.testing.assert_allclose(found, x @ w, rtol=1e-4, atol=1e-5)
    assert taken[-1].rows * taken[-1].batches == 100


def test_what_is_more_than_a_product_is_computed_by_ours(
    taken: list[MatrixForm], gpu: FakeDriver
) -> None:
    x, y = normal(32, 24), normal(24, 40)
    found = run(lambda a, b: gf.nn.relu(gf.matmul(a, b)), x, y)
    np.testing.assert_allclose(found, np.maximum(x @ y, 0), rtol=1e-4, atol=1e-5)
    images, filters = normal(2, 6, 6, 16), normal(3, 3, 16, 24)
    run(lambda a, f: gf.nn.conv2d(a, f, [1, 1, 1, 1], "SAME"), images, filters)
    assert not taken and "product" not in gpu.counts


def test_small_products_and_a_missing_library(gpu: FakeDriver) -> None:
    x, y = normal(32, 24), normal(24, 40)
    for gpu.library in (True, False):
        np.testing.assert_allclose(run(gf.matmul, x, y), x @ y, rtol=1e-4, atol=1e-5)
    assert "product" not in gpu.counts


# ---- the library's own descriptions, which need no GPU ------------------------------------------


@pytest.fixture
def library() -> Any:
    found = blas.library()
    if found is None:
        pytest.skip("cuBLASLt is not installed (pip install nvidia-cublas)")
    return found


def attribute(library: Any, kind: str, described: Any, name: int, value: Any) -> int:
    """What a description of the library holds."""
    written = ctypes.c_size_t()
    status = getattr(library, f"cublasLt{kind}GetAttribute")(
        described, name, ctypes.byref(value), ctypes.sizeof(value), ctypes.byref(written))
    assert status == 0 and written.value == ctypes.sizeof(value)
    return int(value.value)


def matrix(library: Any, memory: np.ndarray, start: int, described: Any) -> np.ndarray:
    """The batch of matrices that a layout means, as the library's documentation has it."""
    rows, columns = (attribute(library, "MatrixLayout", described, n, ctypes.c_uint64())
                     for n in (2, 3))
    lead = attribute(library, "MatrixLayout", described, 4, ctypes.c_int64())
    batches = attribute(library, "MatrixLayout", described, 5, ctypes.c_int32())
    offset = attribute(library, "MatrixLayout", described, 6, ctypes.c_int64())
    size = memory.itemsize
    return np.lib.stride_tricks.as_strided(
        memory[start:], (batches, rows, columns), (size * offset, size, size * lead))


@pytest.mark.parametrize("turned", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("batches", [1, 3])
def test_descriptions_mean_the_product(library: Any, turned: Any, batches: int) -> None:
    m, n, k = 5, 7, 4
    left = Operand(0, 2, *((1, m) if turned[0] else (k, 1)), m * k)
    right = Operand(1, 0, *((1, k) if turned[1] else (n, 1)), k * n)
    form = MatrixForm("float32", "float32", m, n, k, batches, left, right,
                      Operand(2, 0, n, 1, m * n), False)
    product = blas.Product(library, form)
    rng = np.random.default_rng(1)
    x, y = (rng.normal(size=s + 2).astype(np.float32) for s in (m * k * batches, k * n * batches))
    out = np.zeros(m * n * batches, np.float32)
    first = matrix(library, y, right.start, product.first)
    second = matrix(library, x, left.start, product.second)
    if attribute(library, "MatmulDesc", product.description, 3, ctypes.c_int32()):
        first = first.transpose(0, 2, 1)
    if attribute(library, "MatmulDesc", product.description, 4, ctypes.c_int32()):
        second = second.transpose(0, 2, 1)
    matrix(library, out, 0, product.result)[...] = first @ second
    steps = 4 * left.batch, 4 * left.outer, 4 * left.inner
    a = np.lib.stride_tricks.as_strided(x[2:], (batches, m, k), steps)
    steps = 4 * right.batch, 4 * right.outer, 4 * right.inner
    b = np.lib.stride_tricks.as_strided(y, (batches, k, n), steps)
    np.testing.assert_allclose(out.reshape(batches, m, n), a @ b, rtol=1e-5)


def test_without_a_gpu_the_library_cannot_be_opened(library: Any) -> None:
    from graphflow.hardware import cuda_driver

    if cuda_driver() is not None:
        pytest.skip("there is a driver")
    with pytest.raises(RuntimeError, match="status 1"):
        blas.Cublas(library)
