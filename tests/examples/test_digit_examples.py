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


def test_the_same_seed_trains_the_same_network():
    main = runpy.run_path(str(EXAMPLES / "mlp_digits.py"))["main"]
    assert main(epochs=2, hidden=16, seed=3) == main(epochs=2, hidden=16, seed=3)
