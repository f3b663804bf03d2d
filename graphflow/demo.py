"""`graphflow demo`: trains a small convolutional network on real images and tells what it did.

The network is the one that introductions to deep learning use: two 3×3 convolutions with ReLU
and max-pooling, a dense layer of one output per class, softmax cross-entropy, Adam (Kingma & Ba
2015). Without `--data` the images are the UCI handwritten digits that the package carries.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import graphflow as tf
from graphflow.data.dataset import Dataset
from graphflow.errors import GraphflowError


@dataclass(frozen=True, slots=True)
class Settings:
    """What `graphflow demo` was asked for.

    Attributes:
      data: a directory with MNIST or CIFAR-10 files, or None for the digits in the package.
      checkpoint: the directory of the checkpoints.
      resume: go on from the newest checkpoint instead of starting afresh.
      epochs: passes over the training images in this call.
      batch_size, learning_rate, seed: as usual.
      limit: train and test on at most this many images, or None for all.
      device: of the session: "auto", "cpu" (compiled) or "reference".
    """

    data: Path | None
    checkpoint: Path
    resume: bool
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    limit: int | None
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class Model:
    """The tensors and operations of the network."""

    images: Any
    labels: Any
    loss: Any
    train: Any
    correct: Any
    epoch: Any
    next_epoch: Any
    saver: Any
    parameters: int


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it."""

    first_loss: float
    last_loss: float
    accuracy: float
    epochs_before: int
    epochs: int
    steps: int
    seconds: float
    checkpoint: str


def load(settings: Settings) -> Dataset:
    """The images to learn from. Raises DatasetError."""
    if settings.data is None:
        data = tf.data.digits_dataset(seed=settings.seed)
    else:
        data = tf.data.load_directory(settings.data)
    if settings.limit is None:
        return data
    n = settings.limit
    return Dataset(data.train_images[:n], data.train_labels[:n], data.test_images[:n],
                   data.test_labels[:n], data.num_classes, data.name)


def convolution(x: Any, filters: int, name: str) -> Any:
    """3×3 convolution, bias, ReLU, 2×2 max-pooling. x: [N, H, W, C]."""
    with tf.variable_scope(name):
        kernel = tf.get_variable("kernel", [3, 3, x.shape[-1].value, filters])
        bias = tf.get_variable("bias", [filters], initializer=tf.zeros_initializer())
        y = tf.nn.conv2d(x, kernel, strides=[1, 1, 1, 1], padding="VALID")
        y = tf.nn.relu(tf.nn.bias_add(y, bias))
        return tf.nn.max_pool(y, [1, 2, 2, 1], [1, 2, 2, 1], "VALID")


def build(image_shape: tuple[int, ...], classes: int, learning_rate: float) -> Model:
    """Builds the network, its loss, gradients and update in the default graph."""
    images = tf.placeholder(tf.float32, [None, *image_shape], name="images")
    labels = tf.placeholder(tf.int32, [None], name="labels")
    features = convolution(convolution(images, 32, "conv1"), 64, "conv2")
    width = int(np.prod(features.shape.as_list()[1:]))
    flat = tf.reshape(features, [-1, width])
    with tf.variable_scope("dense"):
        weights = tf.get_variable("kernel", [width, classes])
        bias = tf.get_variable("bias", [classes], initializer=tf.zeros_initializer())
    logits = tf.matmul(flat, weights) + bias
    loss = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits), name="loss")
    train = tf.train.AdamOptimizer(learning_rate).minimize(loss)
    guessed = tf.cast(tf.argmax(logits, 1), tf.int32)
    correct = tf.reduce_sum(tf.cast(tf.equal(guessed, labels), tf.int32), name="correct")
    epoch = tf.Variable(0, trainable=False, name="epoch")
    count = sum(v.shape.num_elements() for v in tf.trainable_variables())
    return Model(images, labels, loss, train, correct, epoch, epoch.assign_add(1),
                 tf.train.Saver(max_to_keep=2), count)


def batches(n: int, size: int, rng: np.random.Generator | None) -> Iterator[np.ndarray]:
    """Index arrays that cover 0 … n−1, shuffled if there is an `rng`."""
    order = rng.permutation(n) if rng is not None else np.arange(n)
    for start in range(0, n, size):
        yield order[start:start + size]


def measure(sess: Any, model: Model, images: np.ndarray, labels: np.ndarray) -> float:
    """The share of the images that the network labels rightly."""
    right = 0
    for index in batches(len(labels), 256, None):
        feed = {model.images: images[index], model.labels: labels[index]}
        right += int(sess.run(model.correct, feed))
    return right / len(labels)


def train(
    settings: Settings, data: Dataset, on_step: Callable[[int, int, float], None],
    on_epoch: Callable[[int, float], None],
) -> Report:
    """Trains, measures and saves. `on_step(epoch, step, loss)`, `on_epoch(epoch, accuracy)`.

    Batches depend on seed and epoch alone, so a resumed training sees what an unbroken one would.
    Raises GraphflowError if there is nothing to resume from.
    """
    tf.reset_default_graph()
    tf.set_random_seed(settings.seed)
    model = build(data.train_images.shape[1:], data.num_classes, settings.learning_rate)
    losses: list[float] = []
    started = time.perf_counter()
    with tf.Session(device=settings.device) as sess:
        sess.run(tf.global_variables_initializer())
        if settings.resume:
            _restore(settings, model, sess)
        settings.checkpoint.mkdir(parents=True, exist_ok=True)
        before = int(sess.run(model.epoch))
        path = ""
        accuracy = 0.0
        for epoch in range(before, before + settings.epochs):
            rng = np.random.default_rng([settings.seed, epoch])
            order = batches(len(data.train_labels), settings.batch_size, rng)
            for step, index in enumerate(order):
                feed = {model.images: data.train_images[index],
                        model.labels: data.train_labels[index]}
                _, loss = sess.run([model.train, model.loss], feed_dict=feed)
                losses.append(float(loss))
                on_step(epoch, step, losses[-1])
            sess.run(model.next_epoch)
            path = model.saver.save(sess, str(settings.checkpoint / "cnn"), global_step=epoch + 1)
            accuracy = measure(sess, model, data.test_images, data.test_labels)
            on_epoch(epoch, accuracy)
    return Report(losses[0], float(np.mean(losses[-10:])), accuracy, before, settings.epochs,
                  len(losses), time.perf_counter() - started, path)


def _restore(settings: Settings, model: Model, sess: Any) -> None:
    latest = tf.train.latest_checkpoint(str(settings.checkpoint))
    if latest is None:
        raise GraphflowError(
            f"There is no checkpoint in {settings.checkpoint} to resume from. Run "
            "`graphflow demo` first, or name the directory with --checkpoint."
        )
    model.saver.restore(sess, latest)
