"""Sparse tensors from and to dense ones, and placeholders for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.errors import InvalidArgumentError, ShapeError
from graphflow.lowering import Composite
from graphflow.opdef import Attr, ErrorSample, Infer, RunError, Sample, TensorType
from graphflow.ops.arguments import is_tensor, shape_from_value, typed
from graphflow.ops.declare import declare
from graphflow.ops.numerics import number_of
from graphflow.ops.scope import scope
from graphflow.ops.sparse_places import columns, known_rank, positions
from graphflow.sparse_tensor import SparseTensor, SparseTensorValue, as_sparse

# ---- to dense --------------------------------------------------------------------------------


def _dense_type(c: Infer) -> list[TensorType]:
    for i, rank in ((0, 2), (1, 1), (2, 1), (3, 0)):
        c.require_rank(i, rank)
    shape = shape_from_value(c, 1)
    width = c.shape(0).sizes[1] if c.shape(0).rank is not None else None
    if isinstance(width, int) and shape.rank is not None and width != shape.rank:
        raise c.error(f"index vectors of length {width} do not fit output_shape {shape}")
    if not c.shape(0)[:1].is_compatible_with(c.shape(2)):
        raise c.error(f"there must be one value for each index: {c.show(0)}, {c.show(2)}")
    return [TensorType(c.dtype(2), shape)]


def _check_places(indices: np.ndarray, sizes: list[int], validate: bool) -> None:
    bad = np.flatnonzero(np.any((indices < 0) | (indices >= sizes), axis=1))
    if bad.size:
        raise RunError(InvalidArgumentError, f"indices[{bad[0]}] = {indices[bad[0]].tolist()} is "
                                             f"out of bounds: need 0 <= index < {sizes}")
    if not validate or not sizes:
        return
    numbers = np.ravel_multi_index(tuple(indices.T), sizes) if indices.size else indices[:, 0]
    step = np.flatnonzero(np.diff(numbers) <= 0)
    if step.size:
        i = int(step[0]) + 1
        kind = "is repeated" if numbers[i] == numbers[i - 1] else "is out of order"
        raise RunError(InvalidArgumentError, f"indices[{i}] = {indices[i].tolist()} {kind}",
                       "Use gf.sparse.reorder(x), or validate_indices=False.")


def _to_dense(
    indices: np.ndarray, output_shape: np.ndarray, values: np.ndarray, default: np.ndarray,
    validate_indices: bool,
) -> np.ndarray:
    sizes = [int(d) for d in output_shape]
    _check_places(indices, sizes, validate_indices)
    out = np.empty(sizes, values.dtype)
    out[...] = default
    for place, value in zip(indices, values):  # the last of equal places stays
        out[tuple(place)] = value
    return out


def _expand_dense(
    F: Any, indices: Any, output_shape: Any, values: Any, default: Any, validate_indices: bool
) -> Any:
    if validate_indices and indices.shape.rank == 2:
        numbers = positions(F.cast(indices, dt.int64), F.cast(output_shape, dt.int64))
        indices = F.concat([indices[:1], F.require(
            indices[1:], F.expand_dims(numbers[1:] > numbers[:-1], 1))], 0)
    return F.tensor_scatter_nd_update(F.fill(output_shape, default), indices, values)


def _dense_grad(F: Any, op: Any, g: Any) -> list[Any]:
    of_values = F.gather_nd(g, op.inputs[0])
    return [None, None, of_values, F.reduce_sum(g) - F.reduce_sum(of_values)]


def _dense_samples() -> list[Sample]:
    indices = np.array([[0, 1], [0, 3], [2, 0]], np.int64)
    values, shape = np.array([1.5, -2.0, 0.5]), np.array([3, 4], np.int64)
    numbers = dt.REALS
    return [
        Sample((indices, shape, values, np.array(0.0))),
        Sample((indices, shape, values, np.array(-1.0)), dtypes=numbers),
        Sample((indices[[2, 0, 1]], shape, values, np.array(0.0)), {"validate_indices": False},
               dtypes=numbers),
        Sample((indices[:0], shape, values[:0], np.array(2.0)), dtypes=numbers),
        Sample((indices[:, 1:], shape[1:], values, np.array(0.0)), {"validate_indices": False},
               dtypes=numbers)]


SPARSE_TO_DENSE = declare(
    "SparseToDense", "sparse_indices: I, output_shape: I, sparse_values: T, default_value: T",
    attrs={"validate_indices": Attr("bool", True)}, infer=_dense_type, reference=_to_dense,
    grad=_dense_grad, lowering=Composite(_expand_dense), samples=_dense_samples,
    errors=lambda: [
        ErrorSample((typed(dt.int64, 5, 3), np.array([3, 4]), typed(dt.float32, 5),
                     typed(dt.float32)), {}, ShapeError, r"length 3 do not fit"),
        ErrorSample((typed(dt.int64, 5, 2), np.array([3, 4]), typed(dt.float32, 4),
                     typed(dt.float32)), {}, ShapeError, "one value for each index")],
    I=dt.INDICES, T=dt.ALL)


@op_function
def sparse_to_dense(
    sparse_indices: Any, output_shape: Any, sparse_values: Any, default_value: Any = 0,
    validate_indices: bool = True, name: str | None = None,
) -> Any:
    """A dense tensor from places and values; `default_value` elsewhere.

    sparse_indices: integers [n, rank], or [n] or a scalar for a vector; output_shape: [rank] of
      the same type; sparse_values: [n], or a scalar for all places.
    Raises ShapeError; InvalidArgumentError at run time for a place outside, or, unless
    validate_indices is False, for places that are repeated or not in row-major order.
    """
    with scope(name, "SparseToDense") as last:
        indices, values = convert(sparse_indices), convert(sparse_values)
        shape = F.cast(convert(output_shape), indices.dtype)
        if indices.shape.rank in (0, 1):
            indices = F.reshape(indices, [-1, 1])
        if values.shape.rank == 0:
            values = F.fill(F.shape(indices)[:1], values)
        default = _default(default_value, values.dtype)
        return apply(SPARSE_TO_DENSE, (indices, shape, values, default),
                     {"validate_indices": validate_indices}, name=last)


def _default(value: Any, dtype: Any) -> Any:
    if value is None or (not is_tensor(value) and dtype.is_string and value == 0):
        value = number_of(0, dtype)
    return convert(value, dtype)


@op_function
def sparse_tensor_to_dense(
    sp_input: Any, default_value: Any = None, validate_indices: bool = True,
    name: str | None = None,
) -> Any:
    """The dense tensor that a SparseTensor stands for; `default_value` (0, "") elsewhere.

    Raises what `sparse_to_dense` raises.
    """
    sparse = as_sparse(sp_input)
    attrs = {"validate_indices": validate_indices}
    return apply(SPARSE_TO_DENSE, (sparse.indices, sparse.dense_shape, sparse.values,
                                   _default(default_value, sparse.dtype)), attrs, name=name)


@op_function
def sparse_to_indicator(sp_input: Any, vocab_size: int, name: str | None = None) -> Any:
    """Ids in the last axis as a dense bool tensor [d0, …, vocab_size] that is true at them."""
    sparse = as_sparse(sp_input)
    rank = known_rank("SparseToIndicator", name, sparse)
    with scope(name, "SparseToIndicator") as last:
        ids = F.cast(sparse.values, dt.int64)
        lead = columns(sparse.indices, range(rank - 1))
        indices = F.concat([lead, F.expand_dims(ids, 1)], 1)
        shape = F.concat([sparse.dense_shape[:-1], [np.int64(vocab_size)]], 0)
        true = F.cast(F.ones_like(ids), dt.bool_)
        return sparse_to_dense(indices, shape, true, False, validate_indices=False, name=last)


# ---- from dense ------------------------------------------------------------------------------


@op_function
def dense_to_sparse(tensor: Any, name: str | None = None) -> SparseTensor:
    """The elements of a dense tensor that are not zero, as a SparseTensor (`sparse.from_dense`).

    Gradients flow to those elements.
    """
    with scope(name, "dense_to_sparse") as last:
        tensor = convert(tensor)
        nonzero = F.not_equal(tensor, convert(number_of(0, tensor.dtype), tensor.dtype)) if (
            not tensor.dtype.is_bool) else tensor
        indices = F.where(nonzero)
        return SparseTensor(indices, F.gather_nd(tensor, indices, name=last),
                            F.shape(tensor, out_type=dt.int64))


def convert_to_tensor_or_sparse_tensor(
    value: Any, dtype: Any = None, name: str | None = None
) -> Any:
    """`value` as a Tensor, or as a SparseTensor if it is one (or a SparseTensorValue).

    Raises DTypeError if a sparse one has another dtype.
    """
    if isinstance(value, (SparseTensor, SparseTensorValue)):
        sparse = SparseTensor.from_value(value)
        convert(sparse.values, dtype)
        return sparse
    return convert(value, dtype, name)


@op_function
def sparse_eye(
    num_rows: Any, num_columns: Any = None, dtype: Any = dt.float32, name: str | None = None
) -> SparseTensor:
    """The identity matrix [num_rows, num_columns] (square by default) as a SparseTensor."""
    with scope(name, "eye") as last:
        rows = F.cast(convert(num_rows), dt.int64)
        across = rows if num_columns is None else F.cast(convert(num_columns), dt.int64)
        diagonal = F.range(F.minimum(rows, across))
        return SparseTensor(F.stack([diagonal, diagonal], axis=1),
                            F.ones_like(diagonal, dtype=dtype, name=last),
                            F.stack([rows, across]))


@op_function
def sparse_placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> SparseTensor:
    """A SparseTensor that must be fed: with a `SparseTensorValue`, or a tuple of its parts.

    shape: sizes, None where any size is fine; a tensor; or None for any shape and rank.
    """
    rank: int | None = None
    dense_shape = None
    if is_tensor(shape):
        dense_shape = convert(shape, dt.int64)
        known = dense_shape.shape
        rank = known.as_list()[0] if known.rank == 1 else None
    elif shape is not None:
        sizes = list(shape)
        rank = len(sizes)
        numbers = [getattr(d, "value", d) for d in sizes]
        if all(isinstance(d, (int, np.integer)) for d in numbers):
            dense_shape = convert(np.array(numbers, np.int64))
    part = (lambda text: f"{name}/{text}") if name else (lambda text: None)
    values = F.placeholder(dtype, [None], part("values"))
    indices = F.placeholder(dt.int64, [None, rank], part("indices"))
    if dense_shape is None:
        dense_shape = F.placeholder(dt.int64, [rank], part("shape"))
    return SparseTensor(indices, values, dense_shape)
