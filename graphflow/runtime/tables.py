"""The dispatcher's tables: rows over pieces of memory become words over addresses.

A row is (kind, operands…), as `codegen/dispatch.py` lists them, with `Memory`, `Label` and
`History` objects for addresses; a call is (address of the kernel, memories, sizes).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphflow.codegen.dispatch import BACK, BIND, CODES, KEEP, MEET, ROW_WORDS, STOP, TEST
from graphflow.program import Value

FIRST_CAPACITY = 32    # turns of a loop that a new history has room for


def room_of(shape: Sequence[int], itemsize: int) -> int:
    """The bytes that kernels may read of an array: of an empty one, those of one without zeros.

    An index into it is moved to the nearest element that exists, along each axis by itself.
    """
    return itemsize * math.prod(max(n, 1) for n in shape)


def with_room(array: np.ndarray) -> np.ndarray:
    """The array, over memory that kernels may read if it is empty."""
    if array.size:
        return array
    return np.ndarray(array.shape, array.dtype,
                      np.zeros(room_of(array.shape, array.itemsize), np.uint8).data)


class Memory:
    """The memory of one value.

    Attributes:
      size: in bytes.
      room: that must be readable.
      first, last: the rows that touch it first and last.
      offset: in the arena, once it is placed.
      address: of memory that lies elsewhere and stays there.
      number: of the array object whose elements it is, if that is bound for each run.
      over: the memory that it takes the place of, if it is written over that.
      inside, shift: the memory that it is a part of, and how many bytes behind its beginning.
    """

    __slots__ = ("address", "first", "inside", "last", "number", "offset", "over", "room",
                 "shift", "size")

    def __init__(self, size: int, address: int | None = None, number: int | None = None) -> None:
        self.size, self.address, self.number = size, address, number
        self.room = size
        self.first, self.last, self.offset = -1, -1, 0
        self.over: Memory | None = None
        self.inside: Memory | None = None
        self.shift = 0

    def place(self) -> Memory:
        """The memory that this one really is."""
        found = self
        while found.over is not None:
            found = found.over
        return found

    def base(self) -> tuple[Memory, int]:
        """The memory around it that is no part of another one, and where in it this one begins."""
        found, shift = self.place(), 0
        while found.inside is not None:
            shift += found.shift
            found = found.inside.place()
        return found, shift

    def part(self, shift: int, size: int) -> Memory:
        """So many bytes of it."""
        found = Memory(size)
        found.inside, found.shift = self, shift
        return found


class Label:
    """A place in the table."""

    __slots__ = ("row",)

    def __init__(self) -> None:
        self.row = -1


@dataclass(slots=True)
class History:
    """The values of a loop variable, one for each turn.

    Attributes:
      value: the output that it becomes.
      number: of the array object.
      shape: of one turn's value.
      words: the dispatcher's record of it.
      capacity: how many turns a new array has room for.
      target: where it lies, if the number of turns is known; else in an array that grows.
    """

    value: Value
    number: int
    shape: tuple[int, ...]
    words: np.ndarray
    count: Memory
    capacity: int = FIRST_CAPACITY
    target: Memory | None = None


@dataclass(slots=True)
class Script:
    """What the members of a team do on top of a plan's rows.

    Attributes:
      before, after: row → rows in front of it, which jumps to it do too, and behind it.
      calls: row → the modes of the calls that it becomes; None for a meeting between two.
    """

    before: dict[int, list[tuple]] = field(default_factory=dict)
    after: dict[int, list[tuple]] = field(default_factory=dict)
    calls: dict[int, list[int | None]] = field(default_factory=dict)


class Pause:
    """The dispatcher came back to let signals in, or because a check has found a bad value."""


class Tables:
    """The rows as words, with the pointer cells and sizes that they point to.

    Attributes:
      starts: for each row, the first of those that it has become; at the end, how many there are.
    """

    starts: list[int]

    def __init__(
        self, rows: Sequence[tuple], objects: np.ndarray, tested: Collection[int] = (),
        script: Script | None = None,
    ) -> None:
        """tested: the rows before which the dispatcher stops if a check has found a bad value.

        script: what a team does; None: nothing.
        """
        self.objects, self._tested = objects, frozenset(tested)
        self._script = script or Script()
        self._cells: list[Memory] = []
        self._cell_of: dict[Memory, int] = {}
        self._blocks: list[int] = []
        self._sizes: list[int] = []
        self._size_at: dict[tuple[int, ...], int] = {}
        self._collect(rows)
        bound: dict[Memory, list[tuple[int, int]]] = {}
        addresses = [0] * max(len(self._cells), 1)
        for number, memory in enumerate(self._cells):
            base, shift = memory.base()
            if base.number is not None:
                bound.setdefault(base, []).append((number, shift))
            addresses[number] = (base.address or 0) + shift
        self.pointers = np.array(addresses, np.uint64)
        self.sizes = np.array(self._sizes or [0], np.int64)
        self.actions: dict[int, Any] = {}
        self.table = self._written(rows, bound)

    def cell(self, memory: Memory) -> int:
        """The address of the cell that control rows use for a memory."""
        return int(self.pointers.ctypes.data) + 8 * self._cell_of[memory]

    def _collect(self, rows: Sequence[tuple]) -> None:
        """Gives out cells: a block of its own to each call, one per memory for other rows."""
        for kind, *operands in rows:
            if _is_call(kind):
                self._blocks.append(len(self._cells))
                self._cells += operands[0]
                if operands[1] not in self._size_at:
                    self._size_at[operands[1]] = len(self._sizes)
                    self._sizes += operands[1]
                continue
            found = [o for o in operands if isinstance(o, Memory)] if kind != BIND else []
            found += [o.count for o in operands if isinstance(o, History)]
            for memory in found:
                if memory not in self._cell_of:
                    self._cell_of[memory] = len(self._cells)
                    self._cells.append(memory)

    def _written(
        self, rows: Sequence[tuple], bound: Mapping[Memory, list[tuple[int, int]]]
    ) -> np.ndarray:
        script = self._script
        first: list[int] = []
        count = 0
        for number, (kind, *operands) in enumerate(rows):
            first.append(count)
            count += len(script.before.get(number, ())) + len(script.after.get(number, ()))
            count += 2 if number in self._tested else 0
            count += len(bound.get(operands[0], ())) if kind == BIND else len(
                script.calls.get(number, (0,)))
        first.append(count)
        self.starts = first
        words: list[tuple[int, ...]] = []
        pointers, sizes = int(self.pointers.ctypes.data), int(self.sizes.ctypes.data)
        blocks = iter(self._blocks)
        for number, (kind, *operands) in enumerate(rows):
            words += [(own, *self._operands(o, first))
                      for own, *o in script.before.get(number, ())]
            if number in self._tested:
                self.actions[len(words)] = Pause
                words += [(TEST, 0, 0, 0), (MEET, 0, 0, 0)]
            if _is_call(kind):
                block, size = next(blocks), self._size_at[operands[1]]
                words += [(MEET, 0, 0, 0) if mode is None else (
                    kind, pointers + 8 * block, sizes + 8 * size, mode)
                    for mode in script.calls.get(number, (0,))]
            elif kind == BIND:
                source = int(self.objects.ctypes.data) + 8 * operands[0].number
                words += [(BIND, source, pointers + 8 * cell, shift)
                          for cell, shift in bound.get(operands[0], ())]
            else:
                if kind in (STOP, BACK, KEEP):
                    self.actions[len(words)] = Pause if kind == BACK else operands[0]
                words.append((kind, *self._operands(operands, first)))
            words += [(own, *self._operands(o, first))
                      for own, *o in script.after.get(number, ())]
        return np.array(words, np.int64).reshape(-1, ROW_WORDS)

    def _operands(self, operands: Sequence[Any], first: Sequence[int]) -> list[int]:
        made: list[int] = []
        for operand in operands:
            if isinstance(operand, Memory):
                made.append(self.cell(operand))
            elif isinstance(operand, Label):
                made += [0] * (1 - len(made)) + [first[operand.row]]
            elif isinstance(operand, History):
                made.append(operand.words.ctypes.data)
            else:
                made.append(operand if isinstance(operand, int) else 0)
        return made + [0] * (ROW_WORDS - 1 - len(made))


def _is_call(kind: int) -> bool:
    return kind >= CODES
