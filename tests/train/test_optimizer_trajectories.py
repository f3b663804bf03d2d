"""Optimizers follow the algorithms as written with NumPy, for dense and sparse gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

import graphflow as tf

STEPS = 25
Rule = Callable[[np.ndarray, np.ndarray, np.ndarray], None]


@pytest.fixture(autouse=True)
def fresh_graph() -> Iterator[None]:
    with tf.Graph().as_default():
        yield


def gradient_descent(rate: float) -> Rule:
    def step(w: np.ndarray, g: np.ndarray, touched: np.ndarray) -> None:
        w -= rate * g

    return step


def momentum(rate: float, decay: float, nesterov: bool) -> Rule:
    state: dict[str, np.ndarray] = {}

    def step(w: np.ndarray, g: np.ndarray, touched: np.ndarray) -> None:
        a = state.setdefault("a", np.zeros_like(w))
        a[touched] = decay * a[touched] + g[touched]
        moved = rate * g + rate * decay * a if nesterov else rate * a
        w[touched] -= moved[touched]

    return step


def adam(rate: float, beta1: float, beta2: float, epsilon: float) -> Rule:
    state: dict = {"t": 0}

    def step(w: np.ndarray, g: np.ndarray, touched: np.ndarray) -> None:
        state["t"] += 1
        t = state["t"]
        m = state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
        v = state["v"] = beta2 * state.get("v", 0) + (1 - beta2) * g * g
        corrected = rate * np.sqrt(1 - beta2**t) / (1 - beta1**t)
        w -= corrected * m / (np.sqrt(v) + epsilon)

    return step


def adamax(rate: float, beta1: float, beta2: float, epsilon: float) -> Rule:
    state: dict = {"t": 0}

    def step(w: np.ndarray, g: np.ndarray, touched: np.ndarray) -> None:
        state["t"] += 1
        m, v = (state.setdefault(key, np.zeros_like(w)) for key in "mv")
        m[touched] = (beta1 * m + (1 - beta1) * g)[touched]
        v[touched] = np.maximum(beta2 * v, np.abs(g))[touched]
        w[touched] -= (rate / (1 - beta1 ** state["t"]) * m / (v + epsilon))[touched]

    return step


def adam_family(kind: str, rate: float, decay: float = 0.0) -> Rule:
    """Nadam changes rows that are touched, lazy Adam also keeps to them in its moments."""
    beta1, beta2, epsilon = 0.8, 0.95, 1e-3
    state: dict = {"t": 0}

    def step(w: np.ndarray, g: np.ndarray, touched: np.ndarray) -> None:
        state["t"] += 1
        t = state["t"]
        m, v = (state.setdefault(key, np.zeros_like(w)) for key in "mv")
        kept = touched if kind == "lazy" else np.full(len(w), True)
        m[kept] = (beta1 * m + (1 - beta1) * g)[kept]
        v[kept] = (beta2 * v + (1 - beta2) * g * g)[kept]
        ahead = beta1 * m + (1 - beta1) * g if kind == "nesterov" else m
        corrected = rate * np.sqrt(1 - beta2**t) / (1 - beta1**t)
        moved = np.full(len(w), True) if kind == "adam" else touched
        w[touched] -= decay * w[touched]
        w[moved] -= (corrected * ahead / (np.sqrt(v) + epsilon))[moved]

    return step


def decayed(rule: Rule, decay: float) -> Rule:
    def step(w: np.ndarray, g: np.ndarray, touched: np.ndarray) -> None:
        w[touched] -= decay * w[touched]
        rule(w, g, touched)

    return step


CASES = {
    "gradient descent": (
        lambda: tf.train.GradientDescentOptimizer(0.05), lambda: gradient_descent(0.05)),
    "momentum": (
        lambda: tf.train.MomentumOptimizer(0.03, 0.9), lambda: momentum(0.03, 0.9, False)),
    "nesterov": (
        lambda: tf.train.MomentumOptimizer(0.03, 0.8, use_nesterov=True),
        lambda: momentum(0.03, 0.8, True)),
    "adam": (lambda: tf.train.AdamOptimizer(0.1), lambda: adam(0.1, 0.9, 0.999, 1e-8)),
    "adam with other betas": (
        lambda: tf.train.AdamOptimizer(0.05, 0.7, 0.95, 1e-2),
        lambda: adam(0.05, 0.7, 0.95, 1e-2)),
    "adamax": (
        lambda: tf.train.AdaMaxOptimizer(0.1, 0.8, 0.9, 1e-3),
        lambda: adamax(0.1, 0.8, 0.9, 1e-3)),
    "nadam": (
        lambda: tf.train.NadamOptimizer(0.1, 0.8, 0.95, 1e-3),
        lambda: adam_family("nesterov", 0.1)),
    "lazy adam": (
        lambda: tf.train.LazyAdamOptimizer(0.1, 0.8, 0.95, 1e-3),
        lambda: adam_family("lazy", 0.1)),
    "adamw": (
        lambda: tf.train.AdamWOptimizer(0.01, 0.1, 0.8, 0.95, 1e-3),
        lambda: adam_family("adam", 0.1, decay=0.01)),
    "momentumw": (
        lambda: tf.train.MomentumWOptimizer(0.02, 0.03, 0.9),
        lambda: decayed(momentum(0.03, 0.9, False), 0.02)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dense_trajectory(case: str, dtype: str) -> None:
    make, rule = CASES[case]
    curvature = np.array([0.1, 1.0, 8.0], dtype)
    w = tf.Variable(np.array([1.0, -2.0, 3.0], dtype), name="w")
    train = make().minimize(0.5 * tf.reduce_sum(curvature * tf.square(w)))
    expected, step = np.array([1.0, -2.0, 3.0]), rule()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(STEPS):
            sess.run(train)
            step(expected, curvature * expected, np.full(3, True))
        # Hyperparameters are float32, as in TensorFlow 1, also for float64 variables.
        np.testing.assert_allclose(sess.run(w), expected, rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_sparse_trajectory_with_repeated_rows(case: str) -> None:
    make, rule = CASES[case]
    start = np.cos(np.arange(12.0)).reshape(6, 2)
    ids = tf.placeholder(tf.int32, [None])
    w = tf.Variable(start, name="w")
    loss = tf.reduce_sum(tf.square(tf.gather(w, ids) - 0.5))
    (gradient, _), = pairs = make().compute_gradients(loss)
    assert isinstance(gradient, tf.IndexedSlices)
    train = make().apply_gradients(pairs)
    expected, step = start.copy(), rule()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for k in range(STEPS):
            rows = np.array([k % 5, 2, k % 5, k % 3, k % 5])
            dense = np.zeros_like(expected)
            np.add.at(dense, rows, 2 * (expected[rows] - 0.5))
            touched = np.isin(np.arange(6), rows)
            sess.run(train, {ids: rows})
            step(expected, dense, touched)
            np.testing.assert_allclose(sess.run(w), expected, rtol=1e-4, atol=1e-6)


def test_all_updates_start_from_the_values_before_the_step() -> None:
    x, y = tf.Variable(2.0, name="x"), tf.Variable(3.0, name="y")
    product = x * y
    train = tf.train.GradientDescentOptimizer(0.1).minimize(product)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        before, _ = sess.run([product, train])
        assert before == 6.0
        np.testing.assert_allclose(sess.run([x, y]), [2 - 0.3, 3 - 0.2], rtol=1e-6)


def test_adam_in_half_precision_stays_half() -> None:
    w = tf.Variable(np.array([1.0, -1.0], np.float16))
    train = tf.train.AdamOptimizer(0.1, epsilon=1e-3).minimize(tf.reduce_sum(tf.square(w)))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        value = sess.run(w)
    assert value.dtype == np.float16
    np.testing.assert_allclose(value, [0.9, -0.9], atol=2e-3)


def test_learning_rate_may_be_fed_or_a_function() -> None:
    rate = tf.placeholder(tf.float32, [])
    w = tf.Variable(1.0)
    fed = tf.train.GradientDescentOptimizer(rate).minimize(w * 2.0)
    called = tf.train.MomentumOptimizer(lambda: 0.5, lambda: 0.0).minimize(w * 2.0)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(fed, {rate: 0.25})
        assert sess.run(w) == 0.5
        sess.run(called)
        assert sess.run(w) == -0.5


def test_constraint_is_applied_after_the_update() -> None:
    w = tf.Variable([1.0, 5.0], constraint=lambda t: tf.clip_by_value(t, 0.0, 2.0))
    train = tf.train.GradientDescentOptimizer(1.0).minimize(tf.reduce_sum(w) * 3.0)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        np.testing.assert_array_equal(sess.run(w), [0.0, 2.0])


def test_one_step_inside_a_branch() -> None:
    go = tf.placeholder(tf.bool, [])
    w = tf.Variable(1.0, name="w")
    optimizer = tf.train.AdamOptimizer(0.5)
    gradient, = tf.gradients(w * w, w)
    step = tf.cond(go, lambda: tf.group(optimizer.apply_gradients([(gradient, w)])), tf.no_op)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(step, {go: False})
        assert sess.run(w) == 1.0
        sess.run(step, {go: True})
        np.testing.assert_allclose(sess.run(w), 0.5, rtol=1e-5)


def test_empty_indices_change_nothing_but_adams_decay() -> None:
    ids = tf.placeholder(tf.int32, [None])
    w = tf.Variable(np.ones((3, 2), np.float32))
    loss = tf.reduce_sum(tf.gather(w, ids))
    descend = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
    heavy = tf.train.MomentumOptimizer(0.1, 0.9).minimize(loss)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for train in (descend, heavy):
            sess.run(train, {ids: np.zeros(0, np.int32)})
            np.testing.assert_array_equal(sess.run(w), np.ones((3, 2)))


def test_decoupled_decay_of_some_variables_only() -> None:
    a, b = tf.Variable(1.0, name="a"), tf.Variable(1.0, name="b")
    opt = tf.train.MomentumWOptimizer(0.5, learning_rate=0.0, momentum=0.0)
    train = opt.minimize(a + b, decay_var_list=[b])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        assert sess.run([a, b]) == [1.0, 0.5]


def test_slots_of_variables_whose_shape_is_open() -> None:
    w = tf.Variable([1.0, 2.0], validate_shape=False)
    train = tf.train.AdagradOptimizer(0.5, initial_accumulator_value=3.0).minimize(
        tf.reduce_sum(w * [1.0, 2.0]))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        np.testing.assert_allclose(sess.run(w), [1 - 0.5 / 2, 2 - 1 / np.sqrt(7)], rtol=1e-6)
