"""Functions of matrices that are made of products and decompositions."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F, convert, op_function
from graphflow.errors import ShapeError
from graphflow.ops.arguments import failure
from graphflow.ops.factorizations import factored, has_zero_pivot, refusing
from graphflow.ops.scope import scope

# ---- products ---------------------------------------------------------------------------------


@op_function
def trace(x: Any, name: str | None = None) -> Any:
    """The sum of the diagonal of matrices [..., m, n] → [...]."""
    with scope(name, "Trace") as last:
        return F.reduce_sum(F.matrix_diag_part(x), [-1], name=last)


@op_function
def adjoint(matrix: Any, name: str | None = None) -> Any:
    """The last two axes exchanged and conjugated."""
    with scope(name, "adjoint") as last:
        return F.matrix_transpose(matrix, name=last, conjugate=True)


@op_function
def matvec(
    a: Any, b: Any, transpose_a: bool = False, adjoint_a: bool = False,
    a_is_sparse: bool = False, b_is_sparse: bool = False, name: str | None = None,
) -> Any:
    """The products of matrices a [..., m, n] and vectors b [..., n] → [..., m].

    transpose_a, adjoint_a as in `matmul`; the hints a_is_sparse, b_is_sparse are not needed.
    Raises ShapeError if the sizes do not fit.
    """
    with scope(name, "MatVec") as last:
        column = F.matmul(a, F.expand_dims(b, -1), transpose_a=transpose_a, adjoint_a=adjoint_a)
        return F.squeeze(column, [-1], name=last)


@op_function
def cross(a: Any, b: Any, name: str | None = None) -> Any:
    """The vector products along the last axis, of size 3; a and b have one shape.

    Raises ShapeError for other shapes.
    """
    op = "Cross"
    with scope(name, op) as last:
        a, b = convert(a), convert(b)
        for x in (a, b):
            if x.shape.rank == 0 or (x.shape.rank and x.shape.as_list()[-1] not in (None, 3)):
                raise failure(op, name, f"vectors must have 3 elements, got a {a.shape}, "
                                        f"b {b.shape}", cls=ShapeError)
        if not a.shape.is_compatible_with(b.shape):
            raise failure(op, name, f"a and b must have one shape, got {a.shape}, {b.shape}",
                          cls=ShapeError)
        (a0, a1, a2), (b0, b1, b2) = ([x[..., i] for i in range(3)] for x in (a, b))
        return F.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], -1, name=last)


@op_function
def normalize(
    tensor: Any, ord: Any = "euclidean", axis: Any = None, name: str | None = None
) -> tuple[Any, Any]:
    """(tensor / norm, norm), the norm as in `norm` with keepdims."""
    with scope(name, "normalize"):
        tensor = convert(tensor)
        size = F.norm(tensor, ord=ord, axis=axis, keepdims=True)
        return tensor / size, size


# ---- LU ---------------------------------------------------------------------------------------

Lu = namedtuple("Lu", ["lu", "p"])


@op_function
def lu(input: Any, output_idx_type: Any = dt.int32, name: str | None = None) -> Any:
    """(lu, p): L (unit diagonal) and U of square matrices in one, row i being that of input p[i].

    No gradient flows through it. Raises ShapeError if the matrices are not square;
    InvalidArgumentError when the graph runs if one is singular.
    """
    with scope(name, "Lu"):
        factors, rows, _ = factored(F.stop_gradient(convert(input)))
        checked = refusing(F, factors, has_zero_pivot(F, factors))
        return Lu(checked, F.cast(rows, output_idx_type))


@op_function
def lu_reconstruct(
    lower_upper: Any, perm: Any, validate_args: bool = False, name: str | None = None
) -> Any:
    """The matrices whose `lu` is (lower_upper, perm)."""
    with scope(name, "lu_reconstruct"):
        product = F.matmul(_unit_lower(lower_upper), F.matrix_band_part(lower_upper, 0, -1))
        return F.matmul(_permutation(perm, product.dtype), product)


@op_function
def lu_solve(
    lower_upper: Any, perm: Any, rhs: Any, validate_args: bool = False, name: str | None = None
) -> Any:
    """X with A · X = rhs, from A's `lu`; rhs [..., n, m]."""
    with scope(name, "lu_solve"):
        lower_upper = convert(lower_upper)
        rows = F.matmul(_permutation(perm, lower_upper.dtype), rhs, transpose_a=True)
        inner = F.matrix_triangular_solve(_unit_lower(lower_upper), rows)
        return F.matrix_triangular_solve(lower_upper, inner, lower=False)


@op_function
def lu_matrix_inverse(
    lower_upper: Any, perm: Any, validate_args: bool = False, name: str | None = None
) -> Any:
    """The inverse of the matrices whose `lu` is (lower_upper, perm)."""
    with scope(name, "lu_matrix_inverse"):
        lower_upper = convert(lower_upper)
        return lu_solve(lower_upper, perm, _identity_like(lower_upper))


def _identity_like(matrix: Any) -> Any:
    return F.zeros_like(matrix) + F.eye(F.shape(matrix)[-1], dtype=matrix.dtype)


def _unit_lower(lower_upper: Any) -> Any:
    lower_upper = convert(lower_upper)
    strict = F.matrix_band_part(lower_upper, -1, 0) - F.matrix_band_part(lower_upper, 0, 0)
    return strict + _identity_like(lower_upper)


def _permutation(perm: Any, dtype: Any) -> Any:
    """Pᵀ with columns eₚ: rows of a product go back to where they came from."""
    perm = convert(perm)
    return F.matrix_transpose(F.one_hot(perm, F.shape(perm)[-1], dtype=dtype))


# ---- singular values --------------------------------------------------------------------------


def _tolerance(matrix: Any, s: Any, rcond: Any) -> Any:
    if rcond is None:
        rows, columns = F.unstack(F.shape(matrix)[-2:], 2)
        widest = F.cast(F.maximum(rows, columns), s.dtype)
        rcond = 10.0 * widest * np.finfo(s.dtype.numpy).eps
    return F.expand_dims(convert(rcond, s.dtype) * F.reduce_max(s, -1), -1)


@op_function
def pinv(
    a: Any, rcond: Any = None, validate_args: bool = False, name: str | None = None
) -> Any:
    """The Moore–Penrose inverses of matrices [..., m, n] → [..., n, m].

    Singular values below rcond · the largest count as 0; 10 · max(m, n) · eps by default.
    """
    with scope(name, "pinv"):
        a = convert(a)
        s, u, v = F.svd(a)
        large = F.greater(s, _tolerance(a, s, rcond))
        inverse = F.where_v2(large, 1 / F.where_v2(large, s, F.ones_like(s)), F.zeros_like(s))
        return F.matmul(v * F.expand_dims(inverse, -2), u, transpose_b=True)


@op_function
def matrix_rank(
    a: Any, tol: Any = None, validate_args: bool = False, name: str | None = None
) -> Any:
    """The number of singular values above `tol`: int32 [...].

    tol: max(m, n) · eps · the largest of them by default.
    """
    with scope(name, "matrix_rank"):
        a = convert(a)
        s = F.svd(a, compute_uv=False)
        if tol is None:
            tol = _tolerance(a, s, None) / 10.0
        else:
            tol = F.expand_dims(convert(tol, s.dtype), -1)
        return F.reduce_sum(F.cast(F.greater(s, tol), dt.int32), -1)


# ---- the exponential --------------------------------------------------------------------------

# The numerator of the diagonal Padé approximant of order 13 of exp.
_PADE = (64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0,
         129060195264000.0, 10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0,
         40840800.0, 960960.0, 16380.0, 182.0, 1.0)
_THETA = 5.371920351148152  # up to this 1-norm the approximant is exact to double precision


@op_function
def expm(input: Any, name: str | None = None) -> Any:
    """The matrix exponentials Σ inputᵏ / k! of square matrices [..., n, n].

    By scaling and squaring with the Padé approximant of order 13 (Higham, "The scaling and
    squaring method for the matrix exponential revisited", 2005). Raises ShapeError if the
    matrices are not square.
    """
    op = "matrix_exponential"
    with scope(name, op) as last:
        a = convert(input)
        sizes = a.shape.as_list()[-2:] if a.shape.rank is not None else []
        if a.shape.rank is not None and (len(sizes) < 2 or (
                None not in sizes and sizes[0] != sizes[1])):
            raise failure(op, name, f"input must be square matrices, got {a.shape}",
                          cls=ShapeError)
        size = F.stop_gradient(F.reduce_max(F.reduce_sum(F.abs(a), -2), -1))
        steps = F.ceil(F.log(F.maximum(size / _THETA, F.ones_like(size))) / np.log(2.0))
        scale = F.expand_dims(F.expand_dims(F.pow(2.0 * F.ones_like(steps), -steps), -1), -1)
        found = _pade(a * scale)
        most = F.cast(F.reduce_max(F.concat([F.reshape(steps, [-1]), [0.0]], 0)), dt.int32)
        each = F.expand_dims(F.expand_dims(F.cast(steps, dt.int32), -1), -1)

        def square(turn: Any, x: Any) -> tuple[Any, Any]:
            return turn + 1, F.where_v2(F.less(turn, each), F.matmul(x, x), x)

        return F.identity(F.while_loop(
            lambda turn, _: F.less(turn, most), square, (np.int32(0), found))[1], name=last)


def _pade(a: Any) -> Any:
    """(V − U)⁻¹·(V + U), U and V the odd and even terms of the numerator."""
    b, one = _PADE, _identity_like(a)
    a2 = F.matmul(a, a)
    a4 = F.matmul(a2, a2)
    a6 = F.matmul(a2, a4)
    high_odd = F.matmul(a6, b[13] * a6 + b[11] * a4 + b[9] * a2)
    odd = F.matmul(a, high_odd + b[7] * a6 + b[5] * a4 + b[3] * a2 + b[1] * one)
    high_even = F.matmul(a6, b[12] * a6 + b[10] * a4 + b[8] * a2)
    even = high_even + b[6] * a6 + b[4] * a4 + b[2] * a2 + b[0] * one
    return F.matrix_solve(even - odd, even + odd)
