"""Sparse gradients with repeated rows: rows of one index are added up."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F, convert


def deduplicate_indexed_slices(values: Any, indices: Any) -> tuple[Any, Any]:
    """(summed values, indices without repeats), in order of first occurrence.

    values: [n, …], indices: [n] → [m, …], [m] with m ≤ n. Linear in n and in the largest index.
    """
    values, indices = convert(values), convert(indices)
    count = F.size(indices, out_type=indices.dtype)
    positions = F.range(count, dtype=indices.dtype)
    rows = F.maximum(F.reduce_max(indices), -1) + 1  # the maximum of no indices is the lowest int
    first = F.gather(F.unsorted_segment_min(positions, indices, rows), indices)
    summed = F.unsorted_segment_sum(values, first, count)
    is_first = F.equal(first, positions)
    return F.boolean_mask(summed, is_first), F.boolean_mask(indices, is_first)
