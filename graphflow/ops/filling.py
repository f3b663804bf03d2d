"""Tensors of one value: fill, zeros, ones and their `_like` forms."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dtypes import as_dtype
from graphflow.errors import InvalidArgumentError, ShapeError
from graphflow.lowering import Generate
from graphflow.opdef import (
    Attr,
    ErrorSample,
    Infer,
    NotDifferentiable,
    OpDef,
    RunError,
    Sample,
    TensorType,
)
from graphflow.ops.arguments import shape_argument, shape_from_value, static_value, typed
from graphflow.ops.declare import declare
from graphflow.ops.numerics import number_of

CONSTANT_ELEMENTS = 1000  # TensorFlow's bound: below it, zeros and ones are constants


def _fill_type(c: Infer) -> list[TensorType]:
    c.require_rank(1, 0)
    return [TensorType(c.dtype(1), shape_from_value(c, 0))]


def _fill_reference(dims: np.ndarray, value: Any) -> np.ndarray:
    sizes = [int(d) for d in dims]
    if any(d < 0 for d in sizes):
        raise RunError(InvalidArgumentError, f"dims holds a negative size: {sizes}")
    value = np.asarray(value)
    return np.full(sizes, value[()], value.dtype)


FILL = declare(
    "Fill", "dims: S, value: any", infer=_fill_type, reference=_fill_reference,
    grad=lambda F, op, g: [None, F.reduce_sum(g)],
    lowering=Generate(lambda b, position, value: value, scalars=(1,)), symbolic=True,
    samples=lambda: [
        Sample((np.array([2, 3], np.int32), np.array(1.5))),
        Sample((np.array([], np.int32), np.array(1.5))),
        Sample((np.array([0, 2], np.int64), np.array(-2.0)))],
    errors=lambda: [
        ErrorSample((np.array([2, -3]), np.array(1.0)), {}, ShapeError, "negative size -3"),
        ErrorSample((np.array(2), np.array(1.0)), {}, ShapeError, "dims must have rank 1"),
        ErrorSample((np.array([2]), typed(dt.float32, 1)), {}, ShapeError,
                    "value must have rank 0")],
    S=dt.INDICES)


@op_function
def fill(dims: Any, value: Any, name: str | None = None) -> Any:
    """A tensor of shape `dims` whose elements are all `value`, a scalar.

    dims: a vector of sizes, known or computed when the graph runs.
    """
    return apply(FILL, (shape_argument("Fill", name, dims, "dims"), value), name=name)


def _filled(shape: Any, number: int, dtype: Any, name: str) -> Any:
    """A small constant if the shape is known; otherwise `Fill`."""
    dtype = as_dtype(dtype)
    value = np.asarray(number_of(number, dtype), dtype.numpy)
    sizes = shape_argument("Fill", name, shape)
    known = static_value(sizes)
    if known is not None:
        known = known.reshape(1) if known.ndim == 0 else known
        if np.prod(known, dtype=np.int64) < CONSTANT_ELEMENTS and np.all(known >= 0):
            filled = np.full([int(d) for d in known], value[()], dtype.numpy)
            return F.constant(filled, name=name)
        sizes = known
    elif getattr(sizes, "shape", None) is not None and sizes.shape.rank == 0:
        sizes = F.reshape(sizes, [1])
    return apply(FILL, (sizes, F.constant(value, name=f"{name.rstrip('/')}/Const")), name=name)


@op_function
def zeros(shape: Any, dtype: Any = dt.float32, name: str | None = None) -> Any:
    """Zeros (False, or empty strings) of `shape` and `dtype`.

    shape: a `TensorShape`, a list that may mix numbers and scalar tensors, or an integer tensor.
    """
    return _filled(shape, 0, dtype, name or "zeros")


@op_function
def ones(shape: Any, dtype: Any = dt.float32, name: str | None = None) -> Any:
    """Ones (True) of `shape` and `dtype`; `shape` as for `zeros`."""
    return _filled(shape, 1, dtype, name or "ones")


def _like(op_name: str, number: int) -> OpDef:
    """`ZerosLike` or `OnesLike`: an op that only looks at the shape of its input."""
    return declare(
        op_name, "x: any", attrs={"dtype": Attr("dtype")},
        infer=lambda c: [TensorType(c.attrs["dtype"], c.shape(0))],
        reference=lambda x, dtype: np.full(np.shape(x), number_of(number, dtype), dtype.numpy),
        grad=NotDifferentiable("the output does not depend on the input's elements"),
        lowering=Generate(lambda b, position, dtype: b.const(number_of(number, dtype), dtype)),
        symbolic=True,
        samples=lambda: [
            Sample((np.ones((2, 3)),), {"dtype": dt.float32}, grad=False),
            Sample((np.ones(()),), {"dtype": dt.int64}, grad=False),
            Sample((np.ones((0, 3)),), {"dtype": dt.bool_}, grad=False)],
        depth=2)


ZEROS_LIKE = _like("ZerosLike", 0)
ONES_LIKE = _like("OnesLike", 1)


def _filled_like(opdef: OpDef, x: Any, number: int, dtype: Any, name: str, known: bool) -> Any:
    x = convert(x)
    dtype = x.dtype if dtype is None else as_dtype(dtype)
    if known and x.shape.is_fully_defined():
        return _filled(x.shape, number, dtype, name)
    return apply(opdef, (x,), {"dtype": dtype}, name=name)


@op_function
def zeros_like(
    tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True
) -> Any:
    """Zeros of the shape of `tensor`, which need not be known, and of its dtype (or `dtype`).

    optimize: use the static shape where it is fully known.
    """
    return _filled_like(ZEROS_LIKE, tensor, 0, dtype, name or "zeros_like", optimize)


@op_function
def ones_like(
    tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True
) -> Any:
    """Ones of the shape of `tensor`, which need not be known, and of its dtype (or `dtype`)."""
    return _filled_like(ONES_LIKE, tensor, 1, dtype, name or "ones_like", optimize)
