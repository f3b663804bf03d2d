"""Sorting along the last axis, and the largest elements of each row.

Sorts are stable. Rows are sorted by their order keys (`pointers.py`): NaN counts as larger than
everything. Short rows by insertion; long ones by a radix sort from the lowest byte up (Knuth, The
Art of Computer Programming 3, 5.2.5), which skips bytes in which all keys agree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.dtypes import DType
from graphflow.kernels.pointers import BITS, digit, elements, key_loader, key_type, types

SHORT = 48


def sort(dtypes: tuple[DType, ...]) -> Callable[[Any, Any], None]:
    """A stable sort of each row.

    Buffers: x, values (both [rows, n]), indices int32 [rows, n]; scratch: keys [n], keys [n],
    indices int32 [n], int32 [n], counts int64 [256 · bytes of a key].
    Sizes: rows, n, bytes of an element, and what keys are combined with by exclusive or: 0 for
    ascending order, all ones (−1) for descending order.
    """
    bits, keys, key = BITS[dtypes[0].size], key_type(dtypes[0]), key_loader(dtypes[0])

    def kernel(buffers: Any, sizes: Any) -> None:
        rows, n, digits = sizes[0], sizes[1], sizes[2]
        flip = keys(sizes[3])
        x = elements(buffers, 0, bits)
        values = elements(buffers, 1, bits)
        indices = elements(buffers, 2, types.int32)
        here = elements(buffers, 3, keys)
        there = elements(buffers, 4, keys)
        order = elements(buffers, 5, types.int32)
        spare = elements(buffers, 6, types.int32)
        counts = elements(buffers, 7, types.int64)
        for row in range(rows):
            start = row * n
            if n <= SHORT:
                for i in range(n):
                    k = keys(key(x, start + i) ^ flip)
                    j = i
                    while j > 0 and here[j - 1] > k:
                        here[j] = here[j - 1]
                        order[j] = order[j - 1]
                        j -= 1
                    here[j] = k
                    order[j] = i
            else:
                for i in range(256 * digits):
                    counts[i] = 0
                for i in range(n):
                    k = keys(key(x, start + i) ^ flip)
                    here[i] = k
                    order[i] = i
                    for d in range(digits):
                        counts[256 * d + digit(k, d)] += 1
                for d in range(digits):
                    first = 256 * d
                    if counts[first + digit(here[0], d)] == n:
                        continue
                    before = 0
                    for i in range(first, first + 256):
                        before, counts[i] = before + counts[i], before
                    for i in range(n):
                        k = here[i]
                        c = first + digit(k, d)
                        place = counts[c]
                        counts[c] = place + 1
                        there[place] = k
                        spare[place] = order[i]
                    here, there = there, here
                    order, spare = spare, order
            for i in range(n):
                indices[start + i] = order[i]
                values[start + i] = x[start + order[i]]

    return kernel


def top_k(dtypes: tuple[DType, ...]) -> Callable[[Any, Any], None]:
    """The k largest elements of each row, largest first; of equal ones the lower index first.

    Buffers: x [rows, n], values [rows, k], indices int32 [rows, k]; scratch: keys [k].
    Sizes: rows, n, k, with n ≥ k. The k best so far are a heap whose root is the worst of them;
    in the end the roots are taken off one by one (Williams, Algorithm 232, CACM 1964).
    """
    bits, keys, key = BITS[dtypes[0].size], key_type(dtypes[0]), key_loader(dtypes[0])

    def kernel(buffers: Any, sizes: Any) -> None:
        rows, n, k = sizes[0], sizes[1], sizes[2]
        x = elements(buffers, 0, bits)
        values = elements(buffers, 1, bits)
        indices = elements(buffers, 2, types.int32)
        heap = elements(buffers, 3, keys)
        for row in range(rows):
            start, out = row * n, row * k
            for turn in range(n + k - 1 if k > 0 else 0):
                if turn < k:  # the heap grows; on a tie the newcomer is the worse one
                    new = key(x, start + turn)
                    place = turn
                    while place > 0:
                        parent = (place - 1) >> 1
                        if heap[parent] < new:
                            break
                        heap[place] = heap[parent]
                        indices[out + place] = indices[out + parent]
                        place = parent
                    heap[place] = new
                    indices[out + place] = turn
                    continue
                if turn < n:  # the newcomer takes the root's place if it is better
                    new, index, size = key(x, start + turn), turn, k
                    if new <= heap[0]:
                        continue
                else:  # the root goes behind the heap, whose last element looks for a place
                    size = k - 1 - (turn - n)
                    new, index = heap[size], types.int64(indices[out + size])
                    heap[size] = heap[0]
                    indices[out + size] = indices[out]
                place = 0
                while 2 * place + 1 < size:
                    child = 2 * place + 1
                    if child + 1 < size and (
                        heap[child + 1] < heap[child]
                        or (heap[child + 1] == heap[child]
                            and indices[out + child + 1] > indices[out + child])
                    ):
                        child += 1
                    if heap[child] > new or (
                        heap[child] == new and indices[out + child] < index
                    ):
                        break
                    heap[place] = heap[child]
                    indices[out + place] = indices[out + child]
                    place = child
                heap[place] = new
                indices[out + place] = index
            for i in range(out, out + k):
                values[i] = x[start + indices[i]]

    return kernel
