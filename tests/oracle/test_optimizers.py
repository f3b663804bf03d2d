"""Fifty steps of each optimizer agree with TensorFlow's within 1e-5."""

from __future__ import annotations

import pytest
from recorded import case_names, disagreements, unregistered

MODULES = ("optimizers", "optimizers_adaptive")


@pytest.mark.parametrize("name", case_names(*MODULES))
def test_trajectory_is_tensorflows(name: str) -> None:
    assert disagreements(name) == {}


@pytest.mark.parametrize("module", MODULES)
def test_every_program_is_recorded(module: str) -> None:
    assert unregistered(module) == set()
