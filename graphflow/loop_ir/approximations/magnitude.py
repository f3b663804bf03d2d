"""How large an expression can be, where its form says so.

It lets expansions leave out what only large arguments need: the angle of a random draw, an index
and a float16 number are never beyond the simple reduction of sines.
"""

from __future__ import annotations

from collections.abc import Callable

from graphflow import dtypes
from graphflow.loop_ir.approximations.floats import INFINITY
from graphflow.loop_ir.expr import Expr

DEPTH = 12  # of the part of an expression that is looked at


def largest(x: Expr) -> float:
    """A bound on |x| for finite x, ∞ if there is none to be seen."""
    return _Bounds().of(x, DEPTH) * 1.001  # for what the rounding of the steps may add


class _Bounds:
    def __init__(self) -> None:
        self._known: dict[tuple[Expr, int], float] = {}

    def of(self, x: Expr, depth: int) -> float:
        key = x, depth
        if key not in self._known:
            bound = self._of_node(x, depth - 1) if depth else INFINITY
            self._known[key] = min(bound, _of_dtype(x))
        return self._known[key]

    def _of_node(self, x: Expr, depth: int) -> float:
        if x.op == "const":
            return float(abs(x.attr)) if x.attr == x.attr else INFINITY
        if x.op == "shr" and x.args[1].op == "const" and x.args[1].attr >= 0:
            return max(1.0, self.of(x.args[0], depth) / 2.0 ** min(x.args[1].attr, 64))
        if x.op == "bit_and" and any(a.op == "const" and a.attr >= 0 for a in x.args):
            return min(float(a.attr) for a in x.args if a.op == "const" and a.attr >= 0)
        if x.op not in _STEPS or _may_wrap(x):
            return INFINITY
        bounds = [self.of(arg, depth) for arg in x.args]
        total = _STEPS[x.op](*bounds)
        return total if total == total else INFINITY  # 0 · ∞


_STEPS: dict[str, Callable[..., float]] = {
    "add": lambda x, y: x + y, "sub": lambda x, y: x + y, "mul": lambda x, y: x * y,
    "fma": lambda x, y, z: x * y + z, "neg": lambda x: x, "abs": lambda x: x,
    "min": max, "max": max, "select": lambda c, x, y: max(x, y), "cast": lambda x: x,
}


def _may_wrap(x: Expr) -> bool:
    """Can a small negative number become a large unsigned one?"""
    signed = x.op == "cast" and not x.args[0].dtype.is_unsigned
    return x.dtype.is_unsigned and (signed or x.op in ("sub", "neg"))


def _of_dtype(x: Expr) -> float:
    """What the dtype alone says. Sums of integers may wrap, but not beyond it."""
    if x.dtype.is_bool:
        return 1.0
    if x.dtype.is_integer:
        return float(max(abs(int(x.dtype.min)), int(x.dtype.max)))
    return float(x.dtype.max) if x.dtype is dtypes.float16 else INFINITY
