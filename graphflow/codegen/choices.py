"""Choices that cost models make, which can be made otherwise to measure what they are worth.

Where a builder of kernels has several ways, it offers them by `choose` with what its model says
that they cost. It gets the cheapest. Inside `choosing`, it gets the one that the record in force
names, and the record learns how many there were: so the same kernel can be built in other ways
(`runtime/autotune.py`).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

MOST_WAYS = 4  # of one choice: what a model holds for worse is hardly ever best


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of one kernel's choices.

    Attributes:
      ranks: by the name of each choice that is not the model's, the place, from 0, that the model
        gives to what is taken.
      seconds: for each way that was tried, its name and the least time of a call; the model's own
        is first.
      threads: that a call was divided among, at most.
    """

    ranks: tuple[tuple[str, int], ...]
    seconds: tuple[tuple[str, float], ...]
    threads: int


def way_name(ranks: Mapping[str, int]) -> str:
    """How a way to build a kernel is called: `tile 2` takes the second best tile of the model."""
    return " ".join(f"{name} {rank + 1}" for name, rank in sorted(ranks.items())) or "model"


@dataclass(slots=True)
class Choices:
    """Choices that are prescribed, and those that were met.

    Attributes:
      ranks: by name, the place in the model's order of what is to be taken; 0 elsewhere.
      ways: by name, how many there were.
    """

    ranks: Mapping[str, int] = field(default_factory=dict)
    ways: dict[str, int] = field(default_factory=dict)


_current: ContextVar[Choices | None] = ContextVar("graphflow_choices", default=None)


def choose(name: str, ways: Iterable[T], cost: Callable[[T], Any]) -> T:
    """The cheapest of some ways, the first one of equals; or the one that is prescribed.

    name: of the choice; the same way is taken wherever it is met in a kernel.
    """
    choices = _current.get()
    if choices is None:
        return min(ways, key=cost)
    ranked = _distinct(ways, cost)
    choices.ways[name] = max(choices.ways.get(name, 0), len(ranked))
    return ranked[min(choices.ranks.get(name, 0), len(ranked) - 1)]


def _distinct(ways: Iterable[T], cost: Callable[[T], Any]) -> list[T]:
    """The cheapest ways, in order; the first of those that cost the same: they are one way."""
    by_cost: dict[Any, T] = {}
    for way in ways:
        by_cost.setdefault(cost(way), way)
    return [by_cost[c] for c in heapq.nsmallest(MOST_WAYS, by_cost)]


@contextmanager
def choosing(choices: Choices | None) -> Iterator[None]:
    """Inside, `choose` follows these choices; None: the models alone."""
    token = _current.set(choices)
    try:
        yield
    finally:
        _current.reset(token)
