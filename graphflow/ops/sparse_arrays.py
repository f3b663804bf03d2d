"""Sparse tensors rearranged: order, transpose, reshape, slice, concat, split, merge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert, op_function
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure, renamed, shape_argument, static_int, static_ints
from graphflow.ops.scope import scope
from graphflow.ops.sparse_places import (
    columns,
    entries,
    in_order,
    kept,
    known_rank,
    places,
    positions,
    positive_axis,
)
from graphflow.sparse_tensor import SparseTensor, SparseTensorValue, as_sparse


@op_function
def sparse_reorder(sp_input: Any, name: str | None = None) -> SparseTensor:
    """The same SparseTensor with its elements in row-major order."""
    sparse = as_sparse(sp_input)
    with scope(name, "SparseReorder") as last:
        return in_order(sparse, last)


@op_function
def sparse_transpose(sp_input: Any, perm: Any = None, name: str | None = None) -> SparseTensor:
    """A SparseTensor with its axes in the order `perm` (reversed by default)."""
    sparse = as_sparse(sp_input)
    rank = known_rank("SparseTranspose", name, sparse)
    order = tuple(reversed(range(rank))) if perm is None else static_ints(
        "SparseTranspose", name, "perm", perm)
    if sorted(order) != list(range(rank)):
        raise failure("SparseTranspose", name, f"perm {list(order)} is no order of the axes "
                                               f"0 … {rank - 1}")
    with scope(name, "SparseTranspose") as last:
        turned = SparseTensor(columns(sparse.indices, order), sparse.values,
                              entries(sparse.dense_shape, order))
        return in_order(turned, last)


@op_function
def sparse_reshape(sp_input: Any, shape: Any, name: str | None = None) -> SparseTensor:
    """The same elements in row-major order in another shape; one size may be −1.

    Raises ShapeError if more sizes than one are −1; InvalidArgumentError at run time if the
    number of elements differs.
    """
    sparse = as_sparse(sp_input)
    with scope(name, "SparseReshape") as last:
        sizes = F.cast(convert(shape_argument("SparseReshape", name, shape)), dt.int64)
        known = sizes.symbolic_value
        free = 0 if known is None else sum(isinstance(d, (int, np.integer)) and d == -1
                                           for d in known)
        if free > 1:
            raise failure("SparseReshape", name, f"only one size may be -1, got {list(known)}",
                          cls=ShapeError)
        total = F.reduce_prod(sparse.dense_shape)
        if known is None or free:
            open_ = F.equal(sizes, np.int64(-1))
            rest = F.reduce_prod(F.where_v2(open_, np.int64(1), sizes))
            sizes = F.where_v2(open_, total // F.maximum(rest, np.int64(1)), sizes)
        sizes = F.require(sizes, F.equal(F.reduce_prod(sizes), total))
        numbers = positions(sparse.indices, sparse.dense_shape)
        return SparseTensor(places(numbers, sizes), F.identity(sparse.values, name=last), sizes)


@op_function
def sparse_expand_dims(sp_input: Any, axis: Any = None, name: str | None = None) -> SparseTensor:
    """A SparseTensor with a new axis of size 1 before `axis` (at the end by default)."""
    sparse = as_sparse(sp_input)
    rank = known_rank("SparseExpandDims", name, sparse)
    axis = -1 if axis is None else static_int("SparseExpandDims", name, "axis", axis)
    at = positive_axis("SparseExpandDims", name, axis, rank + 1)
    with scope(name, "SparseExpandDims") as last:
        zeros = F.zeros_like(sparse.values, dtype=dt.int64)[:, np.newaxis]
        indices = F.concat([sparse.indices[:, :at], zeros, sparse.indices[:, at:]], 1)
        one = np.ones(1, np.int64)
        shape = F.concat([sparse.dense_shape[:at], one, sparse.dense_shape[at:]], 0)
        return SparseTensor(indices, F.identity(sparse.values, name=last), shape)


@op_function
def sparse_slice(sp_input: Any, start: Any, size: Any, name: str | None = None) -> SparseTensor:
    """The part of a SparseTensor that begins at `start`, at most `size` long on each axis.

    start, size: [rank] integers. What goes beyond the end is left out.
    """
    sparse = as_sparse(sp_input)
    with scope(name, "SparseSlice") as last:
        start, size = (F.cast(convert(v), dt.int64) for v in (start, size))
        left = F.maximum(sparse.dense_shape - start, np.int64(0))
        sizes = F.minimum(size, left)
        moved = sparse.indices - F.expand_dims(start, 0)
        inside = F.logical_and(moved >= np.int64(0), moved < F.expand_dims(sizes, 0))
        part = SparseTensor(moved, sparse.values, sizes)
        return kept(part, F.reduce_all(inside, axis=1), last)


@op_function
def sparse_concat(
    axis: Any, sp_inputs: Sequence[Any], name: str | None = None,
    expand_nonconcat_dim: bool = False, concat_dim: Any = None,
    expand_nonconcat_dims: bool | None = None,
) -> SparseTensor:
    """SparseTensors one after the other along `axis`, in row-major order.

    The sizes of the other axes must be equal, unless expand_nonconcat_dim: then the result has
    the largest. `concat_dim` is the old name of axis, `expand_nonconcat_dims` another one of
    expand_nonconcat_dim. Raises ShapeError; InvalidArgumentError at run time.
    """
    op = "SparseConcat"
    axis = renamed(op, "concat_dim", concat_dim, "axis", axis) if axis is None else axis
    expand = expand_nonconcat_dim if expand_nonconcat_dims is None else expand_nonconcat_dims
    parts = [as_sparse(p) for p in (
        [sp_inputs] if isinstance(sp_inputs, (SparseTensor, SparseTensorValue)) else sp_inputs)]
    if not parts:
        raise failure(op, name, "needs at least one SparseTensor", cls=ShapeError)
    if len(parts) == 1:
        return parts[0]
    rank = known_rank(op, name, parts[0])
    if any(p.rank not in (None, rank) for p in parts):
        raise failure(op, name, f"ranks differ: {[p.rank for p in parts]}", cls=ShapeError)
    at = positive_axis(op, name, static_int(op, name, "axis", axis), rank)
    with scope(name, op) as last:
        others = np.arange(rank) != at
        shape = parts[0].dense_shape
        for part in parts[1:]:
            if expand:
                shape = F.maximum(shape, part.dense_shape)
            else:
                fits = F.logical_or(F.equal(shape, part.dense_shape), np.logical_not(others))
                shape = F.require(shape, fits)
        moved, start = [], np.int64(0)
        step = np.where(others, 0, 1).astype(np.int64)
        for part in parts:
            moved.append(part.indices + start * step)
            start = start + part.dense_shape[at]
        shape = F.where_v2(others, shape, start)
        whole = SparseTensor(F.concat(moved, 0), F.concat([p.values for p in parts], 0), shape)
        return in_order(whole, last)


class _KeywordRequired:
    """Marks arguments that go by name only, as TensorFlow has it."""

    def __repr__(self) -> str:
        return "KeywordRequired"


_KEYWORD_REQUIRED = _KeywordRequired()


@op_function
def sparse_split(
    keyword_required: Any = _KEYWORD_REQUIRED,
    sp_input: Any = None, num_split: Any = None, axis: Any = None, name: str | None = None,
    split_dim: Any = None,
) -> list[SparseTensor]:
    """A SparseTensor in `num_split` parts along `axis`; the first parts are one longer where it
    does not go evenly. Arguments go by name; `split_dim` is the old name of axis.
    """
    op = "SparseSplit"
    if not isinstance(keyword_required, _KeywordRequired):
        raise failure(op, name, "arguments go by name", "sparse_split(sp_input=x, num_split=2, "
                                                        "axis=0)")
    axis = renamed(op, "axis", axis, "split_dim", split_dim)
    if sp_input is None or num_split is None or axis is None:
        raise failure(op, name, "sp_input, num_split and axis must be given")
    sparse = as_sparse(sp_input)
    count = static_int(op, name, "num_split", num_split)
    rank = known_rank(op, name, sparse)
    at = positive_axis(op, name, static_int(op, name, "axis", axis), rank)
    here = np.arange(rank) == at
    with scope(name, op):
        size = sparse.dense_shape[at]
        each, extra = size // np.int64(count), size % np.int64(count)
        found, start = [], convert(np.int64(0))
        for i in range(count):
            length = each + F.cast(extra > np.int64(i), dt.int64)
            begin = F.where_v2(here, start, np.int64(0))
            sizes = F.where_v2(here, length, sparse.dense_shape)
            found.append(sparse_slice(sparse, begin, sizes))
            start = start + length
        return found


@op_function
def sparse_merge(
    sp_ids: Any, sp_values: Any, vocab_size: Any, name: str | None = None,
    already_sorted: bool = False,
) -> SparseTensor:
    """Ids and values of features as one SparseTensor: ids become places on the last axis.

    sp_ids: a SparseTensor of integers [d0, …, k], or a list of them (one axis for each);
      sp_values: a SparseTensor with elements at the same places; vocab_size: the size of the last
      axis, or a list of sizes → SparseTensor [d0, …, vocab_size], in row-major order unless
      already_sorted says that it is so anyway.
    """
    many = isinstance(sp_ids, (list, tuple)) and not isinstance(sp_ids, SparseTensorValue)
    ids = [as_sparse(s) for s in (sp_ids if many else [sp_ids])]
    sizes = list(vocab_size) if many else [vocab_size]
    if len(ids) != len(sizes):
        raise failure("SparseMerge", name, f"{len(ids)} ids, but {len(sizes)} sizes",
                      "Give one vocab_size for each SparseTensor of ids.")
    values = as_sparse(sp_values)
    with scope(name, "SparseMerge"):
        axes = [F.expand_dims(F.cast(s.values, dt.int64), 1) for s in ids]
        indices = F.concat([ids[0].indices[:, :-1], *axes], 1)
        shape = F.concat([ids[0].dense_shape[:-1], F.stack(
            [F.cast(convert(s), dt.int64) for s in sizes])], 0)
        merged = SparseTensor(indices, values.values, shape)
        return merged if already_sorted else in_order(merged)
