"""One size of a shape: `Dimension`, an integer or a symbolic expression, and its arithmetic.

The form of an expression is canonical, so two sizes are equal if they are the same expression,
different if they differ by a non-zero constant, and otherwise unknown: `equal` has three answers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from math import gcd
from typing import Any, Union

import numpy as np

from graphflow.dims import polynomial
from graphflow.dims.polynomial import Atom, Monomial, Terms
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


class SymDim(Dimension):
    """A size that is not a constant: a polynomial over atoms. Immutable, hashable, canonical."""

    __slots__ = ("terms", "_hash")
    terms: Terms
    _hash: int

    def __new__(cls, terms: Terms) -> SymDim:
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
        return "?" if is_anonymous(self) else polynomial.text(self.terms)

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


def fresh_number() -> int:
    """A number that no symbol of `fresh` and `fresh_integer` has: `?` before it is a new name."""
    return next(_serial)


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


def _size_of(terms: dict[Monomial, int]) -> Dim:
    kept = polynomial.canonical(terms)
    if not kept:
        return 0
    if len(kept) == 1 and kept[0][0] == ():
        return kept[0][1]
    found = SymDim(kept)
    if len(kept) > _MAX_TERMS or any(abs(c) >= _MAX_COEFFICIENT for _, c in kept):
        return _forgotten(found)
    return found


# A size that takes more to write down says nothing that anybody would use, and operations that
# square it again and again would take for ever.
_MAX_TERMS = 64
_MAX_COEFFICIENT = 2**63
_MAX_TEXT = 1000


def _forgotten(size: SymDim) -> SymDim:
    """A new unknown in the place of a size that is too large an expression."""
    return fresh() if never_negative(size) else fresh_integer()


def known_factor(size: Dim) -> int:
    """The largest number that surely divides a size: of 6·n + 4·m it is 2."""
    return gcd(*(c for _, c in size.terms)) if isinstance(size, SymDim) else int(size)


def add(a: Any, b: Any) -> Dim:
    """a + b."""
    if not (is_size(a) and is_size(b)):
        return NotImplemented
    if not isinstance(a, SymDim) and not isinstance(b, SymDim):
        return int(a) + int(b)
    return _size_of(polynomial.total(_terms(a), _terms(b)))


def sub(a: Any, b: Any) -> Dim:
    """a − b."""
    if not (is_size(a) and is_size(b)):
        return NotImplemented
    return add(a, mul(b, -1))


def mul(a: Any, b: Any) -> Dim:
    """a · b."""
    if not (is_size(a) and is_size(b)):
        return NotImplemented
    if not isinstance(a, SymDim) and not isinstance(b, SymDim):
        return int(a) * int(b)
    return _size_of(polynomial.product(_terms(a), _terms(b)))


def opaque(name: str, *args: Dim) -> Dim:
    """A function of sizes that is not computed any further."""
    found = SymDim((((((name, *args), 1),), 1),))
    return _forgotten(found) if sum(len(str(a)) for a in args) > _MAX_TEXT else found


def _exact_quotient(a: Any, b: Any) -> Dim | None:
    quotient = polynomial.exact_quotient(_terms(a), _terms(b))
    return None if quotient is None else _size_of(quotient)


def floordiv(a: Any, b: Any) -> Dim:
    """⌊a / b⌋. Raises ShapeError when b is 0."""
    if not (is_size(a) and is_size(b)):
        return NotImplemented
    if not isinstance(b, SymDim) and int(b) == 0:
        raise ShapeError(f"A size of {a} cannot be divided by 0.")
    if not isinstance(a, SymDim) and not isinstance(b, SymDim):
        return int(a) // int(b)
    exact = _exact_quotient(a, b)
    return opaque("floordiv", simplify(a), simplify(b)) if exact is None else exact


def ceildiv(a: Any, b: Any) -> Dim:
    """⌈a / b⌉."""
    if not isinstance(a, SymDim) and not isinstance(b, SymDim):
        return -(-int(a) // int(b))
    exact = _exact_quotient(a, b)
    return opaque("ceildiv", simplify(a), simplify(b)) if exact is None else exact


def dim_max(a: Any, b: Any) -> Dim:
    """The larger size."""
    difference = sub(a, b)
    if not isinstance(difference, SymDim):
        return simplify(a) if difference >= 0 else simplify(b)
    return opaque("max", *sorted((simplify(a), simplify(b)), key=str))


def dim_min(a: Any, b: Any) -> Dim:
    """The smaller size."""
    difference = sub(a, b)
    if not isinstance(difference, SymDim):
        return simplify(a) if difference <= 0 else simplify(b)
    return opaque("min", *sorted((simplify(a), simplify(b)), key=str))


def equal(a: Any, b: Any) -> bool | None:
    """True, False, or None when it depends on sizes that are not known yet."""
    if a is b:
        return True
    difference = a - b if type(a) is int and type(b) is int else sub(a, b)
    if not isinstance(difference, SymDim):
        return difference == 0
    return None


def product(dims: Sequence[Dim]) -> Dim:
    """The product of sizes."""
    result: Dim = 1
    for dim in dims:
        result = mul(result, dim)
    return result
