"""The comparison itself: what counts as the same result, and where a difference is reported."""

from __future__ import annotations

import json
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from programs.compare import differences
from programs.plain import outcome, plain


def compared(recorded: Any, found: Any) -> dict[str, str]:
    """The differences of two results, after the way through JSON."""
    sides = [json.loads(json.dumps(plain(side))) for side in (recorded, found)]
    return differences(*sides, rtol=1e-5, atol=1e-6, where="case")


@pytest.mark.parametrize("recorded, found", [
    (np.float32([1.0, np.nan, -np.inf]), np.float32([1.000001, np.nan, -np.inf])),
    (np.float64(2.0), np.array(2.0)),
    ({"a": [1, None, "x"]}, {"a": (1, None, "x")}),
    (np.array([b"text"], object), np.array([b"text"], object)),
    (np.array([1.5], ml_dtypes.bfloat16), np.array([1.5], ml_dtypes.bfloat16)),
])  # fmt: skip
def test_same(recorded: Any, found: Any) -> None:
    assert compared(recorded, found) == {}


@pytest.mark.parametrize("recorded, found, where", [
    (np.float32([1.0]), np.float32([1.0001]), "case"),
    (np.float32([1.0]), np.float64([1.0]), "case"),
    (np.float32([1.0]), np.float32([[1.0]]), "case"),
    (np.float32([np.nan]), np.float32([0.0]), "case"),
    (np.int32([1]), np.int32([2]), "case"),
    ({"a": [1, 2]}, {"a": [1, 3]}, "case/a/1"),
    ({"a": 1}, {"b": 1}, "case"),
    ([1, 2], [1], "case"),
    (True, 1, "case"),
    (None, 0, "case"),
])  # fmt: skip
def test_different(recorded: Any, found: Any, where: str) -> None:
    assert list(compared(recorded, found)) == [where]


class ShapeError(TypeError, ValueError):
    """An error that is caught as either of two."""


def raising(error: Exception) -> dict[str, Any]:
    """The plain form of a call that raises."""
    def call() -> None:
        raise error

    return outcome(call)


def test_an_error_must_be_caught_by_the_same_except() -> None:
    assert compared(raising(ValueError("a")), raising(ShapeError("b"))) == {}
    assert list(compared(raising(KeyError("a")), raising(ShapeError("b")))) == ["case"]
    assert list(compared(raising(ValueError("a")), 1)) == ["case"]
    assert list(compared(1, raising(ValueError("a")))) == ["case"]
