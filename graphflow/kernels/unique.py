"""Sets by hashing: the different elements of a vector, and what is not in another vector.

The hash tables have open addressing with linear probing and are at most half full; an entry is 1 +
the number of an element, 0 where there is none. Elements are equal if their order keys are
(`pointers.py`); a NaN equals nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.dtypes import DType
from graphflow.kernels.pointers import BITS, INTEGERS, elements, key_loader, nan_test, slot, types


def unique(dtypes: tuple[DType, ...]) -> Callable[[Any, Any], None]:
    """The different elements in order of first occurrence, and which of them each element is.

    Buffers: x [n], values [found], numbers [n], counts [found] (int32 or int64 both; values and
    counts have room for n); scratch: table int64 [2n + 1]; found int64 [1]. Sizes: n.
    """
    bits, key, is_nan = BITS[dtypes[0].size], key_loader(dtypes[0]), nan_test(dtypes[0])
    index = INTEGERS[dtypes[2].size]

    def kernel(buffers: Any, sizes: Any) -> None:
        n = sizes[0]
        capacity = 2 * n + 1
        x = elements(buffers, 0, bits)
        values = elements(buffers, 1, bits)
        numbers = elements(buffers, 2, index)
        counts = elements(buffers, 3, index)
        table = elements(buffers, 4, types.int64)
        found = 0
        for i in range(capacity):
            table[i] = 0
        for i in range(n):
            number = found
            if is_nan(x, i) == 0:
                k = key(x, i)
                place = slot(k, capacity)
                while table[place] != 0 and key(values, table[place] - 1) != k:
                    place = place + 1 if place + 1 < capacity else 0
                if table[place] == 0:
                    table[place] = found + 1
                number = table[place] - 1
            if number == found:
                values[found] = x[i]
                counts[found] = 0
                found += 1
            numbers[i] = number
            counts[number] += 1
        elements(buffers, 5, types.int64)[0] = found

    return kernel


def set_difference(dtypes: tuple[DType, ...]) -> Callable[[Any, Any], None]:
    """The elements of x that are not in y, in their order, and where they stand in x.

    Buffers: x [n], y [m], values [found], places int32 or int64 [found] (with room for n);
    scratch: table int64 [2m + 1]; found int64 [1]. Sizes: n, m.
    """
    bits, key, is_nan = BITS[dtypes[0].size], key_loader(dtypes[0]), nan_test(dtypes[0])
    index = INTEGERS[dtypes[3].size]

    def kernel(buffers: Any, sizes: Any) -> None:
        n, m = sizes[0], sizes[1]
        capacity = 2 * m + 1
        x = elements(buffers, 0, bits)
        y = elements(buffers, 1, bits)
        values = elements(buffers, 2, bits)
        places = elements(buffers, 3, index)
        table = elements(buffers, 4, types.int64)
        for i in range(capacity):
            table[i] = 0
        for i in range(m):
            k = key(y, i)
            place = slot(k, capacity)
            while table[place] != 0 and key(y, table[place] - 1) != k:
                place = place + 1 if place + 1 < capacity else 0
            table[place] = i + 1
        found = 0
        for i in range(n):
            k = key(x, i)
            place = slot(k, capacity)
            while table[place] != 0 and key(y, table[place] - 1) != k:
                place = place + 1 if place + 1 < capacity else 0
            if table[place] == 0 or is_nan(x, i) != 0:
                values[found] = x[i]
                places[found] = i
                found += 1
        elements(buffers, 5, types.int64)[0] = found

    return kernel
