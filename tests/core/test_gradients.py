"""`gradients` and `hessians`: what depends on what, sparse parts, orders, sites, mistakes."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import graphflow as gf


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def run(fetch, feeds=None):
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        return session.run(fetch, feeds)


# ---- what a derivative is -----------------------------------------------------------------------


def test_partial_and_total_derivatives():
    """The example of TensorFlow's documentation of stop_gradients."""
    a = gf.constant(0.0)
    b = 2 * a
    total = gf.gradients(a + b, [a, b])
    partial = gf.gradients(a + b, [a, b], stop_gradients=[a, b])
    assert run([total, partial]) == [[3.0, 1.0], [1.0, 1.0]]
    stopped = gf.stop_gradient(2 * gf.stop_gradient(a))
    assert gf.gradients(stopped, a) == [None]


def test_stop_gradients_cuts_all_paths_behind():
    x = gf.constant(3.0)
    h = x * x
    y = h * x
    assert run(gf.gradients(y, x)) == [27.0]
    assert run(gf.gradients(y, x, stop_gradients=h)) == [9.0]
    assert run(gf.gradients(y, [x, h], stop_gradients=[h])) == [9.0, 3.0]


def test_several_ys_are_summed():
    x = gf.constant([1.0, 2.0])
    g, = gf.gradients([x * 2.0, gf.reduce_sum(x * x)], [x])
    assert run(g).tolist() == [4.0, 6.0]


def test_grad_ys_are_where_the_walk_starts():
    x = gf.constant([1.0, 2.0])
    ys = [x * 2.0, x * x]
    found = gf.gradients(ys, x, grad_ys=[gf.constant([1.0, 10.0]), None])[0]
    assert run(found).tolist() == [4.0, 24.0]
    assert run(gf.gradients(ys[0], x, grad_ys=[[3.0, 4.0]])[0]).tolist() == [6.0, 8.0]
    with pytest.raises(ValueError, match=r"grad_ys\[0\] has shape \[3\], its y .*shape=\[2\]"):
        gf.gradients(ys[0], x, grad_ys=[gf.ones([3])])
    with pytest.raises(ValueError, match="1 entries for 2 ys"):
        gf.gradients(ys, x, grad_ys=[None])
    with pytest.raises(TypeError, match="float64"):
        gf.gradients(ys[0], x, grad_ys=[gf.ones([2], gf.float64)])


def test_xs_anywhere_in_the_graph():
    x = gf.constant(2.0)
    h = x * x
    y = gf.exp(h)
    e = np.exp(np.float32(4.0))
    np.testing.assert_allclose(run(gf.gradients(y, [h, x, y])), [e, 4 * e, 1.0], rtol=1e-6)


def test_an_x_that_is_a_y():
    x = gf.constant([1.0, 2.0])
    assert run(gf.gradients(x, x))[0].tolist() == [1.0, 1.0]
    assert run(gf.gradients([x, x * 2.0], [x]))[0].tolist() == [3.0, 3.0]


def test_the_same_x_twice():
    x = gf.constant(3.0)
    assert run(gf.gradients(x * x, [x, x])) == [6.0, 6.0]


def test_unconnected_xs():
    x, z = gf.constant([1.0, 2.0]), gf.constant([[1.0]])
    v = gf.Variable([1.0, 2.0, 3.0])
    assert gf.gradients(x, [z, v]) == [None, None]
    zeros = gf.gradients(x, [z, v, x], unconnected_gradients="zero")
    assert [g.tolist() for g in run(zeros)] == [[[0.0]], [0.0, 0.0, 0.0], [1.0, 1.0]]
    zero = gf.gradients(x, z, unconnected_gradients=gf.UnconnectedGradients.ZERO)
    assert run(zero)[0].tolist() == [[0.0]]
    with pytest.raises(ValueError, match="nought"):
        gf.gradients(x, z, unconnected_gradients="nought")


def test_variables_as_xs():
    v = gf.Variable([1.0, 2.0])
    y = gf.reduce_sum(v * v) + gf.reduce_sum(v.read_value() * 3.0)
    by_variable, = gf.gradients(y, v)
    assert run(by_variable).tolist() == [5.0, 7.0], "all reads together"
    assert run(gf.gradients(y, v.value())[0]).tolist() == [2.0, 4.0], "one of them"


def test_integers_have_no_gradients(caplog):
    k = gf.constant(3)
    assert gf.gradients(gf.cast(k, gf.float32) * 2.0, k) == [None]
    assert gf.gradients(k * 2, k) == [None]
    assert "of ys is int32, so nothing flows from it" in caplog.text
    assert gf.gradients([], [gf.constant(1.0)]) == [None]


def test_rounding_comparing_and_indices_pass_nothing():
    x = gf.constant([1.4, 2.6])
    assert gf.gradients(gf.cast(gf.argmax(x), gf.float32), x) == [None]
    assert gf.gradients(gf.cast(x > 2.0, gf.float32), x) == [None]


def test_broadcasting_is_summed_over():
    x, b = gf.ones([2, 3]), gf.constant([1.0, 2.0, 3.0])
    s = gf.constant(2.0)
    found = run(gf.gradients(x * b + s, [x, b, s]))
    assert found[0].tolist() == [[1, 2, 3], [1, 2, 3]]
    assert found[1].tolist() == [2, 2, 2] and found[2] == 6.0
    kept = gf.placeholder(gf.float32, [None, 1])
    g, = gf.gradients(kept * x, kept)
    assert run(g, {kept: [[1.0], [2.0]]}).tolist() == [[3.0], [3.0]]
    assert run(g, {kept: [[1.0]]}).tolist() == [[6.0]]


def test_complex_gradients_follow_tensorflows_convention():
    """g · conj(f′): for y = z² the gradient is 2·conj(z)."""
    z = gf.constant(1.0 + 2.0j)
    assert run(gf.gradients(z * z, z)) == [2.0 - 4.0j]


# ---- sparse gradients ---------------------------------------------------------------------------


def test_gathered_rows_have_sparse_gradients():
    table = gf.Variable(np.arange(8.0, dtype=np.float32).reshape(4, 2))
    rows = gf.gather(table, [1, 3, 1])
    g, = gf.gradients(gf.reduce_sum(rows * rows), table)
    assert isinstance(g, gf.IndexedSlices)
    found = run(g)
    assert found.indices.tolist() == [1, 3, 1] and found.dense_shape.tolist() == [4, 2]
    np.testing.assert_array_equal(found.values, [[4, 6], [12, 14], [4, 6]])
    np.testing.assert_array_equal(
        run(gf.convert_to_tensor(g)), [[0, 0], [8, 12], [0, 0], [12, 14]])


def test_sparse_gradients_are_concatenated_and_mixed_ones_dense():
    table = gf.Variable(np.ones((4, 2), np.float32))
    sparse = gf.reduce_sum(gf.gather(table, [0])) + gf.reduce_sum(gf.gather(table, [2, 0]) * 3.0)
    g, = gf.gradients(sparse, table)
    assert isinstance(g, gf.IndexedSlices)
    assert sorted(run(g).indices.tolist()) == [0, 0, 2]
    np.testing.assert_array_equal(run(gf.convert_to_tensor(g)), [[4, 4], [0, 0], [3, 3], [0, 0]])
    mixed, = gf.gradients(sparse + gf.reduce_sum(table), table)
    assert isinstance(mixed, gf.Tensor)
    np.testing.assert_array_equal(run(mixed), [[5, 5], [1, 1], [4, 4], [1, 1]])


def test_a_sparse_gradient_goes_on_through_dense_operations():
    w = gf.Variable(np.ones((4, 2)))
    y = gf.reduce_sum(gf.gather(w * 2.0, [1, 1]))
    np.testing.assert_array_equal(
        run(gf.gradients(y, w)[0]), [[0, 0], [4, 4], [0, 0], [0, 0]])


# ---- orders -------------------------------------------------------------------------------------


def test_derivatives_of_high_order():
    x = gf.constant(0.7, gf.float64)
    y, expected = gf.sin(x), [np.sin, np.cos, lambda v: -np.sin(v), lambda v: -np.cos(v)]
    for order in range(1, 8):
        y, = gf.gradients(y, x)
        np.testing.assert_allclose(run(y), expected[order % 4](0.7))


def test_hessian_of_a_quadratic_form():
    a = np.array([[1.0, 2.0, 0.5], [-1.0, 3.0, 0.0], [4.0, 0.0, 2.0]])
    x = gf.placeholder(gf.float64, [3])
    y = gf.reduce_sum(x * gf.reduce_sum(gf.constant(a) * x, 1))
    h, = gf.hessians(y, x)
    np.testing.assert_allclose(run(h, {x: [1.0, 2.0, 3.0]}), a + a.T)


def test_hessians_of_any_rank_and_of_several_xs():
    x, z = gf.placeholder(gf.float64, [2, 2]), gf.placeholder(gf.float64, [])
    hx, hz = gf.hessians(gf.reduce_sum(x**3) * z * z, [x, z])
    at = np.array([[1.0, 2.0], [3.0, -1.0]])
    found = run([hx, hz], {x: at, z: 2.0})
    np.testing.assert_allclose(found[0].reshape(4, 4), np.diag(6 * at.ravel() * 4.0))
    np.testing.assert_allclose(found[1], 2 * (at**3).sum())
    linear, = gf.hessians(gf.reduce_sum(x) + z, x)
    assert not run(linear, {x: at, z: 1.0}).any()
    with pytest.raises(LookupError, match="shape of <gf.Tensor.*must be known"):
        gf.hessians(z, gf.placeholder(gf.float64, [None]))


# ---- the operations that it adds ----------------------------------------------------------------


def test_gradient_operations_stand_in_the_scope_of_their_operation(graph):
    x = gf.constant(2.0, name="x")
    y = gf.tanh(x, name="layer/act")
    before = graph.version
    gf.gradients(y, x)
    names = [op.name for op in graph.get_operations()[before:]]
    assert all(n.startswith("gradients/") for n in names)
    assert any(n.startswith("gradients/layer/act_grad/") for n in names)


def test_gradient_operations_carry_the_line_of_what_they_derive(graph):
    x = gf.placeholder(gf.float32, [2], name="x")
    y = gf.tanh(x); line = inspect.currentframe().f_lineno  # noqa: E702  # one line on purpose
    before = graph.version
    gf.gradients(y, x)
    assert {op.site.line for op in graph.get_operations()[before:]} == {line}


def test_only_what_lies_between_is_differentiated(graph):
    x, other = gf.constant(1.0), gf.constant(2.0)
    side = other
    for _ in range(200):
        side = gf.exp(side)
    y = x * side
    before = graph.version
    gf.gradients(y, x)
    assert graph.version - before < 10


def test_gradients_work_outside_the_graphs_with_block():
    with gf.Graph().as_default() as other:
        x = gf.constant(3.0)
        y = x * x
    g, = gf.gradients(y, x)
    assert g.graph is other
    with gf.Session(graph=other) as session:
        assert session.run(g) == 6.0


# ---- mistakes -----------------------------------------------------------------------------------


def test_a_prevented_gradient_says_why():
    from graphflow.builder import apply

    x = gf.constant(1.0)
    y = apply("PreventGradient", (x,), {"message": "not through here"}, name="guard")
    with pytest.raises(LookupError, match="PreventGradient 'guard': not through here.*Built at"):
        gf.gradients(y, x)


@pytest.mark.parametrize("ys, xs, problem", [
    (3.0, "x", "expected a Tensor or Variable, got 'x'"),
    (3.0, 2.0, "expected a Tensor or Variable, got 2.0"),
    (3.0, None, "expected a Tensor or Variable, got None"),
])
def test_what_cannot_be_differentiated(ys, xs, problem):
    with pytest.raises(TypeError, match=problem):
        gf.gradients(gf.constant(ys), xs)


def test_a_rule_that_gives_too_few_gradients_names_its_operation():
    from graphflow.builder import F

    x = gf.constant(1.0)
    y = F.multiply(x, x, name="product")
    y.op.gradient_override = lambda op, g: [g]
    with pytest.raises(LookupError, match="Mul 'product'.*gave 1 gradients for 2 inputs.*Built"):
        gf.gradients(y, x)
