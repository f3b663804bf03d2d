"""Reading and writing one element of a `TensorArray`'s state, a tensor [size, *element]."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function
from graphflow.errors import InvalidArgumentError, ShapeError
from graphflow.indexed_slices import IndexedSlices
from graphflow.lowering import Gather, Host, Scatter
from graphflow.opdef import ErrorSample, Infer, NotDifferentiable, RunError, Sample, TensorType
from graphflow.ops.arguments import typed
from graphflow.ops.declare import declare
from graphflow.shapes import UNKNOWN_SHAPE


def _check_index(index: np.ndarray, size: int, what: str) -> int:
    number = int(index)
    if not 0 <= number < size:
        raise RunError(InvalidArgumentError, f"{what} at index {number}, but the array's size is "
                       f"{size}", "Give the array this size, or dynamic_size=True.")
    return number


def _check_flow(c: Infer) -> None:
    if c.shape(0).rank == 0:
        raise c.error(f"flow must have rank at least 1, got {c.show(0)}")
    c.require_rank(1, 0)


def _read_type(c: Infer) -> list[TensorType]:
    _check_flow(c)
    return [TensorType(c.dtype(0), c.shape(0)[1:])]


def _read(flow: np.ndarray, index: np.ndarray) -> np.ndarray:
    return np.asarray(flow[_check_index(index, len(flow), "read"), ...])


def _read_gradient(F: Any, op: Any, g: Any) -> list[Any]:
    flow, index = op.inputs
    return [IndexedSlices(F.expand_dims(g, 0), F.reshape(index, [1]), F.shape(flow)), None]


def _flow() -> np.ndarray:
    return np.linspace(-1.0, 2.0, 12).reshape(3, 2, 2)


READ = declare(
    "TensorArrayReadV3", "flow: T, index: int32", infer=_read_type, reference=_read,
    grad=_read_gradient, lowering=Gather(lambda i, load, ctx: (load(1, ()), *i)),
    samples=lambda: [
        Sample((_flow(), np.array(2, np.int32))),
        Sample((_flow()[:, 0, 0], np.array(0, np.int32))),
        Sample((np.zeros((2, 0)), np.array(1, np.int32)))],
    errors=lambda: [
        ErrorSample((typed(dt.float32), typed(dt.int32)), {}, ShapeError, "rank at least 1"),
        ErrorSample((typed(dt.float32, 3), typed(dt.int32, 1)), {}, ShapeError,
                    "index must have rank 0")],
    T=dt.ALL)


@op_function
def tensor_array_read(flow: Any, index: Any, name: str | None = None) -> Any:
    """Element `index` (int32 scalar) of `flow` [size, *element].

    Raises InvalidArgumentError when the graph runs for an index outside of [0, size).
    """
    return apply(READ, (flow, index), name=name)


def _write_type(c: Infer) -> list[TensorType]:
    _check_flow(c)
    flow, value = c.shape(0), c.shape(2)
    if flow.rank is None:
        return [TensorType(c.dtype(0), UNKNOWN_SHAPE)]
    if not flow[1:].is_compatible_with(value):
        raise c.error(f"an element must have the shape {flow[1:]}, got {c.show(2)}",
                      "All elements of a TensorArray have one shape.")
    return [TensorType(c.dtype(0), flow)]


def _write(flow: np.ndarray, index: np.ndarray, value: np.ndarray) -> np.ndarray:
    number = _check_index(index, len(flow), "write")
    if flow.ndim == 2 and flow.shape[1] == 0:  # see UNSHAPED
        out = np.zeros((len(flow), *value.shape), flow.dtype)
    else:
        out = np.array(flow)
    if out.shape[1:] != value.shape:
        raise RunError(
            InvalidArgumentError, f"an element must have the shape {list(out.shape[1:])}, got "
            f"{list(value.shape)}", "All elements of a TensorArray have one shape.")
    out[number, ...] = value
    return out


def _write_gradient(F: Any, op: Any, g: Any) -> list[Any]:
    element = F.tensor_array_read(g, op.inputs[1])
    return [F.tensor_array_write(g, op.inputs[1], F.zeros_like(element)), None, element]


WRITE = declare(
    "TensorArrayWriteV3", "flow: T, index: int32, value: T", infer=_write_type, reference=_write,
    grad=_write_gradient,
    lowering=Scatter(
        lambda i, load, ctx: (load(1, ()), *i), updates=2, combine="set", base=0),
    samples=lambda: [
        Sample((_flow(), np.array(1, np.int32), np.array([[0.5, 1.5], [-2.0, 3.0]]))),
        Sample((np.arange(4.0), np.array(3, np.int32), np.array(-0.5))),
        Sample((np.zeros((2, 0)), np.array(1, np.int32), np.zeros(0)))],
    errors=lambda: [
        ErrorSample((typed(dt.float32, 3, 2), typed(dt.int32), typed(dt.float32, 3)), {},
                    ShapeError, r"must have the shape \[2\], got value \[3\]"),
        ErrorSample((typed(dt.float32), typed(dt.int32), typed(dt.float32)), {}, ShapeError,
                    "rank at least 1")],
    T=dt.ALL)


@op_function
def tensor_array_write(flow: Any, index: Any, value: Any, name: str | None = None) -> Any:
    """`flow` [size, *element] with `value` (of an element's shape) at `index`, an int32 scalar.

    Raises ShapeError for a value of another shape; InvalidArgumentError when the graph runs for an
    index outside of [0, size).
    """
    return apply(WRITE, (flow, index, value), name=name)


UNSHAPED = declare(
    "TensorArrayUnshaped", "size: int32, like: T",
    infer=lambda c: [TensorType(c.dtype(1), UNKNOWN_SHAPE)],
    reference=lambda size, like: np.zeros((int(size), 0), like.dtype),
    grad=NotDifferentiable("nothing was written yet"), lowering=Host(effect=False), T=dt.ALL)


@op_function
def tensor_array_unshaped(size: Any, like: Any, name: str | None = None) -> Any:
    """The state of an array whose elements' shape only the first write shows: [size, 0].

    `like` gives the element type. The rank stays unknown while the graph is built.
    """
    return apply(UNSHAPED, (size, like), name=name)
