"""The defaults of a thread: the graph that new operations join, the session that runs them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graphflow.errors import GraphError


class DefaultStack(threading.local):
    """A per-thread stack of defaults."""

    def __init__(self) -> None:
        self.items: list[Any] = []

    @contextmanager
    def entering(self, item: Any) -> Iterator[Any]:
        self.items.append(item)
        try:
            yield item
        finally:
            if not self.items or self.items[-1] is not item:
                raise GraphError("`with` blocks of graphs or sessions were left out of order.")
            self.items.pop()

    def top(self) -> Any:
        return self.items[-1] if self.items else None


default_graphs = DefaultStack()
default_sessions = DefaultStack()


def get_default_session() -> Any:
    """The innermost session of a `with session:` block in this thread, or None."""
    return default_sessions.top()
