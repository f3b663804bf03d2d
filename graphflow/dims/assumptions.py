"""What may be assumed of sizes while a Program is compiled for given feeds, and its guards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from graphflow.dims.polynomial import Atom
from graphflow.dims.size import Dim, SymDim, equal, opaque, symbol, symbol_name


def evaluate_dim(dim: Any, values: Mapping[str, int]) -> int:
    """The number that `dim` is when its symbols have these `values`. KeyError if one lacks."""
    if not isinstance(dim, SymDim):
        return int(dim)
    total = 0
    for monomial, coefficient in dim.terms:
        product = coefficient
        for atom, power in monomial:
            product *= _evaluate_atom(atom, values) ** power
        total += product
    return total


_ATOM_FUNCTIONS: dict[str, Callable[[int, int], int]] = {
    "floordiv": lambda a, b: a // b,
    "ceildiv": lambda a, b: -(-a // b),
    "max": max,
    "min": min,
    "broadcast": lambda a, b: b if a == 1 else a,
}


def _evaluate_atom(atom: Atom, values: Mapping[str, int]) -> int:
    if isinstance(atom, str):
        return values[atom]
    return _ATOM_FUNCTIONS[atom[0]](*(evaluate_dim(d, values) for d in atom[1:]))


def _plain(dim: Dim) -> bool:
    """True for a number or one symbol, no expression."""
    return not isinstance(dim, SymDim) or bool(symbol_name(dim))


class Assumptions:
    """What one compilation may assume about sizes: their hints and the guards that follow.

    `hints` are the sizes of the feeds at hand. When a decision needs to know whether two sizes
    are equal, it is taken for the hints and written down as a guard `(a, b, equal?)`; the
    compiled program is valid for all feeds whose sizes satisfy the guards.
    """

    def __init__(self, hints: dict[str, int]) -> None:
        self.hints = hints
        self.guards: dict[tuple[Dim, Dim], bool] = {}

    def same(self, a: Dim, b: Dim) -> bool | None:
        """Whether a = b, by a new guard if the symbols have hints."""
        known = equal(a, b)
        if known is not None:
            return known
        try:
            answer = evaluate_dim(a, self.hints) == evaluate_dim(b, self.hints)
        except KeyError:
            return None
        self.guards[(a, b)] = answer
        return answer

    def known(self) -> dict[str, Dim]:
        """What guards say that symbols are: numbers, or the first symbol of those equal to them.

        Two sizes that an op has required to be equal are one symbol when the graph is frozen with
        these in place.
        """
        known: dict[str, Dim] = {}

        def resolved(dim: Dim) -> Dim:
            while isinstance(dim, SymDim) and symbol_name(dim) in known:
                dim = known[symbol_name(dim)]
            return dim

        order = list(self.hints)
        for (a, b), answer in self.guards.items():
            if not answer or not (_plain(a) and _plain(b)):
                continue
            ends = {resolved(a), resolved(b)}
            names = sorted(
                (symbol_name(d) for d in ends if isinstance(d, SymDim)), key=order.index)
            numbers = [d for d in ends if not isinstance(d, SymDim)]
            target: Dim = numbers[0] if numbers else symbol(names.pop(0))
            known.update(dict.fromkeys(names, target))
        return {name: resolved(dim) for name, dim in known.items()}

    def agree(self, guards: Mapping[tuple[Dim, Dim], bool]) -> bool:
        """True if these guards have the same answers for the hints; no if a hint lacks."""
        try:
            return all((evaluate_dim(a, self.hints) == evaluate_dim(b, self.hints)) == answer
                       for (a, b), answer in guards.items())
        except KeyError:
            return False

    def hold_for(self, values: dict[str, int]) -> bool:
        """True if every guard has the same answer for `values`."""
        return all(
            (evaluate_dim(a, values) == evaluate_dim(b, values)) == answer
            for (a, b), answer in self.guards.items()
        )


_local = threading.local()


class assuming:
    """Context manager: decisions inside may use these `Assumptions` (see `same`)."""

    def __init__(self, assumptions: Assumptions | None) -> None:
        self._assumptions = assumptions

    def __enter__(self) -> Assumptions | None:
        self._outer = getattr(_local, "assumptions", None)
        _local.assumptions = self._assumptions
        return self._assumptions

    def __exit__(self, *_: object) -> None:
        _local.assumptions = self._outer


def current_assumptions() -> Assumptions | None:
    """Those of the innermost `assuming`, if there are any."""
    return getattr(_local, "assumptions", None)


def same(a: Dim, b: Dim) -> bool | None:
    """Whether two sizes are equal: yes, no, or (outside a compilation) None for unknown."""
    known = equal(a, b)
    assumptions = getattr(_local, "assumptions", None)
    if known is not None or assumptions is None:
        return known
    return assumptions.same(a, b)


def broadcast_dims(a: Dim, b: Dim) -> Dim | None:
    """The size of a broadcast axis; None if the two can never be broadcast."""
    if not isinstance(a, SymDim) and a == 1:
        return b
    if not isinstance(b, SymDim) and b == 1:
        return a
    answer = same(a, b)
    if answer is True:
        return b if isinstance(a, SymDim) else a
    if answer is False and isinstance(a, SymDim) and same(a, 1):
        return b
    if answer is False and isinstance(b, SymDim) and same(b, 1):
        return a
    if not isinstance(a, SymDim) and not isinstance(b, SymDim):
        return None
    if answer is False:
        return None
    # One of them unknown: if the other is a constant other than 1, the result is that constant
    # whichever way it turns out; two unknowns stay an opaque atom.
    if not isinstance(a, SymDim):
        return a
    if not isinstance(b, SymDim):
        return b
    return opaque("broadcast", *sorted((a, b), key=str))
