"""Shapes and symbolic sizes as plain values, and back.

A known size is an integer, an unknown one the text of its symbol, any other expression
`{"sum": [[coefficient, [[atom, power], …]], …]}`, where an atom is a symbol or `[function, a, b]`.
Unknowns without a name (`?7`) are numbered in order of first use. Reading never joins a symbol of
the file to one that exists: names are looked up in a table of what the file itself introduced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.dims import (
    Dim,
    SymDim,
    add,
    broadcast_dims,
    ceildiv,
    dim_max,
    dim_min,
    floordiv,
    fresh,
    fresh_integer,
    mul,
    symbol_name,
)
from graphflow.dims.polynomial import Atom
from graphflow.dtypes import ALL, DType
from graphflow.errors import GraphflowError, LoadError
from graphflow.export.plain import as_kind, number, shown
from graphflow.inference import TensorType
from graphflow.shapes import MOST_AXES, UNKNOWN_SHAPE, TensorShape

MAX_ELEMENTS = 2**48
_MAX_TERMS = 16
_MAX_POWER = 8
_MAX_NESTING = 8
_INTEGER = "?int"


def _broadcast(a: Dim, b: Dim) -> Dim:
    merged = broadcast_dims(a, b)
    if merged is None:
        raise LoadError(f"the sizes {a} and {b} cannot be broadcast together.")
    return merged


_FUNCTIONS: dict[str, Callable[[Any, Any], Dim]] = {
    "floordiv": floordiv, "ceildiv": ceildiv, "max": dim_max, "min": dim_min,
    "broadcast": _broadcast,
}


class SizeWriter:
    """Sizes as plain values; unknowns without a name are numbered as they come."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def shape(self, shape: TensorShape) -> Any:
        """None for an unknown rank, else a list of sizes."""
        return None if shape.rank is None else [self.size(d) for d in shape.sizes]

    def size(self, size: Dim) -> Any:
        """One size."""
        if not isinstance(size, SymDim):
            return size
        if name := symbol_name(size):
            return self._name(name)
        return {"sum": [[coefficient, [[self._atom(a), power] for a, power in monomial]]
                        for monomial, coefficient in size.terms]}

    def _atom(self, atom: Atom) -> Any:
        if isinstance(atom, str):
            return self._name(atom)
        return [atom[0], *(self.size(a) for a in atom[1:])]

    def _name(self, name: str) -> str:
        if not name.startswith("?"):
            return name
        kind = _INTEGER if name.startswith(_INTEGER) else "?"
        return self._names.setdefault(name, f"{kind}{len(self._names)}")

    def type(self, kind: TensorType) -> list[Any]:
        """[element type, shape]."""
        return [kind.dtype.name, self.shape(kind.shape)]


def open_shape(shape: TensorShape) -> Any:
    """A shape of which only the known sizes are kept, None for the others."""
    return None if shape.rank is None else shape.as_list()


class SizeReader:
    """Sizes from plain values. `symbols` maps the names of the file to sizes of the new graph."""

    def __init__(self) -> None:
        self.symbols: dict[str, Dim] = {}

    def shape(self, plain: Any, where: str) -> TensorShape:
        """A shape. Raises LoadError."""
        if plain is None:
            return UNKNOWN_SHAPE
        return checked(
            TensorShape.of(self.size(d, where) for d in _axes(plain, where)), where)

    def type(self, plain: Any, where: str) -> TensorType:
        """An element type and shape. Raises LoadError."""
        pair = as_kind(plain, list, where)
        if len(pair) != 2:
            raise LoadError(f"{where}: a type is [element type, shape], got {shown(pair)}.")
        return TensorType(dtype_of(pair[0], where), self.shape(pair[1], where))

    def size(self, plain: Any, where: str, depth: int = 0) -> Dim:
        """One size. Raises LoadError."""
        if isinstance(plain, str):
            return self._symbol(plain)
        if isinstance(plain, dict):
            try:
                return self._sum(plain, where, depth)
            except (GraphflowError, ArithmeticError, AttributeError, TypeError) as error:
                if isinstance(error, LoadError):
                    raise
                raise LoadError(f"{where}: {shown(plain)} is no size ({error}).") from error
        return number(plain, where, MAX_ELEMENTS)

    def _symbol(self, name: str) -> Dim:
        known = self.symbols.get(name)
        if known is None:
            known = fresh_integer() if name.startswith(_INTEGER) else fresh()
            self.symbols[name] = known
        return known

    def _sum(self, plain: dict[str, Any], where: str, depth: int) -> Dim:
        terms = as_kind(plain.get("sum"), list, where)
        if depth > _MAX_NESTING or len(terms) > _MAX_TERMS:
            raise LoadError(f"{where}: an expression of sizes is too large.")
        total: Dim = 0
        for term in terms:
            coefficient, factors = as_kind(term, list, where)
            product: Dim = number(coefficient, where, 2**31, -2**31)
            for atom, power in as_kind(factors, list, where)[:_MAX_TERMS]:
                for _ in range(number(power, where, _MAX_POWER + 1, 1)):
                    product = mul(product, self._atom(atom, where, depth))
            total = add(total, product)
        if isinstance(total, int) and not 0 <= total < MAX_ELEMENTS:
            raise LoadError(f"{where}: {total} is no size.")
        return total

    def _atom(self, plain: Any, where: str, depth: int) -> Dim:
        if isinstance(plain, str):
            return self._symbol(plain)
        function, *arguments = as_kind(plain, list, where)
        if function not in _FUNCTIONS or len(arguments) != 2:
            raise LoadError(f"{where}: {shown(plain)} is no function of sizes.")
        return _FUNCTIONS[function](*(self.size(a, where, depth + 1) for a in arguments))


def _axes(plain: Any, where: str) -> list[Any]:
    axes = as_kind(plain, list, where)
    if len(axes) > MOST_AXES:
        raise LoadError(f"{where}: {len(axes)} axes, the limit is {MOST_AXES}.")
    return axes


def closed_shape(plain: Any, where: str) -> TensorShape:
    """What `open_shape` wrote, every unknown size a new one. Raises LoadError."""
    if plain is None:
        return UNKNOWN_SHAPE
    return checked(TensorShape.of(
        fresh() if d is None else number(d, where, MAX_ELEMENTS)
        for d in _axes(plain, where)), where)


def checked(shape: TensorShape, where: str) -> TensorShape:
    """`shape`, whose known sizes multiply to a number of elements that memory could hold."""
    count = 1
    for size in shape.sizes if shape.rank is not None else ():
        if isinstance(size, int):
            count *= max(size, 1)
    if count > MAX_ELEMENTS:
        raise LoadError(f"{where}: the shape {shape} has more than 2**48 elements.")
    return shape


_DTYPES = {dtype.name: dtype for dtype in ALL}


def dtype_of(name: Any, where: str) -> DType:
    """The element type `name`. Raises LoadError.

    It is looked up in a table: NumPy parses texts that are given for types, as Python even.
    """
    found = _DTYPES.get(as_kind(name, str, where))
    if found is None:
        raise LoadError(f"{where}: {shown(name)} is no element type.")
    return found
