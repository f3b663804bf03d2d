"""Binary search in sorted rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.dtypes import DType
from graphflow.kernels.pointers import BITS, INTEGERS, elements, key_loader


def search_sorted(dtypes: tuple[DType, ...]) -> Callable[[Any, Any], None]:
    """Where each value would be inserted in its row so that the row stays sorted.

    Buffers: rows [count, n], values [count, m], places int32 or int64 [count, m].
    Sizes: count, n, m, and 0 to insert before equal elements, 1 behind them.
    """
    bits, key = BITS[dtypes[0].size], key_loader(dtypes[0])
    index = INTEGERS[dtypes[2].size]

    def kernel(buffers: Any, sizes: Any) -> None:
        count, n, m, behind = sizes[0], sizes[1], sizes[2], sizes[3]
        rows = elements(buffers, 0, bits)
        values = elements(buffers, 1, bits)
        places = elements(buffers, 2, index)
        for row in range(count):
            for i in range(row * m, row * m + m):
                wanted = key(values, i)
                place, rest = row * n, n
                while rest > 0:
                    half = rest >> 1
                    found = key(rows, place + half)
                    if found < wanted or (behind != 0 and found == wanted):
                        place += half + 1
                        rest -= half + 1
                    else:
                        rest = half
                places[i] = place - row * n

    return kernel
