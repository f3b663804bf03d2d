"""The places of true elements, in row-major order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.dtypes import DType
from graphflow.kernels.pointers import BITS, elements, truth_test, types


def where(dtypes: tuple[DType, ...]) -> Callable[[Any, Any], None]:
    """The index of each element that is not zero.

    Buffers: x [d0, …], places int64 [found, rank], with room for as many as there are elements;
    found int64 [1]. Sizes: number of elements, rank, d0, ….
    """
    bits, is_true = BITS[dtypes[0].real_dtype.size], truth_test(dtypes[0])

    def kernel(buffers: Any, sizes: Any) -> None:
        n, rank = sizes[0], sizes[1]
        x = elements(buffers, 0, bits)
        places = elements(buffers, 1, types.int64)
        found = 0
        if rank == 1:  # without a branch: there is room for one more until the last element
            for i in range(n):
                places[found] = i
                found += is_true(x, i)
        else:
            for i in range(n):
                if is_true(x, i):
                    rest = i
                    for axis in range(rank - 1, -1, -1):
                        above = rest // sizes[2 + axis]
                        places[found * rank + axis] = rest - above * sizes[2 + axis]
                        rest = above
                    found += 1
        elements(buffers, 2, types.int64)[0] = found

    return kernel
