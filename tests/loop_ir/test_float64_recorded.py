"""Compiled float64 functions beside values that mpmath has computed (`record_float64.py`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import graphflow as tf

RECORDED = np.load(Path(__file__).with_name("float64_values.npz"))
NAMES = sorted({name.partition(".")[0] for name in RECORDED.files})
BOUND = 4  # in units of the last place


@pytest.mark.parametrize("name", NAMES)
def test_within_four_units_of_the_last_place(name: str) -> None:
    x, exact, rest = (RECORDED[f"{name}.{part}"] for part in ("x", "value", "rest"))
    with tf.Graph().as_default():
        y = getattr(tf.math, name)(tf.constant(x))
        with tf.Session() as sess:
            actual = sess.run(y)
    assert x.size > 200 and x.dtype == actual.dtype == np.float64
    finite = np.isfinite(exact)
    units = (actual[finite] - exact[finite]) / np.spacing(np.abs(exact[finite]))
    error = np.abs(units - rest[finite])
    worst = int(np.argmax(error))
    assert error[worst] <= BOUND, (x[finite][worst], actual[finite][worst], error[worst])
    np.testing.assert_array_equal(actual[~finite], exact[~finite])
