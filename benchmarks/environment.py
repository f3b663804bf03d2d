"""The environment that every worker starts in: so many threads, empty caches, this checkout."""

from __future__ import annotations

import os
import site
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_THREAD_COUNTS = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "TORCHINDUCTOR_COMPILE_THREADS",
    "NPROC",  # the size of XLA's CPU thread pool
)


def worker_environment(threads: int, home: Path, gpu: bool = False) -> dict[str, str]:
    """Environment variables for a worker of `threads` threads whose caches live in `home`.

    `home` becomes the home directory, so that a compile cache from an earlier run is not found;
    packages installed for the user stay visible. Byte code, which decides how long imports take,
    is kept beside `home` for all workers of a run alike. gpu: whether it may see the GPU.
    """
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("GRAPHFLOW_CACHE", "GRAPHFLOW_CACHE_DIR",
                                   "PYTHONDONTWRITEBYTECODE")}
    environment.update({name: str(threads) for name in _THREAD_COUNTS})
    environment.update(
        PYTHONPATH=os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
        PYTHONUSERBASE=site.getuserbase(),
        PYTHONPYCACHEPREFIX=str(home.parent / "bytecode"),
        HOME=str(home), XDG_CACHE_HOME=str(home / "cache"),
        NUMBA_CACHE_DIR=str(home / "numba"), TORCHINDUCTOR_CACHE_DIR=str(home / "inductor"),
        JAX_COMPILATION_CACHE_DIR=str(home / "jax"),
        JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
        XLA_FLAGS=f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}",
        TF_CPP_MIN_LOG_LEVEL="3",
    )
    if not gpu:
        environment.update(JAX_PLATFORMS="cpu", CUDA_VISIBLE_DEVICES="")
    return environment


@contextmanager
def confined(threads: int) -> Iterator[None]:
    """Processes started inside may use `threads` cores only, whatever else they are told.

    A library that counts the cores for itself then counts `threads`. The last cores are taken:
    the first one serves most interrupts.
    """
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[-threads:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
