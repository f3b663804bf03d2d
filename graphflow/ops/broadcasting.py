"""`broadcast_to` and its counterpart `sum_to`, by which gradients undo a broadcast."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dims import SymDim, equal, same
from graphflow.errors import InvalidArgumentError, ShapeError
from graphflow.lowering import Reduce, View
from graphflow.opdef import ErrorSample, Infer, RunError, Sample, TensorType
from graphflow.ops.arguments import shape_argument, shape_from_value, typed
from graphflow.ops.declare import declare
from graphflow.ops.index_maps import broadcast_index
from graphflow.ops.numerics import accumulator, widen
from graphflow.ops.reshaping import expand_axes
from graphflow.shapes import TensorShape


def _broadcast_to_type(c: Infer) -> list[TensorType]:
    target, source = shape_from_value(c, 1), c.shape(0)
    if target.rank is None or source.rank is None:
        return [TensorType(c.dtype(0), target)]
    problem = f"{c.show(0)} cannot be broadcast to {target}"
    if source.rank > target.rank:
        raise c.error(problem, "The target must have at least as many axes.")
    sizes = list(target.sizes)
    lead = target.rank - source.rank
    for k, have in enumerate(source.sizes):
        if same(have, 1) is not False:
            continue
        if same(have, sizes[lead + k]) is False:
            raise c.error(problem, "Sizes must be equal or 1, counted from the last axis.")
        sizes[lead + k] = have
    return [TensorType(c.dtype(0), TensorShape.of(sizes))]


def _broadcast_to_reference(input: np.ndarray, shape: np.ndarray) -> np.ndarray:
    sizes = [int(d) for d in shape]
    try:
        return np.broadcast_to(input, sizes)
    except ValueError:
        raise RunError(InvalidArgumentError,
                       f"input {list(input.shape)} cannot be broadcast to {sizes}") from None


BROADCAST_TO = declare(
    "BroadcastTo", "input: any, shape: S", infer=_broadcast_to_type,
    reference=_broadcast_to_reference,
    grad=lambda F, op, g: [F.sum_to(g, op.inputs[0]), None],
    lowering=View(lambda i, ctx: broadcast_index(i, ctx.in_shapes[0], ctx.out_shapes[0])),
    symbolic=True,
    samples=lambda: [
        Sample((np.array([[1.0], [2.0]]), np.array([3, 2, 4], np.int32))),
        Sample((np.array(1.5), np.array([2, 2], np.int64))),
        Sample((np.array([1.0, 2.0]), np.array([2], np.int32))),
        Sample((np.array([[1.0, 2.0]]), np.array([0, 2], np.int32))),
        Sample((np.zeros((0, 1)), np.array([2, 0, 3], np.int32)))],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 2, 3), np.array([4, 3])), {}, ShapeError,
                    r"input \[2, 3\] cannot be broadcast to \[4, 3\]"),
        ErrorSample((typed(dt.float32, 2, 3), np.array([3])), {}, ShapeError, "as many axes")],
    S=dt.INDICES)


@op_function
def broadcast_to(input: Any, shape: Any, name: str | None = None) -> Any:
    """`input` repeated along new axes in front and along axes of size 1, to `shape`.

    Raises ShapeError (InvalidArgumentError at run time) if a size is neither equal nor 1.
    """
    return apply(BROADCAST_TO, (input, shape_argument("BroadcastTo", name, shape)), name=name)


# ---- sum_to ----------------------------------------------------------------------------------


def _sum_to_type(c: Infer) -> list[TensorType]:
    target, source = shape_from_value(c, 1), c.shape(0)
    if target.rank is not None and source.rank is not None:
        if source.rank < target.rank:
            raise c.error(f"{c.show(0)} is no broadcast of {target}: it has fewer axes")
        tail = source.sizes[source.rank - target.rank:]
        for have, want in zip(tail, target.sizes):
            if same(want, 1) is False and same(have, want) is False:
                raise c.error(f"{c.show(0)} is no broadcast of {target}",
                              "Sizes must be equal or 1, counted from the last axis.")
    return [TensorType(c.dtype(0), target)]


def _summed_axes(source: tuple[Any, ...], target: tuple[Any, ...]) -> tuple[int, ...]:
    """The axes of `source` that a broadcast from `target` repeated."""
    lead = len(source) - len(target)
    return (*range(lead), *(lead + k for k, want in enumerate(target)
                            if same(want, 1) and not same(source[lead + k], 1)))


def _sum_to_reference(g: np.ndarray, shape: np.ndarray) -> np.ndarray:
    target = tuple(int(d) for d in shape)
    try:
        fits = np.broadcast_shapes(target, g.shape) == g.shape
    except ValueError:
        fits = False
    if not fits:
        raise RunError(InvalidArgumentError,
                       f"g {list(g.shape)} is no broadcast of {list(target)}")
    axes = _summed_axes(g.shape, target)
    wide = widen(g)
    total = np.add.reduce(wide, axis=axes, dtype=wide.dtype)
    return np.asarray(total).astype(g.dtype, copy=False).reshape(target)


SUM_TO = declare(
    "SumTo", "g: T, shape: S", infer=_sum_to_type, reference=_sum_to_reference,
    grad=lambda F, op, g: [F.broadcast_to(g, F.shape(op.inputs[0])), None],
    lowering=Reduce(
        axes=lambda ctx: _summed_axes(ctx.in_shapes[0], ctx.out_shapes[0]),
        init=lambda b, ctx: (b.const(0, accumulator(ctx.in_dtypes[0])),),
        lift=lambda b, x, position, ctx: (b.cast(x, accumulator(ctx.in_dtypes[0])),),
        combine=lambda b, left, right: (left[0] + right[0],),
        finish=lambda b, total, count, ctx: (b.cast(total[0], ctx.out_dtypes[0]),),
        undoes_broadcast=True),
    samples=lambda: [
        Sample((np.arange(24.0).reshape(2, 3, 4), np.array([3, 1], np.int32))),
        Sample((np.arange(6.0).reshape(2, 3), np.array([2, 3], np.int64))),
        Sample((np.arange(6.0).reshape(2, 3), np.array([], np.int32))),
        Sample((np.zeros((0, 3)), np.array([1, 3], np.int32))),
        Sample((np.zeros((2, 0)), np.array([1, 0], np.int32)))],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 2, 3), np.array([3, 3])), {}, ShapeError, "no broadcast"),
        ErrorSample((typed(dt.float32, 2, 3), np.array([1, 2, 3])), {}, ShapeError, "fewer")],
    T=dt.NUMBERS, S=dt.INDICES)


@op_function
def sum_to(g: Any, like: Any, name: str | None = None) -> Any:
    """`g` summed over the axes along which something of the shape of `like` was broadcast to it.

    g: numbers, [..., n]. Gives `g` itself if the shapes are known to be equal, a `reduce_sum`
    over exactly those axes if they are known, and the op `SumTo` if only the run can tell.
    """
    g, like = convert(g), convert(like)
    source, target = g.shape, like.shape
    if source.rank is None or target.rank is None or source.rank < target.rank:
        return apply(SUM_TO, (g, F.shape(like)), name=name)
    lead = source.rank - target.rank
    inner = []
    for k, want in enumerate(target.sizes):
        have = source.sizes[lead + k]
        if equal(have, want):
            continue
        if isinstance(want, SymDim):
            return apply(SUM_TO, (g, F.shape(like)), name=name)
        if want == 1:
            inner.append(lead + k)
    if not lead and not inner:
        return g
    if not lead:
        return F.reduce_sum(g, inner, keepdims=True, name=name)
    total = F.reduce_sum(g, [*range(lead), *inner], name=name)
    return expand_axes(total, tuple(a - lead for a in inner))


def broadcast_like(x: Any, like: Any) -> Any:
    """`x` broadcast to the shape of `like`; `x` itself if the shapes are known to be equal."""
    if same_shape(x.shape, like.shape):
        return x
    return F.broadcast_to(x, F.shape(like))


def same_shape(a: TensorShape, b: TensorShape) -> bool:
    """True if two shapes are known to be equal."""
    if a.rank is None or a.rank != b.rank:
        return False
    return a.sizes == b.sizes or all(equal(x, y) for x, y in zip(a.sizes, b.sizes))
