"""Reductions of consecutive rows: segments whose ids never decrease, as many as the last says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function
from graphflow.dims import Dim, SymDim, fresh
from graphflow.errors import InvalidArgumentError, ShapeError
from graphflow.lowering import Composite
from graphflow.opdef import ErrorSample, Infer, OpDef, RunError, Sample, TensorType
from graphflow.ops.arguments import typed
from graphflow.ops.declare import declare
from graphflow.ops.numerics import widen
from graphflow.ops.segments import (
    combine_rows,
    extremum_gradient,
    product_gradient,
    sum_gradient,
)
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape


def _type(c: Infer) -> list[TensorType]:
    data, ids = c.shape(0), c.shape(1)
    c.require_rank(0, at_least=1)
    c.require_rank(1, 1)
    if data.rank is None:
        return [TensorType(c.dtype(0), UNKNOWN_SHAPE)]
    if ids.rank is not None:
        c.require_same(data.sizes[0], ids.sizes[0],
                       f"there must be one id per row: {c.show(0)}, {c.show(1)}")
    count: Dim = fresh()
    value = c.value(1)
    if value is not None:
        last = value.tolist()[-1] if value.size else -1
        count = fresh() if isinstance(last, SymDim) else max(last + 1, 0)
    return [TensorType(c.dtype(0), TensorShape.of((count, *data.sizes[1:])))]


def _checked(data: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, int]:
    """The rows as [n, inner] and the number of segments. Raises RunError for unsorted ids."""
    if len(data) != len(ids):
        raise RunError(InvalidArgumentError,
                       f"there are {len(ids)} segment_ids for {len(data)} rows of data")
    falls = np.flatnonzero(ids[1:] < ids[:-1])
    if falls.size:
        i = int(falls[0])
        raise RunError(
            InvalidArgumentError,
            f"segment_ids must not decrease: segment_ids[{i}] = {int(ids[i])}, "
            f"segment_ids[{i + 1}] = {int(ids[i + 1])}",
            "Use the unsorted_segment functions for ids in any order.")
    if ids.size and ids[0] < 0:
        raise RunError(InvalidArgumentError,
                       f"segment_ids must not be negative: segment_ids[0] = {int(ids[0])}")
    inner = int(np.prod(data.shape[1:], dtype=np.int64))
    return data.reshape(len(ids), inner), int(ids[-1]) + 1 if ids.size else 0


def _reference(combine: np.ufunc, initial: Callable[[dt.DType], Any], empty: int) -> Any:
    def reference(data: np.ndarray, segment_ids: np.ndarray) -> np.ndarray:
        rows, count = _checked(data, segment_ids)
        out = combine_rows(combine, rows, segment_ids, count, initial(dt.array_dtype(data)))
        out[np.bincount(segment_ids, minlength=count) == 0] = empty
        return out.reshape((count, *data.shape[1:]))

    return reference


def _mean_reference(data: np.ndarray, segment_ids: np.ndarray) -> np.ndarray:
    rows, count = _checked(data, segment_ids)
    total = combine_rows(np.add, widen(rows), segment_ids, count, 0)
    counts = np.maximum(np.bincount(segment_ids, minlength=count), 1)
    mean = total / counts.astype(total.dtype)[:, None]
    return mean.astype(data.dtype).reshape((count, *data.shape[1:]))


def _count(F: Any, ids: Any) -> Any:
    """The number of segments: one more than the last id, 0 without any."""
    return F.reduce_max(F.concat([np.array([-1], ids.dtype.numpy), ids], 0)) + 1


def _empty_is(F: Any, ids: Any, out: Any, value: int) -> Any:
    """`out` with `value` in the rows of segments that no row belongs to."""
    counts = F.unsorted_segment_sum(F.ones_like(ids), ids, _count(F, ids))
    shape = F.concat([F.shape(counts), np.ones(out.shape.rank - 1, np.int32)], 0)
    return F.where_v2(F.reshape(counts, shape) > 0, out, np.array(value, out.dtype.numpy))


def _expand_mean(F: Any, data: Any, ids: Any) -> Any:
    return F.unsorted_segment_mean(data, ids, _count(F, ids))


def _mean_gradient(F: Any, data: Any, ids: Any, n: Any, out: Any, g: Any) -> Any:
    counts = F.unsorted_segment_sum(F.ones_like(ids, dtype=dt.int32), ids, n)
    share = F.gather(1 / F.cast(F.maximum(counts, 1), g.dtype), ids)
    rank = g.shape.rank
    missing = (np.ones(rank - 1, np.int32) if rank is not None
               else F.ones(F.reshape(F.rank(g) - 1, [1]), dt.int32))
    return F.gather(g, ids) * F.reshape(share, F.concat([F.shape(ids), missing], 0))


def _samples() -> list[Sample]:
    x = np.array([[1.5, -2.0, 3.25], [0.5, 4.0, -1.5], [2.5, 1.0, 0.75], [-1.0, 0.25, 5.0]])
    return [
        Sample((x, np.array([0, 0, 1, 1], np.int32))),
        Sample((x, np.array([1, 3, 3, 3], np.int64))),
        Sample((x[:, 1], np.array([0, 1, 2, 2], np.int32))),
        Sample((np.zeros((0, 2)), np.zeros((0,), np.int32))),
        Sample((np.zeros((2, 0)), np.array([0, 1], np.int32))),
    ]


def _errors() -> list[ErrorSample]:
    return [
        ErrorSample((typed(dt.float32, 4, 2), typed(dt.int32, 3)), {}, ShapeError,
                    r"one id per row: data \[4, 2\], segment_ids \[3\]"),
        ErrorSample((typed(dt.float32, 4), typed(dt.int32, 4, 1)), {}, ShapeError,
                    "segment_ids must have rank 1"),
    ]


def _ordered(F: Any, ids: Any) -> Any:
    """The ids, which must not decrease nor be negative."""
    before = F.concat([np.zeros(1, ids.dtype.numpy), ids], 0)[:-1]
    return F.require(ids, F.greater_equal(ids, before))


def _declare(
    name: str, types: tuple[dt.DType, ...], reference: Any, expand: Any, grad: Any
) -> OpDef:
    def gradient(F: Any, op: Any, g: Any) -> list[Any]:
        data, ids = op.inputs
        count = F.shape(op.outputs[0])[0]
        return [grad(F, data, ids, count, op.outputs[0], g), None]

    return declare(
        name, "data: T, segment_ids: I", infer=_type, reference=reference, grad=gradient,
        lowering=Composite(lambda F, data, ids: expand(F, data, _ordered(F, ids))),
        samples=_samples,
        errors=_errors, T=types, I=dt.INDICES)


SEGMENT_SUM = _declare(
    "SegmentSum", dt.NUMBERS, _reference(np.add, lambda d: 0, 0),
    lambda F, data, ids: F.unsorted_segment_sum(data, ids, _count(F, ids)), sum_gradient)
SEGMENT_PROD = _declare(
    "SegmentProd", dt.NUMBERS, _reference(np.multiply, lambda d: 1, 1),
    lambda F, data, ids: F.unsorted_segment_prod(data, ids, _count(F, ids)), product_gradient)
SEGMENT_MAX = _declare(
    "SegmentMax", dt.REALS, _reference(np.maximum, lambda d: d.min, 0),
    lambda F, data, ids: _empty_is(
        F, ids, F.unsorted_segment_max(data, ids, _count(F, ids)), 0), extremum_gradient)
SEGMENT_MIN = _declare(
    "SegmentMin", dt.REALS, _reference(np.minimum, lambda d: d.max, 0),
    lambda F, data, ids: _empty_is(
        F, ids, F.unsorted_segment_min(data, ids, _count(F, ids)), 0), extremum_gradient)
SEGMENT_MEAN = _declare(
    "SegmentMean", dt.INEXACT, _mean_reference, _expand_mean, _mean_gradient)


@op_function
def segment_sum(data: Any, segment_ids: Any, name: str | None = None) -> Any:
    """output[s] = Σ data[i] over the i with segment_ids[i] = s; 0 for ids left out.

    data: [n, d…]; segment_ids: [n] integers that start at 0 or more and never decrease
      → [segment_ids[n−1] + 1, d…]. Raises ShapeError if there is not one id per row;
      InvalidArgumentError at run time for ids that decrease.
    """
    return apply(SEGMENT_SUM, (data, segment_ids), name=name)


@op_function
def segment_prod(data: Any, segment_ids: Any, name: str | None = None) -> Any:
    """The product of each segment's rows, as `segment_sum`; 1 for ids left out."""
    return apply(SEGMENT_PROD, (data, segment_ids), name=name)


@op_function
def segment_max(data: Any, segment_ids: Any, name: str | None = None) -> Any:
    """The largest of each segment's rows, elementwise, as `segment_sum`; 0 for ids left out."""
    return apply(SEGMENT_MAX, (data, segment_ids), name=name)


@op_function
def segment_min(data: Any, segment_ids: Any, name: str | None = None) -> Any:
    """The smallest of each segment's rows, elementwise, as `segment_sum`; 0 for ids left out."""
    return apply(SEGMENT_MIN, (data, segment_ids), name=name)


@op_function
def segment_mean(data: Any, segment_ids: Any, name: str | None = None) -> Any:
    """The mean of each segment's rows, as `segment_sum`; 0 for ids left out.

    data: floats or complex numbers.
    """
    return apply(SEGMENT_MEAN, (data, segment_ids), name=name)
