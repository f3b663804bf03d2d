"""Linear algebra against NumPy and SciPy: larger and degenerate matrices, errors, einsum."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

import graphflow as gf
from graphflow.errors import AttributeValueError, DTypeError, InvalidArgumentError, ShapeError

RNG = np.random.default_rng(9)


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def value(fetch, feed=None, device="auto"):
    with gf.Session(device=device) as session:
        return session.run(fetch, feed)


def check_orthonormal(columns):
    eye = np.eye(columns.shape[1])
    np.testing.assert_allclose(columns.T @ columns, eye, atol=1e-12)


@pytest.mark.parametrize("device", ["cpu", "reference"])
@pytest.mark.parametrize("shape", [(40, 40), (31, 17), (17, 31)])
def test_decompositions_of_larger_matrices(shape, device):
    x = RNG.normal(size=shape)
    fed = gf.placeholder(gf.float64, [None, None])
    (s, u, v), (q, r), values = value(
        [gf.svd(fed), gf.qr(fed), gf.svd(fed, compute_uv=False)], {fed: x}, device)
    np.testing.assert_allclose(s, np.linalg.svd(x, compute_uv=False), rtol=1e-10)
    np.testing.assert_allclose(values, s, rtol=1e-12)
    np.testing.assert_allclose(u * s @ v.T, x, atol=1e-11)
    np.testing.assert_allclose(q @ r, x, atol=1e-11)
    np.testing.assert_array_equal(r, np.triu(r))
    for columns in (u, v, q):
        check_orthonormal(columns)


@pytest.mark.parametrize("device", ["cpu", "reference"])
@pytest.mark.parametrize("spectrum", [
    np.linspace(-3, 5, 30), np.repeat([1.0, 2.0], 10), np.zeros(7), np.logspace(-12, 3, 20)])
def test_eigenvalues_of_symmetric_matrices(spectrum, device):
    basis, _ = np.linalg.qr(RNG.normal(size=(len(spectrum), len(spectrum))))
    x = basis * spectrum @ basis.T
    x = (x + x.T) / 2
    fed = gf.placeholder(gf.float64, [None, None])
    e, v = value(gf.self_adjoint_eig(fed), {fed: x}, device)
    largest = np.abs(spectrum).max()
    np.testing.assert_allclose(e, np.sort(spectrum), atol=1e-13 * len(x) * largest + 1e-300)
    np.testing.assert_allclose(v * e @ v.T, x, atol=1e-13 * len(x) * largest + 1e-300)
    check_orthonormal(v)


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_singular_vectors_of_rank_deficient_matrices(device):
    x = np.outer([1.0, 2.0, 3.0, 4.0], [1.0, -1.0, 2.0])
    fed = gf.placeholder(gf.float64, [4, 3])
    thin, full = gf.svd(fed), gf.svd(fed, full_matrices=True)
    assert full[1].shape.as_list() == [4, 4] and full[2].shape.as_list() == [3, 3]
    for matrix in (x, np.zeros((4, 3))):
        (s, u, v), (_, whole, other) = value([thin, full], {fed: matrix}, device)
        np.testing.assert_allclose(u * s @ v.T, matrix, atol=1e-13)
        for columns in (u, v, whole, other):
            check_orthonormal(columns)


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_pivoting_and_permutations(device):
    x = np.array([[0.0, 2.0, 1.0], [1e-20, 1.0, 3.0], [2.0, 1.0, 0.0]])
    b = RNG.normal(size=(3, 2))
    solved, turned, inverse, det, lu = value(
        [gf.matrix_solve(x, b), gf.matrix_solve(x, b, adjoint=True), gf.matrix_inverse(x),
         gf.matrix_determinant(x), gf.linalg.lu(x)], device=device)
    np.testing.assert_allclose(solved, np.linalg.solve(x, b), rtol=1e-12)
    np.testing.assert_allclose(turned, np.linalg.solve(x.T, b), rtol=1e-12)
    np.testing.assert_allclose(inverse, np.linalg.inv(x), atol=1e-13)
    np.testing.assert_allclose(det, np.linalg.det(x), rtol=1e-12)
    low, up = np.tril(lu.lu, -1) + np.eye(3), np.triu(lu.lu)
    np.testing.assert_allclose(low @ up, x[lu.p], atol=1e-14)


@pytest.mark.parametrize("device", ["cpu", "reference"])
@pytest.mark.parametrize("make, message", [
    (gf.matrix_inverse, "MatrixInverse 'm': Input is not invertible"),
    (lambda x, name: gf.matrix_solve(x, gf.ones([2, 1], x.dtype), name=name),
     "MatrixSolve 'm': Input matrix is not invertible"),
    (lambda x, name: gf.matrix_triangular_solve(x, gf.ones([2, 1], x.dtype), name=name),
     "MatrixTriangularSolve 'm': Input matrix is not invertible"),
    (gf.cholesky, "Cholesky 'm': Cholesky decomposition was not successful"),
])
def test_singular_matrices_are_refused_when_they_come(make, message, device):
    x = gf.placeholder(gf.float64, [None, 2, 2])[0]
    y = make(x, name="m")
    feed = x.op.inputs[0]
    with gf.Session(device=device) as session:
        assert np.isfinite(session.run(y, {feed: [np.eye(2)]})).all()
        with pytest.raises(InvalidArgumentError, match=message):
            session.run(y, {feed: [[[0.0, 0.0], [1.0, 0.0]]]})


def test_the_gradient_of_cholesky_is_that_of_symmetric_changes():
    x = RNG.normal(size=(4, 4))
    a = gf.constant(x)
    weight = np.tril(RNG.normal(size=(4, 4)))

    def factor(t):
        return gf.cholesky(gf.matmul(t, t, transpose_b=True) + gf.eye(4, dtype=gf.float64))

    y = gf.reduce_sum(factor(a) * weight)
    slope = value(gf.gradients(y, a)[0])
    direction, h = RNG.normal(size=(4, 4)), 1e-6

    def at(t):
        return (np.linalg.cholesky(t @ t.T + np.eye(4)) * weight).sum()

    difference = (at(x + h * direction) - at(x - h * direction)) / (2 * h)
    np.testing.assert_allclose((slope * direction).sum(), difference, rtol=1e-6)


def test_gradients_of_singular_values_and_eigenvalues():
    x = RNG.normal(size=(4, 3))
    a = gf.constant(x)
    nuclear = gf.reduce_sum(gf.svd(a, compute_uv=False))
    u, _, vt = np.linalg.svd(x, full_matrices=False)
    np.testing.assert_allclose(value(gf.gradients(nuclear, a)[0]), u @ vt, rtol=1e-9)
    gram = gf.matmul(a, a, transpose_a=True)
    largest = gf.self_adjoint_eigvals(gram)[-1]
    expected = 2 * np.linalg.svd(x)[1][0] * np.outer(u[:, 0], vt[0])
    np.testing.assert_allclose(value(gf.gradients(largest, a)[0]), expected, rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-3, 0.5, 4.0, 60.0])
def test_matrix_exponential(scale):
    x = RNG.normal(size=(3, 5, 5)) * scale * np.array([1.0, 0.1, 0.0])[:, None, None]
    found = value(gf.linalg.expm(x))
    for one, expected in zip(found, x):
        expected = scipy.linalg.expm(expected)
        np.testing.assert_allclose(one, expected, rtol=1e-9, atol=1e-11 * np.abs(expected).max())


def test_derivative_of_the_exponential_along_a_direction():
    x, e = RNG.normal(size=(2, 4, 4)) * 3
    a = gf.constant(x)
    weight = RNG.normal(size=(4, 4))
    slope = value(gf.gradients(gf.reduce_sum(gf.linalg.expm(a) * weight), a)[0])
    expected = (scipy.linalg.expm_frechet(x, e, compute_expm=False) * weight).sum()
    np.testing.assert_allclose((slope * e).sum(), expected, rtol=1e-8)


def test_pinv_and_rank_of_rank_deficient_matrices():
    x = np.outer([1.0, 2.0, 3.0], [1.0, 1.0]) + 1e-18
    inverse, rank, exact = value([gf.linalg.pinv(x), gf.linalg.matrix_rank(x),
                                  gf.matrix_solve_ls(x, np.ones((3, 1)), fast=False)])
    np.testing.assert_allclose(inverse, np.linalg.pinv(x), atol=1e-12)
    np.testing.assert_allclose(exact, np.linalg.lstsq(x, np.ones((3, 1)))[0], atol=1e-12)
    assert rank == 1


def test_types_and_shapes_are_checked():
    with pytest.raises(DTypeError, match=r"input must be one of float32, float64, got int32"):
        gf.matrix_inverse(gf.ones([2, 2], gf.int32))
    with pytest.raises(ShapeError, match="vectors must have 3 elements"):
        gf.cross(gf.ones([2]), gf.ones([2]))
    with pytest.raises(ShapeError, match="square matrices"):
        gf.linalg.expm(gf.ones([2, 3]))
    x = gf.placeholder(gf.float32, [None, 3, 2])
    assert gf.qr(x).q.shape.as_list() == [None, 3, 2]
    assert [t.shape.as_list() for t in gf.svd(x)] == [[None, 2], [None, 3, 2], [None, 2, 2]]


# ---- einsum -----------------------------------------------------------------------------------

_SIZES = {"a": 2, "b": 3, "c": 4, "d": 2, "e": 3}


@pytest.mark.parametrize("device", ["cpu", "reference"])
@pytest.mark.parametrize("equation", [
    "ab,bc->ac", "ab,bc", "ba", "aa->a", "aa", "ab->", "abc,cd,de->abe", "aab,bc->ac",
    "abc,abd->acd", "a,b,c->abc", "ab,ab,ab->b", "abca->cb", "ab,cd->", "ab,c", "aab,bcc->",
    "ab, bc -> ca", ",ab->ba"])
def test_einsum_is_numpys(equation, device):
    parts = equation.replace(" ", "").split("->")[0].split(",")
    arrays = [RNG.normal(size=[_SIZES[x] for x in part]) for part in parts]
    expected = np.einsum(equation, *arrays)
    fed = [gf.placeholder(gf.float64, [None] * a.ndim) for a in arrays]
    known, unknown = value([gf.einsum(equation, *arrays), gf.einsum(equation, *fed)],
                           dict(zip(fed, arrays)), device)
    np.testing.assert_allclose(known, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(unknown, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("equation, shapes", [
    ("...ab,...bc->...ac", [(5, 2, 3), (3, 4)]), ("...ab,...bc->...ac", [(5, 1, 2, 3), (2, 3, 1)]),
    ("a...->...a", [(2, 3, 4)]), ("...", [(2, 3)]), ("a...,a...->...", [(2, 3), (2, 1)]),
    ("...a,a", [(2, 3), (3,)])])
def test_ellipsis_stands_for_axes_that_broadcast(equation, shapes):
    arrays = [RNG.normal(size=shape) for shape in shapes]
    np.testing.assert_allclose(value(gf.einsum(equation, *arrays)),
                               np.einsum(equation, *arrays), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("equation, shapes, error, message", [
    ("ab,bc->ac", [(2, 3), (4, 2)], ShapeError, "axis 'b' .* the sizes 3 and 4"),
    ("ab->ac", [(2, 3)], AttributeValueError, "must name axes of the operands"),
    ("ab->aa", [(2, 3)], AttributeValueError, "each once"),
    ("ab,b", [(2, 3)], AttributeValueError, "has 2 operands, but 1 are given"),
    ("abc", [(2, 3)], ShapeError, r"'abc' .* does not fit the shape \[2, 3\]"),
    ("a1->a", [(2, 3)], AttributeValueError, "other characters than letters"),
])
def test_einsum_names_mistakes(equation, shapes, error, message):
    with pytest.raises(error, match=message):
        gf.einsum(equation, *(np.ones(shape) for shape in shapes))


def test_einsum_chooses_the_cheap_order(graph):
    """(x·y)·v would make a matrix of 50 × 50; y·v first makes vectors only."""
    x, y, v = (gf.placeholder(gf.float32, s) for s in ((50, 40), (40, 50), (50,)))
    gf.einsum("ab,bc,c->a", x, y, v)
    made = [op.outputs[0].shape.as_list() for op in graph.get_operations() if op.type == "Einsum"]
    assert made == [[40], [50]]
