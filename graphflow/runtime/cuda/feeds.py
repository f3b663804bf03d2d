"""What is fed from the host: copied to places on the device that stay the same from run to run.

Arrays go to one of two pieces of pinned memory, in turns, so that one run can be prepared while
the copy for the last one is under way; one copy brings all of them to the device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.runtime.cuda.context import Buffer, Context, Pinned

_ALIGNMENT = 256


class FeedSlots:
    """Places for what is fed from the host: on the device side by side, and twice pinned."""

    __slots__ = ("_context", "_pieces", "_turn", "form", "memory", "offsets", "total")

    def __init__(
        self, context: Context, form: tuple, shapes: Sequence[tuple[tuple[int, ...], Any]]
    ) -> None:
        """shapes: (shape, dtype) of each feed. form: what says that others have the same."""
        self._context, self.form = context, form
        self.offsets: list[int] = []
        self.total = 0
        for shape, dtype in shapes:
            self.offsets.append(self.total)
            room = np.dtype(dtype).itemsize * math.prod(max(n, 1) for n in shape)
            self.total += -(-room // _ALIGNMENT) * _ALIGNMENT
        self.memory = Buffer(context, self.total)
        self._pieces = [self._piece(shapes) for _ in range(2)]
        self._turn = 0

    def _piece(self, shapes: Sequence[tuple[tuple[int, ...], Any]]) -> tuple[Pinned, list[Any]]:
        pinned = Pinned(self._context.driver, self.total)
        return pinned, [
            np.ndarray(shape, dtype, pinned.array.data, offset)
            for (shape, dtype), offset in zip(shapes, self.offsets)]

    def fill(self, arrays: Sequence[np.ndarray]) -> None:
        """Puts copies of the arrays on the device."""
        self._turn = 1 - self._turn
        pinned, views = self._pieces[self._turn]
        pinned.ready()
        for view, array in zip(views, arrays):
            np.copyto(view, array)
        context = self._context
        context.driver.upload(self.memory.address, pinned.address, self.total, context.stream)
        pinned.event = context.driver.record(context.stream)
