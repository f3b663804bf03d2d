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

from graphflow.loop_ir.expr import Expr, Leaf, leaves, walk
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
DEPTH_BITS = 3   # in a call's mode, below the bits of its units

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
    return _Analysis(kernel).units()


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


class _Analysis:
    """Looks at one kernel, at each of its parts once."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._free: dict[int, frozenset[int]] = {}  # id of a loop → see `_free_of`
        self._reading: dict[int, bool] = {}  # id of a statement → whether it reads private memory
        self._linear: dict[int, dict[Expr, bool | None]] = {}

    def units(self) -> tuple[Unit, ...]:
        parts = self._parts()
        if len(parts) > MOST_UNITS:
            return (Unit(self.kernel.body, {}),)
        return tuple(Unit(part, self._depths(part)) for part in parts)

    def _parts(self) -> list[tuple[Statement, ...]]:
        """The statements of each unit: a loop, or what is held together by accumulators."""
        parts: list[tuple[Statement, ...]] = []
        joined = False
        for statement in self.kernel.body:
            alone = isinstance(statement, Loop) and not self._free_of(statement)
            if alone or not joined:
                parts.append((statement,))
            else:
                parts[-1] = (*parts[-1], statement)
            joined = not alone
        return parts

    def _depths(self, body: tuple[Statement, ...]) -> dict[int, frozenset[int]]:
        statements = list(walk_statements(body))
        found: dict[int, frozenset[int]] = {}
        for depth in range(1, DEPTHS + 1):
            loops = self._divisible_at(statements, depth)
            if any(_may_be_long(x) for x in loops):
                found[depth] = frozenset(x.number for x in loops)
        return found

    def _divisible_at(
        self, statements: Sequence[tuple[Statement, Path]], depth: int
    ) -> Collection[Loop]:
        """The loops at a depth that hold all stores to shared memory; none if they cannot."""
        divided: dict[int, Loop] = {}
        for statement, path in statements:
            if not isinstance(statement, Store) or self._private(statement.buffer):
                continue
            loop = path[depth - 1] if len(path) >= depth else None
            if not isinstance(loop, Loop) or not self._tells_apart(
                    statement.offset, loop.number):
                return ()
            divided[loop.number] = loop
        independent = all(map(self._independent, divided.values()))
        return divided.values() if independent and self._keeps_private(
            statements, divided.keys()) else ()

    def _private(self, buffer: int) -> bool:
        return self.kernel.buffers[buffer].private

    def _keeps_private(
        self, statements: Sequence[tuple[Statement, Path]], divided: Collection[int]
    ) -> bool:
        """True if each member has written what it reads of its private memory.

        Either all members write all of it, outside of the divided loops, or one divided loop
        both writes and reads it. (A value has two parameters: all private memory is looked at
        as one.)
        """
        if not any(p.private for p in self.kernel.buffers):
            return True
        stores: set[int | None] = set()
        loads: set[int | None] = set()
        for statement, path in statements:
            around = next((x.number for x in path if x.number in divided), None)
            if isinstance(statement, Store) and self._private(statement.buffer):
                stores.add(around)
            if self._loads_private(statement):
                loads.add(around)
        return stores <= {None} or (len(stores) == 1 and loads <= stores)

    def _loads_private(self, statement: Statement) -> bool:
        key = id(statement)
        if key not in self._reading:
            self._reading[key] = any(op == "load" and self._private(number)
                                     for op, number, _ in _leaves(statement))
        return self._reading[key]

    def _independent(self, loop: Loop) -> bool:
        """True if no accumulator goes through the turns, and the extent is there at first."""
        plain = all(op not in ("index", "load", "accumulator") for op, _, _ in leaves(loop.extent))
        return plain and not self._free_of(loop)

    def _free_of(self, loop: Loop) -> frozenset[int]:
        """The accumulators that a loop uses and does not begin."""
        key = id(loop)
        if key not in self._free:
            begun: set[int] = set()
            free: set[int] = set()
            for statement in loop.body:
                if isinstance(statement, Loop):
                    free |= self._free_of(statement) - begun
                else:
                    free |= _used_accumulators(statement) - begun
                if isinstance(statement, Begin):
                    begun |= {n for n, _ in statement.accumulators}
            self._free[key] = frozenset(free)
        return self._free[key]

    def _tells_apart(self, offset: Expr, number: int) -> bool:
        """True if turns with different indices may be known to store to different places.

        `Footprints` makes sure of it when the sizes are there.
        """
        if self._is_linear(offset, number):
            return True
        return any(digit.op == "index" and digit.attr == number for digit, _ in digits(offset))

    def _is_linear(self, expr: Expr, number: int) -> bool:
        """True if an expression moves with an index, by the same length in each turn."""
        found = self._linear.setdefault(number, {})
        for node in walk(expr, known=found):
            found[node] = _moves(node, number, [found[a] for a in node.args])
        return found[expr] is True


def _moves(node: Expr, number: int, parts: Sequence[bool | None]) -> bool | None:
    """Whether a node moves with an index; None if it does so in another way than linearly."""
    if node.op == "index":
        return node.attr == number
    if not any(part is not False for part in parts):
        return False
    if None in parts or node.op not in ("add", "sub", "mul"):
        return None
    if node.op == "mul" and any(a.op == "const" and a.attr == 0 for a in node.args):
        return False
    return None if all(parts) else True  # of two that move, one may undo the other


def _may_be_long(loop: Loop) -> bool:
    return not (loop.extent.op == "const" and loop.extent.attr < 2)


def _used_accumulators(statement: Statement) -> set[int]:
    """The accumulators that a statement reads or changes, and does not begin."""
    used = {number for op, number, _ in _leaves(statement) if op == "accumulator"}
    if isinstance(statement, Fold):
        used |= set(statement.into)
        used -= set(statement.right)
    if isinstance(statement, Update):
        used |= {n for n, _ in statement.accumulators}
    return used


def _leaves(statement: Statement) -> Iterator[Leaf]:
    """The leaves of a statement's own expressions."""
    for expr in expressions(statement):
        yield from leaves(expr)


def digits(offset: Expr) -> list[tuple[Expr, Expr | None]]:
    """An offset of the form ((i·B + j)·C + k)… as indices and axes: (k, C), (j, B), (i, None)."""
    found: list[tuple[Expr, Expr | None]] = []
    while offset.op == "add" and offset.args[0].op == "mul":
        above, digit = offset.args
        offset, axis = above.args
        found.append((digit, axis))
    found.append((offset, None))
    return found


def _touched(body: tuple[Statement, ...]) -> set[int]:
    """The buffers that statements load from or store to."""
    found: set[int] = set()
    for statement in body:
        if isinstance(statement, Store):
            found.add(statement.buffer)
        found.update(number for op, number, _ in _leaves(statement) if op == "load")
        if isinstance(statement, Loop):
            found |= _touched(statement.body)
    return found
