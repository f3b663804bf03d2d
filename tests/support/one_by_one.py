"""Runs the tables of teams in one thread: between two meetings, one member after the other.

If members do not meet where they should, one of them works with what another one has not made
yet, or has changed already; here that happens in every run, in both orders.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

from graphflow.codegen import dispatch
from graphflow.codegen.dispatch import (
    ADD,
    ALONE,
    BACK,
    BIND,
    CODES,
    COPY,
    DEPTHS,
    JUMP,
    KEEP,
    MEET,
    OBJECT_HEADER,
    ROW_WORDS,
    SET,
    STATE,
    STOP,
    TEAM,
    TEST,
    UNLESS,
)

KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, *[ctypes.c_int64] * 3)


def word(address: int) -> int:
    return ctypes.c_int64.from_address(address).value


def put(address: int, value: int) -> None:
    ctypes.c_int64.from_address(address).value = value


class Walk:
    """A dispatcher in Python. order: that of the members between two meetings."""

    def __init__(self, state: int, members: int, backwards: bool) -> None:
        self.state = {name: state + 8 * k for k, name in enumerate(STATE)}
        self.rows = word(self.state["rows"])
        self.members, self.backwards = members, backwards

    def run(self) -> int:
        """The number of the row at which member 0 stopped."""
        start = word(self.state["row"])
        if start == 0:
            put(self.state["teamed"], 0)
        if not word(self.state["teamed"]):
            stopped, start = self._until_meeting(0, start, 1)
            if stopped is not None:
                return stopped
        places = [start] * self.members
        while True:
            left: int | None = None
            order = range(self.members)
            for member in reversed(order) if self.backwards else order:
                stopped, places[member] = self._until_meeting(
                    member, places[member], self.members)
                if member == 0:
                    left = stopped
            if left is not None:
                return left

    def _until_meeting(self, member: int, row: int, members: int) -> tuple[int | None, int]:
        """(where the run was left or None, the row to go on at)."""
        while True:
            code, *operands = (word(self.rows + 8 * (ROW_WORDS * row + k))
                               for k in range(ROW_WORDS))
            after = row + 1
            if code >= CODES:
                if member == 0 or operands[2] & DEPTHS:
                    KERNEL(code)(operands[0], operands[1], member, members, operands[2])
            elif code == TEAM:
                if member == 0 and members == 1:
                    put(self.state["teamed"], 1)
                    return None, after
            elif code == MEET:
                if members > 1:
                    return None, after
            elif code == UNLESS:
                holds = ctypes.c_uint8.from_address(word(operands[0])).value
                after = after if holds else operands[1]
            elif code == JUMP:
                after = operands[1]
            elif code == ALONE:
                after = after if member == 0 else operands[1]
            elif member:
                if code == STOP:
                    return None, row
                after = operands[1] if code == BACK else after
            else:
                left = self._control(code, operands, row)
                if left is not None:
                    put(self.state["row"], left)
                    return row, left
                after = operands[1] if code == BACK else after
            row = after

    def _control(self, code: int, operands: list[int], row: int) -> int | None:
        """What member 0 alone does; where it goes on if it leaves."""
        refused = word(word(self.state["status"])) != 0
        if code == STOP:
            put(self.state["teamed"], 0)
            return row + 1
        if code == BIND:
            put(operands[1], word(word(operands[0]) + OBJECT_HEADER))
        elif code == COPY:
            ctypes.memmove(word(operands[0]), word(operands[1]), operands[2])
        elif code == SET:
            put(word(operands[0]), operands[2])
        elif code == ADD:
            put(word(operands[0]), word(word(operands[0])) + operands[2])
        elif code == BACK:
            left = word(self.state["budget"]) - operands[2]
            put(self.state["budget"], left)
            return operands[1] if left < 0 or refused else None
        elif code == TEST:
            return row if refused else None
        elif code == KEEP:
            history, capacity, cell = (word(operands[0] + 8 * k) for k in range(3))
            count = word(word(cell))
            if count >= capacity:
                return row
            target = word(word(history) + OBJECT_HEADER) + count * operands[2]
            ctypes.memmove(target, word(operands[1]), operands[2])
        return None


@contextmanager
def one_by_one(members: int, backwards: bool) -> Iterator[None]:
    """Sessions that are made inside run tables of teams of so many members in one thread."""
    native = dispatch.dispatcher()

    def enter(state: int) -> int:
        if not word(state + 8 * STATE.index("team")):
            return native(state)
        return Walk(state, members, backwards).run()

    def made() -> Callable[[int], int]:
        return enter

    with mock.patch("graphflow.runtime.native.dispatcher", made):
        yield
