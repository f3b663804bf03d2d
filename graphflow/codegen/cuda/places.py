"""Which loops store to places of their own: their turns can run side by side.

A turn's places are its own if the loop's index is a coordinate of each of them (the offset has the
form ((i·B + j)·C + k)…, as `shares.digits` reads it), or if, lengths being known numbers, a turn
moves all places further than they lie apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphflow.codegen.shares import digits, walk_statements
from graphflow.dtypes import int64
from graphflow.loop_ir import b
from graphflow.loop_ir.affine import learn_bounds, stride
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.index_arithmetic import simplified
from graphflow.loop_ir.nest import Loop, Statement, Store

Body = tuple[Statement, ...]


def is_plain(extent: Expr) -> bool:
    """True if an extent follows from the sizes alone."""
    return all(n.op not in ("index", "load", "accumulator") for n in walk(extent))


def is_one(loop: Loop) -> bool:
    """True for a loop of one turn."""
    return loop.extent.op == "const" and loop.extent.attr == 1


@dataclass(frozen=True, slots=True)
class Placed:
    """A store, and the loops around it: (number, extent)."""

    store: Store
    loops: tuple[tuple[int, Expr], ...]


def stores_of(body: Body) -> list[Placed]:
    """The stores, with 0 for the index of a loop of one turn: it is no coordinate."""
    found = [(s, path) for s, path in walk_statements(body) if isinstance(s, Store)]
    zeros: dict[Expr, Expr] = {
        b.index(loop.number): b.const(0, int64) for _, path in found for loop in path
        if isinstance(loop, Loop) and is_one(loop)}
    return [Placed(replace(s, offset=simplified(s.offset, zeros)),
                   tuple((x.number, x.extent) for x in path)) for s, path in found]


def tells_apart(stores: Sequence[Placed], number: int, moved: bool = False) -> bool:
    """True if turns of a loop with different indices never store to one place.

    moved: whatever the turns of the loops around it are; else in one turn of them.
    """
    placed = _changing(stores)
    return _by_coordinate(placed, number) or (not moved and all(
        _by_length([p for p in placed if p.store.buffer == buffer], number)
        for buffer in {p.store.buffer for p in placed}))


def _by_coordinate(placed: Sequence[Placed], number: int) -> bool:
    """True if the index is a coordinate of all places, the same one of each buffer."""
    seen: dict[int, tuple[Expr, int, int, tuple[Expr, ...]]] = {}
    for p in placed:
        store = p.store
        found = _coordinate(store.offset, number)
        if found is None or not _stay_inside(p):
            return False
        known = seen.setdefault(store.buffer, found)
        base, constant, step, axes = found
        if (base, step, axes) != (known[0], known[2], known[3]):
            return False
        if abs(constant - known[1]) >= abs(step):
            return False
    return True


def _stay_inside(placed: Placed) -> bool:
    """False if a coordinate may leave its axis, whose length is a number.

    (An axis of another length is that of a tensor, and so are the coordinates.)
    """
    extents = dict(placed.loops)
    for digit, axis in _places(placed.store.offset):
        if axis is None or axis.op != "const":
            continue
        known: dict[Expr, tuple[int, int] | None] = {}
        for n in (n for n in walk(digit) if n.op == "index"):
            extent = extents.get(n.attr)
            if extent is None or extent.op != "const":
                return False
            known[n] = 0, max(extent.attr - 1, 0)
        found = learn_bounds(digit, known)
        if found is None or found[0] < 0 or found[1] >= axis.attr:
            return False
    return True


def _by_length(placed: Sequence[Placed], number: int) -> bool:
    """True if a turn moves all places further than they lie apart: lengths are known numbers."""
    ranges: list[tuple[int, int]] = []
    for p in placed:
        numbers = [n for n, _ in p.loops]
        inner = dict(p.loops[numbers.index(number) + 1:]) if number in numbers else {}
        known: dict[Expr, tuple[int, int] | None] = {}
        for n in (n for n in walk(p.store.offset) if n.op == "index"):
            extent = inner.get(n.attr)
            if extent is None:
                known[n] = 0, 0
                if len({stride(q.store.offset, n.attr) for q in placed}) > 1 or (
                        stride(p.store.offset, n.attr) is None):
                    return False  # what is around moves places in different ways
            elif extent.op != "const":
                return False
            else:
                known[n] = 0, max(extent.attr - 1, 0)
        found = learn_bounds(p.store.offset, known)
        if found is None:
            return False
        ranges.append(found)
    (step,) = {stride(p.store.offset, number) for p in placed[:1]}
    width = max(high for _, high in ranges) - min(low for low, _ in ranges)
    return step is not None and width < abs(step)


def _changing(stores: Sequence[Placed]) -> list[Placed]:
    """The stores whose order matters: not those of one and the same number to a buffer."""
    numbers: dict[int, set[Expr]] = {}
    for p in stores:
        numbers.setdefault(p.store.buffer, set()).add(p.store.value)
    return [p for p in stores if p.store.combine is not None or p.store.value.op != "const"
            or len(numbers[p.store.buffer]) > 1]


def _coordinate(
    offset: Expr, number: int
) -> tuple[Expr, int, int, tuple[Expr, ...]] | None:
    """The coordinate that an index is: its expression without a constant, the constant, its
    step, and the axes behind it. None if there is none.
    """
    axes: list[Expr] = []
    for digit, axis in _places(offset):
        leaves = {n.attr for n in walk(digit) if n.op == "index"}
        if leaves == {number} and not any(n.op in ("load", "accumulator") for n in walk(digit)):
            step = stride(digit, number)
            if step:
                base, constant = _without_constant(simplified(digit))
                return base, constant, step, tuple(axes)
        if axis is not None:
            axes.append(axis)
    return None


def _places(offset: Expr) -> list[tuple[Expr, Expr | None]]:
    """The coordinates of an offset, without a last one that is a constant.

    So the two parts of a complex number, at 2k and 2k + 1, have the coordinates of the number.
    """
    if offset.op == "mul" and is_plain(offset.args[1]):
        return digits(offset.args[0])
    found = digits(offset)
    if len(found) > 1 and found[0][0].op == "const":
        return found[1:]
    return found


def _without_constant(expr: Expr) -> tuple[Expr, int]:
    if expr.op in ("add", "sub") and expr.args[1].op == "const":
        sign = 1 if expr.op == "add" else -1
        return expr.args[0], sign * expr.args[1].attr
    return expr, 0
