"""Fifty steps of each optimizer agree with TensorFlow's within 1e-5."""

from __future__ import annotations

import pytest
from recorded import case_names, disagreements, unregistered


@pytest.mark.parametrize("name", case_names("optimizers"))
def test_trajectory_is_tensorflows(name: str) -> None:
    assert disagreements(name) == {}


def test_every_program_is_recorded() -> None:
    assert unregistered("optimizers") == set()
