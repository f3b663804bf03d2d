"""`Coordinator`: threads of a program that stop together; `LooperThread`: one that repeats."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from graphflow.errors import DTypeError, OutOfRangeError


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
        """Asks all to stop; `ex`, an error or `sys.exc_info()`, is what `join` raises.

        Errors that come after the first request are dropped.
        """
        error = ex[1] if isinstance(ex, tuple) else ex
        with self._lock:
            stopping = self._stop.is_set()  # then further errors only follow from the stop
            if error is not None and not stopping and not isinstance(error, self._clean):
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
        until = time.monotonic() + stop_grace_period_secs
        for thread in waiting:
            thread.join(max(0.0, until - time.monotonic()))
        self.raise_requested_exception()
        alive = [thread.name for thread in waiting if thread.is_alive()]
        if alive and not ignore_live_threads:
            raise RuntimeError("Coordinator stopped with threads still running: "
                               + " ".join(alive))


class LooperThread(threading.Thread):
    """A thread that calls `target(*args, **kwargs)` (or `run_loop`) until the coordinator stops.

    timer_interval_secs: the time from one call's beginning to the next; None goes on at once.
    Raises DTypeError (a TypeError) if `coord` is no Coordinator.
    """

    def __init__(
        self, coord: Coordinator, timer_interval_secs: float | None,
        target: Callable[..., Any] | None = None, args: Sequence[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        if not isinstance(coord, Coordinator):
            raise DTypeError(f"LooperThread: 'coord' must be a Coordinator, got {coord!r}.")
        super().__init__(daemon=True)
        self._coord, self._interval = coord, timer_interval_secs
        self._call, self._positional, self._named = target, args or (), kwargs or {}
        coord.register_thread(self)

    @staticmethod
    def loop(
        coord: Coordinator, timer_interval_secs: float | None, target: Callable[..., Any],
        args: Sequence[Any] | None = None, kwargs: dict[str, Any] | None = None,
    ) -> LooperThread:
        """A LooperThread of these arguments, started."""
        looper = LooperThread(coord, timer_interval_secs, target, args, kwargs)
        looper.start()
        return looper

    def run(self) -> None:
        """What the thread does."""
        with self._coord.stop_on_exception():
            self.start_loop()
            due = time.monotonic()
            while not self._coord.should_stop():
                if self._interval is not None:
                    due += self._interval
                    if self._coord.wait_for_stop(max(0.0, due - time.monotonic())):
                        break
                self.run_loop()
            self.stop_loop()

    def start_loop(self) -> None:
        """Called once, before the loop."""

    def run_loop(self) -> None:
        """Called again and again."""
        if self._call is not None:
            self._call(*self._positional, **self._named)

    def stop_loop(self) -> None:
        """Called once, after the loop."""
