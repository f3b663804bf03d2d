"""Binary search, and the walk back through a beam search: a thread for each result."""

from __future__ import annotations

from graphflow.codegen.cpu.memory import I32, I64
from graphflow.codegen.cuda.library.elements import bits_of, key
from graphflow.codegen.cuda.library.parts import Form, Forms, blocks_for
from graphflow.codegen.cuda.library.writer import THREADS, Writer
from graphflow.codegen.library import LibraryKernel


def search_sorted(kernel: LibraryKernel) -> Forms:
    """See `kernels/searching.py`. Sizes: rows, their length, values for each; behind equals?"""
    return Forms((Form("search", _search, lambda s: blocks_for(s[0] * s[2])),))


def _search(k: Writer, kernel: LibraryKernel) -> None:
    dtype = kernel.buffers[0].dtype
    count, n, m, behind = k.sizes
    rows, values = k.buffer(0, bits_of(dtype)), k.buffer(1, bits_of(dtype))
    kind = bits_of(kernel.buffers[2].dtype)
    places = k.buffer(2, kind)
    for i in k.each(k.block * THREADS + k.thread, count * m, k.blocks * THREADS):
        wanted = key(values, i, dtype)
        first = (i // m) * n
        place, rest = k.variable(first), k.variable(n)
        with k.loop(lambda rest=rest: rest.get() > 0):
            half = rest.get() >> 1
            found = key(rows, place.get() + half, dtype)
            right = found.below(wanted) | (behind.differs(0) & found.equals(wanted))
            place.set(k.choose(right, place.get() + half + 1, place.get()))
            rest.set(k.choose(right, rest.get() - half - 1, half))
        places[i] = (place.get() - first).to(kind)


def gather_tree(kernel: LibraryKernel) -> Forms:
    """See `kernels/gather_tree.py`. Sizes: times, batch, beams."""
    return Forms((Form("walk", _walk, lambda s: blocks_for(s[1] * s[2])),))


def _walk(k: Writer, kernel: LibraryKernel) -> None:
    times, batch, beams = k.sizes
    ids, parents, lengths, ends, out = (k.buffer(n, I32) for n in range(5))
    end = ends[0]
    for i in k.each(k.block * THREADS + k.thread, batch * beams, k.blocks * THREADS):
        row, beam = i // beams, i % beams
        given = lengths[row].signed(I64)
        length = k.choose(given < times, given, times)
        for time in k.each(0, times):
            out[(time * batch + row) * beams + beam] = end
        source, step = k.variable(beam), k.variable(length - 1)
        with k.loop(lambda step=step: step.get() >= 0):
            place = (step.get() * batch + row) * beams
            with k.when(source.get().below(beams)):
                out[place + beam] = ids[place + source.get()]
                source.set(parents[place + source.get()].signed(I64))
            step.set(step.get() - 1)
        over = k.variable(0)
        for time in k.each(0, length):
            place = (time * batch + row) * beams + beam
            with k.when(over.get().differs(0)):
                out[place] = end
            with k.when(out[place].equals(end)):
                over.set(1)
