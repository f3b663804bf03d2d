"""Counts of values: `bincount`, histograms of fixed width, `confusion_matrix`."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dims import Dim, SymDim, as_known_size, fresh
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import Composite
from graphflow.opdef import ErrorSample, Infer, RunError, Sample, TensorType
from graphflow.ops.arguments import failure, static_value, typed
from graphflow.ops.declare import declare
from graphflow.ops.scope import scope
from graphflow.ops.segments import combine_rows
from graphflow.ops.squeezable import remove_squeezable_dimensions
from graphflow.shapes import TensorShape

# ---- bincount --------------------------------------------------------------------------------


def _bincount_type(c: Infer) -> list[TensorType]:
    c.require_rank(1, 0)
    value = c.value(1)
    size: Dim = fresh() if value is None else as_known_size(value.reshape(()).item())
    if not isinstance(size, SymDim) and size < 0:
        raise c.error(f"size must not be negative, got {size}")
    if not c.shape(0).is_compatible_with(c.shape(2)):
        raise c.error(f"there must be one weight per value: {c.show(0)}, {c.show(2)}")
    return [TensorType(c.dtype(2), TensorShape.of((size,)))]


def _bincount(arr: np.ndarray, size: np.ndarray, weights: np.ndarray) -> np.ndarray:
    if arr.shape != weights.shape:
        raise RunError(InvalidArgumentError, f"arr {list(arr.shape)} and weights "
                                             f"{list(weights.shape)} must have one shape")
    if int(size) < 0 or (arr.size and arr.min() < 0):
        raise RunError(InvalidArgumentError,
                       f"arr must not hold negative numbers, got {int(arr.min(initial=0))}")
    ids = np.where(arr < size, arr, -1).ravel()
    return combine_rows(np.add, weights.reshape(-1, 1), ids, int(size), 0)[:, 0]


def _expand_bincount(F: Any, arr: Any, size: Any, weights: Any) -> Any:
    """A segment sum that drops what is too large, and refuses (by a wrong id) what is negative."""
    size = F.cast(size, arr.dtype)
    ids = F.where_v2(arr < 0, size, F.where_v2(arr < size, arr, -1))
    return F.unsorted_segment_sum(weights, ids, size)


def _bincount_grad(F: Any, op: Any, g: Any) -> list[Any]:
    """A weight's gradient is that of its bin; values that have none give nothing."""
    arr, size, _ = op.inputs
    inside = arr < F.cast(size, arr.dtype)
    padded = F.concat([g, F.zeros([1], g.dtype)], 0)
    return [None, None, F.gather(padded, F.where_v2(inside, arr, F.cast(size, arr.dtype)))]


BINCOUNT = declare(
    "Bincount", "arr: I, size: S, weights: T", infer=_bincount_type, reference=_bincount,
    grad=_bincount_grad, lowering=Composite(_expand_bincount),
    samples=lambda: [
        Sample((np.array([1, 3, 1, 0, 5], np.int32), np.array(6, np.int32),
                np.array([0.5, 2.0, 1.5, 1.0, 3.0]))),
        Sample((np.array([[1, 3], [1, 7]], np.int32), np.array(4, np.int32),
                np.array([[0.5, 2.0], [1.5, 1.0]]))),
        Sample((np.zeros(0, np.int32), np.array(3, np.int64), np.zeros(0))),
        Sample((np.array([2, 1], np.int64), np.array(0, np.int32), np.ones(2)), grad=False)],
    errors=lambda: [
        ErrorSample((typed(dt.int32, 3), np.array(4), typed(dt.float32, 4)), {}, ShapeError,
                    r"one weight per value: arr \[3\], weights \[4\]"),
        ErrorSample((typed(dt.int32, 3), np.array(-1), typed(dt.float32, 3)), {}, ShapeError,
                    "size must not be negative"),
        ErrorSample((typed(dt.int32, 3), np.array([4]), typed(dt.float32, 3)), {}, ShapeError,
                    "size must have rank 0")],
    I=dt.INDICES, S=dt.INDICES, T=dt.NUMBERS)


@op_function
def bincount(
    arr: Any, weights: Any = None, minlength: Any = None, maxlength: Any = None,
    dtype: Any = dt.int32,
) -> Any:
    """How often each of 0, 1, 2 … is in `arr`, or the sum of its weights.

    arr: integers ≥ 0 of any shape; weights: numbers of the same shape, whose dtype the result
      has (else `dtype`) → [n], n = max(arr) + 1, but at least `minlength`, and at most
      `maxlength`: larger values are not counted. Differentiable in the weights.
    Raises ShapeError if weights do not fit; InvalidArgumentError at run time for a negative value.
    """
    with scope(None, "bincount"):
        arr = F.cast(convert(arr), dt.int32)
        size = F.maximum(F.reduce_max(F.concat([[-1], F.reshape(arr, [-1])], 0)) + 1, 0)
        if minlength is not None:
            size = F.maximum(F.cast(minlength, dt.int32), size)
        if maxlength is not None:
            size = F.minimum(F.cast(maxlength, dt.int32), size)
        if minlength is not None and maxlength is not None:
            least, most = static_value(minlength), static_value(maxlength)
            if least is not None and most is not None and np.array_equal(least, most):
                size = F.cast(minlength, dt.int32)  # a size that is known while building
        weights = F.ones_like(arr, dtype=dtype) if weights is None else convert(weights)
        return apply(BINCOUNT, (arr, size, weights))


# ---- histograms ------------------------------------------------------------------------------


def _bins(values: Any, value_range: Any, nbins: Any, name: str | None) -> Any:
    known = static_value(nbins)
    if known is not None and (known.ndim or known < 1):
        raise failure("histogram_fixed_width", name, f"nbins must be positive, got {nbins!r}",
                      cls=AttributeValueError)
    value_range = convert(value_range, values.dtype)
    if not value_range.shape.is_compatible_with([2]):
        raise failure("histogram_fixed_width", name, "value_range must be (least, largest), got "
                      f"shape {value_range.shape}", cls=ShapeError)
    low, high = value_range[0], value_range[1]
    scaled = F.truediv(values - low, high - low)
    count = F.cast(nbins, scaled.dtype)
    return F.cast(F.clip_by_value(F.floor(count * scaled), 0, count - 1), dt.int32)


@op_function
def histogram_fixed_width_bins(
    values: Any, value_range: Any, nbins: Any = 100, dtype: Any = dt.int32,
    name: str | None = None,
) -> Any:
    """The bin of each value, of `nbins` of one width from value_range[0] to value_range[1].

    values: numbers → int32 (or `dtype`) of the same shape; values outside of the range are in the
    first or last bin. Raises AttributeValueError for a number of bins that is not positive.
    """
    with scope(name, "histogram_fixed_width_bins"):
        return F.cast(_bins(convert(values), value_range, nbins, name), dtype)


@op_function
def histogram_fixed_width(
    values: Any, value_range: Any, nbins: Any = 100, dtype: Any = dt.int32,
    name: str | None = None,
) -> Any:
    """How many values are in each bin of `histogram_fixed_width_bins`: [nbins] of `dtype`."""
    with scope(name, "histogram_fixed_width") as last:
        bins = F.reshape(_bins(convert(values), value_range, nbins, name), [-1])
        return F.unsorted_segment_sum(F.ones_like(bins, dtype=dtype), bins, nbins, name=last)


# ---- confusion matrix ------------------------------------------------------------------------


@op_function
def confusion_matrix(
    labels: Any, predictions: Any, num_classes: Any = None, dtype: Any = dt.int32,
    name: str | None = None, weights: Any = None,
) -> Any:
    """How often label i was predicted as j: element [i, j] of a [num_classes, num_classes] matrix.

    labels, predictions: [n] integers (or [n, 1]) in [0, num_classes); the largest of both + 1 is
      num_classes if None; weights: [n], what each pair counts (1 by default).
    Raises ShapeError if the shapes differ; InvalidArgumentError at run time for a number beyond
    num_classes or a negative one.
    """
    with scope(name, "confusion_matrix"):
        labels, predictions = remove_squeezable_dimensions(labels, predictions)
        if not labels.shape.is_compatible_with(predictions.shape):
            raise failure("confusion_matrix", name, f"labels {labels.shape} and predictions "
                          f"{predictions.shape} must have one shape", cls=ShapeError)
        pairs = [F.cast(v, dt.int64) for v in (labels, predictions)]
        if num_classes is None:
            count = F.maximum(F.reduce_max(pairs[0]), F.reduce_max(pairs[1])) + 1
        else:
            count = F.cast(num_classes, dt.int64)
        if weights is None:
            values = F.ones_like(pairs[1], dtype=dtype)
        else:
            weights = convert(weights)
            if not weights.shape.is_compatible_with(labels.shape):
                raise failure("confusion_matrix", name, f"weights {weights.shape} and labels "
                              f"{labels.shape} must have one shape", cls=ShapeError)
            values = F.cast(weights, dtype)
        return F.scatter_nd(F.stack(pairs, axis=1), values, F.stack([count, count]))
