"""Running sums, reversal, partitions, grids, norms, top_k, choice among functions; conversions."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from programs.plain import outcome
from programs.registry import case, evaluated, shape_of, wave


def _with_gradients(
    tf: ModuleType, x: Any, functions: dict[str, Callable[[], Any]]
) -> dict[str, Any]:
    """Each function's value, and the gradient of its weighted sum in `x`."""
    def both(function: Callable[[], Any]) -> list[Any]:
        y = function()
        weights = tf.cast(tf.reshape(tf.range(tf.size(y)), tf.shape(y)) + 1, y.dtype)
        return [y, *tf.gradients(tf.reduce_sum(weights * y), x)]

    return evaluated(tf, {k: lambda f=f: both(f) for k, f in functions.items()})


@case()
def cumulative(tf: ModuleType) -> Any:
    """cumsum and cumprod: axes, exclusive, reverse, gradients away from zeros, dtypes."""
    x = tf.constant(wave(3, 4, phase=0.3))
    n = tf.constant([[100, 100, 100], [1, 2, 3]], tf.int8)
    found = _with_gradients(tf, x, {
        f"{name} {axis} {exclusive} {reverse}": lambda f=f, a=axis, e=exclusive, r=reverse: f(
            x, a, e, r)
        for name, f in (("sum", tf.cumsum), ("prod", tf.cumprod)) for axis in (0, 1, -1)
        for exclusive in (False, True) for reverse in (False, True)})
    return found | evaluated(tf, {
        "int8": lambda: tf.cumsum(n, 1), "int8 prod": lambda: tf.cumprod(n, axis=1),
        "empty": lambda: tf.cumsum(tf.zeros([0, 2])), "default": lambda: tf.math.cumsum(x),
        "names": lambda: [tf.constant(t.op.name) for t in (tf.cumsum(x), tf.cumprod(x))],
        "axis": lambda: tf.cumsum(x, 2)})


@case()
def cumulative_logsumexp(tf: ModuleType) -> Any:
    """cumulative_logsumexp: axes, exclusive, reverse, gradients, large and infinite elements."""
    x = tf.constant(wave(3, 4, phase=0.3))
    f = tf.math.cumulative_logsumexp
    found = _with_gradients(tf, x, {
        f"{axis} {exclusive} {reverse}": lambda a=axis, e=exclusive, r=reverse: f(x, a, e, r)
        for axis in (0, 1, -1) for exclusive in (False, True) for reverse in (False, True)})
    return found | evaluated(tf, {
        "half": lambda: f(tf.cast(x, tf.float16), 1), "empty": lambda: f(tf.zeros([0, 2])),
        "large": lambda: f([700.0, 800.0, -900.0, 800.0]),
        "infinite": lambda: f([-np.inf, -np.inf, 1.0, 2.0]),
        "name": lambda: tf.constant(f(x).op.name),
        "axis": lambda: f(x, 2), "integers": lambda: f([1, 2])})


@case()
def reversal(tf: ModuleType) -> Any:
    """reverse along one or several axes."""
    x = tf.constant(wave(2, 3, 2))
    found = _with_gradients(tf, x, {
        str(axis): lambda a=axis: tf.reverse(x, a) for axis in ([0], [-1], [0, 2], [])})
    return found | evaluated(tf, {
        "twice": lambda: tf.reverse(x, [0, 0]), "outside": lambda: tf.reverse(x, [3]),
        "strings": lambda: tf.reverse(["a", "b"], [0]), "shape": lambda: tf.reverse(
            tf.shape(x), [0]), "v2": lambda: tf.reverse_v2(x, [1])})


@case()
def partitions(tf: ModuleType) -> Any:
    """dynamic_partition, dynamic_stitch, and there and back."""
    x = tf.constant(wave(4, 2))
    places = tf.constant([1, 0, 2, 1])
    square = tf.constant([[0, 1], [1, 0], [0, 0], [1, 1]])
    parts = tf.dynamic_partition(x, places, 3)
    origins = tf.dynamic_partition(tf.range(4), places, 3)
    weighted = sum(tf.reduce_sum(p * (i + 1.0)) for i, p in enumerate(parts))
    a, b = tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.constant([[5.0, 6.0]])
    stitched = tf.dynamic_stitch([[2, 0], [1]], [a, b])
    later = tf.dynamic_stitch([[0, 1], [1]], [a, b])
    return evaluated(tf, {
        "parts": lambda: parts, "scalars": lambda: tf.dynamic_partition(x, square, 2),
        "back": lambda: tf.dynamic_stitch(origins, parts),
        "gradient": lambda: tf.gradients(weighted, x), "stitched": lambda: stitched,
        "stitched_gradient": lambda: tf.gradients(tf.reduce_sum(stitched * wave(3, 2)), [a, b]),
        "later": lambda: later, "of_scalars": lambda: tf.dynamic_stitch(
            [0, [2, 1]], [1.5, [2.5, 3.5]]),
        "matrix_of_indices": lambda: tf.dynamic_stitch([[[3, 0], [1, 2]]], [tf.ones([2, 2, 1])]),
        "out_of_range": lambda: tf.dynamic_partition(x, places + 1, 3),
        "lengths": lambda: tf.dynamic_stitch([[0, 1]], [b])}) | {
        "static": [shape_of(p) for p in tf.dynamic_partition(
            x, tf.placeholder(tf.int32, [4]), 2)]}


@case()
def grids(tf: ModuleType) -> Any:
    """eye and meshgrid."""
    n = tf.constant(3)
    found = evaluated(tf, {
        "eye": lambda: tf.eye(3), "eye_columns": lambda: tf.eye(2, 3), "eye_rows": lambda: tf.eye(
            3, 2, dtype=tf.int32), "eye_batch": lambda: tf.eye(2, batch_shape=[2, 1]),
        "eye_tensor": lambda: tf.eye(n), "eye_empty": lambda: tf.eye(0),
        "linalg": lambda: tf.linalg.eye(2, dtype=tf.float64),
        "xy": lambda: tf.meshgrid([1, 2, 3], [4, 5]),
        "ij": lambda: tf.meshgrid([1, 2, 3], [4, 5], indexing="ij"),
        "three": lambda: tf.meshgrid([1.0, 2.0], [3.0], [4.0, 5.0]),
        "one": lambda: tf.meshgrid([1, 2]), "scalar": lambda: tf.meshgrid(1, [2, 3])})
    return found | {
        "eye_static": [shape_of(tf.eye(2, 3, [4])),
                       shape_of(tf.eye(tf.placeholder(tf.int32, [])))],
        "meshgrid_keyword": outcome(lambda: tf.meshgrid([1], [2], sparse=True)),
        "meshgrid_indexing": outcome(lambda: tf.meshgrid([1], [2], indexing="ab"))}


@case()
def norms(tf: ModuleType) -> Any:
    """norm of vectors and matrices in every order."""
    x = tf.constant(wave(2, 3, 4, phase=0.4))
    found = _with_gradients(tf, x, {
        f"{order} {axis} {keepdims}": lambda o=order, a=axis, k=keepdims: tf.norm(
            x, o, a, keepdims=k)
        for order in ("euclidean", 1, 2, np.inf, 3, 1.5) for axis in (None, 0, -1)
        for keepdims in (False, True)} | {
        f"matrix {order} {axis}": lambda o=order, a=axis: tf.norm(x, o, a)
        for order in ("euclidean", "fro", 1, np.inf) for axis in ([0, 1], (-2, -1))})
    return found | evaluated(tf, {
        "zero": lambda: tf.norm(tf.zeros([3])), "keep_dims": lambda: tf.norm(x, keep_dims=True),
        "linalg": lambda: tf.linalg.norm(x, axis=1), "unknown": lambda: tf.norm(x, "max"),
        "negative": lambda: tf.norm(x, -1.0), "three_axes": lambda: tf.norm(x, axis=[0, 1, 2]),
        "fro_of_vector": lambda: tf.norm(x, "fro", axis=0), "matrix_3": lambda: tf.norm(
            x, 3, axis=[0, 1]), "axis_twice": lambda: tf.norm(x, axis=[1, 1])})


@case()
def largest(tf: ModuleType) -> Any:
    """top_k: values, indices, ties, gradients; arg_max and arg_min."""
    x = tf.constant(wave(3, 5))
    ties = tf.constant([[1, 3, 3, 2, 3], [0, 0, 0, 0, 0]])
    found = _with_gradients(tf, x, {
        str(k): lambda k=k: tf.nn.top_k(x, k).values for k in (1, 3, 5)})
    return found | evaluated(tf, {
        "indices": lambda: tf.nn.top_k(x, 3).indices, "default": lambda: tf.nn.top_k(x)[0],
        "ties": lambda: list(tf.nn.top_k(ties, 4)), "vector": lambda: list(
            tf.math.top_k([1.0, 5.0, 3.0], 2)), "too_many": lambda: tf.nn.top_k(x, 6).values,
        "scalar": lambda: tf.nn.top_k(1.0).values, "arg_max": lambda: tf.arg_max(x, 1),
        "arg_min": lambda: tf.arg_min(x, 0, tf.int32)})


@case()
def choices(tf: ModuleType) -> Any:
    """case and switch_case: the first true predicate, defaults, exclusive, gradients."""
    x = tf.placeholder_with_default(2.0, [])
    index = tf.placeholder_with_default(1, [])
    pairs = [(x < 1.0, lambda: x * 10.0), (x < 3.0, lambda: x * 100.0), (x < 9.0, lambda: x * 1.0)]
    branches = [lambda: x + 1.0, lambda: x * x, lambda: tf.constant(7.0)]
    some = tf.case(pairs, default=lambda: tf.constant(-1.0))
    bare, exclusive = tf.case(pairs), tf.case(pairs, default=lambda: x, exclusive=True)
    chosen = tf.switch_case(index, branches)
    defaulted = tf.switch_case(index, {0: branches[0], 1: branches[1]}, lambda: -x)
    several = tf.case([(x > 1.0, lambda: (x, [x + 1.0]))], lambda: (x, [x - 1.0]))
    with tf.Session() as sess:
        return {
            "values": [sess.run([some, *tf.gradients(some, x)], {x: v})
                       for v in (0.5, 2.0, 5.0, 11.0)],
            "no_default": [outcome(lambda v=v: sess.run(bare, {x: v}), "run")
                           for v in (0.5, 5.0, 11.0)],
            "exclusive": [outcome(lambda v=v: sess.run(exclusive, {x: v}), "run")
                          for v in (2.0, 5.0, 11.0)],
            "switch": [sess.run([chosen, *tf.gradients(chosen, x)], {index: i})
                       for i in (0, 1, 2, -1, 9)],
            "switch_default": [sess.run(defaulted, {index: i}) for i in (0, 1, 4)],
            "gap": outcome(lambda: tf.switch_case(index, {0: branches[0], 4: branches[1]})),
            "nest": [sess.run(several, {x: v}) for v in (0.5, 2.0)],
            "bad_pair": outcome(lambda: tf.case([(x < 1.0, 3.0)])),
            "bad_pairs": outcome(lambda: tf.case(x)),
            "bad_default": outcome(lambda: tf.case(pairs, default=3.0)),
            "bad_branch": outcome(lambda: tf.switch_case(index, [3.0])),
        }


@case(rtol=2e-5)
def sequences_and_images(tf: ModuleType) -> Any:
    """nn.convolution and nn.pool by rank; sufficient_statistics and normalize_moments."""
    sequence, images = tf.constant(wave(2, 7, 3)), tf.constant(wave(2, 5, 6, 3))
    narrow, square = tf.constant(wave(3, 3, 4)), tf.constant(wave(3, 2, 3, 4))
    found = _with_gradients(tf, sequence, {
        f"{padding} {stride} {rate}": lambda p=padding, s=stride, r=rate: tf.nn.convolution(
            sequence, narrow, p, s, r)
        for padding in ("SAME", "VALID") for stride, rate in (
            (None, None), ([2], None), (None, [2]))} | {
        f"{kind} {padding}": lambda k=kind, p=padding: tf.nn.pool(sequence, [3], k, p, strides=[2])
        for kind in ("MAX", "AVG") for padding in ("SAME", "VALID")})
    statistics = tf.nn.sufficient_statistics(images, [0, 1])
    shifted = tf.nn.sufficient_statistics(images, [0, 2], shift=0.5, keep_dims=True)
    return found | evaluated(tf, {
        "images": lambda: tf.nn.convolution(images, square, "SAME", [2, 1]),
        "dilated": lambda: tf.nn.convolution(images, square, "VALID", dilation_rate=[1, 2]),
        "pooled": lambda: tf.nn.pool(images, [2, 3], "AVG", "SAME"),
        "statistics": lambda: list(statistics[:3]), "shifted": lambda: list(shifted),
        "moments": lambda: list(tf.nn.normalize_moments(*statistics)),
        "shifted_moments": lambda: list(tf.nn.normalize_moments(*shifted)),
        "padding": lambda: tf.nn.convolution(images, square, "SOME"),
        "pooling_type": lambda: tf.nn.pool(images, [2, 2], "SUM", "SAME"),
        "rank": lambda: tf.nn.convolution(sequence, square, "SAME")})


@case()
def python_values(tf: ModuleType) -> Any:
    """Bools and floats where other types are wanted; NumPy's are cast."""
    n, x = tf.constant([1, 2]), tf.constant([1.0, 2.0])
    return evaluated(tf, {
        "bool_as_int": lambda: tf.constant(True, tf.int32), "int_plus_bool": lambda: n + True,
        "float_times_bool": lambda: x * True, "bool_list": lambda: tf.constant(
            [True, False], tf.float64), "bool_as_complex": lambda: tf.constant(True, tf.complex64),
        "numpy_bool": lambda: tf.constant(np.bool_(True), tf.float32),
        "array_as_bool": lambda: tf.constant(np.array([0.0, 0.5]), tf.bool),
        "ints_as_bool": lambda: tf.constant(np.array([2, 0]), tf.bool),
        "floats_as_bool": lambda: tf.constant([1.0, 0.0], tf.bool),
        "float_in_list": lambda: tf.constant([1, 2.0], tf.int32),
        "numpy_floats_in_list": lambda: tf.constant([np.float64(2.0)], tf.int32),
        "numpy_float": lambda: n + np.float64(2.0), "whole_array": lambda: n + np.ones(2)})


@case()
def nested_feeds(tf: ModuleType) -> Any:
    """Keys that are tuples of tensors take nests of values; numbers feed bools."""
    a, b = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
    flag = tf.placeholder(tf.bool, [2])
    total, echo = a + b, tf.identity(flag)
    with tf.Session() as sess:
        def run(feed: dict[Any, Any]) -> Any:
            return outcome(lambda: sess.run(total, feed), "run")

        return {
            "tuple": run({(a, b): (1.0, 2.0)}), "list": run({(a, b): [1.0, 2.0]}),
            "nested": run({((a,), b): ((1.0,), 2.0)}), "short": run({(a, b): (1.0,)}),
            "number": run({(a, b): 1.0}),
            "flags": [sess.run(echo, {flag: v}) for v in (
                [2, 0], [0.5, float("nan")], np.array([0.0, -1.0], np.float16))]}


@case()
def integer_gradients(tf: ModuleType) -> Any:
    """Nothing flows from integers or bools."""
    x, n = tf.constant([1.0, 2.0]), tf.constant([1, 2])
    return {
        "none": [g is None for g in (
            *tf.gradients(n * 2, n), *tf.gradients(x > 1.0, x),
            *tf.gradients(tf.cast(x, tf.int32), x), *tf.gradients([n * 2, x * 3.0], [n, x]),
            *tf.gradients(n * 2, n, grad_ys=tf.constant([1, 2])))],
        "zero": evaluated(tf, {"zero": lambda: tf.gradients(
            n * 2, n, unconnected_gradients=tf.UnconnectedGradients.ZERO)})}


@case()
def fed_sizes(tf: ModuleType) -> Any:
    """Shapes that hold a fed number, also −1; what is known of them beside it stays known."""
    x = tf.placeholder(tf.float32, [None, 4])
    known = tf.ones([3, 4])
    n = tf.placeholder(tf.int32, [])
    size = tf.stack([n, 2])
    a, b = tf.reshape(known, size), tf.reshape(tf.ones([1, 2]), size)
    total = tf.reduce_sum(a * b)
    tensors = {
        "reshape": tf.reshape(x, [n, 2]), "known": a, "two": tf.reshape(x, [n, n, 2]),
        "concat": tf.reshape(x, tf.concat([[n], tf.shape(x)[1:]], 0)),
        "concat_vector": tf.zeros(tf.concat([tf.expand_dims(n, 0), [5]], 0)),
        "cast": tf.zeros(tf.cast(tf.stack([tf.cast(n, tf.int64), 3]), tf.int32)),
        "fill": tf.fill([2, n], 1.0), "tile": tf.tile(known, [n, 2]),
        "uniform": tf.random_uniform([n, 3]), "slice": tf.slice(known, [0, 1], [n, 2]),
        "index": tf.zeros([n, 3])[0],
        "broadcast": tf.broadcast_to(tf.ones([1, 3]), [n, 3]), "range": tf.range(n),
        "placeholder_of_sizes": tf.zeros(tf.placeholder(tf.int32, [2]))}
    values = {k: tensors[k] for k in ("reshape", "known", "concat", "slice")}
    with tf.Session() as sess:
        return {
            "static": {k: shape_of(t) for k, t in tensors.items()},
            "run": [sess.run({k: tf.shape(t) for k, t in values.items()},
                             {x: np.ones((3, 4)), n: v}) for v in (-1,)],
            "fed_minus_one": sess.run([total, *tf.gradients(total, [known])], {n: -1}),
            "of_gradients": [shape_of(g) for g in tf.gradients(total, [known])]}


@case()
def forbidden_feeds_and_fetches(tf: ModuleType) -> Any:
    """prevent_feeding and prevent_fetching; colocate_with and colocation_groups."""
    graph = tf.get_default_graph()
    x, y = tf.constant(1.0, name="x"), tf.constant(2.0, name="y")
    total = x + y
    graph.prevent_feeding(x)
    graph.prevent_fetching(y.op)
    with graph.colocate_with(x.op):
        tf.no_op(name="beside")
    with tf.Session() as sess:
        return {
            "feedable": [graph.is_feedable(t) for t in (x, y)],
            "fetchable": [graph.is_fetchable(t) for t in (x, y, y.op)],
            "feeds": [outcome(lambda t=t: sess.run(total, {t: 5.0}), "run") for t in (x, y)],
            "fetches": [outcome(lambda t=t: sess.run(t), "run") for t in (x, y, total)],
            "groups": [g.decode() for g in x.op.colocation_groups()]}
