"""How offsets depend on loop indices."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from graphflow.loop_ir.expr import Expr, build, leaves, walk


def stride(expr: Expr, number: int) -> int | None:
    """How far an offset moves when the index moves by one; None if that is not one constant."""
    if not depends(expr, number):
        return 0
    strides: dict[Expr, Any] = {}
    for node in walk(expr):
        strides[node] = _node_stride(node, number, strides)
    return strides[expr]


def _node_stride(node: Expr, number: int, strides: dict[Expr, Any]) -> int | None:
    if node.op == "index":
        return 1 if node.attr == number else 0
    parts = [strides[a] for a in node.args]
    if all(p == 0 for p in parts):
        return 0
    if any(p is None for p in parts):
        return None
    if node.op == "add":
        return parts[0] + parts[1]
    if node.op == "sub":
        return parts[0] - parts[1]
    if node.op == "mul":
        for p, other in ((parts[0], node.args[1]), (parts[1], node.args[0])):
            if p and other.op == "const":
                return p * other.attr
    return None


def slope(expr: Expr, number: int) -> Expr | None:
    """How far an offset moves when the index moves by one, as an expression without that index.

    None if the offset is not linear in the index.
    """
    found: dict[Expr, Expr | None] = {}  # None: not linear
    flat: set[Expr] = set()
    for node in walk(expr):
        if node.op == "index" and node.attr == number:
            found[node] = build("const", dtype=node.dtype, attr=1)
        elif all(a in flat for a in node.args):
            flat.add(node)
        else:
            found[node] = _node_slope(node, found, flat)
    return None if expr in flat else found[expr]


def _node_slope(
    node: Expr, found: Mapping[Expr, Expr | None], flat: Collection[Expr]
) -> Expr | None:
    parts = [found[a] for a in node.args if a not in flat]
    if any(p is None for p in parts):
        return None
    (first, *rest) = [p for p in parts if p is not None]
    if node.op == "add":
        return first + rest[0] if rest else first
    if node.op == "sub":
        return first - rest[0] if rest else -first if node.args[0] in flat else first
    if node.op == "mul" and not rest:
        other = node.args[0] if node.args[0] in flat else node.args[1]
        return other if first.op == "const" and first.attr == 1 else first * other
    return None


def depends(expr: Expr, number: int) -> bool:
    """True if the expression uses the index of loop `number`."""
    return ("index", number, "int64") in leaves(expr)


def bounds(expr: Expr, known: Mapping[Expr, tuple[int, int]]) -> tuple[int, int] | None:
    """The smallest and largest value of an index expression, from those of its parts.

    `known` gives the bounds of sub-expressions. None if something else is part of it.
    """
    return learn_bounds(expr, dict(known))


def learn_bounds(
    expr: Expr, found: dict[Expr, tuple[int, int] | None]
) -> tuple[int, int] | None:
    """The same, where `found` learns the bounds of all parts, for further questions."""
    if expr not in found:
        found[expr] = _node_bounds(expr, [learn_bounds(a, found) for a in expr.args])
    return found[expr]


def _node_bounds(
    node: Expr, parts: Sequence[tuple[int, int] | None]
) -> tuple[int, int] | None:
    if node.op == "const":
        return node.attr, node.attr
    if not parts or any(p is None for p in parts):
        return None
    (a, c), *rest = [p for p in parts if p is not None]
    if node.op == "neg":
        return -c, -a
    if not rest:
        return None
    d, f = rest[0]
    if node.op == "add":
        return a + d, c + f
    if node.op == "sub":
        return a - f, c - d
    if node.op == "mul":
        products = (a * d, a * f, c * d, c * f)
        return min(products), max(products)
    if node.op in ("floordiv", "mod") and d == f and d > 0:
        return (a // d, c // d) if node.op == "floordiv" else (0, d - 1)
    if node.op == "min":
        return min(a, d), min(c, f)
    if node.op == "max":
        return max(a, d), max(c, f)
    return None
