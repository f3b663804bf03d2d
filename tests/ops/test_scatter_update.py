"""Scatter updates of variables and their functional form, against loops over NumPy rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import graphflow as gf
from graphflow.builder import F
from graphflow.errors import InvalidArgumentError

TABLE = np.array([[8.0, -6.0], [4.0, 12.0], [10.0, 2.0]], np.float32)
COMBINE: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "update": lambda old, new: new, "add": lambda old, new: old + new,
    "sub": lambda old, new: old - new, "mul": lambda old, new: old * new,
    "div": lambda old, new: old / new, "min": np.minimum, "max": np.maximum,
}


def _in_order(kind: str, indices: np.ndarray, rows: np.ndarray) -> np.ndarray:
    expected = TABLE.copy()
    for place in np.ndindex(indices.shape):
        expected[indices[place]] = COMBINE[kind](expected[indices[place]], rows[place])
    return expected


@pytest.mark.parametrize("kind", COMBINE)
@pytest.mark.parametrize("indices", [[2, 0, 2], [[1, 1], [0, 1]], 1, []], ids=str)
def test_rows_of_a_variable_are_combined_in_order(kind: str, indices: object) -> None:
    places = np.array(indices, np.int32)
    rows = np.arange(-3, 4 * places.size - 3, 2, np.float32).reshape(*places.shape, 2)
    with gf.Graph().as_default(), gf.Session() as session:
        table = gf.Variable(TABLE)
        updated = getattr(gf, f"scatter_{kind}")(table, places, rows)
        session.run(table.initializer)
        np.testing.assert_allclose(session.run(updated), _in_order(kind, places, rows), rtol=1e-6)
        np.testing.assert_allclose(session.run(table), _in_order(kind, places, rows), rtol=1e-6)


def test_a_scalar_updates_whole_rows() -> None:
    with gf.Graph().as_default(), gf.Session() as session:
        table = gf.Variable(TABLE)
        updated = gf.scatter_mul(table, [0, 2, 0], 2.0)
        session.run(table.initializer)
        np.testing.assert_array_equal(session.run(updated), TABLE * [[4], [1], [2]])


def test_the_last_of_repeated_rows_stays() -> None:
    places = np.tile(np.arange(3), 50)
    rows = np.arange(300, dtype=np.float32).reshape(150, 2)
    with gf.Graph().as_default(), gf.Session() as session:
        np.testing.assert_array_equal(session.run(F.scatter_rows(
            gf.constant(TABLE), gf.constant(places), gf.constant(rows), "set")), rows[-3:])


def test_integers_divide_towards_zero_one_after_the_other() -> None:
    with gf.Graph().as_default(), gf.Session() as session:
        quotients = F.scatter_rows(
            gf.constant([-7, 7, 100]), gf.constant([0, 1, 2, 2]), gf.constant([2, -2, 7, 3]),
            "div")
        # 100 / 7 is 14, and 14 / 3 is 4.
        np.testing.assert_array_equal(session.run(quotients), [-3, -3, 4])


@pytest.mark.parametrize("indices, problem", [
    ([0, 3], r"indices\[1\] = 3 is not in \[0, 3\)"),
    ([[0, -1]], r"indices\[0,1\] = -1 is not in \[0, 3\)"),
])
def test_an_index_out_of_range_names_index_place_and_range(indices: list, problem: str) -> None:
    with gf.Graph().as_default(), gf.Session() as session:
        table = gf.Variable(TABLE)
        updated = gf.scatter_add(table, indices, 1.0)
        session.run(table.initializer)
        with pytest.raises(InvalidArgumentError, match=problem) as failure:
            session.run(updated)
        assert "Built at" in str(failure.value)
        np.testing.assert_array_equal(session.run(table), TABLE)


def test_integer_division_by_zero_is_refused() -> None:
    with gf.Graph().as_default(), gf.Session() as session:
        quotients = F.scatter_rows(
            gf.constant([1, 2]), gf.constant([0]), gf.constant([0]), "div")
        with pytest.raises(InvalidArgumentError, match="division by zero"):
            session.run(quotients)


@pytest.mark.parametrize("kind, sign", [("update", 0), ("add", 1), ("sub", -1)])
def test_points_of_a_variable(kind: str, sign: int) -> None:
    with gf.Graph().as_default(), gf.Session() as session:
        table = gf.Variable(TABLE)
        updated = getattr(gf, f"scatter_nd_{kind}")(table, [[2, 0], [0, 1]], [5.0, 7.0])
        session.run(table.initializer)
        expected = TABLE.copy()
        for place, value in (((2, 0), 5), ((0, 1), 7)):
            expected[place] = value if not sign else expected[place] + sign * value
        np.testing.assert_array_equal(session.run(updated), expected)


def test_other_combinations_are_refused() -> None:
    with gf.Graph().as_default():
        x, i = gf.constant([1.0]), gf.constant([0])
        with pytest.raises(gf.GraphflowError, match="combine must be one of set, add.*'mean'"):
            F.scatter_rows(x, i, x, "mean")
        with pytest.raises(gf.GraphflowError, match="combine must be one of set, add, sub"):
            F.scatter_points(x, gf.constant([[0]]), x, "max")
