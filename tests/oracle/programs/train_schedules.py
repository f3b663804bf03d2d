"""Learning rates that change with the step, and moving averages."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from programs.plain import outcome
from programs.registry import case


@case(rtol=2e-6)
def decays(tf: ModuleType) -> Any:
    """Every schedule at steps inside and beyond its period; the step is an int64 or a float."""
    results = {}
    for dtype in (tf.int64, tf.int32, tf.float32):
        step = tf.placeholder(dtype, [])
        t = tf.train
        rates = {
            "exponential": t.exponential_decay(0.1, step, 7, 0.96),
            "exponential_stairs": t.exponential_decay(0.1, step, 5, 0.5, staircase=True),
            "natural_exp": t.natural_exp_decay(0.1, step, 5, 0.3),
            "natural_exp_stairs": t.natural_exp_decay(0.1, step, 5, 0.3, staircase=True),
            "inverse_time": t.inverse_time_decay(0.1, step, 4, 0.5),
            "inverse_time_stairs": t.inverse_time_decay(0.1, step, 4, 0.5, staircase=True),
            "polynomial": t.polynomial_decay(0.1, step, 10),
            "polynomial_power": t.polynomial_decay(0.1, step, 10, 0.01, power=0.5),
            "polynomial_cycle": t.polynomial_decay(0.1, step, 6, 0.01, power=2.0, cycle=True),
            "cosine": t.cosine_decay(0.1, step, 12),
            "cosine_alpha": t.cosine_decay(0.1, step, 12, alpha=0.2),
            "restarts": t.cosine_decay_restarts(0.1, step, 4),
            "restarts_even": t.cosine_decay_restarts(0.1, step, 5, t_mul=1.0, m_mul=0.8),
            "restarts_all": t.cosine_decay_restarts(
                0.1, step, 3, t_mul=1.5, m_mul=0.9, alpha=0.1),
            "linear_cosine": t.linear_cosine_decay(0.1, step, 12),
            "linear_cosine_all": t.linear_cosine_decay(
                0.1, step, 15, num_periods=1.5, alpha=0.1, beta=0.01),
            "noiseless": t.noisy_linear_cosine_decay(
                0.1, step, 12, initial_variance=0.0, num_periods=2.0),
        }
        with tf.Session() as sess:
            results[dtype.name] = [sess.run(rates, {step: k}) for k in (0, 1, 4, 5, 9, 14, 30)]
    return results


@case()
def piecewise(tf: ModuleType) -> Any:
    """A boundary belongs to the value before it."""
    results = {}
    for dtype in (tf.int32, tf.int64):
        x = tf.placeholder(dtype, [])
        rate = tf.train.piecewise_constant(x, [3, 5, 10], [1.0, 0.5, 0.25, 0.1])
        other = tf.train.piecewise_constant_decay(x, [4], [7, 8], name="two")
        with tf.Session() as sess:
            results[dtype.name] = [sess.run([rate, other], {x: k}) for k in (-1, 3, 4, 5, 6, 11)]
    step = tf.placeholder(tf.float32, [])
    rate = tf.train.piecewise_constant(step, [0.5, 1.5], [1.0, 2.0, 3.0])
    with tf.Session() as sess:
        results["float32"] = [sess.run(rate, {step: k}) for k in (0.5, 0.6, 1.5, 9.0)]
    results["errors"] = [outcome(make) for make in (
        lambda: tf.train.piecewise_constant(step, [1.0], [1.0]),
        lambda: tf.train.piecewise_constant(step, [1.0], [1.0, 2]),
        lambda: tf.train.exponential_decay(0.1, None, 5, 0.5),
        lambda: tf.train.cosine_decay(0.1, None, 5),
        lambda: tf.train.polynomial_decay(0.1, None, 5))]
    return results


@case(rtol=1e-6)
def names_and_types_of_decays(tf: ModuleType) -> Any:
    """The rate has the type of the first argument, and the schedule's name."""
    step = tf.train.get_or_create_global_step()
    t = tf.train
    rates = [
        t.exponential_decay(tf.constant(0.1, tf.float64), step, 3, 0.9),
        t.exponential_decay(0.1, step, 3, 0.9, name="mine"),
        t.natural_exp_decay(0.1, step, 3, 0.9), t.inverse_time_decay(0.1, step, 3, 0.9),
        t.polynomial_decay(0.1, step, 3), t.polynomial_decay(0.1, step, 3, name="p"),
    ]
    return [[r.name.rsplit("/", 1)[-1] if "/" in r.name else r.name, r.dtype.name,
             r.shape.as_list()] for r in rates[1:2] + rates[4:]] + [
        [r.dtype.name, r.shape.as_list()] for r in rates]


@case(rtol=1e-5)
def rate_follows_the_step(tf: ModuleType) -> Any:
    """An optimizer reads a scheduled rate before it counts the step."""
    step = tf.train.get_or_create_global_step()
    x = tf.Variable([1.0, -2.0], name="x")
    rate = tf.train.exponential_decay(0.2, step, 2, 0.5, staircase=True)
    train = tf.train.GradientDescentOptimizer(rate).minimize(
        tf.reduce_sum(x * x), global_step=step)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        values = []
        for _ in range(6):
            before = sess.run(rate)
            sess.run(train)
            values.append([before, *sess.run([x, step])])
        return values


@case(rtol=1e-5)
def averages_of_variables(tf: ModuleType) -> Any:
    """Shadows start as the variables, follow them, and are named after them."""
    x = tf.Variable([1.0, -2.0], name="x")
    with tf.variable_scope("scope"):
        y = tf.get_variable("y", initializer=np.float64(3.0))
    tf.Variable(5, trainable=False, name="count")
    ema = tf.train.ExponentialMovingAverage(0.9)
    future = ema.average_name(x)
    move = tf.group(tf.assign_add(x, [1.0, 2.0]), tf.assign(y, y * 2))
    with tf.control_dependencies([move]):
        update = ema.apply([x, y])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        values = [sess.run([ema.average(x), ema.average(y)])]
        for _ in range(3):
            sess.run(update)
            values.append(sess.run([ema.average(x), ema.average(y)]))
    return {
        "values": values, "future": future, "name": ema.average_name(x), "ema": ema.name,
        "averages": [ema.average(x).name, ema.average(y).name],
        "update": [update.name, update.type],
        "restore": {k: v.name for k, v in sorted(ema.variables_to_restore().items())},
        "some": {k: v.name for k, v in sorted(ema.variables_to_restore([y]).items())},
        "averaged": [v.name for v in tf.moving_average_variables()],
        "trainable": [v.name for v in tf.trainable_variables()],
        "global": [v.name for v in tf.global_variables()],
    }


@case(rtol=1e-5)
def averages_with_a_count(tf: ModuleType) -> Any:
    """num_updates makes the first averages move faster; all trainable variables by default."""
    count = tf.Variable(0, trainable=False, name="count")
    x = tf.Variable(1.0, name="x")
    ema = tf.train.ExponentialMovingAverage(0.5, num_updates=count, name="shadow")
    update = ema.apply()
    move = tf.group(tf.assign_add(count, 3), tf.assign_add(x, 1.0))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        values = []
        for _ in range(6):
            sess.run(move)
            sess.run(update)
            values.append(sess.run(ema.average(x)))
    return {"values": values, "names": [v.name for v in tf.global_variables()],
            "none": ema.average(count) is None}


@case(rtol=1e-5)
def averages_of_tensors(tf: ModuleType) -> Any:
    """The average of a tensor starts as zeros; zero_debias makes up for that."""
    x = tf.placeholder_with_default(tf.constant([1.0, 3.0]), [2], name="x")
    biased = tf.train.ExponentialMovingAverage(0.75, name="biased_ema")
    debiased = tf.train.ExponentialMovingAverage(0.75, zero_debias=True, name="debiased_ema")
    updates = [biased.apply([x]), debiased.apply([x])]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        values = []
        for k in range(4):
            sess.run(updates, {x: [1.0 + k, 3.0]})
            values.append(sess.run([biased.average(x), debiased.average(x)]))
    return {"values": values, "names": [v.name for v in tf.global_variables()],
            "error": outcome(lambda: biased.apply([tf.Variable(1)]))}
