"""Embeddings of sparse ids: the rows of a table, combined for each row of ids."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, op_function
from graphflow.errors import DTypeError
from graphflow.ops.arguments import failure
from graphflow.ops.scope import scope
from graphflow.ops.sparse_places import kept, known_rank
from graphflow.sparse_tensor import SparseTensor, as_sparse

_COMBINERS = ("mean", "sqrtn", "sum")


@op_function
def embedding_lookup_sparse(
    params: Any, sp_ids: Any, sp_weights: Any, partition_strategy: str = "mod",
    name: str | None = None, combiner: str | None = None, max_norm: float | None = None,
) -> Any:
    """For each row of a sparse matrix of ids, a weighted combination of the ids' embeddings.

    params: a table [n, d…], or a list of tables as in `embedding_lookup`. sp_ids: a SparseTensor
      of integers [rows, k] without empty rows; sp_weights: a SparseTensor of floats with elements
      at the same places, or None (all 1) → [rows, d…]; rows after the last id are left out.
    combiner: "sum" Σ w·e, "mean" (default) Σ w·e / Σ w, "sqrtn" Σ w·e / √Σ w².
    Gradients flow to the tables (as IndexedSlices) and the weights.
    Raises DTypeError if ids or weights are not sparse, AttributeValueError for another combiner.
    """
    op = "embedding_lookup_sparse"
    combiner = combiner or "mean"
    if combiner not in _COMBINERS:
        raise failure(op, name, f"combiner must be one of {', '.join(_COMBINERS)}, got "
                                f"{combiner!r}")
    ids = as_sparse(sp_ids)
    weights = None if sp_weights is None else as_sparse(sp_weights)
    if weights is not None and not weights.dtype.is_floating:
        raise failure(op, name, f"weights must be floats, got {weights.dtype.name}",
                      cls=DTypeError)
    with scope(name, op) as last:
        rows = ids.indices[:, 0]
        # Each row of the table is looked up once, so that its gradient comes as one row.
        found = F.unique(ids.values)
        table = F.embedding_lookup(params, found.y, partition_strategy, max_norm=max_norm)
        if weights is None:
            combine = {"sum": F.sparse_segment_sum, "mean": F.sparse_segment_mean,
                       "sqrtn": F.sparse_segment_sqrt_n}[combiner]
            return combine(table, found.idx, rows, name=last)
        w = F.cast(weights.values, table.dtype)
        total = F.segment_sum(F.gather(table, found.idx) * _column(w, table), rows)
        if combiner == "sum":
            return F.identity(total, name=last)
        mass = F.segment_sum(w if combiner == "mean" else w * w, rows)
        mass = F.sqrt(mass) if combiner == "sqrtn" else mass
        return F.truediv(total, _column(mass, table), name=last)


def _column(vector: Any, table: Any) -> Any:
    """A vector [n] as [n, 1…], to go with rows of a table."""
    if table.shape.rank is not None:
        return F.reshape(vector, [-1] + [1] * (table.shape.rank - 1))
    ones = F.ones(F.reshape(F.rank(table) - 1, [1]), dt.int32)
    return F.reshape(vector, F.concat([F.shape(vector), ones], 0))


@op_function
def safe_embedding_lookup_sparse(
    embedding_weights: Any, sparse_ids: Any, sparse_weights: Any = None,
    combiner: str | None = "mean", default_id: int | None = None, name: str | None = None,
    partition_strategy: str = "div", max_norm: float | None = None,
) -> Any:
    """`embedding_lookup_sparse` for any ids: bad ones are left out, empty rows are allowed.

    sparse_ids: a SparseTensor of integers [d0, …, k]; negative ids are dropped, and, unless the
      combiner is "sum", those with weights ≤ 0. An empty row is the embedding of default_id, or
      zero if that is None → [d0, …, embedding sizes…].
    Raises what `embedding_lookup_sparse` raises.
    """
    ids = as_sparse(sparse_ids)
    weights = None if sparse_weights is None else as_sparse(sparse_weights)
    op = "safe_embedding_lookup_sparse"
    rank = known_rank(op, name, ids)
    with scope(name, "embedding_lookup") as last:
        original = ids.dense_shape
        matrix = F.stack([F.reduce_prod(original[:-1]), original[rank - 1]])
        ids = F.sparse_reshape(ids, matrix)
        if weights is not None:
            weights = SparseTensor(ids.indices, weights.values, ids.dense_shape)
        ids, weights = _pruned(ids, weights, combiner)
        ids, empty = F.sparse_fill_empty_rows(ids, default_id or 0)
        if weights is not None:
            weights, _ = F.sparse_fill_empty_rows(weights, 1.0)
        rows = embedding_lookup_sparse(
            embedding_weights, ids, weights, partition_strategy, combiner=combiner,
            max_norm=max_norm)
        if default_id is None:
            rows = F.where(empty, F.zeros_like(rows), rows)
        shape = F.concat([original[:-1], F.shape(rows, out_type=dt.int64)[1:]], 0)
        out = F.reshape(rows, shape, name=last)
        if hasattr(out, "narrow") and rows.shape.rank is not None:
            out.narrow(ids.shape[:0].concatenate(sparse_ids.shape[:-1]).concatenate(
                rows.shape[1:]))
        return out


def _pruned(
    ids: SparseTensor, weights: SparseTensor | None, combiner: str | None
) -> tuple[SparseTensor, SparseTensor | None]:
    good = ids.values >= np.zeros((), ids.dtype.numpy)
    if weights is None:
        return kept(ids, good), None
    if combiner != "sum":
        good = F.logical_and(good, weights.values > 0)
    return kept(ids, good), kept(weights, good)
