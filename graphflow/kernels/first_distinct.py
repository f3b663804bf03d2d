"""The first so many different numbers of a pool, by hashing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.dtypes import DType
from graphflow.kernels.pointers import elements, slot, types


def first_distinct(dtypes: tuple[DType, ...]) -> Callable[[Any, Any], None]:
    """The first `count` different numbers of a pool; what is missing are the least unused ones.

    Buffers: pool int64 [n], values int64 [count], tries int64 []; scratch: table int64
    [2 · count + 1], open addressing with linear probing, entries 1 + the place in values.
    Sizes: n, count.
    """
    def kernel(buffers: Any, sizes: Any) -> None:
        n, count = sizes[0], sizes[1]
        capacity = 2 * count + 1
        pool = elements(buffers, 0, types.uint64)
        values = elements(buffers, 1, types.uint64)
        table = elements(buffers, 3, types.int64)
        for i in range(capacity):
            table[i] = 0
        found = 0
        tries = 0
        unused = types.uint64(0)
        while found < count:
            number = unused
            if tries < n:
                number = pool[tries]
                tries += 1
            else:
                unused += types.uint64(1)
            place = slot(number, capacity)
            while table[place] != 0 and values[table[place] - 1] != number:
                place = place + 1 if place + 1 < capacity else 0
            if table[place] == 0:
                values[found] = number
                found += 1
                table[place] = found
        elements(buffers, 2, types.int64)[0] = tries

    return kernel
