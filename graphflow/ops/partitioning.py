"""Rows dealt out to several tensors, and put together again: dynamic_partition, dynamic_stitch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dims import fresh
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import Composite, LoweringContext, Scatter
from graphflow.opdef import (
    MAX_OUTPUTS,
    Attr,
    ErrorSample,
    Infer,
    RunError,
    Sample,
    TensorType,
)
from graphflow.ops.arguments import failure, static_int, typed
from graphflow.ops.declare import declare
from graphflow.ops.numerics import number_of
from graphflow.ops.scope import scope
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape

# ---- dynamic_partition -----------------------------------------------------------------------


def _partition_type(c: Infer) -> list[TensorType]:
    data, places, count = c.shape(0), c.shape(1), c.attrs["num_partitions"]
    if count < 1:
        raise c.error(f"num_partitions must be positive, got {count}", cls=AttributeValueError)
    if data.rank is None or places.rank is None:
        return [TensorType(c.dtype(0))] * count
    problem = f"data must begin with the shape of partitions: {c.show(0)}, {c.show(1)}"
    if places.rank > data.rank:
        raise c.error(problem)
    for a, b in zip(data.sizes, places.sizes):
        c.require_same(a, b, problem)
    known = c.value(1)
    counts: list[Any] = [fresh() for _ in range(count)]
    if known is not None and known.dtype != object:
        counts = [int(np.sum(known == i)) for i in range(count)]
    return [TensorType(c.dtype(0), TensorShape.of((n, *data.sizes[places.rank:])))
            for n in counts]


def _partition_reference(
    data: np.ndarray, partitions: np.ndarray, num_partitions: int
) -> tuple[np.ndarray, ...]:
    if data.shape[:partitions.ndim] != partitions.shape:
        raise RunError(InvalidArgumentError,
                       f"data {list(data.shape)} must begin with the shape of partitions "
                       f"{list(partitions.shape)}")
    bad = partitions[(partitions < 0) | (partitions >= num_partitions)]
    if bad.size:
        raise RunError(InvalidArgumentError,
                       f"partitions holds {bad.flat[0]}, outside [0, {num_partitions})")
    return tuple(data[partitions == i] for i in range(num_partitions))


def _partition_grad(F: Any, op: Any, *grads: Any) -> list[Any]:
    """The gradients' rows go back to where the rows came from."""
    data, partitions = op.inputs
    numbers = F.reshape(F.range(F.size(partitions)), F.shape(partitions))
    origins = F.dynamic_partition(numbers, partitions, op.attrs["num_partitions"])
    return [F.reshape(F.dynamic_stitch(origins, list(grads)), F.shape(data)), None]


def _expand_partition(F: Any, data: Any, partitions: Any, num_partitions: int) -> Any:
    inside = F.logical_and(partitions >= 0, partitions < num_partitions)
    places = F.require(partitions, inside)
    return tuple(F.boolean_mask(data, F.equal(places, i)) for i in range(num_partitions))


def _partition_samples() -> list[Sample]:
    x = np.arange(12.0).reshape(4, 3)
    places = np.array([2, 0, 2, 1], np.int32)
    return [
        Sample((x, places), {"num_partitions": 3}),
        Sample((x, places), {"num_partitions": 4}),
        Sample((x[:2], np.array([[1, 0, 1], [0, 0, 1]], np.int32)), {"num_partitions": 2}),
        Sample((np.zeros((0, 3)), places[:0]), {"num_partitions": 1})]


DYNAMIC_PARTITION = declare(
    "DynamicPartition", "data: any, partitions: int32",
    attrs={"num_partitions": Attr("int", most=MAX_OUTPUTS)}, infer=_partition_type,
    reference=_partition_reference, grad=_partition_grad,
    lowering=Composite(_expand_partition),
    samples=_partition_samples,
    errors=lambda: [
        ErrorSample((typed(dt.float32, 4, 3), typed(dt.int32, 3)), {"num_partitions": 2},
                    ShapeError, r"begin with the shape of partitions: data \[4, 3\]"),
        ErrorSample((typed(dt.float32, 4), typed(dt.int32, 4)), {"num_partitions": 0},
                    AttributeValueError, "num_partitions must be positive")])


@op_function
def dynamic_partition(
    data: Any, partitions: Any, num_partitions: int, name: str | None = None
) -> list[Any]:
    """The slices of `data` dealt out to `num_partitions` tensors, in their order.

    data: [shape of partitions…, rest…]; partitions: int32, for each slice the number of its
      tensor → tensors of shape [how many, rest…].
    Raises ShapeError if the shapes do not fit; InvalidArgumentError when the graph runs for a
    number outside [0, num_partitions).
    """
    count = static_int("DynamicPartition", name, "num_partitions", num_partitions)
    found = apply(DYNAMIC_PARTITION, (data, partitions), {"num_partitions": count}, name=name)
    return list(found) if isinstance(found, tuple) else [found]


# ---- dynamic_stitch --------------------------------------------------------------------------


def _stitch_type(c: Infer) -> list[TensorType]:
    c.require_rank(0, 1)
    c.require_rank(1, at_least=1)
    places, data = c.shape(0), c.shape(1)
    if data.rank is None:
        return [TensorType(c.dtype(1), UNKNOWN_SHAPE)]
    if places.rank is not None:
        c.require_same(places.sizes[0], data.sizes[0],
                       f"one slice per index: {c.show(0)}, {c.show(1)}")
    known = c.value(0)
    count: Any = fresh()
    if known is not None and known.dtype != object:
        count = int(max(known, default=-1)) + 1
    return [TensorType(c.dtype(1), TensorShape.of((count, *data.sizes[1:])))]


def _stitch_reference(indices: np.ndarray, data: np.ndarray) -> np.ndarray:
    if len(indices) != len(data):
        raise RunError(InvalidArgumentError,
                       f"{len(indices)} indices for {len(data)} slices of data")
    if indices.size and indices.min() < 0:
        raise RunError(InvalidArgumentError, f"indices holds the negative {indices.min()}")
    count = int(indices.max()) + 1 if indices.size else 0
    empty = number_of(0, dt.array_dtype(data))
    out = np.full((count, *data.shape[1:]), empty, data.dtype)
    out[indices] = data
    return out


def _place(index: tuple, load: Any, ctx: LoweringContext) -> tuple:
    return (load(0, (index[0],)), *index[1:])


DYNAMIC_STITCH = declare(
    "DynamicStitch", "indices: int32, data: any", infer=_stitch_type,
    reference=_stitch_reference,
    grad=lambda F, op, g: [None, F.gather(g, op.inputs[0])],
    lowering=Scatter(_place, updates=1, combine="set",
                     initial=lambda ctx: number_of(0, ctx.out_dtypes[0])),
    samples=lambda: [
        Sample((np.array([2, 0, 1], np.int32), np.arange(6.0).reshape(3, 2))),
        Sample((np.array([3, 0], np.int32), np.array([1.5, -2.0]))),
        Sample((np.array([1, 0, 1], np.int32), np.array([1.5, -2.0, 4.0])), grad=False),
        Sample((np.zeros(0, np.int32), np.zeros((0, 2))))],
    errors=lambda: [
        ErrorSample((typed(dt.int32, 2), typed(dt.float32, 3)), {}, ShapeError,
                    r"one slice per index: indices \[2\], data \[3\]"),
        ErrorSample((typed(dt.int32, 2, 1), typed(dt.float32, 2)), {}, ShapeError,
                    "indices must have rank 1")])


@op_function
def dynamic_stitch(indices: Any, data: Any, name: str | None = None) -> Any:
    """Slices put where their indices say: the inverse of `dynamic_partition`.

    indices: a list of int32 tensors; data: a list of as many tensors of one dtype, each of shape
      [shape of its indices…, rest…] → [largest index + 1, rest…]. Of several slices for one
      place the last stays; places that no index names hold zeros.
    Raises ShapeError if the lists do not fit; InvalidArgumentError for a negative index.
    """
    if not isinstance(indices, (list, tuple)) or not isinstance(data, (list, tuple)) or (
            len(indices) != len(data) or not indices):
        raise failure("DynamicStitch", name, "indices and data must be lists of one length",
                      "For example dynamic_stitch([i, j], [x, y]).", ShapeError)
    with scope(name, "DynamicStitch") as last:
        places = [convert(i, dt.int32) for i in indices]
        parts = [_slices(convert(d), i) for d, i in zip(data, places)]
        flat = [F.reshape(i, [-1]) for i in places]
        return apply(DYNAMIC_STITCH, (_joined(flat), _joined(parts)), name=last)


def _slices(data: Any, indices: Any) -> Any:
    """`data` with the axes of `indices` made one."""
    if indices.shape.rank == 1:
        return data
    rest = F.shape(data)[F.rank(indices):]
    return F.reshape(data, F.concat([[-1], rest], 0))


def _joined(tensors: Sequence[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else F.concat(list(tensors), 0)
