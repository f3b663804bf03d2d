"""The layers of `networks.py` in TensorFlow 1: one text for TensorFlow and for graphflow."""

from __future__ import annotations

from typing import Any

from benchmarks import networks as n


class LstmCell:
    """i, j, f, o = [x, h]·kernel + bias, over variables that are there: a cell for `dynamic_rnn`.

    TensorFlow without tf_keras has no cells of its own any more.
    """

    def __init__(self, tf: Any, kernel: Any, bias: Any) -> None:
        self._tf, self._kernel, self._bias = tf, kernel, bias
        self.output_size = int(bias.shape[0]) // 4
        self.state_size = (self.output_size, self.output_size)

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """(c, h), zeros."""
        zeros = self._tf.zeros([batch_size, self.output_size], dtype)
        return zeros, zeros

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        """(output, (new c, new h))."""
        tf, (c, h) = self._tf, state
        gates = tf.nn.bias_add(tf.matmul(tf.concat([inputs, h], 1), self._kernel), self._bias)
        i, j, f, o = tf.split(gates, 4, 1)
        c = c * tf.sigmoid(f + n.FORGET_BIAS) + tf.sigmoid(i) * tf.tanh(j)
        h = tf.tanh(c) * tf.sigmoid(o)
        return h, (c, h)


class Tf1Layers:
    """`networks.Layers`. tf: graphflow, or `tensorflow.compat.v1`."""

    def __init__(self, tf: Any) -> None:
        self._tf = tf

    def dense(self, x: Any, w: Any, b: Any) -> Any:
        tf = self._tf
        if x.shape.ndims == 2:
            return tf.nn.bias_add(tf.matmul(x, w), b)
        rows = tf.reshape(x, [-1, int(x.shape[-1])])
        y = tf.nn.bias_add(tf.matmul(rows, w), b)
        return tf.reshape(y, [*(int(s) for s in x.shape[:-1]), int(w.shape[1])])

    def relu(self, x: Any) -> Any:
        return self._tf.nn.relu(x)

    def add(self, x: Any, y: Any) -> Any:
        return x + y

    def conv(self, x: Any, kernel: Any, stride: int, pad: int, bias: Any = None) -> Any:
        edge = [pad, pad]
        padding = [[0, 0], edge, edge, [0, 0]] if pad else "VALID"
        y = self._tf.nn.conv2d(x, kernel, strides=[1, stride, stride, 1], padding=padding)
        return y if bias is None else self._tf.nn.bias_add(y, bias)

    def max_pool(self, x: Any) -> Any:
        return self._tf.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "VALID")

    def flatten(self, x: Any) -> Any:
        return self._tf.reshape(x, [int(x.shape[0]), -1])

    def batch_norm(self, x: Any, p: n.Weights, name: str, training: bool) -> Any:
        tf = self._tf
        scale, offset = p[f"{name}/scale"], p[f"{name}/offset"]
        means, variances = p[f"{name}/mean"], p[f"{name}/variance"]
        if not training:
            return tf.nn.fused_batch_norm(x, scale, offset, means, variances,
                                          epsilon=n.BATCH_NORM_EPSILON, is_training=False)[0]
        y, mean, variance = tf.nn.fused_batch_norm(
            x, scale, offset, epsilon=n.BATCH_NORM_EPSILON)
        for average, new in ((means, mean), (variances, variance)):
            move = tf.assign_sub(average, (1 - n.BATCH_NORM_MOMENTUM) * (average - new))
            tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, move)
        return y

    def mean_of_pixels(self, x: Any) -> Any:
        return self._tf.reduce_mean(x, [1, 2])

    def lstm(self, x: Any, p: n.Weights, name: str) -> Any:
        tf = self._tf
        cell = LstmCell(tf, p[f"{name}/kernel"], p[f"{name}/bias"])
        _, (_, h) = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)
        return h

    def embed(self, table: Any, tokens: Any) -> Any:
        return self._tf.nn.embedding_lookup(table, tokens)

    def attention(self, q: Any, k: Any, v: Any) -> Any:
        tf = self._tf
        count, steps, width = (int(s) for s in q.shape)

        def heads(x: Any) -> Any:
            return tf.transpose(tf.reshape(x, [count, steps, n.HEADS, -1]), [0, 2, 1, 3])

        scores = tf.matmul(heads(q), heads(k), transpose_b=True) * (width / n.HEADS) ** -0.5
        mixed = tf.matmul(tf.nn.softmax(scores), heads(v))
        return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [count, steps, width])

    def layer_norm(self, x: Any, gamma: Any, beta: Any) -> Any:
        tf = self._tf
        mean, variance = tf.nn.moments(x, [-1], keep_dims=True)
        return tf.nn.batch_normalization(
            x, mean, variance, beta, gamma, n.LAYER_NORM_EPSILON)

    def mean_of_tokens(self, x: Any) -> Any:
        return self._tf.reduce_mean(x, 1)

    def cross_entropy(self, logits: Any, labels: Any) -> Any:
        return self._tf.reduce_mean(self._tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=labels, logits=logits))
