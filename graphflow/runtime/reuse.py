"""Writing over what is read for the last time, decided once the rows of a stage are known.

An intermediate value may take the place of another one in the arena. A variable's new value may
take the place of the old one: if nothing reads that afterwards, and nothing can fail any more,
since a run that fails leaves its variables as they were.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphflow.codegen.dispatch import BACK, KEEP, STOP
from graphflow.codegen.steps import Launch
from graphflow.runtime.tables import Memory


class Reuse:
    """The calls of one stage that may write over their operands.

    rows: of the stage, as they are written. status: the word that checks set.
    """

    def __init__(self, rows: list[tuple], status: Memory) -> None:
        self._rows, self._status = rows, status
        self._calls: dict[int, tuple[Launch, Sequence[Memory]]] = {}
        self._last_check = -1

    @property
    def checks(self) -> bool:
        """Whether a call may set the status word, also one of a branch or loop."""
        return self._last_check >= 0

    def note(self, row: int, step: Launch, memories: Sequence[Memory]) -> None:
        """Row `row` calls the kernel of `step` with these buffers."""
        if step.reusable or step.update is not None:
            self._calls[row] = step, memories
        if any(m is self._status for m in memories):
            self._last_check = row

    def replace(self, new: Memory, old: Memory) -> bool:
        """Lets `new` take the place of `old`, if what it is written by allows that."""
        if new.over is not None or new.number is not None and old.number is None:
            return False
        if new.inside is not None or old.inside is not None:
            return False
        if old.last < new.first:
            new.over = old
        elif old.last == new.first and new.first in self._calls:
            step, memories = self._calls[new.first]
            if any(memories[written] is new for written, _ in _pairs(step, memories, old)):
                new.over = old
            if new.over is not None and step.update is not None:
                self._rows[new.first] = (step.update.address, *self._rows[new.first][1:])
        return new.over is not None

    def in_arena(self) -> None:
        """Lets intermediate values take the place of others."""
        for row, (step, memories) in self._calls.items():
            for old in dict.fromkeys(m.place() for m in memories):
                if old.last != row or not _in_arena(old):
                    continue
                for written, _ in _pairs(step, memories, old):
                    new = memories[written]
                    if new.first == row and new is not old and new.size == old.size and (
                            _in_arena(new) and self.replace(new, old)):
                        old.last = max(old.last, new.last)
                        break

    def variables(
        self, candidates: Sequence[tuple[Memory, Memory]]
    ) -> tuple[list[bool], int | None]:
        """Which variables are changed in place, and the first row that changes one.

        candidates: (new value, old value). Rows from the first change on must not fail.
        """
        stops = [i for i, (kind, *_) in enumerate(self._rows[:-1]) if kind in (STOP, BACK, KEEP)]
        earliest = max([self._last_check, *stops], default=-1)
        chosen = [new.first == old.last > earliest and new.size == old.size
                  and self.replace(new, old) for new, old in candidates]
        return chosen, min((new.first for (new, _), c in zip(candidates, chosen) if c),
                           default=None)


def _pairs(step: Launch, memories: Sequence[Memory], old: Memory) -> list[tuple[int, int]]:
    """The pairs (written, read) of buffers of a call that may be one memory, with `old` as read.

    A kernel may read one memory through several buffers, of which one is a reshape of another:
    then it must be safe for each of them.
    """
    pairs = step.reusable if step.update is None else (*step.reusable, step.update.pair)
    places = [k for k, memory in enumerate(memories) if memory.place() is old]
    safe = set(pairs)
    return [(written, read) for written, read in pairs if read in places and all(
        (written, k) in safe or k == written for k in places)]


def _in_arena(memory: Memory) -> bool:
    return memory.number is None and memory.address is None and memory.inside is None
