"""Which loops of a kernel the members of a team can divide among themselves.

Input: a kernel. Output: its *units*, statements that run one after the other, and for each unit
the depths at which its loops can be divided. A loop can be divided if its turns are independent:
no accumulator goes from one to the next, and each store goes to a place that its index tells
apart. At one depth all loops with such stores are divided, each by itself; whatever stands around
them is done by every member, which is why memory that it writes must be private.

How a loop is divided depends on its extent and the number of members alone, and parts are whole
vectors, so that each element is computed by the same instructions whoever computes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from graphflow.loop_ir.affine import slope
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.nest import (
    Begin,
    Fold,
    Kernel,
    Loop,
    Statement,
    Store,
    Update,
    expressions,
)

DEPTHS = 3       # loops further inside are too short to be divided
MOST_UNITS = 32  # kernels of more are not divided

Path = tuple[Loop | Fold, ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """Statements of a kernel that are divided alike.

    Attributes:
      body: the statements.
      depths: those at which they can be divided, each with the loops that are.
    """

    body: tuple[Statement, ...]
    depths: dict[int, frozenset[int]]


def units(kernel: Kernel) -> tuple[Unit, ...]:
    """The units of a kernel, in order: one for each outermost loop, if they are not too many."""
    parts = _parts(kernel.body)
    if len(parts) > MOST_UNITS:
        return (Unit(kernel.body, {}),)
    return tuple(Unit(part, _depths(kernel, part)) for part in parts)


def width_of(kernel: Kernel, body: tuple[Statement, ...], vector_bytes: int) -> int:
    """The lanes of a loop: a vector of the widest elements that it touches."""
    sizes = [p.dtype.size for p in kernel.buffers] or [4]
    used = [kernel.buffers[n].dtype.size for n in _touched(body)] or sizes
    return max(2, vector_bytes // max(used))


def turns_of_a_part(kernel: Kernel, loop: Loop, vector_bytes: int) -> int:
    """How many turns of a loop are never divided: those that run side by side."""
    return width_of(kernel, loop.body, vector_bytes) * loop.lanes if loop.lanes else 1


def loops_of(body: Iterable[Statement]) -> Iterator[Loop]:
    """All loops, the outer ones first."""
    for statement in body:
        if isinstance(statement, Loop):
            yield statement
            yield from loops_of(statement.body)


def walk_statements(
    body: Iterable[Statement], path: Path = ()
) -> Iterator[tuple[Statement, Path]]:
    """All statements but loops, each with the loops around it, the outermost first."""
    for statement in body:
        if isinstance(statement, Loop):
            yield from walk_statements(statement.body, (*path, statement))
        else:
            yield statement, (*path, statement) if isinstance(statement, Fold) else path


def _parts(body: tuple[Statement, ...]) -> list[tuple[Statement, ...]]:
    """The statements of each unit: a loop, or what is held together by accumulators."""
    parts: list[tuple[Statement, ...]] = []
    joined = False
    for statement in body:
        alone = isinstance(statement, Loop) and not _accumulators_from_outside((statement,))
        if alone or not joined:
            parts.append((statement,))
        else:
            parts[-1] = (*parts[-1], statement)
        joined = not alone
    return parts


def _depths(kernel: Kernel, body: tuple[Statement, ...]) -> dict[int, frozenset[int]]:
    found: dict[int, frozenset[int]] = {}
    for depth in range(1, DEPTHS + 1):
        loops = _divisible_at(kernel, body, depth)
        if loops is None:
            continue
        if any(_may_be_long(x) for x in loops_of(body) if x.number in loops):
            found[depth] = loops
    return found


def _may_be_long(loop: Loop) -> bool:
    return not (loop.extent.op == "const" and loop.extent.attr < 2)


def _divisible_at(
    kernel: Kernel, body: tuple[Statement, ...], depth: int
) -> frozenset[int] | None:
    """The loops at a depth that hold all stores to shared memory; None if they cannot."""
    divided: dict[int, Loop] = {}
    for statement, path in walk_statements(body):
        if not isinstance(statement, Store) or kernel.buffers[statement.buffer].private:
            continue
        loop = path[depth - 1] if len(path) >= depth else None
        if not isinstance(loop, Loop) or not _tells_apart(statement.offset, loop.number):
            return None
        divided[loop.number] = loop
    if not divided or not all(map(_independent, divided.values())):
        return None
    return frozenset(divided) if _keeps_private(kernel, body, divided.keys()) else None


def _keeps_private(
    kernel: Kernel, body: tuple[Statement, ...], divided: Collection[int]
) -> bool:
    """True if each member has written what it reads of its private memory.

    Either all members write all of it, outside of the divided loops, or one divided loop both
    writes and reads it. (A value has two parameters: all private memory is looked at as one.)
    """
    stores: set[int | None] = set()
    loads: set[int | None] = set()
    for statement, path in walk_statements(body):
        around = next((x.number for x in path if x.number in divided), None)
        if isinstance(statement, Store) and kernel.buffers[statement.buffer].private:
            stores.add(around)
        if any(n.op == "load" and kernel.buffers[n.attr].private
               for n in walk(*expressions(statement))):
            loads.add(around)
    return stores <= {None} or (len(stores) == 1 and loads <= stores)


def _independent(loop: Loop) -> bool:
    """True if no accumulator goes through the turns, and the extent is there from the start."""
    plain = all(n.op not in ("index", "load", "accumulator") for n in walk(loop.extent))
    return plain and not _accumulators_from_outside(loop.body)


def _tells_apart(offset: Expr, number: int) -> bool:
    """True if turns with different indices may be known to store to different places.

    `Footprints` makes sure of it when the sizes are there.
    """
    if any(n.op == "load" for n in walk(offset)):
        return any(digit.op == "index" and digit.attr == number for digit, _ in digits(offset))
    step = slope(offset, number)
    return step is not None and not (step.op == "const" and step.attr == 0)


def digits(offset: Expr) -> list[tuple[Expr, Expr | None]]:
    """An offset of the form ((i·B + j)·C + k)… as indices and axes: (k, C), (j, B), (i, None)."""
    found: list[tuple[Expr, Expr | None]] = []
    while offset.op == "add" and offset.args[0].op == "mul":
        above, digit = offset.args
        offset, axis = above.args
        found.append((digit, axis))
    found.append((offset, None))
    return found


def _accumulators_from_outside(body: Sequence[Statement]) -> bool:
    """True if statements use accumulators that they do not begin."""
    return _outside(body, set())


def _outside(body: Sequence[Statement], begun: set[int]) -> bool:
    for statement in body:
        if isinstance(statement, Loop):
            if _outside(statement.body, set(begun)):
                return True
            continue
        own = set(statement.right) if isinstance(statement, Fold) else set()
        used = {n.attr for n in walk(*expressions(statement)) if n.op == "accumulator"}
        if isinstance(statement, Fold):
            used |= set(statement.into)
        if isinstance(statement, Update):
            used |= {n for n, _ in statement.accumulators}
        if not used <= begun | own:
            return True
        if isinstance(statement, Begin):
            begun |= {n for n, _ in statement.accumulators}
    return False


def _touched(body: tuple[Statement, ...]) -> set[int]:
    """The buffers that statements load from or store to."""
    found: set[int] = set()
    for statement in body:
        if isinstance(statement, Store):
            found.add(statement.buffer)
        for expr in expressions(statement):
            found.update(n.attr for n in walk(expr) if n.op == "load")
        if isinstance(statement, Loop):
            found |= _touched(statement.body)
    return found
