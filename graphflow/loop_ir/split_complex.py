"""Complex numbers leave kernels: each becomes two real numbers, for emitters know no others.

Input: a kernel with buffers, accumulators and expressions of any dtype. Output: one that computes
the same without complex dtypes. A complex buffer becomes one of its parts, element k at 2k and
2k + 1: that is how NumPy lays complex numbers out, so the kernel runs over the same memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from graphflow.errors import ProgramError
from graphflow.loop_ir.approximations import RealLeaf, expand
from graphflow.loop_ir.approximations import split_complex as split
from graphflow.loop_ir.expr import Expr, build, walk
from graphflow.loop_ir.nest import (
    Begin,
    Fold,
    Kernel,
    Loop,
    Statement,
    Store,
    Update,
    accumulator,
    expressions,
    load,
)

PARTWISE = (None, "add", "sub")


def split_complex(kernel: Kernel) -> Kernel:
    """The kernel with real and imaginary parts in place of complex numbers.

    Expressions come out in basic ops, as `expand` gives them. A loop in lanes that stores complex
    numbers becomes a plain one: its parts lie side by side, and lanes store contiguously only.
    A kernel without complex numbers is returned as it is.

    Raises ProgramError if a store combines complex numbers by anything but `add` and `sub`:
    the parts of a product depend on both parts of the old value, which a store does not see.
    """
    statements = list(_all(kernel.body))
    if not any(p.dtype.is_complex for p in kernel.buffers) and not _holds_complex(
        *(e for s in statements for e in expressions(s))
    ):
        return kernel
    buffers = tuple(replace(p, dtype=p.dtype.real_dtype) if p.dtype.is_complex else p
                    for p in kernel.buffers)
    return replace(kernel, buffers=buffers, body=_Splitter(kernel, statements).body(kernel.body))


def basic_parts(*exprs: Expr) -> list[Expr]:
    """The basic ops that expressions come to, one part after the other; to look at, not to run.

    It does not say which part belongs to which expression, nor where an `arg` of complex dtype
    is to be found.
    """
    def leaf(node: Expr) -> tuple[Expr, Expr]:
        if node.op == "load":
            return interleaved(node)
        part = node.dtype.real_dtype
        real, imag = (build(node.op, dtype=part, attr=2 * node.attr + k) for k in range(2))
        return real, imag

    return [part for e in exprs for part in _parts(e, leaf)]


def interleaved(node: Expr) -> tuple[Expr, Expr]:
    """The two parts of a complex element, as loads from a buffer of parts."""
    (offset,) = node.args
    part = node.dtype.real_dtype
    return load(node.attr, offset * 2, part), load(node.attr, offset * 2 + 1, part)


def _parts(expr: Expr, leaf: RealLeaf) -> tuple[Expr, ...]:
    """The expression in basic ops, as two parts if it is complex."""
    if expr.dtype.is_complex:
        return split(expr, leaf)
    return (expand(expr, leaf if _holds_complex(expr) else None),)


def _holds_complex(*exprs: Expr) -> bool:
    return any(node.dtype.is_complex for node in walk(*exprs))


def _all(body: Iterable[Statement]) -> Iterator[Statement]:
    for statement in body:
        yield statement
        if isinstance(statement, Loop):
            yield from _all(statement.body)


def _accumulators(statement: Statement) -> tuple[int, ...]:
    """The accumulators that a statement sets."""
    if isinstance(statement, Fold):
        return (*statement.into, *statement.right)
    if isinstance(statement, (Begin, Update)):
        return tuple(n for n, _ in statement.accumulators)
    return ()


class _Splitter:
    """Splits the statements of one kernel.

    The real part of accumulator n keeps the number n; imaginary parts are numbered behind them.
    """

    def __init__(self, kernel: Kernel, statements: Iterable[Statement]) -> None:
        self._kernel = kernel
        self._behind = 1 + max((n for s in statements for n in _accumulators(s)), default=0)

    def body(self, statements: Iterable[Statement]) -> tuple[Statement, ...]:
        return tuple(made for s in statements for made in self._statement(s))

    def _statement(self, statement: Statement) -> Iterable[Statement]:
        if isinstance(statement, Loop):
            return (replace(
                statement, extent=self._real(statement.extent), body=self.body(statement.body),
                lanes=statement.lanes and not self._stores_complex(statement)),)
        if isinstance(statement, Store):
            return self._store(statement)
        if isinstance(statement, Fold):
            return (self._fold(statement),)
        return (replace(statement, accumulators=tuple(
            pair for n, value in statement.accumulators
            for pair in zip(self._numbers(n, value), self._parts(value)))),)

    def _store(self, store: Store) -> Iterable[Statement]:
        values, offset = self._parts(store.value), self._real(store.offset)
        where = None if store.where is None else self._real(store.where)
        if len(values) == 1:
            return (replace(store, offset=offset, value=values[0], where=where),)
        if store.combine not in PARTWISE:
            raise ProgramError(
                f"kernel: a store cannot combine complex numbers by {store.combine!r}. Load the "
                "old value through a parameter that only reads the buffer.")
        return (replace(store, offset=offset * 2, value=values[0], where=where),
                replace(store, offset=offset * 2 + 1, value=values[1], where=where))

    def _fold(self, fold: Fold) -> Fold:
        def numbers(old: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(n for k, e in zip(old, fold.lifted) for n in self._numbers(k, e))

        return replace(
            fold, extent=self._real(fold.extent), into=numbers(fold.into),
            right=numbers(fold.right), lifted=self._all_parts(fold.lifted),
            merged=self._all_parts(fold.merged), identity=self._all_parts(fold.identity))

    def _stores_complex(self, loop: Loop) -> bool:
        return any(isinstance(s, Store) and self._kernel.buffers[s.buffer].dtype.is_complex
                   for s in _all(loop.body))

    # ---- expressions ------------------------------------------------------------------------

    def _numbers(self, number: int, value: Expr) -> tuple[int, ...]:
        """The accumulators that hold the parts of what accumulator `number` holds."""
        return (number, self._behind + number) if value.dtype.is_complex else (number,)

    def _parts(self, expr: Expr) -> tuple[Expr, ...]:
        return _parts(expr, self._leaf)

    def _all_parts(self, exprs: Iterable[Expr]) -> tuple[Expr, ...]:
        return tuple(part for e in exprs for part in self._parts(e))

    def _real(self, expr: Expr) -> Expr:
        (part,) = self._parts(expr)
        return part

    def _leaf(self, node: Expr) -> tuple[Expr, Expr]:
        if node.op == "load":
            return interleaved(node)
        part = node.dtype.real_dtype
        real, imag = self._numbers(node.attr, node)
        return accumulator(real, part), accumulator(imag, part)
