"""Unary functions compiled, over ten million float32 each, beside NumPy in float64.

`sweep_float32.py` does the same for all 2³².
"""

from __future__ import annotations

import numpy as np
import pytest
from vector_math import CASES, Case, compiled, worst_error

PIECE = 1 << 15  # elements that are compared while they are in the cache
CHUNK = 1 << 20
CHUNKS = 10


def neighbourhoods(case: Case) -> np.ndarray:
    """Zeros, infinities, NaN, the ends of the formats and of the interesting range, and what lies
    within 2000 steps of them."""
    info = np.finfo(np.float32)
    centres = np.array([0, info.tiny, info.max, np.inf, np.nan, 1, 0.5, 2, np.pi / 2, np.pi,
                        case.low, case.high, 2.0**17, 2.0**28], np.float32)
    bits = np.concatenate([centres, -centres]).view(np.uint32)
    steps = np.arange(-2000, 2000, dtype=np.int64)
    return (bits[:, None] + steps).astype(np.uint32).ravel().view(np.float32)


def chunk(case: Case, number: int) -> np.ndarray:
    """A chunk of numbers: of all exponents, of the interesting range, or near 0, by turns."""
    rng = np.random.default_rng(number)
    if number % 3 == 0:
        return rng.integers(0, 1 << 32, CHUNK, np.uint32).view(np.float32)
    if number % 3 == 1:
        return rng.uniform(case.low, case.high, CHUNK).astype(np.float32)
    return (rng.uniform(-1, 1, CHUNK) * 2.0 ** rng.integers(-20, 3, CHUNK)).astype(np.float32)


@pytest.mark.parametrize("name", CASES)
def test_compiled_functions_are_within_their_bounds(name: str) -> None:
    case, function = CASES[name], compiled(name)
    with np.errstate(all="ignore"):
        for x in [neighbourhoods(case), *(chunk(case, n) for n in range(CHUNKS))]:
            x = np.sort(x)  # subnormal numbers cost time: once in a vector, not in each
            actual = function(x)
            for start in range(0, x.size, PIECE):
                piece = slice(start, start + PIECE)
                error, place = worst_error(
                    actual[piece], case.exact(x[piece].astype(np.float64)))
                at = start + place
                assert error <= case.bound, (error, x[at], actual[at])


def test_what_counts_as_an_error() -> None:
    def error(actual: float, exact: float) -> float:
        return worst_error(np.array([actual], np.float32), np.array([exact]))[0]

    assert error(1.0, 1.0) == 0
    assert error(1.0, 1 + 2.0**-23) == 1
    assert error(1.0, 1 - 2.0**-24) == 1  # below 1 the units are half as large
    assert error(np.inf, 2.0**128 * (1 - 2.0**-25)) == 0.5
    assert error(0.0, 2.0**-150) == 0.5
    assert error(-0.0, 0.0) == error(np.nan, 1.0) == error(1.0, np.nan) == np.inf
    assert error(np.nan, np.nan) == 0
    assert error(np.inf, np.inf) == 0


def test_tangents_beside_the_poles() -> None:
    x = ((np.arange(40_000) + 0.5) * np.pi).astype(np.float32)
    x = np.concatenate([np.nextafter(x, np.float32(0)), x, np.nextafter(x, np.float32(np.inf))])
    error, _ = worst_error(compiled("tan")(x), np.tan(x.astype(np.float64)))
    assert error <= 2
