"""Compaction: the elements for which something holds, in their order.

Three launches: each block counts in its chunk; one block adds the counts up; each block stores its
elements behind those of the chunks before. The counts stand behind the number of elements that
were found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.codegen.cpu.memory import I32, I64
from graphflow.codegen.cuda.library.elements import bits_of
from graphflow.codegen.cuda.library.parts import Form, Forms
from graphflow.codegen.cuda.library.writer import THREADS, Number, Writer
from graphflow.codegen.library import LibraryKernel

ROUNDS = 8
CHUNK = ROUNDS * THREADS
WARPS = THREADS // 32
Chosen = Callable[[Writer, LibraryKernel], Callable[[Number], Number]]
Kept = Callable[[Writer, LibraryKernel, Number, Number], None]


def chunks_of(n: int) -> int:
    """How many chunks there are."""
    return -(-n // CHUNK)


def count_room(n: int) -> int:
    """Bytes of the memory in which the number of elements stands."""
    return 8 * (1 + chunks_of(n))


def compaction(count: int, chosen: Chosen, kept: Kept) -> tuple[Form, ...]:
    """The launches; size 0 is the number of elements.

    count: the buffer for the number that was found, with `count_room` bytes.
    chosen: prepares a function that tells whether element i counts.
    kept: writes what is stored for element i at place p, by one thread.
    """
    def counting(k: Writer, kernel: LibraryKernel) -> None:
        holds, counts = chosen(k, kernel), k.buffer(count, I64)
        total = k.shared(0, I32)
        with k.when(k.thread.equals(0)):
            total[0] = 0
        k.barrier()
        own = k.variable(0, I32)
        for i in _elements_of(k):
            own.set(own.get() + holds(i).to(I32))
        total.add(0, own.get())
        k.barrier()
        with k.when(k.thread.equals(0)):
            counts[k.block + 1] = total[0].to(I64)

    def storing(k: Writer, kernel: LibraryKernel) -> None:
        holds, counts = chosen(k, kernel), k.buffer(count, I64)
        place = k.variable(counts[k.block + 1])
        for turn in k.each(0, ROUNDS):
            i = k.block * CHUNK + turn * THREADS + k.thread
            found = k.variable(0, I32)
            with k.when(i < k.sizes[0]):
                found.set(holds(i).to(I32))
            before, total = place_in_block(k, found.get())
            with k.when(found.get().differs(0)):
                kept(k, kernel, i, place.get() + before)
            place.set(place.get() + total)

    return (Form("count", counting, lambda s: chunks_of(s[0]), 4),
            Form("add up", adding(count), lambda s: 1, 8 * THREADS),
            Form("store", storing, lambda s: chunks_of(s[0]), 4 * WARPS))


def _elements_of(k: Writer) -> Any:
    """The elements of this thread in its block's chunk."""
    first = k.block * CHUNK
    last = k.choose(first + CHUNK < k.sizes[0], first + CHUNK, k.sizes[0])
    return k.each(first + k.thread, last, THREADS)


def place_in_block(k: Writer, found: Number) -> tuple[Number, Number]:
    """For each thread: how many threads before it have found one (1 or 0), and how many in all.

    Uses the first `4 · WARPS` bytes of shared memory.
    """
    sums = k.shared(0, I32)
    bits = k.ballot(found.differs(0))
    warp = k.thread >> 5
    with k.when((k.thread & 31).equals(0)):
        sums[warp] = k.count_bits(bits).to(I32)
    k.barrier()
    before, total = k.variable(k.count_bits(bits & k.lanes_before())), k.variable(0)
    for other in k.each(0, WARPS):
        number = sums[other].to(I64)
        before.set(before.get() + k.choose(other < warp, number, 0))
        total.set(total.get() + number)
    k.barrier()
    return before.get(), total.get()


def adding(count: int) -> Callable[[Writer, LibraryKernel], None]:
    """One block makes of the chunks' counts how many stand before each chunk, and in all."""
    def write(k: Writer, kernel: LibraryKernel) -> None:
        counts, sums = k.buffer(count, I64), k.shared(0, I64)
        chunks = (k.sizes[0] + (CHUNK - 1)) // CHUNK
        each = (chunks + (THREADS - 1)) // THREADS
        first = k.thread * each
        last = k.choose(first + each < chunks, first + each, chunks)
        own = k.variable(0)
        for i in k.each(first, last):
            own.set(own.get() + counts[i + 1])
        sums[k.thread] = own.get()
        k.barrier()
        before, total = k.variable(0), k.variable(0)
        for other in k.each(0, THREADS):
            before.set(before.get() + k.choose(other < k.thread, sums[other], 0))
            total.set(total.get() + sums[other])
        for i in k.each(first, last):
            number = counts[i + 1]
            counts[i + 1] = before.get()
            before.set(before.get() + number)
        with k.when(k.thread.equals(0)):
            counts[0] = total.get()

    return write


def where(kernel: LibraryKernel) -> Forms:
    """See `kernels/where_indices.py`. Sizes: elements, rank, the length of each axis."""
    dtype = kernel.buffers[0].dtype
    part = dtype.real_dtype
    bits = bits_of(part)
    mask = (1 << (bits.width - 1)) - 1 if part.is_floating else -1

    def chosen(k: Writer, _: LibraryKernel) -> Callable[[Number], Number]:
        x = k.buffer(0, bits)

        def holds(i: Number) -> Number:
            found = x[i * 2] | x[i * 2 + 1] if dtype.is_complex else x[i]
            return (found & mask).differs(0)

        return holds

    def kept(k: Writer, kernel: LibraryKernel, i: Number, place: Number) -> None:
        places, rank = k.buffer(1, I64), kernel.sizes - 2
        rest = i
        for axis in range(rank - 1, -1, -1):
            above = rest // k.sizes[2 + axis]
            places[place * rank + axis] = rest - above * k.sizes[2 + axis]
            rest = above

    return Forms(compaction(2, chosen, kept), lambda kernel, sizes: {2: count_room(sizes[0])})
