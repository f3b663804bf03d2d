"""Nests: lists, tuples, named tuples and dicts of leaves, flattened and rebuilt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class Nest:
    """A nest's leaves and how to put other leaves in their places.

    With `unpack`, a list or tuple of one element stands for that element (TensorFlow 1's cond).
    """

    def __init__(self, value: Any, unpack: bool = False) -> None:
        if unpack and isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            value = value[0] if len(value) == 1 else value
        self.value = value
        self.leaves: list[Any] = []
        self._flatten(value)

    @property
    def empty(self) -> bool:
        """True if there are no leaves."""
        return not self.leaves

    def _flatten(self, value: Any) -> None:
        for _, item in _items(value) or ():
            self._flatten(item)
        if _items(value) is None:
            self.leaves.append(value)

    def rebuild(self, leaves: Sequence[Any]) -> Any:
        """The nest with `leaves` instead of its own."""
        if len(leaves) != len(self.leaves):
            raise ValueError(f"The nest has {len(self.leaves)} leaves, got {len(leaves)}.")
        supply = iter(leaves)
        return _rebuild(self.value, supply)

    def same_structure(self, other: Nest) -> bool:
        """True if both nests differ in their leaves at most (lists and tuples are alike)."""
        return _skeleton(self.value) == _skeleton(other.value)

    def describe(self) -> str:
        """The structure as text: `[·, {a: ·}]`."""
        return _text(self.value)


def _items(value: Any) -> list[tuple[Any, Any]] | None:
    """(key, item) pairs of a container, None for a leaf; dicts in the order of sorted keys."""
    if isinstance(value, Mapping):
        return sorted(value.items(), key=lambda item: str(item[0]))
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    return None


def _rebuild(value: Any, supply: Any) -> Any:
    items = _items(value)
    if items is None:
        return next(supply)
    made = {key: _rebuild(item, supply) for key, item in items}
    if isinstance(value, Mapping):
        kind: Any = type(value)
        ordered = {key: made[key] for key in value}
        return ordered if kind is dict else kind(ordered)
    if hasattr(value, "_fields"):
        return type(value)(*made.values())
    return type(value)(made.values())


def _skeleton(value: Any) -> Any:
    items = _items(value)
    if items is None:
        return None
    return tuple((key, _skeleton(item)) for key, item in items)


def _text(value: Any) -> str:
    items = _items(value)
    if items is None:
        return "·"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_text(v)}" for k, v in items) + "}"
    return "[" + ", ".join(_text(v) for _, v in items) + "]"
