"""Fifty training steps of each optimizer on four small problems."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from programs.registry import add_case, case, wave

STEPS = 50
EVERY = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """A scalar loss and, for each step, what to feed."""

    loss: Any
    feed: Callable[[int], dict[Any, Any]]


OPTIMIZERS: dict[str, Callable[[ModuleType], Any]] = {
    "gradient_descent_small": lambda tf: tf.train.GradientDescentOptimizer(0.01),
    "gradient_descent_large": lambda tf: tf.train.GradientDescentOptimizer(0.05),
    "momentum_09": lambda tf: tf.train.MomentumOptimizer(0.01, 0.9),
    "momentum_05": lambda tf: tf.train.MomentumOptimizer(0.03, 0.5),
    "nesterov_09": lambda tf: tf.train.MomentumOptimizer(0.01, 0.9, use_nesterov=True),
    "nesterov_05": lambda tf: tf.train.MomentumOptimizer(0.03, 0.5, use_nesterov=True),
    "adam_default": lambda tf: tf.train.AdamOptimizer(),
    "adam_fast": lambda tf: tf.train.AdamOptimizer(0.05, beta1=0.8, beta2=0.95, epsilon=1e-3),
}


def quadratic(tf: ModuleType, dtype: str) -> Problem:
    """½ Σ cᵢ (xᵢ − tᵢ)² with curvatures c from 0.01 to 30, and a coupling of neighbours."""
    curvature = np.array([0.01, 0.3, 3.0, 30.0], dtype)
    target = np.array([1.0, -2.0, 0.5, 3.0], dtype)
    x = tf.Variable(np.array([3.0, 1.0, -1.0, 0.25], dtype), name="x")
    offset = x - target
    coupling = tf.reduce_sum(offset[1:] * offset[:-1]) * 0.05
    return Problem(0.5 * tf.reduce_sum(curvature * offset * offset) + coupling, lambda step: {})


def softmax_regression(tf: ModuleType) -> Problem:
    """Twelve points with five features in three classes, fed."""
    features = tf.placeholder(tf.float32, [None, 5], name="features")
    labels = tf.placeholder(tf.int32, [None], name="labels")
    with tf.variable_scope("model"):
        weights = tf.get_variable("weights", initializer=0.3 * wave(5, 3, phase=1.0))
        bias = tf.get_variable("bias", [3], initializer=tf.zeros_initializer())
    logits = tf.matmul(features, weights) + bias
    loss = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    feed = {features: np.cos(1.3 * np.arange(60)).reshape(12, 5).astype("float32") * 2,
            labels: (np.arange(12) * 7 % 5 % 3).astype("int32")}
    return Problem(loss, lambda step: feed)


def embedding_table(tf: ModuleType) -> Problem:
    """Rows of a [7, 3] table gathered with repeats; which rows are touched differs by step."""
    ids = tf.placeholder(tf.int32, [6], name="ids")
    table = tf.get_variable("table", initializer=wave(7, 3, phase=0.5))
    scale = tf.get_variable("scale", initializer=np.float32(1.5))
    rows = tf.gather(table, ids) * scale
    target = tf.constant(wave(6, 3, phase=2.0))
    loss = tf.reduce_sum(tf.square(rows - target)) + 0.1 * tf.reduce_sum(rows)

    def feed(step: int) -> dict[Any, Any]:
        repeated = step % 5
        return {ids: np.array([repeated, repeated, step % 3, 4, repeated, (2 * step) % 5])}

    return Problem(loss, feed)


PROBLEMS: dict[str, Callable[[ModuleType], Problem]] = {
    "quadratic64": lambda tf: quadratic(tf, "float64"),
    "quadratic32": lambda tf: quadratic(tf, "float32"),
    "softmax": softmax_regression,
    "embedding": embedding_table,
}


def trajectory(
    tf: ModuleType, optimizer: Callable[[ModuleType], Any], problem: Callable[[ModuleType], Any]
) -> dict[str, Any]:
    """Loss and variables before every fifth step and at the end; then slots and names."""
    posed = problem(tf)
    trained = tf.trainable_variables()
    opt = optimizer(tf)
    train = opt.minimize(posed.loss)
    history = []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for step in range(STEPS):
            if step % EVERY == 0:
                history.append(sess.run([posed.loss, trained], posed.feed(step)))
            sess.run(train, posed.feed(step))
        history.append(sess.run([posed.loss, trained], posed.feed(STEPS)))
        slots = {
            f"{slot}/{v.op.name}": sess.run(opt.get_slot(v, slot))
            for slot in opt.get_slot_names() for v in trained
        }
        return {
            "history": history,
            "slot_names": opt.get_slot_names(),
            "slots": slots,
            "variables": [v.name for v in tf.global_variables()],
            "trainable": [v.name for v in tf.trainable_variables()],
            "own_variables": {v.name: sess.run(v) for v in opt.variables()},
            "train_op": [train.name, train.type],
        }


def _register_trajectories() -> None:
    for problem_name, problem in PROBLEMS.items():
        for optimizer_name, optimizer in OPTIMIZERS.items():
            add_case(
                f"optimizers.{problem_name}[{optimizer_name}]",
                lambda tf, o=optimizer, p=problem: trajectory(tf, o, p), 1e-5, 1e-5)


_register_trajectories()


@case(rtol=1e-5)
def minimize_counts_steps(tf: ModuleType) -> Any:
    """global_step grows by one for each step; a tensor as learning rate is read at each step."""
    step = tf.train.get_or_create_global_step()
    rate = 0.1 / (1.0 + tf.cast(step, tf.float32))
    x = tf.Variable([1.0, 2.0], name="x")
    opt = tf.train.GradientDescentOptimizer(rate)
    train = opt.minimize(tf.reduce_sum(x * x), global_step=step, name="descend")
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        values = []
        for _ in range(4):
            sess.run(train)
            values.append(sess.run([x, step]))
        return {"values": values, "op": [train.name, train.type], "step": step.name}


@case(rtol=1e-5)
def apply_clipped_gradients(tf: ModuleType) -> Any:
    """compute_gradients gives pairs in the order of the variables; None where unconnected."""
    x = tf.Variable([3.0, -4.0], name="x")
    y = tf.Variable(2.0, name="y")
    unused = tf.Variable(5.0, name="unused")
    opt = tf.train.MomentumOptimizer(learning_rate=0.1, momentum=0.9, name="Heavy")
    pairs = opt.compute_gradients(tf.reduce_sum(x * x) * y)
    clipped = [(tf.clip_by_value(g, -1.0, 7.0), v) for g, v in pairs if g is not None]
    train = opt.apply_gradients(clipped)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(3):
            sess.run(train)
        return {
            "pairs": [[g is None, v.name] for g, v in pairs],
            "values": sess.run([x, y, unused]),
            "variables": [v.name for v in tf.global_variables()],
            "name": opt.get_name(),
            "no_slot": opt.get_slot(unused, "momentum") is None,
            "train_op": train.name,
        }


@case(rtol=1e-5)
def two_optimizers_share_a_graph(tf: ModuleType) -> Any:
    """Two Adams on the same variable own slots and powers of their own, named apart."""
    x = tf.Variable([1.0, -1.0], name="x")
    first = tf.train.AdamOptimizer(0.1)
    second = tf.train.AdamOptimizer(0.01)
    one = first.minimize(tf.reduce_sum(x * x))
    two = second.minimize(tf.reduce_sum(tf.square(x - 3.0)))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(3):
            sess.run(one)
            sess.run(two)
        return {"x": sess.run(x), "variables": [v.name for v in tf.global_variables()],
                "ops": [one.name, two.name]}


@case(rtol=1e-5)
def var_list_and_grad_loss(tf: ModuleType) -> Any:
    """Only var_list moves; grad_loss scales the gradient."""
    x = tf.Variable(1.0, name="x")
    y = tf.Variable(1.0, name="y")
    train = tf.train.GradientDescentOptimizer(0.1).minimize(
        x * y, var_list=[y], grad_loss=tf.constant(3.0))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        return sess.run([x, y])
