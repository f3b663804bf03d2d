"""Compiled runs: variables, outputs, feeds, threads, memory; all as the reference has them."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from both_devices import assert_same_error, on_both, quiet

import graphflow as gf
from graphflow.runtime.staged import StagedExecutable

RNG = np.random.default_rng(0)


def test_sessions_for_the_cpu_compile(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [3])
    session.run(x * 2.0, {x: np.ones(3)})
    (variants,) = session._variants.values()
    assert isinstance(variants[0].executable, StagedExecutable)


# ---- variables ----------------------------------------------------------------------------------


def test_variables_are_assigned_and_read(session: gf.Session) -> None:
    v = gf.get_variable("v", [2, 3], initializer=gf.constant_initializer(1.5))
    add, double = gf.assign_add(v, gf.ones([2, 3])), gf.assign(v, v * 2.0)
    session.run(v.initializer)
    np.testing.assert_array_equal(session.run(add), np.full((2, 3), 2.5))
    np.testing.assert_array_equal(session.run(double), np.full((2, 3), 5.0))
    np.testing.assert_array_equal(session.run(v), np.full((2, 3), 5.0))
    session.run(gf.assign(v, np.zeros((2, 3))))
    np.testing.assert_array_equal(session.run(v), np.zeros((2, 3)))


def test_initialisers_draw_the_numbers_of_the_reference(graph: gf.Graph) -> None:
    gf.set_random_seed(7)
    kinds = [gf.random_uniform_initializer(-1.0, 2.0), gf.random_normal_initializer(),
             gf.truncated_normal_initializer(), gf.glorot_uniform_initializer(),
             gf.zeros_initializer(), gf.variance_scaling_initializer()]
    variables = [gf.get_variable(f"v{i}", [5, 5], initializer=k) for i, k in enumerate(kinds)]

    def run(session: gf.Session) -> list[np.ndarray]:
        session.run(gf.global_variables_initializer())
        return session.run(variables)

    for compiled, reference in zip(*on_both(graph, run)):
        np.testing.assert_allclose(compiled, reference, rtol=2e-6, atol=1e-6)


def test_sessions_have_variables_of_their_own(graph: gf.Graph) -> None:
    v = gf.get_variable("v", [], initializer=gf.zeros_initializer())
    add = gf.assign_add(v, 1.0)
    with gf.Session(device="cpu") as first, gf.Session(device="cpu") as second:
        first.run(v.initializer)
        second.run(v.initializer)
        for _ in range(3):
            first.run(add)
        assert (first.run(v), second.run(v)) == (3.0, 0.0)


def test_two_variables_with_one_value_are_two_arrays(session: gf.Session) -> None:
    a = gf.get_variable("a", [3], initializer=gf.zeros_initializer())
    c = gf.get_variable("c", [3], initializer=gf.zeros_initializer())
    x = gf.placeholder(gf.float32, [3])
    y = x + 1.0
    made, _, _ = session.run([y, gf.assign(a, y), gf.assign(c, y)], {x: np.zeros(3)})
    made[:] = 9
    session.run(gf.assign_add(a, np.ones(3)))
    np.testing.assert_array_equal(session.run(c), np.ones(3))
    np.testing.assert_array_equal(session.run(a), np.full(3, 2.0))


def test_a_fed_array_that_is_assigned_may_change_later(session: gf.Session) -> None:
    v = gf.get_variable("v", [3], initializer=gf.zeros_initializer())
    x = gf.placeholder(gf.float32, [3])
    fed = np.ones(3, np.float32)
    session.run(gf.assign(v, x), {x: fed})
    fed[:] = 5
    np.testing.assert_array_equal(session.run(v), np.ones(3))


def test_swapped_variables(session: gf.Session) -> None:
    a = gf.get_variable("a", initializer=np.float32(1))
    c = gf.get_variable("c", initializer=np.float32(2))
    session.run(gf.global_variables_initializer())
    old_a, old_c = gf.identity(a), gf.identity(c)
    with gf.control_dependencies([old_a, old_c]):
        swap = gf.group(gf.assign(a, old_c), gf.assign(c, old_a))
    session.run(swap)
    assert session.run([a, c]) == [2.0, 1.0]


def test_a_variable_without_a_value(graph: gf.Graph) -> None:
    v = gf.get_variable("v", [2], initializer=gf.zeros_initializer())
    assert_same_error(graph, v + 1.0, {}, "never initialized")


def test_a_failed_run_leaves_variables_as_they_were(session: gf.Session) -> None:
    v = gf.get_variable("v", [3], initializer=gf.zeros_initializer())
    at = gf.placeholder(gf.int32, [None])
    session.run(v.initializer)
    add = gf.assign_add(v, gf.ones([3]))
    picked = gf.gather(gf.constant([1.0, 2.0, 3.0]), at)
    with pytest.raises(gf.errors.InvalidArgumentError, match="is not in"):
        session.run([add, picked], {at: [3]})
    np.testing.assert_array_equal(session.run(v), np.zeros(3))
    session.run([add, picked], {at: [2]})
    np.testing.assert_array_equal(session.run(v), np.ones(3))


# ---- outputs and feeds --------------------------------------------------------------------------


def test_fetched_arrays_own_their_memory(session: gf.Session) -> None:
    v = gf.get_variable("v", [4], initializer=gf.ones_initializer())
    x = gf.placeholder(gf.float32, [4])
    session.run(v.initializer)
    y = x * 2.0
    fetches = [x, gf.identity(x), v, y, gf.reshape(y, [2, 2]), gf.constant(np.ones(4)), y + 0.0]
    fed = np.arange(4, dtype=np.float32)
    found = session.run(fetches, {x: fed})
    for i, array in enumerate(found):
        assert array.flags.owndata and array.flags.writeable and array.flags.c_contiguous
        assert not any(np.may_share_memory(array, other) for other in (fed, *found[:i]))
    for array in found:
        array[...] = -1
    np.testing.assert_array_equal(session.run(v), np.ones(4))
    np.testing.assert_array_equal(session.run(y, {x: fed}), [0, 2, 4, 6])


def test_results_of_earlier_runs_stay(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None])
    y = x * x + 1.0
    first = session.run(y, {x: np.arange(3)})
    session.run(y, {x: np.arange(3) + 10})
    np.testing.assert_array_equal(first, [1, 2, 5])


@pytest.mark.parametrize("fed", [
    np.arange(24, dtype=np.float32).reshape(4, 6).T,
    np.arange(48, dtype=np.float32).reshape(6, 8)[:, ::2],
    np.arange(24, dtype=np.float32).reshape(6, 4)[::-1],
    np.frombuffer(b"\0" + np.arange(24, dtype=np.float32).tobytes(), np.uint8)[1:].view(
        np.float32).reshape(6, 4),
    np.broadcast_to(np.float32(2.5), (6, 4)),
    np.arange(24).reshape(6, 4),
    np.arange(24, dtype=">f4").reshape(6, 4),
    np.zeros((6, 4), np.float32).tolist(),
], ids=["transposed", "strided", "reversed", "unaligned", "broadcast", "integers", "big_endian",
        "list"])
def test_feeds_of_any_layout(session: gf.Session, fed: Any) -> None:
    x = gf.placeholder(gf.float32, [None, 4])
    found = session.run(x * 2.0 + gf.reduce_sum(x), {x: fed})
    wanted = np.asarray(fed, np.float32)
    np.testing.assert_allclose(found, wanted * 2 + wanted.sum(), rtol=1e-6)


def test_read_only_feeds_are_read_in_place(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None])
    fed = np.arange(5, dtype=np.float32)
    fed.flags.writeable = False
    np.testing.assert_array_equal(session.run(x + 1.0, {x: fed}), np.arange(5) + 1)


def test_feeds_of_other_layouts_do_not_change(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 3])
    fed = np.arange(12, dtype=np.float32).reshape(3, 4).T
    session.run(gf.nn.softmax(x), {x: fed})
    np.testing.assert_array_equal(fed, np.arange(12).reshape(3, 4).T)


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_batches_of_any_size(graph: gf.Graph, rows: int) -> None:
    x = gf.placeholder(gf.float32, [None, 4])
    w = gf.constant(RNG.normal(size=(4, 3)).astype(np.float32))
    h = gf.matmul(x, w)
    y = [gf.nn.softmax(h), gf.reduce_sum(h), gf.reduce_sum(h, 0), gf.reduce_max(x, 1),
         gf.concat([h, h], 0), gf.transpose(h), gf.shape(x)]
    fed = RNG.normal(size=(rows, 4)).astype(np.float32)
    for compiled, reference in zip(*on_both(graph, lambda s: s.run(y, {x: fed}))):
        np.testing.assert_allclose(compiled, reference, rtol=1e-5, atol=1e-6)
        assert np.asarray(compiled).dtype == np.asarray(reference).dtype


def test_a_size_that_turns_out_to_be_one_broadcasts(graph: gf.Graph) -> None:
    x, y = gf.placeholder(gf.float32, [None]), gf.placeholder(gf.float32, [None])
    with gf.Session(device="cpu") as session:
        for m, n in [(3, 3), (3, 1), (1, 4), (1, 1), (5, 5)]:
            a, c = RNG.normal(size=m).astype("f"), RNG.normal(size=n).astype("f")
            np.testing.assert_array_equal(session.run(x + y, {x: a, y: c}), a + c)


# ---- threads ------------------------------------------------------------------------------------


def test_eight_threads_run_one_callable(graph: gf.Graph) -> None:
    x = gf.placeholder(gf.float32, [None, 16])
    w = gf.constant(RNG.normal(size=(16, 16)).astype(np.float32))
    y = gf.nn.softmax(gf.matmul(gf.tanh(gf.matmul(x, w)), w))
    failures: list[str] = []
    with gf.Session(device="cpu") as session:
        run = session.make_callable(y, [x])
        feeds = [RNG.normal(size=(rows, 16)).astype(np.float32)
                 for rows in (1, 3, 8, 3, 8, 2, 8, 8)]
        expected = [run(fed) for fed in feeds]

        def work(k: int) -> None:
            for _ in range(50):
                if not np.array_equal(run(feeds[k]), expected[k]):
                    failures.append(f"thread {k}")

        threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


def test_threads_that_write_one_variable(graph: gf.Graph) -> None:
    v = gf.get_variable("v", [3], initializer=gf.zeros_initializer())
    with gf.Session(device="cpu") as session:
        session.run(v.initializer)
        add = session.make_callable(gf.assign_add(v, np.ones(3)))
        threads = [threading.Thread(target=lambda: [add() for _ in range(40)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        np.testing.assert_array_equal(session.run(v), np.full(3, 160.0))


def test_a_python_function_may_run_the_session_again(graph: gf.Graph) -> None:
    """The inner run is of the very program that is running: it has an arena of its own."""
    depth = gf.placeholder(gf.int32, [])
    x = gf.placeholder(gf.float32, [3])

    def again(value: np.ndarray, left: int) -> np.ndarray:
        return session.run(y, {x: value, depth: left - 1}) if left else value

    doubled = x * 2.0
    inner = gf.ensure_shape(gf.py_func(again, [doubled, depth], gf.float32), [3])
    y = inner + doubled
    with gf.Session(options=quiet()) as session:
        np.testing.assert_array_equal(
            session.run(y, {x: np.ones(3), depth: 2}), np.full(3, 2.0 + 4 + 8 + 8))


# ---- memory -------------------------------------------------------------------------------------


def test_plans_of_many_sizes_do_not_pile_up(session: gf.Session) -> None:
    x = gf.placeholder(gf.float32, [None, 4])
    y = gf.matmul(gf.exp(x), gf.transpose(gf.tanh(x)))
    for rows in range(1, 200):
        session.run(y, {x: np.ones((rows, 4))})
    (variants,) = (v for v in session._variants.values())
    sizes = sum(len(v.executable.stages[0].free_plans()) for v in variants)
    assert sizes <= 64
