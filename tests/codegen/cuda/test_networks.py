"""Training steps whose kernels are CUDA kernels, run on the CPU: the numbers of the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cuda_kernels_on_cpu import cuda_kernels_on_cpu

import graphflow as gf
from graphflow.codegen.cuda.plans import Spread


def dense(images: Any, labels: Any) -> Any:
    hidden = gf.layers.dense(gf.layers.flatten(images), 24, activation=gf.nn.tanh)
    return gf.losses.sparse_softmax_cross_entropy(labels, gf.layers.dense(hidden, 20))


def convolutional(images: Any, labels: Any) -> Any:
    hidden = gf.layers.conv2d(images, 16, 3, activation=gf.nn.relu, padding="same")
    hidden = gf.layers.batch_normalization(hidden, training=True)
    hidden = gf.layers.max_pooling2d(hidden, 2, 2)
    return gf.losses.sparse_softmax_cross_entropy(
        labels, gf.layers.dense(gf.layers.flatten(hidden), 20))


def embedded(images: Any, labels: Any) -> Any:
    table = gf.get_variable("table", [20, 16])
    rows = gf.nn.embedding_lookup(table, labels)
    wanted = gf.layers.dense(gf.layers.flatten(images), 16)
    return gf.reduce_mean(gf.square(rows - wanted))


def trained(build: Callable[[Any, Any], Any], device: str, steps: int) -> list[float]:
    """The losses of some steps."""
    rng = np.random.default_rng(3)
    feeds = [(rng.normal(size=(n, 6, 6, 3)).astype(np.float32), rng.integers(0, 20, n))
             for n in (18, 18, 7)[:steps]]
    with gf.Graph().as_default() as graph:
        gf.set_random_seed(5)
        images = gf.placeholder(gf.float32, [None, 6, 6, 3])
        labels = gf.placeholder(gf.int64, [None])
        loss = build(images, labels)
        step = gf.train.AdamOptimizer(0.01).minimize(loss)
        with gf.Session(graph=graph, options=gf.Options(device=device)) as session:
            session.run(gf.global_variables_initializer())
            return [float(session.run([loss, step], {images: x, labels: y})[0])
                    for x, y in feeds]


@pytest.mark.parametrize("build", [dense, convolutional, embedded])
def test_training_steps(build: Callable[[Any, Any], Any]) -> None:
    expected = trained(build, "reference", 3)
    with cuda_kernels_on_cpu() as parts:
        found = trained(build, "cpu", 3)
    np.testing.assert_allclose(found, expected, rtol=2e-4)
    spreads = {p.plan.spread for p in parts.values()}
    assert {Spread.THREADS, Spread.BLOCKS} <= spreads
    assert Spread.TILES in spreads
