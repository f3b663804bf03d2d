"""Nests: lists, tuples, named tuples and dicts of leaves, flattened and rebuilt."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from graphflow.dtypes import DType
from graphflow.shapes import TensorShape
from graphflow.tensor import Tensor


class Stateful(ABC):
    """A value of Python that stands for one tensor, its state: a leaf that nests unpack.

    Attributes:
      dtype: the element type of the state.
    """

    dtype: DType

    @property
    @abstractmethod
    def state(self) -> Tensor | None:
        """The tensor; None as long as its shape is not known."""

    @abstractmethod
    def settled(self, sources: Sequence[Tensor]) -> Tensor:
        """The state, made now if there was none; sizes may be taken from `sources`."""

    @abstractmethod
    def loop_shape(self, state: Tensor) -> TensorShape:
        """The shape that `state` has at any turn of a loop."""

    @abstractmethod
    def with_state(self, state: Tensor) -> Stateful:
        """The same value with another state."""


class Nest:
    """A nest's leaves and how to put other leaves in their places.

    `owners` are the `Stateful` values whose states are leaves, None for other leaves.

    With `unpack`, a list or tuple of one element stands for that element (TensorFlow 1's cond).
    """

    def __init__(self, value: Any, unpack: bool = False) -> None:
        if unpack and isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            value = value[0] if len(value) == 1 else value
        self.value = value
        self.leaves: list[Any] = []
        self._flatten(value)
        self.owners: list[Stateful | None] = [
            v if isinstance(v, Stateful) else None for v in self.leaves]
        # A state that is not known yet stays with its owner, as a leaf.
        self.leaves = [v if o is None or o.state is None else o.state
                       for v, o in zip(self.leaves, self.owners)]

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
        supply = iter(v if o is None or isinstance(v, Stateful) else o.with_state(v)
                      for v, o in zip(leaves, self.owners))
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
