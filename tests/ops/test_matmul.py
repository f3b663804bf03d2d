"""Matrix products against NumPy: flags, batches, element types, and what a newcomer reads."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def value(fetch, feed=None):
    with gf.Session() as session:
        return session.run(fetch, feed)


def normal(*sizes):
    return RNG.normal(size=sizes)


def test_two_matrices_are_a_matmul_and_batches_a_batch_matmul():
    flat, batch = np.ones((2, 3)), np.ones((4, 3, 5))
    assert gf.matmul(flat, flat.T).op.type == "MatMul"
    product = gf.matmul(flat, batch)
    assert product.op.type == "BatchMatMulV2"
    assert product.op.name == "MatMul_1"
    assert product.shape.as_list() == [4, 2, 5]


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
def test_gradients_under_every_transposition(transpose_a, transpose_b):
    a, b = normal(2, 3), normal(3, 4)
    weights = normal(2, 4)
    x = gf.constant(a.T if transpose_a else a)
    y = gf.constant(b.T if transpose_b else b)
    product = gf.matmul(x, y, transpose_a=transpose_a, transpose_b=transpose_b)
    got, dx, dy = value([product, *gf.gradients(product, [x, y], weights)])
    np.testing.assert_allclose(got, a @ b)
    expected_a, expected_b = weights @ b.T, a.T @ weights
    np.testing.assert_allclose(dx, expected_a.T if transpose_a else expected_a)
    np.testing.assert_allclose(dy, expected_b.T if transpose_b else expected_b)


def test_adjoint_conjugates_complex_and_only_transposes_real():
    z = normal(2, 3) + 1j * normal(2, 3)
    np.testing.assert_allclose(value(gf.matmul(z, z, adjoint_b=True)), z @ z.conj().T)
    np.testing.assert_allclose(value(gf.matmul(z, z, adjoint_a=True)), z.conj().T @ z)
    real = gf.matmul(z.real, z.real, adjoint_b=True)
    assert real.op.get_attr("transpose_b") and not real.op.get_attr("adjoint_b")
    np.testing.assert_allclose(value(real), z.real @ z.real.T)


def test_the_gradient_of_a_broadcast_operand_is_summed_over_the_batch():
    a, b, weights = normal(5, 2, 3), normal(3, 4), normal(5, 2, 4)
    x, y = gf.constant(a), gf.constant(b)
    dx, dy = value(gf.gradients(gf.matmul(x, y), [x, y], weights))
    np.testing.assert_allclose(dx, weights @ b.T)
    np.testing.assert_allclose(dy, np.einsum("bmk,bmn->kn", a, weights))


def test_gradients_with_every_size_unknown():
    x = gf.placeholder(gf.float64, [None, None, None])
    y = gf.placeholder(gf.float64)
    a, b = normal(1, 2, 3), normal(4, 3, 2)
    product = gf.matmul(x, y)
    dx, dy = value(gf.gradients(product, [x, y]), {x: a, y: b})
    ones = np.ones((4, 2, 2))
    np.testing.assert_allclose(dx, (ones @ b.transpose(0, 2, 1)).sum(0, keepdims=True))
    np.testing.assert_allclose(dy, a.transpose(0, 2, 1) @ ones)


def test_float16_is_summed_in_float32():
    ones = np.ones((1, 4096), np.float16)
    assert value(gf.matmul(ones, ones, transpose_b=True))[0, 0] == 4096


def test_integers_wrap():
    x = np.full((1, 4), 100, np.int8)
    assert value(gf.matmul(x, x, transpose_b=True)).item() == np.int64(40000).astype(np.int8)


def test_an_empty_inner_axis_gives_zeros():
    product = value(gf.matmul(np.zeros((2, 0), np.float32), np.zeros((0, 3), np.float32)))
    np.testing.assert_array_equal(product, np.zeros((2, 3), np.float32))


def test_numpy_operands_take_the_tensors_type():
    x = gf.placeholder(gf.float32, [None, 3])
    assert gf.matmul(x, np.eye(3)).dtype is gf.float32
    assert gf.matmul([[1, 2, 3]], gf.transpose(x)).dtype is gf.float32
    assert (x @ np.eye(3)).dtype is gf.float32


@pytest.mark.parametrize("kwargs, fix", [
    ({}, r"Did you mean transpose_b=True\?"),
    ({"transpose_a": True, "transpose_b": True}, r"Did you mean transpose_a=False\?"),
])
def test_inner_sizes_that_differ(kwargs, fix):
    x = gf.placeholder(gf.float32, [32, 784])
    with pytest.raises(gf.errors.ShapeError, match=fix) as caught:
        gf.matmul(x, np.zeros((10, 784)), name="h1", **kwargs)
    assert "MatMul 'h1': inner sizes differ: a [32, 784], b [10, 784]" in str(caught.value)
    assert "test_matmul.py" in str(caught.value)


def test_exchanged_operands_are_noticed():
    with pytest.raises(ValueError, match=r"Did you mean gf.matmul\(b, a\)\?"):
        gf.matmul(np.zeros((3, 4)), np.zeros((2, 3)))


def test_a_vector_is_refused_with_what_to_do():
    weights = gf.Variable([0.3], name="w")
    x = gf.placeholder(gf.float32, [None, 1])
    with pytest.raises(gf.errors.ShapeError) as caught:
        gf.matmul(x, weights)
    message = str(caught.value)
    assert "b must be a matrix (rank 2), but has rank 1" in message
    for remedy in ("gf.expand_dims(b, 1)", "gf.tensordot(a, b, 1)", "a * b"):
        assert remedy in message


@pytest.mark.parametrize("axes", [0, 1, 2, [[1, 2], [0, 1]], [[2, 0], [1, 2]], [-1, 1]])
def test_tensordot(axes):
    sizes = {2: (3, 4, 5), 1: (4, 2, 3)}.get(axes if isinstance(axes, int) else 0, (3, 4, 2))
    a = normal(2, 3, 4)
    b = normal(*sizes) if axes != [-1, 1] else normal(5, 4)
    got = value(gf.tensordot(a, b, axes))
    np.testing.assert_allclose(got, np.tensordot(a, b, axes))


def test_tensordot_of_vectors_is_the_inner_product():
    x = gf.placeholder(gf.float64, [None])
    assert value(gf.tensordot(x, x, 1), {x: [1.0, 2.0, 3.0]}) == 14


@pytest.mark.parametrize("axes, match", [
    (3, r"axes=3 is outside \[0, 2\]"), ([[2], [0]], r"axes \[2\] are outside \[-2, 2\) for a"),
    ([[0, 1], [0]], "2 axes of a, 1 of b"), (1, "sizes differ: axis 1 of a"),
])
def test_tensordot_refuses(axes, match):
    with pytest.raises(ValueError, match=match):
        gf.tensordot(np.zeros((2, 3)), np.zeros((2, 3)), axes)
