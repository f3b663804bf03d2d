"""Files of each format version stay readable.

`data/version1.gflow` holds, with x [None, 3], w = (0 … 5)/8 [3, 2], table = (0 … 39)/16:

    y = x @ w
    z = three turns of: v·2 in the first two, v + w[0] in the last, from v = y
    loss = Σ z² + Σ table, and a step of Momentum(0.0625, 0.5)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import graphflow as tf

FILE = Path(__file__).with_name("data") / "version1.gflow"
X = np.array([[1, 0, -1], [0.5, 2, 0]], np.float32)
W = np.arange(6, dtype=np.float32).reshape(3, 2) / 8


def test_version_1_gives_what_numpy_gives() -> None:
    found = tf.load(FILE).signatures["serve"](X)["z"]
    np.testing.assert_allclose(found, X @ W * 4 + W[0], rtol=1e-6)


def test_version_1_trains() -> None:
    train = tf.load(FILE).signatures["train"]
    w, momentum = W.astype(np.float64), np.zeros((3, 2))
    for _ in range(3):
        z = X @ w * 4 + w[0]
        slope = X.T @ (2 * z) * 4
        slope[0] += (2 * z).sum(0)
        found = train(X)
        np.testing.assert_allclose(
            found["loss"], (z * z).sum() + np.arange(40).sum() / 16, rtol=1e-5)
        momentum = 0.5 * momentum + slope
        w = w - 0.0625 * momentum
        np.testing.assert_allclose(found["w"], w, rtol=1e-4)
