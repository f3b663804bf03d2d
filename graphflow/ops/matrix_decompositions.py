"""Cholesky, QR, eigenvalue and singular value decompositions of batches of matrices.

Vectors are determined up to their signs: those of Q are LAPACK's; eigenvectors and right singular
vectors v have Σ vᵢ / (i + 1) ≥ 0. Sources of the gradients: Murray, "Differentiation of the
Cholesky decomposition", 2016; Walter, Lehmann, "Algorithmic differentiation of linear algebra
functions", 2010 (QR); Giles, "Collected matrix derivative results", 2008 (eigenvalues); Townsend,
"Differentiating the singular value decomposition", 2016.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.builder import F as OPS
from graphflow.builder import apply, convert, op_function
from graphflow.dims import Dim, dim_max, dim_min
from graphflow.errors import InvalidArgumentError, ShapeError
from graphflow.lowering import Composite, Library, LoweringContext
from graphflow.opdef import Attr, ErrorSample, Infer, RunError, Sample, TensorType
from graphflow.ops.arguments import typed
from graphflow.ops.declare import declare
from graphflow.ops.factorizations import (
    CHOLESKY_FACTOR,
    MATRIX_TYPES,
    count_of,
    matrix_shape,
    matrix_sizes,
    positive,
    refusing,
    regular,
    square_errors,
)
from graphflow.shapes import UNKNOWN_SHAPE, TensorShape


def _turned(F: Any, x: Any) -> Any:
    return F.matrix_transpose(x)


# ---- Cholesky ---------------------------------------------------------------------------------


def _cholesky_reference(input: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.cholesky(input) if input.size else np.zeros(input.shape, input.dtype)
    except np.linalg.LinAlgError:
        raise RunError(
            InvalidArgumentError, "Cholesky decomposition was not successful. The input might "
            "not be valid.", "The matrices must be symmetric and positive definite.") from None


def _cholesky_grad(F: Any, op: Any, g: Any) -> list[Any]:
    """L⁻ᵀ·Φ(Lᵀ·g)·L⁻¹, made symmetric; Φ takes the lower triangle and half of the diagonal."""
    factor, = op.outputs
    product = F.matmul(factor, g, transpose_a=True)
    lower = F.matrix_band_part(product, -1, 0)
    middle = lower - F.matrix_band_part(product, 0, 0) / 2
    half = F.matrix_triangular_solve(factor, middle, adjoint=True)
    full = F.matrix_triangular_solve(factor, _turned(F, half), adjoint=True)
    return [(full + _turned(F, full)) / 2]


def _expand_cholesky(F: Any, matrix: Any) -> Any:
    factor = apply(CHOLESKY_FACTOR, (matrix,))
    return refusing(F, factor, F.reduce_any(F.is_nan(F.matrix_diag_part(factor))))


CHOLESKY = declare(
    "Cholesky", "input: T", infer=lambda c: [TensorType(c.dtype(0), matrix_shape(c, 0))],
    reference=_cholesky_reference, grad=_cholesky_grad, lowering=Composite(_expand_cholesky),
    samples=lambda: [  # the gradient is that of symmetric changes, so differences do not give it
        Sample((x,), grad=False) for x in (
            positive(3, 3), positive(2, 2, 2), positive(1, 1), np.zeros((0, 2, 2)))],
    errors=square_errors, T=MATRIX_TYPES)


@op_function
def cholesky(input: Any, name: str | None = None) -> Any:
    """The lower triangular L with L · Lᵀ = input, for symmetric positive definite [..., n, n].

    Only the lower triangle is read. Raises ShapeError if the matrices are not square;
    InvalidArgumentError when the graph runs if one is not positive definite.
    """
    return apply(CHOLESKY, (input,), name=name)


# ---- QR ---------------------------------------------------------------------------------------


def _qr_type(c: Infer) -> list[TensorType]:
    shape = matrix_shape(c, 0, square=False)
    if shape.rank is None:
        return [TensorType(c.dtype(0), UNKNOWN_SHAPE)] * 2
    m, n = shape.sizes[-2:]
    k = m if c.attrs["full_matrices"] else dim_min(m, n)
    batch = shape.sizes[:-2]
    return [TensorType(c.dtype(0), TensorShape.of((*batch, *pair))) for pair in ((m, k), (k, n))]


def _qr_reference(input: np.ndarray, full_matrices: bool) -> tuple[np.ndarray, np.ndarray]:
    q, r = np.linalg.qr(input, "complete" if full_matrices else "reduced")
    return q, r


def _deep_grad(F: Any, q: Any, r: Any, gq: Any, gr: Any) -> Any:
    """For m ≥ n: (gQ + Q·copyltu(M))·R⁻ᵀ with M = R·gRᵀ − gQᵀ·Q."""
    m = F.matmul(r, gr, transpose_b=True) - F.matmul(gq, q, transpose_a=True)
    lower = F.matrix_band_part(m, -1, 0)
    symmetric = lower + _turned(F, lower) - F.matrix_band_part(m, 0, 0)
    right = gq + F.matmul(q, symmetric)
    return _turned(F, F.matrix_triangular_solve(r, _turned(F, right), lower=False))


def _qr_grad(F: Any, op: Any, gq: Any, gr: Any) -> list[Any]:
    """Of A = [X, Y] with k columns in X the part Y = Q·V gives a further gradient of Q.

    For tall matrices Y has no columns.
    """
    a, = op.inputs
    q, r = op.outputs
    m, n = a.shape.as_list()[-2:] if a.shape.rank is not None else (None, None)
    if op.attrs["full_matrices"] and m is not None and n is not None and m > n:
        raise ShapeError(f"Qr: of tall matrices the full q has no gradient; got input {a.shape}. "
                         "Use full_matrices=False.")
    k = F.shape(q)[-1]
    gv = gr[..., k:]
    gq = gq + F.matmul(a[..., k:], gv, transpose_b=True)
    gx = _deep_grad(F, q, r[..., :k], gq, gr[..., :k])
    return [F.concat([gx, F.matmul(q, gv)], -1)]


def _qr_sizes(ctx: LoweringContext) -> tuple:
    shape = ctx.in_shapes[0]
    return count_of(shape), shape[-2], shape[-1], ctx.out_shapes[0][-1]


def _qr_scratch(ctx: LoweringContext) -> tuple:
    m, n = ctx.in_shapes[0][-2:]
    return (ctx.in_dtypes[0], m * n), (ctx.in_dtypes[0], n + 1)


def _ramp(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape)


QR = declare(
    "Qr", "input: T", attrs={"full_matrices": Attr("bool", False)}, infer=_qr_type,
    reference=_qr_reference, grad=_qr_grad, lowering=Library("qr", _qr_sizes, _qr_scratch),
    samples=lambda: [
        Sample((_ramp(3, 3),)), Sample((_ramp(2, 4, 2),)), Sample((_ramp(2, 4),)),
        Sample((_ramp(3, 2),), {"full_matrices": True}, grad=False),
        Sample((_ramp(2, 3),), {"full_matrices": True}), Sample((np.zeros((0, 3, 2)),))],
    errors=lambda: [ErrorSample((typed(dt.float32, 2),), {}, ShapeError, "rank at least 2")],
    T=MATRIX_TYPES)

Qr = namedtuple("Qr", ["q", "r"])


@op_function
def qr(input: Any, full_matrices: bool = False, name: str | None = None) -> Any:
    """(q, r): input [..., m, n] = q · r, q with orthonormal columns, r upper triangular.

    q is [..., m, k] and r [..., k, n] with k = min(m, n), or k = m with full_matrices.
    The gradient needs matrices of full rank, and no further columns of q. Raises ShapeError for a
    rank below 2.
    """
    return Qr(*apply(QR, (input,), {"full_matrices": bool(full_matrices)}, name=name))


# ---- eigenvalues ------------------------------------------------------------------------------


def _signs(vectors: np.ndarray) -> np.ndarray:
    """±1 for each column, so that Σ vᵢ / (i + 1) is not negative."""
    weights = 1 / np.arange(1, vectors.shape[-2] + 1)
    return np.where(np.einsum("...ij,i->...j", vectors, weights) < 0, -1, 1).astype(vectors.dtype)


def _eigh_type(c: Infer) -> list[TensorType]:
    shape = matrix_shape(c, 0)
    return [TensorType(c.dtype(0), shape[:-1] if shape.rank is not None else shape),
            TensorType(c.dtype(0), shape)]


def _eigh_reference(input: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not input.size:
        return np.zeros(input.shape[:-1], input.dtype), np.zeros(input.shape, input.dtype)
    values, vectors = np.linalg.eigh(input)
    return values, vectors * _signs(vectors)[..., None, :]


def _inverse_differences(F: Any, values: Any) -> Any:
    """1 / (vⱼ − vᵢ) for i ≠ j, 0 on the diagonal and where values are equal."""
    gaps = F.expand_dims(values, -2) - F.expand_dims(values, -1)
    apart = F.not_equal(gaps, F.zeros_like(gaps))
    return F.where_v2(apart, 1 / F.where_v2(apart, gaps, F.ones_like(gaps)), F.zeros_like(gaps))


def _eigh_grad(F: Any, op: Any, ge: Any, gv: Any) -> list[Any]:
    """V·(diag(ge) + F∘(Vᵀ·gV))·Vᵀ, folded into the lower triangle, which alone is read."""
    values, v = op.outputs
    middle = _inverse_differences(F, values) * F.matmul(v, gv, transpose_a=True)
    full = F.matmul(F.matmul(v, F.matrix_diag(ge) + middle), v, transpose_b=True)
    both = full + _turned(F, full)
    return [F.matrix_band_part(both, -1, 0) - F.matrix_band_part(both, 0, 0) / 2]


def _eigh_scratch(ctx: LoweringContext) -> tuple:
    n = ctx.in_shapes[0][-1]
    return ((dt.float64, n * n),) * 2 + ((dt.float64, n),) * 3


EIGH = declare(
    "SelfAdjointEigV2", "input: T", infer=_eigh_type, reference=_eigh_reference,
    grad=_eigh_grad, lowering=Library("eigh", matrix_sizes, _eigh_scratch),
    samples=lambda: [
        Sample((positive(3, 3),)), Sample((regular(2, 2, 2),)), Sample((positive(4, 4),)),
        Sample((np.array([[2.5]]),)), Sample((np.zeros((0, 2, 2)),))],
    errors=square_errors, T=MATRIX_TYPES)


@op_function
def self_adjoint_eig(tensor: Any, name: str | None = None) -> tuple[Any, Any]:
    """(e, v): the eigenvalues [..., n], ascending, and eigenvectors as columns [..., n, n].

    tensor: symmetric matrices [..., n, n]; only the lower triangle is read. Raises ShapeError if
    they are not square.
    """
    values, vectors = apply(EIGH, (tensor,), name=name)
    return values, vectors


@op_function
def self_adjoint_eigvals(tensor: Any, name: str | None = None) -> Any:
    """The eigenvalues of symmetric matrices [..., n, n], ascending: [..., n]."""
    return apply(EIGH, (tensor,), name=name)[0]


# ---- singular values --------------------------------------------------------------------------


def _svd_type(c: Infer) -> list[TensorType]:
    shape = matrix_shape(c, 0, square=False)
    if shape.rank is None:
        return [TensorType(c.dtype(0), UNKNOWN_SHAPE)] * 3
    m, n = shape.sizes[-2:]
    k: Dim = dim_min(m, n)
    batch = shape.sizes[:-2]
    return [TensorType(c.dtype(0), TensorShape.of((*batch, *sizes)))
            for sizes in ((k,), (m, k), (n, k))]


def _svd_reference(input: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    m, n = input.shape[-2:]
    if not input.size:
        shapes = (min(m, n),), (m, min(m, n)), (n, min(m, n))
        empty = [np.zeros((*input.shape[:-2], *s), input.dtype) for s in shapes]
        return empty[0], empty[1], empty[2]
    u, s, vt = np.linalg.svd(input, full_matrices=False)
    v = np.swapaxes(vt, -1, -2)
    signs = _signs(v)[..., None, :]
    return s, u * signs, v * signs


def _svd_grad(F: Any, op: Any, gs: Any, gu: Any, gv: Any) -> list[Any]:
    """U·[(E∘(UᵀgU − gUᵀU))·S + S·(E∘(VᵀgV − gVᵀV)) + diag(gs)]·Vᵀ and, for vectors outside of
    the spans, (1 − U·Uᵀ)·gU·S⁻¹·Vᵀ + U·S⁻¹·gVᵀ·(1 − V·Vᵀ); Eᵢⱼ = 1 / (sⱼ² − sᵢ²).
    """
    s, u, v = op.outputs
    gaps = _inverse_differences(F, F.square(s))
    row, column = F.expand_dims(s, -2), F.expand_dims(s, -1)

    def skew(x: Any, gx: Any) -> Any:
        inner = F.matmul(x, gx, transpose_a=True)
        return gaps * (inner - _turned(F, inner))

    def outside(x: Any, gx: Any) -> Any:
        return (gx - F.matmul(x, F.matmul(x, gx, transpose_a=True))) / row

    middle = skew(u, gu) * row + column * skew(v, gv) + F.matrix_diag(gs)
    left = F.matmul(u, middle) + outside(u, gu)
    return [F.matmul(left, v, transpose_b=True) + F.matmul(u, outside(v, gv), transpose_b=True)]


def _svd_sizes(ctx: LoweringContext) -> tuple:
    shape = ctx.in_shapes[0]
    return count_of(shape), shape[-2], shape[-1]


def _svd_scratch(ctx: LoweringContext) -> tuple:
    m, n = ctx.in_shapes[0][-2:]
    k = dim_min(m, n)
    return (dt.float64, k * dim_max(m, n)), (dt.float64, k * k), (dt.float64, k)


SVD = declare(
    "Svd", "input: T", infer=_svd_type, reference=_svd_reference, grad=_svd_grad,
    lowering=Library("svd", _svd_sizes, _svd_scratch),
    samples=lambda: [
        Sample((_ramp(3, 3),)), Sample((_ramp(2, 3, 2),)), Sample((_ramp(2, 4),)),
        Sample((_ramp(1, 1),)), Sample((np.zeros((0, 2, 3)),))],
    errors=lambda: [ErrorSample((typed(dt.float32, 2),), {}, ShapeError, "rank at least 2")],
    T=MATRIX_TYPES)


@op_function
def svd(
    tensor: Any, full_matrices: bool = False, compute_uv: bool = True, name: str | None = None
) -> Any:
    """(s, u, v): tensor [..., m, n] = u · diag(s) · vᵀ, s descending; s alone if not compute_uv.

    u is [..., m, k], v [..., n, k] with k = min(m, n); with full_matrices u and v are square, and
    no gradient flows from their further columns. Raises ShapeError for a rank below 2.
    """
    tensor = convert(tensor)
    s, u, v = apply(SVD, (tensor,), name=name)
    if not compute_uv:
        return s
    return (s, _completed(u), _completed(v)) if full_matrices else (s, u, v)


def _completed(vectors: Any) -> Any:
    """Orthonormal columns, and more of them up to a square matrix."""
    complete = apply(QR, (OPS.stop_gradient(vectors),), {"full_matrices": True})[0]
    return OPS.concat([vectors, complete[..., OPS.shape(vectors)[-1]:]], -1)
