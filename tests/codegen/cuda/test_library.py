"""Hand-written kernels for GPUs, run on the CPU, against NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from graphflow import dtypes as dt
from graphflow.codegen.cuda.library import library_parts, library_rooms
from graphflow.codegen.cuda.on_cpu import launch_on_cpu
from graphflow.codegen.library import LibraryKernel
from graphflow.dtypes import DType
from graphflow.errors import ProgramError
from graphflow.loop_ir.nest import BufferParameter

POISON = 0xA5


def run(
    name: str, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray],
    scratch: Sequence[tuple[DType, int]], sizes: Sequence[int],
) -> list[np.ndarray]:
    """The outputs after all launches; the order of threads and blocks must make no difference.

    outputs: arrays of the shapes and types wanted; what they hold counts for nothing.
    """
    arrays = [*inputs, *outputs, *(np.zeros(n, d.numpy) for d, n in scratch)]
    kernel = LibraryKernel(name, tuple(
        BufferParameter(dt.as_dtype(a.dtype), True) for a in arrays), len(sizes))
    rooms = library_rooms(kernel, sizes)
    made = []
    for backwards in (False, True):
        raws = [np.full(max(a.nbytes, rooms.get(k, 0)) + 64, POISON, np.uint8)
                for k, a in enumerate(arrays)]
        for raw, array in zip(raws, inputs):
            raw[:array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        for part in library_parts(kernel):
            addresses = [r.ctypes.data for r in raws]
            launch_on_cpu(part, part.shape(sizes), [*addresses, *sizes], backwards)
        assert all((raw[-64:] == POISON).all() for raw in raws), "stored behind a buffer"
        made.append([raw[:a.nbytes].view(a.dtype).reshape(a.shape).copy()
                     for raw, a in zip(raws, arrays)])
    counted = range(len(inputs), len(inputs) + len(outputs))
    for k in counted:
        assert made[0][k].tobytes() == made[1][k].tobytes(), f"{name}: output {k} by order"
    return [made[0][k] for k in counted]


def drawn(shape: tuple[int, ...], dtype: Any, ties: int = 0) -> np.ndarray:
    """Random elements of any size and sign; floats with NaN, zeros of both signs, infinities."""
    rng = np.random.default_rng(sum(shape))
    if dtype == np.bool_:
        return rng.integers(0, 2, shape).astype(bool)
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        low, high = (0, ties) if ties else (info.min, info.max)
        return rng.integers(low, high, shape, dtype, endpoint=True)
    found = (rng.integers(0, ties, shape) if ties else rng.normal(size=shape) * 1e3).astype(dtype)
    special = rng.random(shape)
    for k, value in enumerate((np.nan, 0.0, -0.0, np.inf, -np.inf)):
        found[(special > 0.01 * k) & (special < 0.01 * (k + 1))] = value
    return found


def wide(x: np.ndarray) -> np.ndarray:
    """bfloat16 as float32, which NumPy can sort."""
    return x.astype(np.float32) if x.dtype == dt.bfloat16.numpy else x


TYPES = [np.float32, np.float64, np.float16, dt.bfloat16.numpy, np.int8, np.uint16, np.int32,
         np.int64, np.uint64, np.bool_]
LENGTHS = [(3, 1), (2, 5), (3, 300), (1, 2048), (2, 2049), (1, 9000)]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", TYPES, ids=lambda d: np.dtype(d).name)
def test_sorting_is_stable(dtype: Any, descending: bool) -> None:
    for shape in LENGTHS if dtype in (np.float32, np.int64, np.int8) else LENGTHS[1:5:3]:
        x = drawn(shape, dtype, ties=7 if shape[1] == 300 else 0)
        values, indices = run(
            "sort", [x], [x, np.zeros(shape, np.int32)],
            [(dt.uint64 if x.itemsize == 8 else dt.uint32, shape[1])] * 2
            + [(dt.int32, shape[1])] * 2 + [(dt.int64, 256 * x.itemsize)],
            [*shape, x.itemsize, -1 if descending else 0])
        keys = wide(x)
        order = np.argsort(keys, -1, kind="stable")
        if descending:
            order = shape[1] - 1 - np.argsort(keys[:, ::-1], -1, kind="stable")[:, ::-1]
        np.testing.assert_array_equal(indices, order)
        assert values.tobytes() == np.take_along_axis(x, order, -1).tobytes()


@pytest.mark.parametrize(("n", "k"), [(5, 5), (700, 13), (2500, 40), (1, 1), (3, 0)])
def test_the_largest_of_each_row(n: int, k: int) -> None:
    x = drawn((3, n), np.float32, ties=50)
    values, indices = run("top_k", [x], [x[:, :k], np.zeros((3, k), np.int32)],
                          [(dt.uint32, k)], [3, n, k])
    order = (n - 1 - np.argsort(x[:, ::-1], -1, kind="stable")[:, ::-1])[:, :k]
    np.testing.assert_array_equal(indices, order)
    np.testing.assert_array_equal(values, np.take_along_axis(x, order, -1))


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.float64], ids=lambda d: d.__name__)
def test_binary_search(dtype: Any, index: Any) -> None:
    rows = np.sort(drawn((4, 300), dtype, ties=100), -1)
    values = drawn((4, 70), dtype, ties=100)
    for behind, side in ((0, "left"), (1, "right")):
        places, = run("search_sorted", [rows, values], [np.zeros((4, 70), index)], [],
                      [4, 300, 70, behind])
        expected = [np.searchsorted(r, v, side) for r, v in zip(rows, values)]
        np.testing.assert_array_equal(places, expected)


@pytest.mark.parametrize("dtype", [np.bool_, np.float32, np.float16, np.int64, np.complex64],
                         ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("shape", [(5,), (6000,), (40, 3, 50), (), (0,), (4096,)])
def test_the_places_of_what_is_not_zero(dtype: Any, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(len(shape))
    x = (rng.random(shape) < 0.4).astype(dtype) * np.array(3).astype(dtype)
    if x.size > 2 and x.dtype.kind in "fc":
        x.reshape(-1)[:2] = -0.0, np.nan
    x = np.ascontiguousarray(x)
    n = x.size
    places, found = run("where", [x], [np.zeros((n, x.ndim), np.int64), np.zeros(1, np.int64)],
                        [], [n, x.ndim, *shape])
    expected = np.argwhere(x) if x.ndim else np.zeros((int(bool(x)), 0))
    assert found[0] == len(expected)
    np.testing.assert_array_equal(places[:found[0]], expected)


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("n", [0, 1, 9, 5000])
def test_the_different_elements(n: int, index: Any) -> None:
    x = drawn((n,), np.float32, ties=60)
    values, numbers, counts = _unique(x, index)
    found = len(values)
    _, first, inverse = np.unique(x, return_index=True, return_inverse=True, equal_nan=False)
    order = np.argsort(first)
    rank = np.argsort(order)
    assert found == len(first)
    np.testing.assert_array_equal(values[:found], x[first[order]])
    np.testing.assert_array_equal(numbers, rank[inverse])
    np.testing.assert_array_equal(counts[:found], np.bincount(rank[inverse], minlength=found))


def _unique(x: np.ndarray, index: Any) -> Any:
    """The table, which may depend on the order, lies between the outputs."""
    n = len(x)
    kernel = LibraryKernel("unique", tuple(BufferParameter(dt.as_dtype(t), True) for t in (
        x.dtype, x.dtype, index, index, np.int64, np.int64)), 1)
    found = []
    for backwards in (False, True):
        buffers = [x.copy(), np.zeros_like(x), np.zeros(n, index), np.zeros(n, index),
                   np.full(2 * n + 1, -7), np.zeros(library_rooms(kernel, [n])[5] // 8, np.int64)]
        for part in library_parts(kernel):
            launch_on_cpu(part, part.shape([n]), [*(a.ctypes.data for a in buffers), n], backwards)
        count = int(buffers[5][0])
        found.append((buffers[1][:count], buffers[2], buffers[3][:count]))
    for one, other in zip(*found):
        assert one.tobytes() == other.tobytes()
    return found[0]


@pytest.mark.parametrize("sizes", [(0, 5), (7, 0), (3000, 200), (10, 10)])
def test_what_is_not_in_another_vector(sizes: tuple[int, int]) -> None:
    x, y = drawn(sizes[:1], np.int32, ties=500), drawn(sizes[1:], np.int32, ties=500)
    kernel = LibraryKernel("set_difference", tuple(
        BufferParameter(d, True) for d in (dt.int32,) * 4 + (dt.int64,) * 2), 2)
    buffers = [x, y, np.zeros_like(x), np.zeros(len(x), np.int32), np.full(2 * len(y) + 1, -7),
               np.zeros(library_rooms(kernel, sizes)[5] // 8, np.int64)]
    for part in library_parts(kernel):
        launch_on_cpu(part, part.shape(sizes), [*(a.ctypes.data for a in buffers), *sizes])
    places = np.flatnonzero(~np.isin(x, y))
    assert buffers[5][0] == len(places)
    np.testing.assert_array_equal(buffers[3][:len(places)], places)
    np.testing.assert_array_equal(buffers[2][:len(places)], x[places])


def test_kernels_without_a_form_say_so() -> None:
    with pytest.raises(ProgramError, match="'svd' has no form for GPUs"):
        library_parts(LibraryKernel("svd", (), 0))
