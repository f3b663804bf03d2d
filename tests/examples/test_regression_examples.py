"""The regression examples reach what NumPy and the data say they should."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import graphflow as tf

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_linear_regression_finds_the_least_squares_line():
    example = runpy.run_path(str(EXAMPLES / "linear_regression.py"))
    outcome = example["main"](steps=1500)
    x, y = example["points"](200, 0)
    slope, intercept = np.polyfit(x.ravel(), y.ravel(), 1)
    assert outcome.weight == pytest.approx(slope, abs=1e-3)
    assert outcome.bias == pytest.approx(intercept, abs=1e-3)
    assert all(after <= before * 1.0001
               for before, after in zip(outcome.losses, outcome.losses[1:]))
    assert outcome.losses[-1] < 0.02 * outcome.losses[0]


def test_the_comment_in_linear_regression_quotes_the_real_message():
    source = (EXAMPLES / "linear_regression.py").read_text()
    quoted = re.search(r"#   ShapeError: (.*)\n +#   (.*) Built at (\S+)\. (.*) …\n", source)
    assert quoted
    with tf.Graph().as_default():
        X = tf.placeholder(tf.float32, [None, 1], name="X")
        W = tf.Variable(tf.random_normal([1]), name="weight")
        with pytest.raises(tf.errors.ShapeError) as caught:
            tf.matmul(X, W)
    assert f"{quoted[1]} {quoted[2]}" in str(caught.value)
    assert quoted[4] in str(caught.value)
    lines = source.splitlines()
    file, line = quoted[3].split(":")
    assert file == "linear_regression.py" and "tf.matmul(X, W)" in lines[int(line) - 1]


def test_logistic_regression_tells_tumours_apart():
    outcome = runpy.run_path(str(EXAMPLES / "logistic_regression.py"))["main"](steps=200)
    assert outcome.losses[0] == pytest.approx(np.log(2), abs=1e-6)
    assert outcome.losses[-1] < 0.1
    assert outcome.train_accuracy >= 0.97
    assert outcome.test_accuracy >= 0.95


def test_robust_regression_is_not_moved_by_outliers(capfd):
    example = runpy.run_path(str(EXAMPLES / "robust_regression.py"))
    outcome = example["main"]()
    true_slope, true_intercept = example["TRUE_LINE"]
    assert outcome.line == pytest.approx((true_slope, true_intercept), abs=0.05)
    assert abs(outcome.least_squares[1] - true_intercept) > 0.5
    assert outcome.medians_taken == 350
    printed = [line for line in capfd.readouterr().err.splitlines() if "step, loss" in line]
    assert [line.split("[")[1] for line in printed] == ["0]", "100]", "200]", "300]"]
