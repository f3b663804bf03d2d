"""The native entry: calls that come again run without Python, and never differently."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time

import numpy as np
import pytest

import graphflow as gf
from graphflow.runtime.calls import MISS

WARM = 4  # calls until a form has its record


@pytest.fixture
def regression():
    """A step of linear regression: (session, fetches, feeds, variable)."""
    x = gf.placeholder(gf.float32, [None, 1], name="x")
    y = gf.placeholder(gf.float32, [None, 1], name="y")
    w = gf.Variable(np.zeros([1, 1], np.float32))
    loss = gf.reduce_mean(gf.square(gf.matmul(x, w) - y))
    train = gf.train.GradientDescentOptimizer(0.1).minimize(loss)
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    numbers = np.linspace(-1, 1, 8, dtype=np.float32).reshape(8, 1)
    return session, [train, loss], {x: numbers, y: 2 * numbers}, w


def _numpy_losses(feeds, steps):
    x, y = (a.astype(np.float64) for a in feeds.values())
    w, losses = 0.0, []
    for _ in range(steps):
        losses.append(np.mean((x * w - y) ** 2))
        w -= 0.1 * np.mean(2 * x * (x * w - y))
    return losses


def _enters(session, fetches, feeds=None):
    """Whether the native entry takes a call; it runs if it does."""
    return session._enter is not None and session._enter(fetches, feeds) is not MISS


def _warm(session, fetches, feeds=None):
    for _ in range(WARM):
        session.run(fetches, feeds)
    assert _enters(session, fetches, feeds)


def test_a_repeated_step_gives_the_same_losses(regression):
    session, fetches, feeds, _ = regression
    losses = [session.run(fetches, feeds)[1] for _ in range(20)]
    assert session._enter(fetches, feeds) is not MISS
    np.testing.assert_allclose(losses, _numpy_losses(feeds, 20), rtol=1e-4)
    assert all(type(loss) is np.float32 for loss in losses)


def test_a_callable_takes_values_in_order(regression):
    session, fetches, feeds, _ = regression
    step = session.make_callable(fetches, list(feeds))
    losses = [step(*feeds.values())[1] for _ in range(20)]
    np.testing.assert_allclose(losses, _numpy_losses(feeds, 20), rtol=1e-4)
    with pytest.raises(gf.errors.FeedError, match="takes 2 values"):
        step(*feeds.values(), 3)
    with pytest.raises(gf.errors.FeedError, match="shape"):
        step(np.zeros([8, 2], np.float32), np.zeros([8, 1], np.float32))


@pytest.mark.parametrize("fetch", [
    lambda a, b: a, lambda a, b: [a], lambda a, b: (b, a, b), lambda a, b: [a, b.op, a],
    lambda a, b: b.op, lambda a, b: [], lambda a, b: {"a": a, "b": (b, b)}, lambda a, b: b.name,
])
def test_every_form_of_fetches(fetch):
    x = gf.placeholder(gf.float32, [3])
    fetches = fetch(x * 2, gf.reduce_sum(x + 1))
    with gf.Session() as session:
        first = session.run(fetches, {x: [1, 2, 3]})
        value = np.array([1, 2, 3], np.float32)
        for _ in range(WARM + 2):
            found = session.run(fetches, {x: value})
            assert repr(found) == repr(first)


def test_results_are_fresh_arrays():
    x = gf.placeholder(gf.float32, [3])
    y = x * 2
    with gf.Session() as session:
        values = [np.full(3, k, np.float32) for k in range(8)]
        found = [session.run(y, {x: v}) for v in values]
        for array, value in zip(found, values):
            np.testing.assert_array_equal(array, 2 * value)
            assert array.flags.owndata and array.flags.writeable and array.flags.aligned


@pytest.mark.parametrize("value", [
    [[1.0], [2.0]],
    np.array([[1.0], [2.0]]),
    np.array([[1.0, 5.0], [2.0, 6.0]], np.float32)[:, :1],
    np.array([[1], [2]], np.int8),
    np.array([[1.0], [2.0]], np.float32).view(np.ma.MaskedArray),
    np.array([[1.0], [2.0]], ">f4"),
    np.frombuffer(b"\0" + np.array([1, 2], np.float32).tobytes(), np.uint8)[1:].view(
        np.float32).reshape(2, 1),
], ids=["list", "float64", "strided", "int8", "masked", "big-endian", "unaligned"])
def test_what_does_not_fit_as_it_is_goes_the_long_way(value):
    x = gf.placeholder(gf.float32, [None, 1])
    y = x + 1
    with gf.Session() as session:
        _warm(session, y, {x: np.zeros([2, 1], np.float32)})
        assert session._enter(y, {x: value}) is MISS
        np.testing.assert_array_equal(session.run(y, {x: value}), [[2], [3]])


def test_other_sizes_get_records_of_their_own():
    x = gf.placeholder(gf.float32, [None])
    y = gf.reduce_sum(x)
    with gf.Session() as session:
        for _ in range(WARM + 1):
            for size in (1, 2, 5, 0):
                assert session.run(y, {x: np.ones(size, np.float32)}) == size
        assert _enters(session, y, {x: np.ones(5, np.float32)})
        assert not _enters(session, y, {x: np.ones(4, np.float32)})


def test_more_forms_than_records():
    x = gf.placeholder(gf.float32, [2])
    fetches = [x * k for k in range(20)]
    value = np.ones(2, np.float32)
    with gf.Session() as session:
        for _ in range(2):
            for k, fetch in enumerate(fetches):
                for _ in range(WARM):
                    np.testing.assert_array_equal(session.run(fetch, {x: value}), [k, k])


def test_a_wrong_feed_raises_as_always(regression):
    session, fetches, feeds, _ = regression
    _warm(session, fetches, feeds)
    x, y = feeds
    with pytest.raises(gf.errors.FeedError, match="shape"):
        session.run(fetches, {x: np.zeros([2, 3], np.float32), y: feeds[y]})
    with pytest.raises(gf.errors.InvalidArgumentError, match="needs a value"):
        session.run(fetches, {x: feeds[x]})
    with pytest.raises(gf.errors.FeedError):
        session.run(fetches, [x])


def test_a_variable_that_somebody_holds_is_not_changed_under_his_hands():
    v = gf.Variable(np.zeros(5, np.float32))
    step = v.assign_add(gf.ones([5])).op
    with gf.Session() as session:
        session.run(v.initializer)
        _warm(session, step)
        held = session.store.get(v.op.attrs["shared_name"])
        before = held.copy()
        assert not _enters(session, step)
        session.run(step)
        np.testing.assert_array_equal(held, before)
        np.testing.assert_array_equal(session.run(v), before + 1)
        del held
        assert _enters(session, step)


def test_values_set_between_steps_count(regression):
    session, fetches, feeds, w = regression
    _warm(session, fetches, feeds)
    w.load([[2.0]], session)
    assert session.run(fetches, feeds)[1] == pytest.approx(0, abs=1e-10)
    session.run(gf.global_variables_initializer())
    assert session.run(fetches, feeds)[1] == pytest.approx(_numpy_losses(feeds, 1)[0], rel=1e-5)


def test_assignments_of_fresh_arrays():
    v = gf.Variable([1.0, 2.0])
    x = gf.placeholder(gf.float32, [2])
    step = v.assign(x * 3)
    with gf.Session() as session:
        session.run(v.initializer)
        for k in range(2 * WARM):
            value = np.array([k, k + 1], np.float32)
            np.testing.assert_array_equal(session.run(step, {x: value}), 3 * value)
            np.testing.assert_array_equal(session.run(v), 3 * value)


def test_a_refused_value_changes_nothing_and_says_why():
    table = gf.Variable(np.zeros([4, 2], np.float32))
    at = gf.placeholder(gf.int32, [2], name="at")
    step = gf.scatter_add(table, at, gf.ones([2, 2])).op
    with gf.Session() as session:
        session.run(table.initializer)
        for _ in range(WARM):
            session.run(step, {at: np.array([0, 1], np.int32)})
        before = session.run(table)
        with pytest.raises(gf.errors.InvalidArgumentError, match="7"):
            session.run(step, {at: np.array([0, 7], np.int32)})
        np.testing.assert_array_equal(session.run(table), before)
        session.run(step, {at: np.array([3, 3], np.int32)})
        np.testing.assert_array_equal(session.run(table)[3], [2, 2])


def test_a_closed_session_refuses(regression):
    session, fetches, feeds, _ = regression
    step = session.make_callable(fetches, list(feeds))
    _warm(session, fetches, feeds)
    for _ in range(WARM):
        step(*feeds.values())
    session.close()
    with pytest.raises(gf.errors.ClosedSessionError):
        session.run(fetches, feeds)
    with pytest.raises(gf.errors.ClosedSessionError):
        step(*feeds.values())


def test_nothing_leaks(regression):
    session, fetches, feeds, _ = regression
    outputs = gf.identity(list(feeds)[0] * 2)
    fetches = [*fetches, outputs, outputs]
    _warm(session, fetches, feeds)
    watched = [None, np.dtype(np.float32), *feeds.values(), *fetches, feeds, fetches,
               session.store.keys()[0]]
    value = session.run(fetches, feeds)[2]
    assert sys.getrefcount(value) == 2
    gc.collect()
    before = [sys.getrefcount(w) for w in watched]
    for _ in range(1000):
        session.run(fetches, feeds)
        session._enter(fetches, None)
    after = [sys.getrefcount(w) for w in watched]
    assert all(abs(b - a) < 50 for a, b in zip(before, after)), (before, after)


def _long_loop():
    n = gf.placeholder(gf.int64, [])
    _, total = gf.while_loop(lambda i, _: i < n, lambda i, t: (i + 1, t + gf.sin(t)),
                             [gf.constant(0, gf.int64), gf.constant(1.0)])
    return n, total


def test_ctrl_c_inside_a_native_loop():
    n, total = _long_loop()
    with gf.Session() as session:
        _warm(session, total, {n: np.array(3, np.int64)})
        alarm = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
        try:
            alarm.start()
            with pytest.raises(KeyboardInterrupt):
                session.run(total, {n: np.array(10**11, np.int64)})
        finally:
            signal.signal(signal.SIGINT, before)
        assert np.isfinite(session.run(total, {n: np.array(3, np.int64)}))


def test_other_threads_work_while_a_loop_runs():
    n, total = _long_loop()
    with gf.Session() as session:
        few, many = {n: np.array(3, np.int64)}, {n: np.array(3 * 10**6, np.int64)}
        _warm(session, total, few)
        thread = threading.Thread(target=session.run, args=(total, many))
        thread.start()
        turns = 0
        while thread.is_alive():
            session.run(total, few)
            turns += 1
            time.sleep(0)
        assert turns > 1


@pytest.mark.parametrize("size", [1, 40_000], ids=["short", "long"])
def test_steps_of_several_threads_are_atomic(size):
    v = gf.Variable(np.zeros(size, np.float32))
    w = gf.Variable(np.zeros(size, np.float32))
    with gf.control_dependencies([v.assign_add(gf.ones([size]))]):
        step = w.assign_add(gf.ones([size])).op
    difference = gf.reduce_max(gf.abs(v - w))
    with gf.Session() as session:
        session.run([v.initializer, w.initializer])
        _warm(session, step)
        session.run([v.initializer, w.initializer])
        wrong: list[object] = []

        def work() -> None:
            for _ in range(200):
                session.run(step)
                if session.run(difference) != 0:
                    wrong.append("torn")

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        np.testing.assert_array_equal(session.run(v), np.full(size, 800))
        np.testing.assert_array_equal(session.run(w), np.full(size, 800))


def test_random_numbers_go_on():
    draw = gf.random_uniform([4], seed=1)
    with gf.Session() as one, gf.Session(device="reference") as other:
        for _ in range(3 * WARM):
            np.testing.assert_allclose(one.run(draw), other.run(draw), rtol=1e-6)
