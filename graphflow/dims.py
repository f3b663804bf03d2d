"""Sizes that may be symbols: `Dimension`, its arithmetic, and what may be assumed of it.

A size is an integer or a canonical symbolic expression: a polynomial with integer coefficients
over *atoms*, where an atom is a named unknown (`x.0`: axis 0 of placeholder `x`) or an opaque
function of other sizes (`floordiv`, `ceildiv`, `min`, `max`, `broadcast`). Because the form is
canonical, two sizes are equal if they are the same expression, different if they differ by a
non-zero constant, and otherwise unknown: `equal` has three answers.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any, Union

import numpy as np

from graphflow.errors import DTypeError, ShapeError

_serial = itertools.count()


class Dimension:
    """One size of a shape: `KnownDim` (an int) or `SymDim` (a symbolic expression).

    `Dimension(7)` gives a known size, `Dimension(None)` a new unknown one. `.value` is the
    integer, or None when it is not known (as in TensorFlow 1).
    """

    __slots__ = ()

    def __new__(cls, value: Any = None) -> Any:
        return as_dim(value)

    @property
    def value(self) -> int | None:
        return None

    def is_compatible_with(self, other: Any) -> bool:
        """True unless the two sizes are known to differ."""
        return equal(simplify(self), as_dim(other)) is not False

    def assert_is_compatible_with(self, other: Any) -> None:
        """Raises ShapeError if the two sizes are known to differ."""
        if not self.is_compatible_with(other):
            raise ShapeError(f"Dimensions {self} and {other} are not compatible.")

    def merge_with(self, other: Any) -> Any:
        """The better known of two compatible sizes."""
        self.assert_is_compatible_with(other)
        return self if self.value is not None else as_dim(other)


class KnownDim(int, Dimension):
    """A known size: an `int` with `.value`, so that `shape[1].value` works as in TensorFlow 1."""

    __slots__ = ()

    def __new__(cls, value: int) -> KnownDim:
        return int.__new__(cls, value)

    @property
    def value(self) -> int:
        return int(self)

    # What is no size (a float, a tensor) is left to `int`, and so to the other operand.

    def __add__(self, other: Any) -> Any:
        return wrap(add(int(self), other)) if is_size(other) else int.__add__(self, other)

    def __sub__(self, other: Any) -> Any:
        return wrap(sub(int(self), other)) if is_size(other) else int.__sub__(self, other)

    def __rsub__(self, other: Any) -> Any:
        return wrap(sub(other, int(self))) if is_size(other) else int.__rsub__(self, other)

    def __mul__(self, other: Any) -> Any:
        return wrap(mul(int(self), other)) if is_size(other) else int.__mul__(self, other)

    def __floordiv__(self, other: Any) -> Any:
        if not is_size(other):
            return int.__floordiv__(self, other)
        return wrap(floordiv(int(self), other))

    def __rfloordiv__(self, other: Any) -> Any:
        if not is_size(other):
            return int.__rfloordiv__(self, other)
        return wrap(floordiv(other, int(self)))

    def __mod__(self, other: Any) -> Any:
        if not is_size(other):
            return int.__mod__(self, other)
        return wrap(sub(int(self), mul(floordiv(int(self), other), other)))

    def __rmod__(self, other: Any) -> Any:
        return other - (other // self) * self if is_size(other) else int.__rmod__(self, other)

    __radd__ = __add__
    __rmul__ = __mul__

    def __repr__(self) -> str:
        return str(int(self))

    def __str__(self) -> str:
        return str(int(self))


Atom = Union[str, tuple]
Monomial = tuple[tuple[Atom, int], ...]


def _atom_key(atom: Atom) -> tuple:
    return (0, atom, ()) if isinstance(atom, str) else (1, atom[0], tuple(map(str, atom[1:])))


class SymDim(Dimension):
    """A size that is not a constant: a polynomial over atoms. Immutable, hashable, canonical."""

    __slots__ = ("terms", "_hash")
    terms: tuple[tuple[Monomial, int], ...]
    _hash: int

    def __new__(cls, terms: tuple[tuple[Monomial, int], ...]) -> SymDim:
        self = object.__new__(cls)
        object.__setattr__(self, "terms", terms)
        object.__setattr__(self, "_hash", hash(terms))
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("SymDim is immutable")

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SymDim) and self.terms == other.terms

    def __ne__(self, other: object) -> bool | None:  # type: ignore[override]  # as TensorFlow 1
        """True or False where that is known, else None: `if a.shape[0] != b.shape[0]: raise`."""
        if not is_size(other):
            return NotImplemented if other is not None else True
        return _negated(equal(self, other))

    def __lt__(self, other: Any) -> bool | None:
        return _compared(self, other, lambda difference: difference < 0)

    def __le__(self, other: Any) -> bool | None:
        return _compared(self, other, lambda difference: difference <= 0)

    def __gt__(self, other: Any) -> bool | None:
        return _compared(self, other, lambda difference: difference > 0)

    def __ge__(self, other: Any) -> bool | None:
        return _compared(self, other, lambda difference: difference >= 0)

    def __reduce__(self) -> tuple:
        return SymDim, (self.terms,)

    def __add__(self, other: Any) -> Any:
        return add(self, other)

    def __sub__(self, other: Any) -> Any:
        return sub(self, other)

    def __rsub__(self, other: Any) -> Any:
        return sub(other, self)

    def __mul__(self, other: Any) -> Any:
        return mul(self, other)

    def __floordiv__(self, other: Any) -> Any:
        return floordiv(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return floordiv(other, self)

    def __mod__(self, other: Any) -> Any:
        return sub(self, mul(floordiv(self, other), other))

    def __rmod__(self, other: Any) -> Any:
        return sub(other, mul(floordiv(other, self), self))

    def __neg__(self) -> Any:
        return mul(self, -1)

    __radd__ = __add__
    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        if not is_size(other):
            return NotImplemented
        raise DTypeError(f"The size {self} cannot be divided by /; use // for whole sizes.")

    __rtruediv__ = __truediv__

    def __int__(self) -> int:
        raise DTypeError(
            f"The size {self} is not known until the graph runs; "
            "use gf.shape(x)[axis], which is a tensor, instead of int(x.shape[axis])."
        )

    def __repr__(self) -> str:
        return "?" if is_anonymous(self) else _polynomial_text(self)

    __str__ = __repr__


Dim = Union[int, SymDim]


def _compared(a: Any, b: Any, answer: Callable[[int], bool]) -> bool | None:
    """What `answer` says of a − b; None if the difference is not known (as in TensorFlow 1)."""
    if not is_size(b):
        return NotImplemented
    difference = sub(a, b)
    return None if isinstance(difference, SymDim) else answer(difference)


def _negated(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def is_anonymous(dim: SymDim) -> bool:
    return all(isinstance(a, str) and a.startswith("?") for m, _ in dim.terms for a, _ in m)


def _atom_text(atom: Atom) -> str:
    if isinstance(atom, str):
        return atom
    return f"{atom[0]}({', '.join(map(str, atom[1:]))})"


def _polynomial_text(dim: SymDim) -> str:
    parts = []
    for monomial, coefficient in dim.terms:
        factors = [_atom_text(a) + (f"^{p}" if p > 1 else "") for a, p in monomial]
        if coefficient != 1 or not factors:
            factors.insert(0, str(coefficient))
        parts.append("*".join(factors))
    return "+".join(parts).replace("+-", "-")


def symbol(name: str) -> SymDim:
    """The size named `name`; the same name is the same size."""
    return SymDim(((((name, 1),), 1),))


def symbol_name(dim: SymDim) -> str:
    """The name of a size that is one symbol; "" for any other expression."""
    (monomial, coefficient), *others = dim.terms
    if others or coefficient != 1 or len(monomial) != 1 or monomial[0][1] != 1:
        return ""
    atom = monomial[0][0]
    return atom if isinstance(atom, str) else ""


def fresh() -> SymDim:
    """A size that nothing is known of, different from all others."""
    return symbol(f"?{next(_serial)}")


def fresh_integer() -> SymDim:
    """An integer that nothing is known of: unlike a size, it may be negative.

    It stands for a fed number in a vector whose other numbers are known.
    """
    return symbol(f"{_INTEGER}{next(_serial)}")


_INTEGER = "?int"


def as_known_size(value: Dim) -> Dim:
    """`value` as a size: what `fresh_integer` gave becomes a symbol that is never negative."""
    name = symbol_name(value) if isinstance(value, SymDim) else ""
    return symbol("?" + name.removeprefix(_INTEGER)) if name.startswith(_INTEGER) else value


def never_negative(value: Any) -> bool:
    """True if `value` is known to be at least 0, whatever its symbols are."""
    if not isinstance(value, SymDim):
        return value >= 0
    return all(
        coefficient >= 0 and all(_atom_never_negative(a) for a, _ in monomial)
        for monomial, coefficient in value.terms)


def _atom_never_negative(atom: Atom) -> bool:
    if isinstance(atom, str):
        return not atom.startswith(_INTEGER)
    decide = any if atom[0] == "max" else all
    return decide(never_negative(a) for a in atom[1:])


def is_size(value: Any) -> bool:
    return isinstance(value, (int, np.integer, SymDim)) and not isinstance(value, bool)


def as_dim(value: Any) -> Any:
    """A size from an int, None (a fresh unknown) or a Dimension. Raises ShapeError otherwise."""
    if isinstance(value, (SymDim, KnownDim)):
        return value
    if value is None:
        return fresh()
    try:
        number = value.__index__()
    except (AttributeError, TypeError):
        raise ShapeError(f"A size must be an int, None or a Dimension, got {value!r}.") from None
    if number < 0:
        raise ShapeError(
            f"A size must not be negative, got {number}; a size that is not known is None.")
    return KnownDim(number)


def simplify(dim: Any) -> Dim:
    """The plain form inside graphflow: `int` for a known size, `SymDim` otherwise."""
    return dim if isinstance(dim, SymDim) else int(dim)


def wrap(dim: Dim) -> Any:
    return dim if isinstance(dim, SymDim) else KnownDim(dim)


def _terms(value: Any) -> dict[Monomial, int]:
    if isinstance(value, SymDim):
        return dict(value.terms)
    number = int(value)
    return {(): number} if number else {}


def _term_key(term: tuple[Monomial, int]) -> tuple:
    return tuple((_atom_key(atom), power) for atom, power in term[0])


def _canonical(terms: dict[Monomial, int]) -> Dim:
    kept = {m: c for m, c in terms.items() if c}
    if not kept:
        return 0
    if len(kept) == 1 and () in kept:
        return kept[()]
    return SymDim(tuple(sorted(kept.items(), key=_term_key, reverse=True)))


def add(a: Any, b: Any) -> Dim:
    """a + b."""
    if not (is_size(a) and is_size(b)):
        return NotImplemented
    if not isinstance(a, SymDim) and not isinstance(b, SymDim):
        return int(a) + int(b)
    terms = _terms(a)
    for monomial, coefficient in _terms(b).items():
        terms[monomial] = terms.get(monomial, 0) + coefficient
    return _canonical(terms)


def sub(a: Any, b: Any) -> Dim:
    """a − b."""
    if not (is_size(a) and is_size(b)):
        return NotImplemented
    return add(a, mul(b, -1))


def _multiply_monomials(a: Monomial, b: Monomial) -> Monomial:
    powers: dict[Atom, int] = dict(a)
    for atom, power in b:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=lambda item: _atom_key(item[0])))


def mul(a: Any, b: Any) -> Dim:
    """a · b."""
    if not (is_size(a) and is_size(b)):
        return NotImplemented
    if not isinstance(a, SymDim) and not isinstance(b, SymDim):
        return int(a) * int(b)
    terms: dict[Monomial, int] = {}
    right = _terms(b).items()
    for m1, c1 in _terms(a).items():
        for m2, c2 in right:
            monomial = _multiply_monomials(m1, m2)
            terms[monomial] = terms.get(monomial, 0) + c1 * c2
    return _canonical(terms)


def _opaque(name: str, *args: Dim) -> Dim:
    return SymDim((((((name, *args), 1),), 1),))


def _divide_monomial(monomial: Monomial, divisor: Monomial) -> Monomial | None:
    powers = dict(monomial)
    for atom, power in divisor:
        left = powers.get(atom, 0) - power
        if left < 0:
            return None
        powers[atom] = left
    return tuple((a, p) for a, p in powers.items() if p)


def _exact_quotient(a: Dim, b: Dim) -> Dim | None:
    """a / b if b is one term that divides every term of a, else None."""
    divisor = list(_terms(b).items())
    if len(divisor) != 1:
        return 1 if a == b else None
    (d_monomial, d_coefficient), = divisor
    quotient: dict[Monomial, int] = {}
    for monomial, coefficient in _terms(a).items():
        rest = _divide_monomial(monomial, d_monomial)
        if rest is None or coefficient % d_coefficient:
            return None
        rest = _multiply_monomials(rest, ())
        quotient[rest] = quotient.get(rest, 0) + coefficient // d_coefficient
    return _canonical(quotient)


def floordiv(a: Any, b: Any) -> Dim:
    """⌊a / b⌋. Raises ShapeError when b is 0."""
    if not (is_size(a) and is_size(b)):
        return NotImplemented
    if not isinstance(b, SymDim) and int(b) == 0:
        raise ShapeError(f"A size of {a} cannot be divided by 0.")
    if not isinstance(a, SymDim) and not isinstance(b, SymDim):
        return int(a) // int(b)
    exact = _exact_quotient(simplify(a), simplify(b))
    return _opaque("floordiv", simplify(a), simplify(b)) if exact is None else exact


def ceildiv(a: Any, b: Any) -> Dim:
    """⌈a / b⌉."""
    if not isinstance(a, SymDim) and not isinstance(b, SymDim):
        return -(-int(a) // int(b))
    exact = _exact_quotient(simplify(a), simplify(b))
    return _opaque("ceildiv", simplify(a), simplify(b)) if exact is None else exact


def dim_max(a: Any, b: Any) -> Dim:
    """The larger size."""
    difference = sub(a, b)
    if not isinstance(difference, SymDim):
        return simplify(a) if difference >= 0 else simplify(b)
    return _opaque("max", *sorted((simplify(a), simplify(b)), key=str))


def dim_min(a: Any, b: Any) -> Dim:
    """The smaller size."""
    difference = sub(a, b)
    if not isinstance(difference, SymDim):
        return simplify(a) if difference <= 0 else simplify(b)
    return _opaque("min", *sorted((simplify(a), simplify(b)), key=str))


def equal(a: Any, b: Any) -> bool | None:
    """True, False, or None when it depends on sizes that are not known yet."""
    difference = sub(a, b)
    if not isinstance(difference, SymDim):
        return difference == 0
    return None


def evaluate_dim(dim: Any, values: dict[str, int]) -> int:
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


def _evaluate_atom(atom: Atom, values: dict[str, int]) -> int:
    if isinstance(atom, str):
        return values[atom]
    return _ATOM_FUNCTIONS[atom[0]](*(evaluate_dim(d, values) for d in atom[1:]))


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

    def ones(self) -> list[str]:
        """The symbols that a guard says are one."""
        return [symbol_name(a) for (a, b), answer in self.guards.items()
                if answer and isinstance(a, SymDim) and not isinstance(b, SymDim) and b == 1
                and symbol_name(a)]

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
    return _opaque("broadcast", *sorted((a, b), key=str))


def product(dims: Sequence[Dim]) -> Dim:
    """The product of sizes."""
    result: Dim = 1
    for dim in dims:
        result = mul(result, dim)
    return result
