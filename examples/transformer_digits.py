"""A transformer encoder reads handwritten digits: their patches are its sequence.

Encoder blocks as in Vaswani et al. 2017 over square patches of an image, as in Dosovitskiy et al.
2021. Run it with `python examples/transformer_digits.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import graphflow as tf


@dataclass(frozen=True, slots=True)
class Outcome:
    """losses: one per step. accuracies: share of the held-out images, after each epoch.

    attended: [heads, tokens, tokens], the last block's attention on the first held-out image.
    """

    losses: list[float]
    accuracies: list[float]
    attended: np.ndarray


def attention(x: Any, heads: int) -> tuple[Any, Any]:
    """x: [N, T, width] → (what each token takes from all, [N, T, width]; [N, heads, T, T])."""
    length, width = x.shape[1].value, x.shape[2].value

    def project(name: str) -> Any:
        y = tf.reshape(tf.layers.dense(x, width, name=name), [-1, length, heads, width // heads])
        return tf.transpose(y, [0, 2, 1, 3])

    query, key, value = project("query"), project("key"), project("value")
    scores = tf.matmul(query, key, transpose_b=True) / np.sqrt(width // heads)
    weights = tf.nn.softmax(scores)
    mixed = tf.transpose(tf.matmul(weights, value), [0, 2, 1, 3])
    return tf.layers.dense(tf.reshape(mixed, [-1, length, width]), width, name="out"), weights


def encoder_block(x: Any, heads: int, hidden: int, rate: Any) -> tuple[Any, Any]:
    """Attention, then two dense layers for each token, each added to its input and normalised."""
    width = x.shape[2].value
    y, weights = attention(x, heads)
    x = tf.contrib.layers.layer_norm(x + tf.nn.dropout(y, rate=rate), begin_norm_axis=-1)
    y = tf.layers.dense(x, hidden, activation=tf.nn.relu, name="up")
    y = tf.layers.dense(y, width, name="down")
    return tf.contrib.layers.layer_norm(
        x + tf.nn.dropout(y, rate=rate), begin_norm_axis=-1), weights


def encoder(
    images: Any, classes: int, patch: int, blocks: int, width: int, heads: int, rate: Any
) -> tuple[Any, Any]:
    """images: [N, H, W, C] → (logits [N, classes], the last block's attention)."""
    pieces = tf.space_to_depth(images, patch) if patch > 1 else images
    length = pieces.shape[1].value * pieces.shape[2].value
    x = tf.layers.dense(tf.reshape(pieces, [-1, length, pieces.shape[3].value]), width)
    x += tf.get_variable("positions", [length, width],
                         initializer=tf.random_normal_initializer(stddev=0.1))
    weights = None
    for number in range(blocks):
        with tf.variable_scope(f"block{number + 1}"):
            x, weights = encoder_block(x, heads, 4 * width, rate)
    return tf.layers.dense(tf.reduce_mean(x, 1), classes), weights


def main(
    epochs: int = 20, patch: int = 2, blocks: int = 2, width: int = 64, heads: int = 4,
    batch_size: int = 32, learning_rate: float = 1e-3, dropout: float = 0.1, seed: int = 0,
) -> Outcome:
    """Trains for `epochs` passes over images of 8×8 pixels, in patches of patch×patch."""
    digits = tf.data.digits_dataset(size=8, seed=seed)
    tf.reset_default_graph()
    tf.set_random_seed(seed)

    images = tf.placeholder(tf.float32, [None, 8, 8, 1], name="images")
    labels = tf.placeholder(tf.int32, [None], name="labels")
    rate = tf.placeholder_with_default(0.0, [], name="dropout")
    logits, weights = encoder(images, digits.num_classes, patch, blocks, width, heads, rate)
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    train = tf.train.AdamOptimizer(learning_rate).minimize(loss)
    named = tf.equal(tf.argmax(logits, 1, output_type=tf.int32), labels)
    accuracy = tf.reduce_mean(tf.cast(named, tf.float32))

    rng = np.random.default_rng(seed)
    losses, accuracies = [], []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for epoch in range(epochs):
            order = rng.permutation(len(digits.train_labels))
            for start in range(0, len(order), batch_size):
                index = order[start:start + batch_size]
                _, current = sess.run([train, loss], {
                    images: digits.train_images[index], labels: digits.train_labels[index],
                    rate: dropout})
                losses.append(float(current))
            accuracies.append(float(sess.run(accuracy, {
                images: digits.test_images, labels: digits.test_labels})))
            print(f"epoch {epoch + 1}: loss {np.mean(losses[-10:]):.4f}, "
                  f"held-out accuracy {accuracies[-1]:.1%}")
        attended = sess.run(weights, {images: digits.test_images[:1]})[0]
    return Outcome(losses, accuracies, attended)


if __name__ == "__main__":
    main()
