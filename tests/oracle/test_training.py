"""Schedules, moving averages, losses, metrics and layers give TensorFlow's values and names."""

from __future__ import annotations

import pytest
from recorded import case_names, disagreements, unregistered

MODULES = ("train_schedules", "losses", "layers", "metrics")


@pytest.mark.parametrize("name", case_names(*MODULES))
def test_program_gives_what_it_gave_in_tensorflow(name: str) -> None:
    assert disagreements(name) == {}


@pytest.mark.parametrize("module", MODULES)
def test_every_program_is_recorded(module: str) -> None:
    assert unregistered(module) == set()
