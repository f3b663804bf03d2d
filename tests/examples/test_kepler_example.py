"""Newton's method in a loop, differentiated and trained through."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("eccentricity", [0.2, 0.4, 0.6])
def test_kepler_orbit_recovers_the_eccentricity(eccentricity):
    outcome = runpy.run_path(str(EXAMPLES / "kepler_orbit.py"))["main"](
        eccentricity=eccentricity, steps=60)
    assert outcome.eccentricity == pytest.approx(eccentricity, abs=1e-8)
    assert outcome.gradient_error < 1e-9
    assert outcome.losses[-1] < 1e-15
    assert 1 <= outcome.iterations <= 10
