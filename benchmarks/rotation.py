"""Turns in rotation, and the record of what each participant got.

Sub-millisecond medians wander by a factor of two on shared machines, so nobody is measured in one
stretch: each participant takes short turns, one at a time, and a turn counts only if the rest of
the machine was quiet.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.load import Load

ATTEMPTS = 4  # rounds for each turn that is wanted


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: the seconds that each step took, and the load meanwhile."""

    seconds: tuple[float, ...]
    load: Load


@dataclass(slots=True)
class Row:
    """What one participant of one table got.

    Attributes:
      name: the framework.
      peer: False for graphflow and for what is listed for comparison only.
      values: counted steps in seconds, or bytes.
      medians: the median of each counted turn.
      cores: cores used in each counted turn.
      tried: turns taken, counted or not.
      first, error: first loss (or element) and its relative error against NumPy.
      losses: of the first steps.
      version: the framework's, if it was asked.
      problem: why there is no number, or why the number does not count.
      notes: what the framework wants known, such as what it did not compile.
    """

    name: str
    peer: bool
    values: list[float] = field(default_factory=list)
    medians: list[float] = field(default_factory=list)
    cores: list[float] = field(default_factory=list)
    tried: int = 0
    first: float | None = None
    error: float | None = None
    losses: list[float] = field(default_factory=list)
    version: str = ""
    problem: str | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def median(self) -> float | None:
        """The median of all counted values, None if there are none or they do not count."""
        return statistics.median(self.values) if self.values and not self.problem else None

    def count(self, turn: Turn) -> None:
        """Takes the turn's steps in."""
        self.values += turn.seconds
        self.medians.append(statistics.median(turn.seconds))
        self.cores.append(turn.load.own)


class Participant(Protocol):
    """Someone who takes turns for a row."""

    row: Row

    def take_turn(self) -> Turn: ...


def rotate(
    participants: Sequence[Participant], wanted: int, limit: float,
    failure: type[Exception], say: Callable[[str], None],
) -> None:
    """Rounds of turns until everybody has `wanted` counted ones, at most `ATTEMPTS · wanted`.

    limit: the cores that others may use in a turn that counts. Each round begins with another
    participant. A `failure` ends a participant's part and is written in its row.
    """
    for round_number in range(ATTEMPTS * wanted):
        waiting = [p for p in participants
                   if not p.row.problem and len(p.row.medians) < wanted]
        if not waiting:
            return
        start = round_number % len(waiting)
        for participant in waiting[start:] + waiting[:start]:
            row = participant.row
            try:
                turn = participant.take_turn()
            except failure as error:
                row.problem = str(error)
                continue
            row.tried += 1
            if turn.load.quiet(limit):
                row.count(turn)
            else:
                say(f"{row.name}: a turn not counted, others used {turn.load.others:.2f} cores")
