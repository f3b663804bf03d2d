"""Shapes: `TensorShape`, a tuple of sizes that may be symbols, and NumPy's broadcasting of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from graphflow.dims import (
    Dim,
    Dimension,
    SymDim,
    as_dim,
    broadcast_dims,
    equal,
    fresh,
    is_anonymous,
    is_size,
    same,
    simplify,
    wrap,
)
from graphflow.errors import ShapeError

MOST_AXES = 64  # of NumPy's arrays


class TensorShape:
    """The shape of a tensor: a tuple of sizes, or of unknown rank. Immutable.

    `TensorShape(None)` has unknown rank; `TensorShape([None, 784])` an unknown first size.
    Indexing gives a `Dimension` (with `.value`), slicing a `TensorShape`.
    """

    __slots__ = ("_dims",)
    _dims: tuple[Dim, ...] | None

    def __init__(self, dims: Any) -> None:
        self._dims = _dims_from(dims)

    @classmethod
    def of(cls, dims: Iterable[Dim]) -> TensorShape:
        """A shape from plain sizes (`int` or `SymDim`), without checks."""
        self = object.__new__(cls)
        self._dims = tuple(dims)
        return self

    @property
    def rank(self) -> int | None:
        """The number of axes, or None."""
        return None if self._dims is None else len(self._dims)

    ndims = rank

    @property
    def sizes(self) -> tuple[Dim, ...]:
        """The sizes in plain form. Raises ShapeError if the rank is unknown."""
        if self._dims is None:
            raise ShapeError("The rank of this shape is unknown.")
        return self._dims

    @property
    def dims(self) -> list[Any] | None:
        """The sizes as `Dimension`s, or None when the rank is unknown."""
        return None if self._dims is None else [wrap(d) for d in self._dims]

    def as_list(self) -> list[int | None]:
        """The sizes as ints, None where unknown. Raises ShapeError if the rank is unknown."""
        if self._dims is None:
            raise ShapeError("as_list() is not defined on a shape of unknown rank.")
        return [None if isinstance(d, SymDim) else d for d in self._dims]

    def is_fully_defined(self) -> bool:
        """True if every size is a known integer."""
        return self._dims is not None and not any(isinstance(d, SymDim) for d in self._dims)

    def assert_is_fully_defined(self) -> None:
        """Raises ShapeError unless every size is known."""
        self.known_sizes()

    def known_sizes(self) -> tuple[int, ...]:
        """The sizes as ints. Raises ShapeError unless every size is known."""
        known = tuple(d for d in self._dims or () if not isinstance(d, SymDim))
        if self._dims is None or len(known) < len(self._dims):
            raise ShapeError(f"Shape {self} is not fully defined.")
        return known

    def num_elements(self) -> int | None:
        """The number of elements, or None when it is not known."""
        if self._dims is None:
            return None
        count = 1
        for size in self._dims:
            if isinstance(size, SymDim):
                return None
            count *= size
        return count

    def is_compatible_with(self, other: Any) -> bool:
        """True unless ranks or sizes are known to differ.

        While a program is made for given feeds, their sizes are known: what is found is then
        part of what the program is valid for.
        """
        other = as_shape(other)
        if self._dims is None or other._dims is None:
            return True
        return len(self._dims) == len(other._dims) and all(
            same(a, b) is not False for a, b in zip(self._dims, other._dims)
        )

    def assert_is_compatible_with(self, other: Any) -> None:
        """Raises ShapeError if ranks or sizes are known to differ."""
        if not self.is_compatible_with(other):
            raise ShapeError(f"Shapes {self} and {as_shape(other)} are incompatible.")

    def merge_with(self, other: Any) -> TensorShape:
        """The better known of two compatible shapes, size by size. Raises ShapeError."""
        other = as_shape(other)
        self.assert_is_compatible_with(other)
        if self._dims is None:
            return other
        if other._dims is None:
            return self
        return TensorShape.of(
            b if isinstance(a, SymDim) and (not isinstance(b, SymDim) or is_anonymous(a)) else a
            for a, b in zip(self._dims, other._dims)
        )

    def renewed(self) -> TensorShape:
        """The same known sizes; every other size a new unknown, related to nothing.

        What a user calls None in a shape may be another size each time the shape is used.
        """
        if self._dims is None or self.is_fully_defined():
            return self
        return TensorShape.of(fresh() if isinstance(d, SymDim) else d for d in self._dims)

    def concatenate(self, other: Any) -> TensorShape:
        """The axes of this shape, then those of `other`."""
        other = as_shape(other)
        if self._dims is None or other._dims is None:
            return UNKNOWN_SHAPE
        return TensorShape.of(self._dims + other._dims)

    def most_specific_compatible_shape(self, other: Any) -> TensorShape:
        """The sizes that both shapes have, unknown where they differ."""
        other = as_shape(other)
        if self._dims is None or other._dims is None or len(self._dims) != len(other._dims):
            return UNKNOWN_SHAPE
        return TensorShape.of(
            a if equal(a, b) else fresh() for a, b in zip(self._dims, other._dims)
        )

    def assert_has_rank(self, rank: int) -> None:
        """Raises ShapeError if the rank is known and is not `rank`."""
        self.with_rank(rank)

    def assert_same_rank(self, other: Any) -> None:
        """Raises ShapeError if both ranks are known and differ."""
        other = as_shape(other)
        if None not in (self.rank, other.rank) and self.rank != other.rank:
            raise ShapeError(f"Shapes {self} and {other} must have the same rank.")

    def with_rank(self, rank: int) -> TensorShape:
        """This shape if its rank is (or may be) `rank`. Raises ShapeError otherwise."""
        if self._dims is None:
            return unknown_shape(rank)
        if len(self._dims) != rank:
            raise ShapeError(f"Shape {self} must have rank {rank}.")
        return self

    def with_rank_at_least(self, rank: int) -> TensorShape:
        """This shape. Raises ShapeError if its rank is known to be below `rank`."""
        if self._dims is not None and len(self._dims) < rank:
            raise ShapeError(f"Shape {self} must have rank at least {rank}.")
        return self

    def with_rank_at_most(self, rank: int) -> TensorShape:
        """This shape. Raises ShapeError if its rank is known to be above `rank`."""
        if self._dims is not None and len(self._dims) > rank:
            raise ShapeError(f"Shape {self} must have rank at most {rank}.")
        return self

    def __len__(self) -> int:
        if self._dims is None:
            raise ShapeError("A shape of unknown rank has no length.")
        return len(self._dims)

    def __bool__(self) -> bool:
        return self._dims is not None

    def __iter__(self) -> Iterator[Any]:
        return iter([wrap(d) for d in self.sizes])

    def __getitem__(self, key: Any) -> Any:
        if self._dims is None:
            if isinstance(key, slice):
                return UNKNOWN_SHAPE
            return fresh()
        if isinstance(key, slice):
            return TensorShape.of(self._dims[key])
        return wrap(self._dims[key])

    def __eq__(self, other: object) -> bool:
        try:
            return self._dims == as_shape(other)._dims
        except (ShapeError, TypeError):
            return NotImplemented

    def __hash__(self) -> int:
        return hash(self._dims)

    def __reduce__(self) -> tuple:
        return _rebuild_shape, (self._dims,)

    def __repr__(self) -> str:
        return f"TensorShape({self})" if self._dims is not None else "TensorShape(None)"

    def __str__(self) -> str:
        if self._dims is None:
            return "<unknown>"
        return "[" + ", ".join(map(str, self._dims)) + "]"


def _rebuild_shape(dims: tuple[Dim, ...] | None) -> TensorShape:
    return UNKNOWN_SHAPE if dims is None else TensorShape.of(dims)


def _dims_from(dims: Any) -> tuple[Dim, ...] | None:
    if dims is None:
        return None
    if isinstance(dims, TensorShape):
        return dims._dims
    if isinstance(dims, str):
        raise ShapeError(f"A shape must be a sequence of sizes, got {dims!r}.")
    if is_size(dims) or isinstance(dims, Dimension):
        return (simplify(as_dim(dims)),)
    try:
        return tuple(simplify(as_dim(d)) for d in dims)
    except TypeError:
        raise ShapeError(f"A shape must be a sequence of sizes, got {dims!r}.") from None


UNKNOWN_SHAPE = TensorShape(None)
SCALAR = TensorShape.of(())


def as_shape(value: Any) -> TensorShape:
    """A `TensorShape` from a shape, a sequence of sizes, an int, or None (unknown rank)."""
    return value if isinstance(value, TensorShape) else TensorShape(value)


def unknown_shape(rank: int | None = None) -> TensorShape:
    """A shape of which at most the rank is known. Raises ShapeError for more than `MOST_AXES`."""
    return UNKNOWN_SHAPE if rank is None else TensorShape([None] * admitted_rank(rank))


def admitted_rank(rank: int) -> int:
    """The rank, which the length of a vector may have said. Raises ShapeError if it is none."""
    if rank > MOST_AXES:
        raise ShapeError(f"A tensor has at most {MOST_AXES} axes, got {rank}.")
    return rank


def broadcast_shapes(a: TensorShape, b: TensorShape) -> TensorShape | None:
    """NumPy's broadcast of two shapes; None if they can never be broadcast."""
    if a.rank is None or b.rank is None:
        return UNKNOWN_SHAPE
    left, right = a.sizes, b.sizes
    if left == right:
        return a
    if len(left) < len(right):
        left, right = right, left
    out = list(left)
    offset = len(left) - len(right)
    for i, dim in enumerate(right):
        merged = broadcast_dims(left[offset + i], dim)
        if merged is None:
            return None
        out[offset + i] = merged
    return TensorShape.of(out)
