"""Sizes known by name only, as tensors of the graph: found in the shapes of other tensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F
from graphflow.dims import Dim, SymDim, symbol
from graphflow.tensor import Tensor


def shape_tensor(sizes: Iterable[Dim], sources: Sequence[Tensor]) -> list[Any] | None:
    """`sizes` as numbers and int32 scalars computed from the shapes and values of `sources`.

    None if one of them does not follow from these. Tensors are made in the default graph.
    """
    found = [_size(d, sources) for d in sizes]
    return None if any(f is None for f in found) else found


def _size(size: Dim, sources: Sequence[Tensor]) -> Any:
    if not isinstance(size, SymDim):
        return size
    place = _place(size, sources)
    if place is not None:
        return place
    total: Any = None
    for monomial, coefficient in size.terms:
        product: Any = coefficient
        for atom, power in monomial:
            factor = _atom(atom, size, sources)
            if factor is None:
                return None
            for _ in range(power):
                product = factor if isinstance(product, int) and product == 1 else product * factor
        total = product if total is None else total + product
    return total


def _place(size: SymDim, sources: Sequence[Tensor]) -> Any:
    """The size read off a shape or an integer tensor that has it."""
    for tensor in sources:
        if tensor.shape.rank is not None and size in tensor.shape.sizes:
            return F.shape(tensor)[tensor.shape.sizes.index(size)]
    for tensor in sources:
        value = tensor.symbolic_value
        if value is not None and value.dtype == object and size in value.ravel().tolist():
            flat = F.reshape(tensor, [-1])
            return F.cast(flat[value.ravel().tolist().index(size)], dt.int32)
    return None


_FUNCTIONS = {
    "floordiv": lambda a, b: F.floordiv(a, b),
    "ceildiv": lambda a, b: -F.floordiv(-a, b),
    "max": lambda a, b: F.maximum(a, b),
    "min": lambda a, b: F.minimum(a, b),
    "broadcast": lambda a, b: F.where_v2(F.equal(a, 1), b, a),
}


def _atom(atom: Any, size: SymDim, sources: Sequence[Tensor]) -> Any:
    if isinstance(atom, str):
        named = symbol(atom)
        return None if named == size else _place(named, sources)
    parts = [_size(a, sources) for a in atom[1:]]
    if any(p is None for p in parts):
        return None
    return _FUNCTIONS[atom[0]](*(F.convert_to_tensor(p, dt.int32) for p in parts))
