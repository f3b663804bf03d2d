"""Linear algebra: systems, decompositions (up to signs), einsum; values, gradients, refusals."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from programs.registry import case, evaluated, wave


def _with_gradients(tf: ModuleType, make: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """A thunk for [y, ∂(y · a wave) for every array]."""
    def build() -> Any:
        tensors = [tf.constant(a) for a in arrays]
        y = make(*tensors)
        weight = tf.constant(wave(*y.get_shape().as_list(), dtype="float64", phase=0.3))
        return [y, *tf.gradients(y * weight, tensors)]

    return build


def _full(*shape: int) -> np.ndarray:
    """Matrices of full rank."""
    i = np.arange(int(np.prod(shape)))
    return np.sin(0.31 * i * i + 0.5).reshape(shape)


def _square(*shape: int) -> np.ndarray:
    x = wave(*shape, dtype="float64")
    return x[..., ::-1, :] + 2 * np.eye(shape[-1])[::-1]


def _positive(*shape: int) -> np.ndarray:
    x = _square(*shape)
    return x @ np.swapaxes(x, -1, -2) + 0.5 * np.eye(shape[-1])


@case(rtol=1e-6, atol=1e-8)
def systems(tf: ModuleType) -> Any:
    """Inverse, determinants, solutions, with both values of every switch."""
    a, b = _square(2, 3, 3), wave(2, 3, 2, dtype="float64", phase=1.0)
    made = {
        "determinant": _with_gradients(tf, tf.matrix_determinant, a),
        "log_determinant": _with_gradients(tf, lambda x: tf.linalg.slogdet(x)[1], a),
        "sign": lambda: tf.linalg.slogdet(a)[0],
        "logdet": _with_gradients(tf, tf.linalg.logdet, _positive(2, 3, 3)),
        "cholesky_solve": _with_gradients(
            tf, tf.cholesky_solve, np.tril(_square(3, 3)[::-1]), b[0]),
        "vector": _with_gradients(tf, tf.linalg.matvec, a, b[..., 0]),
        "trace": _with_gradients(tf, tf.trace, a), "adjoint": lambda: tf.linalg.adjoint(a),
        "cross": _with_gradients(tf, tf.cross, a[0], a[1]),
        "norm": lambda: list(tf.linalg.normalize(tf.constant(a), axis=-1)),
        "exponential": _with_gradients(tf, tf.linalg.expm, 3 * a),
        "rank": lambda: tf.linalg.matrix_rank(np.array([[1.0, 2.0], [2.0, 4.0]])),
        "pinv": _with_gradients(tf, tf.linalg.pinv, b),
        "factors": lambda: list(tf.linalg.lu(a)),
        "from_factors": lambda: [
            tf.linalg.lu_reconstruct(*tf.linalg.lu(a)), tf.linalg.lu_solve(*tf.linalg.lu(a), b),
            tf.linalg.lu_matrix_inverse(*tf.linalg.lu(a))],
    }
    for turned in (False, True):
        made[f"inverse_{turned}"] = _with_gradients(
            tf, lambda x, t=turned: tf.matrix_inverse(x, adjoint=t), a)
        made[f"solve_{turned}"] = _with_gradients(
            tf, lambda x, y, t=turned: tf.matrix_solve(x, y, adjoint=t), a, b)
        for lower in (False, True):
            made[f"triangular_{lower}_{turned}"] = _with_gradients(
                tf, lambda x, y, low=lower, t=turned: tf.matrix_triangular_solve(x, y, low, t),
                a[:, ::-1], b)
    return evaluated(tf, made)


@case(rtol=1e-6, atol=1e-8)
def least_squares(tf: ModuleType) -> Any:
    """Tall and wide matrices, fast and exact, with a regulariser."""
    tall, right = _full(2, 4, 2), wave(2, 4, 3, dtype="float64", phase=1.0)
    wide = np.ascontiguousarray(np.swapaxes(tall, -1, -2))
    return evaluated(tf, {
        f"{label}_{fast}_{weight}": _with_gradients(
            tf, lambda x, y, f=fast, w=weight: tf.matrix_solve_ls(x, y, w, f), matrix, sides)
        for label, matrix, sides in (("tall", tall, right), ("wide", wide, right[:, :2]))
        for fast, weight in ((True, 0.0), (True, 0.5))} | {
        "exact": lambda: tf.linalg.lstsq(tall, right, fast=False),
        "exact_wide": lambda: tf.linalg.lstsq(wide, right[:, :2], fast=False)})


@case(rtol=1e-6, atol=1e-8)
def decompositions(tf: ModuleType) -> Any:
    """What does not depend on signs: values, products, gradients of functions of them."""
    spd, tall = _positive(2, 3, 3), _full(2, 4, 3)
    wide = np.ascontiguousarray(np.swapaxes(tall, -1, -2))

    def of_svd(x: Any) -> Any:
        s, u, v = tf.svd(x)
        return tf.concat([tf.abs(u), tf.abs(v), tf.expand_dims(s, -2)], -2)

    def of_qr(x: Any) -> Any:
        q, r = tf.qr(x)
        return tf.matmul(q * q, tf.abs(r))

    def of_eigen(x: Any) -> Any:
        e, v = tf.self_adjoint_eig(x)
        return tf.concat([tf.abs(v), tf.expand_dims(e, -2)], -2)

    return evaluated(tf, {
        "cholesky": _with_gradients(tf, tf.cholesky, spd),
        "eigen": _with_gradients(tf, of_eigen, spd),
        "eigenvalues": _with_gradients(tf, tf.self_adjoint_eigvals, spd),
        "lower_triangle_only": lambda: tf.linalg.eigvalsh(np.tril(spd)),
        "svd": _with_gradients(tf, of_svd, tall), "svd_wide": _with_gradients(tf, of_svd, wide),
        "singular_values": _with_gradients(tf, lambda x: tf.svd(x, compute_uv=False), tall),
        "full_shapes": lambda: [tf.shape(x) for x in tf.svd(tall, full_matrices=True)],
        "qr": _with_gradients(tf, of_qr, tall), "qr_square": _with_gradients(tf, of_qr, spd),
        "qr_full": lambda: [tf.abs(x) for x in tf.qr(tall, full_matrices=True)],
    })


@case()
def refusals(tf: ModuleType) -> Any:
    """Singular and indefinite matrices, wrong shapes."""
    singular = np.array([[1.0, 2.0], [2.0, 4.0]])
    side = np.ones((2, 1))
    return evaluated(tf, {
        "inverse": lambda: tf.matrix_inverse(singular),
        "solve": lambda: tf.matrix_solve(singular, side),
        "triangular": lambda: tf.matrix_triangular_solve(np.diag([1.0, 0.0]), side),
        "determinant": lambda: tf.matrix_determinant(singular),
        "not_square": lambda: tf.matrix_inverse(np.ones((2, 3))),
        "rows": lambda: tf.matrix_solve(np.eye(2), np.ones((3, 1))),
    })


@case(rtol=1e-6, atol=1e-8)
def einsums(tf: ModuleType) -> Any:
    """Explicit and implicit results, ellipses, several operands, gradients."""
    a, b, c = (wave(*s, dtype="float64", phase=i) for i, s in enumerate(
        ((2, 3), (3, 4), (2, 5, 3))))
    return evaluated(tf, {
        "product": _with_gradients(tf, lambda x, y: tf.einsum("ij,jk->ik", x, y), a, b),
        "implicit": lambda: tf.einsum("ij,jk", a, b),
        "outer": lambda: tf.einsum("i,j", a[0], b[0]),
        "trace_like": _with_gradients(tf, lambda x, y: tf.einsum("ij,ij->", x, y), a, a),
        "batch": _with_gradients(tf, lambda x, y: tf.einsum("bij,jk->bik", x, y), c, b),
        "ellipsis": _with_gradients(tf, lambda x, y: tf.einsum("...j,jk->...k", x, y), c, b),
        "transpose": lambda: tf.einsum("ijk->kij", c), "sum": lambda: tf.einsum("ij->j", a),
        "three": _with_gradients(
            tf, lambda x, y, z: tf.einsum("ij,jk,iaj->ak", x, y, z), a, b, c),
        "hadamard": _with_gradients(tf, lambda x, y: tf.einsum("ij,ij->ji", x, y), a, a),
    })
