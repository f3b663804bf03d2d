"""Canonical polynomials with integer coefficients: the form that a symbolic size has.

A polynomial is a tuple of terms `(monomial, coefficient)` in one fixed order, without zeros; a
monomial is a tuple of `(atom, power)`. While one is computed, it is a dict from monomial to
coefficient. What an atom means is not known here: a name, or a tuple of a function's name and its
arguments.
"""

from __future__ import annotations

from typing import Union

Atom = Union[str, tuple]
Monomial = tuple[tuple[Atom, int], ...]
Terms = tuple[tuple[Monomial, int], ...]


def _atom_key(atom: Atom) -> tuple:
    return (0, atom, ()) if isinstance(atom, str) else (1, atom[0], tuple(map(str, atom[1:])))


def _term_key(term: tuple[Monomial, int]) -> tuple:
    return tuple((_atom_key(atom), power) for atom, power in term[0])


def canonical(terms: dict[Monomial, int]) -> Terms:
    """The terms without zeros, in the one order."""
    return tuple(sorted(
        ((m, c) for m, c in terms.items() if c), key=_term_key, reverse=True))


def total(a: dict[Monomial, int], b: dict[Monomial, int]) -> dict[Monomial, int]:
    """a + b."""
    terms = dict(a)
    for monomial, coefficient in b.items():
        terms[monomial] = terms.get(monomial, 0) + coefficient
    return terms


def product(a: dict[Monomial, int], b: dict[Monomial, int]) -> dict[Monomial, int]:
    """a · b."""
    terms: dict[Monomial, int] = {}
    for m1, c1 in a.items():
        for m2, c2 in b.items():
            monomial = _multiply(m1, m2)
            terms[monomial] = terms.get(monomial, 0) + c1 * c2
    return terms


def exact_quotient(
    a: dict[Monomial, int], b: dict[Monomial, int]
) -> dict[Monomial, int] | None:
    """a / b if b is one term that divides every term of a, or a itself; else None."""
    if len(b) != 1:
        return {(): 1} if a == b else None
    (divisor, d_coefficient), = b.items()
    quotient: dict[Monomial, int] = {}
    for monomial, coefficient in a.items():
        rest = _divide(monomial, divisor)
        if rest is None or coefficient % d_coefficient:
            return None
        quotient[rest] = quotient.get(rest, 0) + coefficient // d_coefficient
    return quotient


def _multiply(a: Monomial, b: Monomial) -> Monomial:
    powers: dict[Atom, int] = dict(a)
    for atom, power in b:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=lambda item: _atom_key(item[0])))


def _divide(monomial: Monomial, divisor: Monomial) -> Monomial | None:
    powers = dict(monomial)
    for atom, power in divisor:
        left = powers.get(atom, 0) - power
        if left < 0:
            return None
        powers[atom] = left
    return tuple((a, p) for a, p in powers.items() if p)


def text(terms: Terms) -> str:
    """Such as `2*x.0^2+y.1-1`."""
    parts = []
    for monomial, coefficient in terms:
        factors = [_atom_text(a) + (f"^{p}" if p > 1 else "") for a, p in monomial]
        if coefficient != 1 or not factors:
            factors.insert(0, str(coefficient))
        parts.append("*".join(factors))
    return "+".join(parts).replace("+-", "-")


def _atom_text(atom: Atom) -> str:
    if isinstance(atom, str):
        return atom
    return f"{atom[0]}({', '.join(map(str, atom[1:]))})"
