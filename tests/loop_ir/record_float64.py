"""Records exact values of functions: `python tests/loop_ir/record_float64.py` (needs mpmath).

Writes `float64_values.npz`: for each function x, its value rounded to float64, and what the
rounding left in units of its last place. mpmath computes with 60 digits, and more where arguments
are large.
"""

from __future__ import annotations

import math
from pathlib import Path

import mpmath
import numpy as np

COUNT = 500
FILE = Path(__file__).with_name("float64_values.npz")
# name → function, the range in which most of its work is done, whether large |x| mean something
FUNCTIONS = {
    "exp": (mpmath.exp, -745, 709, False), "expm1": (mpmath.expm1, -38, 709, False),
    "log": (mpmath.log, 0, 3, True), "log1p": (mpmath.log1p, -1, 3, True),
    "sin": (mpmath.sin, -1e5, 1e5, True), "cos": (mpmath.cos, -1e5, 1e5, True),
    "tan": (mpmath.tan, -1e5, 1e5, True), "asin": (mpmath.asin, -1, 1, False),
    "acos": (mpmath.acos, -1, 1, False), "atan": (mpmath.atan, -5, 5, True),
    "sinh": (mpmath.sinh, -709, 709, False), "cosh": (mpmath.cosh, -709, 709, False),
    "tanh": (mpmath.tanh, -20, 20, False), "asinh": (mpmath.asinh, -10, 10, True),
    "acosh": (mpmath.acosh, 1, 10, True), "atanh": (mpmath.atanh, -1, 1, False),
    "erf": (mpmath.erf, -6, 6, False), "erfc": (mpmath.erfc, -6, 27, False),
    "rsqrt": (lambda x: 1 / mpmath.sqrt(x), 0, 10, True),
    "reciprocal": (lambda x: 1 / x, -10, 10, True),
}


def points(low: float, high: float, large: bool, rng: np.random.Generator) -> np.ndarray:
    """Half of them in the range, the rest close to 0 and, if that means something, large."""
    inside = rng.uniform(low, high, COUNT // 2)
    exponents = rng.integers(-60, 1000 if large else 0, COUNT - COUNT // 2)
    others = np.ldexp(rng.uniform(-1, 1, len(exponents)), exponents)
    x = np.concatenate([inside, others])
    return x[(x > low) & (x < high) | large & (x > (low if low >= -1 else -np.inf))]


def recorded(function, x: np.ndarray) -> np.ndarray:
    """[3, n]: x, the value, what rounding left of it in units of the last place."""
    rows = []
    for one in x.tolist():
        exact = function(mpmath.mpf(one))
        rounded = float(exact)
        rest = (exact - mpmath.mpf(rounded)) / mpmath.mpf(math.ulp(rounded))
        rows.append((one, rounded, float(rest)))
    return np.array(rows).T


def main() -> None:
    mpmath.mp.dps = 60
    rng = np.random.default_rng(0)
    arrays = {}
    for name, (function, low, high, large) in FUNCTIONS.items():
        x, value, rest = recorded(function, points(low, high, large, rng))
        arrays |= {f"{name}.x": x, f"{name}.value": value, f"{name}.rest": rest.astype(np.float16)}
    np.savez_compressed(FILE, allow_pickle=False, **arrays)


if __name__ == "__main__":
    main()
