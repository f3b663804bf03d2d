"""Vectors as sets: the different elements of one, and what one has that another has not."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function
from graphflow.dims import fresh
from graphflow.dtypes import DType, as_dtype
from graphflow.errors import DTypeError, ShapeError
from graphflow.lowering import Library, LoweringContext
from graphflow.opdef import Attr, ErrorSample, Infer, NotDifferentiable, Sample, TensorType
from graphflow.ops.arguments import failure, typed
from graphflow.ops.declare import declare
from graphflow.ops.numerics import widen
from graphflow.shapes import TensorShape, unknown_shape

Unique = namedtuple("Unique", ["y", "idx"])
UniqueWithCounts = namedtuple("UniqueWithCounts", ["y", "idx", "count"])
ListDiff = namedtuple("ListDiff", ["out", "idx"])

_TYPES = (*dt.REALS, dt.bool_, dt.string)
_NO_GRADIENT = NotDifferentiable("which elements are equal does not vary smoothly")


# ---- unique -------------------------------------------------------------------------------------


def _unique_type(outputs: int) -> Callable[[Infer], list[TensorType]]:
    def infer(c: Infer) -> list[TensorType]:
        c.require_rank(0, 1)
        found = TensorShape.of((fresh(),))
        index = c.attrs["out_idx"]
        return [TensorType(c.dtype(0), found),
                TensorType(index, c.shape(0).merge_with(unknown_shape(1))),
                TensorType(index, found)][:outputs]

    return infer


def _counted(x: np.ndarray, out_idx: DType) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if x.dtype == object:
        table: dict[bytes, int] = {}
        numbers = np.array([table.setdefault(item, len(table)) for item in x], np.int64)
        values = np.array(list(table), object)
    else:
        _, first, inverse = np.unique(
            widen(x), return_index=True, return_inverse=True, equal_nan=False)
        order = np.argsort(first)  # by first occurrence rather than by value
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        numbers, values = rank[inverse], x[first[order]]
    counts = np.bincount(numbers, minlength=len(values))
    return values, numbers.astype(out_idx.numpy), counts.astype(out_idx.numpy)


def _unique(x: np.ndarray, out_idx: DType) -> tuple[np.ndarray, np.ndarray]:
    return _counted(x, out_idx)[:2]


def _unique_lowering(outputs: int) -> Library:
    """Without an output for them, the counts stand in scratch memory."""
    def scratch(ctx: LoweringContext) -> tuple:
        n, = ctx.in_shapes[0]
        table = (dt.int64, 2 * n + 1)
        return (table,) if outputs == 3 else ((ctx.attrs["out_idx"], n), table)

    return Library("unique", lambda ctx: ctx.in_shapes[0], scratch, unknowns=((0, 0),),
                   bounds=lambda ctx: ctx.in_shapes[0])


def _unique_samples() -> list[Sample]:
    x = np.array([3.0, 1.0, 3.0, 0.0, -2.0, 1.0, 3.0])
    reals = _TYPES[:-1]
    text = np.array([b"b", b"a", b"b", b""], object)
    return [
        *(Sample((v,), {"out_idx": i}, dtypes=reals, grad=False)
          for v in (x, x[:1], x[:0]) for i in dt.INDICES),
        Sample((np.sin(np.arange(300.0) % 77),), dtypes=(dt.float64,), grad=False),
        Sample((text,), dtypes=(dt.string,), grad=False)]


def _unique_errors() -> list[ErrorSample]:
    return [ErrorSample((typed(dt.int32, 2, 3),), {}, ShapeError,
                        r"x must have rank 1, got x \[2, 3\]")]


UNIQUE = declare(
    "Unique", "x: T", attrs={"out_idx": Attr("dtype", dt.int32, choices=dt.INDICES)},
    infer=_unique_type(2), reference=_unique, grad=_NO_GRADIENT, lowering=_unique_lowering(2),
    samples=_unique_samples, errors=_unique_errors, T=_TYPES)

UNIQUE_WITH_COUNTS = declare(
    "UniqueWithCounts", "x: T", attrs={"out_idx": Attr("dtype", dt.int32, choices=dt.INDICES)},
    infer=_unique_type(3), reference=_counted, grad=_NO_GRADIENT, lowering=_unique_lowering(3),
    samples=_unique_samples, errors=_unique_errors, T=_TYPES)


def _index_type(function: str, name: str | None, what: str, dtype: Any) -> DType:
    dtype = as_dtype(dtype)
    if dtype not in dt.INDICES:
        raise failure(function, name, f"{what} must be int32 or int64, got {dtype.name}",
                      cls=DTypeError)
    return dtype


@op_function
def unique(x: Any, out_idx: Any = dt.int32, name: str | None = None) -> Any:
    """The different elements of a vector, and which of them each element is.

    x: [n], real numbers, bools or strings → a named tuple (y [u], idx [n] of type out_idx, int32
    or int64) with x = y[idx]; y is in order of first occurrence. −0 equals 0, a NaN equals
    nothing.
    Raises ShapeError for other ranks, DTypeError for another out_idx.
    """
    attrs = {"out_idx": _index_type("unique", name, "out_idx", out_idx)}
    return Unique(*apply(UNIQUE, (x,), attrs, name=name))


@op_function
def unique_with_counts(x: Any, out_idx: Any = dt.int32, name: str | None = None) -> Any:
    """`unique`, and how often each element occurs.

    x: [n] → a named tuple (y [u], idx [n], count [u]), idx and count of type out_idx.
    """
    attrs = {"out_idx": _index_type("unique_with_counts", name, "out_idx", out_idx)}
    return UniqueWithCounts(*apply(UNIQUE_WITH_COUNTS, (x,), attrs, name=name))


# ---- the difference of two vectors --------------------------------------------------------------


def _difference_type(c: Infer) -> list[TensorType]:
    c.require_rank(0, 1)
    c.require_rank(1, 1)
    found = TensorShape.of((fresh(),))
    return [TensorType(c.dtype(0), found), TensorType(c.attrs["out_idx"], found)]


def _difference(x: np.ndarray, y: np.ndarray, out_idx: DType) -> tuple[np.ndarray, np.ndarray]:
    if x.dtype == object:
        known = set(y.tolist())
        missing = np.array([item not in known for item in x], bool)
    else:
        missing = np.isin(widen(x), widen(y), invert=True)
    places = np.flatnonzero(missing)
    return x[places], places.astype(out_idx.numpy)


def _difference_samples() -> list[Sample]:
    x, y = np.array([3.0, 1.0, 3.0, 0.0, 2.0]), np.array([1.0, 2.0, 5.0])
    text = np.array([b"b", b"a", b"b"], object)
    return [
        *(Sample(pair, {"out_idx": i}, dtypes=_TYPES[:-1], grad=False)
          for pair in ((x, y), (x, y[:0]), (x[:0], y), (x, x)) for i in dt.INDICES),
        Sample((text, text[1:2]), dtypes=(dt.string,), grad=False)]


LIST_DIFF = declare(
    "ListDiff", "x: T, y: T", attrs={"out_idx": Attr("dtype", dt.int32, choices=dt.INDICES)},
    infer=_difference_type, reference=_difference, grad=_NO_GRADIENT,
    lowering=Library(
        "set_difference", lambda ctx: (ctx.in_shapes[0][0], ctx.in_shapes[1][0]),
        lambda ctx: ((dt.int64, 2 * ctx.in_shapes[1][0] + 1),), unknowns=((0, 0),),
        bounds=lambda ctx: ctx.in_shapes[0]),
    samples=_difference_samples,
    errors=lambda: [
        ErrorSample((typed(dt.int32, 2, 3), typed(dt.int32, 2)), {}, ShapeError,
                    "x must have rank 1"),
        ErrorSample((typed(dt.int32, 2), typed(dt.int32)), {}, ShapeError, "y must have rank 1"),
        ErrorSample((typed(dt.int32, 2), typed(dt.int64, 2)), {}, DTypeError, "same dtype")],
    T=_TYPES)


@op_function
def setdiff1d(x: Any, y: Any, index_dtype: Any = dt.int32, name: str | None = None) -> Any:
    """The elements of a vector that are not in another one, and where they stand.

    x: [n], y: [m] of the same dtype (real numbers, bools or strings) → a named tuple (out [u],
    idx [u] of type index_dtype) with out = x[idx]; order and repetitions are those of x.
    Raises ShapeError for other ranks, DTypeError for another index_dtype.
    """
    attrs = {"out_idx": _index_type("setdiff1d", name, "index_dtype", index_dtype)}
    return ListDiff(*apply(LIST_DIFF, (x, y), attrs, name=name))
