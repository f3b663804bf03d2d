"""Memory with guards around it, for compiled runs.

Fresh memory is full of a pattern, so that what is read before it is written shows in results.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import numpy as np

GUARD = 256
FILL = 0xA5


@contextmanager
def guarded_memory() -> Iterator[None]:
    """Fails if compiled code writes beside the arena or beside the arrays that it gives away."""
    guards = []

    def inside(size: int) -> np.ndarray:
        raw = np.full(size + 4 * GUARD, FILL, np.uint8)
        start = GUARD + -(raw.ctypes.data + GUARD) % 64
        guards.append((raw[:start], raw[start + size:]))
        return raw[start:start + size]

    def guarded_array(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        return np.ndarray(shape, dtype, buffer=inside(size).data if size else bytearray(1))

    with mock.patch("graphflow.runtime.native.new_array", guarded_array), \
            mock.patch("graphflow.runtime.plans.new_arena", inside):
        yield
    for before, after in guards:
        assert np.all(before == FILL) and np.all(after == FILL), "memory beside a buffer changed"
