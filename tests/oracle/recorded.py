"""Runs a recorded program with graphflow and compares it with what TensorFlow gave."""

from __future__ import annotations

import functools
import importlib
import json
from pathlib import Path
from typing import Any

from differences import DIFFERENCES
from programs.compare import differences
from programs.registry import CASES, run_case

import graphflow

HERE = Path(__file__).parent


@functools.cache
def recorded_cases(module: str) -> dict[str, Any]:
    """The results in `<module>.json`, with the programs registered beside them."""
    importlib.import_module(f"programs.{module}")
    return json.loads((HERE / f"{module}.json").read_text(encoding="utf-8"))["cases"]


def case_names(*modules: str) -> list[str]:
    """The recorded cases of the modules, in the order in which they were recorded."""
    return [name for module in modules for name in recorded_cases(module)]


def unregistered(module: str) -> set[str]:
    """Cases that are recorded but not registered, or registered but not recorded."""
    return set(recorded_cases(module)) ^ {n for n in CASES if n.startswith(f"{module}.")}


def disagreements(name: str) -> dict[str, str]:
    """Every difference from TensorFlow that DIFFERENCES does not explain, and every stale one."""
    case = CASES[name]
    expected = recorded_cases(name.partition(".")[0])[name]
    found = json.loads(json.dumps(run_case(graphflow, name)))
    differing = differences(expected, found, case.rtol, case.atol, name)
    known = [path for path in DIFFERENCES if path == name or path.startswith(f"{name}/")]
    lines = {path: text for path, text in differing.items()
             if not any(_within(path, accepted) for accepted in known)}
    for accepted in known:
        if not any(_within(path, accepted) for path in differing):
            lines[accepted] = "is listed in differences.py but does not differ"
    return lines


def _within(path: str, accepted: str) -> bool:
    return path == accepted or path.startswith(f"{accepted}/")
