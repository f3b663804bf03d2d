"""Products of a sparse matrix with a dense one: `sparse_tensor_dense_matmul`, `sparse_matmul`.

Each element a[i, k] adds a[i, k] · b[k, :] to row i: a gather of rows of b, scaled, and summed by
segments, which the compiler makes one loop over the elements.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, apply, convert, op_function
from graphflow.dims import same
from graphflow.errors import InvalidArgumentError, ShapeError
from graphflow.lowering import Composite
from graphflow.opdef import Attr, ErrorSample, Infer, RunError, Sample, TensorType
from graphflow.ops.arguments import typed
from graphflow.ops.declare import declare
from graphflow.ops.numerics import widen
from graphflow.shapes import TensorShape
from graphflow.sparse_tensor import SparseTensor, as_sparse

_TYPES = (dt.bfloat16, dt.float32, dt.float64, dt.int32, dt.int64, dt.complex64, dt.complex128)
_FLAGS = {"adjoint_a": Attr("bool", False), "adjoint_b": Attr("bool", False)}


def _product_type(c: Infer) -> list[TensorType]:
    for i, rank in enumerate((2, 1, 1, 2)):
        c.require_rank(i, rank)
    indices, shape, b = c.shape(0), c.shape(2), c.shape(3)
    for known, axis, what in ((indices, 1, "indices must be [n, 2]"),
                              (shape, 0, "dense_shape must be [2]")):
        if known.rank is not None and same(known.sizes[axis], 2) is False:
            raise c.error(f"{what}, got {c.show(0 if axis else 2)}", "The product takes matrices.")
    sizes = c.value(2)
    of_a: list[Any] = [None, None] if sizes is None else sizes.tolist()
    rows, inner = of_a
    if c.attrs["adjoint_a"]:
        rows, inner = inner, rows
    if b.rank is None:
        return [TensorType(c.dtype(1), TensorShape([rows, None]))]
    of_b, columns = b.sizes[::-1] if c.attrs["adjoint_b"] else b.sizes
    if inner is not None and same(inner, of_b) is False:
        raise c.error(f"inner sizes differ: a {TensorShape.of(of_a)}, {c.show(3)}",
                      "adjoint_a and adjoint_b transpose a side.")
    return [TensorType(c.dtype(1), TensorShape([rows, columns]))]


def _product(
    indices: np.ndarray, values: np.ndarray, dense_shape: np.ndarray, b: np.ndarray,
    adjoint_a: bool, adjoint_b: bool,
) -> np.ndarray:
    sizes = [int(d) for d in dense_shape]
    wrong = np.flatnonzero(np.any((indices < 0) | (indices >= sizes), axis=1))
    if wrong.size:
        raise RunError(InvalidArgumentError,
                       f"indices[{wrong[0]}] = {indices[wrong[0]].tolist()} is outside of {sizes}")
    row, column = (indices[:, 1], indices[:, 0]) if adjoint_a else (indices[:, 0], indices[:, 1])
    rows, inner = sizes[::-1] if adjoint_a else sizes
    right = widen(b.conj().T if adjoint_b else b)
    if len(right) != inner:
        raise RunError(InvalidArgumentError,
                       f"Cannot multiply a {sizes} and b {list(b.shape)}: inner sizes differ")
    scale = widen(values.conj() if adjoint_a else values)
    out = np.zeros((rows, right.shape[1]), right.dtype)
    np.add.at(out, row, right[column] * scale[:, None])
    return out.astype(b.dtype)


def _expand(
    F: Any, indices: Any, values: Any, dense_shape: Any, b: Any, adjoint_a: bool, adjoint_b: bool
) -> Any:
    row, column = (1, 0) if adjoint_a else (0, 1)
    if adjoint_b:
        b = F.conj(F.transpose(b)) if b.dtype.is_complex else F.transpose(b)
    if adjoint_a and values.dtype.is_complex:
        values = F.conj(values)
    same_sizes = F.equal(F.shape(b, out_type=dt.int64)[0], dense_shape[column])
    values = F.require(values, same_sizes)
    wide = dt.float32 if values.dtype is dt.bfloat16 else values.dtype
    terms = F.expand_dims(F.cast(values, wide), 1) * F.cast(F.gather(b, indices[:, column]), wide)
    # A negative row would be left out in silence by the sum; no row of this gather is.
    inside = F.logical_and(indices[:, row] >= 0, indices[:, row] < dense_shape[row])
    terms = F.require(terms, F.expand_dims(inside, 1))
    return F.cast(F.unsorted_segment_sum(terms, indices[:, row], dense_shape[row]), values.dtype)


def _grad(F: Any, op: Any, g: Any) -> list[Any]:
    """a's gradient at each element is the product of a row of g and a row of b."""
    indices, values, dense_shape, b = op.inputs
    adjoint_a, adjoint_b = op.attrs["adjoint_a"], op.attrs["adjoint_b"]
    row, column = (1, 0) if adjoint_a else (0, 1)
    right = F.transpose(b) if adjoint_b else F.conj(b)
    of_values = F.reduce_sum(
        F.gather(g, indices[:, row]) * F.gather(right, indices[:, column]), axis=1)
    if adjoint_a:
        of_values = F.conj(of_values)
    of_b = apply(SPARSE_DENSE_MATMUL, (indices, values, dense_shape, g),
                 {"adjoint_a": not adjoint_a})
    return [None, of_values, None, F.conj(F.transpose(of_b)) if adjoint_b else of_b]


def _samples() -> list[Sample]:
    indices = np.array([[0, 1], [0, 3], [2, 0], [2, 1]], np.int64)
    values, shape = np.array([1.5, -2.0, 0.5, 3.0]), np.array([3, 4], np.int64)
    b = np.arange(8.0).reshape(4, 2) / 4 - 0.75
    a_t = {"adjoint_a": True}
    return [
        Sample((indices, values, shape, b)),
        Sample((indices, values, shape, b.T), {"adjoint_b": True}),
        Sample((indices, values, shape, b[:3]), a_t),
        Sample((indices, values, shape, b[:3].T), a_t | {"adjoint_b": True}),
        Sample((indices[:0], values[:0], shape, b)),
        Sample((indices[[1, 0, 0]], values[:3], shape, b)),  # in no order, one place twice
    ]


SPARSE_DENSE_MATMUL = declare(
    "SparseTensorDenseMatMul", "a_indices: int64, a_values: T, a_shape: int64, b: T", attrs=_FLAGS,
    infer=_product_type, reference=_product, grad=_grad, lowering=Composite(_expand),
    samples=_samples,
    errors=lambda: [
        ErrorSample((typed(dt.int64, 5, 2), typed(dt.float32, 5), np.array([3, 4], np.int64),
                     typed(dt.float32, 3, 2)), {}, ShapeError,
                    r"inner sizes differ: a \[3, 4\], b \[3, 2\]"),
        ErrorSample((typed(dt.int64, 5, 3), typed(dt.float32, 5), typed(dt.int64, 3),
                     typed(dt.float32, 3, 2)), {}, ShapeError, r"indices must be \[n, 2\]"),
        ErrorSample((typed(dt.int64, 5, 2), typed(dt.float32, 5), typed(dt.int64, 2),
                     typed(dt.float32, 3)), {}, ShapeError, "b must have rank 2")],
    T=_TYPES)


@op_function
def sparse_tensor_dense_matmul(
    sp_a: Any, b: Any, adjoint_a: bool = False, adjoint_b: bool = False, name: str | None = None
) -> Any:
    """The product of a sparse matrix and a dense one.

    sp_a: SparseTensor [m, k]; b: [k, n], of the same dtype → [m, n]. adjoint_a, adjoint_b:
      conjugate and transpose a side first. If b is the sparse one, this is dense · sparse.
    Gradients flow to `sp_a.values` and b. The elements of sp_a may stand in any order.
    Raises ShapeError where inner sizes are known to differ; InvalidArgumentError at run time.
    """
    if isinstance(b, SparseTensor) and not isinstance(sp_a, SparseTensor):
        # a · b is the adjoint of b′ · a′.
        a = convert(sp_a)
        product = apply(
            SPARSE_DENSE_MATMUL, (b.indices, b.values, b.dense_shape, a),
            {"adjoint_a": not adjoint_b, "adjoint_b": not adjoint_a})
        return F.conj(F.transpose(product), name=name)
    sparse = as_sparse(sp_a)
    return apply(SPARSE_DENSE_MATMUL, (sparse.indices, sparse.values, sparse.dense_shape, b),
                 {"adjoint_a": adjoint_a, "adjoint_b": adjoint_b}, name=name)


@op_function
def sparse_matmul(
    a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False,
    a_is_sparse: bool = False, b_is_sparse: bool = False, name: str | None = None,
) -> Any:
    """`matmul` of two dense matrices that hold many zeros, as `tf.sparse_matmul`.

    a, b: float32 or bfloat16 matrices → float32. a_is_sparse and b_is_sparse are hints, without
    effect: the product is computed as a dense one.
    """
    return F.matmul(F.cast(convert(a), dt.float32), F.cast(convert(b), dt.float32),
                    transpose_a=transpose_a, transpose_b=transpose_b, name=name or "SparseMatMul")
