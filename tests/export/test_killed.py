"""A process that is killed while it exports leaves the last good file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import graphflow

SCRIPT = Path(__file__).with_name("killed.py")


def test_killed_twenty_times() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--kills", "20"], capture_output=True, text=True,
        timeout=240, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(graphflow.__file__).parents[1])})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("20 kills")
