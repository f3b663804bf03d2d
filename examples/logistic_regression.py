"""Logistic regression on the Wisconsin breast-cancer data: benign or malignant?

Thirty measurements per tumour, standardised with the training part's mean and deviation; the
loss is the cross-entropy of the labels plus a small penalty on the weights. Where the data come
from stands in examples/data/README.md. Run it with `python examples/logistic_regression.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import graphflow as tf

DATA = Path(__file__).parent / "data" / "breast_cancer.csv.gz"


@dataclass(frozen=True, slots=True)
class Outcome:
    """losses: one per step, before its update. Accuracies are shares in [0, 1]."""

    losses: list[float]
    train_accuracy: float
    test_accuracy: float


def tumours(test_share: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x_train, y_train, x_test, y_test: measurements float32 [N, 30] and labels float32 [N, 1]."""
    table = np.loadtxt(DATA, delimiter=",", skiprows=1)
    table = np.random.default_rng(seed).permutation(table)
    x, y = table[:, :-1], table[:, -1:].astype(np.float32)
    held_out = round(test_share * len(x))
    mean, deviation = x[held_out:].mean(axis=0), x[held_out:].std(axis=0)
    x = ((x - mean) / deviation).astype(np.float32)
    return x[held_out:], y[held_out:], x[:held_out], y[:held_out]


def main(
    steps: int = 300, learning_rate: float = 0.5, decay: float = 1e-3, test_share: float = 0.25,
    seed: int = 0,
) -> Outcome:
    """Trains on all training rows at once; measures on the rows that were held out."""
    x_train, y_train, x_test, y_test = tumours(test_share, seed)
    tf.reset_default_graph()

    x = tf.placeholder(tf.float32, [None, x_train.shape[1]], name="measurements")
    y = tf.placeholder(tf.float32, [None, 1], name="benign")
    with tf.variable_scope("model"):
        weights = tf.get_variable("weights", [x_train.shape[1], 1],
                                  initializer=tf.zeros_initializer())
        bias = tf.get_variable("bias", [1], initializer=tf.zeros_initializer())
    logits = tf.matmul(x, weights) + bias
    cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=logits)
    loss = tf.reduce_mean(cross_entropy) + decay * tf.nn.l2_loss(weights)
    train = tf.train.GradientDescentOptimizer(learning_rate).minimize(loss)
    guess = tf.cast(tf.sigmoid(logits) > 0.5, tf.float32)
    accuracy = tf.reduce_mean(tf.cast(tf.equal(guess, y), tf.float32))

    losses = []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(steps):
            _, current = sess.run([train, loss], {x: x_train, y: y_train})
            losses.append(float(current))
        on_train = float(sess.run(accuracy, {x: x_train, y: y_train}))
        on_test = float(sess.run(accuracy, {x: x_test, y: y_test}))
    print(f"loss {losses[0]:.4f} → {losses[-1]:.4f}")
    print(f"accuracy {on_train:.1%} on {len(x_train)} training rows, "
          f"{on_test:.1%} on {len(x_test)} held-out rows")
    return Outcome(losses, on_train, on_test)


if __name__ == "__main__":
    main()
