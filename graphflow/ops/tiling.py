"""`tile`, and the sum over the copies by which gradients undo it."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function
from graphflow.dims import mul
from graphflow.errors import InvalidArgumentError, ShapeError
from graphflow.lowering import Composite, View
from graphflow.opdef import ErrorSample, Infer, OpDef, RunError, Sample, TensorType
from graphflow.ops.arguments import shape_argument, shape_from_value, typed
from graphflow.ops.declare import declare
from graphflow.ops.numerics import widen
from graphflow.shapes import TensorShape, unknown_shape


def _multiples(c: Infer) -> tuple[int | None, list[Any] | None]:
    """The rank of the input, and the multiples as far as they are known."""
    c.require_rank(1, 1)
    count = c.shape(1).sizes[0] if c.shape(1).rank == 1 else None
    length = count if isinstance(count, int) else None
    rank = c.shape(0).rank
    if rank is not None and length is not None and rank != length:
        raise c.error(f"multiples is [{length}], but {c.show(0)} has {rank} axes")
    value = c.value(1)
    numbers = None if value is None else value.tolist()
    if numbers and any(isinstance(m, int) and m < 0 for m in numbers):
        raise c.error(f"multiples must not be negative, got {numbers}")
    return length if rank is None else rank, numbers


def _tile_type(c: Infer) -> list[TensorType]:
    rank, multiples = _multiples(c)
    if c.shape(0).rank is None or multiples is None:
        return [TensorType(c.dtype(0), unknown_shape(rank))]
    sizes = [mul(d, m) for d, m in zip(c.shape(0).sizes, multiples)]
    return [TensorType(c.dtype(0), TensorShape.of(sizes))]


def _checked(x: np.ndarray, multiples: np.ndarray) -> list[int]:
    numbers = [int(m) for m in multiples]
    if len(numbers) != x.ndim or any(m < 0 for m in numbers):
        raise RunError(InvalidArgumentError,
                       f"multiples {numbers} do not fit an input of shape {list(x.shape)}")
    return numbers


TILE = declare(
    "Tile", "input: any, multiples: S", infer=_tile_type,
    reference=lambda input, multiples: np.tile(input, _checked(input, multiples)),
    grad=lambda F, op, g: [apply(SUM_TILES, (g, op.inputs[1], F.shape(op.inputs[0]))), None],
    lowering=View(lambda i, ctx: tuple(k % d for k, d in zip(i, ctx.in_shapes[0]))),
    symbolic=True,
    samples=lambda: [
        Sample((np.arange(6.0).reshape(2, 3), np.array([2, 1], np.int32))),
        Sample((np.arange(3.0), np.array([3], np.int64))),
        Sample((np.arange(6.0).reshape(2, 3), np.array([0, 2], np.int32))),
        Sample((np.array(2.0), np.array([], np.int32))),
        Sample((np.zeros((0, 2)), np.array([2, 2], np.int32)))],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 2, 3), np.array([2])), {}, ShapeError,
                    r"multiples is \[1\], but input \[2, 3\] has 2 axes"),
        ErrorSample((typed(dt.float32, 2), np.array([-1])), {}, ShapeError, "negative")],
    S=dt.INDICES)


@op_function
def tile(input: Any, multiples: Any, name: str | None = None) -> Any:
    """`input` repeated `multiples[k]` times along each axis k.

    multiples: a vector with one number per axis, known or computed when the graph runs.
    Raises ShapeError (InvalidArgumentError at run time) if it does not fit.
    """
    return apply(TILE, (input, shape_argument("Tile", name, multiples, "multiples")), name=name)


# ---- the sum over the copies -----------------------------------------------------------------


def _sum_tiles_type(c: Infer) -> list[TensorType]:
    rank, multiples = _multiples(c)
    target = shape_from_value(c, 2)
    if target.rank is None:
        return [TensorType(c.dtype(0), unknown_shape(rank))]
    if c.shape(0).rank is not None and multiples is not None:
        for size, d, m in zip(c.shape(0).sizes, target.sizes, multiples):
            c.require_same(size, mul(d, m), f"{c.show(0)} is not {target} repeated {multiples}")
    return [TensorType(c.dtype(0), target)]


def _interleaved(multiples: Any, sizes: Any) -> list[Any]:
    """[m₀, d₀, m₁, d₁, …]: every tiled axis as its copies and its elements."""
    return [n for pair in zip(multiples, sizes) for n in pair]


def _sum_tiles_reference(x: np.ndarray, multiples: np.ndarray, shape: np.ndarray) -> np.ndarray:
    numbers, sizes = _checked(x, multiples), [int(d) for d in shape]
    if x.shape != tuple(d * m for d, m in zip(sizes, numbers)):
        raise RunError(InvalidArgumentError,
                       f"x {list(x.shape)} is not {sizes} repeated {numbers}")
    wide = widen(x).reshape(_interleaved(numbers, sizes))
    total = np.add.reduce(wide, axis=tuple(range(0, 2 * x.ndim, 2)), dtype=wide.dtype)
    return np.asarray(total).astype(x.dtype, copy=False)


def _expand_sum_tiles(F: Any, x: Any, multiples: Any, shape: Any) -> Any:
    rank = x.shape.rank
    if rank == 0:
        return x
    parts = F.unstack(F.cast(multiples, dt.int64), rank), F.unstack(F.cast(shape, dt.int64), rank)
    return F.reduce_sum(F.reshape(x, F.stack(_interleaved(*parts))), list(range(0, 2 * rank, 2)))


SUM_TILES: OpDef = declare(
    "SumTiles", "x: T, multiples: S, shape: U", infer=_sum_tiles_type,
    reference=_sum_tiles_reference,
    grad=lambda F, op, g: [F.tile(g, op.inputs[1]), None, None],
    lowering=Composite(_expand_sum_tiles),
    samples=lambda: [
        Sample((np.arange(12.0).reshape(4, 3), np.array([2, 1], np.int32),
                np.array([2, 3], np.int32))),
        Sample((np.arange(6.0), np.array([3], np.int64), np.array([2], np.int32))),
        Sample((np.zeros((0, 2)), np.array([0, 1], np.int32), np.array([3, 2], np.int32)))],
    errors=lambda: [ErrorSample(
        (typed(dt.float32, 5), np.array([2]), np.array([2])), {}, ShapeError,
        r"x \[5\] is not \[2\] repeated \[2\]")],
    T=dt.NUMBERS, S=dt.INDICES, U=dt.INDICES)
