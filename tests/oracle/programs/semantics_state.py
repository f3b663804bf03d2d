"""Variables: assignment, reading under control dependencies, initialisation, scatter updates."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from programs.plain import outcome
from programs.registry import case


def started(tf: ModuleType) -> Any:
    """A session in which every variable has its initial value."""
    sess = tf.Session()
    sess.run(tf.global_variables_initializer())
    return sess


@case()
def assignment_outputs(tf: ModuleType) -> Any:
    """assign, assign_add and assign_sub give the new value."""
    v = tf.Variable([1.0, 2.0], name="v")
    updates = [
        v.assign([5.0, 6.0]), v.assign_add([1.0, 1.0]), v.assign_sub([0.5, 0.25]),
        tf.assign(v, [0.0, 1.0]), tf.assign_add(v, [2.0, 2.0]), tf.assign_sub(v, [1.0, 1.0]),
    ]
    with started(tf) as sess:
        return [[sess.run(update), sess.run(v)] for update in updates]


@case()
def assignment_outputs_used_downstream(tf: ModuleType) -> Any:
    """What is computed from an assignment's output sees the new value."""
    v = tf.Variable(3.0, name="v")
    twice = v.assign_add(1.0) * 2.0
    with started(tf) as sess:
        return [sess.run(twice), sess.run(twice), sess.run(v)]


@case()
def nested_assignments(tf: ModuleType) -> Any:
    """The assignment of an assignment's output to another variable."""
    a = tf.Variable(1.0, name="a")
    b = tf.Variable(10.0, name="b")
    chain = tf.assign(b, tf.assign_add(a, 1.0) * 3.0)
    with started(tf) as sess:
        return [sess.run(chain), sess.run([a, b]), sess.run(chain), sess.run([a, b])]


@case()
def read_after_assign(tf: ModuleType) -> Any:
    """read_value under a control dependency on an assignment gives the new value."""
    v = tf.Variable(1.0, name="v")
    with tf.control_dependencies([v.assign(7.0)]):
        after = v.read_value()
    with started(tf) as sess:
        return [sess.run(v), sess.run(after), sess.run(v)]


@case()
def identity_copy_before_assign(tf: ModuleType) -> Any:
    """A value computed before an assignment that waits for it is the old one."""
    v = tf.Variable(1.0, name="v")
    before = v.read_value() + 0.0
    with tf.control_dependencies([before]):
        update = v.assign_add(10.0)
    with tf.control_dependencies([update]):
        after = v.read_value() + 0.0
    with started(tf) as sess:
        return [sess.run([before, after]), sess.run([before, after]), sess.run(v)]


@case()
def ordered_writes(tf: ModuleType) -> Any:
    """Writes ordered by control edges run in that order."""
    v = tf.Variable(2.0, name="v")
    with tf.control_dependencies([v.assign_add(3.0)]):
        scaled = v.assign(v.read_value() * 10.0)
    with tf.control_dependencies([scaled]):
        last = v.assign_sub(1.0)
    with started(tf) as sess:
        return [sess.run(last), sess.run(last)]


@case()
def control_dependencies_do_not_touch_old_ops(tf: ModuleType) -> Any:
    """Inside control_dependencies only new operations wait."""
    v = tf.Variable(1.0, name="v")
    old = tf.constant(5.0) * 2.0
    with tf.control_dependencies([v.assign(3.0)]):
        kept = old
        waits = tf.identity(old)
    with started(tf) as sess:
        return [sess.run(kept), sess.run(v), sess.run(waits), sess.run(v)]


@case()
def cleared_control_dependencies(tf: ModuleType) -> Any:
    """control_dependencies(None) leaves the outer ones."""
    v = tf.Variable(1.0, name="v")
    with tf.control_dependencies([v.assign_add(1.0)]):
        with tf.control_dependencies(None):
            free = tf.constant(1.0) + 1.0
        bound = tf.constant(1.0) + 1.0
    with started(tf) as sess:
        return [
            sess.run(free), sess.run(v), sess.run(bound), sess.run(v),
            [op.type for op in free.op.control_inputs],
        ]


@case()
def no_op_waits(tf: ModuleType) -> Any:
    """A no_op under control dependencies carries them out."""
    v = tf.Variable(0, name="v")
    with tf.control_dependencies([v.assign_add(2)]):
        step = tf.no_op(name="step")
    with started(tf) as sess:
        return [sess.run(step), sess.run(step), sess.run(v)]


@case()
def group_and_tuple(tf: ModuleType) -> Any:
    """group runs all; tuple gives the tensors after all of them are computed."""
    a = tf.Variable(1.0, name="a")
    b = tf.Variable(2.0, name="b")
    both = tf.group(a.assign_add(1.0), b.assign_add(1.0), name="both")
    x, none, y = tf.tuple([a.assign_add(10.0) + 0.0, None, tf.constant(4.0)])
    with started(tf) as sess:
        return [
            sess.run(both), sess.run([a, b]), sess.run(y), sess.run(a), sess.run(x), sess.run(a),
            none, both.name, both.type,
        ]


@case()
def initialized_value(tf: ModuleType) -> Any:
    """initialized_value lets one initial value depend on another."""
    a = tf.Variable([1.0, 2.0], name="a")
    b = tf.Variable(a.initialized_value() * 10.0, name="b")
    with started(tf) as sess:
        sess.run(a.assign([5.0, 5.0]))
        return [sess.run(b), sess.run(a.initialized_value()), sess.run(b.initial_value)]


@case()
def initialization_flags(tf: ModuleType) -> Any:
    """report_uninitialized_variables and is_variable_initialized, before and after."""
    a = tf.Variable(1.0, name="a")
    tf.Variable(2.0, name="b")
    local = tf.Variable(3.0, name="c", collections=[tf.GraphKeys.LOCAL_VARIABLES], trainable=False)
    report = tf.report_uninitialized_variables()
    flags = [tf.is_variable_initialized(a), tf.is_variable_initialized(local)]
    with tf.Session() as sess:
        seen = [sess.run([report, flags])]
        sess.run(a.initializer)
        seen.append(sess.run([report, flags]))
        sess.run(tf.local_variables_initializer())
        seen.append(sess.run([report, flags]))
        sess.run(tf.global_variables_initializer())
        seen.append(sess.run([report, flags]))
    return seen


@case()
def partial_initializers(tf: ModuleType) -> Any:
    """variables_initializer initialises those it is given, and resets them when run again."""
    a = tf.Variable(1.0, name="a")
    b = tf.Variable(2.0, name="b")
    only_a = tf.variables_initializer([a])
    with tf.Session() as sess:
        sess.run(only_a)
        sess.run(a.assign(9.0))
        first = sess.run(a)
        sess.run(only_a)
        return [first, sess.run(a), outcome(lambda: sess.run(b), "run"),
                only_a.name, tf.variables_initializer([]).type]


@case()
def initial_values(tf: ModuleType) -> Any:
    """A tensor, a list, an array, a callable or a number as initial value; dtypes."""
    variables = [
        tf.Variable(tf.ones([2]), name="a"),
        tf.Variable([1, 2, 3], name="b"),
        tf.Variable(np.arange(3.0), name="c"),
        tf.Variable(lambda: tf.fill([2], 7.0), name="d"),
        tf.Variable(3, dtype=tf.float32, name="e"),
        tf.Variable(True, name="f"),
    ]
    with started(tf) as sess:
        return [[sess.run(v), v.dtype.base_dtype.name, v.get_shape().as_list(), v.name]
                for v in variables]


@case()
def load(tf: ModuleType) -> Any:
    """load puts an array into a variable without adding operations."""
    v = tf.Variable([1.0, 2.0], name="v")
    with started(tf) as sess:
        count = len(v.graph.get_operations())
        v.load(np.array([8.0, 9.0], "float32"), sess)
        return [sess.run(v), len(v.graph.get_operations()) == count,
                outcome(lambda: v.load(np.zeros(3, "float32"), sess), "run")]


@case()
def eval_in_default_session(tf: ModuleType) -> Any:
    """Variable.eval, Tensor.eval and Operation.run use the default session."""
    v = tf.Variable([1.0, 2.0], name="v")
    p = tf.placeholder(tf.float32, [])
    with tf.Session():
        v.initializer.run()
        v.assign_add([1.0, 1.0]).eval()
        return [v.eval(), (v * p).eval({p: 3.0}), v.assign([0.0, 0.0]).op.run(), v.eval()]


@case()
def sessions_hold_values_apart(tf: ModuleType) -> Any:
    """Two sessions on one graph do not share values."""
    v = tf.Variable(1.0, name="v")
    one, two = started(tf), started(tf)
    one.run(v.assign(5.0))
    values = [one.run(v), two.run(v)]
    one.close()
    two.close()
    return values


@case()
def assign_without_shape_check(tf: ModuleType) -> Any:
    """validate_shape=False lets an assignment change the shape."""
    v = tf.Variable([1.0, 2.0], validate_shape=False, name="v")
    update = tf.assign(v, tf.ones([2, 2]), validate_shape=False)
    with started(tf) as sess:
        shape = v.get_shape()
        return [sess.run(v), sess.run(update), sess.run(v), shape.ndims]


@case()
def fed_variable(tf: ModuleType) -> Any:
    """A variable that is fed reads as the fed value and keeps its own."""
    v = tf.Variable(1.0, name="v")
    doubled = v * 2.0
    with started(tf) as sess:
        return [sess.run(doubled, {v: 10.0}), sess.run(v)]


@case()
def variable_arithmetic(tf: ModuleType) -> Any:
    """Operators on variables, comparisons, slicing; the dtype of a variable in an expression."""
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0]], name="v")
    exprs = [v + 1.0, 2.0 - v, v / 2.0, -v, v ** 2.0, v @ v, v > 2.0, v[0], v[:, 1], abs(v)]
    with started(tf) as sess:
        return sess.run(exprs)


@case()
def count_of_reads_in_one_run(tf: ModuleType) -> Any:
    """All fetches of one run without writes see one value; dict fetch of variables."""
    v = tf.Variable(4, name="v")
    with started(tf) as sess:
        return sess.run({"v": v, "twice": v + v, "square": v * v})


def _scatter(tf: ModuleType, method: str, updates: Any) -> Any:
    v = tf.Variable(np.arange(8.0, dtype="float32").reshape(4, 2) + 1, name="v")
    op = getattr(tf, method)(v, [1, 3, 1], updates)
    with started(tf) as sess:
        return [sess.run(op), sess.run(v)]


@case()
def scatter_with_repeated_indices(tf: ModuleType) -> Any:
    """Repeated indices accumulate in scatter_add, sub, mul, div, min and max."""
    updates = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    methods = ["scatter_add", "scatter_sub", "scatter_mul", "scatter_div", "scatter_min",
               "scatter_max"]
    return {method: _scatter(tf, method, updates) for method in methods}


@case()
def scatter_update_distinct(tf: ModuleType) -> Any:
    """scatter_update with distinct indices, and with equal updates for a repeated one."""
    v = tf.Variable(np.zeros((4, 2), "float32"), name="v")
    ops = [
        tf.scatter_update(v, [2, 0], [[1.0, 2.0], [3.0, 4.0]]),
        tf.scatter_update(v, [3, 3], [[7.0, 8.0], [7.0, 8.0]]),
        tf.scatter_update(v, 1, [5.0, 5.0]),
        tf.scatter_update(v, [[0], [1]], [[[1.0, 1.0]], [[2.0, 2.0]]]),
        v.scatter_update(tf.IndexedSlices(tf.constant([[9.0, 9.0]]), tf.constant([2]))),
        v.scatter_sub(tf.IndexedSlices(tf.constant([[1.0, 2.0]] * 2), tf.constant([2, 2]))),
    ]
    with started(tf) as sess:
        return [sess.run(op) for op in ops]


@case()
def scatter_scalar_updates(tf: ModuleType) -> Any:
    """A scalar update applies to every indexed row."""
    v = tf.Variable(np.ones((3, 2), "float32"), name="v")
    op = tf.scatter_add(v, [0, 2, 2], 10.0)
    with started(tf) as sess:
        return sess.run(op)


@case()
def scatter_out_of_range(tf: ModuleType) -> Any:
    """An index outside the rows is an InvalidArgumentError and changes nothing."""
    v = tf.Variable(np.ones((3, 2), "float32"), name="v")
    op = tf.scatter_add(v, [3], [[1.0, 1.0]])
    negative = tf.scatter_update(v, [-1], [[1.0, 1.0]])
    with started(tf) as sess:
        return [outcome(lambda: sess.run(op), "run"), outcome(lambda: sess.run(negative), "run"),
                sess.run(v)]


@case()
def scatter_nd_updates(tf: ModuleType) -> Any:
    """scatter_nd_add and scatter_nd_update address points and rows."""
    v = tf.Variable(np.arange(6.0, dtype="float32").reshape(2, 3), name="v")
    ops = [tf.scatter_nd_add(v, [[0, 0], [1, 2], [0, 0]], [10.0, 20.0, 30.0]),
           tf.scatter_nd_update(v, [[1]], [[7.0, 8.0, 9.0]]),
           tf.scatter_nd_sub(v, [[1, 1]], [1.0])]
    with started(tf) as sess:
        return [sess.run(op) for op in ops]


@case()
def collections_of_variables(tf: ModuleType) -> Any:
    """Which collections a variable joins."""
    tf.Variable(1.0, name="a")
    tf.Variable(2.0, name="b", trainable=False)
    tf.get_variable("c", [2], collections=[tf.GraphKeys.LOCAL_VARIABLES])
    tf.get_local_variable("d", [2])
    tf.get_variable("e", [2], trainable=False)
    return {
        "global": [v.name for v in tf.global_variables()],
        "local": [v.name for v in tf.local_variables()],
        "trainable": [v.name for v in tf.trainable_variables()],
        "scoped": [v.name for v in tf.global_variables("a")],
    }


@case()
def initializers_are_deterministic_values(tf: ModuleType) -> Any:
    """zeros, ones, constant initialisers and the defaults of get_variable for integers."""
    variables = [
        tf.get_variable("zeros", [2], initializer=tf.zeros_initializer()),
        tf.get_variable("ones", [2, 1], initializer=tf.ones_initializer()),
        tf.get_variable("number", [2], initializer=tf.constant_initializer(3.5)),
        tf.get_variable("list", [2, 2], initializer=tf.constant_initializer([1, 2, 3, 4])),
        tf.get_variable("integers", [2], dtype=tf.int32),
        tf.get_variable("flags", [2], dtype=tf.bool),
        tf.get_variable("doubles", [2], tf.float64, tf.constant_initializer(0.1)),
        tf.get_variable("given", initializer=tf.constant([1, 2])),
    ]
    with started(tf) as sess:
        return [[v.name, sess.run(v)] for v in variables]
