"""What a GPU does at most: copies are measured, arithmetic follows from its clock.

Multiply-adds in a clock cycle of a multiprocessor, by compute capability: NVIDIA, CUDA C++
Programming Guide, "Throughput of native arithmetic instructions". Tensor cores do more than that.
"""

from __future__ import annotations

from typing import Any

from graphflow.profiling.peaks import Peaks
from graphflow.runtime.cuda.context import Buffer, Context

WORKING_SETS = tuple(2**k for k in (21, 24, 27))  # 2, 16, 128 MiB read and written
_REPEATS = 4
_FLOAT32 = {(8, 0): 64}
_FLOAT64 = {(8, 0): 32, (9, 0): 64, (10, 0): 64}
_USUAL_FLOAT32, _USUAL_FLOAT64 = 128, 2

_known: dict[int, Peaks] = {}


def device_peaks(context: Context) -> Peaks:
    """The peaks of a session's GPU, measured once a process."""
    driver = context.driver
    if id(driver) not in _known:
        second = 2 * driver.processors * driver.clock
        capability = driver.capability
        _known[id(driver)] = Peaks(
            1, second * _FLOAT32.get(capability, _USUAL_FLOAT32),
            second * _FLOAT64.get(capability, _USUAL_FLOAT64),
            tuple((size, _copies(context, size)) for size in WORKING_SETS))
    return _known[id(driver)]


def _copies(context: Context, size: int) -> float:
    """Bytes moved in a second by copies that touch `size` bytes."""
    driver, half = context.driver, size // 2
    source, target = Buffer(context, half), Buffer(context, half)
    taken: list[Any] = []
    for _ in range(_REPEATS):
        first = driver.record_timed(context.stream)
        driver.copy(target.address, source.address, half, context.stream)
        taken.append((first, driver.record_timed(context.stream)))
    driver.synchronize(context.stream)
    least = min(driver.elapsed(*pair) for pair in taken[1:])
    return 1e9 * size / max(least, 1.0)
