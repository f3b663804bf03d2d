"""`Recorder`: what the steps of timed runs have spent, and when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from graphflow.codegen.timed_dispatch import now

if TYPE_CHECKING:
    from graphflow.runtime.outline import Visit

MEETING, MOVING = -1, -2   # numbers of what is no step
MOST_EVENTS = 1 << 16


class Log(Protocol):
    """What a plan has kept of a run."""

    def drain(self, recorder: Recorder) -> None: ...


@dataclass(slots=True, eq=False)
class Spent:
    """What one step has spent.

    Attributes:
      number: of the step, or `MEETING`, or `MOVING`.
      visit: the step, with the names and sizes of its values; of the newest plan.
      threads: how many share it.
      runs: (calls, nanoseconds) of each run in which it was called.
    """

    number: int
    visit: Visit | None
    threads: int = 1
    runs: list[tuple[int, int]] = field(default_factory=list)
    _calls: int = 0
    _spent: int = 0

    def add(self, calls: int, nanoseconds: int) -> None:
        """Adds to the run at hand."""
        self._calls += calls
        self._spent += nanoseconds

    def end_run(self) -> None:
        """The run at hand is over."""
        self.runs.append((self._calls, self._spent))
        self._calls = self._spent = 0


@dataclass(frozen=True, slots=True)
class Event:
    """One call: of what, and its begin and end in nanoseconds."""

    spent: Spent
    began: int
    ended: int


class Recorder:
    """What is noted of timed runs.

    Attributes:
      steps: by what identifies them.
      meeting: member 0 waits for others of its team.
      moving: copies of loop variables and histories.
      logs: the logs of the plans that the run at hand has used, by identity.
      events: of the newest run, in order; of very many the first ones.
      spans: begin and end of each run.
    """

    def __init__(self) -> None:
        self.steps: dict[int, Spent] = {}
        self.meeting, self.moving = Spent(MEETING, None), Spent(MOVING, None)
        self.logs: dict[int, Log] = {}
        self.events: list[Event] = []
        self.spans: list[tuple[int, int]] = []
        self._next = 0
        self._nested = [0]

    def numbers(self, count: int) -> int:
        """Gives out the numbers of that many steps; the first of them."""
        first = self._next
        self._next += count
        return first

    def step(self, number: int, visit: Visit, key: int | None = None) -> Spent:
        """What a step is noted as; a new visit of the same step takes the place of the old one.

        key: what identifies it, if not the step object.
        """
        key = id(visit.step) if key is None else key
        found = self.steps.get(key)
        if found is None:
            found = self.steps[key] = Spent(number, visit)
            found.runs += [(0, 0)] * len(self.spans)
        found.visit = visit
        return found

    def event(self, spent: Spent, began: int, ended: int) -> None:
        """Notes one call."""
        if len(self.events) < MOST_EVENTS:
            self.events.append(Event(spent, began, ended))

    def forget(self) -> None:
        """Forgets the runs so far: they were to warm up."""
        self.spans.clear()
        for spent in self._all():
            spent.runs.clear()

    def begin(self) -> None:
        """A run begins."""
        self.events.clear()
        self.logs.clear()
        self._nested = [0]
        self._began = now()

    def end(self) -> None:
        """The run is over."""
        self.spans.append((self._began, now()))
        for log in self.logs.values():
            log.drain(self)
        self.logs.clear()
        self.events.sort(key=lambda e: (e.began, -e.ended))
        for spent in self._all():
            spent.end_run()

    def _all(self) -> list[Spent]:
        return [*self.steps.values(), self.meeting, self.moving]

    @contextmanager
    def timing(self, spent: Spent) -> Iterator[None]:
        """Inside, time is spent on a step in Python, but for what `inside` takes out of it."""
        self._nested.append(0)
        began = now()
        try:
            yield
        finally:
            ended = now()
            spent.add(1, ended - began - self._nested.pop())
            self.event(spent, began, ended)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Inside, a body runs, whose steps are noted themselves."""
        began = now()
        try:
            yield
        finally:
            self._nested[-1] += now() - began
