"""Sorting kernels beyond the samples: special values, ties, rows of all lengths. Against NumPy."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from library_calls import run_library

from graphflow import dtypes as dt
from graphflow.opdef import REGISTRY

SORT, TOP_K = REGISTRY["Sort"], REGISTRY["TopKV2"]
TYPES = [t.name for t in dt.REALS]


def values_of(dtype: dt.DType, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Random values with ties, both zeros, the largest values and, for floats, NaNs."""
    rng = np.random.default_rng(seed)
    if not dtype.is_floating:
        ends = np.iinfo(dtype.numpy)
        spread = rng.integers(ends.min, ends.max, shape, dtype.numpy, endpoint=True)
        return np.where(rng.random(shape) < 0.5, spread, spread % 5).astype(dtype.numpy)
    ends = ml_dtypes.finfo(dtype.numpy)
    special = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, float(ends.max), float(ends.min),
                        float(ends.smallest_subnormal), -float(ends.smallest_subnormal), 1.0])
    few = rng.choice(special, shape)
    return np.where(rng.random(shape) < 0.5, few, rng.standard_normal(shape)).astype(dtype.numpy)


def ordered(x: np.ndarray, descending: bool) -> np.ndarray:
    """NumPy's stable order: NaN last, or first if descending."""
    keys = x.astype(np.float64) if x.dtype.kind not in "iu" else x
    if not descending:
        return np.argsort(keys, axis=-1, kind="stable")
    return x.shape[-1] - 1 - np.argsort(keys[..., ::-1], axis=-1, kind="stable")[..., ::-1]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("name", TYPES)
def test_sort_is_stable_for_special_values_and_lengths(name: str, descending: bool) -> None:
    for length in (1, 2, 47, 48, 49, 300):
        x = values_of(dt.as_dtype(name), (3, length), length)
        values, indices = run_library(SORT, [x], {"descending": descending}, known=length == 2)
        wanted = ordered(x, descending)
        np.testing.assert_array_equal(indices, wanted)
        assert values.tobytes() == np.take_along_axis(x, wanted, -1).tobytes()


@pytest.mark.parametrize("name", TYPES)
def test_top_k_of_special_values(name: str) -> None:
    x = values_of(dt.as_dtype(name), (4, 90))
    wanted = ordered(x, True)
    for k in (1, 2, 7, 89, 90):
        values, indices = run_library(TOP_K, [x], {"k": k})
        np.testing.assert_array_equal(indices, wanted[:, :k])
        assert values.tobytes() == np.take_along_axis(x, wanted[:, :k], -1).tobytes()


def test_long_rows_and_bytes_in_which_all_keys_agree() -> None:
    rng = np.random.default_rng(1)
    for x in (rng.standard_normal(70_000), np.full(1000, 3.5), np.arange(5000.0)[::-1],
              rng.integers(0, 200, 5000) * 2.0**40):
        np.testing.assert_array_equal(
            run_library(SORT, [x[None]])[1][0], np.argsort(x, kind="stable"))
        np.testing.assert_array_equal(
            run_library(TOP_K, [x[None]], {"k": 5})[0][0], np.sort(x)[:-6:-1])
