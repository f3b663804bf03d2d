"""NumPy: products by the BLAS that its wheels carry, which is OpenBLAS."""

from __future__ import annotations

from typing import Any

from benchmarks.workers.serve import Job, Steps, serve


def build(numpy: Any, job: Job) -> Steps:
    """numpy: the package. The number of threads is that of OPENBLAS_NUM_THREADS."""
    kernel = job.workload.kernel
    a, b = (x.T if turned else x for x, turned in zip(
        job.batch, (kernel.transpose_a, kernel.transpose_b)))
    out = numpy.empty((kernel.m, kernel.n), numpy.float32)
    return Steps(lambda: numpy.matmul(a, b, out=out), lambda: None)


if __name__ == "__main__":
    serve("numpy", build)
