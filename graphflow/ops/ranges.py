"""Evenly spaced numbers: range and linspace."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function, publish
from graphflow.dims import Dim, SymDim, as_known_size, ceildiv, dim_max, fresh, sub
from graphflow.dtypes import DType, as_dtype
from graphflow.errors import DTypeError, InvalidArgumentError, ShapeError
from graphflow.lowering import Generate
from graphflow.opdef import (
    ErrorSample,
    Infer,
    NotDifferentiable,
    RunError,
    Sample,
    TensorType,
)
from graphflow.ops.arguments import failure, is_tensor, typed
from graphflow.ops.declare import declare
from graphflow.ops.filling import CONSTANT_ELEMENTS
from graphflow.ops.numerics import widen
from graphflow.shapes import TensorShape

# TensorFlow's order: the result takes the last of these that occurs among the arguments.
_RANGE_ORDER = (dt.int32, dt.int64, dt.bfloat16, dt.float32, dt.float64)


# ---- range -----------------------------------------------------------------------------------


def _range_type(c: Infer) -> list[TensorType]:
    for i in builtins.range(3):
        c.require_rank(i, 0)
    return [TensorType(c.dtype(0), TensorShape.of((_range_size(c),)))]


def _range_size(c: Infer) -> Dim:
    """⌈(limit − start) / delta⌉ where it is known, and not below 0."""
    start, limit, delta = (None if v is None else v.item() for v in c.values)
    if isinstance(delta, int) and delta == 0:
        raise c.error("delta must not be 0")
    if start is None or limit is None or not isinstance(delta, int):
        return fresh()
    if all(isinstance(v, int) for v in (start, limit)) and (limit - start) * delta < 0:
        raise c.error(f"limit {limit} is not reached from start {start} by steps of {delta}",
                      "Change the sign of delta.")
    span = sub(limit, start) if delta > 0 else sub(start, limit)
    count = ceildiv(span, abs(delta))
    # A sum of sizes with positive coefficients is never negative.
    positive = isinstance(count, SymDim) and all(k > 0 for _, k in count.terms)
    return as_known_size(count) if positive else dim_max(0, count)


def _range_reference(start: np.ndarray, limit: np.ndarray, delta: np.ndarray) -> np.ndarray:
    dtype = start.dtype
    first, last, step = (widen(v)[()] for v in (start, limit, delta))
    if step == 0:
        raise RunError(InvalidArgumentError, "delta must not be 0")
    if (last < first and step > 0) or (last > first and step < 0):
        raise RunError(InvalidArgumentError,
                       f"limit {last} is not reached from start {first} by steps of {step}")
    if dtype.kind in "iu":
        return np.arange(int(first), int(last), int(step)).astype(dtype)
    count = int(np.ceil(np.abs((last - first) / step)))
    return (first + np.arange(count).astype(np.asarray(step).dtype) * step).astype(dtype)


RANGE = declare(
    "Range", "start: T, limit: T, delta: T", infer=_range_type, reference=_range_reference,
    grad=NotDifferentiable("the number of elements depends on the inputs"),
    lowering=Generate(
        lambda b, position, start, limit, delta: start + b.cast(position, start.dtype) * delta,
        scalars=(0, 1, 2)),
    symbolic=True,
    samples=lambda: [
        Sample(tuple(np.array(v) for v in limits), grad=False)
        for limits in ((0.0, 5.0, 1.0), (2.0, 11.0, 3.0), (5.0, -2.0, -2.0), (3.0, 3.0, 1.0))
    ] + [Sample(tuple(np.array(v) for v in (0.5, 2.1, 0.25)), grad=False,
                dtypes=(dt.float32, dt.float64))],
    errors=lambda: [
        ErrorSample(tuple(np.array(v) for v in (0, 5, 0)), {}, ShapeError, "delta must not be 0"),
        ErrorSample(tuple(np.array(v) for v in (0, 5, -1)), {}, ShapeError, "not reached"),
        ErrorSample((typed(dt.int32, 2), np.array(5, np.int32), np.array(1, np.int32)), {},
                    ShapeError, "start must have rank 0")],
    T=_RANGE_ORDER)


def range(
    start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: str | None = "range"
) -> Any:
    """start, start + delta, … below `limit` (above it for a negative delta).

    `range(limit)` starts at 0. The arguments are numbers or scalar tensors; without `dtype` the
    result has the widest of their types, in the order int32, int64, bfloat16, float32, float64.
    Raises ShapeError (InvalidArgumentError at run time) if delta is 0 or leads away from limit.
    """
    if limit is None:
        start, limit = 0, start
    given = (start, limit, delta)
    dtype = _range_dtype(given, name) if dtype is None else as_dtype(dtype)
    if dtype.is_floating and not any(is_tensor(v) for v in given):
        values = _constant_range(given, dtype)
        if values is not None:
            return F.constant(values, name=name or "range")
    return apply(RANGE, [_with_dtype(v, dtype) for v in given], name=name, default_name="range")


publish(range)


def _constant_range(given: tuple[Any, ...], dtype: DType) -> np.ndarray | None:
    """A short range of float numbers: sizes of float ranges follow from constants alone."""
    start, limit, delta = (np.asarray(v, dtype.numpy) for v in given)
    count = np.ceil((limit - start) / delta) if delta else np.inf
    if not 0 <= count <= CONSTANT_ELEMENTS:
        return None
    return _range_reference(start, limit, delta)


def _range_dtype(given: tuple[Any, ...], name: str | None) -> DType:
    found = [v.dtype if is_tensor(v) else dt.to_array(v).dtype for v in given]
    dtypes = [as_dtype(d) for d in found]
    for dtype in dtypes:
        if dtype not in _RANGE_ORDER:
            raise failure("Range", name, f"cannot count in {dtype.name}",
                          "Give start, limit and delta as int32, int64 or floats.", DTypeError)
    return max(dtypes, key=_RANGE_ORDER.index)


def _with_dtype(value: Any, dtype: DType) -> Any:
    if not is_tensor(value):
        return convert(value, dtype)
    value = convert(value)
    return value if value.dtype is dtype else F.cast(value, dtype)


# ---- linspace --------------------------------------------------------------------------------


def _linspace_type(c: Infer) -> list[TensorType]:
    for i in builtins.range(3):
        c.require_rank(i, 0)
    num = c.value(2)
    if num is None:
        return [TensorType(c.dtype(0), TensorShape.of((fresh(),)))]
    count = num.item()
    if isinstance(count, int) and count < 1:
        raise c.error(f"num must be positive, got {count}")
    return [TensorType(c.dtype(0), TensorShape.of((count,)))]


def _linspace_reference(start: np.ndarray, stop: np.ndarray, num: np.ndarray) -> np.ndarray:
    count = int(num)
    if count < 1:
        raise RunError(InvalidArgumentError, f"num must be positive, got {count}")
    first, last = widen(start)[()], widen(stop)[()]
    steps = np.arange(count).astype(np.asarray(first).dtype)
    out = first + steps * ((last - first) / np.asarray(max(count - 1, 1), steps.dtype))
    if count > 1:
        out[-1] = last
    return out.astype(start.dtype)


def _linspace_body(b: Any, position: Any, start: Any, stop: Any, num: Any) -> Any:
    count = b.cast(num, dt.int64)
    step = (stop - start) / b.cast(b.max(count - 1, 1), start.dtype)
    at_end = b.gt(count, 1) & b.eq(position, count - 1)
    return b.select(at_end, stop, start + b.cast(position, start.dtype) * step)


def _linspace_grad(F: Any, op: Any, g: Any) -> list[Any]:
    """Element i is (1 − t)·start + t·stop with t = i / (num − 1)."""
    start, _, num = op.inputs
    t = apply(LIN_SPACE, (F.zeros_like(start), F.ones_like(start), num))
    return [F.reduce_sum(g * (1 - t)), F.reduce_sum(g * t), None]


LIN_SPACE = declare(
    "LinSpace", "start: T, stop: T, num: I", infer=_linspace_type, reference=_linspace_reference,
    grad=_linspace_grad, lowering=Generate(_linspace_body, scalars=(0, 1, 2)),
    samples=lambda: [
        Sample((np.array(-1.0), np.array(2.0), np.array(5, np.int32))),
        Sample((np.array(2.0), np.array(-1.0), np.array(4, np.int64))),
        Sample((np.array(1.5), np.array(9.0), np.array(1, np.int32)))],
    errors=lambda: [ErrorSample(
        (np.array(0.0), np.array(1.0), np.array(0)), {}, ShapeError, "num must be positive")],
    T=dt.FLOATS, I=dt.INDICES)


@op_function
def linspace(start: Any, stop: Any, num: Any, name: str | None = None) -> Any:
    """`num` numbers from `start` to `stop`, both included; start, stop: float scalars.

    Raises ShapeError (InvalidArgumentError at run time) if `num` is not positive.
    """
    return apply(LIN_SPACE, (start, stop, num), name=name)


lin_space = linspace
publish(linspace, "lin_space")
