"""Reductions of sparse tensors over their elements: sums, maxima, softmax.

Only the elements that are there take part: the maximum of −1 and nothing is −1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert, op_function
from graphflow.errors import DTypeError
from graphflow.ops.arguments import failure, renamed, static_ints
from graphflow.ops.scope import scope
from graphflow.ops.sparse_places import (
    columns,
    entries,
    grouped,
    known_rank,
    picked,
    places,
    positions,
    positive_axis,
)
from graphflow.sparse_tensor import SparseTensor, as_sparse

Segments = Callable[[Any, Any, Any], Any]  # values, segment ids, number of segments


def _segment_sum(values: Any, ids: Any, count: Any) -> Any:
    return F.unsorted_segment_sum(values, ids, count)


def _segment_max(values: Any, ids: Any, count: Any) -> Any:
    """The maximum of each segment, 0 for an empty one."""
    there = F.unsorted_segment_max(F.ones_like(ids, dtype=dt.int32), ids, count) > 0
    best = F.unsorted_segment_max(values, ids, count)
    return F.where_v2(there, best, F.zeros_like(best))


class _Axes:
    """The axes that a reduction keeps and sums over, and the sizes of its result."""

    def __init__(self, op: str, name: str | None, sparse: SparseTensor, axis: Any,
                 keepdims: bool) -> None:
        rank = known_rank(op, name, sparse)
        numbers = range(rank) if axis is None else static_ints(op, name, "axis", axis)
        gone = {positive_axis(op, name, a, rank) for a in numbers}
        self.kept = [a for a in range(rank) if a not in gone]
        self.sizes = entries(sparse.dense_shape, self.kept)
        self.numbers = positions(columns(sparse.indices, self.kept), self.sizes)
        self.shape = self.sizes
        if keepdims:
            self.shape = F.stack([convert(np.int64(1)) if a in gone else sparse.dense_shape[a]
                                  for a in range(rank)])
        self._keepdims, self._gone, self._rank = keepdims, gone, rank

    def spread(self, indices: Any) -> Any:
        """Index vectors of the result, from those of the kept axes."""
        if not self._keepdims:
            return indices
        found = iter(range(len(self.kept)))
        zeros = F.zeros_like(indices[:, 0]) if self.kept else F.reshape(
            F.zeros([F.shape(indices)[0]], dt.int64), [-1])
        return F.stack([zeros if a in self._gone else indices[:, next(found)]
                        for a in range(self._rank)], axis=1)


def _dense(
    op: str, segments: Segments, sp_input: Any, axis: Any, keepdims: bool | None,
    reduction_axes: Any, keep_dims: bool | None, name: str | None = None,
) -> Any:
    sparse = as_sparse(sp_input)
    axis = renamed(op, "axis", axis, "reduction_axes", reduction_axes)
    keepdims = renamed(op, "keepdims", keepdims, "keep_dims", keep_dims)
    with scope(name, op) as last:
        axes = _Axes(op, name, sparse, axis, bool(keepdims))
        count = F.reduce_prod(axes.sizes)
        return F.reshape(segments(sparse.values, axes.numbers, count), axes.shape, name=last)


def _sparse(
    op: str, segments: Segments, sp_input: Any, axis: Any, keepdims: bool | None,
    reduction_axes: Any, keep_dims: bool | None,
) -> SparseTensor:
    sparse = as_sparse(sp_input)
    axis = renamed(op, "axis", axis, "reduction_axes", reduction_axes)
    keepdims = renamed(op, "keepdims", keepdims, "keep_dims", keep_dims)
    with scope(None, op) as last:
        axes = _Axes(op, None, sparse, axis, bool(keepdims))
        different, order, group = grouped(axes.numbers)
        count = F.size(different, out_type=dt.int64)
        values = segments(picked(sparse.values, order), group, count)
        return SparseTensor(axes.spread(places(different, axes.sizes)),
                            F.identity(values, name=last), axes.shape)


@op_function
def sparse_reduce_sum(
    sp_input: Any, axis: Any = None, keepdims: bool | None = None, reduction_axes: Any = None,
    keep_dims: bool | None = None,
) -> Any:
    """The sum of a SparseTensor's elements over `axis` (all axes if None), as a dense tensor."""
    return _dense("SparseReduceSum", _segment_sum, sp_input, axis, keepdims, reduction_axes,
                  keep_dims)


@op_function
def sparse_reduce_max(
    sp_input: Any, axis: Any = None, keepdims: bool | None = None, reduction_axes: Any = None,
    keep_dims: bool | None = None,
) -> Any:
    """The maximum of the elements that are there over `axis`, as a dense tensor; 0 of none."""
    return _dense("SparseReduceMax", _segment_max, sp_input, axis, keepdims, reduction_axes,
                  keep_dims)


@op_function
def sparse_reduce_sum_sparse(
    sp_input: Any, axis: Any = None, keepdims: bool | None = None, reduction_axes: Any = None,
    keep_dims: bool | None = None,
) -> SparseTensor:
    """`sparse_reduce_sum` as a SparseTensor of those sums that have elements."""
    return _sparse("SparseReduceSumSparse", _segment_sum, sp_input, axis, keepdims,
                   reduction_axes, keep_dims)


@op_function
def sparse_reduce_max_sparse(
    sp_input: Any, axis: Any = None, keepdims: bool | None = None, reduction_axes: Any = None,
    keep_dims: bool | None = None,
) -> SparseTensor:
    """`sparse_reduce_max` as a SparseTensor of those maxima that have elements."""
    return _sparse("SparseReduceMaxSparse", _segment_max, sp_input, axis, keepdims,
                   reduction_axes, keep_dims)


@op_function
def sparse_softmax(sp_input: Any, name: str | None = None) -> SparseTensor:
    """The softmax of each row of the last axis over the elements that are there.

    sp_input: a SparseTensor of rank 2 or more, float32 or float64. Gradients flow to its values.
    Raises DTypeError for other dtypes, ShapeError for an unknown rank.
    """
    sparse = as_sparse(sp_input)
    if not sparse.dtype.is_floating:
        raise failure("SparseSoftmax", name, f"values must be floats, got {sparse.dtype.name}",
                      "Use gf.cast on the values.", DTypeError)
    rank = known_rank("SparseSoftmax", name, sparse)
    with scope(name, "SparseSoftmax") as last:
        rows = list(range(rank - 1))
        numbers = positions(columns(sparse.indices, rows), entries(sparse.dense_shape, rows))
        found = F.unique(numbers, out_idx=dt.int64)
        count = F.size(found.y, out_type=dt.int64)
        # The largest exponent is taken off for the sake of range; the result does not depend on
        # it, so no gradient goes there.
        top = F.stop_gradient(F.unsorted_segment_max(sparse.values, found.idx, count))
        powers = F.exp(sparse.values - F.gather(top, found.idx))
        sums = F.unsorted_segment_sum(powers, found.idx, count)
        return sparse.with_values(F.truediv(powers, F.gather(sums, found.idx), name=last))
