"""Graphflow, compiled for an NVIDIA GPU; variant "fake": on the GPU of the tests, to try it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.workers import tf1_program
from benchmarks.workers.serve import Job, Steps, serve

SUPPORT = Path(__file__).resolve().parent.parent.parent / "tests" / "support"


def build(gf: Any, job: Job) -> Steps:
    """gf: the package `graphflow`."""
    return tf1_program.build(gf, gf.Session(device="cuda"), job)


def main() -> None:
    """Answers requests; see `serve`."""
    if sys.argv[1:] != ["fake"]:
        serve("graphflow", build)
        return
    sys.path.insert(0, str(SUPPORT))
    from fake_gpu import using_fake_gpu

    with using_fake_gpu(engine="llvm"):
        serve("graphflow", build)


if __name__ == "__main__":
    main()
