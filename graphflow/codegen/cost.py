"""What a kernel costs: its floating-point operations, counted for given sizes; about how long it
takes.

Input: a `Kernel` and its size parameters. Every scalar op with an operand or result of a floating
or complex type counts one, a fused multiply-add two; loads, constants, conversions and selections
count none. An op runs as often as the innermost loop whose index it depends on (that is where the
emitter puts it), and equal ops of one loop run once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from graphflow.errors import ProgramError
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.interpreter import evaluate_all
from graphflow.loop_ir.nest import (
    Fold,
    Kernel,
    Loop,
    Statement,
    Store,
    Update,
    expressions,
)

_FREE = frozenset({"load", "accumulator", "index", "size", "const", "arg", "cast", "bitcast",
                   "select"})

Loops = tuple[Loop | Fold, ...]


def flops(kernel: Kernel, sizes: Sequence[int]) -> int | None:
    """The floating-point operations of one call; None if a loop's extent depends on values."""
    counter = _Counter(sizes)
    try:
        counter.statements(kernel.body, ())
    except ProgramError:
        return None
    return counter.total


def turns(loops: Loops, sizes: Sequence[int]) -> int:
    """How often the innermost of nested loops runs.

    Raises ProgramError if an extent depends on anything but sizes and loop indices.
    """
    return _turns(loops, sizes, {})


def _turns(loops: Loops, sizes: Sequence[int], indices: Mapping[int, int]) -> int:
    if not loops:
        return 1
    first, rest = loops[0], loops[1:]
    count = max(_extent(first.extent, sizes, indices), 0)
    if first.number in _indices(x.extent for x in rest):
        return sum(_turns(rest, sizes, {**indices, first.number: i}) for i in range(count))
    return count * _turns(rest, sizes, indices) if count else 0


def _extent(expr: Expr, sizes: Sequence[int], indices: Mapping[int, int]) -> int:
    if any(node.op in ("load", "accumulator") for node in walk(expr)):
        raise ProgramError("The extent of a loop depends on values.")
    known = [indices.get(n, 0) for n in range(max(indices, default=-1) + 1)]
    return int(evaluate_all([expr], (), known, sizes)[0])


def _indices(exprs: Iterable[Expr]) -> set[int]:
    return {n.attr for n in walk(*exprs) if n.op == "index"}


class _Counter:
    """Walks a kernel's statements and sums up what their ops cost.

    Attributes:
      total: operations so far.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = sizes
        self.total = 0
        self._done: set[tuple[Expr, tuple[int, ...]]] = set()
        self._turns: dict[tuple[int, ...], int] = {}

    def statements(self, body: Iterable[Statement], loops: Loops) -> None:
        """Counts statements inside `loops`, the outermost first."""
        for statement in body:
            if isinstance(statement, Fold):
                inside = (*loops, statement)
                self._count(statement.identity, loops)
                self._count(statement.lifted, inside)
                self._count(statement.merged, inside)
            elif isinstance(statement, Loop):
                self.statements(statement.body, (*loops, statement))
            else:
                self._count(expressions(statement), loops)
                if isinstance(statement, Store) and statement.combine is not None:
                    self._add(_cost_of_combining(statement), loops)

    def _count(self, exprs: Iterable[Expr], loops: Loops) -> None:
        place = {loop.number: k + 1 for k, loop in enumerate(loops)}
        depth: dict[Expr, int] = {}
        changing: set[Expr] = set()  # what holds an accumulator: each statement computes it anew
        for node in walk(*exprs):
            own = place.get(node.attr, 0) if node.op == "index" else 0
            if node.op == "accumulator" or not changing.isdisjoint(node.args):
                changing.add(node)
                own = len(loops)
            depth[node] = max((own, *(depth[a] for a in node.args)))
            cost = _cost(node)
            key = (node, tuple(x.number for x in loops[:depth[node]]))
            if cost and (node in changing or key not in self._done):
                self._done.add(key)
                self._add(cost, loops[:depth[node]])

    def _add(self, cost: int, loops: Loops) -> None:
        key = tuple(x.number for x in loops)
        if key not in self._turns:
            self._turns[key] = turns(loops, self.sizes)
        self.total += cost * self._turns[key]


def _cost(node: Expr) -> int:
    if node.op in _FREE:
        return 0
    kinds = (node.dtype, *(a.dtype for a in node.args))
    if not any(kind.is_floating or kind.is_complex for kind in kinds):
        return 0
    return 2 if node.op == "fma" else 1


def _cost_of_combining(store: Store) -> int:
    return int(store.value.dtype.is_floating or store.value.dtype.is_complex)


# Nanoseconds: an operation on a vector or a scalar, division and the like, a byte of memory.
_OPERATION, _DIVISION, _BYTE = 0.25, 4.0, 0.05
_SLOW = frozenset({"div", "sqrt", "floordiv", "mod", "truncdiv", "truncmod", "pow"})


def time_of_a_turn(statement: Statement) -> float:
    """About how long one turn of a statement takes that is no loop, in nanoseconds.

    Good to a factor of three, which is enough to know what is worth a meeting of threads.
    Addresses cost nothing, as they change little from turn to turn; nor do arms that run rarely.
    """
    total = 0.0
    seen: set[Expr] = set()
    pending = list(expressions(statement))
    if isinstance(statement, Store):
        pending.remove(statement.offset)
        total += _OPERATION
    if isinstance(statement, Update):
        pending = [value for _, value in statement.accumulators]
    while pending:
        node = pending.pop()
        if node in seen or node.op in ("const", "size", "index", "accumulator"):
            continue
        seen.add(node)
        total += _DIVISION if node.op in _SLOW else _OPERATION
        if node.op == "rarely":
            pending += (node.args[0], node.args[2])
        elif node.op != "load":
            pending += node.args
    return total


def time_of_memory(size: int) -> float:
    """About how long a core takes to move so many bytes from or to the caches, in nanoseconds."""
    return size * _BYTE
