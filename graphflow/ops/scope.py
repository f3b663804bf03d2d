"""The name scope of a public function that makes several operations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from graphflow.builder import current


@contextmanager
def scope(name: str | None, default: str) -> Iterator[str | None]:
    """Operations made inside are named under `name` (or `default`).

    Yields the name for the last of them: that of the scope itself, as in TensorFlow. A builder
    without names (a Program's) ignores all of it.
    """
    name_scope = getattr(current(), "name_scope", None)
    if name_scope is None:
        yield name
        return
    with name_scope(name or default) as inner:
        yield inner
