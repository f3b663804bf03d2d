"""How offsets depend on loop indices."""

from __future__ import annotations

from typing import Any

from graphflow.loop_ir.expr import Expr, walk


def stride(expr: Expr, number: int) -> int | None:
    """How far an offset moves when the index moves by one; None if that is not one constant."""
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


def depends(expr: Expr, number: int) -> bool:
    """True if the expression uses the index of loop `number`."""
    return any(n.op == "index" and n.attr == number for n in walk(expr))
