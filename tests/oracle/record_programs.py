"""Runs the programs of tests/oracle/programs with TensorFlow and writes what they return to JSON.

    python tests/oracle/record_programs.py [MODULE …]

needs TensorFlow (recorded with 2.21 on x86-64). One file for each module, one line for each case.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import tensorflow.compat.v1 as tf
from programs.registry import CASES, MODULES, run_case

HERE = Path(__file__).parent


def without_messages(result: Any) -> Any:
    """The result without the wording of errors, which is nobody's contract."""
    if isinstance(result, dict):
        return {k: without_messages(v) for k, v in result.items() if k != "message"}
    return [without_messages(v) for v in result] if isinstance(result, list) else result


def record(module: str) -> None:
    """Write `<module>.json` with the results of every case of programs/<module>.py."""
    importlib.import_module(f"programs.{module}")
    names = [name for name in CASES if name.startswith(f"{module}.")]
    lines = [
        f"{json.dumps(name)}: {json.dumps(without_messages(run_case(tf, name)))}"
        for name in names
    ]
    head = f'{{"recorded_with": "tensorflow {tf.__version__}", "cases": {{\n'
    path = HERE / f"{module}.json"
    path.write_text(head + ",\n".join(lines) + "\n}}\n", encoding="utf-8")
    print(f"{path.name}: {len(names)} cases, {path.stat().st_size} bytes")


if __name__ == "__main__":
    tf.disable_v2_behavior()
    for name in sys.argv[1:] or MODULES:
        record(name)
