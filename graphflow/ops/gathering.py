"""Picking slices of a tensor by computed indices: `gather`, `batch_gather`, `gather_nd`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dims import Dim, SymDim, same
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.indexed_slices import IndexedSlices
from graphflow.lowering import Gather, LoweringContext
from graphflow.opdef import Attr, ErrorSample, Infer, RunError, Sample, TensorType
from graphflow.ops.arguments import failure, static_int, typed
from graphflow.ops.declare import declare
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape


def check_range(indices: np.ndarray, size: int, what: str = "indices") -> None:
    """Raises RunError, naming the first offender, unless all indices are in [0, size)."""
    if indices.size and (indices.min() < 0 or indices.max() >= size):
        where = np.argwhere((indices < 0) | (indices >= size))[0]
        place = ",".join(str(int(i)) for i in where)
        value = int(indices[tuple(where)])
        raise RunError(
            InvalidArgumentError,
            f"{what}{f'[{place}]' if place else ''} = {value} is not in [0, {size})")


def _gather_type(c: Infer) -> list[TensorType]:
    params, indices = c.shape(0), c.shape(1)
    axis, batch = c.attrs["axis"], c.attrs["batch_dims"]
    if indices.rank is not None and not 0 <= batch <= indices.rank:
        raise c.error(f"batch_dims {batch} is outside [0, {indices.rank}]: {c.show(1)}",
                      cls=AttributeValueError)
    if params.rank is None:
        return [TensorType(c.dtype(0), UNKNOWN_SHAPE)]
    if params.rank == 0:
        raise c.error(f"params must have rank at least 1, got {c.show(0)}")
    axis = c.axis(axis, params.rank)
    if axis < batch:
        raise c.error(f"axis {axis} must not be less than batch_dims {batch}",
                      cls=AttributeValueError)
    if indices.rank is None:
        return [TensorType(c.dtype(0), UNKNOWN_SHAPE)]
    for k in range(batch):
        c.require_same(params.sizes[k], indices.sizes[k],
                       f"batch axis {k} differs: {c.show(0)}, {c.show(1)}")
    sizes: tuple[Dim, ...] = (
        *params.sizes[:axis], *indices.sizes[batch:], *params.sizes[axis + 1:])
    return [TensorType(c.dtype(0), TensorShape.of(sizes))]


def _gather(params: np.ndarray, indices: np.ndarray, axis: int, batch_dims: int) -> np.ndarray:
    axis += params.ndim if axis < 0 else 0
    indices = np.asarray(indices)
    check_range(indices, params.shape[axis])
    if batch_dims == 0:
        return np.asarray(np.take(params, indices, axis=axis))
    shape = params.shape
    groups = int(np.prod(shape[:batch_dims], dtype=np.int64))
    rows = np.moveaxis(params, axis, batch_dims)
    picks = indices.reshape(groups, int(np.prod(indices.shape[batch_dims:], dtype=np.int64)))
    rows = rows.reshape(groups, shape[axis], *rows.shape[batch_dims + 1:])
    out = rows[np.arange(groups)[:, None], picks]
    middle = shape[batch_dims:axis] + shape[axis + 1:]
    out = out.reshape(shape[:batch_dims] + indices.shape[batch_dims:] + middle)
    picked = range(batch_dims, indices.ndim)
    return np.moveaxis(out, picked, [k + axis - batch_dims for k in picked])


def _gather_gradient(F: Any, op: Any, g: Any) -> list[Any]:
    params, indices = op.inputs
    axis, batch = op.attrs["axis"], op.attrs["batch_dims"]
    if axis == 0 and batch == 0:
        return [_row_gradient(F, params, indices, g), None]
    if axis < 0 and params.shape.rank is not None:
        axis += params.shape.rank
    return [_axis_gradient(F, params, indices, g, axis, batch), None]


def _row_gradient(F: Any, params: Any, indices: Any, g: Any) -> IndexedSlices:
    """The gradient of a gather of rows: the rows of `g`, at the places they came from."""
    shape = F.shape(params)
    if indices.shape.rank == 1:
        return IndexedSlices(g, indices, shape)
    count = F.reshape(F.size(indices), [1])
    return IndexedSlices(F.reshape(g, F.concat([count, shape[1:]], 0)),
                         F.reshape(indices, count), shape)


def _axis_gradient(F: Any, params: Any, indices: Any, g: Any, axis: int, batch: int) -> Any:
    """Sums `g` into zeros like `params`, as rows: params is seen as [groups, outer, n, inner].

    `groups` are the batch axes; the gathered axis comes second, and the groups' rows are
    numbered one after the other, so that one segment sum serves them all.
    """
    shape, places = F.shape(params), F.shape(indices)
    n = shape[axis]

    def count(sizes: Any) -> Any:
        return F.reshape(F.reduce_prod(sizes), [1])

    groups, outer = count(shape[:batch]), count(shape[batch:axis])
    inner = count(shape[axis + 1:] if axis != -1 else shape[:0])
    picks = count(places[batch:])
    n1 = F.reshape(n, [1])
    g = F.transpose(F.reshape(g, F.concat([groups, outer, picks, inner], 0)), [0, 2, 1, 3])
    g = F.reshape(g, F.concat([groups * picks, outer, inner], 0))
    rows = F.reshape(indices, groups * picks)
    if batch:
        first = F.cast(F.range(0, groups[0]) * n, indices.dtype)
        rows = F.reshape(rows, F.concat([groups, picks], 0)) + F.expand_dims(first, 1)
        rows = F.reshape(rows, groups * picks)
    summed = F.unsorted_segment_sum(g, rows, groups[0] * n)
    summed = F.reshape(summed, F.concat([groups, n1, outer, inner], 0))
    return F.reshape(F.transpose(summed, [0, 2, 1, 3]), shape)


def _gather_lowering(index: tuple, load: Callable, ctx: LoweringContext) -> tuple:
    axis, batch = ctx.attrs["axis"], ctx.attrs["batch_dims"]
    axis += len(ctx.in_shapes[0]) if axis < 0 else 0
    end = axis + len(ctx.in_shapes[1]) - batch
    return (*index[:axis], load(1, index[:batch] + index[axis:end]), *index[end:])


def _gather_samples() -> list[Sample]:
    x = np.arange(24.0).reshape(2, 3, 4) / 8 - 1

    def sample(indices: Any, **attrs: int) -> Sample:
        return Sample((x, np.array(indices, np.int32)), attrs)

    return [
        sample([1, 0, 1, 1]), sample(1), sample([[0, 1], [1, 1]]),
        sample([[2, 0], [1, 1]], axis=1), sample([3, 3, 0], axis=-1), sample(2, axis=1),
        sample([[0, 2], [1, 1]], axis=1, batch_dims=1),
        sample([[3], [0]], axis=2, batch_dims=1),
        sample([[0, 1, 2], [3, 3, 0]], axis=2, batch_dims=2),
        sample(np.zeros((0,)), axis=1), sample(np.zeros((2, 0)), axis=1, batch_dims=1),
        Sample((np.zeros((3, 0)), np.array([2, 2], np.int64))),
    ]


def _gather_errors() -> list[ErrorSample]:
    x, i = typed(dt.float32, 2, 3), typed(dt.int32, 4)
    return [
        ErrorSample((typed(dt.float32), i), {}, ShapeError, "rank at least 1"),
        ErrorSample((x, i), {"axis": 2}, AttributeValueError, r"axis 2 is outside \[-2, 2\)"),
        ErrorSample((x, i), {"axis": 1, "batch_dims": 1}, ShapeError, "batch axis 0 differs"),
        ErrorSample((x, i), {"axis": 0, "batch_dims": 1}, AttributeValueError, "batch_dims 1"),
    ]


GATHER = declare(
    "GatherV2", "params: any, indices: I",
    attrs={"axis": Attr("int", 0), "batch_dims": Attr("int", 0)},
    infer=_gather_type, reference=_gather, grad=_gather_gradient,
    lowering=Gather(_gather_lowering), symbolic=True, samples=_gather_samples,
    errors=_gather_errors, I=dt.INDICES)


@op_function
def gather(
    params: Any, indices: Any, validate_indices: Any = None, name: str | None = None,
    axis: Any = None, batch_dims: int = 0,
) -> Any:
    """The slices of `params` at `indices` along `axis`.

    params: [a…, n, b…], a tensor or variable; indices: integers in [0, n) of any shape [i…]
      → [a…, i…, b…]. With batch_dims = k the first k axes of both are the same, and go together.
    axis: `batch_dims` by default; negative counts from the end. `validate_indices` is ignored:
      indices are always checked.
    Raises AttributeValueError for a wrong axis or batch_dims, InvalidArgumentError at run time
    for an index out of range (negative ones too). For axis 0 the gradient is IndexedSlices.
    """
    batch = static_int("GatherV2", name, "batch_dims", batch_dims)
    indices = convert(indices)
    if batch < 0:
        if indices.shape.rank is None:
            raise failure("GatherV2", name, "a negative batch_dims needs indices of known rank")
        batch += indices.shape.rank
    where = batch if axis is None else static_int("GatherV2", name, "axis", axis)
    return apply(GATHER, (params, indices), {"axis": where, "batch_dims": batch}, name=name)


@op_function
def batch_gather(params: Any, indices: Any, name: str | None = None) -> Any:
    """For each batch, the rows of `params` at `indices`: gather along indices' last axis.

    params: [b…, n, c…]; indices: [b…, k] → [b…, k, c…]. Raises ShapeError if the rank of
    `indices` is not known.
    """
    indices = convert(indices)
    if not indices.shape.rank:
        raise failure("GatherV2", name, f"batch_gather needs indices of known rank, got "
                      f"{indices!r}", cls=ShapeError)
    return gather(params, indices, name=name or "batch_gather", batch_dims=indices.shape.rank - 1)


def nd_depth(c: Infer, i: int, target: TensorShape, what: str) -> int | None:
    """The length of the index vectors in input `i`, or None. Raises ShapeError.

    target: the shape that they index into, named `what` in messages.
    """
    c.require_rank(i, at_least=1)
    shape = c.shape(i)
    if shape.rank is None or isinstance(shape.sizes[-1], SymDim):
        return None
    depth = shape.sizes[-1]
    if target.rank is not None and depth > target.rank:
        raise c.error(
            f"index vectors of length {depth} are too long for {what} {target}: {c.show(i)}")
    return depth


def split_nd(indices: np.ndarray, shape: tuple[int, ...], what: str) -> tuple[np.ndarray, ...]:
    """Index vectors as one array per axis, for NumPy. Raises RunError if one is out of range."""
    depth = indices.shape[-1]
    if depth > len(shape):
        raise RunError(InvalidArgumentError, f"index vectors of length {depth} are too long for "
                       f"{what} {list(shape)}")
    limits = np.array(shape[:depth], np.int64)
    bad = np.any((indices < 0) | (indices >= limits), axis=-1)
    if np.any(bad):
        where = tuple(np.argwhere(bad)[0]) if bad.ndim else ()
        place = f"[{','.join(str(int(i)) for i in where)}]" if where else ""
        raise RunError(
            InvalidArgumentError,
            f"indices{place} = {indices[where].tolist()} does not index into {what} "
            f"{list(shape)}")
    return tuple(indices[..., k] for k in range(depth))


def nd_target(index: tuple, load: Callable, k: int, indices_shape: tuple) -> tuple:
    """The element that index vector input `k` leads to, and the rest of `index` after it."""
    lead = len(indices_shape) - 1
    places = tuple(load(k, (*index[:lead], j)) for j in range(indices_shape[-1]))
    return places + tuple(index[lead:])


def _gather_nd_type(c: Infer) -> list[TensorType]:
    params, indices = c.shape(0), c.shape(1)
    depth = nd_depth(c, 1, params, "params")
    if depth is None or params.rank is None or indices.rank is None:
        return [TensorType(c.dtype(0), UNKNOWN_SHAPE)]
    return [TensorType(c.dtype(0), TensorShape.of(indices.sizes[:-1] + params.sizes[depth:]))]


def _gather_nd(params: np.ndarray, indices: np.ndarray) -> np.ndarray:
    places = split_nd(indices, params.shape, "params")
    if not places:
        return np.broadcast_to(params, indices.shape[:-1] + params.shape)
    key: tuple[Any, ...] = (*places, Ellipsis)
    return params[key]


def _gather_nd_gradient(F: Any, op: Any, g: Any) -> list[Any]:
    params, indices = op.inputs
    shape = F.shape(params, out_type=indices.dtype)
    if indices.shape.rank == 2 and same(indices.shape.sizes[-1], 1):
        return [IndexedSlices(g, F.reshape(indices, [-1]), shape), None]
    return [F.scatter_nd(indices, g, shape), None]


def _gather_nd_samples() -> list[Sample]:
    x = np.arange(24.0).reshape(2, 3, 4) / 8 - 1

    def sample(indices: Any) -> Sample:
        return Sample((x, np.array(indices, np.int32)))

    return [sample([[0], [1], [0]]), sample([[0, 2], [1, 0]]), sample([1, 2, 3]),
            sample([[[1, 1, 0]], [[0, 2, 3]]]), sample(np.zeros((0, 2))),
            sample(np.zeros((2, 0)))]


def _gather_nd_errors() -> list[ErrorSample]:
    return [
        ErrorSample((typed(dt.float32, 2, 3), typed(dt.int32, 5, 3)), {}, ShapeError,
                    r"length 3 are too long for params \[2, 3\]"),
        ErrorSample((typed(dt.float32, 2, 3), typed(dt.int32)), {}, ShapeError, "at least 1"),
    ]


GATHER_ND = declare(
    "GatherNd", "params: any, indices: I", infer=_gather_nd_type, reference=_gather_nd,
    grad=_gather_nd_gradient, samples=_gather_nd_samples, errors=_gather_nd_errors,
    lowering=Gather(lambda index, load, ctx: nd_target(index, load, 1, ctx.in_shapes[1])),
    I=dt.INDICES)


@op_function
def gather_nd(
    params: Any, indices: Any, name: str | None = None, batch_dims: int = 0
) -> Any:
    """The slices of `params` that index vectors lead to.

    params: [p0, p1, …]; indices: integers [i…, m], each vector of m numbers indexes the first m
      axes of `params` → [i…, pm, …]. With batch_dims = k the first k axes of both are the same,
      and the vectors index the axes after them.
    Raises ShapeError if m exceeds the rank of `params`; InvalidArgumentError at run time for an
    index out of range (negative ones too).
    """
    batch = static_int("GatherNd", name, "batch_dims", batch_dims)
    if batch:
        params, indices = convert(params), convert(indices)
        indices = _with_batch_places(params, indices, batch, name)
    return apply(GATHER_ND, (params, indices), name=name)


def _with_batch_places(params: Any, indices: Any, batch: int, name: str | None) -> Any:
    """Index vectors that begin with the batch that they stand in."""
    rank = indices.shape.rank
    if rank is None or params.shape.rank is None:
        raise failure("GatherNd", name, "batch_dims needs params and indices of known rank",
                      cls=ShapeError)
    if not 0 < batch < min(rank, params.shape.rank):
        raise failure("GatherNd", name, f"batch_dims {batch} must be less than the ranks of "
                      f"params {params.shape} and indices {indices.shape}")
    sizes = F.shape(indices, out_type=indices.dtype)
    zeros = F.zeros_like(indices[..., :1])
    columns = []
    for k in range(batch):
        column = F.reshape(F.range(0, sizes[k]), [1] * k + [-1] + [1] * (rank - 1 - k))
        columns.append(zeros + column)
    return F.concat([*columns, indices], -1)
