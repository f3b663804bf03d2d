"""Long reductions and filters' gradients in chunks: right, and the same for all thread counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from thread_bits import bits

import graphflow as gf
from graphflow.codegen.chunks import CHUNK, rows_of_a_chunk
from graphflow.dims import symbol

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("shape", "axis"), [
    ((1024, 100), None), ((70000,), None), ((3, 30000), None), ((40000, 5), 0),
    ((7, 30, 30, 20), (0, 1, 2)), ((9, 4000, 3), (1,)), ((2 * CHUNK,), None),
    ((2 * CHUNK + 1, 1), None)])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(("ours", "numpy"), [
    (gf.reduce_sum, np.sum), (gf.reduce_max, np.max), (gf.reduce_mean, np.mean)])
def test_long_reductions(
    shape: tuple[int, ...], axis: Any, known: bool, ours: Callable[..., Any],
    numpy: Callable[..., Any],
) -> None:
    fed = RNG.normal(size=shape).astype(np.float32)
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, shape if known else [None, *shape[1:]])
        found, all_bits = bits(ours(x, axis), {x: fed})
    expected = numpy(fed.astype(np.float64), axis)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * fed.size ** 0.5)
    assert len(all_bits) == 1


def test_several_accumulators() -> None:
    fed = RNG.normal(size=(50000, 3)).astype(np.float32)
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, fed.shape)
        found, all_bits = bits(gf.argmax(x, 0), {x: fed})
        np.testing.assert_array_equal(found, np.argmax(fed, 0))
        assert len(all_bits) == 1
        found, all_bits = bits(gf.nn.moments(x, [0])[1], {x: fed})
        np.testing.assert_allclose(found, np.var(fed.astype(np.float64), 0), rtol=1e-4)
        assert len(all_bits) == 1


def test_errors_grow_with_the_length_of_a_chunk() -> None:
    fed = np.full(1 << 20, 0.1, np.float32)
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, [1 << 20])
        found, _ = bits(gf.reduce_sum(x), {x: fed})
    exact = np.sum(fed.astype(np.float64))
    assert abs(found - exact) < abs(np.cumsum(fed)[-1] - exact) / 100


@pytest.mark.parametrize(("sizes", "reduced", "rows"), [
    ((CHUNK,), [0], None),                   # short
    ((1 << 20,), [0], CHUNK),
    ((1 << 12, 1 << 10), [0, 1], CHUNK >> 10),
    ((1 << 12, 1 << 10), [0], None),         # its results can be divided
    ((1 << 16, 8), [0], CHUNK // 8),
    ((symbol("n"), 784), [0, 1], CHUNK // 784),
    ((symbol("n"),), [0], None),             # a batch's losses
    ((symbol("n") * 784,), [0], CHUNK),      # both axes of a matrix as one
    ((symbol("n"), 784), [1], None),
    ((0, 1 << 20), [0, 1], None),
])
def test_when_a_reduction_has_chunks(
    sizes: tuple[Any, ...], reduced: list[int], rows: int | None
) -> None:
    assert rows_of_a_chunk(sizes, reduced) == rows


@pytest.mark.parametrize(("batch", "size", "channels", "filters", "known"), [
    (40, 12, 1, 20, True), (33, 9, 3, 16, False), (1, 9, 3, 16, False), (0, 9, 3, 16, False)])
def test_gradients_of_filters(
    batch: int, size: int, channels: int, filters: int, known: bool
) -> None:
    """Against the sum over images, each by NumPy: Σ x[y + ky, x + kx, c] · g[y, x, f]."""
    fed = RNG.normal(size=(batch, size, size, channels)).astype(np.float32)
    g = RNG.normal(size=(batch, size - 2, size - 2, filters)).astype(np.float32)
    with gf.Graph().as_default():
        lead = batch if known else None
        x = gf.placeholder(gf.float32, [lead, size, size, channels])
        dy = gf.placeholder(gf.float32, [lead, size - 2, size - 2, filters])
        w = gf.zeros([3, 3, channels, filters])
        y = gf.nn.conv2d(x, w, strides=[1, 1, 1, 1], padding="VALID")
        found, all_bits = bits(gf.gradients(y, [w], grad_ys=[dy])[0], {x: fed, dy: g})
    windows = np.lib.stride_tricks.sliding_window_view(fed.astype(np.float64), (3, 3), (1, 2))
    expected = np.einsum("nyxckl,nyxf->klcf", windows, g.astype(np.float64))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    assert len(all_bits) == 1
