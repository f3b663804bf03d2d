"""`tf.keras`: models of layers, in the form of Keras 2.

The parts are modules of their own (`keras.layers`, `keras.models`, …), loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphflow.keras import (
        activations,
        backend,
        callbacks,
        constraints,
        datasets,
        initializers,
        layers,
        losses,
        metrics,
        models,
        optimizers,
        preprocessing,
        regularizers,
        utils,
    )
    from graphflow.keras.models import Input, Model, Sequential

_MODULES = (
    "activations", "backend", "callbacks", "constraints", "datasets", "initializers", "layers",
    "losses", "metrics", "models", "optimizers", "preprocessing", "regularizers", "utils")
_FROM_MODELS = ("Input", "Model", "Sequential")

__version__ = "2.2.4-tf"

__all__ = [
    "Input", "Model", "Sequential", "activations", "backend", "callbacks", "constraints",
    "datasets", "initializers", "layers", "losses", "metrics", "models", "optimizers",
    "preprocessing", "regularizers", "utils",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"graphflow.keras.{name}")
    if name in _FROM_MODELS:
        return getattr(importlib.import_module("graphflow.keras.models"), name)
    from graphflow.absent import missing

    raise missing(__name__, name)


def __dir__() -> list[str]:
    return list(__all__)
