"""Linear systems: inverse, determinant, `matrix_solve`, triangular systems, least squares.

Gradients: Giles, "Collected matrix derivative results", 2008. A singular matrix is refused when
the graph runs, with TensorFlow's words.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F as OPS
from graphflow.builder import apply, convert, op_function
from graphflow.errors import InvalidArgumentError, ShapeError
from graphflow.lowering import Composite, Library
from graphflow.opdef import Attr, ErrorSample, Infer, RunError, Sample, TensorType
from graphflow.ops.arguments import failure, typed
from graphflow.ops.declare import declare
from graphflow.ops.factorizations import (
    LU_SOLVE,
    MATRIX_TYPES,
    check_invertible,
    factored,
    has_zero_pivot,
    matrix_shape,
    refusing,
    regular,
    right_side,
    solve_sizes,
    square_errors,
    substituted,
)
from graphflow.ops.scope import scope
from graphflow.shapes import UNKNOWN_SHAPE

_SINGULAR = "Input matrix is not invertible."
_ADJOINT = {"adjoint": Attr("bool", False)}


def _same_type(c: Infer) -> list[TensorType]:
    return [TensorType(c.dtype(0), matrix_shape(c, 0))]


def _turned(x: np.ndarray, adjoint: bool) -> np.ndarray:
    return np.swapaxes(x, -1, -2) if adjoint else x


def _eye_like(F: Any, matrix: Any) -> Any:
    return F.zeros_like(matrix) + F.eye(F.shape(matrix)[-1], dtype=matrix.dtype)


# ---- inverse ----------------------------------------------------------------------------------


def _inverse_reference(input: np.ndarray, adjoint: bool) -> np.ndarray:
    check_invertible(input)
    return np.array(_turned(np.linalg.inv(input), adjoint), order="C")


def _inverse_grad(F: Any, op: Any, g: Any) -> list[Any]:
    """−A⁻ᵀ·g·A⁻ᵀ, with the output for A⁻¹ (or A⁻ᵀ, where the input is its transpose)."""
    inverse, = op.outputs
    if op.attrs["adjoint"]:
        return [-F.matmul(inverse, F.matmul(g, inverse, transpose_a=True))]
    return [-F.matmul(inverse, F.matmul(g, inverse, transpose_b=True), transpose_a=True)]


def _expand_inverse(F: Any, matrix: Any, adjoint: bool) -> Any:
    lu, rows, _ = factored(matrix)
    found = apply(LU_SOLVE, (lu, rows, _eye_like(F, matrix)), {"adjoint": adjoint})
    return refusing(F, found, has_zero_pivot(F, lu))


INVERSE = declare(
    "MatrixInverse", "input: T", attrs=_ADJOINT, infer=_same_type,
    reference=_inverse_reference, grad=_inverse_grad, lowering=Composite(_expand_inverse),
    samples=lambda: [
        Sample((regular(3, 3),)), Sample((regular(2, 2, 2),), {"adjoint": True}),
        Sample((regular(1, 1),)), Sample((np.zeros((0, 2, 2)),)), Sample((np.zeros((0, 0)),))],
    errors=square_errors, T=MATRIX_TYPES)


@op_function
def matrix_inverse(input: Any, adjoint: bool = False, name: str | None = None) -> Any:
    """The inverses of square matrices [..., n, n], or with `adjoint` their transposes.

    Raises ShapeError if they are not square; InvalidArgumentError when the graph runs if one is
    singular ("Input is not invertible.").
    """
    return apply(INVERSE, (input,), {"adjoint": bool(adjoint)}, name=name)


# ---- determinants -----------------------------------------------------------------------------


def _determinant_type(c: Infer) -> list[TensorType]:
    shape = matrix_shape(c, 0)
    return [TensorType(c.dtype(0), UNKNOWN_SHAPE if shape.rank is None else shape[:-2])]


def _determinant_grad(F: Any, op: Any, g: Any) -> list[Any]:
    """g · det · A⁻ᵀ; A must be invertible, as in TensorFlow."""
    matrix = op.inputs[0]
    scale = F.expand_dims(F.expand_dims(g * op.outputs[0], -1), -1)
    return [scale * F.matrix_inverse(matrix, adjoint=True)]


def _expand_determinant(F: Any, matrix: Any) -> Any:
    lu, _, sign = factored(matrix)
    return sign * F.reduce_prod(F.matrix_diag_part(lu), -1)


def _determinant_samples() -> list[Sample]:
    return [Sample((regular(3, 3),)), Sample((regular(2, 1, 2, 2),)), Sample((regular(1, 1),)),
            Sample((np.array([[1.0, 2.0], [2.0, 4.0]]),), grad=False),
            Sample((np.zeros((0, 2, 2)),)), Sample((np.zeros((2, 0, 0)),))]


DETERMINANT = declare(
    "MatrixDeterminant", "input: T", infer=_determinant_type,
    reference=lambda input: np.asarray(np.linalg.det(input), input.dtype),
    grad=_determinant_grad, lowering=Composite(_expand_determinant),
    samples=_determinant_samples, errors=square_errors, T=MATRIX_TYPES)


@op_function
def matrix_determinant(input: Any, name: str | None = None) -> Any:
    """The determinants of square matrices [..., n, n] → [...]. Raises ShapeError for others."""
    return apply(DETERMINANT, (input,), name=name)


def _slogdet_type(c: Infer) -> list[TensorType]:
    return _determinant_type(c) * 2


def _slogdet_grad(F: Any, op: Any, _: Any, g: Any) -> list[Any]:
    scale = F.expand_dims(F.expand_dims(g, -1), -1)
    return [scale * F.matrix_inverse(op.inputs[0], adjoint=True)]


def _slogdet_reference(input: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sign, size = np.linalg.slogdet(input)
    return np.asarray(sign, input.dtype), np.asarray(size, input.dtype)


def _expand_slogdet(F: Any, matrix: Any) -> tuple[Any, Any]:
    lu, _, sign = factored(matrix)
    diagonal = F.matrix_diag_part(lu)
    return (sign * F.reduce_prod(F.sign(diagonal), -1),
            F.reduce_sum(F.log(F.abs(diagonal)), -1))


SLOGDET = declare(
    "LogMatrixDeterminant", "input: T", infer=_slogdet_type, reference=_slogdet_reference,
    grad=_slogdet_grad, lowering=Composite(_expand_slogdet), samples=_determinant_samples,
    errors=square_errors, T=MATRIX_TYPES)

LogMatrixDeterminant = namedtuple("LogMatrixDeterminant", ["sign", "log_abs_determinant"])


@op_function
def slogdet(input: Any, name: str | None = None) -> Any:
    """(sign, log of the absolute value) of the determinants of square matrices [..., n, n].

    Raises ShapeError for others. A singular matrix has sign 0 and logarithm −∞.
    """
    return LogMatrixDeterminant(*apply(SLOGDET, (input,), name=name))


@op_function
def logdet(matrix: Any, name: str | None = None) -> Any:
    """log of the determinants of symmetric positive definite matrices, by Cholesky factors."""
    with scope(name, "logdet"):
        diagonal = OPS.matrix_diag_part(OPS.cholesky(matrix))
        return 2.0 * OPS.reduce_sum(OPS.log(diagonal), -1)


# ---- square systems ---------------------------------------------------------------------------


def _solve_type(c: Infer) -> list[TensorType]:
    return [TensorType(c.dtype(0), right_side(c, matrix_shape(c, 0), 1))]


def _solve_reference(matrix: np.ndarray, rhs: np.ndarray, adjoint: bool) -> np.ndarray:
    check_invertible(matrix, _SINGULAR)
    if not rhs.size:
        return np.zeros(rhs.shape, rhs.dtype)
    return np.linalg.solve(_turned(matrix, adjoint), rhs)


def _solve_grad(F: Any, op: Any, g: Any) -> list[Any]:
    matrix, _ = op.inputs
    x, = op.outputs
    back = F.matrix_solve(matrix, g, adjoint=not op.attrs["adjoint"])
    pair = (x, back) if op.attrs["adjoint"] else (back, x)
    return [-F.matmul(*pair, transpose_b=True), back]


def _expand_solve(F: Any, matrix: Any, rhs: Any, adjoint: bool) -> Any:
    lu, rows, _ = factored(matrix)
    found = apply(LU_SOLVE, (lu, rows, rhs), {"adjoint": adjoint})
    return refusing(F, found, has_zero_pivot(F, lu))


def _sides(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).normal(size=shape)


def _solve_errors() -> list[ErrorSample]:
    f = dt.float32
    return [
        ErrorSample((typed(f, 2, 3), typed(f, 2, 1)), {}, ShapeError, "must be square"),
        ErrorSample((typed(f, 2, 2), typed(f, 3, 1)), {}, ShapeError,
                    r"as many rows as the matrix: matrix \[2, 2\], rhs \[3, 1\]"),
        ErrorSample((typed(f, 3, 2, 2), typed(f, 2, 2, 1)), {}, ShapeError, "batch sizes differ"),
        ErrorSample((typed(f, 2, 2), typed(f, 2)), {}, ShapeError, "rhs must have rank at least"),
        ErrorSample((typed(f, 1, 2, 2), typed(f, 2, 1)), {}, ShapeError, "ranks differ"),
    ]


SOLVE = declare(
    "MatrixSolve", "matrix: T, rhs: T", attrs=_ADJOINT, infer=_solve_type,
    reference=_solve_reference, grad=_solve_grad, lowering=Composite(_expand_solve),
    samples=lambda: [
        Sample((regular(3, 3), _sides(3, 2))),
        Sample((regular(2, 2, 2), _sides(2, 2, 1)), {"adjoint": True}),
        Sample((regular(1, 1), _sides(1, 2))), Sample((regular(2, 2), np.zeros((2, 0)))),
        Sample((np.zeros((0, 2, 2)), np.zeros((0, 2, 1))))],
    errors=_solve_errors, T=MATRIX_TYPES)


@op_function
def matrix_solve(matrix: Any, rhs: Any, adjoint: bool = False, name: str | None = None) -> Any:
    """X with matrix · X = rhs (matrixᵀ · X with `adjoint`).

    matrix: [..., n, n], rhs: [..., n, m], of one dtype and batch → [..., n, m].
    Raises ShapeError if they do not fit; InvalidArgumentError when the graph runs if a matrix is
    singular ("Input matrix is not invertible.").
    """
    return apply(SOLVE, (matrix, rhs), {"adjoint": bool(adjoint)}, name=name)


# ---- triangular systems -----------------------------------------------------------------------


def _triangle(matrix: np.ndarray, lower: bool, adjoint: bool) -> np.ndarray:
    return _turned(np.tril(matrix) if lower else np.triu(matrix), adjoint)


def _triangular_reference(
    matrix: np.ndarray, rhs: np.ndarray, lower: bool, adjoint: bool
) -> np.ndarray:
    if matrix.size and not np.diagonal(matrix, axis1=-2, axis2=-1).all():
        raise RunError(InvalidArgumentError, _SINGULAR)
    return substituted(_triangle(matrix, lower, adjoint), rhs, lower != adjoint)


def _triangular_grad(F: Any, op: Any, g: Any) -> list[Any]:
    matrix, _ = op.inputs
    x, = op.outputs
    lower, adjoint = op.attrs["lower"], op.attrs["adjoint"]
    back = F.matrix_triangular_solve(matrix, g, lower=lower, adjoint=not adjoint)
    full = -F.matmul(*((x, back) if adjoint else (back, x)), transpose_b=True)
    return [F.matrix_band_part(full, *((-1, 0) if lower else (0, -1))), back]


def _expand_triangular(F: Any, matrix: Any, rhs: Any, lower: bool, adjoint: bool) -> Any:
    found = apply(_TRIANGULAR_PART, (matrix, rhs), {"lower": lower, "adjoint": adjoint})
    return refusing(F, found, has_zero_pivot(F, matrix))


_TRIANGULAR_ATTRS = {"lower": Attr("bool", True), "adjoint": Attr("bool", False)}


def _triangular_samples() -> list[Sample]:
    found = [Sample((regular(3, 3)[::-1], _sides(3, 2)), {"lower": lower, "adjoint": adjoint})
             for lower in (True, False) for adjoint in (True, False)]
    return [*found, Sample((regular(2, 2, 2)[..., ::-1, :], _sides(2, 2, 1))),
            Sample((np.zeros((0, 2, 2)), np.zeros((0, 2, 1))))]


_TRIANGULAR_PART = declare(
    "TriangularSubstitution", "matrix: T, rhs: T", attrs=_TRIANGULAR_ATTRS, infer=_solve_type,
    reference=lambda matrix, rhs, lower, adjoint: substituted(
        _triangle(matrix, lower, adjoint), rhs, lower != adjoint),
    grad=_triangular_grad, samples=_triangular_samples, errors=_solve_errors,
    lowering=Library("triangular_solve", lambda ctx: (
        *solve_sizes(ctx), int(ctx.attrs["lower"]), int(ctx.attrs["adjoint"]))), T=MATRIX_TYPES)

TRIANGULAR_SOLVE = declare(
    "MatrixTriangularSolve", "matrix: T, rhs: T", attrs=_TRIANGULAR_ATTRS, infer=_solve_type,
    reference=_triangular_reference, grad=_triangular_grad,
    lowering=Composite(_expand_triangular), samples=_triangular_samples, errors=_solve_errors,
    T=MATRIX_TYPES)


@op_function
def matrix_triangular_solve(
    matrix: Any, rhs: Any, lower: bool = True, adjoint: bool = False, name: str | None = None
) -> Any:
    """X with T · X = rhs (Tᵀ · X with `adjoint`), T the lower or upper triangle of `matrix`.

    Shapes and errors as in `matrix_solve`; a 0 on the diagonal makes T singular.
    """
    attrs = {"lower": bool(lower), "adjoint": bool(adjoint)}
    return apply(TRIANGULAR_SOLVE, (matrix, rhs), attrs, name=name)


@op_function
def cholesky_solve(chol: Any, rhs: Any, name: str | None = None) -> Any:
    """X with A · X = rhs, from the lower Cholesky factors `chol` [..., n, n] of A.

    rhs: [..., n, m]. Errors as in `matrix_triangular_solve`.
    """
    with scope(name, "cholesky_solve"):
        inner = OPS.matrix_triangular_solve(chol, rhs)
        return OPS.matrix_triangular_solve(chol, inner, adjoint=True)


# ---- least squares ----------------------------------------------------------------------------


@op_function
def matrix_solve_ls(
    matrix: Any, rhs: Any, l2_regularizer: float = 0.0, fast: bool = True, name: str | None = None
) -> Any:
    """X that makes ‖matrix · X − rhs‖² + l2_regularizer · ‖X‖² least; of several the shortest.

    matrix: [..., m, n] of known or unknown sizes, rhs: [..., m, k] → [..., n, k]. fast: by
    Cholesky factors of the normal equations (matrices must have full rank); otherwise by singular
    values, without regularisation, as in TensorFlow.
    Raises ShapeError for other shapes; run-time errors as in `cholesky`.
    """
    op = "matrix_solve_ls"
    with scope(name, op):
        matrix, rhs = convert(matrix), convert(rhs)
        sizes = matrix.shape.as_list()[-2:] if matrix.shape.rank else []
        if len(sizes) < 2 or None in sizes:
            raise failure(op, name, "the sizes of the matrices must be known, got matrix "
                                    f"{matrix.shape}", cls=ShapeError)
        if not fast:
            return OPS.matmul(OPS.pinv(matrix), rhs)
        rows, columns = sizes
        tall = rows >= columns
        gram = OPS.matmul(matrix, matrix, transpose_a=tall, transpose_b=not tall)
        if l2_regularizer:
            gram += l2_regularizer * OPS.eye(min(rows, columns), dtype=matrix.dtype)
        chol = OPS.cholesky(gram)
        if tall:
            return cholesky_solve(chol, OPS.matmul(matrix, rhs, transpose_a=True))
        return OPS.matmul(matrix, cholesky_solve(chol, rhs), transpose_a=True)
