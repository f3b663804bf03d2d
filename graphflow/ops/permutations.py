"""Arithmetic of positions: `invert_permutation` and `unravel_index`."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function
from graphflow.dims import SymDim
from graphflow.errors import InvalidArgumentError, ShapeError
from graphflow.lowering import Composite
from graphflow.opdef import (
    ErrorSample,
    Infer,
    NotDifferentiable,
    RunError,
    Sample,
    TensorType,
    same_as_input,
)
from graphflow.ops.arguments import typed
from graphflow.ops.declare import declare
from graphflow.shapes import TensorShape, unknown_shape

_INTEGERS = NotDifferentiable("integer output")


def _invert_type(c: Infer) -> list[TensorType]:
    c.require_rank(0, 1)
    return same_as_input(c)


def _invert(x: np.ndarray) -> np.ndarray:
    count = len(x)
    bad = np.flatnonzero((x < 0) | (x >= count))
    if bad.size:
        raise RunError(InvalidArgumentError,
                       f"x[{bad[0]}] = {int(x[bad[0]])} is not in [0, {count})")
    out = np.full(count, -1, x.dtype)
    out[x] = np.arange(count, dtype=x.dtype)
    if np.any(out < 0):
        values, times = np.unique(x, return_counts=True)
        raise RunError(InvalidArgumentError,
                       f"x holds {int(values[times > 1][0])} more than once")
    return out


def _expand_invert(F: Any, x: Any) -> Any:
    """A scatter; where a place is named not once, the gather after it is refused."""
    count = F.size(x, out_type=x.dtype)
    places, shape = F.expand_dims(x, 1), F.reshape(count, [1])
    numbers = F.range(count)
    times = F.scatter_nd(places, F.ones_like(x), shape)
    inverse = F.scatter_nd(places, numbers, shape)
    return F.gather(inverse, F.where_v2(F.equal(times, 1), numbers, -1))


INVERT_PERMUTATION = declare(
    "InvertPermutation", "x: I", infer=_invert_type, reference=_invert, grad=_INTEGERS,
    lowering=Composite(_expand_invert),
    samples=lambda: [Sample((np.array([3, 4, 0, 2, 1], np.int32),)),
                     Sample((np.zeros(0, np.int64),))],
    errors=lambda: [ErrorSample((typed(dt.int32, 2, 3),), {}, ShapeError, "x must have rank 1")],
    I=dt.INDICES)


@op_function
def invert_permutation(x: Any, name: str | None = None) -> Any:
    """y with y[x[i]] = i.

    x: [n], int32 or int64, each of 0 … n − 1 once → the same type. Raises ShapeError for other
    ranks, InvalidArgumentError at run time if x is no permutation.
    """
    return apply(INVERT_PERMUTATION, (x,), name=name)


# ---- unravel_index ---------------------------------------------------------------------------


def _unravel_type(c: Infer) -> list[TensorType]:
    c.require_rank(0, 0, 1)
    c.require_rank(1, 1)
    indices, dims = c.shape(0), c.shape(1)
    if indices.rank is None:
        return [TensorType(c.dtype(0))]
    if dims.rank is None:
        return [TensorType(c.dtype(0), unknown_shape(1 + indices.rank))]
    return [TensorType(c.dtype(0), TensorShape.of((dims.sizes[0], *indices.sizes)))]


def _unravel(indices: np.ndarray, dims: np.ndarray) -> np.ndarray:
    sizes = [int(d) for d in dims]
    count = int(np.prod(sizes, dtype=np.int64))
    if np.any((indices < 0) | (indices >= count)):
        wrong = indices[(indices < 0) | (indices >= count)].ravel()[0]
        raise RunError(InvalidArgumentError,
                       f"index {int(wrong)} is out of bounds for dims {sizes}")
    out = np.zeros((len(sizes), *indices.shape), indices.dtype)
    rest = indices
    for axis in reversed(range(len(sizes))):
        out[axis] = rest % max(sizes[axis], 1)
        rest = rest // max(sizes[axis], 1)
    return out


def _expand_unravel(F: Any, indices: Any, dims: Any) -> Any:
    """Quotients by the strides; a number beyond all sizes is refused by a gather."""
    flat = F.reshape(indices, [1, -1])
    inside = F.logical_and(flat >= 0, flat < F.reduce_prod(dims))
    places = F.range(F.size(flat, out_type=flat.dtype))
    flat = F.gather(flat, F.where_v2(inside[0], places, -1), axis=1)
    sizes = F.expand_dims(F.maximum(dims, 1), 1)
    rows = (flat // F.expand_dims(_strides(F, dims), 1)) % sizes
    return F.reshape(rows, F.concat([F.shape(dims), F.shape(indices)], 0))


def _strides(F: Any, dims: Any) -> Any:
    """How far apart the elements of each axis lie, at least 1."""
    count = dims.shape.sizes[0]
    if isinstance(count, SymDim):
        return F.maximum(F.cumprod(dims, exclusive=True, reverse=True), 1)
    if count == 0:
        return dims
    strides = [F.ones([], dims.dtype)]
    for size in F.unstack(F.maximum(dims, 1), count)[:0:-1]:
        strides.append(strides[-1] * size)
    return F.stack(strides[::-1])


UNRAVEL_INDEX = declare(
    "UnravelIndex", "indices: I, dims: I", infer=_unravel_type, reference=_unravel,
    grad=_INTEGERS, lowering=Composite(_expand_unravel),
    samples=lambda: [
        Sample((np.array([22, 41, 7], np.int32), np.array([7, 6], np.int32))),
        Sample((np.array(57, np.int64), np.array([3, 4, 5], np.int64))),
        Sample((np.zeros(0, np.int32), np.array([2, 3], np.int32)))],
    errors=lambda: [ErrorSample((typed(dt.int32, 2), typed(dt.int32)), {}, ShapeError,
                                "dims must have rank 1")],
    I=dt.INDICES)


@op_function
def unravel_index(indices: Any, dims: Any, name: str | None = None) -> Any:
    """The coordinates of row-major positions in an array of sizes `dims`.

    indices: a scalar or [n] of int32 or int64; dims: [r] of the same type → [r] or [r, n].
    Raises ShapeError; InvalidArgumentError at run time for a position out of bounds.
    """
    return apply(UNRAVEL_INDEX, (indices, dims), name=name)
