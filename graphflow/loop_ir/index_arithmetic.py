"""Index expressions made simpler: sums with constants, division by one, what is known at once.

Index maps are written for any stride, dilation and padding; here the parts that do nothing for
the numbers at hand go, so that `affine` sees the rest.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from graphflow.dtypes import bool_ as bool_dtype
from graphflow.dtypes import int64
from graphflow.loop_ir.builder import b
from graphflow.loop_ir.expr import Expr, walk

_FOLDED: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "neg": operator.neg,
    "min": min, "max": max, "lt": operator.lt, "le": operator.le, "gt": operator.gt,
    "ge": operator.ge, "eq": operator.eq, "ne": operator.ne,
    "floordiv": lambda x, y: x // y if y else 0, "mod": lambda x, y: x % y if y else 0,
    "logical_and": operator.and_, "logical_or": operator.or_,
}


def simplified(expr: Expr, replaced: Mapping[Expr, Expr] | None = None) -> Expr:
    """The same value of int64 or bool in fewer operations, with leaves replaced on the way.

    Nodes of other dtypes stay as they are, but for what stands in them.
    """
    made: dict[Expr, Expr] = dict(replaced or {})
    for node in walk(expr):
        if node not in made:
            args = tuple(made[a] for a in node.args)
            made[node] = _simpler(node, args)
    return made[expr]


def _simpler(node: Expr, args: tuple[Expr, ...]) -> Expr:
    known = node.op in _FOLDED and all(
        a.op == "const" and a.dtype in (int64, bool_dtype) for a in args)
    if known:
        return b.const(_FOLDED[node.op](*(a.attr for a in args)), node.dtype)
    if node.op == "cast" and node.dtype is int64 and args[0].op == "const" and (
        args[0].dtype.is_integer or args[0].dtype.is_bool
    ):
        return b.const(int(args[0].attr), int64)
    if len(args) == 2 and node.dtype is int64:
        x, y = args
        short = _identity(node.op, x, y)
        if short is not None:
            return short
    return Expr(node.op, args, node.dtype, node.attr)


def _identity(op: str, x: Expr, y: Expr) -> Expr | None:
    """x or y where the other one changes nothing; a constant where it decides."""
    left = x.attr if x.op == "const" else None
    right = y.attr if y.op == "const" else None
    if op == "add" and left == 0:
        return y
    if right == 0 and op in ("add", "sub"):
        return x
    if op == "mul" and 0 in (left, right):
        return b.const(0, int64)
    if op == "mul" and left == 1:
        return y
    if right == 1 and op in ("mul", "floordiv"):
        return x
    if right == 1 and op == "mod":
        return b.const(0, int64)
    if op in ("add", "sub") and right is not None and x.op in ("add", "sub"):
        return _together(op, x, right)
    return None


def _together(op: str, x: Expr, right: int) -> Expr | None:
    """(u ± c) ± right as u + (one constant)."""
    u, c = x.args
    if c.op != "const":
        return None
    total = (c.attr if x.op == "add" else -c.attr) + (right if op == "add" else -right)
    return u if total == 0 else u + total
