"""Little graph-mode programs give in graphflow what they gave in TensorFlow."""

from __future__ import annotations

import pytest
from programs.registry import MODULES
from recorded import case_names, disagreements, unregistered

SEMANTICS = [module for module in MODULES if module.startswith("semantics")]


@pytest.mark.parametrize("name", case_names(*SEMANTICS))
def test_program_means_what_it_means_in_tensorflow(name: str) -> None:
    assert disagreements(name) == {}


@pytest.mark.parametrize("module", SEMANTICS)
def test_every_program_is_recorded(module: str) -> None:
    assert unregistered(module) == set()
