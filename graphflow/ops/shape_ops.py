"""Shapes as values: shape, size and rank of a tensor, and the broadcast of two shapes.

What is known while the graph is built becomes a constant, as in TensorFlow; the rest carries its
symbolic value, so that `reshape(x, [gf.shape(x)[0], -1])` has a known static shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dims import broadcast_dims, product
from graphflow.dtypes import as_dtype
from graphflow.errors import InvalidArgumentError, ShapeError
from graphflow.lowering import Composite, Sizes
from graphflow.opdef import (
    Attr,
    ErrorSample,
    Infer,
    NotDifferentiable,
    RunError,
    Sample,
    TensorType,
    scalar_of,
)
from graphflow.ops.arguments import shape_argument, typed
from graphflow.ops.declare import declare
from graphflow.shapes import TensorShape, as_shape, broadcast_shapes, unknown_shape

_INTEGER = NotDifferentiable("the output is a shape: integers")
_OUT_TYPE = Attr("dtype", dt.int32, choices=dt.INDICES)


def _samples() -> list[Sample]:
    return [Sample((np.ones((2, 3)),), grad=False), Sample((np.ones(()),), grad=False),
            Sample((np.zeros((0, 4)),), {"out_type": dt.int64}, grad=False)]


def _shape_type(c: Infer) -> list[TensorType]:
    return [TensorType(c.attrs["out_type"], TensorShape([c.shape(0).rank]))]


def _shape_value(c: Infer) -> list[Any]:
    shape = c.shape(0)
    return [None if shape.rank is None else np.array(shape.sizes, object)]


SHAPE = declare(
    "Shape", "input: any", attrs={"out_type": _OUT_TYPE}, infer=_shape_type,
    reference=lambda x, out_type: np.array(np.shape(x), out_type.numpy),
    grad=_INTEGER, lowering=Sizes(lambda ctx: ctx.in_shapes[0]), symbolic=_shape_value,
    samples=_samples)


def _size_axes(axis: tuple[int, ...] | None, rank: int) -> Sequence[int]:
    return range(rank) if axis is None else axis


def _size_type(c: Infer) -> list[TensorType]:
    rank = c.shape(0).rank
    for axis in c.attrs["axis"] or ():
        if rank is not None:
            c.axis(axis, rank)
    return [scalar_of(c.attrs["out_type"])]


def _size_value(c: Infer) -> list[Any]:
    shape = c.shape(0)
    if shape.rank is None:
        return [None]
    axes = _size_axes(c.attrs["axis"], shape.rank)
    return [np.array(product([shape.sizes[i] for i in axes]), object)]


def _size_reference(x: np.ndarray, out_type: dt.DType, axis: tuple[int, ...] | None) -> Any:
    axes = _size_axes(axis, x.ndim)
    return np.array(np.prod([x.shape[i] for i in axes], dtype=np.int64), out_type.numpy)


def _size_of_sizes(ctx: Any) -> tuple[Any, ...]:
    sizes = ctx.in_shapes[0]
    total: Any = 1
    for axis in _size_axes(ctx.attrs["axis"], len(sizes)):
        total = total * sizes[axis]
    return (total,)


SIZE = declare(
    "Size", "input: any",
    attrs={"out_type": _OUT_TYPE, "axis": Attr("ints", None, optional=True)},
    infer=_size_type, reference=_size_reference, grad=_INTEGER, lowering=Sizes(_size_of_sizes),
    symbolic=_size_value,
    samples=lambda: [*_samples(), Sample((np.ones((2, 3, 4)),), {"axis": (0, -1)}, grad=False)])

RANK = declare(
    "Rank", "input: any", infer=lambda c: [scalar_of(dt.int32)],
    reference=lambda x: np.array(np.ndim(x), np.int32), grad=_INTEGER,
    lowering=Sizes(lambda ctx: (len(ctx.in_shapes[0]),)),
    symbolic=lambda c: [None if c.shape(0).rank is None else np.array(c.shape(0).rank)],
    samples=lambda: [Sample((np.ones(sizes),), grad=False) for sizes in ((2, 3), (), (0, 4))])


@op_function
def shape(input: Any, name: str | None = None, out_type: Any = dt.int32) -> Any:
    """The shape of `input` as a vector of `out_type` (int32 or int64).

    A constant if all sizes are known. A sparse `input` gives its dense shape.
    """
    out_type = as_dtype(out_type)
    dense_shape = getattr(input, "dense_shape", None)
    if dense_shape is not None:
        return F.cast(dense_shape, out_type, name=name)
    input = convert(input)
    if input.shape.is_fully_defined():
        return F.constant(np.array(input.shape.sizes, out_type.numpy), name=name or "Shape")
    return apply(SHAPE, (input,), {"out_type": out_type}, name=name)


@op_function
def shape_n(input: Sequence[Any], out_type: Any = dt.int32, name: str | None = None) -> list[Any]:
    """The shapes of several tensors: a list of vectors."""
    return [shape(x, f"{name or 'ShapeN'}_{i}", out_type) for i, x in enumerate(input)]


@op_function
def size(input: Any, name: str | None = None, out_type: Any = dt.int32) -> Any:
    """The number of elements of `input`, a scalar of `out_type` (int32 or int64)."""
    out_type = as_dtype(out_type)
    input = convert(input)
    count = input.shape.num_elements()
    if count is not None:
        return F.constant(np.array(count, out_type.numpy), name=name or "Size")
    return apply(SIZE, (input,), {"out_type": out_type}, name=name)


def size_over(x: Any, axis: tuple[int, ...] | None, out_type: Any = dt.int32) -> Any:
    """The number of elements of `x` along `axis` (all axes if None): an int if it is known,
    else a scalar tensor."""
    if x.shape.rank is not None:
        axes = _size_axes(axis, x.shape.rank)
        count = product([x.shape.sizes[i] for i in axes])
        if isinstance(count, int):
            return count
    return apply(SIZE, (x,), {"out_type": as_dtype(out_type), "axis": axis})


@op_function
def rank(input: Any, name: str | None = None) -> Any:
    """The number of axes of `input`, an int32 scalar."""
    input = convert(input)
    if input.shape.rank is not None:
        return F.constant(np.array(input.shape.rank, np.int32), name=name or "Rank")
    return apply(RANK, (input,), name=name)


@op_function
def broadcast_static_shape(shape_x: Any, shape_y: Any) -> TensorShape:
    """The broadcast of two static shapes, a `TensorShape`. Raises ShapeError if there is none."""
    x, y = as_shape(shape_x), as_shape(shape_y)
    merged = broadcast_shapes(x, y)
    if merged is None:
        raise ShapeError(f"broadcast_static_shape: shapes {x} and {y} cannot be broadcast "
                         "together. Sizes must be equal or 1, counted from the last axis.")
    return merged


def _broadcast_args_type(c: Infer) -> list[TensorType]:
    lengths = []
    for i in (0, 1):
        c.require_rank(i, 1)
        shape = c.shape(i)
        lengths.append(None if shape.rank is None else shape.sizes[0])
    _broadcast_args_value(c)
    known = [n for n in lengths if isinstance(n, int)]
    length = max(known) if len(known) == 2 else None
    return [TensorType(c.dtype(0), unknown_shape(1) if length is None else TensorShape([length]))]


def _broadcast_args_value(c: Infer) -> list[Any]:
    left, right = c.value(0), c.value(1)
    if left is None or right is None:
        return [None]
    x, y = TensorShape(left.tolist()), TensorShape(right.tolist())
    merged = broadcast_shapes(x, y)
    if merged is None:
        raise c.error(f"shapes {x} and {y} cannot be broadcast together",
                      "Sizes must be equal or 1, counted from the last axis.")
    return [np.array(merged.sizes, object)]


def _broadcast_args(s0: np.ndarray, s1: np.ndarray) -> np.ndarray:
    count = max(len(s0), len(s1))
    x, y = ([1] * (count - len(s)) + [int(v) for v in s] for s in (s0, s1))
    merged = [broadcast_dims(a, b) for a, b in zip(x, y)]
    if None in merged:
        raise RunError(InvalidArgumentError,
                       f"shapes {s0.tolist()} and {s1.tolist()} cannot be broadcast together")
    return np.array(merged, s0.dtype)


def _expand_broadcast_args(F: Any, s0: Any, s1: Any) -> Any:
    """Both vectors padded with ones in front; then the size that is not 1."""
    counts = [F.size(s0), F.size(s1)]
    length = F.maximum(*counts)
    x, y = (F.concat([F.ones(F.reshape(length - n, [1]), s.dtype), s], 0)
            for s, n in zip((s0, s1), counts))
    fits = F.logical_or(F.equal(x, y), F.logical_or(F.equal(x, F.ones_like(x)),
                                                    F.equal(y, F.ones_like(y))))
    return F.where(F.equal(x, F.ones_like(x)), y, F.require(x, fits))


BROADCAST_ARGS = declare(
    "BroadcastArgs", "s0: S, s1: S", infer=_broadcast_args_type, reference=_broadcast_args,
    grad=_INTEGER, symbolic=_broadcast_args_value,
    lowering=Composite(_expand_broadcast_args),
    samples=lambda: [
        Sample((np.array([2, 1, 4]), np.array([3, 1])), dtypes=dt.INDICES, grad=False),
        Sample((np.zeros(0, np.int64), np.array([3, 1])), dtypes=dt.INDICES, grad=False)],
    errors=lambda: [
        ErrorSample((np.array([2, 3]), np.array([2, 4])), {}, ShapeError, "cannot be broadcast"),
        ErrorSample((typed(dt.int32, 2, 2), typed(dt.int32, 2)), {}, ShapeError, "rank 1")],
    S=dt.INDICES)


@op_function
def broadcast_dynamic_shape(shape_x: Any, shape_y: Any) -> Any:
    """The broadcast of two shapes given as integer vectors, a vector.

    Raises ShapeError (InvalidArgumentError when the graph runs) if there is none.
    """
    op = "BroadcastArgs"
    return apply(BROADCAST_ARGS, (shape_argument(op, None, shape_x, "shape_x"),
                                  shape_argument(op, None, shape_y, "shape_y")))
