"""Code that stands apart: functions of scalar expressions, over the lanes of a kernel.

A tile of sums is stored by one statement for each of its rows, and each may apply the same
activation. Where that is long, its code is one function that all of them call: the kernel is
compiled in a fraction of the time, and runs as fast, since the sums would be spilled by so much
inlined code as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from graphflow.codegen.cpu.lanes import Lanes, register_type
from graphflow.codegen.cpu.scalars import EMIT
from graphflow.loop_ir.expr import Expr, build, leaves, to_text, walk
from graphflow.loop_ir.nest import Statement, Store

LONG = 12  # operations, from which on a call costs less than the code
SHARERS = 3


@dataclass(frozen=True, slots=True)
class Shared:
    """An expression as a function.

    Attributes:
      result: over `arg(i)`.
      inputs: the expressions that the arguments stand for.
    """

    result: Expr
    inputs: tuple[Expr, ...]


def find_shared(body: Sequence[Statement]) -> dict[Expr, Shared]:
    """The values that stores in a row compute alike from sums, by long expressions."""
    values = [s.value for s in body if isinstance(s, Store)]
    if len(values) < SHARERS:
        return {}
    groups: dict[Expr, dict[Expr, Shared]] = {}
    for value in values:
        shared = _of_sums(value)
        if shared is not None:
            groups.setdefault(shared.result, {})[value] = shared
    return {v: s for group in groups.values() if len(group) >= SHARERS for v, s in group.items()}


def _of_sums(value: Expr) -> Shared | None:
    """The part of an expression that depends on accumulators, if it is long and plain."""
    inner: dict[Expr, None] = {}
    if not any(op == "accumulator" for op, _, _ in leaves(value)):
        return None
    for node in walk(value):
        if node.op in ("rarely", "call"):
            return None
        if any(a in inner or a.op == "accumulator" for a in node.args):
            inner[node] = None
    if len(inner) < LONG:
        return None
    inputs = tuple(dict.fromkeys(
        a for node in inner for a in node.args if a not in inner and a.op != "const"))
    return Shared(over_arguments([value], inputs)[0], inputs)


def over_arguments(roots: Sequence[Expr], inputs: Sequence[Expr]) -> list[Expr]:
    """Expressions with `arg(i)` in place of input i."""
    table: dict[Expr, Expr] = {
        e: build("arg", dtype=e.dtype, attr=i) for i, e in enumerate(inputs)}
    for root in roots:
        for inner in walk(root):
            if inner not in table:
                args = tuple(table[a] for a in inner.args)
                table[inner] = Expr(inner.op, args, inner.dtype, inner.attr)
    return [table[root] for root in roots]


def function_of(
    module: ir.Module, prefix: str, results: Sequence[Expr], inputs: Sequence[Expr], count: int,
    attributes: Sequence[str] = (),
) -> ir.Function:
    """An internal function `{results} f(inputs)` for that many lanes.

    results: over `arg(i)`. Equal functions of one module are one, whatever kernels they are in.
    """
    text = to_text(*results) + str(count)
    name = f"{prefix}_{hashlib.sha256(text.encode()).hexdigest()[:24]}"
    known = module.globals.get(name)
    if known is not None:
        return known

    def kind(expr: Expr) -> Any:
        scalar = register_type(expr.dtype)
        return ir.VectorType(scalar, count) if count > 1 else scalar

    result = ir.LiteralStructType([kind(e) for e in results])
    function = ir.Function(module, ir.FunctionType(result, [kind(e) for e in inputs]), name)
    function.linkage = "internal"
    for attribute in ("noinline", "nounwind", *attributes):
        function.attributes.add(attribute)
    _emit_body(function, results, count)
    return function


def _emit_body(function: ir.Function, results: Sequence[Expr], count: int) -> None:
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    lanes = Lanes(builder, count)
    values: dict[Expr, Any] = {}
    for node in walk(*results):
        if node.op == "arg":
            values[node] = function.args[node.attr]
        elif node.op == "const":
            values[node] = lanes.number(node)
        else:
            values[node] = EMIT[node.op](lanes, node, *(values[a] for a in node.args))
    made: Any = ir.Constant(function.ftype.return_type, ir.Undefined)
    for position, expr in enumerate(results):
        made = builder.insert_value(made, values[expr], position)
    builder.ret(made)
