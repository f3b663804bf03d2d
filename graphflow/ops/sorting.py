"""Sorting along one axis: `sort` and `argsort`."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.errors import AttributeValueError, ShapeError
from graphflow.lowering import Library, LoweringContext
from graphflow.opdef import Attr, ErrorSample, Infer, Sample, TensorType
from graphflow.ops.arguments import failure, static_int, typed
from graphflow.ops.declare import declare
from graphflow.ops.numerics import widen
from graphflow.ops.scope import scope
from graphflow.ops.top_k import key_dtype, row_gradient, row_length

_DIRECTIONS = ("ASCENDING", "DESCENDING")


def _type(c: Infer) -> list[TensorType]:
    c.require_rank(0, at_least=1)
    return [TensorType(c.dtype(0), c.shape(0)), TensorType(dt.int32, c.shape(0))]


def _reference(values: np.ndarray, descending: bool) -> tuple[np.ndarray, np.ndarray]:
    keys = widen(values)
    if descending:  # stable, so the mirrored row is sorted and read backwards
        last = values.shape[-1] - 1
        order = last - np.argsort(keys[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    else:
        order = np.argsort(keys, axis=-1, kind="stable")
    return np.take_along_axis(values, order, -1), order.astype(np.int32)


def _scratch(ctx: LoweringContext) -> tuple:
    length, keys = ctx.in_shapes[0][-1], key_dtype(ctx.in_dtypes[0])
    return ((keys, length), (keys, length), (dt.int32, length), (dt.int32, length),
            (dt.int64, 256 * ctx.in_dtypes[0].size))


def _sizes(ctx: LoweringContext) -> tuple:
    return (*row_length(ctx), ctx.in_dtypes[0].size, -1 if ctx.attrs["descending"] else 0)


def _samples() -> list[Sample]:
    x = np.array([[0.5, 2.0, 3.0, -1.5], [4.0, 2.5, 1.0, 0.25]])
    ties = np.array([2.0, 3.0, 2.0, 3.0, 1.0])
    long = np.sin(np.arange(120.0)).reshape(2, 60) * 100
    return [Sample((value,), {"descending": down}, grad=grad)
            for down in (False, True)
            for value, grad in ((x, True), (x.reshape(2, 2, 2), True), (x[0], True),
                                (ties, False), (long, False), (np.zeros((0, 3)), True),
                                (np.zeros((2, 0)), True))]


SORT = declare(
    "Sort", "values: T", attrs={"descending": Attr("bool", False)}, infer=_type,
    reference=_reference, grad=row_gradient, lowering=Library("sort", _sizes, _scratch),
    samples=_samples,
    errors=lambda: [ErrorSample((typed(dt.float32),), {}, ShapeError, "rank at least 1")],
    T=dt.REALS)


def _sorted(
    function: str, values: Any, axis: Any, direction: str, name: str | None, output: int
) -> Any:
    """One output of `SORT` along any axis."""
    if direction not in _DIRECTIONS:
        raise failure(function, name, f"direction must be one of {', '.join(_DIRECTIONS)}, got "
                      f"{direction!r}", cls=AttributeValueError)
    values = convert(values)
    axis, rank = static_int(function, name, "axis", axis), values.shape.rank
    if rank == 0:
        raise failure(function, name, "a scalar cannot be sorted; values must have rank 1 or more",
                      cls=ShapeError)
    if rank is None and axis != -1:
        raise failure(function, name, f"axis {axis} needs values of known rank", cls=ShapeError)
    if rank is not None and not -rank <= axis < rank:
        raise failure(function, name, f"axis {axis} is outside [{-rank}, {rank}) for values "
                      f"{values.shape}", cls=AttributeValueError)
    attrs = {"descending": direction == "DESCENDING"}
    with scope(name, function):
        if rank is None or axis % rank == rank - 1:
            return apply(SORT, (values,), attrs)[output]
        axis %= rank
        swapped = [*range(axis), rank - 1, *range(axis + 1, rank - 1), axis]
        result = apply(SORT, (F.transpose(values, swapped),), attrs)[output]
        return F.transpose(result, swapped)


@op_function
def sort(
    values: Any, axis: int = -1, direction: str = "ASCENDING", name: str | None = None
) -> Any:
    """`values` sorted along an axis.

    values: real numbers, rank 1 or more → the same shape and dtype. NaN counts as larger than
    everything. direction: "ASCENDING" or "DESCENDING". Differentiable: each gradient goes to the
    place that its element came from. Raises ShapeError for a scalar, AttributeValueError for an
    axis or a direction that does not exist.
    """
    return _sorted("sort", values, axis, direction, name, 0)


@op_function
def argsort(
    values: Any, axis: int = -1, direction: str = "ASCENDING", stable: bool = False,
    name: str | None = None,
) -> Any:
    """The indices that sort `values` along an axis: int32, the shape of `values`.

    Arguments as in `sort`. stable: accepted; of equal elements the lower index always comes first.
    """
    return _sorted("argsort", values, axis, direction, name, 1)
