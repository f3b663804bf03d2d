"""Segment reductions of chosen rows: `sparse_segment_sum`, `_mean` and `_sqrt_n`."""

from __future__ import annotations

from typing import Any

from graphflow import dtypes as dt
from graphflow.builder import F, convert, op_function
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure
from graphflow.ops.scope import scope


def _op(op: str, num_segments: Any) -> str:
    return op if num_segments is None else f"{op}WithNumSegments"


def _rows(data: Any, indices: Any, segment_ids: Any, op: str, name: str | None) -> Any:
    indices, segment_ids = convert(indices), convert(segment_ids)
    if not indices.shape.is_compatible_with(segment_ids.shape):
        raise failure(op, name, f"there must be one id per index: indices {indices.shape}, "
                      f"segment_ids {segment_ids.shape}", cls=ShapeError)
    return F.gather(data, indices), segment_ids


@op_function
def sparse_segment_sum(
    data: Any, indices: Any, segment_ids: Any, name: str | None = None, num_segments: Any = None,
    sparse_gradient: bool = False,
) -> Any:
    """`segment_sum` of the rows data[indices].

    data: [n, d…]; indices, segment_ids: [m] integers, the ids sorted → [segments, d…], as many
      as the last id says, or `num_segments`. `sparse_gradient` is accepted: the gradient is
      IndexedSlices in any case. Raises ShapeError; InvalidArgumentError at run time.
    """
    with scope(name, _op("SparseSegmentSum", num_segments)) as last:
        rows, ids = _rows(data, indices, segment_ids, "SparseSegmentSum", name)
        if num_segments is None:
            return F.segment_sum(rows, ids, name=last)
        return F.unsorted_segment_sum(rows, ids, num_segments, name=last)


@op_function
def sparse_segment_mean(
    data: Any, indices: Any, segment_ids: Any, name: str | None = None, num_segments: Any = None,
    sparse_gradient: bool = False,
) -> Any:
    """`segment_mean` of the rows data[indices]; 0 for an empty segment. See the sum."""
    with scope(name, _op("SparseSegmentMean", num_segments)) as last:
        rows, ids = _rows(data, indices, segment_ids, "SparseSegmentMean", name)
        if num_segments is None:
            return F.segment_mean(rows, ids, name=last)
        return F.identity(F.unsorted_segment_mean(rows, ids, num_segments), name=last)


@op_function
def sparse_segment_sqrt_n(
    data: Any, indices: Any, segment_ids: Any, name: str | None = None, num_segments: Any = None,
    sparse_gradient: bool = False,
) -> Any:
    """`sparse_segment_sum` over the square root of the number of rows of each segment."""
    with scope(name, _op("SparseSegmentSqrtN", num_segments)) as last:
        rows, ids = _rows(data, indices, segment_ids, "SparseSegmentSqrtN", name)
        if num_segments is not None:
            return F.identity(F.unsorted_segment_sqrt_n(rows, ids, num_segments), name=last)
        counts = F.maximum(F.segment_sum(F.ones_like(ids, dtype=dt.int32), ids), 1)
        total = F.segment_sum(rows, ids)
        missing = F.ones(F.reshape(F.rank(rows) - 1, [1]), dt.int32)
        shape = F.concat([F.shape(counts), missing], 0)
        return F.truediv(total, F.sqrt(F.reshape(F.cast(counts, rows.dtype), shape)), name=last)
