"""Linear regression, the first TensorFlow 1 program that most people met.

A line y = weight · x + bias is fitted to points by gradient descent on the mean squared error.
Run it with `python examples/linear_regression.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import graphflow as tf

TRUE_WEIGHT, TRUE_BIAS, NOISE = 2.0, -1.0, 0.1


@dataclass(frozen=True, slots=True)
class Outcome:
    """losses: one per step, before its update. weight, bias: the fitted line."""

    losses: list[float]
    weight: float
    bias: float


def points(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y, both float32 [count, 1], on a line with normal noise."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.0, 1.0, (count, 1))
    y = TRUE_WEIGHT * x + TRUE_BIAS + rng.normal(0.0, NOISE, (count, 1))
    return x.astype(np.float32), y.astype(np.float32)


def main(
    steps: int = 1000, count: int = 200, learning_rate: float = 0.01, seed: int = 0,
) -> Outcome:
    """Fits the line; prints the loss ten times on the way."""
    x_train, y_train = points(count, seed)
    tf.reset_default_graph()
    tf.set_random_seed(seed)

    X = tf.placeholder(tf.float32, shape=[None, 1], name="X")
    Y = tf.placeholder(tf.float32, shape=[None, 1], name="Y")

    # Introductions often write tf.random_normal([1]) here. Matrix products take matrices, so
    # TensorFlow refuses that program, and so does graphflow, at the line of the product:
    #   ShapeError: MatMul 'MatMul': b must be a matrix (rank 2), but has rank 1: a [X.0, 1],
    #   b [1]. Built at linear_regression.py:53. Make it a column [1, 1] with …
    W = tf.Variable(tf.random_normal([1, 1]), name="weight")
    b = tf.Variable(tf.zeros([1]), name="bias")

    y_pred = tf.matmul(X, W) + b

    loss = tf.reduce_mean(tf.square(Y - y_pred))
    optimizer = tf.train.GradientDescentOptimizer(learning_rate).minimize(loss)

    losses = []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for step in range(steps):
            _, current = sess.run([optimizer, loss], feed_dict={X: x_train, Y: y_train})
            losses.append(float(current))
            if step % max(1, steps // 10) == 0:
                print(f"step {step}: loss {current:.4f}")
        weight, bias = sess.run([W, b])
    print(f"y = {weight[0, 0]:.3f} x {bias[0]:+.3f}")
    return Outcome(losses, float(weight[0, 0]), float(bias[0]))


if __name__ == "__main__":
    main()
