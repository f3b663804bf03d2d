"""`Coordinator`: threads of a program that stop together; and queue runners, of which none are.

graphflow has no queues: `start_queue_runners` starts nothing, so that programs which call it out
of habit, and feed their data, run as they are.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from graphflow.errors import OutOfRangeError


class Coordinator:
    """Lets threads ask each other to stop, and gives the first error of any to `join`.

    clean_stop_exception_types: errors that only mean the end; OutOfRangeError by default.
    """

    def __init__(self, clean_stop_exception_types: tuple[type[Exception], ...] | None = None
                 ) -> None:
        self._clean = clean_stop_exception_types or (OutOfRangeError,)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self._threads: list[threading.Thread] = []

    @property
    def joined(self) -> bool:
        """True if all registered threads have ended."""
        return not any(thread.is_alive() for thread in self._threads)

    def should_stop(self) -> bool:
        """True once a stop was asked for."""
        return self._stop.is_set()

    def request_stop(self, ex: Any = None) -> None:
        """Asks all to stop; `ex`, an error or `sys.exc_info()`, is what `join` raises."""
        error = ex[1] if isinstance(ex, tuple) else ex
        with self._lock:
            if error is not None and self._error is None and not isinstance(error, self._clean):
                self._error = error
        self._stop.set()

    def clear_stop(self) -> None:
        """Forgets that a stop was asked for, and the error."""
        self._error = None
        self._stop.clear()

    def wait_for_stop(self, timeout: float | None = None) -> bool:
        """Waits until a stop is asked for; True if it was."""
        return self._stop.wait(timeout)

    def register_thread(self, thread: threading.Thread) -> None:
        """`join` will wait for this thread too."""
        self._threads.append(thread)

    @contextmanager
    def stop_on_exception(self) -> Iterator[None]:
        """An error inside becomes a request to stop."""
        try:
            yield
        except BaseException:
            self.request_stop(sys.exc_info())

    def raise_requested_exception(self) -> None:
        """Raises the error that a request to stop brought, if one did."""
        if self._error is not None:
            raise self._error

    def join(
        self, threads: Iterable[threading.Thread] | None = None,
        stop_grace_period_secs: float = 120, ignore_live_threads: bool = False,
    ) -> None:
        """Waits for the threads, and after a stop at most that long; then raises their error.

        Raises RuntimeError if some go on after the grace period, unless `ignore_live_threads`.
        """
        waiting = [*self._threads, *(threads or ())]
        while any(t.is_alive() for t in waiting) and not self._stop.wait(0.05):
            pass
        for thread in waiting:
            thread.join(stop_grace_period_secs)
        self.raise_requested_exception()
        alive = [thread.name for thread in waiting if thread.is_alive()]
        if alive and not ignore_live_threads:
            raise RuntimeError("Coordinator stopped with threads still running: "
                               + " ".join(alive))


def start_queue_runners(
    sess: Any = None, coord: Any = None, daemon: bool = True, start: bool = True,
    collection: str | None = None,
) -> list[threading.Thread]:
    """Nothing to start: there are no queue runners. Gives an empty list."""
    return []
