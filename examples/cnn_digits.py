"""A convolutional network reads handwritten digits: two convolutions with max-pooling, one dense.

`graphflow demo` trains the same network on images of 28×28 with a progress bar and checkpoints;
here are its parts in plain TensorFlow 1. Run it with `python examples/cnn_digits.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphflow as tf


@dataclass(frozen=True, slots=True)
class Outcome:
    """losses: one per step. accuracies: share of the held-out images, after each epoch."""

    losses: list[float]
    accuracies: list[float]


def weights(shape: list[int]) -> Any:
    """Normal weights whose deviation keeps the size of activations (He et al. 2015)."""
    fan_in = int(np.prod(shape[:-1]))
    return tf.Variable(tf.truncated_normal(shape, stddev=(2.0 / fan_in) ** 0.5), name="kernel")


def convolution(x: Any, filters: int, name: str) -> Any:
    """x: [N, H, W, C] → [N, (H−2)/2, (W−2)/2, filters]: 3×3 convolution, ReLU, 2×2 max-pooling."""
    with tf.name_scope(name):
        kernel = weights([3, 3, x.shape[3].value, filters])
        bias = tf.Variable(tf.zeros([filters]), name="bias")
        y = tf.nn.conv2d(x, kernel, strides=[1, 1, 1, 1], padding="VALID")
        y = tf.nn.relu(tf.nn.bias_add(y, bias))
        return tf.nn.max_pool(y, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID")


def batches(count: int, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Index arrays that cover 0 … count − 1 in a random order."""
    order = rng.permutation(count)
    for start in range(0, count, size):
        yield order[start:start + size]


def main(
    epochs: int = 6, size: int = 28, filters: tuple[int, int] = (32, 64), batch_size: int = 32,
    learning_rate: float = 1e-3, seed: int = 0,
) -> Outcome:
    """Trains for `epochs` passes over images of size×size; measures after each."""
    digits = tf.data.digits_dataset(size=size, seed=seed)
    tf.reset_default_graph()
    tf.set_random_seed(seed)

    images = tf.placeholder(tf.float32, [None, size, size, 1], name="images")
    labels = tf.placeholder(tf.int32, [None], name="labels")
    features = images
    for i, count in enumerate(filters):
        features = convolution(features, count, f"conv{i + 1}")
    width = features.shape[1:].num_elements()
    with tf.name_scope("dense"):
        kernel = weights([width, digits.num_classes])
        bias = tf.Variable(tf.zeros([digits.num_classes]), name="bias")
        logits = tf.matmul(tf.reshape(features, [-1, width]), kernel) + bias
    loss = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    train = tf.train.AdamOptimizer(learning_rate).minimize(loss)
    named = tf.equal(tf.cast(tf.argmax(logits, 1), tf.int32), labels)
    accuracy = tf.reduce_mean(tf.cast(named, tf.float32))

    rng = np.random.default_rng(seed)
    losses, accuracies = [], []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for epoch in range(epochs):
            for index in batches(len(digits.train_labels), batch_size, rng):
                _, current = sess.run([train, loss], {
                    images: digits.train_images[index], labels: digits.train_labels[index]})
                losses.append(float(current))
            accuracies.append(float(sess.run(accuracy, {
                images: digits.test_images, labels: digits.test_labels})))
            print(f"epoch {epoch + 1}: loss {np.mean(losses[-10:]):.4f}, "
                  f"held-out accuracy {accuracies[-1]:.1%}")
    return Outcome(losses, accuracies)


if __name__ == "__main__":
    main()
