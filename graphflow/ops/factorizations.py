"""What linear algebra is made of: factors of batches of matrices, and solutions with them.

`LuFactor`, `LuSolve` and `CholeskyFactor` refuse nothing: where there is no solution they give
infinities or NaN. The ops in front of them (`MatrixSolve` …) look at the factors and refuse, with
TensorFlow's words. Matrices are the last two axes; float32 or float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import apply
from graphflow.dims import Dim, product
from graphflow.errors import InvalidArgumentError, ShapeError
from graphflow.lowering import Library, LoweringContext
from graphflow.opdef import (
    Attr,
    ErrorSample,
    Infer,
    NotDifferentiable,
    RunError,
    Sample,
    TensorType,
)
from graphflow.ops.arguments import typed
from graphflow.ops.declare import declare
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape

MATRIX_TYPES = (dt.float32, dt.float64)
SINGULAR = "Input is not invertible."

_PARTS = NotDifferentiable("the ops in front of it have the gradients")

# ---- inference --------------------------------------------------------------------------------


def matrix_shape(c: Infer, i: int, square: bool = True) -> TensorShape:
    """The shape of input `i`, matrices in the last two axes. Raises ShapeError if they are not."""
    shape = c.shape(i)
    if c.require_rank(i, at_least=2) is None:
        return UNKNOWN_SHAPE
    rows, columns = shape.sizes[-2:]
    if square:
        size = c.require_same(rows, columns, f"Input matrix must be square: {c.show(i)}",
                              "Only square matrices have this.")
        return TensorShape.of((*shape.sizes[:-2], size, size))
    return shape


def right_side(c: Infer, matrix: TensorShape, i: int) -> TensorShape:
    """The shape of right sides, input `i`, for square matrices. Raises ShapeError."""
    right = matrix_shape(c, i, square=False)
    if matrix.rank is None or right.rank is None:
        return right if right.rank is not None else matrix
    if matrix.rank != right.rank:
        raise c.error(f"ranks differ: {c.show(0)}, {c.show(i)}",
                      "A vector needs an axis: gf.expand_dims(rhs, -1).")
    batch = [c.require_same(a, b, f"batch sizes differ: {c.show(0)}, {c.show(i)}")
             for a, b in zip(matrix.sizes[:-2], right.sizes[:-2])]
    c.require_same(matrix.sizes[-1], right.sizes[-2],
                   f"the right sides need as many rows as the matrix: {c.show(0)}, {c.show(i)}")
    return TensorShape.of((*batch, *right.sizes[-2:]))


def count_of(shape: tuple[Dim, ...]) -> Dim:
    """The number of matrices."""
    return product(shape[:-2])


def _lu_type(c: Infer) -> list[TensorType]:
    shape = matrix_shape(c, 0)
    if shape.rank is None:
        return [TensorType(c.dtype(0)), TensorType(dt.int32), TensorType(c.dtype(0))]
    return [TensorType(c.dtype(0), shape), TensorType(dt.int32, shape[:-1]),
            TensorType(c.dtype(0), shape[:-2])]


def _lu_solve_type(c: Infer) -> list[TensorType]:
    return [TensorType(c.dtype(0), right_side(c, matrix_shape(c, 0), 2))]


# ---- references -------------------------------------------------------------------------------


def _lu(input: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = input.shape[-1]
    lu = np.array(input, order="C").reshape(-1, n, n) if n else np.zeros((0, 0, 0), input.dtype)
    rows = np.tile(np.arange(n, dtype=np.int32), (len(lu), 1))
    sign = np.ones(int(np.prod(input.shape[:-2])), input.dtype)
    every = np.arange(len(lu))
    for k in range(n):
        best = k + np.abs(lu[:, k:, k]).argmax(1)
        sign[best != k] *= -1
        for x in (lu, rows):
            x[every, k], x[every, best] = x[every, best].copy(), x[every, k].copy()
        pivot = lu[:, k, k]
        scale = np.where(pivot != 0, pivot, 1)[:, None]
        below = np.where(pivot[:, None] != 0, lu[:, k + 1:, k] / scale, lu[:, k + 1:, k])
        lu[:, k + 1:, k] = below
        factors = np.where(pivot[:, None] != 0, below, 0)
        lu[:, k + 1:, k + 1:] -= factors[:, :, None] * lu[:, k, None, k + 1:]
    return (lu.reshape(input.shape), rows.reshape(input.shape[:-1]),
            sign.reshape(input.shape[:-2]))


def _lu_solve(lu: np.ndarray, rows: np.ndarray, rhs: np.ndarray, adjoint: bool) -> np.ndarray:
    n = lu.shape[-1]
    low, up = np.tril(lu, -1) + np.eye(n, dtype=lu.dtype), np.triu(lu)
    order = np.broadcast_to(rows[..., None].astype(np.intp), rhs.shape)
    if not adjoint:
        inner = substituted(low, np.take_along_axis(rhs, order, -2), True)
        return substituted(up, inner, False)
    inner = substituted(np.swapaxes(up, -1, -2), rhs, True)
    found = substituted(np.swapaxes(low, -1, -2), inner, False)
    out = np.empty_like(found)
    np.put_along_axis(out, order, found, -2)
    return out


def substituted(triangle: np.ndarray, rhs: np.ndarray, lower: bool) -> np.ndarray:
    """The solution for triangular matrices, row by row."""
    out = np.array(rhs, order="C")
    n = triangle.shape[-1]
    with np.errstate(all="ignore"):
        for k in range(n) if lower else reversed(range(n)):
            out[..., k, :] /= triangle[..., k, k, None]
            rest = slice(k + 1, n) if lower else slice(0, k)
            out[..., rest, :] -= triangle[..., rest, k, None] * out[..., k, None, :]
    return out


def _cholesky_or_nan(input: np.ndarray) -> np.ndarray:
    flat = input.reshape(-1, *input.shape[-2:]) if input.size else input
    out = np.full_like(flat, np.nan)
    for one, to in zip(flat, out):
        try:
            to[...] = np.linalg.cholesky(one)
        except np.linalg.LinAlgError:
            continue
    return out.reshape(input.shape)


# ---- refusals ---------------------------------------------------------------------------------


def refusing(F: Any, value: Any, bad: Any) -> Any:
    """`value`, in a program that stops where the bool scalar `bad` is true.

    A load beside a table of one element is what compiled code can refuse; the reference of the op
    that is expanded then words the error.
    """
    nothing = F.gather(np.zeros(1, value.dtype.numpy), F.cast(bad, dt.int32))
    return value + nothing


def has_zero_pivot(F: Any, lu: Any) -> Any:
    """Whether any of the factored matrices is singular: a bool scalar."""
    diagonal = F.matrix_diag_part(lu)
    return F.reduce_any(F.equal(diagonal, F.zeros_like(diagonal)))


def check_invertible(matrix: np.ndarray, message: str = SINGULAR) -> None:
    """Raises RunError if LU with partial pivoting of any matrix has a pivot of 0."""
    if matrix.size and not np.diagonal(_lu(matrix)[0], axis1=-2, axis2=-1).all():
        raise RunError(InvalidArgumentError, message)


# ---- samples ----------------------------------------------------------------------------------


def regular(*shape: int, seed: int = 0) -> np.ndarray:
    """Well-conditioned square matrices that need pivoting."""
    x = np.random.default_rng(seed).normal(size=shape)
    x[..., ::-1, :] += 2 * np.eye(shape[-1])
    return x


def positive(*shape: int, seed: int = 0) -> np.ndarray:
    """Symmetric positive definite matrices with different eigenvalues."""
    x = regular(*shape, seed=seed)
    return x @ np.swapaxes(x, -1, -2) + 0.5 * np.eye(shape[-1])


def square_errors() -> list[ErrorSample]:
    """Inputs that are no batches of square matrices."""
    return [ErrorSample((typed(dt.float32, 2, 3),), {}, ShapeError,
                        r"Input matrix must be square: input \[2, 3\]"),
            ErrorSample((typed(dt.float64, 2),), {}, ShapeError, "rank at least 2")]


def _square_samples() -> list[Sample]:
    singular = np.array([[1.0, 2.0], [2.0, 4.0]])
    return [Sample((x,), grad=False) for x in (
        regular(3, 3), regular(2, 1, 4, 4), regular(1, 1), singular, np.zeros((0, 2, 2)),
        np.zeros((0, 0)))]


def _lu_solve_samples() -> list[Sample]:
    found = []
    for shape, columns in (((3, 3), 2), ((2, 4, 4), 1), ((1, 1), 3), ((0, 2, 2), 2)):
        lu, rows, _ = _lu(regular(*shape))
        rhs = np.random.default_rng(1).normal(size=(*shape[:-1], columns))
        found += [Sample((lu, rows, rhs), {"adjoint": adjoint}, grad=False)
                  for adjoint in (False, True)]
    return found


def matrix_sizes(ctx: LoweringContext) -> tuple:
    """(number of matrices, n)."""
    shape = ctx.in_shapes[0]
    return count_of(shape), shape[-1]


def solve_sizes(ctx: LoweringContext) -> tuple:
    """(number of matrices, n, columns)."""
    matrix, rhs = ctx.in_shapes[0], ctx.in_shapes[-1]
    return count_of(matrix), matrix[-1], rhs[-1]


LU_FACTOR = declare(
    "LuFactor", "input: T", infer=_lu_type, reference=_lu, grad=_PARTS,
    lowering=Library("lu_factor", matrix_sizes), samples=_square_samples, errors=square_errors,
    T=MATRIX_TYPES)

LU_SOLVE = declare(
    "LuSolve", "lu: T, rows: int32, rhs: T", attrs={"adjoint": Attr("bool", False)},
    infer=_lu_solve_type, reference=_lu_solve, grad=_PARTS,
    lowering=Library(
        "lu_solve", lambda ctx: (*solve_sizes(ctx), int(ctx.attrs["adjoint"])),
        lambda ctx: ((ctx.in_dtypes[0], ctx.in_shapes[0][-1] * ctx.in_shapes[2][-1]),)),
    samples=_lu_solve_samples,
    errors=lambda: [ErrorSample(
        (typed(dt.float32, 2, 2), typed(dt.int32, 2), typed(dt.float32, 3, 1)), {}, ShapeError,
        "as many rows as the matrix")], T=MATRIX_TYPES)

CHOLESKY_FACTOR = declare(
    "CholeskyFactor", "input: T", infer=lambda c: [TensorType(c.dtype(0), matrix_shape(c, 0))],
    reference=_cholesky_or_nan, grad=_PARTS, lowering=Library("cholesky", matrix_sizes),
    samples=lambda: [Sample((x,), grad=False) for x in (
        positive(3, 3), positive(2, 2, 2), positive(1, 1), np.zeros((0, 2, 2)))],
    errors=square_errors, T=MATRIX_TYPES)


def factored(matrix: Any) -> tuple[Any, Any, Any]:
    """(LU, rows, sign of the permutation)."""
    lu, rows, sign = apply(LU_FACTOR, (matrix,))
    return lu, rows, sign
