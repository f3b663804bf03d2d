"""Copies of graphflow in folders of their own, and programs that run with them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import graphflow


def copy_package(folder: Path) -> Path:
    """A copy of graphflow in a folder."""
    shutil.copytree(Path(graphflow.__file__).parent, folder / "graphflow",
                    ignore=shutil.ignore_patterns("__pycache__"))
    time.sleep(0.1)  # what has just changed may be half of an edit, and nothing is kept
    return folder


def start(package: Path, folder: Path | str, *command: str, **settings: str) -> Any:
    """A Python process with that copy and a cache folder of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GRAPHFLOW_")}
    environment |= {"PYTHONPATH": os.pathsep.join([str(package), *filter(None, sys.path)]),
                    "GRAPHFLOW_CACHE_DIR": str(folder), **settings}
    return subprocess.Popen([sys.executable, *command], env=environment, cwd=package,
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def outcome(process: Any) -> dict[str, Any]:
    """What a program printed; nothing went wrong and nothing was said."""
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0 and errors == "", errors
    return dict(json.loads(output))
