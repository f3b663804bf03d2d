"""Each test builds in a graph of its own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import graphflow as tf


@pytest.fixture(autouse=True)
def own_graph() -> Iterator[None]:
    np.random.seed(0)
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        yield
