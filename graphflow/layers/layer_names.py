"""Default names of layers: the class's name in snake case, numbered within the graph."""

from __future__ import annotations

import re

from graphflow.graph import get_default_graph

_COUNTS_KEY = ("__layer_names",)


def to_snake_case(name: str) -> str:
    """`Conv2DTranspose` → `conv2d_transpose`; a name with a leading underscore gets `private`."""
    parted = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    snake = re.sub(r"([a-z])([A-Z])", r"\1_\2", parted).lower()
    return f"private{snake}" if snake.startswith("_") else snake


def unique_layer_name(base: str, zero_based: bool) -> str:
    """`base`, `base_1`, `base_2` … in the default graph; `base_1` first unless `zero_based`."""
    counts: dict[str, int] = get_default_graph().kept(_COUNTS_KEY, dict)
    count = counts.get(base, 0)
    counts[base] = count + 1
    if zero_based:
        return f"{base}_{count}" if count else base
    return f"{base}_{count + 1}"
