"""Sets by hashing: the different elements of a vector, and what is not in another vector.

As in `kernels/unique.py`, tables have open addressing with linear probing; an entry is 1 + the
number of an element, 0 where there is none. Threads take free places by compare-and-swap; of equal
elements the first one ends up in the table, so results do not depend on who comes first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.codegen.cpu.memory import I64
from graphflow.codegen.cuda.library.compaction import compaction, count_room
from graphflow.codegen.cuda.library.elements import bits_of, key, no_number, slot
from graphflow.codegen.cuda.library.parts import Form, Forms, blocks_for
from graphflow.codegen.cuda.library.writer import THREADS, Memory, Number, Writer
from graphflow.codegen.library import LibraryKernel
from graphflow.dtypes import DType


def _all(k: Writer, count: Number) -> Any:
    """The elements of this thread, of all threads of the launch."""
    return k.each(k.block * THREADS + k.thread, count, k.blocks * THREADS)


def _clear(table: int, size: int) -> Form:
    """Empties a table for the elements that size number `size` counts."""
    def write(k: Writer, kernel: LibraryKernel) -> None:
        entries = k.buffer(table, I64)
        for i in _all(k, k.sizes[size] * 2 + 1):
            entries[i] = 0

    return Form("clear", write, lambda s: blocks_for(2 * s[size] + 1))


def _find(k: Writer, x: Memory, wanted: Number, table: Memory, capacity: Number, dtype: DType,
          entry: Callable[[Number], Number]) -> Number:
    """The place of a key: where it stands, or the first free one, as `entry(place)` tells."""
    place = k.variable(slot(k, wanted, capacity))
    found = k.variable(entry(place.get()))

    def is_other() -> Number:
        known = found.get()
        number = k.choose(known.equals(0), k.number(1), known) - 1
        return known.differs(0) & key(x, number, dtype).differs(wanted)

    with k.loop(is_other):
        after = place.get() + 1
        place.set(k.choose(after < capacity, after, 0))
        found.set(entry(place.get()))
    return place.get()


def _insert(source: int, size: int, table: int, numbers: int | None) -> Form:
    """Puts all elements of a vector into the table, and keeps where each one stands."""
    def write(k: Writer, kernel: LibraryKernel) -> None:
        dtype, n = kernel.buffers[source].dtype, k.sizes[size]
        x, entries = k.buffer(source, bits_of(dtype)), k.buffer(table, I64)
        capacity = n * 2 + 1
        for i in _all(k, n):
            own = i + 1

            def taken(place: Number, own: Number = own) -> Number:
                return entries.take(place, own)

            with k.when(~no_number(x, i, dtype)):
                place = _find(k, x, key(x, i, dtype), entries, capacity, dtype, taken)
                entries.least(place, i + 1)
                if numbers is not None:
                    kind = bits_of(kernel.buffers[numbers].dtype)
                    k.buffer(numbers, kind)[i] = place.to(kind)

    return Form("insert", write, lambda s: blocks_for(s[size]))


def unique(kernel: LibraryKernel) -> Forms:
    """See `kernels/unique.py`. Size: the number of elements."""
    dtype = kernel.buffers[0].dtype
    bits, index = bits_of(dtype), bits_of(kernel.buffers[2].dtype)

    def chosen(k: Writer, _: LibraryKernel) -> Callable[[Number], Number]:
        x, numbers, table = k.buffer(0, bits), k.buffer(2, index), k.buffer(4, I64)

        def is_first(i: Number) -> Number:
            is_none = no_number(x, i, dtype)
            place = k.choose(is_none, k.number(0), numbers[i].to(I64))
            return is_none | table[place].equals(i + 1)

        return is_first

    def kept(k: Writer, _: LibraryKernel, i: Number, place: Number) -> None:
        x, numbers, table = k.buffer(0, bits), k.buffer(2, index), k.buffer(4, I64)
        k.buffer(1, bits)[place] = x[i]
        k.buffer(3, index)[place] = 0
        is_none = no_number(x, i, dtype)
        with k.when(~is_none):
            table[numbers[i].to(I64)] = -1 - place  # no thread takes that for its own entry
        with k.when(is_none):
            numbers[i] = place.to(index)

    def number(k: Writer, _: LibraryKernel) -> None:
        x, numbers, table = k.buffer(0, bits), k.buffer(2, index), k.buffer(4, I64)
        counts = k.buffer(3, index)
        for i in _all(k, k.sizes[0]):
            with k.when(~no_number(x, i, dtype)):
                numbers[i] = (-1 - table[numbers[i].to(I64)]).to(index)
            counts.add(numbers[i].to(I64), 1)

    return Forms(
        (_clear(4, 0), _insert(0, 0, 4, 2), *compaction(5, chosen, kept),
         Form("number", number, lambda s: blocks_for(s[0]))),
        lambda kernel, sizes: {5: count_room(sizes[0])})


def set_difference(kernel: LibraryKernel) -> Forms:
    """See `kernels/unique.py`. Sizes: of the vector, of the other one."""
    dtype = kernel.buffers[0].dtype
    bits, index = bits_of(dtype), bits_of(kernel.buffers[3].dtype)

    def chosen(k: Writer, _: LibraryKernel) -> Callable[[Number], Number]:
        x, y, table = k.buffer(0, bits), k.buffer(1, bits), k.buffer(4, I64)
        capacity = k.sizes[1] * 2 + 1

        def is_missing(i: Number) -> Number:
            place = _find(k, y, key(x, i, dtype), table, capacity, dtype, lambda p: table[p])
            return table[place].equals(0) | no_number(x, i, dtype)

        return is_missing

    def kept(k: Writer, _: LibraryKernel, i: Number, place: Number) -> None:
        k.buffer(2, bits)[place] = k.buffer(0, bits)[i]
        k.buffer(3, index)[place] = i.to(index)

    return Forms((_clear(4, 1), _insert(1, 1, 4, None), *compaction(5, chosen, kept)),
                 lambda kernel, sizes: {5: count_room(sizes[0])})
