"""Which buffers of a kernel may be the same memory: one that it reads and one that it writes.

A kernel may write over what it reads if each element is read for the last time in the turn that
writes it: every load has the offset of the one store, which no two turns share, and the first one
stands in front of the store or in the same statement. (What a turn has loaded stays in registers
until its end, so that later loads of the same element are none.) A kernel of tiles has a store for
each row of a tile; there each load must have the offset of one of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.nest import Fold, Kernel, Loop, Statement, Store, expressions


def reusable(kernel: Kernel, once: bool = False) -> tuple[tuple[int, int], ...]:
    """The pairs (written buffer, read buffer) that may be one memory, if they have one size.

    once: true for a kernel each of whose elements is stored once, by whichever statement; else
    only buffers that one statement stores to are looked at.
    """
    stores: dict[int, list[tuple[int, Store, frozenset[int]]]] = {}
    loads: dict[int, list[tuple[int, Expr, frozenset[int]]]] = {}
    for position, (statement, loops) in enumerate(_statements(kernel.body, frozenset())):
        if isinstance(statement, Store):
            stores.setdefault(statement.buffer, []).append((position, statement, loops))
        for node in walk(*expressions(statement)):
            if node.op == "load":
                loads.setdefault(node.attr, []).append((position, node.args[0], loops))
    pairs: list[tuple[int, int]] = []
    for written, found in stores.items():
        if len(found) > 1 and not once or not all(map(_tells_apart, found)) or (
                kernel.buffers[written].private):
            continue
        at = {(store.offset, loops): position for position, store, loops in found}
        dtype = kernel.buffers[written].dtype
        pairs += [(written, read) for read, places in loads.items()
                  if kernel.buffers[read].dtype is dtype and _first_read_in_time(places, at)]
    return tuple(pairs)


def _tells_apart(found: tuple[int, Store, frozenset[int]]) -> bool:
    """True if no two turns of a store meet, and each of them stores."""
    _, store, loops = found
    return store.where is None and store.combine is None and loops <= _places(store.offset)


def _first_read_in_time(
    places: list[tuple[int, Expr, frozenset[int]]], stores: dict[tuple[Expr, frozenset[int]], int]
) -> bool:
    """True if each load is from the place of a store, and the first one from there before it."""
    first: dict[tuple[Expr, frozenset[int]], int] = {}
    for position, offset, around in places:
        first.setdefault((offset, around), position)
    return all(key in stores and position <= stores[key] for key, position in first.items())


def updating(kernel: Kernel, written: int, read: int) -> Kernel | None:
    """The kernel without its first statement, if that only copies `read` to `written`.

    It does the same where both are one memory: a scatter then costs no more than its updates.
    None if the kernel is not of that form, or reads the old elements later.
    """
    if len(kernel.body) < 2 or kernel.buffers[written].dtype is not kernel.buffers[read].dtype:
        return None
    inner = kernel.body[0]
    while isinstance(inner, Loop) and len(inner.body) == 1:
        inner = inner.body[0]
    rest = Kernel(kernel.buffers, kernel.sizes, kernel.body[1:])
    copies = isinstance(inner, Store) and inner.buffer == written and inner.where is None and (
        inner.combine is None and inner.value.op == "load" and inner.value.attr == read
        and inner.value.args[0] is inner.offset)
    later = any(node.op == "load" and node.attr == read
                for statement, _ in _statements(rest.body, frozenset())
                for node in walk(*expressions(statement)))
    return rest if copies and not later else None


def _statements(
    body: tuple[Statement, ...], loops: frozenset[int]
) -> Iterator[tuple[Statement, frozenset[int]]]:
    """All statements in order, each with the loops around it."""
    for statement in body:
        yield statement, loops
        if isinstance(statement, (Loop, Fold)):
            inner = statement.body if isinstance(statement, Loop) else ()
            yield from _statements(inner, loops | {statement.number})


def _places(offset: Expr) -> frozenset[int]:
    """The loops whose turns an offset tells apart: their indices occur, and not times zero."""
    if offset.op == "index":
        return frozenset({offset.attr})
    if offset.op == "mul":
        if any(a.op == "const" and a.attr == 0 for a in offset.args):
            return frozenset()
        return frozenset().union(*map(_places, offset.args))
    if offset.op == "add":
        return frozenset().union(*map(_places, offset.args))
    return frozenset()
