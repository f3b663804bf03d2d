"""AdaMax, AdamW and Nadam give the steps of Keras's and TensorFlow's forms of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from programs.keras_optimizers import CURVATURE, START, STEPS, TARGET

import graphflow as tf

RECORDED = json.loads(Path(__file__).with_name("keras_optimizers.json").read_text("utf-8"))
OPTIMIZERS = {
    "adamax": lambda: tf.train.AdaMaxOptimizer(0.05, beta1=0.8, beta2=0.9, epsilon=1e-3),
    # Keras multiplies the decay by the learning rate, tf.contrib.opt does not.
    "adamw": lambda: tf.train.AdamWOptimizer(
        0.1 * 0.05, 0.05, beta1=0.8, beta2=0.95, epsilon=1e-3),
    "nadam": lambda: tf.train.NadamOptimizer(0.05, beta1=0.9, beta2=0.95, epsilon=1e-4),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_path_is_the_recorded_one(name: str) -> None:
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.Variable(np.array(START, np.float32))
        train = OPTIMIZERS[name]().minimize(
            0.5 * tf.reduce_sum(CURVATURE * tf.square(x - TARGET)))
        sess.run(tf.global_variables_initializer())
        points = []
        for step in range(1, STEPS + 1):
            sess.run(train)
            if step % 10 == 0:
                points.append(sess.run(x))
    np.testing.assert_allclose(points, RECORDED[name], rtol=1e-5, atol=1e-5)
