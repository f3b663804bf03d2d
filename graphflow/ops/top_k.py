"""`top_k`: the largest elements of each row and where they stand."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply, op_function
from graphflow.dims import Dim, product
from graphflow.errors import AttributeValueError, InvalidArgumentError, ShapeError
from graphflow.lowering import Library, LoweringContext
from graphflow.opdef import Attr, ErrorSample, Infer, RunError, Sample, TensorType
from graphflow.ops.arguments import static_int, typed
from graphflow.ops.declare import declare
from graphflow.ops.numerics import widen
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape

TopKV2 = namedtuple("TopKV2", ["values", "indices"])


def _type(c: Infer) -> list[TensorType]:
    k, shape = c.attrs["k"], c.shape(0)
    if k < 0:
        raise c.error(f"k must not be negative, got {k}", cls=AttributeValueError)
    c.require_rank(0, at_least=1)
    out = UNKNOWN_SHAPE
    if shape.rank is not None:
        width = shape.sizes[-1]
        if isinstance(width, int) and width < k:
            raise c.error(f"k is {k}, but {c.show(0)} has {width} elements in a row")
        out = TensorShape.of((*shape.sizes[:-1], k))
    return [TensorType(c.dtype(0), out), TensorType(dt.int32, out)]


def _reference(input: np.ndarray, k: int, sorted: bool) -> tuple[np.ndarray, np.ndarray]:
    width = input.shape[-1]
    if width < k:
        raise RunError(InvalidArgumentError, f"k is {k}, but a row has {width} elements")
    # A stable ascending order of the mirrored row, read backwards, puts the first of equals first.
    order = np.argsort(widen(input)[..., ::-1], axis=-1, kind="stable")
    indices = width - 1 - order[..., ::-1][..., :k]
    return np.take_along_axis(input, indices, -1), indices.astype(np.int32)


def row_gradient(F: Any, op: Any, g: Any, _: Any) -> list[Any]:
    """Each row's gradients go to the places they came from; no place is named twice."""
    x = op.inputs[0]
    k, width = F.shape(g)[-1], F.shape(x)[-1]
    count = F.reduce_prod(F.shape(x)[:-1])
    rows = F.tile(F.expand_dims(F.range(count), 1), F.stack([1, k]))
    columns = F.reshape(op.outputs[1], F.stack([count, k]))
    flat = F.scatter_nd(F.stack([rows, columns], -1), F.reshape(g, F.stack([count, k])),
                        F.stack([count, width]))
    return [F.reshape(flat, F.shape(x))]


def _samples() -> list[Sample]:
    x = np.array([[0.5, -2.0, 3.0, 1.5], [4.0, 2.5, -1.0, 0.25]])
    return [
        *(Sample((x,), {"k": k}) for k in (1, 2, 4, 0)),
        Sample((x[0],), {"k": 3, "sorted": False}), Sample((x.reshape(2, 2, 2),), {"k": 1}),
        Sample((np.array([2.0, 3.0, 2.0, 3.0]),), {"k": 3}, grad=False),
        Sample((np.zeros((0, 3)),), {"k": 2}), Sample((np.zeros((2, 0)),), {"k": 0})]


def row_length(ctx: LoweringContext) -> tuple[Dim, Dim]:
    """The number of rows of input 0, and their length."""
    sizes = ctx.in_shapes[0]
    return product(sizes[:-1]), sizes[-1]


def key_dtype(dtype: dt.DType) -> dt.DType:
    """The type that kernels keep order keys of `dtype` in."""
    return dt.uint64 if dtype.size == 8 else dt.uint32


_LOWERING = Library(
    "top_k", sizes=lambda ctx: (*row_length(ctx), ctx.attrs["k"]),
    scratch=lambda ctx: ((key_dtype(ctx.in_dtypes[0]), ctx.attrs["k"]),))


TOP_K = declare(
    "TopKV2", "input: T", attrs={"k": Attr("int", 1), "sorted": Attr("bool", True)}, infer=_type,
    reference=_reference, grad=row_gradient, lowering=_LOWERING, samples=_samples,
    errors=lambda: [
        ErrorSample((typed(dt.float32, 2, 3),), {"k": 4}, ShapeError,
                    r"k is 4, but input \[2, 3\] has 3 elements in a row"),
        ErrorSample((typed(dt.float32),), {"k": 1}, ShapeError, "rank at least 1"),
        ErrorSample((typed(dt.float32, 3),), {"k": -1}, AttributeValueError, "negative")],
    T=dt.REALS)


@op_function
def top_k(input: Any, k: Any = 1, sorted: bool = True, name: str | None = None) -> Any:
    """The `k` largest elements along the last axis, largest first, and their indices.

    input: real numbers [..., n], n ≥ k → a named tuple (values [..., k], indices int32 [..., k]).
    Of equal elements the one of the lower index comes first; NaN is larger than everything.
    sorted: accepted; the order is always descending. `k` must be known while building.
    Raises ShapeError for a row that is too short (InvalidArgumentError when the graph runs).
    """
    attrs = {"k": static_int("TopKV2", name, "k", k), "sorted": bool(sorted)}
    return TopKV2(*apply(TOP_K, (input,), attrs, name=name))
