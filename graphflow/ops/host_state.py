"""What host steps remember between runs, such as how often a `Print` has printed.

Each Session holds one `HostState` and makes it current while it runs (`with using_host_state(…)`)
in every thread that carries out host steps; outside of any, a process-wide one serves.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary


class CallCount:
    """Names a counter: an attribute of one operation, compared by identity."""

    __slots__ = ("__weakref__",)


class HostState:
    """Counters, queues, readers and tables of host steps. Safe for several threads."""

    def __init__(self) -> None:
        self._counters: WeakKeyDictionary[CallCount, Iterator[int]] = WeakKeyDictionary()
        self._kept: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
        self._lock = threading.RLock()

    def kept(self, key: Any, make: Callable[[], Any]) -> Any:
        """What stands under `key` (by identity), made by `make` at first use."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                found = self._kept[key] = make()
            return found

    def close(self) -> None:
        """Wakes whoever waits in something that is kept: the session ends."""
        with self._lock:
            kept = list(self._kept.values())
        for one in kept:
            cancel = getattr(one, "cancel", None)
            if cancel is not None:
                cancel()

    def count(self, counter: CallCount) -> int:
        """How often this was called with `counter` before."""
        with self._lock:
            return next(self._counters.setdefault(counter, itertools.count()))


_process_state = HostState()
_current: ContextVar[HostState] = ContextVar("graphflow_host_state", default=_process_state)


def current_host_state() -> HostState:
    """The state that host steps of this thread use."""
    return _current.get()


@contextmanager
def using_host_state(state: HostState) -> Iterator[None]:
    """Makes `state` current inside the block, in this thread."""
    token = _current.set(state)
    try:
        yield
    finally:
        _current.reset(token)
