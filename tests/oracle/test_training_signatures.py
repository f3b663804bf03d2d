"""The training kit, losses, metrics and layers take TensorFlow 1.15's arguments and defaults."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from test_signatures import STARS, lookup, same_default, text

from graphflow.initializers import Initializer

RECORDED = json.loads(Path(__file__).with_name("training_signatures.json").read_text("utf-8"))
SIGNATURES: dict[str, list[list[Any]]] = RECORDED["signatures"]
DIFFERENCES = {
    "layers.InputSpec": "as in 1.15; the other arguments came later",
}


def default_text(default: Any) -> str:
    """An initialiser by its class, everything else as in test_signatures."""
    return type(default).__name__ if isinstance(default, Initializer) else text(default)


def signature(target: Any) -> list[list[Any]]:
    """[name, default] of each argument, in the form of the record."""
    return [
        [STARS.get(p.kind, "") + p.name,
         None if p.default is inspect.Parameter.empty else default_text(p.default)]
        for p in inspect.signature(target).parameters.values() if p.name != "self"]


@pytest.mark.parametrize("path", SIGNATURES)
def test_signature_is_tensorflows(path: str) -> None:
    if path in DIFFERENCES:
        return
    target = lookup(path)
    assert target is not None, f"{path} is missing"
    wanted, found = SIGNATURES[path], signature(target)
    assert [name for name, _ in found] == [name for name, _ in wanted]
    assert [(a, b) for (_, a), (_, b) in zip(wanted, found) if not same_default(a, b)] == []
