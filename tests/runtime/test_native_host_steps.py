"""Compiled runs with host steps: control flow, Python functions, sizes that values decide."""

from __future__ import annotations

import numpy as np
import pytest
from both_devices import on_both

import graphflow as gf
from graphflow.codegen import capabilities
from graphflow.lowering import Cumulative
from graphflow.runtime import executables

RNG = np.random.default_rng(0)


# ---- control flow and host steps ----------------------------------------------------------------


def test_cond_runs_one_branch(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float32, [None])
    y = gf.cond(gf.reduce_sum(x) > 3.0, lambda: x * 2.0, lambda: x - gf.reduce_max(x))
    g = gf.gradients(y, x)[0]
    for fed in ([1.0, 5.0], [1.0, 1.0, 0.5]):
        compiled, reference = on_both(graph, lambda s, fed=fed: s.run([y, g], {x: fed}))
        for one, other in zip(compiled, reference):
            np.testing.assert_allclose(one, other, rtol=1e-6)


def test_a_branch_that_gives_back_what_it_got(session: gf.Session) -> None:
    """Its result is memory of the caller, which later values must not take."""
    x = gf.placeholder(gf.float32, [64])
    h = gf.exp(x)
    kept = gf.cond(x[0] > 0.0, lambda: h, lambda: h * 2.0)
    later = gf.tanh(gf.cumsum(gf.sin(gf.cumsum(h * 3.0))))
    fed = np.linspace(0.1, 0.2, 64, dtype=np.float32)
    found, _ = session.run([kept + 1.0, later + kept], {x: fed})
    np.testing.assert_allclose(found, np.exp(fed) + 1, rtol=1e-6)


def test_while_loop_and_its_gradient(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float32, [None])
    n = gf.placeholder(gf.int32, [])
    y = gf.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, gf.tanh(a * 1.5 + x)), [0, x])[1]
    g = gf.gradients(y, x)[0]
    for turns in (0, 1, 4):
        feeds = {x: [0.3, -0.7], n: turns}
        compiled, reference = on_both(graph, lambda s, feeds=feeds: s.run([y, g], feeds))
        for one, other in zip(compiled, reference):
            np.testing.assert_allclose(one, other, rtol=1e-5)


def test_python_functions_between_kernels(graph: gf.Graph) -> None:
    calls = []

    def middle(a: np.ndarray) -> np.ndarray:
        calls.append(a.copy())
        a[:] = 0  # an array of its own
        return np.sort(calls[-1])[::-1]

    x = gf.placeholder(gf.float32, [None])
    h = x * 2.0
    y = gf.ensure_shape(gf.py_func(middle, [h], gf.float32), [None]) + h
    compiled, reference = on_both(graph, lambda s: s.run(y, {x: [1.0, 3.0, 2.0]}))
    np.testing.assert_array_equal(compiled, reference)
    np.testing.assert_array_equal(compiled, [8, 10, 6])
    assert len(calls) == 2


def test_an_error_after_an_effect_does_not_repeat_it(session: gf.Session) -> None:
    calls = []
    x = gf.placeholder(gf.float32, [3])
    at = gf.placeholder(gf.int32, [])
    seen = gf.ensure_shape(gf.py_func(lambda a: (calls.append(1), a)[1], [x], gf.float32), [3])
    with pytest.raises(gf.errors.InvalidArgumentError, match="= 7 is not in"):
        session.run(gf.gather(seen * 2.0, at), {x: np.ones(3), at: 7})
    assert calls == [1]


def test_an_error_before_an_effect_prevents_it(session: gf.Session) -> None:
    calls = []
    x = gf.placeholder(gf.float32, [3])
    at = gf.placeholder(gf.int32, [])
    picked = gf.gather(x * 2.0, at)
    seen = gf.py_func(lambda a: (calls.append(1), a)[1], [picked], gf.float32)
    with pytest.raises(gf.errors.InvalidArgumentError, match="= 7 is not in"):
        session.run(seen, {x: np.ones(3), at: 7})
    assert calls == []


def test_strings_beside_numbers(session: gf.Session) -> None:
    text = gf.placeholder(gf.string, [None])
    x = gf.placeholder(gf.float32, [None])
    joined = gf.concat([text, gf.constant(["c"])], 0)
    found, doubled, same = session.run(
        [joined, x * 2.0, gf.equal(text, "b")], {text: ["a", "b"], x: [1.0]})
    assert found.tolist() == [b"a", b"b", b"c"] and doubled == [2.0]
    assert same.tolist() == [False, True]


def test_complex_numbers_beside_reals(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None])
    z = gf.complex(x * 2.0, x + 1.0)
    found = session.run(gf.real(z * gf.conj(z)) * 3.0, {x: [1.0, 2.0]})
    np.testing.assert_allclose(found, [24, 75], rtol=1e-6)


# ---- sizes that depend on data ------------------------------------------------------------------


def test_sizes_that_values_decide(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float32, [None, 3])
    kept = gf.boolean_mask(x * 2.0, gf.reduce_sum(x, 1) > 0.0)
    y = [gf.nn.softmax(kept), gf.reduce_mean(kept * kept, 0), x - gf.reduce_sum(kept),
         gf.shape(kept)]
    for rows in (1, 4, 9):
        fed = RNG.normal(size=(rows, 3)).astype(np.float32)
        fed[0] = 1
        compiled, reference = on_both(graph, lambda s, fed=fed: s.run(y, {x: fed}))
        for one, other in zip(compiled, reference):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_numbers_that_are_sizes(graph: gf.Graph) -> None:
    n = gf.placeholder(gf.int32, [])
    shape = gf.placeholder(gf.int32, [2])
    y = [gf.reduce_sum(gf.range(n) * 2), gf.fill(shape, 2.5) * 2.0,
         gf.reshape(gf.ones([12]) + 1.0, shape), gf.eye(n) + 1.0]
    for feeds in ({n: 4, shape: [3, 4]}, {n: 0, shape: [12, 1]}):
        compiled, reference = on_both(graph, lambda s, feeds=feeds: s.run(y, feeds))
        for one, other in zip(compiled, reference):
            np.testing.assert_array_equal(one, other)


@pytest.fixture
def no_kernels_of_cumsum(monkeypatch: pytest.MonkeyPatch) -> None:
    """A back end that cannot compile running sums, and nothing said so far."""
    kinds = tuple(k for k in capabilities.KERNEL_KINDS if k is not Cumulative)
    monkeypatch.setattr(capabilities, "KERNEL_KINDS", kinds)
    monkeypatch.setattr(executables, "_told", set())


@pytest.mark.usefixtures("no_kernels_of_cumsum")
def test_what_is_not_compiled_is_said_once(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float32, [None])
    y = gf.cumsum(x)
    with gf.Session(device="cpu") as session:
        with pytest.warns(gf.errors.GraphflowWarning, match="Cumsum runs by the NumPy reference"):
            session.run(y, {x: [1.0, 2.0]})
        session.run(y + 1.0, {x: [1.0, 2.0]})  # warnings are errors here


@pytest.mark.usefixtures("no_kernels_of_cumsum")
def test_what_is_not_compiled_inside_a_loop_is_said(graph: gf.Graph) -> None:
    y = gf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, gf.cumsum(a)), [0, gf.ones([3])])
    with gf.Session(device="cpu") as session, pytest.warns(
            gf.errors.GraphflowWarning, match="Cumsum runs by the NumPy reference"):
        np.testing.assert_array_equal(session.run(y[1]), [1, 3, 6])


# ---- random numbers -----------------------------------------------------------------------------


def test_random_numbers_are_those_of_the_reference(graph: gf.Graph) -> None:
    gf.set_random_seed(11)
    exact = [gf.random_uniform([5, 7]), gf.random_uniform([33], dtype=gf.float64),
             gf.random_uniform([20], -9, 9, gf.int32), gf.random_uniform([9], 0, 2**40, gf.int64),
             gf.random_shuffle(gf.range(20))]
    close = [gf.random_normal([5, 7]), gf.random_normal([8], dtype=gf.float64),
             gf.truncated_normal([100])]
    compiled, reference = on_both(
        graph, lambda s: [s.run([exact, close]) for _ in range(2)])
    for (e1, c1), (e2, c2) in zip(compiled, reference):
        for one, other in zip(e1, e2):
            np.testing.assert_array_equal(one, other)
        for one, other in zip(c1, c2):
            rounding = np.finfo(other.dtype).eps
            np.testing.assert_allclose(one, other, rtol=64 * rounding, atol=64 * rounding)
    assert not np.array_equal(compiled[0][0][0], compiled[1][0][0])
