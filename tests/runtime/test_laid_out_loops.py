"""Loops whose number of turns is known: results, what they copy, what they keep, threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.codegen.dispatch import BACK, COPY, KEEP
from graphflow.codegen.steps import RegionStep
from graphflow.runtime.native import NativeExecutable
from graphflow.runtime.plans import Planner

RNG = np.random.default_rng(5)


def plan_of(session: gf.Session) -> Any:
    """The plan of the last new run."""
    executable: NativeExecutable = list(session._variants.values())[-1][-1].executable
    assert len(executable.stages) == 1
    (plan,) = executable.stages[0].free_plans()
    return plan


def codes(session: gf.Session) -> list[int]:
    """The codes of the rows of the last new run."""
    return [int(row[0]) for row in next(k for k in plan_of(session).keep
                                        if hasattr(k, "table")).table]


def arrays(results: Any) -> list[np.ndarray]:
    """All arrays of nested results."""
    if isinstance(results, (list, tuple)):
        return [a for one in results for a in arrays(one)]
    return [] if results is None else [np.asarray(results)]


def agree(build: Callable[[], tuple[Any, dict[Any, Any]]], exact: bool = False) -> list[Any]:
    """Results of the reference, of loops laid out and in turns, by one and two threads."""
    found = []
    for device, threads, lays_out in (("reference", 1, True), ("cpu", 1, True),
                                      ("cpu", 2, True), ("cpu", 2, False)):
        with gf.Graph().as_default() as graph, pytest.MonkeyPatch.context() as patch:
            patch.setattr(Planner, "lays_out", lays_out)
            gf.set_random_seed(1)
            fetches, feeds = build()
            options = gf.Options(device=device, threads=threads)
            with gf.Session(graph=graph, options=options) as session:
                session.run(gf.global_variables_initializer())
                found.append([session.run(fetches, feeds), session.run(gf.global_variables())])
    wanted, *others = found
    for other in others:
        for a, b in zip(arrays(other), arrays(wanted)):
            np.testing.assert_allclose(a, b, rtol=0 if exact else 2e-5, atol=0 if exact else 1e-6)
    for other in others[1:]:
        for a, b in zip(arrays(other), arrays(others[0])):
            np.testing.assert_array_equal(a, b)
    return wanted[0]


# ---- recurrent networks -------------------------------------------------------------------------

CELLS = {
    "basic": lambda n: gf.nn.rnn_cell.BasicRNNCell(n),
    "lstm": lambda n: gf.nn.rnn_cell.BasicLSTMCell(n),
    "peephole": lambda n: gf.nn.rnn_cell.LSTMCell(n, use_peepholes=True),
    "gru": lambda n: gf.nn.rnn_cell.GRUCell(n),
}


def network(cell: str, shape: list[int | None], x: np.ndarray, lengths: Any = None,
            dtype: Any = gf.float32, both_ways: bool = False) -> tuple[Any, dict[Any, Any]]:
    """Two steps of a network that reads all outputs and the last state."""
    fed = gf.placeholder(dtype, shape)
    if both_ways:
        (a, b), states = gf.nn.bidirectional_dynamic_rnn(
            CELLS[cell](6), CELLS[cell](6), fed, lengths, dtype=dtype)
        outputs, last = gf.concat([a, b], 2), list(states)
    else:
        outputs, last = gf.nn.dynamic_rnn(CELLS[cell](6), fed, lengths, dtype=dtype)
        last = list(last) if isinstance(last, tuple) else [last]
    loss = gf.reduce_mean(outputs ** 2) + gf.add_n([gf.reduce_sum(s * 0.1) for s in last])
    train = gf.train.GradientDescentOptimizer(0.1).minimize(loss)
    slopes = gf.gradients(loss, [fed, *gf.trainable_variables()])
    return [outputs, loss, slopes, train], {fed: x}


@pytest.mark.parametrize(("cell", "shape"), [
    ("basic", (3, 5, 4)), ("gru", (3, 5, 4)), ("lstm", (3, 5, 4)), ("lstm", (2, 1, 4)),
    ("lstm", (0, 5, 4)), ("lstm", (3, 0, 4))])
def test_a_network_of_unknown_batch_and_time(cell: str, shape: tuple[int, ...]) -> None:
    x = RNG.normal(size=shape).astype(np.float32)

    def build() -> tuple[Any, dict[Any, Any]]:
        fed = gf.placeholder(gf.float32, [None, None, 4])
        outputs, _ = gf.nn.dynamic_rnn(CELLS[cell](6), fed, dtype=gf.float32)
        loss = gf.reduce_sum(outputs ** 2)
        return [outputs, loss, gf.gradients(loss, [fed, *gf.trainable_variables()])], {fed: x}

    agree(build)


@pytest.mark.parametrize("cell", ["peephole", "gru"])
def test_a_network_of_known_shape(cell: str) -> None:
    x = RNG.normal(size=(3, 4, 5)).astype(np.float32)
    agree(lambda: network(cell, [3, 4, 5], x))


def test_lengths_and_both_ways() -> None:
    x = RNG.normal(size=(3, 4, 5)).astype(np.float32)
    agree(lambda: network("lstm", [None, 4, 5], x, [4, 0, 2]))
    agree(lambda: network("gru", [None, None, 5], x, [4, 1, 2], both_ways=True))


def test_the_gradient_of_an_lstm_by_differences() -> None:
    x = RNG.normal(size=(2, 3, 2))
    with gf.Graph().as_default() as graph, gf.Session(graph=graph) as session:
        fed = gf.placeholder(gf.float64, [None, 3, 2])
        outputs, (c, h) = gf.nn.dynamic_rnn(
            gf.nn.rnn_cell.BasicLSTMCell(3), fed, dtype=gf.float64)
        loss = gf.reduce_sum(outputs * h[:, None]) + gf.reduce_sum(c ** 2)
        kernel = gf.trainable_variables()[0]
        slopes = gf.gradients(loss, [fed, kernel])
        session.run(gf.global_variables_initializer())
        start, by_x, by_kernel = session.run([kernel, *slopes], {fed: x})
        for found, at, feed in ((by_x, x, lambda v: {fed: v}),
                                (by_kernel, start, lambda v: {fed: x, kernel: v})):
            for place in list(np.ndindex(at.shape))[::3]:
                ends = []
                for step in (1e-5, -1e-5):
                    moved = at.copy()
                    moved[place] += step
                    ends.append(session.run(loss, feed(moved)))
                np.testing.assert_allclose(
                    (ends[0] - ends[1]) / 2e-5, found[place], rtol=1e-5, atol=1e-8)


def test_second_derivatives_of_a_network() -> None:
    x = RNG.normal(size=(2, 3, 2))

    def build() -> tuple[Any, dict[Any, Any]]:
        fed = gf.placeholder(gf.float64, [None, 3, 2])
        outputs, _ = gf.nn.dynamic_rnn(gf.nn.rnn_cell.GRUCell(3), fed, dtype=gf.float64)
        (slope,) = gf.gradients(gf.reduce_sum(outputs ** 2), fed)
        return [slope, gf.gradients(gf.reduce_sum(slope ** 2), fed)], {fed: x}

    agree(build)


def test_numbers_that_are_not_finite_stay_in_their_rows() -> None:
    x = RNG.normal(size=(3, 4, 2)).astype(np.float32)
    x[1, 2] = np.nan, np.inf

    def build() -> tuple[Any, dict[Any, Any]]:
        fed = gf.placeholder(gf.float32, [None, 4, 2])
        outputs, _ = gf.nn.dynamic_rnn(gf.nn.rnn_cell.BasicLSTMCell(3), fed, dtype=gf.float32)
        return [outputs, gf.gradients(outputs, fed)], {fed: x}

    outputs, _ = agree(build)
    assert np.isfinite(outputs[[0, 2]]).all() and np.isnan(outputs[1, 2:]).all()


# ---- loops that users write ---------------------------------------------------------------------


def test_variables_swap_repeat_and_stay() -> None:
    def build() -> tuple[Any, dict[Any, Any]]:
        a, b = gf.placeholder(gf.float32, [2]), gf.placeholder(gf.float32, [2])
        out = gf.while_loop(
            lambda i, *_: i < 5, lambda i, p, q, r, s: (i + 1, q, p + r, r, p), [0, a, b, a, b])
        return [*out, gf.gradients(out[4], [a, b])], {a: [1.0, 2.0], b: [3.0, 4.0]}

    agree(build, exact=True)


@pytest.mark.parametrize("turns", [0, 1, 2, 33])
@pytest.mark.parametrize("step", [1, 3])
def test_sums_of_products(turns: int, step: int) -> None:
    x, y = RNG.normal(size=(2, 6, 4))

    def build() -> tuple[Any, dict[Any, Any]]:
        w = gf.placeholder(gf.float64, [6, 4])
        rows = gf.placeholder(gf.float64, [None, 4])
        end = turns * step - (step - 1 if turns else 0)

        def turn(i: Any, h: Any, product: Any, total: Any) -> tuple[Any, ...]:
            new = gf.tanh(h * 1.1)
            return (i + step, new, product + gf.matmul(h, new, transpose_a=True),
                    total + gf.reduce_sum(new, 0))

        out = gf.while_loop(lambda i, *_: i < end, turn, [
            0, rows, gf.zeros([4, 4], gf.float64) + w[0, 0], gf.zeros([4], gf.float64)])
        return [out, gf.gradients([out[2], out[3]], [rows, w])], {w: x, rows: y}

    found = agree(build)[0]
    h, product, total = y, np.full((4, 4), x[0, 0]), np.zeros(4)
    for _ in range(turns):
        new = np.tanh(h * 1.1)
        product, total, h = product + h.T @ new, total + new.sum(0), new
    for a, b in zip(found[1:], (h, product, total)):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_loops_in_loops_and_branches_in_turns() -> None:
    x = RNG.normal(size=3)

    def build() -> tuple[Any, dict[Any, Any]]:
        fed = gf.placeholder(gf.float64, [3])

        def turn(i: Any, h: Any) -> tuple[Any, Any]:
            inner = gf.while_loop(lambda k, v: k < 3, lambda k, v: (k + 1, gf.sin(v) + fed),
                                  [0, h])[1]
            return i + 1, gf.cond(gf.equal(i % 2, 0), lambda: inner * 2.0, lambda: inner + h)

        out = gf.while_loop(lambda i, h: i < 4, turn, [0, fed])[1]
        return [out, gf.gradients(out, fed)], {fed: x}

    agree(build)


def test_elements_of_arrays_read_and_written_in_any_order() -> None:
    x = RNG.normal(size=(5, 3))

    def build() -> tuple[Any, dict[Any, Any]]:
        fed = gf.placeholder(gf.float64, [5, 3])
        source = gf.TensorArray(gf.float64, 5).unstack(fed)
        made = gf.TensorArray(gf.float64, 5, element_shape=[3])

        def turn(i: Any, a: Any, h: Any) -> tuple[Any, ...]:
            h = gf.tanh(h + source.read(4 - i) * source.read((i * 2) % 5))
            return i + 1, a.write((i * 3) % 5, h), h

        _, made, last = gf.while_loop(lambda i, *_: i < 5, turn, [0, made, gf.zeros([3],
                                                                               gf.float64)])
        return [made.stack(), last, gf.gradients(made.stack(), fed)], {fed: x}

    agree(build)


def test_a_place_that_does_not_exist_is_an_error(graph: gf.Graph, session: gf.Session) -> None:
    source = gf.TensorArray(gf.float32, 3).unstack(gf.placeholder(gf.float32, [3], name="x"))
    out = gf.while_loop(lambda i, h: i < 4, lambda i, h: (i + 1, h + source.read(i)), [0, 0.0])[1]
    with pytest.raises(gf.errors.InvalidArgumentError, match="read at index 3"):
        session.run(out, {"x:0": np.zeros(3)})


# ---- what a run is made of ----------------------------------------------------------------------


def test_turns_are_rows_of_one_stage(graph: gf.Graph, session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 6, 4])
    _, (_, last) = gf.nn.dynamic_rnn(gf.nn.rnn_cell.BasicLSTMCell(8), x, dtype=gf.float32)
    slopes = gf.gradients(last, gf.trainable_variables())
    session.run(gf.global_variables_initializer())
    session.run(slopes, {x: np.zeros((3, 6, 4))})
    assert not {BACK, KEEP} & {*codes(session)}
    assert codes(session).count(COPY) <= 3  # the first state into its histories, no turn's


def test_a_long_loop_jumps_back_and_keeps_its_histories_in_the_plan(
    graph: gf.Graph, session: gf.Session
) -> None:
    x = gf.placeholder(gf.float32, [None, None, 2])
    outputs, _ = gf.nn.dynamic_rnn(gf.nn.rnn_cell.BasicRNNCell(2), x, dtype=gf.float32)
    slopes = gf.gradients(outputs, x)
    session.run(gf.global_variables_initializer())
    session.run(slopes, {x: np.zeros((1, 3000, 2))})
    assert {BACK, KEEP} <= {*codes(session)} and not plan_of(session).histories


def test_the_number_of_turns_of_a_condition_on_values_is_not_known(
    graph: gf.Graph, session: gf.Session
) -> None:
    x = gf.placeholder(gf.float32, [])
    out = gf.while_loop(lambda i, h: h < 10.0, lambda i, h: (i + 1, h * 2.0), [0, x])
    assert session.run(out, {x: 1.0}) == [4, 16.0]
    executable = list(session._variants.values())[-1][-1].executable
    (loop,) = [s for s in executable.schedule.steps if isinstance(s, RegionStep)]
    assert loop.turns is None
