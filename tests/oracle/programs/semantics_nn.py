"""Values of convolution, pooling, normalisation, softmax, losses, dropout."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from programs.plain import outcome
from programs.registry import case, evaluated, wave


@case(atol=1e-5)
def convolutions(tf: ModuleType) -> Any:
    """SAME with even kernels and strides, explicit padding, dilation, NHWC."""
    x = tf.constant(wave(1, 5, 6, 2))
    even, odd = tf.constant(wave(2, 4, 2, 2, phase=1.0)), tf.constant(wave(3, 3, 2, 1, phase=2.0))
    conv = tf.nn.conv2d
    return evaluated(tf, {
        "same_even_stride2": lambda: conv(x, even, [1, 2, 2, 1], "SAME"),
        "same_odd": lambda: conv(x, odd, [1, 1, 1, 1], "SAME"),
        "valid": lambda: conv(x, even, strides=[1, 1, 2, 1], padding="VALID"),
        "same_stride3": lambda: conv(x, even, [1, 3, 3, 1], "SAME"),
        "explicit": lambda: conv(x, odd, 2, [[0, 0], [2, 0], [1, 3], [0, 0]]),
        "dilated": lambda: conv(x, odd, [1, 1, 1, 1], "SAME", dilations=[1, 2, 1, 1]),
        "filters_argument": lambda: conv(x, filters=odd, strides=1, padding="VALID"),
        "kernel_1": lambda: conv(x, odd[:1, :1], 1, "SAME"),
        "stride_over_kernel": lambda: conv(x, odd[:1, :1], [1, 3, 2, 1], "VALID"),
        "double": lambda: conv(tf.cast(x, tf.float64), tf.cast(odd, tf.float64), 1, "VALID"),
    })


@case(rtol=1e-4, atol=1e-5)
def convolution_gradients(tf: ModuleType) -> Any:
    """Gradients to images and filters, and of those."""
    x = tf.constant(wave(1, 5, 4, 2))
    f = tf.constant(wave(2, 3, 2, 2, phase=1.0))

    def grad(y: Any) -> Any:
        return tf.gradients(y * y, [x, f])

    strided = tf.nn.conv2d(x, f, [1, 2, 1, 1], "SAME")
    return evaluated(tf, {
        "same_strided": lambda: grad(strided), "valid": lambda: grad(tf.nn.conv2d(
            x, f, [1, 2, 2, 1], "VALID")), "dilated": lambda: grad(tf.nn.conv2d(
            x, f, 1, "SAME", dilations=2)), "explicit": lambda: grad(tf.nn.conv2d(
            x, f, 2, [[0, 0], [1, 0], [2, 1], [0, 0]])),
        "second": lambda: tf.gradients(tf.reduce_sum(tf.square(grad(strided)[0])), [x, f]),
    })


@case()
def pooling(tf: ModuleType) -> Any:
    """SAME pads max-pool with −inf and leaves padding out of the mean."""
    x = tf.constant(wave(1, 5, 4, 1) - 2.0)
    two, strides = [1, 2, 2, 1], [1, 2, 2, 1]
    return evaluated(tf, {
        "max_same": lambda: tf.nn.max_pool(x, two, strides, "SAME"),
        "max_valid": lambda: tf.nn.max_pool(x, ksize=two, strides=strides, padding="VALID"),
        "max_3_2": lambda: tf.nn.max_pool(x, [1, 3, 3, 1], strides, "SAME"),
        "avg_same": lambda: tf.nn.avg_pool(x, two, strides, "SAME"),
        "avg_valid": lambda: tf.nn.avg_pool(x, two, [1, 1, 1, 1], "VALID"),
        "avg_3_2": lambda: tf.nn.avg_pool(x, [1, 3, 3, 1], strides, "SAME"),
        "max_gradient": lambda: tf.gradients(tf.nn.max_pool(x, [1, 3, 3, 1], strides, "SAME"), x),
        "avg_gradient": lambda: tf.gradients(tf.nn.avg_pool(x, [1, 3, 2, 1], strides, "SAME"), x),
    })


@case()
def batch_normalization(tf: ModuleType) -> Any:
    """fused_batch_norm: the variance returned has Bessel's correction, the one used has not."""
    x = tf.constant(wave(2, 2, 3, 2))
    scale, offset = tf.constant([1.5, 0.5]), tf.constant([0.1, -0.2])
    mean, variance = tf.constant([0.3, -0.1]), tf.constant([2.0, 0.5])
    training = tf.nn.fused_batch_norm(x, scale, offset, epsilon=1e-3)
    inference = tf.nn.fused_batch_norm(x, scale, offset, mean, variance, is_training=False)
    weights = tf.constant(wave(2, 2, 3, 2, phase=1.0))
    return evaluated(tf, {
        "training": lambda: list(training), "inference": lambda: inference[0],
        "gradient": lambda: tf.gradients(training[0] * weights, [x, scale, offset]),
        "inference_gradient": lambda: tf.gradients(inference[0] * weights, [x, scale, offset]),
        "plain": lambda: tf.nn.batch_normalization(x, mean, variance, offset, scale, 1e-3),
        "plain_no_scale": lambda: tf.nn.batch_normalization(x, mean, variance, None, None, 1e-3),
        "default_epsilon": lambda: tf.nn.fused_batch_norm(x * 0.01, scale, offset)[0],
    })


@case()
def softmaxes(tf: ModuleType) -> Any:
    """Large values, one class, other axes, infinities."""
    x = tf.constant([[1000.0, 1001.0, 999.0], [-1000.0, 0.0, 1.0]])
    infinite = tf.constant([[-np.inf, 0.0, 1.0]])
    return evaluated(tf, {
        "softmax": lambda: tf.nn.softmax(x), "axis": lambda: tf.nn.softmax(x / 500.0, axis=0),
        "dim": lambda: tf.nn.softmax(x / 500.0, dim=0),
        "log_softmax": lambda: tf.nn.log_softmax(x),
        "log_axis": lambda: tf.nn.log_softmax(x, 0), "infinite": lambda: tf.nn.softmax(infinite),
        "log_infinite": lambda: tf.nn.log_softmax(infinite),
        "one_class": lambda: tf.nn.softmax(x[:, :1]), "vector": lambda: tf.nn.softmax(x[1]),
        "rank3": lambda: tf.nn.softmax(tf.constant(wave(2, 2, 3)), 1),
    })


@case()
def cross_entropies(tf: ModuleType) -> Any:
    """Large logits, soft labels, other axes; sparse labels of any rank; sigmoid and weighted."""
    logits = tf.constant([[1000.0, 0.0, -1000.0], [1.0, 2.0, 3.0]])
    labels = tf.constant([[0.2, 0.3, 0.5], [0.0, 0.0, 1.0]])
    cube = tf.constant(wave(2, 2, 3))
    nn = tf.nn
    return evaluated(tf, {
        "softmax": lambda: nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits),
        "softmax_v2": lambda: nn.softmax_cross_entropy_with_logits_v2(
            labels=labels, logits=logits, axis=0),
        "unnormalised": lambda: nn.softmax_cross_entropy_with_logits_v2(
            labels=labels * 2.0, logits=logits / 100.0),
        "sparse": lambda: nn.sparse_softmax_cross_entropy_with_logits(
            labels=[2, 0], logits=logits), "sparse_rank3": lambda:
            nn.sparse_softmax_cross_entropy_with_logits(labels=[[0, 1], [2, 2]], logits=cube),
        "sparse_scalar": lambda: nn.sparse_softmax_cross_entropy_with_logits(
            labels=1, logits=[1.0, 2.0]),
        "sigmoid": lambda: nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits),
        "weighted": lambda: nn.weighted_cross_entropy_with_logits(
            labels=labels, logits=logits, pos_weight=3.0),
        "l2_loss": lambda: nn.l2_loss(logits[1]), "l2_loss_rank3": lambda: nn.l2_loss(cube),
    })


@case(rtol=2e-3)
def half_precision(tf: ModuleType) -> Any:
    """float16 sums, moments and products accumulate with more than float16."""
    x = tf.cast(tf.constant(wave(3, 4)), tf.float16)
    return evaluated(tf, {
        "moments": lambda: list(tf.nn.moments(x, [0, 1])), "sum": lambda: tf.reduce_sum(x),
        "matmul": lambda: tf.matmul(x, x, transpose_b=True), "mean": lambda: tf.reduce_mean(
            tf.ones([4096], tf.float16)), "softmax": lambda: tf.nn.softmax(x),
    })


@case(atol=1e-5)
def moments(tf: ModuleType) -> Any:
    """Mean and population variance, keep_dims, large offsets."""
    x = tf.constant(wave(3, 4))
    return evaluated(tf, {
        "axis0": lambda: list(tf.nn.moments(x, [0])),
        "all": lambda: list(tf.nn.moments(x, [0, 1])),
        "keep_dims": lambda: list(tf.nn.moments(x, [1], keep_dims=True)),
        "keepdims": lambda: list(tf.nn.moments(x, axes=[1], keepdims=True)),
        "offset": lambda: list(tf.nn.moments(x + 100.0, [1])),
        "l2_normalize": lambda: tf.nn.l2_normalize(x, 1),
        "l2_normalize_zero": lambda: tf.nn.l2_normalize(x * 0.0, 1),
    })


@case()
def activations(tf: ModuleType) -> Any:
    """Everyday values of the activations; bias_add."""
    x = tf.constant([-3.0, -1.0, -0.1, 0.0, 0.1, 1.0, 3.0, 7.0])
    nn = tf.nn
    named = ["relu", "relu6", "elu", "selu", "softplus", "softsign", "sigmoid", "tanh",
             "leaky_relu"]
    found = evaluated(tf, {f: lambda f=f: getattr(nn, f)(x) for f in named})
    return found | evaluated(tf, {
        "leaky_relu_alpha": lambda: nn.leaky_relu(x, alpha=0.5),
        "bias_add": lambda: nn.bias_add(tf.constant(wave(2, 3)), [1.0, 2.0, 3.0]),
        "bias_add_nchw": lambda: nn.bias_add(
            tf.constant(wave(1, 2, 2, 2)), [10.0, 20.0], data_format="NCHW"),
    })


def _kept(tf: ModuleType, thunk: Any) -> Any:
    """The distinct values of a dropout of ones, sorted, and whether some were dropped."""
    with tf.Session() as sess:
        value = sess.run(thunk())
    return [np.unique(value), value.shape[0], bool(0.3 < np.mean(value == 0) < 0.7)]


@case()
def dropout_scales(tf: ModuleType) -> Any:
    """What dropout keeps is divided by the keep probability; noise_shape drops whole rows."""
    ones = tf.ones([100, 20])
    rows = tf.nn.dropout(ones, rate=0.5, noise_shape=[100, 1])
    with tf.Session() as sess:
        value = sess.run(rows)
        untouched = sess.run([tf.nn.dropout(ones, rate=0.0), tf.nn.dropout(ones, keep_prob=1.0)])
    return [
        _kept(tf, lambda: tf.nn.dropout(ones, 0.5)),
        _kept(tf, lambda: tf.nn.dropout(ones, keep_prob=0.4)),
        _kept(tf, lambda: tf.nn.dropout(ones, rate=0.4)),
        bool(np.all(value == value[:, :1])), [bool(np.all(v == 1)) for v in untouched],
    ]


@case()
def random_shapes_and_seeds(tf: ModuleType) -> Any:
    """Bounds, dtypes, static shapes; a seed repeats in a new session and moves on in one."""
    normal = tf.random_normal([1000], mean=5.0, stddev=0.5, seed=1)
    uniform = tf.random_uniform([1000], -1.0, 3.0, seed=2)
    integers = tf.random_uniform([1000], 2, 5, tf.int32, seed=3)
    truncated = tf.truncated_normal([1000], stddev=2.0, seed=4)
    twin = tf.random_normal([5], seed=9), tf.random_normal([5], seed=9)
    with tf.Session() as sess:
        first = sess.run([normal, uniform, integers, truncated])
        again = sess.run(normal)
    with tf.Session() as sess:
        fresh = sess.run(normal)
        twins = sess.run(twin)
    n, u, i, t = first
    return [
        [bool(abs(n.mean() - 5) < 0.1), bool(abs(n.std() - 0.5) < 0.05)],
        [bool(u.min() >= -1), bool(u.max() < 3), bool(abs(u.mean() - 1) < 0.15)],
        np.unique(i), bool(np.abs(t).max() <= 4.0),
        bool(np.all(fresh == n)), bool(np.any(again != n)), bool(np.all(twins[0] == twins[1])),
        [str(x.dtype) for x in first], [x.get_shape().as_list() for x in (normal, integers)],
    ]


@case()
def initializer_scales(tf: ModuleType) -> Any:
    """The standard deviations of the initialisers, to one digit; integers need a bound."""
    variables = [
        tf.get_variable("glorot", [200, 300], initializer=tf.glorot_uniform_initializer(seed=1)),
        tf.get_variable("glorot_n", [200, 300], initializer=tf.glorot_normal_initializer(seed=2)),
        tf.get_variable("he", [200, 300], initializer=tf.initializers.he_normal(seed=3)),
        tf.get_variable("he_u", [200, 300], initializer=tf.initializers.he_uniform(seed=4)),
        tf.get_variable("default", [200, 300]),
        tf.get_variable("conv", [3, 3, 20, 30], initializer=tf.glorot_uniform_initializer(seed=5)),
        tf.get_variable("scaled", [200, 300], initializer=tf.variance_scaling_initializer(seed=6)),
        tf.get_variable("trunc", [200, 300], initializer=tf.truncated_normal_initializer(seed=7)),
    ]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        values = sess.run(variables)
    return [outcome(lambda: tf.random_uniform([3], dtype=tf.int32)),
            [[f"{float(v.std()):.1g}", bool(np.abs(v).max() < 5 * v.std())] for v in values]]
