"""Graphs that the tests of pictures draw."""

from __future__ import annotations

import graphflow as tf


def mlp() -> tf.Graph:
    """Two dense layers, a loss, one step of Adam."""
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [None, 12], name="x")
        labels = tf.placeholder(tf.int64, [None], name="labels")
        hidden = tf.layers.dense(x, 8, activation=tf.nn.relu, name="hidden")
        logits = tf.layers.dense(hidden, 3, name="logits")
        loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
        tf.train.AdamOptimizer(1e-3).minimize(loss, name="train")
        tf.global_variables_initializer()
    return graph


def blocks(count: int = 6) -> tf.Graph:
    """Equal residual blocks, in scopes `block_0`, `block_1` …"""
    graph = tf.Graph()
    with graph.as_default():
        h = tf.placeholder(tf.float32, [None, 8], name="x")
        for k in range(count):
            with tf.name_scope(f"block_{k}"):
                h = tf.nn.relu(tf.tanh(h) * 0.5) + h
        tf.identity(h, name="y")
    return graph


def loop() -> tf.Graph:
    """A loop and a branch, which use what is outside."""
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [3], name="x")
        chosen = tf.cond(tf.reduce_sum(x) > 0, lambda: x * 2.0, lambda: x - 1.0)
        tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * chosen), [0, x])
    return graph


def many(count: int) -> tf.Graph:
    """At least `count` operations in nested scopes, none of the blocks equal."""
    graph = tf.Graph()
    functions = (tf.tanh, tf.sigmoid, tf.abs, tf.exp)
    with graph.as_default():
        h = tf.placeholder(tf.float32, [None, 8], name="x")
        layer = 0
        while graph.version < count:
            with tf.name_scope(f"layer_{layer}"):
                a = h
                for part in range(6):
                    with tf.name_scope(f"part_{part}"):
                        for k in range(8 * part, 8 * part + 8):
                            kind = (k * 7 + layer * layer * (k % 5)) % 4
                            a = functions[kind](a) if k % 3 else a + h
                h = a + h
            layer += 1
    return graph
