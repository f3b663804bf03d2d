"""Every float32 through every function: `python tests/loop_ir/sweep_float32.py [NAME …]`.

All 2³² bit patterns go through the machine code of each function of `vector_math.CASES` and are
compared with float64. Prints the largest error in ULP and where it is; the exit status is 1 if one
is above its bound. `--part 64` takes every 64th block of 2²⁰ patterns only.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

from vector_math import CASES, compiled, worst_error  # noqa: E402  (found by the line above)

BLOCK = 1 << 20
BLOCKS = (1 << 32) // BLOCK
PIECE = 1 << 15  # elements that are compared while they are in the cache


def sweep(name: str, blocks: Iterable[int]) -> tuple[float, float, float]:
    """The largest error in ULP over these blocks, its x and the value there."""
    case, function = CASES[name], compiled(name)
    largest = (-1.0, 0.0, 0.0)
    start = np.arange(BLOCK, dtype=np.uint32)
    with np.errstate(all="ignore"):
        for block in blocks:
            x = (start + np.uint32(block * BLOCK)).view(np.float32)
            actual = function(x)
            for first in range(0, BLOCK, PIECE):
                piece = slice(first, first + PIECE)
                exact = case.exact(x[piece].astype(np.float64))
                error, place = worst_error(actual[piece], exact)
                if error > largest[0]:
                    largest = (error, float(x[first + place]), float(actual[first + place]))
    return largest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(CASES), metavar="NAME")
    parser.add_argument("--part", type=int, default=1, help="take every PART-th block")
    arguments = parser.parse_args()
    failed = False
    for name in arguments.names or CASES:
        began = time.perf_counter()
        error, x, value = sweep(name, range(0, BLOCKS, arguments.part))
        bound = CASES[name].bound
        failed |= not error <= bound
        print(f"{name:12} {error:8.4f} ULP of {bound:g} at {float(x).hex()} ({x:.9g}) → "
              f"{value:.9g}   {time.perf_counter() - began:.0f} s"
              f"{'' if error <= bound else '   TOO LARGE'}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
