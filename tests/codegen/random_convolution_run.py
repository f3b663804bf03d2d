"""Compares many random convolutions with sums in float64, and keeps a log.

    python tests/codegen/random_convolution_run.py 20000 --log /tmp/convolutions.log

Case number n comes from seed n. The log says how far the run has come; it goes on from there when
it is called again. Kernels are kept in memory only.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("GRAPHFLOW_CACHE", "0")  # nobody needs these kernels again
sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

from random_convolutions import complaints, draw  # noqa: E402  (found by the line above)


def main() -> None:
    """Reads the arguments and runs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("cases", type=int, help="how many cases")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--log", type=Path, required=True, help="the file to write to")
    arguments = parser.parse_args()
    first = arguments.first
    if arguments.log.exists():
        done = [int(line.split()[1]) for line in arguments.log.read_text().splitlines()
                if line.startswith("done")]
        first = max([first, *(n + 1 for n in done)])
    with arguments.log.open("a", encoding="utf-8") as log:
        for number in range(first, arguments.cases):
            case = draw(number)
            try:
                found = complaints(case)
            except Exception as error:
                found = [f"{type(error).__name__}: {error}"]
            for one in found:
                log.write(f"FAILED {number} {one} {case}\n")
            log.write(f"done {number}\n")
            log.flush()


if __name__ == "__main__":
    main()
