"""Index arithmetic that views share: row-major positions and back, with `+ - * // %` only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def linear_index(index: Sequence[Any], sizes: Sequence[Any]) -> Any:
    """The row-major position of `index` in an array of these sizes."""
    position: Any = 0
    for i, size in zip(index, sizes):
        position = position * size + i
    return position


def unravel_index(position: Any, sizes: Sequence[Any]) -> tuple[Any, ...]:
    """The index of a row-major position: the inverse of `linear_index`."""
    index = []
    for size in reversed(sizes[1:]):
        index.append(position % size)
        position = position // size
    if sizes:
        index.append(position)
    return tuple(reversed(index))


def broadcast_index(
    index: Sequence[Any], sizes: Sequence[Any], extents: Sequence[Any]
) -> tuple[Any, ...]:
    """The element of an array of these sizes that an index of its broadcast reads.

    A size is that of the broadcast, one of `extents`, or 1, so the remainder serves where it is
    not known which.
    """
    offset = len(index) - len(sizes)
    return tuple(
        index[offset + k] if size is extents[offset + k] else index[offset + k] % size
        for k, size in enumerate(sizes))


def is_equal(a: Any, b: Any) -> Any:
    """1 where the integers a and b are equal, else 0."""
    difference = a - b
    return 1 // (1 + difference * difference)
