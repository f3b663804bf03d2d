"""Keras's layers, losses, metrics and training give what Keras 2 gives.

The recordings are made by

    TF_USE_LEGACY_KERAS=1 python tests/oracle/record_programs.py keras_layers keras_losses …

with TensorFlow and tf_keras (2.21).
"""

from __future__ import annotations

import pytest
from recorded import case_names, disagreements, unregistered

MODULES = ("keras_layers", "keras_losses", "keras_training")


@pytest.mark.parametrize("name", case_names(*MODULES))
def test_program_gives_what_it_gave_in_keras(name: str) -> None:
    assert disagreements(name) == {}


@pytest.mark.parametrize("module", MODULES)
def test_every_program_is_recorded(module: str) -> None:
    assert unregistered(module) == set()
