"""`Peaks`: what this machine does at most, measured once a process.

Arithmetic is measured by a loop of fused multiply-adds on full vectors, memory by copies of as
many bytes as fit into each level of the caches, and of more. Both on as many threads as runs use.
A kernel's least time follows from them by the roofline model (Williams, Waterman, Patterson,
CACM 2009).
"""

from __future__ import annotations

import bisect
import ctypes
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from llvmlite import ir

from graphflow.codegen.compile import CACHE
from graphflow.codegen.peak import CHAINS, emit_copies, emit_multiply_adds
from graphflow.codegen.processor import vector_bytes

WORKING_SETS = tuple(2**k for k in (14, 17, 19, 21, 23, 26))  # 16 KiB … 64 MiB
_REPEATS = 3
_LEAST_TIME = 2e-3      # seconds of one measurement


@dataclass(frozen=True, slots=True)
class Peaks:
    """Of a number of threads together.

    Attributes:
      threads: how many.
      float32, float64: operations in a second; a fused multiply-add is two.
      copies: (bytes that are read and written, bytes moved in a second), for growing sizes.
    """

    threads: int
    float32: float
    float64: float
    copies: tuple[tuple[int, float], ...]

    @property
    def memory(self) -> float:
        """Bytes that a copy in main memory moves in a second."""
        return self.copies[-1][1]

    def bandwidth(self, size: int) -> float:
        """Bytes in a second that a copy moves which touches `size` bytes."""
        sizes = [s for s, _ in self.copies]
        above = bisect.bisect_left(sizes, size)
        if above == 0 or above == len(sizes):
            return self.copies[min(above, len(sizes) - 1)][1]
        (low, slow), (high, fast) = self.copies[above - 1:above + 1]
        part = math.log(size / low) / math.log(high / low)
        return slow ** (1 - part) * fast ** part

    def least_seconds(self, flops: int, size: int, double: bool = False) -> float:
        """The time that so many operations, and moving so many bytes, take at least."""
        arithmetic = flops / (self.float64 if double else self.float32)
        return max(arithmetic, size / self.bandwidth(size) if size else 0.0)


@cache
def measured_peaks(threads: int = 1) -> Peaks:
    """The peaks of this machine; it takes half a second, or a little more."""
    double = vector_bytes() // 8
    return Peaks(
        threads,
        _arithmetic("gf_peak_float32", ir.FloatType(), 2 * double, threads),
        _arithmetic("gf_peak_float64", ir.DoubleType(), double, threads),
        tuple((size, _copies(size, threads)) for size in WORKING_SETS))


def _arithmetic(name: str, kind: ir.Type, lanes: int, threads: int) -> float:
    address = CACHE.function(name, partial(emit_multiply_adds, kind=kind))
    result = ctypes.c_float if isinstance(kind, ir.FloatType) else ctypes.c_double
    loop = ctypes.CFUNCTYPE(result, ctypes.c_int64)(address)
    return 2 * CHAINS * lanes * _turns_per_second(lambda turns, _: loop(turns), threads)


def _copies(size: int, threads: int) -> float:
    """Bytes moved in a second by copies that touch `size` bytes, each thread its share."""
    address = CACHE.function("gf_peak_copy", emit_copies)
    copy = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 2)(address)
    share = max(size // (2 * threads) // 64 * 64, 64)
    arrays = [(np.ones(share, np.uint8), np.zeros(share, np.uint8)) for _ in range(threads)]

    def run(turns: int, member: int) -> None:
        source, target = arrays[member]
        copy(target.ctypes.data, source.ctypes.data, share, turns)

    return 2 * share * _turns_per_second(run, threads)


def _turns_per_second(run: Callable[[int, int], Any], threads: int) -> float:
    """The turns that all threads make in a second; the best of some repeats."""
    turns = 1
    while (taken := _timed(run, turns, 0)) < _LEAST_TIME:
        turns = max(2 * turns, int(turns * 1.2 * _LEAST_TIME / max(taken, 1e-9)))
    return max(_together(run, turns, threads) for _ in range(_REPEATS))


def _timed(run: Callable[[int, int], Any], turns: int, member: int) -> float:
    began = time.perf_counter()
    run(turns, member)
    return time.perf_counter() - began


def _together(run: Callable[[int, int], Any], turns: int, threads: int) -> float:
    if threads == 1:
        return turns / _timed(run, turns, 0)
    rates = [0.0] * threads
    gate = threading.Barrier(threads)

    def member(number: int) -> None:
        gate.wait()
        rates[number] = turns / _timed(run, turns, number)

    members = [threading.Thread(target=member, args=(k,)) for k in range(threads)]
    for thread in members:
        thread.start()
    for thread in members:
        thread.join()
    return sum(rates)
