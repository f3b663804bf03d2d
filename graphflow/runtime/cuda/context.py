"""One session's GPU: its stream, memory with owners, pinned staging, copies between both sides.

All work of a session goes on one stream, in the order in which it is put there. So memory can be
used again as soon as its last use has been put on the stream, and a copy to the host only has to
wait for an event behind it.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.runtime.cuda.driver import Driver, Handle

_LARGE = 1 << 22         # bytes that are copied through pinned memory at a time
_LARGEST_KEPT = 1 << 24  # bytes of one piece of pinned memory that is kept for later copies
_MOST_STAGED = 8         # pieces of one size that may wait for their copies


class Buffer:
    """Device memory with an owner: it goes back when nobody refers to it any more."""

    __slots__ = ("address", "context", "size")

    def __init__(self, context: Context, size: int) -> None:
        self.address = 0
        self.context, self.size = context, size
        self.address = context.driver.allocate(max(size, 1), context.stream)

    def __del__(self) -> None:
        if self.address and not sys.is_finalizing():  # the driver may be gone before us
            self.context.release(self.address)


class Pinned:
    """Pinned memory of the host.

    Attributes:
      array: its bytes.
      event: after which it may be used again; None if it may be now.
    """

    __slots__ = ("_driver", "address", "array", "event")

    def __init__(self, driver: Driver, size: int) -> None:
        self.address = 0
        self._driver = driver
        self.event: Handle = None
        self.address = driver.allocate_pinned(size)
        memory: Any = (ctypes.c_char * size).from_address(self.address)
        self.array = np.frombuffer(memory, np.uint8)

    def ready(self) -> np.ndarray:
        """The bytes, once no copy uses them."""
        if not self.free():
            self._driver.wait(self.event)
        self.event = None
        return self.array

    def free(self) -> bool:
        """Whether no copy uses them."""
        return self.event is None or self._driver.reached(self.event)

    def __del__(self) -> None:
        if self.address and not sys.is_finalizing():
            self.ready()
            self._driver.free_pinned(self.address)


class Context:
    """What a session has of a GPU.

    Attributes:
      driver, stream: where work goes.
      lock: held while a graph is captured.
      capturing: the stream on which graphs are captured.
    """

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.stream = driver.new_stream()
        self.capturing = driver.new_stream()
        self.lock = threading.RLock()
        self._staging: dict[int, deque[Pinned]] = {}
        self._held: deque[tuple[Handle, Any]] = deque()
        self._forgetting = False
        self._workspace: Buffer | None = None

    def workspace(self, size: int) -> Buffer:
        """Memory that one piece of work after the other may use."""
        if self._workspace is None or self._workspace.size < size:
            self._workspace = Buffer(self, size)
        return self._workspace

    @property
    def device_name(self) -> str:
        """TensorFlow's name for the GPU."""
        return f"/device:GPU:{self.driver.number}"

    def release(self, address: int) -> None:
        """Gives memory back when the work that is on the stream now is done."""
        self.driver.free(address, self.stream)

    # ---- what must live until work is done --------------------------------------------------

    def hold(self, thing: Any) -> None:
        """Keeps an object until all work that is on the stream now is done."""
        self.let_go()
        with self.lock:
            self._held.append((self.driver.record(self.stream), thing))

    def let_go(self) -> None:
        """Forgets what is not needed any more."""
        with self.lock:
            if self._forgetting:  # what is forgotten may have something to be held
                return
            self._forgetting = True
            try:
                while self._held and self.driver.reached(self._held[0][0]):
                    _, thing = self._held.popleft()
                    if isinstance(thing, Graph):
                        thing.destroy()
            finally:
                self._forgetting = False

    # ---- copies -----------------------------------------------------------------------------

    def staging(self, size: int) -> Pinned:
        """Pinned memory for `size` bytes or more; see `give_staging`."""
        rounded = max(256, 1 << (size - 1).bit_length())
        with self.lock:
            kept = self._staging.setdefault(rounded, deque())
            if kept and (len(kept) >= _MOST_STAGED or kept[0].free()):
                return kept.popleft()
        return Pinned(self.driver, rounded)

    def give_staging(self, pinned: Pinned) -> None:
        """Takes pinned memory back, to be used after its event."""
        if pinned.array.nbytes <= _LARGEST_KEPT:
            with self.lock:
                self._staging[pinned.array.nbytes].append(pinned)

    def upload(self, address: int, array: np.ndarray) -> None:
        """Puts a copy of an array, as it is now, into device memory."""
        source = _bytes_of(array)
        for start in range(0, source.nbytes, _LARGE):
            part = source[start:start + _LARGE]
            pinned = self.staging(part.nbytes)
            pinned.ready()[:part.nbytes] = part
            self.driver.upload(address + start, pinned.address, part.nbytes, self.stream)
            pinned.event = self.driver.record(self.stream)
            self.give_staging(pinned)

    def download(self, pieces: Sequence[tuple[int, np.ndarray]]) -> None:
        """Copies device memory into contiguous arrays, and waits for that.

        pieces: (address, array).
        """
        waiting: list[tuple[Pinned, list[tuple[np.ndarray, int]]]] = []
        for address, array in pieces:
            target = _bytes_of(array)
            for start in range(0, target.nbytes, _LARGE):
                self._fetch(address + start, target[start:start + _LARGE], waiting)
        if not waiting:
            return
        event = self.driver.record(self.stream)
        self.driver.wait(event)
        for pinned, parts in waiting:
            for target, offset in parts:
                target[:] = pinned.array[offset:offset + target.nbytes]
            self.give_staging(pinned)

    def _fetch(
        self, address: int, target: np.ndarray,
        waiting: list[tuple[Pinned, list[tuple[np.ndarray, int]]]],
    ) -> None:
        """Puts the copy of one part on the stream; small ones share pinned memory."""
        used = 0
        if waiting:
            used = sum(-(-part.nbytes // 16) * 16 for part, _ in waiting[-1][1])
        if not waiting or used + target.nbytes > waiting[-1][0].array.nbytes:
            pinned = self.staging(max(target.nbytes, 4096))
            pinned.ready()
            waiting.append((pinned, []))
            used = 0
        pinned, parts = waiting[-1]
        self.driver.download(pinned.address + used, address, target.nbytes, self.stream)
        parts.append((target, used))

    def read(self, *places: tuple[int, int]) -> list[bytes]:
        """The bytes at (address, size), once all work before is done."""
        arrays = [np.empty(size, np.uint8) for _, size in places]
        self.download([(address, array) for (address, _), array in zip(places, arrays)])
        return [array.tobytes() for array in arrays]

    def fill64(self, address: int, value: int) -> None:
        """Sets one int64."""
        low, high = value & 0xFFFFFFFF, value >> 32 & 0xFFFFFFFF
        if low == high:
            self.driver.fill(address, low, 2, self.stream)
        else:
            self.driver.fill(address, low, 1, self.stream)
            self.driver.fill(address + 4, high, 1, self.stream)

    # ---- graphs -----------------------------------------------------------------------------

    def capture(self, put: Any) -> Graph:
        """The graph of what `put(stream)` puts on a stream."""
        with self.lock:
            self.driver.begin_capture(self.capturing)
            try:
                put(self.capturing)
            except BaseException:
                self.driver.end_capture(self.capturing)
                raise
            return Graph(self.driver, self.driver.end_capture(self.capturing))

    def close(self) -> None:
        """Waits for all work; what is still held goes."""
        self.driver.synchronize(self.stream)
        self.let_go()


class Graph:
    """A captured graph. It is destroyed by who has it, when it does not run."""

    __slots__ = ("_driver", "handle")

    def __init__(self, driver: Driver, handle: Handle) -> None:
        self._driver, self.handle = driver, handle

    def replay(self, stream: Handle) -> None:
        """Puts the graph on a stream."""
        self._driver.replay(self.handle, stream)

    def destroy(self) -> None:
        """Gives it back."""
        if self.handle is not None:
            self._driver.destroy_graph(self.handle)
            self.handle = None


def _bytes_of(array: np.ndarray) -> np.ndarray:
    """The bytes of a contiguous array, as a view."""
    return array.reshape(-1).view(np.uint8)
