"""Checks of values: kernels that set a status word when a compiled op meets a value it refuses.

The ops' own kernels stay safe whatever the values are (indices are clamped, x // 0 is 0); a check
only finds out that something was wrong. The word is one int64 that all checks of a program share:
0, or 1 after a bad value. Who looks at it repeats the run by the reference, which words the error.

Checked are indices that an op loads (Gather, Scatter), integer operands for which an elementwise
op has no result (zero divisors and negative exponents), and what Pointwise and Generate ops say
that they refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from graphflow.codegen.elements import Elements, Index, int64
from graphflow.codegen.ranges import Ranges, surely_inside
from graphflow.dims import Dim
from graphflow.dtypes import DType, int32
from graphflow.dtypes import int64 as int64_dtype
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr, walk
from graphflow.loop_ir.index_arithmetic import simplified
from graphflow.loop_ir.nest import Begin, Fold, Loop, Statement, Store, accumulator
from graphflow.lowering import Gather, Generate, Pointwise, Scatter
from graphflow.opdef import TensorType, lookup
from graphflow.program import Node, Value
from graphflow.shapes import TensorShape

Found = Callable[[Elements, Expr, Index, Sequence[Dim], Value], tuple[Statement, ...]]

DIVISIONS = frozenset({"floordiv", "mod", "truncdiv", "truncmod"})


def status_word() -> Value:
    """The value that stands for the status word in the buffers of checks."""
    kind = TensorType(int64_dtype, TensorShape.of([1]))
    return Node(lookup("Argument"), (), {"index": -1, "type": kind}, [kind], [None], -1, None
                ).outputs[0]


def build_check(
    e: Elements, node: Node, status: Value, found: Found | None = None
) -> tuple[Statement, ...]:
    """Statements that set the status word if `node` meets a bad value; () if it cannot.

    found: makes them, from a condition and the indices and sizes of what it is about.
    """
    lowering = node.opdef.lowering
    if isinstance(lowering, Gather):
        index, sizes = _loops(e, node.outputs[0])
        bad = _bad_gather(e, node, lowering, index)
    elif isinstance(lowering, Scatter):
        index, sizes = _loops(e, node.inputs[lowering.updates])
        bad = _bad_scatter(e, node, lowering, index)
    elif isinstance(lowering, Pointwise):
        refused = _refused(
            lowering, tuple([v.dtype for v in node.inputs]), tuple(node.attrs.items()))
        if refused is None:
            return ()
        index, sizes = _loops(e, node.outputs[0])
        bad = _bad_operand(e, node, refused, index)
    elif isinstance(lowering, Generate) and lowering.refuses is not None:
        index, sizes = (), ()
        bad = lowering.refuses(b, *(e.element(node.inputs[k], ()) for k in lowering.scalars))
    else:
        return ()
    if bad is None or (bad.op == "const" and not bad.attr):
        return ()
    return (found or _any)(e, bad, index, sizes, status)


def _loops(e: Elements, value: Value) -> tuple[Index, Sequence[Dim]]:
    sizes = value.shape.sizes
    return tuple(b.index(e.loop()) for _ in sizes), sizes


def _any(
    e: Elements, bad: Expr, index: Index, sizes: Sequence[Dim], status: Value
) -> tuple[Statement, ...]:
    """Sets the word if `bad` holds anywhere; loops over the indices that it depends on."""
    used = {n for n in walk(bad) if n.op == "index"}
    loops = [(i.attr, size) for i, size in zip(index, sizes) if i in used]
    word = e.buffer(status, written=True)
    one, zero = int64(1), b.const(0, int32)
    if not loops:
        return (Store(word, int64(0), one, bad),)
    found, right = accumulator(0, int32), accumulator(1, int32)
    number, size = loops[-1]
    body: tuple[Statement, ...] = (Fold(
        number, e.size(size), (0,), (1,), (b.cast(bad, int32),), (b.max(found, right),), (zero,),
        lanes=True),)
    for number, size in reversed(loops[:-1]):
        body = (Loop(number, e.size(size), body),)
    return (Begin(((0, zero),)), *body, Store(word, int64(0), one, b.gt(found, 0)))


def _either(a: Expr | None, c: Expr) -> Expr:
    return c if a is None else b.logical_or(a, c)


# ---- indices ------------------------------------------------------------------------------------


def _bad_gather(e: Elements, node: Node, lowering: Gather, index: Index) -> Expr | None:
    ctx = e.context(node)
    loaded = _loaded_axes(lowering.source(index, _marker, ctx))
    source = lowering.source(index, e.loader(node), ctx)
    return _outside(e, source, node.inputs[0], loaded,
                    dict(zip(index, node.outputs[0].shape.sizes)))


def _bad_scatter(e: Elements, node: Node, lowering: Scatter, index: Index) -> Expr | None:
    ctx = e.context(node)
    loaded = _loaded_axes(lowering.target(index, _marker, ctx))
    target = lowering.target(index, e.loader(node), ctx)
    updates = node.inputs[lowering.updates]
    bad = None if lowering.skips_outside else _outside(
        e, target, node.outputs[0], loaded, dict(zip(index, updates.shape.sizes)))
    if lowering.combine == "div" and updates.dtype.is_integer:
        bad = _either(bad, b.eq(e.element(updates, index), 0))
    if bad is None or lowering.keep is None:
        return bad
    return b.logical_and(lowering.keep(index, e.loader(node), ctx), bad)


def _marker(number: int, index: Index) -> Expr:
    """Stands for a loaded index, to find the axes that it reaches."""
    return b.arg(number, int64_dtype)


def _loaded_axes(index: Sequence[object]) -> list[int]:
    return [axis for axis, i in enumerate(index)
            if isinstance(i, Expr) and any(n.op == "arg" for n in walk(i))]


def _outside(
    e: Elements, index: Sequence[object], value: Value, axes: list[int], ranges: Ranges
) -> Expr | None:
    """The condition that an index leaves one of the axes; None if it surely does not."""
    bad: Expr | None = None
    for axis in axes:
        i, dim = simplified(int64(index[axis])), value.shape.sizes[axis]
        if not surely_inside(i, dim, ranges, e.size):
            bad = _either(bad, b.logical_or(b.lt(i, 0), b.ge(i, e.size(dim))))
    return bad


# ---- operands -----------------------------------------------------------------------------------


def _bad_operand(e: Elements, node: Node, refused: Expr, index: Index) -> Expr:
    arguments = [b.arg(i, v.dtype) for i, v in enumerate(node.inputs)]
    elements = [e.element(v, e.broadcast(index, v)) for v in node.inputs]
    return _replaced(refused, dict(zip(arguments, elements)))


@lru_cache(maxsize=1024)
def _refused(
    lowering: Pointwise, dtypes: tuple[DType, ...], attrs: tuple[tuple[str, Any], ...]
) -> Expr | None:
    """The condition under which an elementwise op refuses its operands, the arguments 0, 1, …"""
    arguments = [b.arg(i, dtype) for i, dtype in enumerate(dtypes)]
    made = lowering.body(b, *arguments, **dict(attrs))
    made = made if isinstance(made, tuple) else (made,)
    bad: Expr | None = None
    for scalar in walk(*made):
        condition = _refusal(scalar)
        if condition is not None:
            bad = _either(bad, condition)
    if lowering.refuses is not None:
        bad = _either(bad, lowering.refuses(b, *arguments))
    return bad


def _refusal(scalar: Expr) -> Expr | None:
    """When a scalar op on integers has no result, as a condition; None if it always has one."""
    if not scalar.dtype.is_integer or scalar.op not in DIVISIONS | {"pow"}:
        return None
    operand = scalar.args[1]
    if scalar.op == "pow":
        if operand.dtype.is_unsigned or (operand.op == "const" and operand.attr >= 0):
            return None
        return b.lt(operand, 0)
    if operand.op == "const" and operand.attr != 0:
        return None
    return b.eq(operand, 0)


def _replaced(expr: Expr, table: dict[Expr, Expr]) -> Expr:
    """The expression with other leaves."""
    for node in walk(expr):
        if node not in table:
            args = tuple(table[a] for a in node.args)
            table[node] = node if args == node.args else Expr(
                node.op, args, node.dtype, node.attr)
    return table[expr]
