"""Sums, extrema and products of the rows of each segment: ids need not be sorted.

All of them combine the rows of one segment in their order, so results do not vary between runs;
a negative id drops its row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dims import Dim, SymDim, as_known_size, fresh
from graphflow.errors import InvalidArgumentError, ShapeError
from graphflow.lowering import LoweringContext, Scatter
from graphflow.opdef import ErrorSample, Infer, OpDef, RunError, Sample, TensorType
from graphflow.ops.arguments import typed
from graphflow.ops.declare import declare
from graphflow.ops.numerics import widen
from graphflow.ops.scope import scope
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape


def combine_rows(
    combine: np.ufunc, rows: np.ndarray, ids: np.ndarray, count: int, initial: Any
) -> np.ndarray:
    """`count` rows, each `initial` combined with the rows of its id, in their order.

    rows: [n, inner]; ids: [n], below `count`; rows with a negative id are left out.
    """
    wide = widen(rows)
    if ids.size and ids.min() < 0:
        wide, ids = wide[ids >= 0], ids[ids >= 0]
    out = np.full((count, rows.shape[1]), initial, wide.dtype)
    # From NumPy 1.25 on, `at` is as fast as sorting the ids and reducing each run.
    combine.at(out, ids, wide)
    return out.astype(rows.dtype, copy=False)


def _segment_rows(data: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """`data` as [n, inner], one row per id. Raises RunError if their shapes do not fit."""
    if data.shape[:ids.ndim] != ids.shape:
        raise RunError(InvalidArgumentError, f"data {list(data.shape)} does not begin with the "
                       f"shape of segment_ids {list(ids.shape)}")
    inner = int(np.prod(data.shape[ids.ndim:], dtype=np.int64))
    return data.reshape(ids.size, inner)


def _reference(combine: np.ufunc, initial: Callable[[dt.DType], Any]) -> Callable[..., Any]:
    def reference(data: np.ndarray, segment_ids: np.ndarray, num_segments: Any) -> np.ndarray:
        count = int(num_segments)
        if count < 0:
            raise RunError(InvalidArgumentError, f"num_segments must not be negative, got {count}")
        rows = _segment_rows(data, segment_ids)
        beyond = segment_ids >= count
        if np.any(beyond):
            where = tuple(np.argwhere(beyond)[0])
            place = f"[{','.join(str(int(i)) for i in where)}]" if where else ""
            raise RunError(InvalidArgumentError, f"segment_ids{place} = "
                           f"{int(segment_ids[where])} is not less than num_segments {count}")
        out = combine_rows(combine, rows, segment_ids.reshape(-1), count,
                           initial(dt.array_dtype(data)))
        return out.reshape((count, *data.shape[segment_ids.ndim:]))

    return reference


def _type(c: Infer) -> list[TensorType]:
    data, ids = c.shape(0), c.shape(1)
    c.require_rank(2, 0)
    value = c.value(2)
    count: Dim = fresh() if value is None else as_known_size(value.reshape(()).item())
    if not isinstance(count, SymDim) and count < 0:
        raise c.error(f"num_segments must not be negative, got {count}")
    if data.rank is None or ids.rank is None:
        return [TensorType(c.dtype(0), UNKNOWN_SHAPE)]
    problem = f"data must begin with the shape of segment_ids: {c.show(0)}, {c.show(1)}"
    if ids.rank > data.rank:
        raise c.error(problem)
    for a, b in zip(data.sizes, ids.sizes):
        c.require_same(a, b, problem)
    return [TensorType(c.dtype(0), TensorShape.of((count, *data.sizes[ids.rank:])))]


def _samples() -> list[Sample]:
    x = np.array([[1.5, -2.0, 3.25], [0.5, 4.0, -1.5], [2.5, 1.0, 0.75], [-1.0, 0.25, 5.0]])
    n = np.array(3, np.int32)
    return [
        Sample((x, np.array([2, 0, 2, 0], np.int32), n)),
        Sample((x, np.array([1, -1, 1, -1], np.int64), n)),
        Sample((x, np.array([[0, 1, 0], [2, 2, 2], [1, 1, 0], [0, 2, -1]], np.int32), n)),
        Sample((x[:, 0], np.array([1, 1, 1, 0], np.int32), np.array(2, np.int64))),
        Sample((np.zeros((0, 2)), np.zeros((0,), np.int32), n)),
        Sample((np.zeros((2, 0)), np.array([0, 1], np.int32), n)),
        Sample((np.array(2.5), np.array(1, np.int32), n)),
    ]


def _extremum_samples() -> list[Sample]:
    """The same: only samples without empty segments, whose results are finite, have gradients."""
    return [s if k in (2, 3) else Sample(s.inputs, grad=False) for k, s in enumerate(_samples())]


def _errors() -> list[ErrorSample]:
    n = np.array(3, np.int32)
    return [
        ErrorSample((typed(dt.float32, 4, 2), typed(dt.int32, 3), n), {}, ShapeError,
                    r"data \[4, 2\], segment_ids \[3\]"),
        ErrorSample((typed(dt.float32, 4), typed(dt.int32, 4, 2), n), {}, ShapeError,
                    "must begin with the shape of segment_ids"),
        ErrorSample((typed(dt.float32, 4), typed(dt.int32, 4), np.array(-1, np.int32)), {},
                    ShapeError, "must not be negative"),
        ErrorSample((typed(dt.float32, 4), typed(dt.int32, 4), np.array([3], np.int32)), {},
                    ShapeError, "num_segments must have rank 0"),
    ]


def _target(index: tuple, load: Callable, ctx: LoweringContext) -> tuple:
    lead = len(ctx.in_shapes[1])
    return (load(1, index[:lead]), *index[lead:])


def _kept(index: tuple, load: Callable, ctx: LoweringContext) -> Any:
    return load(1, index[:len(ctx.in_shapes[1])]) >= 0


def _declare(
    name: str, types: tuple[dt.DType, ...], combine: str, ufunc: np.ufunc,
    initial: Callable[[dt.DType], Any], grad: Callable[..., Any],
) -> OpDef:
    def gradient(F: Any, op: Any, g: Any) -> list[Any]:
        return [grad(F, *op.inputs, op.outputs[0], g), None, None]

    return declare(
        name, "data: T, segment_ids: I, num_segments: N", infer=_type,
        reference=_reference(ufunc, initial), grad=gradient, errors=_errors,
        samples=_extremum_samples if combine in ("max", "min") else _samples,
        lowering=Scatter(_target, updates=0, combine=combine, keep=_kept,
                         initial=lambda ctx: initial(ctx.out_dtypes[0])),
        T=types, I=dt.INDICES, N=dt.INDICES)


# ---- gradients, shared with the sorted segment ops ----------------------------------------------


def spread(F: Any, per_segment: Any, ids: Any) -> Any:
    """The row of each element's segment; zeros for elements that belong to none."""
    rows = F.gather(per_segment, F.maximum(ids, 0))
    belongs = ids >= 0
    if rows.shape.rank is not None and ids.shape.rank is not None:
        missing: Any = np.ones(rows.shape.rank - ids.shape.rank, np.int32)
    else:
        missing = F.ones(F.reshape(F.rank(rows) - F.rank(ids), [1]), dt.int32)
    if rows.shape.rank is None or rows.shape.rank != ids.shape.rank:
        belongs = F.reshape(belongs, F.concat([F.shape(ids), missing], 0))
    return F.where_v2(belongs, rows, np.zeros((), rows.dtype.numpy))


def sum_gradient(F: Any, data: Any, ids: Any, n: Any, out: Any, g: Any) -> Any:
    """d(sum): every row of a segment gets the segment's gradient."""
    return spread(F, g, ids)


def extremum_gradient(F: Any, data: Any, ids: Any, n: Any, out: Any, g: Any) -> Any:
    """d(max) and d(min): shared evenly among the elements that are the extremum."""
    chosen = F.equal(data, spread(F, out, ids))
    counts = F.unsorted_segment_sum(F.cast(chosen, dt.int32), ids, n)
    # An empty segment counts none, and must not make 0/0 in gradients of this gradient.
    share = g / F.cast(F.maximum(counts, 1), g.dtype)
    return F.where_v2(chosen, spread(F, share, ids), np.zeros((), g.dtype.numpy))


def product_gradient(F: Any, data: Any, ids: Any, n: Any, out: Any, g: Any) -> Any:
    """d(prod): the product of the others, right also where elements are zero.

    With one zero in the segment, only that element has a gradient: the product of the rest.
    With two it is none. Elsewhere the product of the others is the product over the element.
    """
    one, zero = np.ones((), data.dtype.numpy), np.zeros((), data.dtype.numpy)
    is_zero = F.equal(data, zero)
    zeros = F.unsorted_segment_sum(F.cast(is_zero, dt.int32), ids, n)
    g = F.where_v2(zeros > 1, zero, g)
    safe = F.where_v2(is_zero, one, data)
    rest = F.unsorted_segment_prod(safe, ids, n)
    others = F.where_v2(is_zero, spread(F, rest, ids), spread(F, out, ids) / safe)
    return spread(F, g, ids) * F.conj(others)


UNSORTED_SUM = _declare("UnsortedSegmentSum", dt.NUMBERS, "add", np.add, lambda d: 0,
                        sum_gradient)
UNSORTED_MAX = _declare("UnsortedSegmentMax", dt.REALS, "max", np.maximum, lambda d: d.min,
                        extremum_gradient)
UNSORTED_MIN = _declare("UnsortedSegmentMin", dt.REALS, "min", np.minimum, lambda d: d.max,
                        extremum_gradient)
UNSORTED_PROD = _declare("UnsortedSegmentProd", dt.NUMBERS, "mul", np.multiply, lambda d: 1,
                         product_gradient)


@op_function
def unsorted_segment_sum(
    data: Any, segment_ids: Any, num_segments: Any, name: str | None = None
) -> Any:
    """output[s] = Σ data[i] over all i with segment_ids[i] = s; 0 where there are none.

    data: [i…, d…] numbers; segment_ids: [i…] integers below `num_segments`, in any order, where
    a negative one drops its row; num_segments: scalar → [num_segments, d…].
    Raises ShapeError if `data` does not begin with the shape of `segment_ids`;
    InvalidArgumentError at run time for an id that is too large.
    """
    return apply(UNSORTED_SUM, (data, segment_ids, num_segments), name=name)


@op_function
def unsorted_segment_max(
    data: Any, segment_ids: Any, num_segments: Any, name: str | None = None
) -> Any:
    """The largest row element per segment, as `unsorted_segment_sum`.

    An empty segment gives the least finite value of the type. Equal largest elements share the
    gradient.
    """
    return apply(UNSORTED_MAX, (data, segment_ids, num_segments), name=name)


@op_function
def unsorted_segment_min(
    data: Any, segment_ids: Any, num_segments: Any, name: str | None = None
) -> Any:
    """The smallest row element per segment, as `unsorted_segment_sum`.

    An empty segment gives the largest finite value of the type. Equal smallest elements share
    the gradient.
    """
    return apply(UNSORTED_MIN, (data, segment_ids, num_segments), name=name)


@op_function
def unsorted_segment_prod(
    data: Any, segment_ids: Any, num_segments: Any, name: str | None = None
) -> Any:
    """The product of each segment's rows, as `unsorted_segment_sum`; 1 for an empty segment."""
    return apply(UNSORTED_PROD, (data, segment_ids, num_segments), name=name)


def _counts(data: Any, segment_ids: Any, num_segments: Any) -> Any:
    """Rows per segment, at least 1, shaped to divide the segments' sums."""
    ones = F.ones_like(segment_ids, dtype=dt.int32)
    counts = F.maximum(unsorted_segment_sum(ones, segment_ids, num_segments), 1)
    counts = F.cast(counts, data.dtype)
    if data.shape.rank is None or segment_ids.shape.rank is None:
        missing = F.ones(F.reshape(F.rank(data) - F.rank(segment_ids), [1]), dt.int32)
    else:
        missing = np.ones(data.shape.rank - segment_ids.shape.rank, np.int32)
    return F.reshape(counts, F.concat([np.array([-1], np.int32), missing], 0))


@op_function
def unsorted_segment_mean(
    data: Any, segment_ids: Any, num_segments: Any, name: str | None = None
) -> Any:
    """The mean of each segment's rows, as `unsorted_segment_sum`; 0 for an empty segment.

    data: floats or complex numbers.
    """
    data, segment_ids = convert(data), convert(segment_ids)
    with scope(name, "UnsortedSegmentMean"):
        total = unsorted_segment_sum(data, segment_ids, num_segments)
        return total / _counts(data, segment_ids, num_segments)


@op_function
def unsorted_segment_sqrt_n(
    data: Any, segment_ids: Any, num_segments: Any, name: str | None = None
) -> Any:
    """Each segment's sum over the square root of its number of rows; 0 for an empty segment.

    data: floats or complex numbers; else as `unsorted_segment_sum`.
    """
    data, segment_ids = convert(data), convert(segment_ids)
    with scope(name, "UnsortedSegmentSqrtN"):
        total = unsorted_segment_sum(data, segment_ids, num_segments)
        return total / F.sqrt(_counts(data, segment_ids, num_segments))
