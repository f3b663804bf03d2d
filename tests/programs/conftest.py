"""`run_script`: runs a program of scripts/, or of the examples, as `python program.py` would."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graphflow as tf

FOLDERS = (Path(__file__).parent / "scripts", Path(__file__).parents[2] / "examples")


@pytest.fixture
def run_script() -> Callable[[str], dict[str, Any]]:
    """Runs NAME.py in a graph of its own; gives the names that it leaves behind."""

    def run(name: str) -> dict[str, Any]:
        tf.keras.backend.clear_session()
        tf.reset_default_graph()
        path = next(p for f in FOLDERS if (p := f / f"{name}.py").exists())
        return runpy.run_path(str(path), run_name="__main__")

    return run
