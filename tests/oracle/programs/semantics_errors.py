"""Which error class each mistake raises: as a user would write after `except`."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from programs.plain import outcome
from programs.registry import case


@case()
def uninitialized_variable(tf: ModuleType) -> Any:
    """Reading and updating a variable that has no value yet."""
    v = tf.Variable(1.0, name="v")
    fetches = [v, v + 1.0, v.assign_add(1.0), tf.scatter_add(tf.Variable([1.0]), [0], [1.0])]
    with tf.Session() as sess:
        return [outcome(lambda f=fetch: sess.run(f), "run") for fetch in fetches]


@case()
def unfed_placeholder(tf: ModuleType) -> Any:
    """A fetch that needs a placeholder which is not fed."""
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    with tf.Session() as sess:
        return [outcome(lambda: sess.run(x), "run"), outcome(lambda: sess.run(x * 2.0), "run")]


@case()
def closed_session(tf: ModuleType) -> Any:
    """run after close."""
    x = tf.constant(1.0)
    sess = tf.Session()
    sess.run(x)
    sess.close()
    return outcome(lambda: sess.run(x), "run")


@case()
def no_default_session(tf: ModuleType) -> Any:
    """eval and run outside a session."""
    x = tf.constant(1.0)
    return [outcome(lambda: x.eval(), "run"), outcome(lambda: x.op.run(), "run")]


@case()
def tensor_of_another_graph(tf: ModuleType) -> Any:
    """As a fetch, as a feed key, as an input, as a control input."""
    here = tf.constant(1.0)
    with tf.Graph().as_default():
        there = tf.constant(2.0)
        hole = tf.placeholder(tf.float32, [])

    def controlled() -> None:
        with tf.control_dependencies([there]):
            tf.no_op()

    with tf.Session() as sess:
        return [
            outcome(lambda: sess.run(there), "run"),
            outcome(lambda: sess.run(here, {hole: 1.0}), "run"),
            outcome(lambda: here + there),
            outcome(controlled),
        ]


@case()
def finalized_graph(tf: ModuleType) -> Any:
    """Adding an operation after finalize; running what was there."""
    x = tf.constant(1.0)
    tf.get_default_graph().finalize()
    with tf.Session() as sess:
        return [outcome(lambda: x + 1.0), sess.run(x)]


@case()
def get_variable_sharing(tf: ModuleType) -> Any:
    """Duplicate without reuse, reuse of what is missing, reuse with another shape or dtype."""
    tf.get_variable("w", [2])

    def reuse(name: str, *args: Any) -> None:
        with tf.variable_scope("", reuse=True):
            tf.get_variable(name, *args)

    return [
        outcome(lambda: tf.get_variable("w", [2])), outcome(lambda: reuse("missing", [2])),
        outcome(lambda: reuse("w", [3])), outcome(lambda: reuse("w", [2], tf.int32)),
        outcome(lambda: reuse("w", [2])), outcome(lambda: tf.get_variable("unshaped")),
        outcome(lambda: tf.get_variable("twice", [2], initializer=tf.constant([1.0, 2.0]))),
        outcome(lambda: tf.get_variable("partial", [2, None])),
    ]


def _builds(thunks: dict[str, Callable[[], Any]]) -> dict[str, Any]:
    """True for what builds, the error for what does not."""
    return {label: outcome(lambda t=thunk: (t(), True)[1]) for label, thunk in thunks.items()}


@case()
def shape_mistakes(tf: ModuleType) -> Any:
    """Static shapes that cannot work."""
    a = tf.ones([2, 3])
    b = tf.ones([4, 5])
    images = tf.ones([1, 8, 8, 3])
    return _builds({
        "matmul_inner": lambda: tf.matmul(a, b),
        "matmul_rank": lambda: tf.matmul(a, tf.ones([3])),
        "add": lambda: a + b,
        "add_rank": lambda: a + tf.ones([2]),
        "concat": lambda: tf.concat([a, b], 0),
        "concat_axis": lambda: tf.concat([a, a], 2),
        "reshape": lambda: tf.reshape(a, [4, 2]),
        "reshape_two_unknown": lambda: tf.reshape(a, [-1, -1]),
        "reshape_indivisible": lambda: tf.reshape(a, [4, -1]),
        "transpose": lambda: tf.transpose(a, [0, 1, 2]),
        "stack": lambda: tf.stack([a, b]),
        "split": lambda: tf.split(a, 2, axis=1),
        "squeeze": lambda: tf.squeeze(a, [0]),
        "expand_dims": lambda: tf.expand_dims(a, 3),
        "reduce_axis": lambda: tf.reduce_sum(a, axis=2),
        "index": lambda: a[2],
        "too_many_indices": lambda: a[0, 0, 0],
        "conv_channels": lambda: tf.nn.conv2d(images, tf.ones([3, 3, 4, 8]), 1, "SAME"),
        "conv_rank": lambda: tf.nn.conv2d(a, tf.ones([3, 3, 4, 8]), 1, "SAME"),
        "conv_too_small": lambda: tf.nn.conv2d(images, tf.ones([9, 9, 3, 1]), 1, "VALID"),
        "bias_add": lambda: tf.nn.bias_add(a, tf.ones([2])),
        "cross_entropy": lambda: tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.zeros([3], tf.int32), logits=a),
        "assign": lambda: tf.assign(tf.Variable([1.0, 2.0]), [1.0, 2.0, 3.0]),
        "set_shape": lambda: a.set_shape([3, 3]),
        "set_shape_rank": lambda: a.set_shape([2]),
        "where": lambda: tf.where(a > 0, a, b),
        "unstack_unknown": lambda: tf.unstack(tf.placeholder(tf.float32, [None])),
        "pad": lambda: tf.pad(a, [[1, 1]]),
        "tile": lambda: tf.tile(a, [2]),
        "range_zero_delta": lambda: tf.range(0, 5, 0),
    })


@case()
def dtype_mistakes(tf: ModuleType) -> Any:
    """No silent promotion between tensors; Python numbers take the tensor's type."""
    integer = tf.constant([1, 2])
    single = tf.constant([1.0, 2.0])
    double = tf.constant([1.0, 2.0], tf.float64)
    flag = tf.constant([True, False])
    return _builds({
        "int_plus_fraction": lambda: integer + 1.5,
        "int_plus_whole_float": lambda: integer + 2.0,
        "fraction_plus_int": lambda: 1.5 + integer,
        "int_plus_float_tensor": lambda: integer + single,
        "float_plus_int_tensor": lambda: single + integer,
        "float_plus_double": lambda: single + double,
        "float_plus_int_number": lambda: single + 1,
        "float_plus_double_array": lambda: single + np.array([1.0, 2.0]),
        "int32_plus_int64_array": lambda: integer + np.array([1, 2], "int64"),
        "int_plus_double_array": lambda: integer + np.array([1.5, 2.0]),
        "float_plus_bool": lambda: single + True,
        "add_bools": lambda: flag + flag,
        "and_of_ints": lambda: tf.logical_and(integer, integer),
        "matmul": lambda: tf.matmul(tf.ones([2, 2]), tf.ones([2, 2], tf.int32)),
        "sqrt_of_int": lambda: tf.sqrt(integer),
        "exp_of_int": lambda: tf.exp(integer),
        "softmax_of_int": lambda: tf.nn.softmax(integer),
        "mean_of_int": lambda: tf.reduce_mean(integer),
        "any_of_int": lambda: tf.reduce_any(integer),
        "gather_float_index": lambda: tf.gather(single, single),
        "labels_float": lambda: tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=single, logits=tf.ones([2, 3])),
        "constant_float_as_int": lambda: tf.constant(1.5, tf.int32),
        "constant_string_as_float": lambda: tf.constant("a", tf.float32),
        "constant_none": lambda: tf.constant(None),
        "constant_ragged": lambda: tf.constant([[1], [1, 2]]),
        "constant_overflow": lambda: tf.constant(300, tf.uint8),
        "constant_object": lambda: tf.constant(object()),
        "convert_other_dtype": lambda: tf.convert_to_tensor(single, tf.int32),
        "assign_dtype": lambda: tf.assign(tf.Variable([1.0]), tf.constant([1])),
        "bool_of_tensor": lambda: bool(single),
        "if_tensor": lambda: 1 if single > 0 else 2,
        "iterate_scalar": lambda: list(tf.constant(1.0)),
        "len_of_tensor": lambda: len(single),
        "float_of_tensor": lambda: float(tf.constant(1.0)),
        "numpy_of_tensor": lambda: np.array(single),
        "unknown_dtype": lambda: tf.placeholder("float33"),
        "index_by_float": lambda: single[0.5],
        "index_by_string": lambda: single["a"],
        "set_item": lambda: single.__setitem__(0, 1.0),
        "assign_to_tensor": lambda: tf.assign(single, [1.0, 1.0]),
    })


@case()
def attribute_mistakes(tf: ModuleType) -> Any:
    """Attributes out of their sets."""
    x = tf.ones([1, 4, 4, 1])
    f = tf.ones([2, 2, 1, 1])
    return _builds({
        "padding": lambda: tf.nn.conv2d(x, f, 1, "SOME"),
        "strides_batch": lambda: tf.nn.conv2d(x, f, [2, 1, 1, 1], "SAME"),
        "strides_length": lambda: tf.nn.conv2d(x, f, [1, 1, 1, 1, 1], "SAME"),
        "strides_zero": lambda: tf.nn.conv2d(x, f, [1, 0, 1, 1], "SAME"),
        "data_format": lambda: tf.nn.conv2d(x, f, 1, "SAME", data_format="NWHC"),
        "pool_padding": lambda: tf.nn.max_pool(x, 2, 2, "SOME"),
        "keep_prob": lambda: tf.nn.dropout(x, keep_prob=1.5),
        "rate": lambda: tf.nn.dropout(x, rate=-0.1),
        "pad_mode": lambda: tf.pad(x, [[0, 0]] * 4, mode="WRAP"),
        "name": lambda: tf.constant(1.0, name="two words"),
        "name_scope": lambda: tf.name_scope("a b").__enter__(),
        "axis_twice": lambda: tf.reduce_sum(x, axis=1, keepdims=True, keep_dims=True),
        "cross_entropy_positional": lambda: tf.nn.sparse_softmax_cross_entropy_with_logits(
            tf.zeros([1], tf.int32), tf.zeros([1, 2])),
    })


@case()
def graph_lookups(tf: ModuleType) -> Any:
    """get_tensor_by_name and get_operation_by_name with what does not exist."""
    tf.constant(1.0, name="c")
    graph = tf.get_default_graph()
    return _builds({
        "tensor": lambda: graph.get_tensor_by_name("c:0"),
        "tensor_without_colon": lambda: graph.get_tensor_by_name("c"),
        "tensor_missing": lambda: graph.get_tensor_by_name("d:0"),
        "tensor_output": lambda: graph.get_tensor_by_name("c:1"),
        "tensor_type": lambda: graph.get_tensor_by_name(3),
        "operation": lambda: graph.get_operation_by_name("c"),
        "operation_with_colon": lambda: graph.get_operation_by_name("c:0"),
        "operation_missing": lambda: graph.get_operation_by_name("d"),
        "element": lambda: graph.as_graph_element(3),
    })


@case()
def fetch_mistakes(tf: ModuleType) -> Any:
    """What cannot be fetched."""
    x = tf.constant(1.0, name="x")
    with tf.Session() as sess:
        return _builds({
            "number": lambda: sess.run(1.0), "none": lambda: sess.run(None),
            "missing_name": lambda: sess.run("y:0"), "missing_operation": lambda: sess.run("y"),
            "nested_number": lambda: sess.run([x, 2]), "empty": lambda: sess.run([]),
            "none_in_list": lambda: sess.run([x, None]), "array": lambda: sess.run(np.ones(2)),
        })


@case()
def feed_mistakes(tf: ModuleType) -> Any:
    """What cannot be fed."""
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    n = tf.placeholder(tf.int32, [], name="n")
    y, m = x * 1.0, n * 1
    with tf.Session() as sess:
        return _builds({
            "wrong_size": lambda: sess.run(y, {x: np.ones((2, 3))}),
            "wrong_rank": lambda: sess.run(y, {x: np.ones(2)}),
            "scalar": lambda: sess.run(y, {x: 1.0}),
            "list_of_lists": lambda: sess.run(y, {x: [[1, 2], [3, 4]]}),
            "by_name": lambda: sess.run(y, {"x:0": np.ones((1, 2))}),
            "by_operation_name": lambda: sess.run(y, {"x": np.ones((1, 2))}),
            "missing_name": lambda: sess.run(y, {"z:0": 1.0}),
            "tensor_as_value": lambda: sess.run(y, {x: tf.ones([1, 2])}),
            "string": lambda: sess.run(y, {x: [["a", "b"]]}),
            "ragged": lambda: sess.run(y, {x: [[1.0, 2.0], [3.0]]}),
            "none": lambda: sess.run(y, {x: None}),
            "fraction_to_int": lambda: sess.run(m, {n: 1.5}),
            "whole_float_to_int": lambda: sess.run(m, {n: 2.0}),
            "float_array_to_int": lambda: sess.run(m, {n: np.array(2.5)}),
            "big_int_to_int32": lambda: sess.run(m, {n: 2**40}),
            "complex": lambda: sess.run(y, {x: np.ones((1, 2), complex)}),
            "not_a_tensor": lambda: sess.run(y, {3: 1.0}),
            "not_a_dict": lambda: sess.run(y, [x]),
            "operation": lambda: sess.run(y, {y.op: 1.0}),
        })


@case()
def run_time_mistakes(tf: ModuleType) -> Any:
    """Sizes and values that are wrong only when the graph runs."""
    a = tf.placeholder(tf.float32)
    b = tf.placeholder(tf.float32)
    i = tf.placeholder(tf.int32)
    fetches = {
        "matmul": (tf.matmul(a, b), {a: np.ones((2, 3)), b: np.ones((2, 3))}),
        "add": (a + b, {a: np.ones(2), b: np.ones(3)}),
        "reshape": (tf.reshape(a, i), {a: np.ones(5), i: [2, 2]}),
        "gather": (tf.gather(a, i), {a: np.ones(3), i: [3]}),
        "gather_negative": (tf.gather(a, i), {a: np.ones(3), i: [-1]}),
        "concat": (tf.concat([a, b], 0), {a: np.ones((1, 2)), b: np.ones((1, 3))}),
        "integer_division": (tf.constant([6]) // i, {i: [0]}),
        "integer_modulo": (tf.constant([6]) % i, {i: [0]}),
        "slice": (tf.slice(a, i, [2]), {a: np.ones(3), i: [2]}),
        "labels_out_of_range": (
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=i, logits=a),
            {a: np.ones((1, 3)), i: [3]}),
        "fill_negative": (tf.fill(i, 1.0), {i: [-1]}),
        "range_wrong_way": (tf.range(0, i, -1), {i: 5}),
        "index": (a[i], {a: np.ones(3), i: 3}),
    }
    with tf.Session() as sess:
        return {label: outcome(lambda f=fetch, d=feed: (sess.run(f, d), True)[1], "run")
                for label, (fetch, feed) in fetches.items()}
