"""Putting updates into the places that index vectors name: `scatter_nd`, `tensor_scatter_nd_*`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function, publish
from graphflow.errors import InvalidArgumentError, ShapeError
from graphflow.lowering import Scatter
from graphflow.opdef import ErrorSample, Infer, OpDef, RunError, Sample, TensorType
from graphflow.ops.arguments import shape_from_value, typed
from graphflow.ops.declare import declare
from graphflow.ops.gathering import nd_depth, nd_target, split_nd
from graphflow.ops.numerics import widen
from graphflow.ops.segments import combine_rows
from graphflow.shapes import TensorShape


def _check_updates(c: Infer, indices: int, updates: int, target: TensorShape, what: str) -> None:
    """Raises ShapeError unless updates are indices' leading axes, then target's trailing ones."""
    depth = nd_depth(c, indices, target, what)
    places, given = c.shape(indices), c.shape(updates)
    if depth is None or places.rank is None or target.rank is None or given.rank is None:
        return
    expected = TensorShape.of(places.sizes[:-1] + target.sizes[depth:])
    if not expected.is_compatible_with(given):
        raise c.error(
            f"updates must have the shape {expected}, got {c.show(updates)} for "
            f"{c.show(indices)} into {what} {target}")


def _rows(
    indices: np.ndarray, updates: np.ndarray, shape: tuple[int, ...], what: str
) -> tuple[np.ndarray, np.ndarray, int]:
    """Updates as [n, inner], the row of each, and the number of rows. Raises RunError."""
    places = split_nd(indices, shape, what)
    depth = len(places)
    expected = indices.shape[:-1] + shape[depth:]
    if updates.shape != expected:
        raise RunError(InvalidArgumentError, f"updates must have the shape {list(expected)}, got "
                       f"{list(updates.shape)}")
    count = int(np.prod(shape[:depth], dtype=np.int64))
    total = int(np.prod(indices.shape[:-1], dtype=np.int64))
    flat = np.zeros(indices.shape[:-1], np.int64)
    for place, size in zip(places, shape):
        flat = flat * size + place
    inner = int(np.prod(shape[depth:], dtype=np.int64))
    return updates.reshape(total, inner), flat.reshape(total), count


def _scatter_nd_type(c: Infer) -> list[TensorType]:
    shape = shape_from_value(c, 2)
    _check_updates(c, 0, 1, shape, "shape")
    return [TensorType(c.dtype(1), shape)]


def _scatter_nd(indices: np.ndarray, updates: np.ndarray, shape: np.ndarray) -> np.ndarray:
    sizes = tuple(shape.tolist())
    if any(size < 0 for size in sizes):
        raise RunError(InvalidArgumentError, f"shape holds a negative size: {list(sizes)}")
    rows, flat, count = _rows(indices, updates, sizes, "shape")
    return combine_rows(np.add, rows, flat, count, 0).reshape(sizes)


def _places() -> list[tuple[Any, tuple[int, ...]]]:
    """Indices and the shapes of their updates, for a target of shape [3, 2, 2]."""
    return [
        (np.array([[2], [0]], np.int32), (2, 2, 2)),
        (np.array([[0, 1], [2, 0]], np.int64), (2, 2)),
        (np.array([[[1, 1, 0]], [[0, 0, 1]]], np.int32), (2, 1)),
        (np.array([1], np.int32), (2, 2)),
        (np.zeros((0, 2), np.int32), (0, 2)),
    ]


_REPEATED = (np.array([[1], [1], [0]], np.int32), (3, 2, 2))


def _updates(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(float(np.prod(shape))).reshape(shape) / 2 - 1


def _scatter_nd_samples() -> list[Sample]:
    return [Sample((i, _updates(s), np.array([3, 2, 2], i.dtype)))
            for i, s in [*_places(), _REPEATED]]


def _scatter_nd_errors() -> list[ErrorSample]:
    shape = np.array([3, 2], np.int32)
    return [
        ErrorSample((typed(dt.int32, 4, 1), typed(dt.float32, 4, 3), shape), {}, ShapeError,
                    r"updates must have the shape \[4, 2\], got updates \[4, 3\]"),
        ErrorSample((typed(dt.int32, 4, 3), typed(dt.float32, 4), shape), {}, ShapeError,
                    r"length 3 are too long for shape \[3, 2\]"),
        ErrorSample((typed(dt.int32), typed(dt.float32), shape), {}, ShapeError, "at least 1"),
    ]


SCATTER_ND = declare(
    "ScatterNd", "indices: I, updates: T, shape: I", infer=_scatter_nd_type,
    reference=_scatter_nd, grad=lambda F, op, g: [None, F.gather_nd(g, op.inputs[0]), None],
    lowering=Scatter(
        lambda index, load, ctx: nd_target(index, load, 0, ctx.in_shapes[0]), updates=1,
        combine="add", initial=lambda ctx: 0),
    samples=_scatter_nd_samples, errors=_scatter_nd_errors, I=dt.INDICES, T=dt.NUMBERS)


@op_function
def scatter_nd(indices: Any, updates: Any, shape: Any, name: str | None = None) -> Any:
    """Zeros of `shape` with `updates` added at the places that index vectors lead to.

    indices: integers [i…, m], each vector of m numbers indexes the first m axes of `shape`;
    updates: [i…, shape[m:]…], numbers; several updates of one place add up, in their order.
    shape: vector of integers of the type of `indices`, which may be computed at run time.
    Raises ShapeError if shapes do not fit; InvalidArgumentError at run time for an index out of
    range (negative ones too).
    """
    return apply(SCATTER_ND, (indices, updates, shape), name=name)


def _tensor_type(c: Infer) -> list[TensorType]:
    _check_updates(c, 1, 2, c.shape(0), "tensor")
    return [TensorType(c.dtype(0), c.shape(0))]


def _combined(combine: np.ufunc) -> Callable[..., np.ndarray]:
    def reference(tensor: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
        rows, flat, count = _rows(indices, updates, tensor.shape, "tensor")
        total = combine_rows(np.add, widen(rows), flat, count, 0)
        return combine(widen(tensor), total.reshape(tensor.shape)).astype(tensor.dtype)

    return reference


def _replaced(tensor: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
    rows, flat, count = _rows(indices, updates, tensor.shape, "tensor")
    out = np.array(tensor).reshape(count, rows.shape[1])
    out[flat] = rows
    return out.reshape(tensor.shape)


def _tensor_samples(repeated: bool) -> Callable[[], list[Sample]]:
    tensor = np.linspace(-3, 4, 12).reshape(3, 2, 2)
    places = [*_places(), _REPEATED] if repeated else _places()
    return lambda: [Sample((tensor, i, _updates(s))) for i, s in places]


def _tensor_errors() -> list[ErrorSample]:
    x = typed(dt.float32, 3, 2)
    return [
        ErrorSample((x, typed(dt.int32, 4, 1), typed(dt.float32, 4, 3)), {}, ShapeError,
                    r"updates must have the shape \[4, 2\], got updates \[4, 3\]"),
        ErrorSample((x, typed(dt.int32, 4, 3), typed(dt.float32, 4)), {}, ShapeError,
                    r"length 3 are too long for tensor \[3, 2\]"),
    ]


def _tensor_scatter(
    name: str, types: tuple[dt.DType, ...], combine: str, reference: Callable[..., Any],
    grad: Callable[..., Any],
) -> OpDef:
    return declare(
        name, "tensor: T, indices: I, updates: T", infer=_tensor_type, reference=reference,
        grad=grad, samples=_tensor_samples(repeated=combine != "set"), errors=_tensor_errors,
        lowering=Scatter(
            lambda index, load, ctx: nd_target(index, load, 1, ctx.in_shapes[1]), updates=2,
            combine=combine, base=0), I=dt.INDICES, T=types)


def _update_gradient(F: Any, op: Any, g: Any) -> list[Any]:
    _, indices, updates = op.inputs
    kept = F.tensor_scatter_nd_update(g, indices, F.zeros_like(updates))
    return [kept, None, F.gather_nd(g, indices)]


TENSOR_UPDATE = _tensor_scatter(
    "TensorScatterUpdate", dt.ALL, "set", _replaced, _update_gradient)
TENSOR_ADD = _tensor_scatter(
    "TensorScatterAdd", dt.NUMBERS, "add", _combined(np.add),
    lambda F, op, g: [g, None, F.gather_nd(g, op.inputs[1])])
TENSOR_SUB = _tensor_scatter(
    "TensorScatterSub", dt.NUMBERS, "sub", _combined(np.subtract),
    lambda F, op, g: [g, None, F.negative(F.gather_nd(g, op.inputs[1]))])


def _extremum(combine: np.ufunc) -> Callable[..., np.ndarray]:
    def reference(tensor: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
        rows, flat, count = _rows(indices, updates, tensor.shape, "tensor")
        out = widen(np.array(tensor)).reshape(count, rows.shape[1])
        combine.at(out, flat, widen(rows))
        return out.reshape(tensor.shape).astype(tensor.dtype)

    return reference


def _extremum_gradient(F: Any, op: Any, g: Any) -> list[Any]:
    """Shared evenly among the elements, of the tensor and the updates, that are the extremum."""
    tensor, indices, updates = op.inputs
    y = op.outputs[0]
    kept = F.cast(F.equal(tensor, y), g.dtype)
    taken = F.cast(F.equal(updates, F.gather_nd(y, indices)), g.dtype)
    share = g / F.tensor_scatter_nd_add(kept, indices, taken)
    return [share * kept, None, F.gather_nd(share, indices) * taken]


TENSOR_MAX = _tensor_scatter(
    "TensorScatterMax", dt.REALS, "max", _extremum(np.maximum), _extremum_gradient)
TENSOR_MIN = _tensor_scatter(
    "TensorScatterMin", dt.REALS, "min", _extremum(np.minimum), _extremum_gradient)


@op_function
def tensor_scatter_nd_update(
    tensor: Any, indices: Any, updates: Any, name: str | None = None
) -> Any:
    """`tensor` with `updates` in the places that index vectors lead to.

    indices: integers [i…, m], each vector of m numbers indexes the first m axes of `tensor`;
    updates: [i…, tensor.shape[m:]…]; of several for one place the last one stays, and the
    gradient is that of places named once.
    Raises ShapeError if shapes do not fit; InvalidArgumentError at run time for an index out of
    range (negative ones too).
    """
    return apply(TENSOR_UPDATE, (tensor, indices, updates), name=name)


@op_function
def tensor_scatter_nd_add(
    tensor: Any, indices: Any, updates: Any, name: str | None = None
) -> Any:
    """`tensor` plus `updates`, all of them, in the places of `tensor_scatter_nd_update`."""
    return apply(TENSOR_ADD, (tensor, indices, updates), name=name)


@op_function
def tensor_scatter_nd_sub(
    tensor: Any, indices: Any, updates: Any, name: str | None = None
) -> Any:
    """`tensor` minus `updates`, all of them, in the places of `tensor_scatter_nd_update`."""
    return apply(TENSOR_SUB, (tensor, indices, updates), name=name)


@op_function
def tensor_scatter_nd_max(
    tensor: Any, indices: Any, updates: Any, name: str | None = None
) -> Any:
    """The larger of `tensor` and all `updates` in the places of `tensor_scatter_nd_update`.

    Equal largest elements share the gradient.
    """
    return apply(TENSOR_MAX, (tensor, indices, updates), name=name)


@op_function
def tensor_scatter_nd_min(
    tensor: Any, indices: Any, updates: Any, name: str | None = None
) -> Any:
    """The smaller of `tensor` and all `updates` in the places of `tensor_scatter_nd_update`.

    Equal smallest elements share the gradient.
    """
    return apply(TENSOR_MIN, (tensor, indices, updates), name=name)


tensor_scatter_update = publish(tensor_scatter_nd_update, "tensor_scatter_update")
tensor_scatter_add = publish(tensor_scatter_nd_add, "tensor_scatter_add")
tensor_scatter_sub = publish(tensor_scatter_nd_sub, "tensor_scatter_sub")
