"""Kernels: loops, accumulators and stores around scalar expressions. Emitters read nothing else.

A `Kernel` has typed buffers and run-time sizes as parameters. Its body is a tree of statements;
its expressions use the leaves `index(k)` (the loop with number k), `size(j)` (parameter j),
`load[buffer](offset)` (an element, the offset counted in elements) and `accumulator[n]`.
Loops run from 0 to their extent. Accumulators are variables of a loop: `Begin` sets them, `Update`
changes all of them at once, expressions after the loop see their last values.

Invariants (see `verify_kernel`): a loop number is bound once; an index, accumulator or buffer is
used only where it exists; a buffer is stored to only if it is `written`; types agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Union

from graphflow.dtypes import DType
from graphflow.dtypes import bool_ as bool_dtype
from graphflow.dtypes import int64 as int64_dtype
from graphflow.errors import ProgramError
from graphflow.loop_ir.expr import Expr, build, leaves, to_text


@dataclass(frozen=True, slots=True)
class BufferParameter:
    """One buffer of a kernel.

    Attributes:
      dtype: element type.
      written: True if the kernel stores to it; it then loads from that memory only through
        another parameter, if at all.
      private: True for memory that holds values of one call only, part by part: each member of a
        team that shares the call has its own.
    """

    dtype: DType
    written: bool = False
    private: bool = False


@dataclass(frozen=True, slots=True)
class Store:
    """buffer[offset] = value, unless `where` is false.

    With `combine` (`add`, `sub`, `mul`, `div`, `min`, `max`) the element becomes
    combine(old, value), where `div` truncates integers; such stores keep the order of the loops.
    """

    buffer: int
    offset: Expr
    value: Expr
    where: Expr | None = None
    combine: str | None = None


@dataclass(frozen=True, slots=True)
class Begin:
    """accumulator[n] = value, for new accumulators."""

    accumulators: tuple[tuple[int, Expr], ...]


@dataclass(frozen=True, slots=True)
class Update:
    """accumulator[n] = value, for all at once (values see the old ones).

    Attributes:
      accumulators: the numbers, with their values.
      soon: (buffer, offset) of elements that are read soon, a hint that changes no value; they
        need not exist.
    """

    accumulators: tuple[tuple[int, Expr], ...]
    soon: tuple[tuple[int, Expr], ...] = ()


@dataclass(frozen=True, slots=True)
class Loop:
    """index(number) from 0 to extent − 1.

    Attributes:
      number: of the loop's index.
      extent: int64 expression without this loop's index.
      body: statements.
      lanes: 0 if turns must run in order; otherwise turns are independent, and that many vectors
        of them run side by side (SIMD).
    """

    number: int
    extent: Expr
    body: tuple[Statement, ...]
    lanes: int = 0


@dataclass(frozen=True, slots=True)
class Fold:
    """Reduces over a loop: for each index, right = lifted, then into = merged.

    Attributes:
      number, extent: the loop.
      into: accumulators that exist; they hold the identity, or what was folded before.
      right: numbers of the accumulators that stand for the element in `merged`.
      lifted: one expression per accumulator, over the loop's index.
      merged: one expression per accumulator, over `into` and `right` alone.
      identity: one expression per accumulator, without the loop's index.
      lanes: True if elements may be combined in another order, so that lanes can keep partial
        results; the order is a function of the extent alone.
    """

    number: int
    extent: Expr
    into: tuple[int, ...]
    right: tuple[int, ...]
    lifted: tuple[Expr, ...]
    merged: tuple[Expr, ...]
    identity: tuple[Expr, ...]
    lanes: bool = False


Statement = Union[Store, Begin, Update, Loop, Fold]


@dataclass(frozen=True, slots=True)
class Kernel:
    """A compilable unit.

    Attributes:
      buffers: parameters, by number.
      sizes: the number of int64 parameters.
      body: statements.
    """

    buffers: tuple[BufferParameter, ...]
    sizes: int
    body: tuple[Statement, ...]

    def __str__(self) -> str:
        return kernel_text(self)


def load(buffer: int, offset: Expr, dtype: DType) -> Expr:
    """The element of a buffer."""
    return build("load", offset, dtype=dtype, attr=buffer)


def accumulator(number: int, dtype: DType) -> Expr:
    """The present value of an accumulator."""
    return build("accumulator", dtype=dtype, attr=number)


def combine_op(combine: str, dtype: DType) -> str:
    """The scalar op that a combining store computes."""
    return "truncdiv" if combine == "div" and dtype.is_integer else combine


def changed_accumulators(body: tuple[Statement, ...]) -> list[int]:
    """The accumulators from outside that statements update."""
    found: dict[int, None] = {}
    begun: set[int] = set()
    for statement in body:
        if isinstance(statement, Begin):
            begun.update(n for n, _ in statement.accumulators)
        elif isinstance(statement, Update):
            found.update((n, None) for n, _ in statement.accumulators if n not in begun)
        elif isinstance(statement, Fold):
            found.update((n, None) for n in statement.into if n not in begun)
        elif isinstance(statement, Loop):
            found.update((n, None) for n in changed_accumulators(statement.body)
                         if n not in begun)
    return list(found)


def expressions(statement: Statement) -> Iterator[Expr]:
    """The expressions of one statement itself (not of a loop's body)."""
    if isinstance(statement, Loop):
        yield statement.extent
    elif isinstance(statement, Fold):
        yield statement.extent
        yield from (*statement.identity, *statement.lifted, *statement.merged)
    elif isinstance(statement, Store):
        yield statement.offset
        yield statement.value
        if statement.where is not None:
            yield statement.where
    else:
        yield from (value for _, value in statement.accumulators)
        if isinstance(statement, Update):
            yield from (offset for _, offset in statement.soon)


def kernel_text(kernel: Kernel) -> str:
    """Canonical text: equal kernels give equal text, in any process."""
    lines = [f"buffers {', '.join(_buffer_text(p) for p in kernel.buffers)}",
             f"sizes {kernel.sizes}"]
    for statement in kernel.body:
        _write(statement, lines, 0)
    return "\n".join(lines) + "\n"


def _buffer_text(parameter: BufferParameter) -> str:
    return (parameter.dtype.name + ("!" if parameter.written else "")
            + ("~" if parameter.private else ""))


def _write(statement: Statement, lines: list[str], depth: int) -> None:
    pad = "  " * depth
    text = to_text(*expressions(statement)).replace("\n", f"\n{pad}  ").rstrip()
    if isinstance(statement, Loop):
        lanes = f" lanes {int(statement.lanes)}" if statement.lanes else ""
        lines.append(f"{pad}loop {statement.number}{lanes}")
        lines.append(f"{pad}  {text}")
        for inner in statement.body:
            _write(inner, lines, depth + 1)
        return
    if isinstance(statement, Fold):
        head = (f"fold {statement.number}{' lanes' if statement.lanes else ''} "
                f"{statement.into} {statement.right}")
    elif isinstance(statement, Store):
        head = (f"store {statement.buffer}{' where' if statement.where is not None else ''}"
                f" {statement.combine or 'set'}")
    else:
        kind = "begin" if isinstance(statement, Begin) else "update"
        head = f"{kind} {', '.join(str(n) for n, _ in statement.accumulators)}"
        if isinstance(statement, Update) and statement.soon:
            head += f" soon {', '.join(str(n) for n, _ in statement.soon)}"
    lines.append(f"{pad}{head}")
    lines.append(f"{pad}  {text}")


def verify_kernel(kernel: Kernel) -> None:
    """Raises ProgramError if the kernel breaks an invariant."""
    _Verifier(kernel).statements(kernel.body, frozenset(), {})


class _Verifier:
    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.bound: set[int] = set()

    def statements(
        self, body: tuple[Statement, ...], loops: frozenset[int], accumulators: dict[int, DType]
    ) -> None:
        for statement in body:
            if isinstance(statement, Fold):
                self._fold(statement, loops, accumulators)
                continue
            for expr in expressions(statement):
                self._expr(expr, loops, accumulators)
            if isinstance(statement, Loop):
                self._loop(statement, loops, accumulators)
            elif isinstance(statement, Store):
                self._store(statement)
            elif isinstance(statement, Begin):
                accumulators.update((n, e.dtype) for n, e in statement.accumulators)
            else:
                if any(n >= len(self.kernel.buffers) for n, _ in statement.soon):
                    raise ProgramError("kernel: there is no buffer that is read soon.")
                for n, e in statement.accumulators:
                    if accumulators.get(n) is not e.dtype:
                        raise ProgramError(f"kernel: accumulator {n} does not exist as "
                                           f"{e.dtype.name}.")

    def _fold(
        self, fold: Fold, loops: frozenset[int], accumulators: dict[int, DType]
    ) -> None:
        if fold.number in self.bound:
            raise ProgramError(f"kernel: loop {fold.number} is bound twice.")
        self.bound.add(fold.number)
        for expr in (fold.extent, *fold.identity):
            self._expr(expr, loops, accumulators)
        for expr in fold.lifted:
            self._expr(expr, loops | {fold.number}, accumulators)
        inner = {n: accumulators[n] for n in fold.into if n in accumulators}
        inner |= {n: e.dtype for n, e in zip(fold.right, fold.lifted)}
        for n, expr in zip(fold.into, fold.merged):
            self._expr(expr, frozenset(), inner)
            if accumulators.get(n) is not expr.dtype:
                raise ProgramError(f"kernel: accumulator {n} does not exist as "
                                   f"{expr.dtype.name}.")

    def _loop(
        self, loop: Loop, loops: frozenset[int], accumulators: dict[int, DType]
    ) -> None:
        if loop.number in self.bound:
            raise ProgramError(f"kernel: loop {loop.number} is bound twice.")
        if loop.extent.dtype is not int64_dtype:
            raise ProgramError(f"kernel: the extent of loop {loop.number} is "
                               f"{loop.extent.dtype.name}, not int64.")
        self.bound.add(loop.number)
        self.statements(loop.body, loops | {loop.number}, accumulators)

    def _store(self, store: Store) -> None:
        parameter = self._buffer(store.buffer)
        if not parameter.written:
            raise ProgramError(f"kernel: buffer {store.buffer} is stored to but not written.")
        if store.value.dtype is not parameter.dtype or store.offset.dtype is not int64_dtype:
            raise ProgramError(f"kernel: store of {store.value.dtype.name} at "
                               f"{store.offset.dtype.name} into {parameter.dtype.name}.")
        if store.where is not None and store.where.dtype is not bool_dtype:
            raise ProgramError("kernel: the condition of a store must be bool.")

    def _buffer(self, number: int) -> BufferParameter:
        if number >= len(self.kernel.buffers):
            raise ProgramError(f"kernel: there is no buffer {number}.")
        return self.kernel.buffers[number]

    def _expr(self, expr: Expr, loops: frozenset[int], accumulators: dict[int, DType]) -> None:
        for op, number, dtype in leaves(expr):
            if op == "index" and number not in loops:
                raise ProgramError(f"kernel: index({number}) is used outside its loop.")
            if op == "size" and number >= self.kernel.sizes:
                raise ProgramError(f"kernel: there is no size {number}.")
            if op == "accumulator" and (
                    number not in accumulators or accumulators[number].name != dtype):
                raise ProgramError(f"kernel: accumulator {number} is not set.")
            if op == "load":
                parameter = self._buffer(number)
                if parameter.written or parameter.dtype.name != dtype:
                    raise ProgramError(f"kernel: bad load from buffer {number}.")
            if op == "arg":
                raise ProgramError("kernel: `arg` belongs to op bodies, not to kernels.")
