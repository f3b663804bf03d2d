"""What a queue holds in one session, and how threads wait for it.

An element is a tuple of arrays, one per component. Every method may be called by several threads;
those that wait are served in the order in which they came, and release everything else (Python's
lock too) while they wait. `close` ends a queue: what is in it can still be taken.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow.errors import CancelledError, OutOfRangeError
from graphflow.opdef import RunError

Element = tuple[np.ndarray, ...]


class Buffer:
    """First in, first out."""

    def __init__(self) -> None:
        self._items: deque[Element] = deque()

    def __len__(self) -> int:
        return len(self._items)

    def add(self, element: Element) -> None:
        """Puts an element in."""
        self._items.append(element)

    def take(self) -> Element:
        """Takes the next element out."""
        return self._items.popleft()

    def put_back(self, elements: Sequence[Element]) -> None:
        """As if these, the oldest first, had not been taken."""
        self._items.extendleft(reversed(elements))


class ShuffleBuffer(Buffer):
    """Gives its elements in random order."""

    def __init__(self, seed: Sequence[int] | None) -> None:
        self._elements: list[Element] = []
        self._rng = np.random.default_rng(None if seed is None else list(seed))

    def __len__(self) -> int:
        return len(self._elements)

    def add(self, element: Element) -> None:
        """Puts an element in."""
        self._elements.append(element)

    def take(self) -> Element:
        """Takes one of the elements out, each with the same chance."""
        items = self._elements
        place = int(self._rng.integers(len(items)))
        items[place], items[-1] = items[-1], items[place]
        return items.pop()

    def put_back(self, elements: Sequence[Element]) -> None:
        """Puts elements in again."""
        self._elements.extend(elements)


class PriorityBuffer(Buffer):
    """Gives the element with the least first component first; equal ones in their order."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Element]] = []
        self._number = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, element: Element) -> None:
        """Puts an element in."""
        heapq.heappush(self._heap, (int(element[0]), next(self._number), element))

    def take(self) -> Element:
        """Takes the most urgent element out."""
        return heapq.heappop(self._heap)[2]

    def put_back(self, elements: Sequence[Element]) -> None:
        """Puts elements in again."""
        for element in elements:
            self.add(element)


class QueueState:
    """One queue of one session.

    label: how messages call it. capacity: how many elements fit, None for any number.
    reserve: how many elements stay in while the queue is open.
    """

    def __init__(
        self, label: str, buffer: Buffer, capacity: int | None, reserve: int = 0
    ) -> None:
        self._label, self._buffer, self._capacity = label, buffer, capacity
        self._reserve = reserve
        self._condition = threading.Condition()
        self._putting: deque[object] = deque()
        self._taking: deque[object] = deque()
        self._closed = self._cancelled = self._ended = False

    # ---- in -------------------------------------------------------------------------------------

    def put(self, elements: Sequence[Element]) -> None:
        """Adds elements, one after the other; waits while there is no room.

        Raises RunError with CancelledError if the queue is closed.
        """
        with self._condition:
            if self._closed:
                raise RunError(CancelledError, f"{self._label} is closed")
            self._in_turn(self._putting, lambda: self._put_all(elements))

    def _put_all(self, elements: Sequence[Element]) -> None:
        for element in elements:
            while self._capacity is not None and len(self._buffer) >= self._capacity:
                if self._cancelled:
                    raise RunError(CancelledError, "Enqueue operation was cancelled")
                self._wait()
            self._buffer.add(element)
            self._condition.notify_all()

    # ---- out ------------------------------------------------------------------------------------

    def take(self, count: int, fewer: bool = False) -> list[Element]:
        """`count` elements; waits until they are there.

        fewer: gives what is left if the queue has been closed and holds less, but something.
        Raises RunError with OutOfRangeError if it is closed and does not hold enough.
        """
        with self._condition:
            return self._in_turn(self._taking, lambda: self._take_all(count, fewer))

    def _take_all(self, count: int, fewer: bool) -> list[Element]:
        found: list[Element] = []
        try:
            while len(found) < count:
                spare = len(self._buffer) - (0 if self._closed else self._reserve)
                if spare > 0:
                    found.append(self._buffer.take())
                    self._condition.notify_all()
                elif self._closed and not self._putting:
                    return found if fewer and found else self._refuse(count, len(found))
                else:
                    self._wait()
        except BaseException:
            self._buffer.put_back(found)
            raise
        return found

    def _refuse(self, count: int, left: int) -> list[Element]:
        raise RunError(OutOfRangeError,
                       f"{self._label} is closed and has insufficient elements (requested "
                       f"{count}, current size {left})")

    # ---- both -----------------------------------------------------------------------------------

    def _in_turn(self, line: deque[object], work: Callable[[], Any]) -> Any:
        ticket = object()
        line.append(ticket)
        try:
            while line[0] is not ticket:
                self._wait()
            return work()
        finally:
            line.remove(ticket)
            self._condition.notify_all()

    def _wait(self) -> None:
        if self._ended:
            raise RunError(CancelledError, f"{self._label}: the session was closed")
        self._condition.wait()
        if self._ended:
            raise RunError(CancelledError, f"{self._label}: the session was closed")

    def close(self, cancel_pending: bool) -> None:
        """Nothing more comes in; with `cancel_pending`, also not what waits to."""
        with self._condition:
            self._closed = True
            self._cancelled = self._cancelled or cancel_pending
            self._condition.notify_all()

    def cancel(self) -> None:
        """Wakes all who wait, with CancelledError."""
        with self._condition:
            self._closed = self._ended = True
            self._condition.notify_all()

    def is_closed(self) -> bool:
        """True once `close` was called."""
        return self._closed

    def size(self) -> int:
        """How many elements are in it."""
        with self._condition:
            return len(self._buffer)
