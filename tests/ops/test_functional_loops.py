"""`map_fn`, `scan`, `foldl`, `foldr`: results and derivatives beside NumPy, nests, mistakes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import DTypeError, GraphError, ShapeError


@pytest.fixture(autouse=True)
def graph():
    with gf.Graph().as_default() as graph:
        yield graph


def run(fetch, feeds=None):
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        return session.run(fetch, feeds)


X = np.linspace(-1, 1.2, 12).reshape(4, 3)


# ---- map_fn -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [4, 1, 0])
def test_map_over_a_fed_number_of_rows(rows):
    x = gf.placeholder(gf.float64, [None, 3])
    y = gf.map_fn(lambda row: row * gf.reduce_sum(row), x)
    assert y.name == "map/TensorArrayStack/TensorArrayGatherV3:0"
    assert y.shape.as_list() == [None, 3]
    data = X[:rows]
    np.testing.assert_allclose(run(y, {x: data}), data * data.sum(1, keepdims=True))


def test_map_with_other_types_and_structures():
    elems = (gf.constant([1, 2, 3]), gf.constant([10, 20, 30]))
    assert run(gf.map_fn(lambda e: e[0] * e[1], elems, dtype=gf.int32)).tolist() == [10, 40, 90]
    parts = gf.map_fn(
        lambda e: {"half": gf.cast(e, gf.float32) / 2.0, "even": gf.equal(e % 2, 0)}, elems[0],
        dtype={"half": gf.float32, "even": gf.bool})
    found = run(parts)
    assert found["half"].tolist() == [0.5, 1.0, 1.5]
    assert found["even"].tolist() == [False, True, False]


def test_map_uses_captured_tensors_and_variables():
    w = gf.Variable(np.eye(3) * 2)
    y = gf.map_fn(lambda row: gf.reduce_sum(w * row, 1), gf.constant(X))
    np.testing.assert_allclose(run(y), 2 * X)
    np.testing.assert_allclose(run(gf.gradients(y, w)[0]), np.tile(X.sum(0), (3, 1)))


def test_maps_in_maps():
    y = gf.map_fn(lambda row: gf.map_fn(lambda v: v * v, row), gf.constant(X))
    np.testing.assert_allclose(run(y), X * X)


def test_map_of_strings():
    y = gf.map_fn(lambda s: s, gf.constant(["a", "bc"]))
    assert run(y).tolist() == [b"a", b"bc"]


@pytest.mark.filterwarnings("ignore::graphflow.errors.GraphflowWarning")
def test_map_of_a_python_function():
    y = gf.map_fn(lambda i: gf.py_func(lambda k: np.arange(3.0) + k, [i], gf.float64),
                  gf.constant([1, 5]), dtype=gf.float64)
    assert run(y).tolist() == [[1, 2, 3], [5, 6, 7]]


def test_no_gradient_with_back_prop_false():
    x = gf.constant(X)
    y = gf.map_fn(lambda row: row * row, x, back_prop=False, parallel_iterations=3,
                  swap_memory=True, infer_shape=False)
    assert gf.gradients(y, x) == [None]


# ---- scan and folds -----------------------------------------------------------------------------


def test_scan_from_the_first_element():
    y = gf.scan(lambda a, row: a + row, gf.constant(X))
    np.testing.assert_allclose(run(y), np.cumsum(X, 0))
    y = gf.scan(lambda a, row: a + row, gf.constant(X), reverse=True)
    np.testing.assert_allclose(run(y), np.cumsum(X[::-1], 0)[::-1])


def test_scan_from_an_initializer():
    numbers = gf.constant([1, 2, 3, 4])
    fibonacci = gf.scan(lambda a, _: (a[1], a[0] + a[1]), numbers, initializer=(0, 1))
    assert [f.tolist() for f in run(fibonacci)] == [[1, 1, 2, 3], [1, 2, 3, 5]]
    y = gf.scan(lambda a, x: 2.0 * a + gf.cast(x, gf.float32), numbers, initializer=1.0,
                reverse=True)
    states = itertools.accumulate([4, 3, 2, 1], lambda a, x: 2 * a + x, initial=1.0)
    assert run(y).tolist() == list(states)[:0:-1]


def test_scan_over_a_nest():
    elems = {"a": gf.constant([1.0, 2.0]), "b": gf.constant([3.0, 4.0])}
    found = run(gf.scan(lambda s, e: {"a": s["a"] * e["a"], "b": s["b"] - e["b"]}, elems))
    assert found["a"].tolist() == [1, 2] and found["b"].tolist() == [3, -1]


@pytest.mark.parametrize("rows", [4, 1])
def test_folds(rows):
    x = gf.placeholder(gf.float64, [None, 3])
    data = X[:rows]
    left = gf.foldl(lambda a, row: a * 0.5 + row, x)
    right = gf.foldr(lambda a, row: a * 0.5 + row, x)
    expected = [None, None]
    for k, order in enumerate((data, data[::-1])):
        for row in order:
            expected[k] = row if expected[k] is None else expected[k] * 0.5 + row
    np.testing.assert_allclose(run([left, right], {x: data}), expected)
    total = gf.foldl(lambda a, row: a + gf.reduce_sum(row), x, gf.constant(1.0, gf.float64))
    assert abs(run(total, {x: data}) - (1 + data.sum())) < 1e-12


def test_folds_give_another_structure():
    last, count = gf.foldr(
        lambda a, x: (x, a[1] + 1), gf.constant([5.0, 6.0]), initializer=(0.0, 0))
    assert run([last, count]) == [5.0, 2]


@pytest.mark.parametrize("loop", ["map", "scan", "reversed scan", "foldl", "foldr"])
def test_derivatives_of_two_orders(loop):
    x, s = gf.placeholder(gf.float64, [None, 3]), gf.constant(1.3, gf.float64)
    step = {
        "map": lambda: gf.map_fn(lambda r: gf.sin(r * s) * gf.reduce_sum(r), x),
        "scan": lambda: gf.scan(lambda a, r: gf.sin(a * s) + r * r, x),
        "reversed scan": lambda: gf.scan(lambda a, r: gf.sin(a * s) + r * r, x, reverse=True),
        "foldl": lambda: gf.foldl(lambda a, r: gf.sin(a * s) * r, x),
        "foldr": lambda: gf.foldr(lambda a, r: gf.sin(a * s) * r, x, x[0] * 2.0),
    }[loop]
    y = gf.reduce_sum(step() ** 2)
    first_x, first_s = gf.gradients(y, [x, s])
    direction = np.cos(np.arange(12.0)).reshape(4, 3)
    both = gf.reduce_sum(first_x * direction) + first_s * 0.7
    second_x, second_s = gf.gradients(both, [x, s])

    def along(session, f, by_x, by_s, h=1e-6):
        up, down = (session.run(f, {x: X + k * by_x, s: 1.3 + k * by_s}) for k in (h, -h))
        return (up - down) / (2 * h)

    with gf.Session() as session:
        feeds = {x: X, s: 1.3}
        gx, gs, hx, hs = session.run([first_x, first_s, second_x, second_s], feeds)
        other = np.sin(np.arange(12.0)).reshape(4, 3)
        np.testing.assert_allclose(
            np.sum(gx * other) + 0.4 * gs, along(session, y, other, 0.4), rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(
            np.sum(hx * other) + 0.4 * hs, along(session, both, other, 0.4), rtol=1e-6,
            atol=1e-6)


# ---- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", [gf.map_fn, gf.scan, gf.foldl, gf.foldr])
def test_wrong_elements(loop):
    with pytest.raises(DTypeError, match="fn must be a function, got 3"):
        loop(3, gf.constant(X))
    with pytest.raises(ShapeError, match="elems must have rank at least 1"):
        loop(lambda *a: a[0], gf.constant(1.0))
    with pytest.raises(ShapeError, match="A list is a nest of tensors"):
        loop(lambda *a: a[0], [1, 2, 3])
    with pytest.raises(ShapeError, match=r"same first size, got shapes \[4, 3\], \[3\]"):
        loop(lambda *a: a[0], (gf.constant(X), gf.constant([1, 2, 3])))
    with pytest.raises(GraphError, match="at least one tensor"):
        loop(lambda *a: a[0], [])


def test_results_that_do_not_fit():
    x = gf.constant([1, 2])
    with pytest.raises(DTypeError, match=r"fn must give int32, got .*Pass dtype="):
        gf.map_fn(lambda v: gf.cast(v, gf.float32), x)
    with pytest.raises(GraphError, match=r"structure ·, got \[·, ·\]"):
        gf.map_fn(lambda v: (v, v), x)
    with pytest.raises(GraphError, match=r"structure \[·, ·\], got ·"):
        gf.scan(lambda a, v: v, x, initializer=(0, 0))
    with pytest.raises(DTypeError, match="fn must give float32"):
        gf.foldl(lambda a, v: v, x, initializer=0.0)
