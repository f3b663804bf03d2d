"""Sparse gradients with repeated rows: rows of one index are added up."""

from __future__ import annotations

from typing import Any

from graphflow.builder import F, convert
from graphflow.indexed_slices import IndexedSlices


def deduplicate_indexed_slices(values: Any, indices: Any) -> tuple[Any, Any]:
    """(summed values, indices without repeats), in order of first occurrence.

    values: [n, …], indices: [n] → [m, …], [m] with m ≤ n. Linear in n and in the largest index.
    """
    values, indices = convert(values), convert(indices)
    rows = F.maximum(F.reduce_max(indices), -1) + 1  # the maximum of no indices is the lowest int
    summed, first, positions = _summed(values, indices, rows)
    is_first = F.equal(first, positions)
    return F.boolean_mask(summed, is_first), F.boolean_mask(indices, is_first)


def summed_once(grad: IndexedSlices, var: Any) -> IndexedSlices:
    """The same slices, with the sum for an index where it comes first and zeros where it repeats.

    For updates that add rows. How many slices there are depends on no value, so nothing is
    measured while a step runs.
    """
    summed, first, positions = _summed(grad.values, grad.indices, _rows_of(var, grad.indices))
    return IndexedSlices(
        F.where(F.equal(first, positions), summed, F.zeros_like(summed)),
        grad.indices, grad.dense_shape)


def summed_everywhere(grad: IndexedSlices, var: Any) -> IndexedSlices:
    """The same slices, with the sum for an index wherever it comes.

    For updates that replace rows: repeats then write the same. See `summed_once`.
    """
    summed, first, _ = _summed(grad.values, grad.indices, _rows_of(var, grad.indices))
    return IndexedSlices(F.gather(summed, first), grad.indices, grad.dense_shape)


def _summed(values: Any, indices: Any, rows: Any) -> tuple[Any, Any, Any]:
    """The sums of slices of one index, each where it comes first; where that is; all places.

    rows: a number above all indices.
    """
    count = F.size(indices, out_type=indices.dtype)
    positions = F.range(count, dtype=indices.dtype)
    first = F.gather(F.unsorted_segment_min(positions, indices, rows), indices)
    return F.unsorted_segment_sum(values, first, count), first, positions


def _rows_of(var: Any, indices: Any) -> Any:
    return F.shape(var, out_type=indices.dtype)[0]
