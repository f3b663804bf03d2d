"""A tensor as a matrix whose rows run over chosen axes, and back, for any rank.

Ops that work along the last axis reach every other axis, and several at once, through these two
views. Rows are ordered by the axes that are kept, elements of a row by the chosen axes, both
row-major.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply
from graphflow.dims import product
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import LoweringContext, View
from graphflow.opdef import Attr, ErrorSample, Infer, RunError, Sample, TensorType
from graphflow.ops.arguments import shape_from_value, typed
from graphflow.ops.declare import declare
from graphflow.ops.index_maps import linear_index, unravel_index
from graphflow.shapes import TensorShape, unknown_shape

Axes = tuple[int, ...]
_ATTRS = {"axis": Attr("ints", None, optional=True)}


def _parts(axis: Axes | None, rank: int) -> tuple[list[int], list[int]]:
    """(axes that are kept, axes of a row), each in order."""
    row = set(range(rank)) if axis is None else {a % rank for a in axis}
    return [a for a in range(rank) if a not in row], sorted(row)


def _checked_parts(axis: Axes | None, rank: int) -> tuple[list[int], list[int]]:
    if any(not -rank <= a < rank for a in axis or ()):
        raise RunError(InvalidArgumentError,
                       f"axis {list(axis or ())} is outside [{-rank}, {rank})")
    return _parts(axis, rank)


def _to_rows_type(c: Infer) -> list[TensorType]:
    shape = c.shape(0)
    if shape.rank is None:
        return [TensorType(c.dtype(0), unknown_shape(2))]
    for a in c.attrs["axis"] or ():
        c.axis(a, shape.rank)
    kept, row = _parts(c.attrs["axis"], shape.rank)
    counts = (product([shape.sizes[a] for a in part]) for part in (kept, row))
    return [TensorType(c.dtype(0), TensorShape.of(counts))]


def _to_rows_reference(x: np.ndarray, axis: Axes | None) -> np.ndarray:
    kept, row = _checked_parts(axis, x.ndim)
    counts = [int(np.prod([x.shape[a] for a in part], dtype=np.int64)) for part in (kept, row)]
    return np.transpose(x, [*kept, *row]).reshape(counts)


def _row_source(i: tuple, ctx: LoweringContext) -> tuple:
    sizes = ctx.in_shapes[0]
    found: dict[int, Any] = {}
    for part, place in zip(_parts(ctx.attrs["axis"], len(sizes)), i):
        found |= dict(zip(part, unravel_index(place, [sizes[a] for a in part])))
    return tuple(found[a] for a in range(len(sizes)))


def _samples() -> list[Sample]:
    x = np.arange(24.0).reshape(2, 3, 4)
    return [Sample((x,), {"axis": axis}) for axis in ((1,), (0, -1), (), None)] + [
        Sample((np.array(2.0),), {"axis": None}), Sample((np.zeros((2, 0)),), {"axis": (1,)})]


TO_ROWS = declare(
    "ToRows", "x: any", attrs=_ATTRS, infer=_to_rows_type, reference=_to_rows_reference,
    grad=lambda F, op, g: [from_rows(g, op.inputs[0], op.attrs["axis"])],
    lowering=View(_row_source), samples=_samples,
    errors=lambda: [ErrorSample((typed(dt.float32, 2, 3),), {"axis": (2,)}, AttributeValueError,
                                "axis 2 is outside")])


def _from_rows_type(c: Infer) -> list[TensorType]:
    c.require_rank(0, 2)
    shape = shape_from_value(c, 1)
    if shape.rank is not None and c.shape(0).rank is not None:
        parts = _parts(c.attrs["axis"], shape.rank)
        for have, part in zip(c.shape(0).sizes, parts):
            c.require_same(have, product([shape.sizes[a] for a in part]),
                           f"{c.show(0)} does not hold the elements of {shape}")
    return [TensorType(c.dtype(0), shape)]


def _from_rows_reference(rows: np.ndarray, shape: np.ndarray, axis: Axes | None) -> np.ndarray:
    sizes = [int(d) for d in shape]
    kept, row = _checked_parts(axis, len(sizes))
    if rows.size != np.prod(sizes, dtype=np.int64):
        raise RunError(InvalidArgumentError,
                       f"rows {list(rows.shape)} does not hold the elements of {sizes}")
    turned = rows.reshape([sizes[a] for a in (*kept, *row)])
    return np.transpose(turned, np.argsort([*kept, *row]))


def _row_place(i: tuple, ctx: LoweringContext) -> tuple:
    sizes = ctx.out_shapes[0]
    return tuple(linear_index([i[a] for a in part], [sizes[a] for a in part])
                 for part in _parts(ctx.attrs["axis"], len(i)))


FROM_ROWS = declare(
    "FromRows", "rows: any, shape: S", attrs=_ATTRS, infer=_from_rows_type,
    reference=_from_rows_reference,
    grad=lambda F, op, g: [to_rows(g, op.attrs["axis"]), None],
    lowering=View(_row_place),
    samples=lambda: [
        Sample((_to_rows_reference(s.inputs[0], s.attrs["axis"]),
                np.array(s.inputs[0].shape, np.int32)), s.attrs) for s in _samples()],
    errors=lambda: [ErrorSample((typed(dt.float32, 2, 3), np.array([2, 4])), {"axis": (1,)},
                                ShapeError, "does not hold the elements")],
    S=dt.INDICES)


def to_rows(x: Any, axis: Axes | None) -> Any:
    """`x` as a matrix, [elements of the other axes, elements of `axis`]; None is all axes."""
    return apply(TO_ROWS, (x,), {"axis": axis})


def from_rows(rows: Any, like: Any, axis: Axes | None) -> Any:
    """The tensor of the shape of `like` whose `to_rows` is `rows`."""
    return apply(FROM_ROWS, (rows, F.shape(like)), {"axis": axis})
