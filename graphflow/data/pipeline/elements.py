"""Elements of a dataset: nests (tuples and dicts) of arrays; lists are arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow.dtypes import DType
from graphflow.shapes import TensorShape


@dataclass(frozen=True, slots=True)
class Spec:
    """The type of one component: element type, and shape as far as it is known."""

    dtype: DType
    shape: TensorShape


def is_nest(value: Any) -> bool:
    """True for what holds components: tuples and dicts."""
    return isinstance(value, (tuple, Mapping))


def flatten(nest: Any) -> list[Any]:
    """The components, in order; dicts by their sorted keys."""
    if isinstance(nest, Mapping):
        return [leaf for key in sorted(nest) for leaf in flatten(nest[key])]
    if isinstance(nest, tuple):
        return [leaf for part in nest for leaf in flatten(part)]
    return [nest]


def pack(nest: Any, leaves: Sequence[Any]) -> Any:
    """A nest like `nest` of these components."""
    remaining = iter(leaves)

    def build(part: Any) -> Any:
        if isinstance(part, Mapping):
            built = {key: build(part[key]) for key in sorted(part)}
            return {key: built[key] for key in part}
        if isinstance(part, tuple):
            values = [build(p) for p in part]
            return type(part)(*values) if hasattr(part, "_fields") else tuple(values)
        return next(remaining)

    return build(nest)


def mapped(function: Callable[[Any], Any], nest: Any) -> Any:
    """A nest like `nest` of the function's results."""
    return pack(nest, [function(leaf) for leaf in flatten(nest)])


def joined(rows: Sequence[Any]) -> np.ndarray:
    """Arrays of one shape, one after the other along a new first axis."""
    first = np.asarray(rows[0])
    if first.dtype == object:
        out = np.empty((len(rows), *first.shape), object)
        for k, row in enumerate(rows):
            out[k] = row
        return out
    return np.stack(rows)
