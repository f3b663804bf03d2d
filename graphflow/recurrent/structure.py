"""Nests of states and outputs: mapping, sizes, zeros, the batch's size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphflow.builder import F, convert
from graphflow.dims import SymDim
from graphflow.dtypes import DType, as_dtype
from graphflow.errors import AttributeValueError, GraphError, ShapeError, describe
from graphflow.ops.nests import Nest
from graphflow.shapes import TensorShape, as_shape


def map_nest(function: Callable[..., Any], first: Any, *others: Any) -> Any:
    """`function` of the leaves at each place of nests of one structure, in that structure.

    Raises GraphError if the structures differ.
    """
    nests = [Nest(first), *map(Nest, others)]
    for nest in nests[1:]:
        require_same(nests[0], nest)
    leaves = [function(*group) for group in zip(*(n.leaves for n in nests))]
    return nests[0].rebuild(leaves)


def require_same(expected: Nest, found: Nest) -> None:
    """Raises GraphError (a ValueError) if two nests have different structures."""
    if not expected.same_structure(found):
        raise GraphError(
            "The two structures don't have the same nested structure: expected "
            f"{expected.describe()}, got {found.describe()}.")


def size_of(size: Any) -> TensorShape:
    """A size of states or outputs (an int, Dimension or TensorShape) as the shape of one row."""
    return as_shape(size)


def zeros_of(sizes: Any, batch_size: Any, dtype: Any) -> Any:
    """Zeros [batch, *size] for each size of a nest.

    batch_size: an int or int32 scalar. dtype: a type, or a nest of them.
    """
    nest = Nest(sizes)
    dtypes = Nest(dtype).leaves
    dtypes = dtypes * len(nest.leaves) if len(dtypes) == 1 else dtypes
    return nest.rebuild([
        F.zeros([batch_size, *size_of(s).known_sizes()], as_dtype(d))
        for s, d in zip(nest.leaves, dtypes)])


def batch_size_of(tensor: Any, axis: int = 0) -> Any:
    """The size of the batch axis: an int if it is known, else an int32 scalar."""
    if tensor.shape.rank is not None:
        size = tensor.shape.sizes[axis]
        if not isinstance(size, SymDim):
            return size
    return F.shape(tensor)[axis]


def state_dtype(dtype: Any, state: Any) -> DType:
    """`dtype`, or by default the one type that all tensors of a state have. Raises ValueError."""
    if dtype is not None:
        return as_dtype(dtype)
    found = [convert(s).dtype for s in Nest(state).leaves]
    if not found:
        raise AttributeValueError("Unable to infer dtype from empty state.")
    if any(d is not found[0] for d in found):
        raise AttributeValueError(
            "State has tensors of different inferred_dtypes. Unable to infer a single "
            "representative dtype.")
    return found[0]


def last_size(shapes: Any, cell: str) -> int:
    """The last size of an input's shape. Raises ShapeError (a ValueError) if it is not known."""
    shape = as_shape(shapes)
    size = None if shape.rank is None else shape.sizes[-1]
    if not isinstance(size, int):
        raise ShapeError(describe(
            cell, None, f"Expected inputs.shape[-1] to be known, saw shape: {shape}",
            fix="Give the inputs a known last size, by placeholder or set_shape."))
    return size


def joined(parts: Sequence[Any]) -> Any:
    """Matrices side by side."""
    return F.concat(list(parts), 1)
