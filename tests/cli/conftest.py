"""A model in a file, and graphflow as a user calls it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import graphflow as gf
from graphflow.cli import main

WEIGHTS = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """y = x · W and its largest column; a training step of W; a sum of two numbers."""
    path = tmp_path_factory.mktemp("model") / "model.gflow"
    with gf.Graph().as_default():
        x = gf.placeholder(gf.float32, [None, 4], name="x")
        labels = gf.placeholder(gf.int32, [None], name="labels")
        w = gf.get_variable("w", initializer=WEIGHTS)
        y = gf.matmul(x, w, name="y")
        loss = gf.reduce_mean(gf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=labels, logits=y), name="loss")
        train = gf.train.GradientDescentOptimizer(0.5).minimize(loss)
        a, b = (gf.placeholder(gf.float64, [], name=n) for n in "ab")
        with gf.Session() as session:
            session.run(gf.global_variables_initializer())
            gf.export(path, {
                "serve": ({"x": x}, {"y": y, "label": gf.argmax(y, 1)}),
                "train": gf.Signature({"x": x, "labels": labels}, {"loss": loss}, [train]),
                "add": ({"a": a, "b": b}, {"sum": a + b})}, session, training=True)
    return path


@pytest.fixture
def graphflow(tmp_path, monkeypatch) -> Callable[..., Result]:
    """Runs a command in an empty folder; the exit code is checked, 0 if nothing is said."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, exit_code: int = 0) -> Result:
        result = CliRunner().invoke(main, [str(a) for a in arguments])
        assert result.exit_code == exit_code, (result.output, result.exception)
        assert "Traceback" not in result.output and "\x1b" not in result.output
        return result

    return run
