"""tf.gradients: what is connected, ties and kinks, control flow, IndexedSlices."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from programs.plain import outcome
from programs.registry import case, evaluated, shape_of, wave


@case()
def connections(tf: ModuleType) -> Any:
    """Unconnected inputs, several ys, repeated xs, grad_ys, stop_gradients."""
    x = tf.constant([1.0, 2.0], name="x")
    y = tf.constant(3.0, name="y")
    n = tf.constant([1, 2], name="n")
    middle = x * x
    unconnected = tf.gradients(x * 2.0, [x, y])
    zeros = tf.gradients(x * 2.0, [x, y], unconnected_gradients=tf.UnconnectedGradients.ZERO)
    through_int = tf.gradients(tf.cast(tf.cast(x, tf.int32), tf.float32), x)
    values = evaluated(tf, {
        "zero": lambda: zeros, "several_ys": lambda: tf.gradients([x * 2.0, x * y], [x, y]),
        "repeated_xs": lambda: tf.gradients(x * y, [x, x]),
        "grad_ys": lambda: tf.gradients(x * y, [x, y], grad_ys=tf.constant([10.0, 1.0])),
        "grad_ys_list": lambda: tf.gradients([x, y], [x, y], grad_ys=[[2.0, 3.0], None]),
        "self": lambda: tf.gradients(x, x), "of_middle": lambda: tf.gradients(middle * y, middle),
        "stop_gradients": lambda: tf.gradients(
            middle * x, x, stop_gradients=[middle]), "stop_gradient": lambda: tf.gradients(
            tf.stop_gradient(middle) * x, x), "used_twice": lambda: tf.gradients(
            middle * middle + middle, x),
        "stopped_at_xs": lambda: tf.gradients(middle * 2.0, [x, middle]),
        "stopped_both": lambda: tf.gradients(middle * 2.0, [x, middle], stop_gradients=middle),
        "second": lambda: tf.gradients(tf.gradients(x * x * x, x), x),
        "third": lambda: tf.gradients(tf.gradients(tf.gradients(x ** 4.0, x)[0], x)[0], x),
        "hessians": lambda: tf.hessians(tf.reduce_sum(x * x * x), x),
        "broadcast": lambda: tf.gradients(tf.ones([3, 2]) * x + y, [x, y]),
        "names": lambda: tf.gradients(x * y, x, name="scope"),
    })
    return [
        values, [g is None for g in unconnected], [g is None for g in through_int],
        outcome(lambda: tf.gradients(n * 2, n)[0] is None),
        outcome(lambda: tf.gradients([], x)), outcome(lambda: tf.gradients(x, [])),
        outcome(lambda: tf.gradients(x * 2.0, x, grad_ys=tf.constant([1, 2]))),
        outcome(lambda: tf.gradients(x * 2.0, x, grad_ys=tf.constant([1.0, 2.0, 3.0]))),
    ]


@case(rtol=2e-5)
def kinks_and_corners(tf: ModuleType) -> Any:
    """The subgradients that TensorFlow picks at ties, kinks and poles."""
    zero = tf.constant([0.0, 1.0, -1.0])
    ties = tf.constant([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    other = tf.constant([[1.0, 2.0, 4.0], [2.0, 0.0, 2.0]])
    base, power = tf.constant([0.0, 0.0, 2.0, -2.0]), tf.constant([2.0, 1.0, 0.0, 2.0])

    def grad(y: Any, *xs: Any) -> Any:
        return tf.gradients(y, list(xs))

    flat = [grad(step(zero), zero)[0] is None for step in (tf.floor, tf.ceil, tf.round, tf.sign)]
    return [flat, evaluated(tf, {
        "reduce_max": lambda: grad(tf.reduce_max(ties, 1), ties),
        "reduce_max_all": lambda: grad(tf.reduce_max(ties), ties),
        "reduce_min": lambda: grad(tf.reduce_min(ties, 1), ties),
        "maximum": lambda: grad(tf.maximum(ties, other), ties, other),
        "minimum": lambda: grad(tf.minimum(ties, other), ties, other),
        "abs": lambda: grad(tf.abs(zero), zero), "sign": lambda: grad(tf.sign(zero), zero),
        "relu": lambda: grad(tf.nn.relu(zero), zero),
        "relu6": lambda: grad(tf.nn.relu6(zero * 6.0), zero),
        "elu": lambda: grad(tf.nn.elu(zero), zero), "selu": lambda: grad(tf.nn.selu(zero), zero),
        "leaky_relu": lambda: grad(tf.nn.leaky_relu(zero, 0.1), zero),
        "sqrt": lambda: grad(tf.sqrt(zero), zero), "rsqrt": lambda: grad(tf.rsqrt(zero), zero),
        "pow": lambda: grad(tf.pow(base, power), base, power),
        "square": lambda: grad(tf.square(zero), zero), "log": lambda: grad(tf.log(zero), zero),
        "prod_with_zero": lambda: grad(tf.reduce_prod(zero), zero),
        "prod_two_zeros": lambda: grad(tf.reduce_prod(tf.concat([zero, zero], 0)), zero),
        "norm_at_zero": lambda: grad(tf.sqrt(tf.reduce_sum(tf.square(zero * 0.0))), zero),
        "where_nan_untaken": lambda: grad(tf.where(zero > 0, tf.log(zero), zero), zero),
        "where_safe": lambda: grad(
            tf.where(zero > 0, tf.log(tf.where(zero > 0, zero, tf.ones([3]))), zero), zero),
        "clip": lambda: grad(tf.clip_by_value(zero, -1.0, 1.0), zero),
        "clip_inside": lambda: grad(tf.clip_by_value(zero, -0.5, 0.0), zero),
        "floormod": lambda: grad(tf.floormod(zero, other[0] * 0.3), zero),
        "atan2": lambda: grad(tf.atan2(zero, other[1]), zero),
        "sigmoid_large": lambda: grad(tf.sigmoid(zero * 100.0), zero),
        "softplus_large": lambda: grad(tf.nn.softplus(zero * 100.0), zero),
        "logsumexp_large": lambda: grad(tf.reduce_logsumexp(zero * 1000.0), zero),
        "max_pool_ties": lambda: grad(tf.nn.max_pool(
            tf.ones([1, 2, 2, 1]) * zero[1], 2, 2, "VALID"), zero),
        "erf": lambda: grad(tf.erf(zero), zero), "tanh": lambda: grad(tf.tanh(zero), zero),
        "div": lambda: grad(zero / zero[::-1], zero), "variance": lambda: grad(
            tf.math.reduce_variance(zero), zero), "std": lambda: grad(
            tf.math.reduce_std(zero), zero),
    })]


@case()
def max_pool_ties(tf: ModuleType) -> Any:
    """Of equal maxima the first gets the gradient; overlapping windows add up."""
    x = tf.constant(np.array([[1, 1, 0], [1, 2, 2], [0, 2, 2]]).reshape(1, 3, 3, 1), tf.float32)
    y = tf.nn.max_pool(x, [1, 2, 2, 1], [1, 1, 1, 1], "VALID")
    return evaluated(tf, {"gradient": lambda: tf.gradients(y, x, tf.constant(
        np.array([1.0, 10.0, 100.0, 1000.0]).reshape(1, 2, 2, 1), tf.float32))})


@case()
def indexed_slices(tf: ModuleType) -> Any:
    """gather of a variable gives IndexedSlices; mixed with dense use it is dense."""
    table = tf.Variable(wave(4, 2), name="table")
    ids = tf.constant([2, 0, 2])
    rows = tf.gather(table, ids)
    sparse = tf.gradients(rows * tf.constant([[1.0], [2.0], [3.0]]), table)[0]
    twice = tf.gradients(tf.reduce_sum(rows) + tf.reduce_sum(tf.gather(table, [1])), table)[0]
    mixed = tf.gradients(tf.reduce_sum(rows) + tf.reduce_sum(table * table), table)[0]
    constant = tf.constant(wave(4, 2))
    from_constant = tf.gradients(tf.gather(constant, ids), constant)[0]
    inner = tf.gradients(tf.gather(tf.exp(table), ids), table)[0]
    axis = tf.gradients(tf.gather(table, [1, 1], axis=1), table)[0]
    lookup = tf.gradients(tf.nn.embedding_lookup(table, [[1], [1]]), table)[0]
    kinds = [isinstance(g, tf.IndexedSlices)
             for g in (sparse, twice, mixed, from_constant, inner, axis, lookup)]
    found = evaluated(tf, {
        "values": lambda: sparse.values, "indices": lambda: sparse.indices,
        "dense": lambda: tf.convert_to_tensor(sparse), "dense_shape": lambda: sparse.dense_shape,
        "twice": lambda: [tf.shape(twice.indices), tf.convert_to_tensor(twice)],
        "mixed": lambda: tf.convert_to_tensor(mixed),
        "inner": lambda: tf.convert_to_tensor(inner), "axis": lambda: tf.convert_to_tensor(axis),
        "lookup": lambda: [lookup.values, lookup.indices],
        "from_constant": lambda: tf.convert_to_tensor(from_constant),
        "arithmetic": lambda: tf.convert_to_tensor(sparse) * 2.0,
    }, initialize=True)
    return [kinds, found, sparse.dtype.name, shape_of(sparse.values)]


@case()
def fetched_indexed_slices(tf: ModuleType) -> Any:
    """Session.run of IndexedSlices gives an IndexedSlicesValue."""
    x = tf.constant(wave(3, 2))
    sparse = tf.gradients(tf.gather(x, [2, 2]), x)[0]
    with tf.Session() as sess:
        value = sess.run(sparse)
        return [type(value).__name__, value.values, value.indices, value.dense_shape]


@case()
def through_cond(tf: ModuleType) -> Any:
    """Gradients of captured tensors through both branches; None where no branch uses one."""
    p = tf.placeholder(tf.bool, [])
    x = tf.constant([1.0, 2.0])
    y = tf.constant(3.0)
    unused = tf.constant(1.0)
    out = tf.cond(p, lambda: x * x * y, lambda: x * 10.0)
    first = tf.gradients(out, [x, y])
    second = tf.gradients(first[0], x)
    nested = tf.gradients(tf.cond(p, lambda: tf.cond(y > 5.0, lambda: x, lambda: x * y),
                                  lambda: -x), [x, y])
    none = tf.gradients(out, unused)[0] is None
    with tf.Session() as sess:
        fetches = [out, first, second, nested]
        return [[sess.run(fetches, {p: flag}) for flag in (True, False)], none]


@case()
def through_while(tf: ModuleType) -> Any:
    """Gradients of loop variables and captured tensors; open and counted loops; no iteration."""
    x = tf.constant(1.1)
    factor = tf.constant(1.5)
    limit = tf.placeholder(tf.int32, [])
    counted = tf.while_loop(
        lambda i, v: i < limit, lambda i, v: (i + 1, v * v * factor), [tf.constant(0), x])[1]
    opened = tf.while_loop(lambda v: v < 100.0, lambda v: v * factor * x, [x])
    accumulated = tf.while_loop(
        lambda i, v, total: i < 3,
        lambda i, v, total: (i + 1, tf.sin(v) * factor, total + v * tf.cast(i, tf.float32)),
        [tf.constant(0), x, tf.constant(0.0)])
    grads = [tf.gradients(y, [x, factor]) for y in (counted, opened, accumulated[2])]
    with tf.Session() as sess:
        return [sess.run([counted, opened, accumulated[1:], grads], {limit: n})
                for n in (0, 1, 3)]


@case()
def while_over_vectors(tf: ModuleType) -> Any:
    """A recurrent cell unrolled by while_loop: the gradient of its weights."""
    weights = tf.Variable(0.5 * wave(3, 3), name="weights")
    inputs = tf.constant(wave(4, 2, 3, phase=1.0))
    state = tf.while_loop(
        lambda t, h: t < 4, lambda t, h: (t + 1, tf.tanh(tf.matmul(h, weights) + inputs[t])),
        [tf.constant(0), tf.zeros([2, 3])])[1]
    return evaluated(tf, {"gradient": lambda: tf.gradients(state, [weights, inputs])},
                     initialize=True)


@case()
def through_functions(tf: ModuleType) -> Any:
    """Gradients of shape functions, products and losses."""
    x = tf.constant(wave(2, 3))
    y = tf.constant(wave(3, 2, phase=1.0))
    cube = tf.constant(wave(2, 3, 4))
    weights = tf.constant(wave(2, 3, phase=2.0))

    def grad(z: Any, *xs: Any) -> Any:
        return tf.gradients(z, list(xs))

    return evaluated(tf, {
        "matmul": lambda: grad(tf.matmul(x, y), x, y),
        "matmul_transposes": lambda: grad(
            tf.matmul(x, y, transpose_a=True, transpose_b=True), x, y),
        "slice": lambda: grad(cube[:, ::-2, 1:3] * 2.0, cube), "index": lambda: grad(x[1, 2], x),
        "transpose": lambda: grad(tf.transpose(x) * y, x, y),
        "concat": lambda: grad(tf.concat([x, 2.0 * x], 0)[1:3] * x, x),
        "stack": lambda: grad(tf.stack([x, x * x])[1], x),
        "tile": lambda: grad(tf.tile(x, [2, 3]), x),
        "split": lambda: grad(tf.split(x, 3, 1)[1], x), "pad": lambda: grad(
            tf.pad(x, [[1, 0], [0, 2]]) ** 2.0, x), "reflect": lambda: grad(
            tf.pad(x, [[1, 1], [2, 1]], "REFLECT"), x), "symmetric": lambda: grad(
            tf.pad(x, [[1, 2], [2, 0]], "SYMMETRIC"), x),
        "mean": lambda: grad(tf.reduce_mean(x, 1) ** 2.0, x),
        "prod": lambda: grad(tf.reduce_prod(x, 1), x), "softmax": lambda: grad(
            tf.nn.softmax(x) * weights, x), "log_softmax": lambda: grad(
            tf.nn.log_softmax(x) * weights, x), "l2_loss": lambda: grad(tf.nn.l2_loss(x), x),
        "cross_entropy": lambda: grad(tf.nn.softmax_cross_entropy_with_logits_v2(
            labels=tf.nn.softmax(weights), logits=x), x, weights),
        "cross_entropy_old": lambda: tf.gradients(
            tf.nn.softmax_cross_entropy_with_logits(
                labels=tf.nn.softmax(weights), logits=x), [x, weights],
            unconnected_gradients="zero"),
        "sparse_cross_entropy": lambda: grad(tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=[2, 0], logits=x), x),
        "sigmoid_cross_entropy": lambda: grad(tf.nn.sigmoid_cross_entropy_with_logits(
            labels=weights, logits=x), x, weights),
        "gather": lambda: grad(tf.gather(cube, [1, 1, 0], axis=2) ** 2.0, cube),
        "moments": lambda: grad(tf.nn.moments(x, [0])[1], x), "cast": lambda: grad(
            tf.cast(x, tf.float64) * 2.0, x), "add_n": lambda: grad(tf.add_n([x, x, weights]), x),
    })


@case()
def custom_gradients(tf: ModuleType) -> Any:
    """custom_gradient replaces the gradient; the shape of unknown-shape gradients."""
    @tf.custom_gradient
    def doubled_backwards(x: Any) -> Any:
        return tf.square(x), lambda dy: dy * 100.0 * x

    x = tf.constant([1.0, 2.0])
    p = tf.placeholder(tf.float32, [None, 2])
    shape = shape_of(tf.gradients(tf.reduce_sum(p * x), p)[0])
    found = evaluated(tf, {"value": lambda: doubled_backwards(x),
                           "gradient": lambda: tf.gradients(doubled_backwards(x) * 2.0, x)})
    return [found, shape]


@case(rtol=1e-4)
def compute_gradient_error(tf: ModuleType) -> Any:
    """The public gradient checker finds a small error for a right gradient."""
    x = tf.constant(wave(2, 3, dtype="float64"))
    y = tf.sin(x) * x
    with tf.Session():
        theory, numeric = tf.test.compute_gradient(x, [2, 3], y, [2, 3], x_init_value=wave(2, 3))
        error = tf.test.compute_gradient_error(x, [2, 3], y, [2, 3])
        return [theory, numeric, bool(error < 1e-5)]
