"""The largest eigenvalue by a while_loop that stops by itself; its gradient by the loop (2018)."""

import numpy as np

import graphflow as tf

rng = np.random.RandomState(0)
matrix = rng.normal(size=(12, 12))
matrix = (matrix @ matrix.T / 12).astype(np.float64)

A = tf.placeholder(tf.float64, [12, 12])
start = tf.ones([12], tf.float64) / np.sqrt(12)


def condition(i, v, change):
    return tf.logical_and(i < 1000, change > 1e-12)


def body(i, v, change):
    w = tf.squeeze(tf.matmul(A, tf.expand_dims(v, 1)), 1)
    w /= tf.norm(w)
    return i + 1, w, tf.reduce_max(tf.abs(w - v))


iterations, vector, _ = tf.while_loop(
    condition, body, [tf.constant(0), start, tf.constant(1.0, tf.float64)])
eigenvalue = tf.reduce_sum(vector * tf.squeeze(tf.matmul(A, vector[:, tf.newaxis])))
gradient, = tf.gradients(eigenvalue, A)

# Deflation: the next ones, the size of the loop known
def deflate(state, _):
    remaining, _ = state
    _, v, _ = tf.while_loop(
        lambda i, v, c: tf.logical_and(i < 1000, c > 1e-10),
        lambda i, v, c: step(remaining, i, v), [0, start, tf.constant(1.0, tf.float64)])
    value = tf.reduce_sum(v * tf.linalg.matvec(remaining, v))
    return remaining - value * v[:, None] * v[None, :], value


def step(m, i, v):
    w = tf.linalg.matvec(m, v)
    w = w / tf.norm(w)
    return i + 1, w, tf.reduce_max(tf.abs(w - v))


_, leading = tf.scan(deflate, tf.range(3), initializer=(A, tf.constant(0.0, tf.float64)))

with tf.Session() as sess:
    turns, value, v, slope, three = sess.run(
        [iterations, eigenvalue, vector, gradient, leading], {A: matrix})
print(f"{value:.6f} after {turns} turns; the first three {three}")
