"""What sizes are made of, and whether a Program's sizes are legal once they are numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from graphflow.dims import Dim, SymDim, evaluate_dim
from graphflow.errors import GraphflowError
from graphflow.lowering import Host, Leaf, Pointwise, Reduce, Region, State
from graphflow.opdef import Infer, RunError, TensorType
from graphflow.program import Node, Value
from graphflow.shapes import TensorShape

Numbers = Mapping[str, int]


@lru_cache(maxsize=4096)
def _symbols(dim: SymDim) -> frozenset[str]:
    found: set[str] = set()
    for monomial, _ in dim.terms:
        for atom, _ in monomial:
            found |= {atom} if isinstance(atom, str) else symbols_of(atom[1:])
    return frozenset(found)


def symbols_of(dims: Iterable[Any]) -> set[str]:
    """The names of the unknowns that sizes depend on."""
    found: set[str] = set()
    for dim in dims:
        if isinstance(dim, SymDim):
            found |= _symbols(dim)
    return found


def concrete(sizes: Iterable[Dim], numbers: Numbers) -> tuple[int, ...]:
    """The sizes as numbers. Raises KeyError if an unknown is missing."""
    return tuple(evaluate_dim(d, numbers) for d in sizes)


class SizeGuards:
    """The conditions on sizes under which compiled code may run.

    Inference with symbols takes for granted what it cannot decide: that a reshape keeps the
    number of elements, that a slice lies inside. With numbers at hand it is asked again. Beside
    that, compiled elementwise code needs to know which sizes are one: a size that turns out to be
    one where that was not known is refused.
    """

    def __init__(self, source: Iterable[Node], compiled: Iterable[Node]) -> None:
        self._nodes = [(n, _node_symbols(n)) for n in source if _undecided(n)]
        self._pairs: list[tuple[Dim, Dim, set[str]]] = []
        for node in compiled:
            lowering = node.opdef.lowering
            if isinstance(lowering, Pointwise):
                self._pairs += _broadcast_pairs(node.inputs, node.outputs[0])
            elif isinstance(lowering, Reduce) and lowering.undoes_broadcast:
                self._pairs += _broadcast_pairs(node.outputs, node.inputs[0])

    def hold(self, numbers: Numbers, before: frozenset[str]) -> bool:
        """True if the sizes are legal as far as they are known.

        before: the unknowns that were known at an earlier stage; what follows from them alone has
        been asked already.
        """
        known = numbers.keys()
        for small, full, symbols in self._pairs:
            if symbols <= known and not symbols <= before and (
                evaluate_dim(small, numbers) != evaluate_dim(full, numbers)
            ):
                return False
        return all(_legal(node, numbers) for node, symbols in self._nodes
                   if symbols <= known and not symbols <= before)


def _node_symbols(node: Node) -> set[str]:
    found: set[str] = set()
    for value in (*node.inputs, *node.outputs):
        found |= symbols_of(value.shape.sizes if value.shape.rank is not None else ())
    for value in node.inputs:
        if value.symbolic_value is not None and value.symbolic_value.dtype == object:
            found |= symbols_of(value.symbolic_value.ravel().tolist())
    return found


def _undecided(node: Node) -> bool:
    """True if inference could say something else once sizes are numbers."""
    if isinstance(node.opdef.lowering, (Pointwise, Leaf, State, Region, Host)):
        return False
    return all(v.shape.rank is not None for v in (*node.inputs, *node.outputs)) and bool(
        _node_symbols(node))


def measured_shapes(
    node: Node, numbers: Numbers, given: Mapping[Value, np.ndarray]
) -> list[tuple[int, ...]] | None:
    """The shapes of a node's results from values of its inputs; None if the op refuses them."""
    if not all(symbols_of(v.shape.sizes) <= numbers.keys() for v in node.inputs):
        return None
    types = [TensorType(v.dtype, TensorShape.of(concrete(v.shape.sizes, numbers)))
             for v in node.inputs]
    try:
        made = node.opdef.infer(Infer(
            node.opdef, types, node.attrs, [given.get(v) for v in node.inputs], None, None))
    except (GraphflowError, RunError):
        return None
    found: list[tuple[int, ...]] = []
    for kind, out in zip(made, node.outputs):
        sizes = () if kind.shape.rank is None else kind.shape.sizes
        known = tuple(int(d) for d in sizes if isinstance(d, int))
        if kind.shape.rank != out.shape.rank or known != sizes or min(known, default=0) < 0:
            return None
        found.append(known)
    return found


def _legal(node: Node, numbers: Numbers) -> bool:
    types = [TensorType(v.dtype, TensorShape.of(concrete(v.shape.sizes, numbers)))
             for v in node.inputs]
    values = [_value(v, numbers) for v in node.inputs]
    try:
        made = node.opdef.infer(Infer(node.opdef, types, node.attrs, values, None, None))
    except (GraphflowError, RunError):
        return False
    return all(
        _agrees(kind.shape.sizes, concrete(out.shape.sizes, numbers))
        for kind, out in zip(made, node.outputs))


def _agrees(found: Iterable[Dim], taken: Iterable[int]) -> bool:
    return all(t >= 0 and (isinstance(f, SymDim) or int(f) == t) for f, t in zip(found, taken))


def _value(value: Value, numbers: Numbers) -> np.ndarray | None:
    symbolic = value.symbolic_value
    if symbolic is None or symbolic.dtype != object:
        return symbolic
    items = concrete(symbolic.ravel().tolist(), numbers)
    return np.array(items, np.int64).reshape(symbolic.shape)


def _broadcast_pairs(
    values: Iterable[Value], to: Value
) -> list[tuple[Dim, Dim, set[str]]]:
    """(size of a value, size of `to`) where they must be equal but are not one symbol."""
    full = to.shape
    if full.rank is None:
        return []
    pairs = []
    for value in values:
        if value.shape.rank is None:
            continue
        for small, large in zip(reversed(value.shape.sizes), reversed(full.sizes)):
            one = not isinstance(small, SymDim) and small == 1
            if not one and not (small is large or small == large):
                pairs.append((small, large, symbols_of((small, large))))
    return pairs
