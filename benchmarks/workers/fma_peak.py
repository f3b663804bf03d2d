"""What the machine does at most: as many fused multiply-adds as a kernel has, of full vectors.

It computes nothing, and is a row to hold the others against.
"""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.workers.serve import Job, Steps, serve

_LEAST_FLOPS = 2e8  # of each thread in one call: a millisecond or so, beside which a call is short


def build(graphflow: Any, job: Job) -> Steps:
    """graphflow: the package, whose loop of multiply-adds this is."""
    from llvmlite import ir

    from graphflow.codegen.compile import CACHE
    from graphflow.codegen.peak import CHAINS, emit_multiply_adds
    from graphflow.codegen.processor import vector_bytes

    emit = partial(emit_multiply_adds, kind=ir.FloatType())
    loop = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_int64)(
        CACHE.function("gf_peak_float32", emit))
    flops = job.workload.kernel.flops
    count = math.ceil(_LEAST_FLOPS * job.threads / flops)
    turns = max(1, round(count * flops / (2 * CHAINS * vector_bytes() // 4) / job.threads))
    return Steps(lambda: 0.0, lambda: None, _on_threads(partial(loop, turns), job.threads), count)


def _on_threads(work: Callable[[], Any], threads: int) -> Callable[[], None]:
    """A call that does `work` once on each of the threads, and ends with the last of them."""
    if threads == 1:
        return work
    gate = threading.Barrier(threads)

    def other() -> None:
        while True:
            gate.wait()
            work()
            gate.wait()

    for _ in range(threads - 1):
        threading.Thread(target=other, daemon=True).start()

    def together() -> None:
        gate.wait()
        work()
        gate.wait()

    return together


if __name__ == "__main__":
    serve("graphflow", build)
