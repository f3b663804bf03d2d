"""`tf.compat.v1`: the public names of graphflow itself, which are TensorFlow 1's."""

from __future__ import annotations

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    package = importlib.import_module("graphflow")
    try:
        return getattr(package, name)
    except AttributeError as error:
        told = str(error).replace("'graphflow'", "'graphflow.compat.v1'", 1)
        raise AttributeError(told) from None


def __dir__() -> list[str]:
    return sorted(importlib.import_module("graphflow").__all__)
