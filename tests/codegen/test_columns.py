"""Reductions down columns: by themselves, and beside the rows that they share with other steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from thread_bits import bits

import graphflow as gf
from graphflow.codegen.columns import NARROWEST, rows_together

RNG = np.random.default_rng(0)
ROW = 513


@pytest.mark.parametrize("rows", [0, 1, 3, 63, 64, 65, 300])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(("ours", "numpy"), [
    (gf.reduce_sum, np.sum), (gf.reduce_mean, np.mean), (gf.reduce_max, np.max)])
def test_columns_of_rows_of_any_number(
    rows: int, known: bool, ours: Callable[..., Any], numpy: Callable[..., Any]
) -> None:
    fed = RNG.normal(size=(rows, ROW)).astype(np.float32)
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, fed.shape if known else [None, ROW])
        found, all_bits = bits(ours(x, 0), {x: fed})
    assert len(all_bits) == 1
    if rows:
        np.testing.assert_allclose(found, numpy(fed.astype(np.float64), 0), rtol=2e-5, atol=2e-5)
    elif ours is gf.reduce_max:
        np.testing.assert_array_equal(found, np.full(ROW, -np.inf, np.float32))
    else:
        np.testing.assert_array_equal(
            found, np.full(ROW, 0 if ours is gf.reduce_sum else np.nan, np.float32))


@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.int8])
def test_columns_of_other_types(dtype: type) -> None:
    fed = RNG.integers(-5, 6, (200, 520)).astype(dtype)
    with gf.Graph().as_default():
        x = gf.placeholder(gf.as_dtype(dtype), [None, 520])
        found, all_bits = bits(gf.reduce_sum(x, 0), {x: fed})
    np.testing.assert_array_equal(found, fed.sum(0, dtype=dtype))
    assert len(all_bits) == 1


def test_several_accumulators_down_columns() -> None:
    fed = RNG.integers(0, 40, (333, 600)).astype(np.float32)
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, [None, 600])
        found, all_bits = bits(gf.argmin(x, 0), {x: fed})
    np.testing.assert_array_equal(found, np.argmin(fed, 0))
    assert len(all_bits) == 1


def test_a_chunk_has_whole_blocks_of_rows() -> None:
    assert rows_together(NARROWEST - 1) is None
    for row in (NARROWEST, 513, 1024, 30000):
        rows = rows_together(row)
        assert rows is not None
        assert rows % 4 == 0


def layer_norm(x: Any, gamma: Any, beta: Any) -> Any:
    mean, variance = gf.nn.moments(x, [-1], keep_dims=True)
    return (x - mean) * gf.rsqrt(variance + 1e-5) * gamma + beta


def gradients_of_layer_norm(
    x: np.ndarray, gamma: np.ndarray, g: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By the chain rule, in float64 (Ba, Kiros, Hinton 2016)."""
    x, g = x.astype(np.float64), g.astype(np.float64)
    root = np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    normal = (x - x.mean(-1, keepdims=True)) / root
    inner = g * gamma
    dx = (inner - inner.mean(-1, keepdims=True)
          - normal * (inner * normal).mean(-1, keepdims=True)) / root
    lead = tuple(range(x.ndim - 1))
    return dx, (g * normal).sum(lead), g.sum(lead)


@pytest.mark.parametrize("lead", [(1,), (70,), (3, 50)])
@pytest.mark.parametrize("row", [128, 520])
def test_the_gradients_of_layer_norm_read_each_row_once(lead: tuple[int, ...], row: int) -> None:
    fed, slope = (RNG.normal(size=(*lead, row)).astype(np.float32) for _ in range(2))
    scale = RNG.normal(size=row).astype(np.float32)
    with gf.Graph().as_default():
        x, g = (gf.placeholder(gf.float32, [None, *fed.shape[1:]]) for _ in range(2))
        gamma, beta = (gf.placeholder(gf.float32, [row]) for _ in range(2))
        wanted = gf.gradients(layer_norm(x, gamma, beta), [x, gamma, beta], g)
        feeds = {x: fed, g: slope, gamma: scale, beta: scale}
        for found, expected in zip(wanted, gradients_of_layer_norm(fed, scale, slope)):
            value, all_bits = bits(found, feeds)
            np.testing.assert_allclose(value, expected, rtol=2e-4, atol=2e-4)
            assert len(all_bits) == 1
        with gf.Session() as session:
            values = session.run(wanted, feeds)
            for value, expected in zip(values, gradients_of_layer_norm(fed, scale, slope)):
                np.testing.assert_allclose(value, expected, rtol=2e-4, atol=2e-4)
            if lead != (1,):  # where a size is one, broadcasts mean something else
                assert len(session.explain(wanted, feeds).kernels) == 1


def test_what_reads_the_columns_comes_after_all_rows() -> None:
    fed = RNG.normal(size=(200, 256)).astype(np.float32)
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, [None, 256])
        shifted = x - gf.reduce_max(x, -1, keepdims=True)
        centred = shifted - gf.reduce_mean(shifted, 0)
        found, all_bits = bits(gf.reduce_sum(gf.exp(centred), -1), {x: fed})
    wide = fed.astype(np.float64)
    wide = wide - wide.max(-1, keepdims=True)
    np.testing.assert_allclose(found, np.exp(wide - wide.mean(0)).sum(-1), rtol=1e-5)
    assert len(all_bits) == 1
