"""Graphflow, compiled for the CPU."""

from __future__ import annotations

from typing import Any

from benchmarks.workers import tf1_program
from benchmarks.workers.serve import Job, Steps, serve


def build(gf: Any, job: Job) -> Steps:
    """gf: the package `graphflow`."""
    config = gf.ConfigProto(intra_op_parallelism_threads=job.threads)
    return tf1_program.build(gf, gf.Session(config=config, device="cpu"), job)


if __name__ == "__main__":
    serve("graphflow", build)
