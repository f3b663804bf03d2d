"""Set kernels and compaction beyond the samples: collisions, special values. Against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from library_calls import run_library

from graphflow.opdef import REGISTRY

UNIQUE, DIFFERENCE = REGISTRY["UniqueWithCounts"], REGISTRY["ListDiff"]
WHERE, LOWER, UPPER = REGISTRY["Where"], REGISTRY["LowerBound"], REGISTRY["UpperBound"]


@pytest.mark.parametrize("x", [
    np.arange(5000), np.arange(5000)[::-1] * 2**32, np.zeros(1000, np.int64),
    np.random.default_rng(0).integers(0, 700, 9000), np.arange(3000) * 1e-3,
    np.array([True, False, True])], ids=["range", "high words", "one", "random", "floats", "bool"])
def test_unique_numbers_every_element(x: np.ndarray) -> None:
    values, numbers, counts = run_library(UNIQUE, [x])
    np.testing.assert_array_equal(values[numbers], x)
    wanted, first, wanted_counts = np.unique(x, return_index=True, return_counts=True)
    order = np.argsort(first)
    np.testing.assert_array_equal(values, wanted[order])
    np.testing.assert_array_equal(counts, wanted_counts[order])


def test_unique_of_zeros_and_nans_as_tensorflow_has_them() -> None:
    # tf.unique_with_counts of TensorFlow 2.21 gives these figures.
    x = np.array([1, np.nan, -0.0, 0.0, np.nan, 3, 1, -np.inf, np.inf], np.float32)
    values, numbers, counts = run_library(UNIQUE, [x])
    np.testing.assert_array_equal(values, np.float32([1, np.nan, 0, np.nan, 3, -np.inf, np.inf]))
    assert np.signbit(values[2])
    assert numbers.tolist() == [0, 1, 2, 2, 3, 4, 0, 5, 6]
    assert counts.tolist() == [2, 1, 2, 1, 1, 1, 1]


def test_difference_of_zeros_and_nans_as_tensorflow_has_them() -> None:
    x = np.array([1, np.nan, -0.0, 0.0, np.nan, 3, 1, -np.inf, np.inf], np.float32)
    out, places = run_library(DIFFERENCE, [x, np.float32([0, np.nan, 1])])
    np.testing.assert_array_equal(out, np.float32([np.nan, np.nan, 3, -np.inf, np.inf]))
    assert places.tolist() == [1, 4, 5, 7, 8]


def test_difference_of_random_vectors() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 4000, 3000), rng.integers(0, 4000, 2500)
    out, places = run_library(DIFFERENCE, [x, y], known=False)
    np.testing.assert_array_equal(places, np.flatnonzero(~np.isin(x, y)))
    np.testing.assert_array_equal(out, x[places])


@pytest.mark.parametrize("shape", [(4000,), (60, 70), (3, 50, 7, 4), (2, 0, 3)])
def test_where_finds_all_places_in_order(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(3).random(shape) < 0.3
    places, = run_library(WHERE, [x], known=False)
    np.testing.assert_array_equal(places, np.argwhere(x))


@pytest.mark.parametrize("x", [
    np.array([np.nan, 0, -0.0, 5e-324]), np.array([0, 1, 256, -1], np.int16),
    np.array([0j, 1j, -0.0 - 0j, 1, complex(np.nan, 0)], np.complex64),
    np.array([0, -0.0, 6e-8, np.nan], np.float16)], ids=["float64", "int16", "complex", "float16"])
def test_where_takes_what_is_not_zero(x: np.ndarray) -> None:
    np.testing.assert_array_equal(run_library(WHERE, [x])[0], np.argwhere(x != 0))


@pytest.mark.parametrize(("opdef", "side"), [(LOWER, "left"), (UPPER, "right")])
def test_search_of_ties_and_special_values(opdef: object, side: str) -> None:
    rng = np.random.default_rng(4)
    rows = np.sort(rng.integers(0, 30, (3, 100)) / 2)
    rows[:, -3:] = np.inf, np.nan, np.nan
    rows[:, 0] = -np.inf
    values = np.concatenate([rng.integers(-2, 32, (3, 50)) / 2,
                             np.full((3, 4), [np.nan, np.inf, -np.inf, -0.0])], 1)
    found, = run_library(opdef, [rows, values])
    for row, wanted, places in zip(rows, values, found):
        np.testing.assert_array_equal(places, np.searchsorted(row, wanted, side))
