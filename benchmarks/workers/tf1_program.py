"""The workloads as TensorFlow 1 programs: the same text for TensorFlow and for graphflow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks import workload as h
from benchmarks import workloads as w
from benchmarks.networks import NETWORKS
from benchmarks.workers import tf1_kernels
from benchmarks.workers.serve import Job, Steps
from benchmarks.workers.tf1_layers import Tf1Layers

MANY = 1000  # steps in a call of run_many


def build(tf: Any, session: Any, job: Job) -> Steps:
    """Builds the job's graph in the default graph of `tf` and runs it in `session`.

    The variant "run" calls `session.run` in each step, otherwise a callable made once; "run_many"
    hands many steps over at a time.
    """
    half = getattr(job.workload.kernel, "half", False)
    kinds = {"f": tf.bfloat16 if half else tf.float32, "i": tf.int32}
    feeds = [tf.placeholder(kinds[a.dtype.kind], a.shape) for a in job.batch]
    weights = {name: tf.Variable(a, name=name) for name, a in job.parameters.items()}
    weights |= {name: tf.Variable(a, name=name, trainable=False) for name, a in job.state.items()}
    weights |= {name: tf.constant(a, name=name) for name, a in job.fixed.items()}
    output = output_of(tf, job.workload, weights, feeds)
    values = [a.astype("int32") if a.dtype.kind == "i" else a for a in job.batch]
    if half:
        values = [a.astype(tf.bfloat16.as_numpy_dtype) for a in values]
        return Steps(_runner(session, output, feeds, values, job.variant), lambda: None,
                     result=lambda y: y.astype("float32"))
    if not job.workload.trains:
        return Steps(_runner(session, output, feeds, values, job.variant), lambda: None)
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        train = _optimizer(tf, job.workload.optimizer).minimize(output)
    initialize = tf.global_variables_initializer()
    session.run(initialize)
    step = _runner(session, [output, train], feeds, values, job.variant)
    steps = Steps(lambda: step()[0], lambda: session.run(initialize))
    if job.variant != "run_many":
        return steps
    batches = {f: np.stack([v] * MANY) for f, v in zip(feeds, values)}
    return replace(steps, many=lambda: session.run_many([output, train], batches), count=MANY)


def _runner(session: Any, fetches: Any, feeds: list, values: list, variant: str) -> Any:
    if variant == "run":
        feed_dict = dict(zip(feeds, values))
        return lambda: session.run(fetches, feed_dict)
    call = session.make_callable(fetches, feeds)
    return lambda: call(*values)


def _optimizer(tf: Any, name: str) -> Any:
    if name == "sgd":
        return tf.train.GradientDescentOptimizer(h.SGD_RATE)
    if name == "momentum":
        return tf.train.MomentumOptimizer(h.MOMENTUM_RATE, h.MOMENTUM)
    return tf.train.AdamOptimizer(h.ADAM_RATE, h.BETA1, h.BETA2, h.EPSILON)


def output_of(tf: Any, workload: h.Workload, weights: dict[str, Any], feeds: list) -> Any:
    """The output tensor of a workload, or a list of outputs."""
    if workload.kernel is not None:
        return tf1_kernels.output_of(tf, workload.kernel, *feeds)
    if workload.name in NETWORKS:
        return NETWORKS[workload.name](Tf1Layers(tf), weights, *feeds)
    name = w.math_name(workload.name)
    return _MATH[name](tf, *feeds) if name else _OUTPUTS[workload.name](tf, weights, *feeds)


def _linear_regression(tf: Any, v: dict[str, Any], x: Any, y: Any) -> Any:
    return tf.reduce_mean(tf.square(tf.matmul(x, v["w"]) + v["b"] - y))


def _cross_entropy(tf: Any, logits: Any, labels: Any) -> Any:
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))


def _mlp(tf: Any, v: dict[str, Any], x: Any, labels: Any) -> Any:
    hidden = tf.nn.relu(tf.matmul(x, v["w1"]) + v["b1"])
    return _cross_entropy(tf, tf.matmul(hidden, v["w2"]) + v["b2"], labels)


def _conv_relu_pool(tf: Any, x: Any, kernel: Any, bias: Any) -> Any:
    y = tf.nn.conv2d(x, kernel, strides=[1, 1, 1, 1], padding="VALID")
    y = tf.nn.relu(tf.nn.bias_add(y, bias))
    return tf.nn.max_pool(y, [1, 2, 2, 1], [1, 2, 2, 1], "VALID")


def _cnn(tf: Any, v: dict[str, Any], x: Any, labels: Any) -> Any:
    y = _conv_relu_pool(tf, x, v["k1"], v["b1"])
    y = _conv_relu_pool(tf, y, v["k2"], v["b2"])
    logits = tf.matmul(tf.reshape(y, [-1, 1600]), v["w3"]) + v["b3"]
    return _cross_entropy(tf, logits, labels)


def _chain_softmax(tf: Any, v: dict[str, Any], a: Any, b: Any, c: Any) -> Any:
    y = tf.tanh(a * b + c) * tf.sigmoid(a - c) + tf.exp(-tf.square(b)) / 2
    return tf.nn.softmax(y)


def _softmax(tf: Any, v: dict[str, Any], x: Any, g: Any) -> Any:
    y = tf.nn.softmax(x)
    return [y, tf.gradients(y, x, g)[0]]


def _layer_norm(tf: Any, v: dict[str, Any], x: Any, g: Any, gamma: Any, beta: Any) -> Any:
    mean, variance = tf.nn.moments(x, [1], keep_dims=True)
    y = (x - mean) * tf.rsqrt(variance + w.LAYER_NORM_EPSILON) * gamma + beta
    return [y, *tf.gradients(y, [x, gamma, beta], g)]


def _cross_entropy_of_logits(tf: Any, v: dict[str, Any], x: Any, labels: Any) -> Any:
    loss = _cross_entropy(tf, x, labels)
    return [loss, tf.gradients(loss, x)[0]]


def _gelu(tf: Any, x: Any) -> Any:
    return 0.5 * x * (1 + tf.erf(x * float(np.sqrt(0.5))))


_MATH: dict[str, Callable[..., Any]] = {
    "exp": lambda tf, x: tf.exp(x), "log": lambda tf, x: tf.log(x),
    "tanh": lambda tf, x: tf.tanh(x), "sigmoid": lambda tf, x: tf.sigmoid(x),
    "erf": lambda tf, x: tf.erf(x), "sin": lambda tf, x: tf.sin(x),
    "pow": lambda tf, x, y: tf.pow(x, y), "gelu": _gelu}

_OUTPUTS: dict[str, Callable[..., Any]] = {
    "linear_regression": _linear_regression, "mlp": _mlp, "cnn": _cnn,
    "chain_softmax": _chain_softmax, "softmax": _softmax, "layer_norm": _layer_norm,
    "cross_entropy": _cross_entropy_of_logits,
    "copy": lambda tf, v, x: x * 1.5, "transpose": lambda tf, v, x: tf.transpose(x),
    "sum_all": lambda tf, v, x: tf.reduce_sum(x),
    "sum_rows": lambda tf, v, x: tf.reduce_sum(x, 1),
    "sum_columns": lambda tf, v, x: tf.reduce_sum(x, 0)}
