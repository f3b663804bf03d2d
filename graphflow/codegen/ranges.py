"""Which index expressions surely stay inside an axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphflow.dims import Dim, same
from graphflow.loop_ir.affine import bounds
from graphflow.loop_ir.expr import Expr

Ranges = Mapping[Any, Any]  # index expression → how many values it runs over, from 0


def surely_inside(index: Expr, dim: Dim, ranges: Ranges, size: Callable[[Dim], Expr]) -> bool:
    """True if 0 ≤ index < dim for all values in `ranges`.

    Ranges are sizes or the expressions that `size` gives for sizes.
    """
    if index in ranges and _same_size(ranges[index], dim, size):
        return True
    known = {i: (0, n - 1) for i, n in ((i, _number(n)) for i, n in ranges.items())
             if n is not None and isinstance(i, Expr)}
    found = bounds(index, known)
    if found is None or found[0] < 0:
        return False
    return isinstance(dim, int) and found[1] < dim  # an axis of unknown size may be empty


def _number(size: Any) -> int | None:
    """A size as an int; None if it is not known."""
    if isinstance(size, Expr):
        return size.attr if size.op == "const" else None
    return int(size) if isinstance(size, int) else None


def _same_size(extent: Any, dim: Dim, size: Callable[[Dim], Expr]) -> bool:
    return extent is size(dim) if isinstance(extent, Expr) else bool(same(extent, dim))
