"""Fifty training steps of the optimizers with a rate for each element, and the proximal ones."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from programs.optimizers import PROBLEMS, trajectory
from programs.plain import outcome
from programs.registry import add_case, case, wave

OPTIMIZERS: dict[str, Any] = {
    "adagrad": lambda tf: tf.train.AdagradOptimizer(0.1),
    "adagrad_start": lambda tf: tf.train.AdagradOptimizer(0.3, initial_accumulator_value=0.01),
    "adadelta": lambda tf: tf.train.AdadeltaOptimizer(1.0),
    "adadelta_fast": lambda tf: tf.train.AdadeltaOptimizer(2.0, rho=0.8, epsilon=1e-4),
    "rmsprop": lambda tf: tf.train.RMSPropOptimizer(0.01),
    "rmsprop_momentum": lambda tf: tf.train.RMSPropOptimizer(
        0.005, decay=0.8, momentum=0.7, epsilon=1e-5),
    "rmsprop_centered": lambda tf: tf.train.RMSPropOptimizer(
        0.01, momentum=0.5, epsilon=1e-2, centered=True),
    "ftrl": lambda tf: tf.train.FtrlOptimizer(0.3),
    "ftrl_regularized": lambda tf: tf.train.FtrlOptimizer(
        0.2, l1_regularization_strength=0.05, l2_regularization_strength=0.02,
        l2_shrinkage_regularization_strength=0.01, accum_name="squares", linear_name="lin"),
    "ftrl_power": lambda tf: tf.train.FtrlOptimizer(
        0.1, learning_rate_power=-0.3, initial_accumulator_value=0.5),
    "proximal_descent": lambda tf: tf.train.ProximalGradientDescentOptimizer(0.01),
    "proximal_descent_regularized": lambda tf: tf.train.ProximalGradientDescentOptimizer(
        0.02, l1_regularization_strength=0.1, l2_regularization_strength=0.05),
    "proximal_adagrad": lambda tf: tf.train.ProximalAdagradOptimizer(0.1),
    "proximal_adagrad_regularized": lambda tf: tf.train.ProximalAdagradOptimizer(
        0.2, initial_accumulator_value=0.5, l1_regularization_strength=0.05,
        l2_regularization_strength=0.1),
    "adagrad_da": lambda tf: tf.train.AdagradDAOptimizer(
        0.1, tf.train.get_or_create_global_step(), l1_regularization_strength=0.01,
        l2_regularization_strength=0.02),
}


def _register_trajectories() -> None:
    for problem in ("quadratic64", "softmax", "embedding"):
        for name, optimizer in OPTIMIZERS.items():
            if problem == "quadratic64" and name.startswith("proximal"):
                continue  # TensorFlow does not cast their rates, and refuses double
            add_case(
                f"optimizers_adaptive.{problem}[{name}]",
                lambda tf, o=optimizer, p=PROBLEMS[problem]: trajectory(tf, o, p), 1e-5, 1e-5)


_register_trajectories()


@case(rtol=1e-5)
def adagrad_da_counts_steps(tf: ModuleType) -> Any:
    """The step's number scales both regularisations of dual averaging."""
    step = tf.train.get_or_create_global_step()
    x = tf.Variable([1.0, -2.0, 0.1], name="x")
    opt = tf.train.AdagradDAOptimizer(
        0.5, step, initial_gradient_squared_accumulator_value=0.2,
        l1_regularization_strength=0.3, l2_regularization_strength=0.1)
    train = opt.minimize(tf.reduce_sum(tf.square(x - [0.5, 3.0, 0.0])), global_step=step)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        values = []
        for _ in range(6):
            sess.run(train)
            values.append(sess.run(x))
        return values, opt.get_slot_names(), [v.name for v in opt.variables()]


@case()
def refused_hyperparameters(tf: ModuleType) -> Any:
    """Strengths and start values that the optimizers do not take."""
    train = tf.train
    return [outcome(make) and outcome(make)["raises"] for make in (
        lambda: train.AdagradOptimizer(0.1, initial_accumulator_value=0.0),
        lambda: train.AdagradDAOptimizer(0.1, 1, initial_gradient_squared_accumulator_value=-1.0),
        lambda: train.ProximalAdagradOptimizer(0.1, initial_accumulator_value=0.0),
        lambda: train.FtrlOptimizer(0.1, initial_accumulator_value=-1.0),
        lambda: train.FtrlOptimizer(0.1, learning_rate_power=0.5),
        lambda: train.FtrlOptimizer(0.1, l1_regularization_strength=-0.5),
        lambda: train.FtrlOptimizer(0.1, l2_regularization_strength=-0.5),
        lambda: train.FtrlOptimizer(0.1, l2_shrinkage_regularization_strength=-0.5))]


@case(rtol=1e-5)
def several_variables_and_feeds(tf: ModuleType) -> Any:
    """One optimizer for variables of two types and shapes; the rate is fed."""
    rate = tf.placeholder(tf.float32, [], name="rate")
    matrix = tf.Variable(wave(2, 3), name="matrix")
    vector = tf.Variable(wave(3, dtype="float64", phase=1.0), name="vector")
    loss = tf.reduce_sum(tf.square(tf.cast(matrix, tf.float64) * vector - 0.5))
    results = {}
    for make in (tf.train.AdagradOptimizer, tf.train.RMSPropOptimizer,
                 tf.train.AdadeltaOptimizer, tf.train.FtrlOptimizer):
        opt = make(rate, name="Mine")
        train = opt.minimize(loss)
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            for k in range(5):
                sess.run(train, {rate: np.float32(0.1 / (k + 1))})
            results[make.__name__] = {
                "values": sess.run([matrix, vector]),
                "own": {v.name: sess.run(v) for v in opt.variables()}}
    return results
