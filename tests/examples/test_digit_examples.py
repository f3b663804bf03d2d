"""The networks that read handwritten digits, at small size."""

from __future__ import annotations

import math
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_mlp_reads_digits():
    outcome = runpy.run_path(str(EXAMPLES / "mlp_digits.py"))["main"](epochs=15, hidden=64)
    assert outcome.steps == 15 * math.ceil(1438 / 64)
    assert outcome.losses[0] < 2 * math.log(10)
    assert outcome.losses[-1] < 0.3
    assert outcome.accuracy >= 0.94


def test_cnn_reads_digits():
    outcome = runpy.run_path(str(EXAMPLES / "cnn_digits.py"))["main"](
        epochs=6, size=14, filters=(12, 24), learning_rate=3e-3)
    assert len(outcome.losses) == 6 * math.ceil(1438 / 32)
    assert outcome.losses[0] == pytest.approx(math.log(10), rel=0.6)
    assert sum(outcome.losses[-10:]) / 10 < 0.3
    assert outcome.accuracies[-1] >= 0.94


def test_resnet_reads_digits():
    # Eight layers on the stored 8×8 pixels.
    outcome = runpy.run_path(str(EXAMPLES / "resnet_digits.py"))["main"](
        epochs=3, size=8, blocks=1, width=8)
    assert len(outcome.losses) == 3 * math.ceil(1438 / 32)
    assert sum(outcome.losses[-10:]) / 10 < 0.3
    assert outcome.accuracies[-1] >= 0.94


def test_transformer_reads_digits():
    outcome = runpy.run_path(str(EXAMPLES / "transformer_digits.py"))["main"](
        epochs=8, blocks=1, width=32, learning_rate=3e-3, dropout=0.0)
    assert outcome.losses[0] == pytest.approx(math.log(10), rel=0.6)
    assert outcome.accuracies[-1] >= 0.85
    assert outcome.attended.shape == (4, 16, 16)  # 4×4 patches look at each other
    assert outcome.attended.sum(axis=-1) == pytest.approx(1, abs=1e-5)


def test_the_same_seed_trains_the_same_network():
    main = runpy.run_path(str(EXAMPLES / "mlp_digits.py"))["main"]
    assert main(epochs=2, hidden=16, seed=3) == main(epochs=2, hidden=16, seed=3)
