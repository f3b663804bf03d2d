"""Axes in another order: transpose, with the order known while building or not."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dims import fresh
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import Gather, LoweringContext, View
from graphflow.opdef import Attr, ErrorSample, Infer, OpDef, RunError, Sample, TensorType
from graphflow.ops.arguments import failure, is_tensor, static_ints, static_value, typed
from graphflow.ops.declare import declare
from graphflow.ops.index_maps import is_equal
from graphflow.shapes import TensorShape, unknown_shape


def _is_order(perm: Any) -> bool:
    return sorted(perm) == list(range(len(perm)))


def _inverse(perm: tuple[int, ...] | None) -> tuple[int, ...] | None:
    return None if perm is None else tuple(int(a) for a in np.argsort(perm))


def _transpose_type(c: Infer) -> list[TensorType]:
    perm, shape = c.attrs["perm"], c.shape(0)
    if perm is not None:
        if not _is_order(perm):
            raise c.error(f"perm {list(perm)} does not name each axis from 0 to {len(perm) - 1} "
                          "once", cls=AttributeValueError)
        if shape.rank is None:
            return [TensorType(c.dtype(0), unknown_shape(len(perm)))]
        if shape.rank != len(perm):
            raise c.error(f"perm {list(perm)} has {len(perm)} axes, {c.show(0)} has {shape.rank}")
    if shape.rank is None:
        return [TensorType(c.dtype(0))]
    order = range(shape.rank)[::-1] if perm is None else perm
    return [TensorType(c.dtype(0), TensorShape.of(shape.sizes[a] for a in order))]


def _transpose_reference(x: np.ndarray, perm: tuple[int, ...] | None) -> np.ndarray:
    if perm is not None and len(perm) != x.ndim:
        raise RunError(InvalidArgumentError,
                       f"perm {list(perm)} has {len(perm)} axes, x {list(x.shape)} has {x.ndim}")
    return np.transpose(x, perm)


def _source_index(i: tuple, ctx: LoweringContext) -> tuple:
    perm = ctx.attrs["perm"]
    if perm is None:
        return i[::-1]
    return tuple(i[k] for k in _inverse(perm) or ())


TRANSPOSE: OpDef = declare(
    "Transpose", "x: any", attrs={"perm": Attr("ints", None, optional=True)},
    infer=_transpose_type, reference=_transpose_reference,
    grad=lambda F, op, g: [apply(TRANSPOSE, (g,), {"perm": _inverse(op.attrs["perm"])})],
    lowering=View(_source_index), symbolic=True,
    samples=lambda: [
        Sample((np.arange(6.0).reshape(2, 3),)),
        Sample((np.arange(24.0).reshape(2, 3, 4),), {"perm": (1, 2, 0)}),
        Sample((np.arange(24.0).reshape(2, 3, 4),), {"perm": (0, 2, 1)}),
        Sample((np.array(2.0),)), Sample((np.zeros((0, 3)),), {"perm": (1, 0)})],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 2, 3),), {"perm": (0, 0)}, AttributeValueError, "once"),
        ErrorSample((typed(dt.float32, 2, 3),), {"perm": (0, 2, 1)}, ShapeError,
                    r"perm \[0, 2, 1\] has 3 axes, x \[2, 3\] has 2")])


# ---- an order that only the run knows --------------------------------------------------------


def _dynamic_type(c: Infer) -> list[TensorType]:
    c.require_rank(1, 1)
    shape, perm = c.shape(0), c.value(1)
    if shape.rank is None:
        count = c.shape(1).sizes[0] if c.shape(1).rank == 1 else None
        return [TensorType(c.dtype(0), unknown_shape(count if isinstance(count, int) else None))]
    if perm is None or perm.dtype == object:
        first = shape.sizes[0] if shape.rank else 1
        alike = all(d == first for d in shape.sizes)
        sizes = shape.sizes if alike else [fresh() for _ in shape.sizes]
        return [TensorType(c.dtype(0), TensorShape.of(sizes))]
    if not _is_order(perm.tolist()) or len(perm) != shape.rank:
        raise c.error(f"perm {perm.tolist()} does not name each axis of {c.show(0)} once")
    order = np.argsort(perm) if c.attrs["inverse"] else perm
    return [TensorType(c.dtype(0), TensorShape.of(shape.sizes[a] for a in order))]


def _dynamic_reference(x: np.ndarray, perm: np.ndarray, inverse: bool) -> np.ndarray:
    if len(perm) != x.ndim or not _is_order(perm.tolist()):
        raise RunError(InvalidArgumentError,
                       f"perm {perm.tolist()} does not name each axis of x {list(x.shape)} once")
    return np.transpose(x, np.argsort(perm) if inverse else perm)


def _dynamic_source(i: tuple, load: Any, ctx: LoweringContext) -> tuple:
    """The input's index along axis a is i[k] for the k with perm[k] = a (or k = perm[a])."""
    order = [load(1, (k,)) for k in range(len(i))]
    if ctx.attrs["inverse"]:
        return tuple(sum(i[k] * is_equal(order[a], k) for k in range(len(i)))
                     for a in range(len(i)))
    return tuple(sum(i[k] * is_equal(order[k], a) for k in range(len(i)))
                 for a in range(len(i)))


DYNAMIC_TRANSPOSE: OpDef = declare(
    "DynamicTranspose", "x: any, perm: S", attrs={"inverse": Attr("bool", False)},
    infer=_dynamic_type, reference=_dynamic_reference,
    grad=lambda F, op, g: [apply(DYNAMIC_TRANSPOSE, (g, op.inputs[1]),
                                 {"inverse": not op.attrs["inverse"]}), None],
    lowering=Gather(_dynamic_source),
    samples=lambda: [
        Sample((np.arange(24.0).reshape(2, 3, 4), np.array([1, 2, 0], np.int32))),
        Sample((np.arange(24.0).reshape(2, 3, 4), np.array([1, 2, 0], np.int32)),
               {"inverse": True}),
        Sample((np.zeros((0, 3)), np.array([1, 0], np.int64)))],
    errors=lambda: [ErrorSample((typed(dt.float32, 2, 3), np.array([1, 1])), {}, ShapeError,
                                r"perm \[1, 1\] does not name each axis")],
    S=dt.INDICES)


@op_function
def transpose(
    a: Any, perm: Any = None, name: str | None = "transpose", conjugate: bool = False
) -> Any:
    """`a` with axis k of the result being axis `perm[k]` of `a`; all axes reversed by default.

    perm: a list, or an integer vector, which may be computed when the graph runs.
    conjugate: complex elements are conjugated too.
    Raises AttributeValueError or ShapeError if `perm` does not name each axis once.
    """
    a = convert(a)
    if conjugate and a.dtype.is_complex:
        a = F.conj(a)
    if perm is None or static_value(perm) is not None:
        order = None if perm is None else static_ints("Transpose", name, "perm", perm)
        if order is None and a.shape.rank is not None:
            order = tuple(range(a.shape.rank))[::-1]
        if order is not None and any(k < 0 for k in order):
            order = tuple(k + len(order) if k < 0 else k for k in order)
        return apply(TRANSPOSE, (a,), {"perm": order}, name=name, default_name="transpose")
    return apply(DYNAMIC_TRANSPOSE, (a, perm if is_tensor(perm) else list(perm)), name=name,
                 default_name="transpose")


@op_function
def matrix_transpose(
    a: Any, name: str | None = "matrix_transpose", conjugate: bool = False
) -> Any:
    """`a`, [..., M, N], with its last two axes exchanged. Raises ShapeError below rank 2."""
    a = convert(a)
    rank = a.shape.rank
    if rank is None:
        count = F.rank(a)
        perm = F.concat([F.range(count - 2), [count - 1, count - 2]], 0)
        return transpose(a, perm, name, conjugate)
    if rank < 2:
        raise failure("matrix_transpose", name, f"a must have rank at least 2, got {a.shape}",
                      cls=ShapeError)
    return transpose(a, (*range(rank - 2), rank - 1, rank - 2), name, conjugate)
