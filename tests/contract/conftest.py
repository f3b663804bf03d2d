"""The contract of declarations is checked by the NumPy executor; see also tests/codegen."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions run the NumPy executor: compiled ops have a contract test of their own."""
    monkeypatch.setenv("GRAPHFLOW_DEVICE", "reference")
