"""Places of sparse elements as numbers: row-major positions, sorting by them, merging equal ones.

What the functions on sparse tensors share. All of it is made of ordinary ops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure
from graphflow.sparse_tensor import SparseTensor


def known_rank(op: str, name: str | None, sparse: SparseTensor) -> int:
    """The rank of a SparseTensor. Raises ShapeError if it is not known while building."""
    rank = sparse.rank
    if rank is None:
        raise failure(op, name, f"the rank of {sparse!r} must be known",
                      "Give sparse_placeholder a shape, such as [None, 10].", ShapeError)
    return rank


def positive_axis(op: str, name: str | None, axis: int, rank: int) -> int:
    """`axis` counted from the front. Raises AttributeValueError if it is outside."""
    if not -rank <= axis < rank:
        raise failure(op, name, f"axis {axis} is outside [{-rank}, {rank})")
    return axis + rank if axis < 0 else axis


def positions(indices: Any, sizes: Any) -> Any:
    """Row-major positions int64 [n] of index vectors [n, rank] in an array of `sizes` [rank]."""
    strides = F.cumprod(sizes, exclusive=True, reverse=True)
    return F.reduce_sum(indices * F.expand_dims(strides, 0), axis=1)


def places(numbers: Any, sizes: Any) -> Any:
    """Index vectors [n, rank] of row-major positions [n]."""
    strides = F.cumprod(sizes, exclusive=True, reverse=True)
    return F.expand_dims(numbers, 1) // F.expand_dims(F.maximum(strides, 1), 0) % F.expand_dims(
        F.maximum(sizes, 1), 0)


def columns(indices: Any, axes: Sequence[int]) -> Any:
    """Some columns of index vectors: [n, len(axes)]."""
    if not axes:
        return indices[:, :0]
    return F.stack([indices[:, axis] for axis in axes], axis=1)


def entries(sizes: Any, axes: Sequence[int]) -> Any:
    """Some entries of a vector of sizes: [len(axes)]."""
    return F.stack([sizes[axis] for axis in axes]) if axes else sizes[:0]


def picked(values: Any, where: Any, name: str | None = None) -> Any:
    """values[where] of a vector, with a dense gradient (that of a gather is IndexedSlices)."""
    return F.gather(F.reshape(values, [-1]), where, name=name)


def in_order(sparse: SparseTensor, name: str | None = None) -> SparseTensor:
    """The elements in row-major order; equal places keep their order."""
    order = F.argsort(positions(sparse.indices, sparse.dense_shape), stable=True)
    return SparseTensor(F.gather(sparse.indices, order),
                        picked(sparse.values, order, name), sparse.dense_shape)


def kept(sparse: SparseTensor, keep: Any, name: str | None = None) -> SparseTensor:
    """The elements whose entry in the bool vector `keep` is true."""
    where = F.where(keep)[:, 0]
    return SparseTensor(F.gather(sparse.indices, where),
                        picked(sparse.values, where, name), sparse.dense_shape)


def grouped(numbers: Any) -> tuple[Any, Any, Any]:
    """(different numbers in rising order, the order that sorts `numbers`, the group of each).

    With x in that order, `unsorted_segment_sum(x, group, size(different))` adds up the equal ones.
    """
    order = F.argsort(numbers, stable=True)
    found = F.unique(F.gather(numbers, order), out_idx=dt.int64)
    return found.y, order, found.idx
