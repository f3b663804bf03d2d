"""Graphflow, compiled for the CPU; variant "native": bfloat16 by the processor's instructions."""

from __future__ import annotations

from typing import Any

from benchmarks.workers import tf1_program
from benchmarks.workers.serve import Job, Steps, serve


def build(gf: Any, job: Job) -> Steps:
    """gf: the package `graphflow`."""
    if job.variant == "native":
        options = gf.Options(device="cpu", threads=job.threads, half_products="native")
        return tf1_program.build(gf, gf.Session(options=options), job)
    config = gf.ConfigProto(intra_op_parallelism_threads=job.threads)
    return tf1_program.build(gf, gf.Session(config=config, device="cpu"), job)


if __name__ == "__main__":
    serve("graphflow", build)
