"""Kernels as plain data, and kernels whose code is read only if somebody looks at it.

A run needs a kernel's name and parameters; its loop IR is needed to divide large calls among
threads, and to compile it where its object is gone.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from io import BytesIO
from typing import Any, NoReturn

from graphflow.codegen.kept.attributes import plain, restored
from graphflow.codegen.library import LibraryKernel
from graphflow.dtypes import as_dtype
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.nest import (
    Begin,
    BufferParameter,
    Fold,
    Kernel,
    Loop,
    Statement,
    Store,
    Update,
    expressions,
)


class NamedKernel(Kernel):
    """A kernel with the name that `kernel_name` gives it.

    Args:
      name: it.
      buffers, sizes: as of `Kernel`.
      body: statements, or the bytes that `packed` gives for them.

    Attributes:
      answers: what has been found out about it: see `answers.py`.
    """

    __slots__ = ("_body", "answers", "name")
    name: str
    answers: dict[tuple, Any]
    _body: tuple[Statement, ...] | bytes

    def __init__(
        self, name: str, buffers: tuple[BufferParameter, ...], sizes: int,
        body: tuple[Statement, ...] | bytes,
    ) -> None:
        for field, value in (("name", name), ("buffers", buffers), ("sizes", sizes),
                             ("_body", body), ("answers", {})):
            object.__setattr__(self, field, value)

    @property
    def body(self) -> tuple[Statement, ...]:
        """The statements."""
        found = self._body
        if isinstance(found, bytes):
            found = _body_from(unpacked(found))
            object.__setattr__(self, "_body", found)
        return found


def plain_kernel(name: str, kernel: Kernel | LibraryKernel) -> tuple:
    """A kernel as plain data."""
    if isinstance(kernel, LibraryKernel):
        return name, _plain_buffers(kernel.buffers), kernel.sizes, kernel.name
    return name, _plain_buffers(kernel.buffers), kernel.sizes, packed(_plain_body(kernel.body))


def kernel_from(data: tuple) -> Kernel | LibraryKernel:
    """The kernel that `plain_kernel` has written."""
    name, buffers, sizes, code = data
    parameters = tuple([BufferParameter(as_dtype(dtype), written, private)
                        for dtype, written, private in buffers])
    if isinstance(code, str):
        return LibraryKernel(code, parameters, sizes)
    return NamedKernel(name, parameters, sizes, code)


def _plain_buffers(buffers: Sequence[BufferParameter]) -> tuple:
    return tuple([(p.dtype.name, p.written, p.private) for p in buffers])


# ---- bytes --------------------------------------------------------------------------------------


def packed(data: Any) -> bytes:
    """Plain data as bytes."""
    return pickle.dumps(data, protocol=5)


def unpacked(data: bytes) -> Any:
    """The plain data. Raises UnpicklingError if there is anything else in it."""
    return _PlainReader(BytesIO(data)).load()


class _PlainReader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"{module}.{name} is no plain data")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("there is a reference in plain data")


# ---- statements ---------------------------------------------------------------------------------


def _plain_body(body: tuple[Statement, ...]) -> tuple:
    """The nodes of all expressions, operands first, and statements that name them by number."""
    numbers: dict[Expr, int] = {}
    rows = []
    for node in walk(*_all_expressions(body)):
        rows.append((node.op, tuple([numbers[a] for a in node.args]), node.dtype.name,
                     plain(node.attr)))
        numbers[node] = len(numbers)
    return tuple(rows), tuple([_plain_statement(s, numbers) for s in body])


def _all_expressions(body: tuple[Statement, ...]) -> list[Expr]:
    found: list[Expr] = []
    for statement in body:
        found += expressions(statement)
        if isinstance(statement, Loop):
            found += _all_expressions(statement.body)
    return found


def _plain_statement(statement: Statement, numbers: dict[Expr, int]) -> tuple:
    def each(exprs: tuple[Expr, ...]) -> tuple:
        return tuple([numbers[e] for e in exprs])

    if isinstance(statement, Loop):
        return ("loop", statement.number, numbers[statement.extent],
                tuple([_plain_statement(s, numbers) for s in statement.body]), statement.lanes)
    if isinstance(statement, Store):
        where = None if statement.where is None else numbers[statement.where]
        return ("store", statement.buffer, numbers[statement.offset], numbers[statement.value],
                where, statement.combine)
    if isinstance(statement, Fold):
        return ("fold", statement.number, numbers[statement.extent], statement.into,
                statement.right, each(statement.lifted), each(statement.merged),
                each(statement.identity), statement.lanes)
    values = tuple([(n, numbers[e]) for n, e in statement.accumulators])
    if isinstance(statement, Begin):
        return "begin", values
    return "update", values, tuple([(n, numbers[e]) for n, e in statement.soon])


def _body_from(data: tuple) -> tuple[Statement, ...]:
    exprs: list[Expr] = []
    for op, args, dtype, attr in data[0]:
        exprs.append(Expr(op, tuple([exprs[k] for k in args]), as_dtype(dtype), restored(attr)))
    return tuple([_statement_from(s, exprs) for s in data[1]])


def _statement_from(data: tuple, exprs: list[Expr]) -> Statement:
    def each(numbers: tuple[int, ...]) -> tuple[Expr, ...]:
        return tuple([exprs[k] for k in numbers])

    kind, *fields = data
    if kind == "loop":
        number, extent, body, lanes = fields
        return Loop(number, exprs[extent], tuple([_statement_from(s, exprs) for s in body]), lanes)
    if kind == "store":
        buffer, offset, value, where, combine = fields
        return Store(buffer, exprs[offset], exprs[value],
                     None if where is None else exprs[where], combine)
    if kind == "fold":
        number, extent, into, right, lifted, merged, identity, lanes = fields
        return Fold(number, exprs[extent], into, right, each(lifted), each(merged),
                    each(identity), lanes)
    pairs = [tuple([(n, exprs[k]) for n, k in field]) for field in fields]
    return Begin(*pairs) if kind == "begin" else Update(*pairs)
