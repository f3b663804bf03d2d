"""Offsets as sums: what changes least comes first, constants last.

Rows of a tile are apart by constants. If offsets are written as one common sum and a constant,
the common part is computed once, and the constant is a part of the machine's addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from graphflow.dtypes import int64
from graphflow.loop_ir import b
from graphflow.loop_ir.expr import Expr, leaves, walk
from graphflow.loop_ir.nest import Begin, Fold, Loop, Statement, Store, Update

Body = tuple[Statement, ...]
Terms = dict[Expr, int]  # factor by what it multiplies


def with_linear_offsets(body: Body) -> Body:
    """The same statements, with the offsets of loads and stores as sums."""
    return _Rewriter().body(body, {})


class _Rewriter:
    def __init__(self) -> None:
        self._made: dict[Expr, Expr] = {}
        self._sums: dict[Expr, tuple[Terms, int]] = {}

    def body(self, body: Body, depths: Mapping[int, int]) -> Body:
        """depths: of the loops around."""
        return tuple(self._statement(s, depths) for s in body)

    def _statement(self, s: Statement, depths: Mapping[int, int]) -> Statement:
        if isinstance(s, Loop):
            return replace(s, body=self.body(s.body, {**depths, s.number: len(depths) + 1}))
        if isinstance(s, Store):
            return replace(s, offset=self._offset(s.offset, depths),
                           value=self._value(s.value, depths))
        if isinstance(s, Fold):
            return s
        values = tuple((n, self._value(e, depths)) for n, e in s.accumulators)
        if isinstance(s, Begin):
            return Begin(values)
        return Update(values, tuple((n, self._offset(e, depths)) for n, e in s.soon))

    def _value(self, expr: Expr, depths: Mapping[int, int]) -> Expr:
        made = self._made
        for node in walk(expr, known=made):
            if node.op == "load":
                args: tuple[Expr, ...] = (self._offset(node.args[0], depths),)
            else:
                args = tuple(made[a] for a in node.args)
            made[node] = node if args == node.args else Expr(node.op, args, node.dtype, node.attr)
        return made[expr]

    def _offset(self, expr: Expr, depths: Mapping[int, int]) -> Expr:
        terms, constant = self._sum(expr)
        total: Expr | None = None
        for atom in sorted(terms, key=lambda a: _depth(a, depths)):
            factor = terms[atom]
            if factor:
                part = atom if factor == 1 else atom * factor
                total = part if total is None else total + part
        if total is None:
            return b.const(constant, int64)
        return total + constant if constant else total

    def _sum(self, expr: Expr) -> tuple[Terms, int]:
        for node in walk(expr, known=self._sums):
            self._sums[node] = self._node_sum(node)
        return self._sums[expr]

    def _node_sum(self, node: Expr) -> tuple[Terms, int]:
        if node.op == "const":
            return {}, node.attr
        if node.op in ("add", "sub") and node.dtype is int64:
            (x, c), (y, d) = (self._sums[a] for a in node.args)
            sign = 1 if node.op == "add" else -1
            terms = dict(x)
            for atom, factor in y.items():
                terms[atom] = terms.get(atom, 0) + sign * factor
            return terms, c + sign * d
        if node.op == "mul" and node.dtype is int64:
            for one, other in (node.args, node.args[::-1]):
                if other.op == "const":
                    x, c = self._sums[one]
                    return {atom: f * other.attr for atom, f in x.items()}, c * other.attr
        return {node: 1}, 0


def _depth(expr: Expr, depths: Mapping[int, int]) -> int:
    return max((depths.get(number, 0) for op, number, _ in leaves(expr) if op == "index"),
               default=0)
