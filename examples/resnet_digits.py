"""A residual network reads handwritten digits: ResNet-20 with batch normalization and momentum.

The network of He et al. 2016, section 4.2, of 6·n + 2 layers, for images of any size with any
number of channels; CIFAR's are 32×32×3. Run it with `python examples/resnet_digits.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import graphflow as tf


@dataclass(frozen=True, slots=True)
class Outcome:
    """losses: one per step. accuracies: share of the held-out images, after each epoch."""

    losses: list[float]
    accuracies: list[float]


def convolution(x: Any, filters: int, size: int, stride: int, training: Any) -> Any:
    """x: [N, H, W, C] → [N, H/stride, W/stride, filters], normalised by batch."""
    y = tf.layers.conv2d(
        x, filters, size, stride, padding="same", use_bias=False,
        kernel_initializer=tf.variance_scaling_initializer(scale=2.0))
    return tf.layers.batch_normalization(y, momentum=0.9, training=training)


def block(x: Any, filters: int, stride: int, training: Any) -> Any:
    """Two convolutions beside a shortcut, which is a 1×1 convolution where the size changes."""
    y = tf.nn.relu(convolution(x, filters, 3, stride, training))
    y = convolution(y, filters, 3, 1, training)
    if stride > 1 or x.shape[3].value != filters:
        x = convolution(x, filters, 1, stride, training)
    return tf.nn.relu(x + y)


def resnet(images: Any, classes: int, blocks: int, width: int, training: Any) -> Any:
    """images: [N, H, W, C] → logits [N, classes]; three stages of `blocks` blocks."""
    x = tf.nn.relu(convolution(images, width, 3, 1, training))
    for stage in range(3):
        for number in range(blocks):
            with tf.variable_scope(f"stage{stage + 1}_block{number + 1}"):
                stride = 2 if stage > 0 and number == 0 else 1
                x = block(x, width << stage, stride, training)
    return tf.layers.dense(tf.reduce_mean(x, [1, 2]), classes)


def main(
    epochs: int = 8, size: int = 16, blocks: int = 3, width: int = 16, batch_size: int = 32,
    learning_rate: float = 0.05, seed: int = 0,
) -> Outcome:
    """Trains for `epochs` passes over images of size×size; the rate falls in the last quarter."""
    digits = tf.data.digits_dataset(size=size, seed=seed)
    tf.reset_default_graph()
    tf.set_random_seed(seed)

    images = tf.placeholder(tf.float32, [None, size, size, 1], name="images")
    labels = tf.placeholder(tf.int32, [None], name="labels")
    training = tf.placeholder_with_default(False, [], name="training")
    logits = resnet(images, digits.num_classes, blocks, width, training)
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    count = len(digits.train_labels)
    steps = epochs * -(-count // batch_size)
    global_step = tf.train.get_or_create_global_step()
    rate = tf.train.piecewise_constant(
        global_step, [3 * steps // 4], [learning_rate, learning_rate / 10])
    # The moving averages of batch normalization are moved by operations of their own.
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        train = tf.train.MomentumOptimizer(rate, 0.9).minimize(loss, global_step)
    named = tf.equal(tf.argmax(logits, 1, output_type=tf.int32), labels)
    accuracy = tf.reduce_mean(tf.cast(named, tf.float32))

    rng = np.random.default_rng(seed)
    losses, accuracies = [], []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for epoch in range(epochs):
            order = rng.permutation(count)
            for start in range(0, count, batch_size):
                index = order[start:start + batch_size]
                _, current = sess.run([train, loss], {
                    images: digits.train_images[index], labels: digits.train_labels[index],
                    training: True})
                losses.append(float(current))
            accuracies.append(float(sess.run(accuracy, {
                images: digits.test_images, labels: digits.test_labels})))
            print(f"epoch {epoch + 1}: loss {np.mean(losses[-10:]):.4f}, "
                  f"held-out accuracy {accuracies[-1]:.1%}")
    return Outcome(losses, accuracies)


if __name__ == "__main__":
    main()
