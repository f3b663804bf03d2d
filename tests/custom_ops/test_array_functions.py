"""`numba_op` of functions of arrays: values, shapes, types, what runs natively, gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest

import graphflow as gf
from graphflow.custom_ops.core_shapes import CoreShapes

RNG = np.random.default_rng(11)


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default():
        yield


@pytest.fixture(params=["cpu", "reference"])
def session(graph: None, request: pytest.FixtureRequest):
    options = gf.Options(device=request.param, disable_passes=frozenset({"fold"}))
    with gf.Session(options=options) as sess:  # what is folded is not compiled
        yield sess


def weighted(a, x, out):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            out[i] += a[i, j] * math.exp(x[j])


def envelope(x, decay, out, largest):
    level = 0.0
    for i in range(len(x)):
        level = max(level * decay, x[i])
        out[i] = level
        if x[i] > x[largest[0]]:
            largest[0] = i


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values(session, dtype):
    a, x = RNG.normal(size=(5, 7)).astype(dtype), RNG.normal(size=7).astype(dtype)
    y = gf.numba_op(weighted, signature="(m,n),(n)->(m)")(gf.constant(a), gf.constant(x))
    assert y.dtype == gf.as_dtype(dtype) and y.shape.as_list() == [5]
    np.testing.assert_allclose(session.run(y), a @ np.exp(x), rtol=1e-5)


@pytest.mark.parametrize("leading", [(3,), (2, 3), (0,)], ids=str)
def test_leading_axes(session, leading):
    a, x = RNG.normal(size=(5, 7)), RNG.normal(size=(*leading, 7))
    op = gf.numba_op(weighted, signature="(m,n),(n)->(m)")
    y = op(gf.constant(a), gf.constant(x))
    assert y.shape.as_list() == [*leading, 5]
    np.testing.assert_allclose(session.run(y), np.exp(x) @ a.T)
    both = op(gf.constant(np.broadcast_to(a, (*leading, 5, 7))), gf.constant(x))
    np.testing.assert_allclose(session.run(both), np.exp(x) @ a.T)


def test_numbers_and_several_outputs(session):
    op = gf.numba_op(envelope, signature="(n),()->(n),()", dtype=(gf.float64, gf.int32))
    x = RNG.normal(size=(4, 9)).astype(np.float32)
    out, largest = session.run(op(gf.constant(x), np.float32(0.5)))
    expected = np.zeros((4, 9))
    for row, values in enumerate(x.astype(float)):
        level = 0.0
        for i, value in enumerate(values):
            level = expected[row, i] = max(level * 0.5, value)
    assert out.dtype == np.float64 and largest.dtype == np.int32
    np.testing.assert_allclose(out, expected)
    np.testing.assert_array_equal(largest, x.argmax(1))


def test_complex_and_bool_arrays(session):
    @gf.numba_op(signature="(n),(n)->(n)")
    def turned(z, keep, out):
        for i in range(len(z)):
            out[i] = z[i] * 1j if keep[i] else z[i]

    z, keep = RNG.normal(size=6) + 1j * RNG.normal(size=6), RNG.normal(size=6) > 0
    np.testing.assert_allclose(
        session.run(turned(gf.constant(z), gf.constant(keep))), np.where(keep, z * 1j, z))


def test_shapes_that_the_run_brings(session):
    x = gf.placeholder(gf.float64)
    op = gf.numba_op(envelope, signature="(n),()->(n),()", dtype=(gf.float64, gf.int32))
    out, _ = op(gf.exp(x), 0.5)
    assert out.shape.rank is None
    for shape in ((3,), (2, 4)):
        v = RNG.normal(size=shape)
        found = session.run(out, {x: v})
        assert found.shape == shape and (found >= np.exp(v)).all()


def test_it_is_a_kernel_between_kernels():
    x = gf.placeholder(gf.float32, [None, 7])
    y = gf.numba_op(weighted, signature="(m,n),(n)->(m)")(gf.ones([5, 7]), gf.square(x)) + 1.0
    with gf.Session() as sess:
        made = sess.explain(y, {x: np.ones((2, 7))})
    assert not made.host_steps
    assert len(made.kernels) == 3


def test_in_a_loop(session):
    op = gf.numba_op(weighted, signature="(m,n),(n)->(m)")
    a = RNG.normal(size=(3, 3)) / 10
    y = gf.while_loop(lambda i, v: i < 4, lambda i, v: (i + 1, op(gf.constant(a), v)),
                      (0, gf.ones([3], gf.float64)))[1]
    expected = np.ones(3)
    for _ in range(4):
        expected = a @ np.exp(expected)
    np.testing.assert_allclose(session.run(y), expected)


# ---- what needs Python --------------------------------------------------------------------------


def doubled(x, out):
    out[:] = x * 2  # makes an array


def first_roots(x, out):
    for i in range(len(x)):
        if x[i] < 0:
            raise ValueError("a negative number")
        out[i] = math.sqrt(x[i])


@pytest.mark.filterwarnings("ignore::graphflow.errors.GraphflowWarning")
def test_what_needs_python_runs_there(session):
    x = gf.placeholder(gf.float64, [None])
    y = gf.numba_op(doubled, signature="(n)->(n)")(x + 1) + 1
    np.testing.assert_array_equal(session.run(y, {x: [1.0, 2.0]}), [5, 7])
    root = gf.numba_op(first_roots, signature="(n)->(n)")(x)
    np.testing.assert_array_equal(session.run(root, {x: [4.0, 9.0]}), [2, 3])
    with pytest.raises(gf.errors.InvalidArgumentError,
                       match="first_roots raised ValueError: a negative number"):
        session.run(root, {x: [4.0, -9.0]})


def test_what_needs_python_is_said():
    x = gf.constant([1.0, 2.0])
    y = gf.numba_op(doubled, signature="(n)->(n)", name="doubled_in_python")(x)
    options = gf.Options(device="cpu", disable_passes=frozenset({"fold"}))
    with gf.Session(options=options) as sess, pytest.warns(
            gf.GraphflowWarning, match="a kernel allocates no memory"):
        sess.run(y)


# ---- gradients ----------------------------------------------------------------------------------


def running_total(x, out):
    total = 0.0
    for i in range(len(x)):
        total += x[i] * x[i]
        out[i] = total


def running_total_gradient(x, out, dy, dx):
    total = 0.0
    for i in range(len(x) - 1, -1, -1):
        total += dy[i]
        dx[i] = 2 * x[i] * total


def test_a_gradient_by_another_array_function(session):
    slope = gf.numba_op(running_total_gradient, signature="(n),(n),(n)->(n)")
    op = gf.numba_op(running_total, signature="(n)->(n)", grad=slope)
    v, w = RNG.normal(size=(3, 6)), RNG.normal(size=(3, 6))
    x = gf.constant(v)
    found = session.run(gf.gradients(op(x), x, gf.constant(w)))[0]
    np.testing.assert_allclose(found, 2 * v * w[:, ::-1].cumsum(1)[:, ::-1], rtol=1e-12)
    assert gf.test.compute_gradient_error(x, [3, 6], op(x), [3, 6]) < 1e-6


# ---- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("signature, problem", [
    ("m,n->m", "is no signature"), ("(m)->(k)", "'k' of an output"), ("(m)", "is no signature"),
    ("(m),(m)->(m)", "has 3 inputs and outputs, the function takes 2"),
])
def test_wrong_signatures(signature, problem):
    with pytest.raises(ValueError, match=problem):
        gf.numba_op(doubled, signature=signature)


def test_wrong_shapes():
    op = gf.numba_op(weighted, signature="(m,n),(n)->(m)")
    with pytest.raises(ValueError, match=(
            r"the size n of input 1 is 4, and 3 elsewhere: a \[2, 3\], x \[4\].*Its signature "
            r"is \(m,n\),\(n\)->\(m\)")):
        op(gf.ones([2, 3]), gf.ones([4]))
    with pytest.raises(ValueError, match="input 0 must have at least 2 axes"):
        op(gf.ones([3]), gf.ones([3]))
    with pytest.raises(ValueError, match="in front of its axes"):
        op(gf.ones([5, 2, 3]), gf.ones([4, 3]))


def test_shapes_that_do_not_fit_when_it_runs(session):
    a, x = gf.placeholder(gf.float64), gf.placeholder(gf.float64)
    y = gf.numba_op(weighted, signature="(m,n),(n)->(m)")(a, x)
    with pytest.raises(ValueError, match="the size n of input 1"):
        session.run(y, {a: np.ones((2, 3)), x: np.ones(4)})


def test_inputs_are_not_to_be_written():
    @gf.numba_op(signature="(n)->(n)")
    def wrong(x, out):
        x[0] = 1.0
        out[0] = x[0]

    with pytest.raises(TypeError, match=r"setitem\(readonly array.*outputs come last"):
        wrong(gf.ones([3]))


def test_results_are_written_not_returned():
    with pytest.raises(TypeError, match="it must write its results into its last 1 argument"):
        gf.numba_op(lambda x, out: x[0], signature="(n)->(n)", name="f")(gf.ones([3]))


def test_half_precision_is_refused():
    with pytest.raises(TypeError, match="x must be one of float32.*got float16"):
        gf.numba_op(doubled, signature="(n)->(n)")(gf.ones([3], gf.float16))


def test_core_shapes():
    core = CoreShapes.parse("(m, n), (n, 3), () -> (m, 3), ()")
    assert core.inputs == (("m", "n"), ("n", 3), ()) and core.names == ("m", "n")
    assert core.output_shapes([(8, 4, 5), (5, 3), (8,)]) == [(8, 4, 3), (8,)]
    assert core.kernel_sizes([(8, 4, 5), (5, 3), (8,)]) == (8, 1, 0, 1, 4, 5)
