"""A perceptron with two hidden layers, dropout and Adam reads handwritten digits.

The 1,797 digits come with the package. `keep_prob` is a placeholder, so that one graph serves
training (dropout) and measuring (none). Run it with `python examples/mlp_digits.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import graphflow as tf


@dataclass(frozen=True, slots=True)
class Outcome:
    """losses: mean over each epoch. accuracy: share of the held-out images named rightly."""

    losses: list[float]
    accuracy: float
    steps: int


def dense(x: Any, units: int, name: str) -> Any:
    """x: [N, width] → [N, units]: a product with a matrix, and a bias."""
    with tf.variable_scope(name):
        kernel = tf.get_variable("kernel", [x.shape[1].value, units])
        bias = tf.get_variable("bias", [units], initializer=tf.zeros_initializer())
        return tf.nn.xw_plus_b(x, kernel, bias)


def main(
    epochs: int = 20, hidden: int = 128, batch_size: int = 64, keep_prob: float = 0.8,
    learning_rate: float = 2e-3, seed: int = 0,
) -> Outcome:
    """Trains for `epochs` passes over the training images; measures on the held-out ones."""
    digits = tf.data.digits_dataset(size=8, seed=seed)
    tf.reset_default_graph()
    tf.set_random_seed(seed)

    images = tf.placeholder(tf.float32, [None, 8, 8, 1], name="images")
    labels = tf.placeholder(tf.int32, [None], name="labels")
    keep = tf.placeholder_with_default(1.0, [], name="keep_prob")
    x = tf.reshape(images, [-1, 64])
    for name in ("hidden1", "hidden2"):
        x = tf.nn.dropout(tf.nn.relu(dense(x, hidden, name)), keep_prob=keep)
    logits = dense(x, digits.num_classes, "logits")
    loss = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    step = tf.train.get_or_create_global_step()
    train = tf.train.AdamOptimizer(learning_rate).minimize(loss, global_step=step)
    named = tf.equal(tf.argmax(logits, 1, output_type=tf.int32), labels)
    accuracy = tf.reduce_mean(tf.cast(named, tf.float32))

    rng = np.random.default_rng(seed)
    losses = []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for epoch in range(epochs):
            order = rng.permutation(len(digits.train_labels))
            batches = [order[i:i + batch_size] for i in range(0, len(order), batch_size)]
            total = 0.0
            for index in batches:
                _, current = sess.run([train, loss], {
                    images: digits.train_images[index], labels: digits.train_labels[index],
                    keep: keep_prob})
                total += float(current)
            losses.append(total / len(batches))
            print(f"epoch {epoch + 1}: loss {losses[-1]:.4f}")
        share, steps = sess.run([accuracy, step], {
            images: digits.test_images, labels: digits.test_labels})
    print(f"{share:.1%} of {len(digits.test_labels)} held-out digits named rightly")
    return Outcome(losses, float(share), int(steps))


if __name__ == "__main__":
    main()
