"""Stable sorting along the last axis, and the largest elements of each row.

Rows of up to 2048 elements: a block for each, which sorts pairs of (order key, index) in shared
memory by a bitonic network (Batcher 1968; no two pairs are equal, so the sort is stable). Longer
ones: a radix sort from the lowest byte up (Knuth, TAOCP 3, 5.2.5). For each byte, blocks count
the digits of their chunks; a block for each row adds the counts up; blocks store their elements,
256 at a time, each behind those of its digit that come before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from graphflow.codegen.cpu.memory import I8, I32, I64
from graphflow.codegen.cuda.library.elements import bits_of, key, key_kind
from graphflow.codegen.cuda.library.parts import Form, Forms, blocks_for
from graphflow.codegen.cuda.library.writer import THREADS, Memory, Number, Variable, Writer
from graphflow.codegen.library import LibraryKernel

SHORT = 2048      # elements of a row that a block sorts
CHUNK = 4096      # elements of a longer one that a block takes
DIGITS = 256
WARPS = THREADS // 32


def sort(kernel: LibraryKernel) -> Forms:
    """See `kernels/sorting.py`. Sizes: rows, n, bytes of an element, what flips the order."""
    return _forms(kernel, workspace=7, length=lambda sizes: sizes[1], flipped=None)


def top_k(kernel: LibraryKernel) -> Forms:
    """See `kernels/sorting.py`. Sizes: rows, n, k."""
    return _forms(kernel, workspace=3, length=lambda sizes: sizes[2], flipped=-1)


class _Rows:
    """The rows of one kernel: what its launches read and store.

    values (buffer 1) and indices (buffer 2) get the first `length` of each row.
    """

    def __init__(
        self, kernel: LibraryKernel, workspace: int, length: Callable[[Sequence], object],
        flipped: int | None,
    ) -> None:
        self.dtype, self.workspace = kernel.buffers[0].dtype, workspace
        self.length, self.flipped = length, flipped
        self.kind = key_kind(self.dtype)
        self.key_bytes = self.kind.width // 8

    def key(self, k: Writer, index: Number) -> Number:
        """What an element is sorted by."""
        found = key(k.buffer(0, bits_of(self.dtype)), index, self.dtype)
        flip = k.sizes[3].to(self.kind) if self.flipped is None else self.flipped
        return found ^ flip

    def give(self, k: Writer, row: Number, place: Number, index: Number) -> None:
        """Stores the element that comes at a place of a row."""
        bits, length = bits_of(self.dtype), self.length(k.sizes)
        at = row * length + place
        k.buffer(2, I32)[at] = index.to(I32)
        k.buffer(1, bits)[at] = k.buffer(0, bits)[row * k.sizes[1] + index]

    def keys(self, k: Writer, second: int) -> Memory:
        """One of two places for the keys of all rows."""
        n = k.sizes[0] * k.sizes[1]
        return k.buffer(self.workspace, self.kind, n * (self.key_bytes * second))

    def order(self, k: Writer, second: int) -> Memory:
        """One of two places for their indices."""
        n = k.sizes[0] * k.sizes[1]
        return k.buffer(self.workspace, I32, n * (2 * self.key_bytes + 4 * second))

    def counts(self, k: Writer) -> Memory:
        """How many elements of a chunk have a digit: [rows, digits, chunks]."""
        n = k.sizes[0] * k.sizes[1]
        return k.buffer(self.workspace, I32, n * (2 * self.key_bytes + 8))

    def room(self, sizes: Sequence[int]) -> int:
        """Bytes of the workspace."""
        rows, n = sizes[:2]
        if n <= SHORT:
            return 0
        return rows * n * (2 * self.key_bytes + 8) + 4 * rows * DIGITS * -(-n // CHUNK)


def _forms(
    kernel: LibraryKernel, workspace: int, length: Callable[[Sequence], object],
    flipped: int | None,
) -> Forms:
    rows = _Rows(kernel, workspace, length, flipped)
    made = [Form("short", _short(rows), _if_short, SHORT * (rows.key_bytes + 4)),
            Form("keys", _keys(rows), lambda s: _if_long(s, blocks_for(s[0] * s[1])))]
    for digit in range(rows.dtype.size):
        made += [
            Form(f"count {digit}", _count(rows, digit), _chunks, 4 * DIGITS),
            Form(f"add up {digit}", _add_up(rows), lambda s: _if_long(s, s[0]), 4 * THREADS),
            Form(f"move {digit}", _move(rows, digit), _chunks, 4 * DIGITS * (WARPS + 1))]
    made.append(Form("give", _give(rows), lambda s: _if_long(
        s, blocks_for(s[0] * length(s)))))  # type: ignore[operator]  # a number here

    def rooms(kernel: LibraryKernel, sizes: Sequence[int]) -> Mapping[int, int]:
        return {workspace: rows.room(sizes)}

    return Forms(tuple(made), rooms)


def _if_short(sizes: Sequence[int]) -> int:
    return blocks_for(sizes[0], 1) if sizes[1] <= SHORT else 0


def _if_long(sizes: Sequence[int], blocks: int) -> int:
    return blocks if sizes[1] > SHORT else 0


def _chunks(sizes: Sequence[int]) -> int:
    return _if_long(sizes, sizes[0] * -(-sizes[1] // CHUNK))


# ---- short rows ---------------------------------------------------------------------------------


def _short(rows: _Rows) -> Callable[[Writer, LibraryKernel], None]:
    def write(k: Writer, kernel: LibraryKernel) -> None:
        n = k.sizes[1]
        keys, order = k.shared(0, rows.kind), k.shared(SHORT * rows.key_bytes, I32)
        room = k.variable(1)
        with k.loop(lambda: room.get() < n):
            room.set(room.get() * 2)
        for row in k.each(k.block, k.sizes[0], k.blocks):
            for i in k.each(k.thread, room.get(), k.threads):
                found = k.variable(-1, rows.kind)
                with k.when(i < n):
                    found.set(rows.key(k, row * n + i))
                keys[i] = found.get()
                order[i] = i.to(I32)
            k.barrier()
            _bitonic(k, keys, order, room.get())
            length = rows.length(k.sizes)
            for i in k.each(k.thread, length, k.threads):
                rows.give(k, row, i, order[i].to(I64))
            k.barrier()

    return write


def _bitonic(k: Writer, keys: Memory, order: Memory, room: Number) -> None:
    """Sorts a power of two of pairs in shared memory."""
    span = k.variable(2)
    with k.loop(lambda: span.get() <= room):
        away = k.variable(span.get() >> 1)
        with k.loop(lambda: away.get() > 0):
            for i in k.each(k.thread, room, k.threads):
                other = i ^ away.get()
                with k.when(i < other):
                    _exchange(k, keys, order, i, other, (i & span.get()).equals(0))
            k.barrier()
            away.set(away.get() >> 1)
        span.set(span.get() * 2)


def _exchange(
    k: Writer, keys: Memory, order: Memory, i: Number, other: Number, upwards: Number
) -> None:
    first, second, here, there = keys[i], keys[other], order[i], order[other]
    greater = second.below(first) | (first.equals(second) & there.below(here))
    with k.when(greater.equals(upwards)):
        keys[i], keys[other] = second, first
        order[i], order[other] = there, here


# ---- long rows ----------------------------------------------------------------------------------


def _keys(rows: _Rows) -> Callable[[Writer, LibraryKernel], None]:
    def write(k: Writer, kernel: LibraryKernel) -> None:
        keys, order = rows.keys(k, 0), rows.order(k, 0)
        for i in k.each(k.block * THREADS + k.thread, k.sizes[0] * k.sizes[1],
                        k.blocks * THREADS):
            keys[i] = rows.key(k, i)
            order[i] = (i % k.sizes[1]).to(I32)

    return write


def _place(k: Writer) -> tuple[Number, Number, Number, Number]:
    """Row and chunk of the block, the number of chunks, and the chunk's first element."""
    chunks = (k.sizes[1] + (CHUNK - 1)) // CHUNK
    row, chunk = k.block // chunks, k.block % chunks
    return row, chunk, chunks, chunk * CHUNK


def _digit(word: Number, digit: int) -> Number:
    return (word >> (8 * digit)).to(I8).to(I64)


def _count(rows: _Rows, digit: int) -> Callable[[Writer, LibraryKernel], None]:
    def write(k: Writer, kernel: LibraryKernel) -> None:
        row, chunk, chunks, first = _place(k)
        keys, found, counts = rows.keys(k, digit % 2), k.shared(0, I32), rows.counts(k)
        found[k.thread] = 0
        k.barrier()
        last = k.choose(first + CHUNK < k.sizes[1], first + CHUNK, k.sizes[1])
        for i in k.each(first + k.thread, last, THREADS):
            found.add(_digit(keys[row * k.sizes[1] + i], digit), 1)
        k.barrier()
        counts[(row * DIGITS + k.thread) * chunks + chunk] = found[k.thread]

    return write


def _add_up(rows: _Rows) -> Callable[[Writer, LibraryKernel], None]:
    """A thread for each digit: its counts become how many elements come before, in the row."""
    def write(k: Writer, kernel: LibraryKernel) -> None:
        chunks = (k.sizes[1] + (CHUNK - 1)) // CHUNK
        counts, sums = rows.counts(k), k.shared(0, I32)
        first = (k.block * DIGITS + k.thread) * chunks
        own = k.variable(0, I32)
        for i in k.each(0, chunks):
            own.set(own.get() + counts[first + i])
        sums[k.thread] = own.get()
        k.barrier()
        before = k.variable(0, I32)
        for other in k.each(0, k.thread):
            before.set(before.get() + sums[other])
        for i in k.each(0, chunks):
            number = counts[first + i]
            counts[first + i] = before.get()
            before.set(before.get() + number)

    return write


def _move(rows: _Rows, digit: int) -> Callable[[Writer, LibraryKernel], None]:
    def write(k: Writer, kernel: LibraryKernel) -> None:
        row, chunk, chunks, first = _place(k)
        start = row * k.sizes[1]
        here, there = digit % 2, 1 - digit % 2
        keys, order = rows.keys(k, here), rows.order(k, here)
        new_keys, new_order = rows.keys(k, there), rows.order(k, there)
        base, of_warps = k.shared(0, I32), k.shared(4 * DIGITS, I32)
        base[k.thread] = rows.counts(k)[(row * DIGITS + k.thread) * chunks + chunk]
        for turn in k.each(0, CHUNK // THREADS):
            i = first + turn * THREADS + k.thread
            exists = i < k.sizes[1]
            word = k.variable(0, rows.kind)
            with k.when(exists):
                word.set(keys[start + i])
            own = _digit(word.get(), digit)
            before = _rank(k, own, exists, of_warps)
            with k.when(exists):
                place = start + base[own].to(I64) + before.get()
                new_keys[place] = word.get()
                new_order[place] = order[start + i]
            k.barrier()
            total = k.variable(base[k.thread], I32)
            for warp in k.each(0, WARPS):
                total.set(total.get() + of_warps[warp * DIGITS + k.thread])
            base[k.thread] = total.get()
            k.barrier()

    return write


def _rank(k: Writer, own: Number, exists: Number, of_warps: Memory) -> Variable:
    """How many threads of the block before this one have its digit."""
    peers = k.ballot(exists)
    for bit in range(8):
        says = ((own >> bit) & 1).differs(0)
        those = k.ballot(says)
        peers = peers & k.choose(says, those, ~those)
    in_warp = k.count_bits(peers & k.lanes_before())
    for warp in k.each(0, WARPS):
        of_warps[warp * DIGITS + k.thread] = 0
    k.barrier()
    warp = k.thread >> 5
    with k.when(exists & in_warp.equals(0)):
        of_warps[warp * DIGITS + own] = k.count_bits(peers).to(I32)
    k.barrier()
    before = k.variable(in_warp)
    for other in k.each(0, warp):
        before.set(before.get() + of_warps[other * DIGITS + own].to(I64))
    return before


def _give(rows: _Rows) -> Callable[[Writer, LibraryKernel], None]:
    def write(k: Writer, kernel: LibraryKernel) -> None:
        order, length = rows.order(k, rows.dtype.size % 2), rows.length(k.sizes)
        total = k.sizes[0] * length
        for i in k.each(k.block * THREADS + k.thread, total, k.blocks * THREADS):
            row, place = i // length, i % length
            rows.give(k, row, place, order[row * k.sizes[1] + place].to(I64))

    return write
