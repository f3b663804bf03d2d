"""Conditionals and loops inside the table of a run: results, memory, what Python still does."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from both_devices import on_both

import graphflow as gf
from graphflow.codegen.dispatch import COPY
from graphflow.codegen.steps import HostStep, RegionStep
from graphflow.runtime.native import NativeExecutable
from graphflow.runtime.plans import Planner
from graphflow.runtime.tables import FIRST_CAPACITY

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True, params=[True, False], ids=["laid_out", "in_turns"])
def laid_out(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Short loops are written turn by turn, or jump back like long ones."""
    monkeypatch.setattr(Planner, "lays_out", request.param)
    return bool(request.param)


def newest(session: gf.Session) -> NativeExecutable:
    """What the last new run of a session was compiled to."""
    executable: Any = list(session._variants.values())[-1][-1].executable
    return executable


def is_native(session: gf.Session) -> bool:
    """True if the last new run drives no region from Python."""
    return not any(isinstance(s, HostStep) for s in newest(session).schedule.steps)


def check(graph: gf.Graph, fetches: Any, feeds: dict[Any, Any], native: bool = True) -> None:
    """Both devices give the same; the compiled run is native or not."""
    found = []

    def run(session: gf.Session) -> Any:
        if graph.get_collection(gf.GraphKeys.GLOBAL_VARIABLES):
            session.run(gf.global_variables_initializer())
        values = session.run(fetches, feeds)
        if session.options.device != "reference":
            found.append(is_native(session))
        return values

    compiled, reference = on_both(graph, run)
    for a, b in zip(compiled, reference):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert found == [native]


# ---- results ------------------------------------------------------------------------------------


def test_variables_that_swap(graph: gf.Graph) -> None:
    a, b = gf.placeholder(gf.float32, [2]), gf.placeholder(gf.float32, [2])
    out = gf.while_loop(lambda i, p, q: i < 5, lambda i, p, q: (i + 1, q, p), [0, a, b])
    check(graph, out, {a: [1.0, 2.0], b: [3.0, 4.0]})


def test_variables_that_nothing_reads_keep_their_places(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float64, [3])

    def turn(i: Any, shift: Any, unread: Any, kept: Any, counts: Any) -> tuple[Any, ...]:
        count, _ = gf.while_loop(lambda k, v: v[0] < 100.0,
                                 lambda k, v: (k + 1, v * 2.0 + 0.0 * shift), [0, x])
        return i + 1, shift * 1.0, count, kept.write(i, shift), counts.write(i, count)

    out = gf.while_loop(lambda i, *_: i < 3, turn, [
        0, x, 0, gf.TensorArray(gf.float64, 3), gf.TensorArray(gf.int32, 3)])
    check(graph, [out[4].stack()], {x: [1.0, 2.0, 3.0]})


def test_a_variable_that_another_one_becomes(graph: gf.Graph) -> None:
    a, b = gf.placeholder(gf.float32, [2]), gf.placeholder(gf.float32, [2])
    out = gf.while_loop(lambda i, p, q: i < 4, lambda i, p, q: (i + 1, q, q * 2.0 + p), [0, a, b])
    check(graph, out, {a: [1.0, 2.0], b: [3.0, 4.0]})


def test_fibonacci(graph: gf.Graph) -> None:
    """One variable becomes what another one was, which is written meanwhile."""
    out = gf.while_loop(lambda i, p, q: i < 6, lambda i, p, q: (i + 1, p + q, p),
                        [0, gf.constant(1), gf.constant(1)])
    check(graph, out, {})


def test_a_sum_over_itself(graph: gf.Graph) -> None:
    """The new value reads all of the old one: it cannot be written over it."""
    x = gf.placeholder(gf.float32, [3, 3])
    out = gf.while_loop(lambda i, h: i < 6, lambda i, h: (i + 1, gf.matmul(h, h) * 0.1), [0, x])
    check(graph, out, {x: RNG.normal(size=(3, 3))})


def test_no_turn_at_all(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float32, [2])
    out = gf.while_loop(lambda i, h: i < 0, lambda i, h: (i + 1, h * 2.0), [0, x])
    check(graph, [*out, gf.gradients(out[1], x)[0]], {x: [1.0, 2.0]})


def test_loops_in_branches_in_loops(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float32, [None])

    def inner(h: Any) -> Any:
        return gf.while_loop(lambda j, g: j < 3, lambda j, g: (j + 1, g * 0.5 + 1.0), [0, h])[1]

    def turn(i: Any, h: Any) -> Any:
        return i + 1, gf.cond(gf.reduce_sum(h) > 2.0, lambda: inner(h), lambda: h + 1.0)

    out = gf.while_loop(lambda i, h: i < 6, turn, [0, x])
    check(graph, out, {x: RNG.normal(size=5)})


def test_conditions_on_what_was_computed(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float32, [])
    out = gf.while_loop(lambda h, n: h > 1e-3, lambda h, n: (h * 0.5, n + 1), [x, 0])
    check(graph, out, {x: 7.0})


def test_branches_that_give_arguments_and_constants(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float32, [3])
    table = np.arange(3.0, dtype=np.float32)
    up = gf.cond(x[0] > 0, lambda: (x, gf.constant(table)), lambda: (gf.constant(table), x))
    check(graph, up, {x: [1.0, 2.0, 3.0]})
    check(graph, up, {x: [-1.0, 2.0, 3.0]})


def test_one_size_after_another(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float32, [None, 2])
    out = gf.while_loop(lambda i, h: i < 3, lambda i, h: (i + 1, gf.tanh(h) + h), [0, x])
    with gf.Session(graph=graph) as session:
        for rows in (3, 1, 0, 8):
            value = np.ones((rows, 2), np.float32)
            expected = value
            for _ in range(3):
                expected = np.tanh(expected) + expected
            np.testing.assert_allclose(session.run(out[1], {x: value}), expected, rtol=1e-6)
        assert is_native(session)


def test_variables_that_a_loop_assigns(graph: gf.Graph) -> None:
    v = gf.get_variable("v", [2], initializer=gf.zeros_initializer())

    def turn(i: Any) -> Any:
        with gf.control_dependencies([gf.assign_add(v, gf.cast([i, 1], gf.float32))]):
            return i + 1

    out = gf.while_loop(lambda i: i < 5, turn, [0])
    with gf.control_dependencies([out]):
        last = gf.identity(v)
    check(graph, [out, last], {})


def test_one_value_for_two_variables_and_an_array(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float32, [3])
    array = gf.TensorArray(gf.float32, size=4, element_shape=[3])

    def turn(i: Any, a: Any, shown: Any, h: Any) -> Any:
        new = gf.tanh(h) + gf.reduce_sum(h) * 0.1
        return i + 1, a.write(i, new), new, new

    _, filled, shown, last = gf.while_loop(
        lambda i, *_: i < 4, turn, [0, array, gf.zeros([3]), x])
    check(graph, [filled.stack(), shown, last, gf.gradients(filled.stack(), x)[0]],
          {x: RNG.normal(size=3)})


# ---- gradients ----------------------------------------------------------------------------------


@pytest.mark.parametrize("turns", [0, 1, FIRST_CAPACITY, FIRST_CAPACITY + 1, 5 * FIRST_CAPACITY])
def test_histories_grow(graph: gf.Graph, turns: int) -> None:
    x = gf.placeholder(gf.float64, [3])
    limit = gf.placeholder(gf.int32, [])
    out = gf.while_loop(
        lambda i, h: i < limit, lambda i, h: (i + 1, gf.sin(h) + 0.1 * x), [0, x])[1]
    check(graph, [out, gf.gradients(out, x)[0]], {x: RNG.normal(size=3), limit: turns})


def test_second_derivatives(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float64, [3])
    out = gf.while_loop(lambda i, h: i < 4, lambda i, h: (i + 1, gf.tanh(h) * x), [0, x])[1]
    first = gf.gradients(out, x)[0]
    check(graph, [first, gf.gradients(first, x)[0]], {x: RNG.normal(size=3)})


# ---- memory -------------------------------------------------------------------------------------


def copies(session: gf.Session) -> list[int]:
    """The bytes of the copies inside the table of the last new run."""
    (plan,) = newest(session).stages[-1].free_plans()
    table = next(k for k in plan.keep if hasattr(k, "table")).table
    return [int(row[3]) for row in table if row[0] == COPY]


def test_elementwise_turns_write_over_their_variables(graph: gf.Graph, laid_out: bool) -> None:
    x = gf.placeholder(gf.float32, [1000])
    out = gf.while_loop(lambda i, h: i < 3, lambda i, h: (i + 1, gf.tanh(h) + h), [0, x])
    with gf.Session(graph=graph) as session:
        session.run(out, {x: np.ones(1000)})
        assert copies(session).count(4000) == (0 if laid_out else 1)  # into the loop


def test_a_row_is_added_without_copying_the_array(graph: gf.Graph) -> None:
    rows = 500
    steps = gf.TensorArray(gf.float32, size=rows, element_shape=[4])
    x = gf.placeholder(gf.float32, [4])
    _, filled, _ = gf.while_loop(
        lambda i, a, h: i < rows, lambda i, a, h: (i + 1, a.write(i, h), h + 1.0), [0, steps, x])
    stacked = filled.stack()
    with gf.Session(graph=graph) as session:
        found = session.run(stacked, {x: np.zeros(4)})
        np.testing.assert_array_equal(found, np.arange(rows)[:, None] * np.ones(4))
        assert is_native(session)
        assert sum(size == 16 * rows for size in copies(session)) <= 1  # into the loop


def test_scattered_rows_change_a_variable_in_place(graph: gf.Graph) -> None:
    table = gf.get_variable("table", [1000, 8], initializer=gf.zeros_initializer())
    at = gf.placeholder(gf.int32, [None])
    update = gf.group(gf.scatter_add(table, at, gf.ones([gf.shape(at)[0], 8])))
    with gf.Session(graph=graph) as session:
        session.run(table.initializer)
        for _ in range(3):
            session.run(update, {at: [1, 5, 5]})
        (plan,) = newest(session).stages[-1].free_plans()
        assert len(plan.in_place) == 1
        expected = np.zeros((1000, 8))
        expected[1], expected[5] = 3, 6
        np.testing.assert_array_equal(session.run(table), expected)
        with pytest.raises(gf.errors.InvalidArgumentError, match="1000"):
            session.run(update, {at: [1, 1000]})
        np.testing.assert_array_equal(session.run(table), expected)


# ---- what Python drives -------------------------------------------------------------------------


def test_host_functions_and_growing_shapes_are_driven_by_python(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float32, [2])

    def doubled(h: Any) -> Any:
        made = gf.py_func(lambda a: a * 2, [h], gf.float32)
        made.set_shape([2])
        return made

    check(graph, gf.while_loop(lambda i, h: i < 3, lambda i, h: (i + 1, doubled(h)), [0, x]),
          {x: [1.0, 2.0]}, native=False)
    grown = gf.while_loop(
        lambda i, h: i < 3, lambda i, h: (i + 1, gf.concat([h, h], 0)), [0, x],
        shape_invariants=[gf.TensorShape([]), gf.TensorShape([None])])
    check(graph, grown, {x: [1.0, 2.0]}, native=False)


# ---- Ctrl-C -------------------------------------------------------------------------------------


@contextmanager
def interrupted_soon() -> Iterator[None]:
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
    gc.disable()  # an interrupt within a callback of the collector would be lost
    timer.start()
    try:
        yield
    finally:
        gc.enable()
        timer.cancel()
        timer.join()
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_ends_a_loop_and_changes_nothing(graph: gf.Graph) -> None:
    v = gf.get_variable("v", [], initializer=gf.zeros_initializer())
    endless = gf.while_loop(lambda i, h: i < 2_000_000_000, lambda i, h: (i + 1, h + 1.0),
                            [0, gf.constant(0.0)])[1]
    update = gf.assign_add(v, endless)
    with gf.Session(graph=graph) as session:
        session.run(v.initializer)
        with pytest.raises(KeyboardInterrupt), interrupted_soon():
            session.run(update)
        assert session.run(v) == 0.0
        assert any(isinstance(s, RegionStep) for v in session._variants.values()
                   for s in v[-1].executable.schedule.steps)

