"""cond and while_loop: values, side effects, variables read and written inside."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from programs.plain import outcome
from programs.registry import case, shape_of
from programs.semantics_state import started


@case()
def cond_values(tf: ModuleType) -> Any:
    """Only the branch taken is computed; outputs keep their structure."""
    p = tf.placeholder(tf.bool, [])
    x = tf.placeholder(tf.float32, [None])
    scalar = tf.cond(p, lambda: tf.constant(1.0), lambda: tf.constant(2.0))
    pair = tf.cond(p, lambda: (x + 1.0, x * 2.0), lambda: (x - 1.0, x / 2.0))
    single = tf.cond(p, lambda: [x], lambda: [x * 3.0])
    kept_list = tf.cond(p, lambda: [x], lambda: [x * 3.0], strict=True)
    mapping = tf.cond(p, lambda: {"a": x, "b": x + 1.0}, lambda: {"a": -x, "b": x})
    with tf.Session() as sess:
        return [
            [sess.run([scalar, list(pair), single, kept_list, mapping],
                      {p: flag, x: [4.0, 6.0]}) for flag in (True, False)],
            [isinstance(pair, (list, tuple)), isinstance(single, (list, tuple)),
             isinstance(kept_list, list), shape_of(scalar)],
        ]


@case()
def cond_runs_one_side_effect(tf: ModuleType) -> Any:
    """An assignment built inside a branch happens only when that branch is taken."""
    v = tf.Variable(0.0, name="v")
    p = tf.placeholder(tf.bool, [])
    out = tf.cond(p, lambda: tf.assign_add(v, 1.0), lambda: tf.assign_sub(v, 10.0))
    with started(tf) as sess:
        return [[sess.run(out, {p: flag}), sess.run(v)] for flag in (True, False, True)]


@case()
def cond_outer_side_effect_always_runs(tf: ModuleType) -> Any:
    """An assignment built outside the branches happens whichever branch is taken."""
    v = tf.Variable(0.0, name="v")
    p = tf.placeholder(tf.bool, [])
    update = tf.assign_add(v, 1.0)
    out = tf.cond(p, lambda: tf.identity(update), lambda: tf.constant(-1.0))
    with started(tf) as sess:
        return [[sess.run(out, {p: flag}), sess.run(v)] for flag in (True, False)]


@case()
def cond_of_operations(tf: ModuleType) -> Any:
    """Branches may return operations; the result is something to run."""
    v = tf.Variable(0, name="v")
    p = tf.placeholder(tf.bool, [])
    step = tf.cond(p, lambda: tf.group(v.assign_add(5)), lambda: tf.no_op())
    with started(tf) as sess:
        sess.run(step, {p: True})
        first = sess.run(v)
        sess.run(step, {p: False})
        return [first, sess.run(v)]


@case()
def variable_read_in_cond(tf: ModuleType) -> Any:
    """A branch reads a variable, after an assignment that the cond depends on."""
    v = tf.Variable(2.0, name="v")
    p = tf.placeholder(tf.bool, [])
    with tf.control_dependencies([v.assign_add(1.0)]):
        out = tf.cond(p, lambda: v.read_value() * 10.0, lambda: v.read_value() * 100.0)
    with started(tf) as sess:
        return [sess.run(out, {p: flag}) for flag in (True, False)]


@case()
def nested_cond(tf: ModuleType) -> Any:
    """A cond inside a branch of a cond."""
    x = tf.placeholder(tf.int32, [])
    out = tf.cond(
        x > 0,
        lambda: tf.cond(x > 10, lambda: x * 100, lambda: x * 10),
        lambda: tf.cond(x < -10, lambda: x - 100, lambda: x - 10))
    with tf.Session() as sess:
        return [sess.run(out, {x: value}) for value in (20, 5, -5, -20)]


@case()
def cond_errors(tf: ModuleType) -> Any:
    """Branches of different structure or dtype, and a predicate that is no scalar."""
    p = tf.placeholder(tf.bool, [])
    return [
        outcome(lambda: tf.cond(p, lambda: (p, p), lambda: (p,))),
        outcome(lambda: tf.cond(p, lambda: tf.constant(1.0), lambda: tf.constant(1))),
        outcome(lambda: tf.cond(p, tf.constant(1.0), lambda: tf.constant(1.0))),
    ]


@case()
def while_values(tf: ModuleType) -> Any:
    """Counted loops, several loop variables, zero iterations, a fed limit."""
    limit = tf.placeholder(tf.int32, [])
    i, total = tf.while_loop(
        lambda i, total: i < limit, lambda i, total: (i + 1, total + i), [0, 0])
    powers = tf.while_loop(lambda x: x < 1000.0, lambda x: x * 2.0, [1.5])
    with tf.Session() as sess:
        return [sess.run([i, total, powers], {limit: n}) for n in (0, 1, 5)]


@case()
def while_structures(tf: ModuleType) -> Any:
    """Nested loop variables come back in the same nest."""
    out = tf.while_loop(
        lambda i, pair: i < 3,
        lambda i, pair: (i + 1, (pair[0] + pair[1], pair[0])),
        [tf.constant(0), (tf.constant(1), tf.constant(1))])
    with tf.Session() as sess:
        return sess.run(out)


@case()
def while_shape_invariants(tf: ModuleType) -> Any:
    """A loop variable may grow where shape_invariants say so, else it is a ValueError."""
    def grow(i: Any, x: Any) -> tuple[Any, Any]:
        return i + 1, tf.concat([x, x], 0)

    start = [tf.constant(0), tf.ones([1, 2])]
    i, x = tf.while_loop(
        lambda i, x: i < 3, grow, start,
        shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, 2])])
    refused = outcome(lambda: tf.while_loop(lambda i, x: i < 3, grow, start))
    with tf.Session() as sess:
        return [sess.run(tf.shape(x)), shape_of(x), refused]


@case()
def while_maximum_iterations(tf: ModuleType) -> Any:
    """maximum_iterations stops an endless loop."""
    out = tf.while_loop(lambda i: True, lambda i: i + 1, [0], maximum_iterations=7)
    with tf.Session() as sess:
        return sess.run(out)


@case()
def while_reads_a_variable(tf: ModuleType) -> Any:
    """The body reads a variable from outside."""
    v = tf.Variable([1.0, 2.0], name="v")
    _, x = tf.while_loop(
        lambda i, x: i < 3, lambda i, x: (i + 1, x * v), [tf.constant(0), tf.ones([2])])
    with started(tf) as sess:
        return sess.run(x)


@case()
def while_writes_a_variable(tf: ModuleType) -> Any:
    """An assignment in the body happens at every iteration."""
    v = tf.Variable(0.0, name="v")

    def body(i: Any) -> Any:
        with tf.control_dependencies([tf.assign_add(v, 2.0)]):
            return i + 1

    out = tf.while_loop(lambda i: i < 4, body, [tf.constant(0)])
    with started(tf) as sess:
        return [sess.run(out), sess.run(v), sess.run(out), sess.run(v)]


@case()
def while_in_cond_in_while(tf: ModuleType) -> Any:
    """Collatz steps for several starts: a loop over a fed vector with a cond in the body."""
    n = tf.placeholder(tf.int64, [])

    def step(x: Any, count: Any) -> tuple[Any, Any]:
        halved = tf.equal(x % 2, 0)
        return tf.cond(halved, lambda: x // 2, lambda: 3 * x + 1), count + 1

    _, count = tf.while_loop(lambda x, count: x > 1, step, [n, tf.constant(0)])
    with tf.Session() as sess:
        return [sess.run(count, {n: value}) for value in (1, 6, 7, 27)]


@case()
def while_with_captured_matrix(tf: ModuleType) -> Any:
    """Power iteration: the captured tensor is the same at each iteration."""
    matrix = tf.constant([[2.0, 1.0], [1.0, 3.0]])

    def body(i: Any, x: Any) -> tuple[Any, Any]:
        y = tf.matmul(matrix, x)
        return i + 1, y / tf.reduce_max(y)

    _, x = tf.while_loop(lambda i, x: i < 20, body, [tf.constant(0), tf.ones([2, 1])])
    with tf.Session() as sess:
        return sess.run(x)


@case()
def print_and_assert(tf: ModuleType) -> Any:
    """Assert raises InvalidArgumentError; what depends on it does not run."""
    x = tf.placeholder(tf.float32, [])
    with tf.control_dependencies([tf.Assert(x > 0, [x], name="positive")]):
        y = x * 2.0
    with tf.control_dependencies([tf.assert_equal(x, 3.0, message="must be 3")]):
        z = tf.identity(x)
    checked = tf.check_numerics(tf.log(x), "log")
    statically_false = outcome(lambda: tf.assert_less(tf.constant(2), tf.constant(1)))
    with tf.Session() as sess:
        return [
            sess.run(y, {x: 1.0}), outcome(lambda: sess.run(y, {x: -1.0}), "run"),
            sess.run(z, {x: 3.0}), outcome(lambda: sess.run(z, {x: 4.0}), "run"),
            sess.run(checked, {x: 1.0}), outcome(lambda: sess.run(checked, {x: 0.0}), "run"),
            statically_false,
        ]


@case()
def py_func(tf: ModuleType) -> Any:
    """A Python function as an operation; one with no output; a wrong dtype."""
    seen: list[float] = []
    x = tf.placeholder(tf.float32, [None])
    doubled = tf.py_func(lambda a: a * 2, [x], tf.float32)
    two = tf.py_func(lambda a: (a.sum(), np.int64(a.size)), [x], [tf.float32, tf.int64])
    silent = tf.py_func(lambda a: seen.append(float(a[0])), [x], [])
    with tf.Session() as sess:
        feed = {x: [1.0, 2.0]}
        sess.run(silent, feed)
        return [sess.run(doubled, feed), sess.run(two, feed), seen, shape_of(doubled)]
