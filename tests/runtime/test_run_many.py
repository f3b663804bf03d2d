"""`Session.run_many`: as a loop around `run`, whatever it is made of."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf

RANDOM = np.random.RandomState(0)


def _sessions():
    return gf.Session(), gf.Session()


def _same(many, each):
    for a, b in zip(many, each):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("optimizer", [
    lambda: gf.train.GradientDescentOptimizer(0.1),
    lambda: gf.train.AdamOptimizer(0.01),
    lambda: gf.train.MomentumOptimizer(0.1, 0.9),
], ids=["gradient descent", "Adam", "momentum"])
@pytest.mark.parametrize("steps", [1, 2, 3, 8])
def test_training(optimizer, steps):
    x = gf.placeholder(gf.float32, [None, 3])
    y = gf.placeholder(gf.float32, [None, 1])
    w = gf.Variable(np.ones([3, 1], np.float32))
    loss = gf.reduce_mean(gf.square(gf.matmul(x, w) - y))
    train = optimizer().minimize(loss)
    xs = RANDOM.randn(steps, 5, 3).astype(np.float32)
    ys = RANDOM.randn(steps, 5, 1).astype(np.float32)
    one, other = _sessions()
    for session in (one, other):
        session.run(gf.global_variables_initializer())
    for _ in range(2):
        none, losses, residual = one.run_many([train, loss, gf.matmul(x, w)], {x: xs, y: ys})
        rows = [other.run([train, loss, gf.matmul(x, w)], {x: a, y: b}) for a, b in zip(xs, ys)]
        assert none is None and losses.shape == (steps,) and residual.shape == (steps, 5, 1)
        _same(losses, [row[1] for row in rows])
        _same(residual, [row[2] for row in rows])
        np.testing.assert_array_equal(one.run(w), other.run(w))


def test_feeds_that_all_steps_share_and_steps_without_feeds():
    x, scale = gf.placeholder(gf.float32, [2]), gf.placeholder(gf.float32, [])
    v = gf.Variable([0.0, 0.0])
    step = v.assign_add(x * scale)
    with gf.Session() as session:
        session.run(v.initializer)
        found = session.run_many({"v": step}, {x: [[1, 2], [3, 4]]}, feed_dict={scale: 10})
        np.testing.assert_array_equal(found["v"], [[10, 20], [40, 60]])
        assert session.run_many(step.op, steps=4, feed_dict={x: [1, 1], scale: 1}) is None
        np.testing.assert_array_equal(session.run(v), [44, 64])
        assert session.run_many(step, {x: np.zeros([0, 2])}, feed_dict={scale: 1}).shape == (0, 2)


def test_a_variable_that_somebody_holds_stays():
    v = gf.Variable(np.zeros(3, np.float32))
    step = v.assign_add([1.0, 2.0, 3.0])
    with gf.Session() as session:
        session.run(v.initializer)
        held = session.store.get(v.op.attrs["shared_name"])
        session.run_many(step.op, steps=3)
        np.testing.assert_array_equal(held, [0, 0, 0])
        np.testing.assert_array_equal(session.run(v), [3, 6, 9])


def test_an_iterable_of_feed_dicts_and_steps_that_python_drives():
    x = gf.placeholder(gf.float32, [None])
    doubled = gf.py_func(lambda a: 2 * a, [x], gf.float32)
    with gf.Session() as session:
        _same(session.run_many(doubled, ({x: [k, k]} for k in range(3))), [[0, 0], [2, 2], [4, 4]])
        _same(session.run_many(doubled, {x: [[1], [5]]}), [[2], [10]])


def test_random_numbers_and_loops_go_on():
    draw = gf.random_uniform([3], seed=7)
    n = gf.placeholder(gf.int32, [])
    total = gf.while_loop(lambda i, t: i < n, lambda i, t: (i + 1, t * 2), [0, 1.0])[1]
    one, other = _sessions()
    _same(one.run_many(draw, steps=5), [other.run(draw) for _ in range(5)])
    _same(one.run_many(draw, steps=5), [other.run(draw) for _ in range(5)])
    _same(one.run_many(total, {n: [0, 3, 5]}), [1, 8, 32])


def test_a_step_that_fails_leaves_those_before_it():
    table = gf.Variable(np.zeros([4], np.float32))
    at = gf.placeholder(gf.int32, [1], name="at")
    step = gf.scatter_add(table, at, [1.0]).op
    with gf.Session() as session:
        session.run(table.initializer)
        with pytest.raises(gf.errors.InvalidArgumentError, match="9"):
            session.run_many(step, {at: [[0], [1], [9], [2]]})
        np.testing.assert_array_equal(session.run(table), [1, 1, 0, 0])


def test_wrong_calls():
    x, y = gf.placeholder(gf.float32, [2], name="x"), gf.placeholder(gf.float32, [2], name="y")
    with gf.Session() as session:
        for arguments, said in (
            ({"feeds": {x: np.zeros([3, 2]), y: np.zeros([4, 2])}}, "3, 4"),
            ({"feeds": {x: np.zeros([3, 2])}, "steps": 2}, "2, 3"),
            ({"feed_dict": {x: [1, 2], y: [1, 2]}}, "how many steps"),
            ({"feeds": {x: np.zeros([3, 5]), y: np.zeros([3, 2])}}, "axis counts the steps"),
            ({"feeds": {x: [1, 2], y: np.zeros([2, 2])}}, "first axis counts the steps"),
        ):
            with pytest.raises(gf.errors.FeedError, match=said):
                session.run_many(x + y, **arguments)
        with pytest.raises(gf.errors.InvalidArgumentError, match="needs a value"):
            session.run_many(x + y, {x: np.zeros([3, 2])})
