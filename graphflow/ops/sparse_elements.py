"""Sparse tensors element by element: sums, maxima and minima of two, choosing and filling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert, op_function
from graphflow.errors import DTypeError, ShapeError
from graphflow.indexed_slices import IndexedSlices
from graphflow.ops.arguments import failure, renamed
from graphflow.ops.scope import scope
from graphflow.ops.sparse_places import grouped, in_order, kept, known_rank, places, positions
from graphflow.sparse_tensor import SparseTensor, SparseTensorValue, as_sparse

_SPARSE = (SparseTensor, SparseTensorValue)


def _aligned(
    op: str, name: str | None, a: SparseTensor, b: SparseTensor
) -> tuple[Any, Any, Callable[[Any, Any], Any]]:
    """The places of a or b (as numbers), their index vectors, and a function.

    It takes values for the elements of a and of b, and adds up those of each place.
    """
    if a.dtype is not b.dtype:
        raise failure(op, name, f"a is {a.dtype.name}, b is {b.dtype.name}",
                      f"Cast the values: gf.cast(b.values, gf.{a.dtype.name}).", DTypeError)
    if not a.shape.is_compatible_with(b.shape):
        raise failure(op, name, f"shapes differ: a {a.shape}, b {b.shape}", cls=ShapeError)
    numbers = F.concat([positions(a.indices, a.dense_shape),
                        positions(b.indices, b.dense_shape)], 0)
    different, order, group = grouped(numbers)
    count = F.size(different, out_type=dt.int64)

    def merged(of_a: Any, of_b: Any) -> Any:
        both = F.gather(F.concat([of_a, of_b], 0), order)
        return F.unsorted_segment_sum(both, group, count)

    return different, places(different, a.dense_shape), merged


@op_function
def sparse_add(a: Any, b: Any, threshold: Any = None, thresh: Any = None) -> Any:
    """The sum of two SparseTensors, or of a SparseTensor and a dense tensor.

    Two SparseTensors of one shape and dtype give a SparseTensor in row-major order, without the
    sums of magnitude less than `threshold` (0 by default: all stay). If one is dense, so is the
    sum. `thresh` is the old name of threshold. Gradients flow to values and dense tensors.
    """
    limit = renamed("SparseAdd", "threshold", threshold, "thresh", thresh)
    if not isinstance(a, _SPARSE) and not isinstance(b, _SPARSE):
        raise failure("SparseAdd", None, "a or b must be a SparseTensor", "Use gf.add.",
                      DTypeError)
    if not isinstance(a, _SPARSE):
        a, b = b, a
    a = as_sparse(a)
    with scope(None, "SparseAdd"):
        if not isinstance(b, _SPARSE):
            return F.tensor_scatter_nd_add(convert(b, a.dtype), a.indices, a.values)
        b = as_sparse(b)
        _, indices, merged = _aligned("SparseAdd", None, a, b)
        total = SparseTensor(indices, merged(a.values, b.values), a.dense_shape)
        if limit is None or (isinstance(limit, (int, float)) and limit == 0):
            return total
        size = F.abs(total.values)
        return kept(total, size >= F.cast(convert(limit), size.dtype))


def _of_both(op: str, function: str, a: Any, b: Any, name: str | None) -> SparseTensor:
    a, b = as_sparse(a), as_sparse(b)
    with scope(name, op) as last:
        _, indices, merged = _aligned(op, name, a, b)
        left = merged(a.values, F.zeros_like(b.values))
        right = merged(F.zeros_like(a.values), b.values)
        return SparseTensor(indices, getattr(F, function)(left, right, name=last), a.dense_shape)


@op_function
def sparse_maximum(sp_a: Any, sp_b: Any, name: str | None = None) -> SparseTensor:
    """The larger of two SparseTensors of one shape, where either has an element (else 0)."""
    return _of_both("SparseSparseMaximum", "maximum", sp_a, sp_b, name)


@op_function
def sparse_minimum(sp_a: Any, sp_b: Any, name: str | None = None) -> SparseTensor:
    """The smaller of two SparseTensors of one shape, where either has an element (else 0)."""
    return _of_both("SparseSparseMinimum", "minimum", sp_a, sp_b, name)


@op_function
def sparse_retain(sp_input: Any, to_retain: Any) -> SparseTensor:
    """The elements of a SparseTensor at which the bool vector `to_retain` is true."""
    sparse, keep = as_sparse(sp_input), convert(to_retain, dt.bool_)
    if not keep.shape.is_compatible_with(sparse.values.shape):
        raise failure("sparse_retain", None, f"to_retain {keep.shape} must have one entry for "
                      f"each of the values {sparse.values.shape}", cls=ShapeError)
    return kept(sparse, keep)


@op_function
def sparse_mask(a: Any, mask_indices: Any, name: str | None = None) -> IndexedSlices:
    """The rows of an IndexedSlices whose indices are not in `mask_indices`."""
    with scope(name, "sparse_mask"):
        left = F.setdiff1d(a.indices, mask_indices)
        return IndexedSlices(F.gather(a.values, left.idx), left.out, a.dense_shape)


@op_function
def sparse_reset_shape(sp_input: Any, new_shape: Any = None) -> SparseTensor:
    """The same elements in another dense shape, that of their bounding box by default.

    new_shape: [rank] integers, none less than in the present shape. Raises ShapeError if it is
    known to be less or of another rank; InvalidArgumentError at run time.
    """
    sparse = as_sparse(sp_input)
    if new_shape is None:
        top = F.reduce_max(sparse.indices, axis=0) + 1
        return SparseTensor(sparse.indices, sparse.values, F.maximum(top, np.int64(0)))
    shape = F.cast(convert(new_shape), dt.int64)
    known = shape.symbolic_value
    old = sparse.shape
    if known is not None and old.rank is not None and (old.rank != len(known) or any(
            isinstance(d, int) and isinstance(n, (int, np.integer)) and n < d
            for d, n in zip(old.sizes, known))):
        raise failure("sparse_reset_shape", None, f"new_shape {list(known)} has no room for "
                      f"{old}", cls=ShapeError)
    shape = F.require(shape, shape >= sparse.dense_shape)
    return SparseTensor(sparse.indices, sparse.values, shape)


@op_function
def sparse_fill_empty_rows(
    sp_input: Any, default_value: Any, name: str | None = None
) -> tuple[SparseTensor, Any]:
    """A SparseTensor with `default_value` in column 0 of each row that had no element.

    sp_input: a SparseTensor of rank 2 → (SparseTensor in row-major order, bool [rows]: which rows
    were empty). Gradients flow to the values and the default.
    """
    sparse = as_sparse(sp_input)
    rank = known_rank("SparseFillEmptyRows", name, sparse)
    with scope(name, "SparseFillEmptyRows"):
        rows = sparse.dense_shape[0]
        mine = sparse.indices[:, 0]
        counts = F.unsorted_segment_sum(F.ones_like(mine), mine, rows)
        empty = F.equal(counts, np.int64(0))
        places_ = F.where(empty)
        zeros = F.zeros_like(places_)
        added = F.concat([places_, *[zeros] * (rank - 1)], 1)
        default = F.fill(F.shape(places_)[:1], convert(default_value, sparse.dtype))
        filled = SparseTensor(F.concat([sparse.indices, added], 0),
                              F.concat([sparse.values, default], 0), sparse.dense_shape)
        return in_order(filled), empty
