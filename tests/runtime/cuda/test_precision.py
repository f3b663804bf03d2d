"""TF32 in sessions on a GPU: forbidden by default, allowed by an option or for all sessions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from fake_gpu import FakeDriver

import graphflow as gf
from graphflow.options import Options

X = np.random.default_rng(1).normal(size=(32, 64)).astype(np.float32)


@pytest.fixture
def forbidden_again() -> Iterator[None]:
    yield
    gf.config.experimental.enable_tensor_float_32_execution(False)


def error(options: Options) -> float:
    """The largest error of a product."""
    with gf.Graph().as_default() as graph:
        x = gf.placeholder(gf.float32, [None, 64])
        y = gf.matmul(x, x, transpose_b=True)
        with gf.Session(graph=graph, options=options) as session:
            found = session.run(y, {x: X})
    wide = X.astype(np.float64)
    return float(np.max(np.abs(found - wide @ wide.T)))


def test_by_an_option(gpu: FakeDriver) -> None:
    assert error(Options(device="cuda")) < 1e-4
    assert 1e-3 < error(Options(device="cuda", tensor_float_32=True)) < 0.1
    assert error(Options(device="cuda")) < 1e-4


@pytest.mark.usefixtures("forbidden_again")
def test_for_all_sessions(gpu: FakeDriver) -> None:
    assert not gf.config.experimental.tensor_float_32_execution_enabled()
    gf.config.experimental.enable_tensor_float_32_execution(True)
    assert gf.config.experimental.tensor_float_32_execution_enabled()
    assert error(Options(device="cuda")) > 1e-3
    assert error(Options(device="cuda", tensor_float_32=False)) < 1e-4
    assert error(Options(device="cpu")) < 1e-4


def test_other_settings_are_refused() -> None:
    with pytest.raises(gf.errors.AttributeValueError, match="tensor_float_32 must be a bool"):
        Options(tensor_float_32="yes")  # type: ignore[arg-type]
