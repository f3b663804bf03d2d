"""Measured choices: the few best ways to build a kernel are tried, and the fastest is kept.

The cost models (`codegen/tiles.py`, `tile_choice.py` and others) rank the ways that a contraction
can be built in: tiles, panels, chunks. With `Options(autotune=True)`, what they hold for best is
measured beside what comes next, one choice changed at a time, then the changes that were worth it
together. What was found is kept on disk beside the kernels, under the name of the kernel that the
models alone give, its sizes and the number of threads: whoever meets them again measures nothing.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

from graphflow.codegen.cache import KernelStore, open_store
from graphflow.codegen.choices import Choices, Measured, choosing, way_name
from graphflow.codegen.compile import code_settings, kernel_name
from graphflow.codegen.steps import Launch
from graphflow.runtime.measuring import is_measurable, least_times

MOST_TRIED = 10  # ways of one kernel, besides the model's
WORTH = 0.97     # of the model's time, that a way must stay below to be taken

Ranks = dict[str, int]


class LaunchTuner:
    """Finds the fastest of the ways to build a launch, for a team of so many threads.

    Attributes:
      key: what its findings depend on besides the kernel.
      measured: how many kernels were measured so far.
      found: how many were found on disk, or had been met before.
    """

    def __init__(self, threads: int, store: KernelStore | None) -> None:
        self.key = f"{threads} threads"
        self.measured = self.found = 0
        self._threads, self._store = threads, store
        self._known: dict[str, Measured] = {}
        self._lock = threading.RLock()

    def best(self, build: Callable[[], Launch]) -> Launch:
        """The launch, built in the way that is fastest here."""
        choices = Choices()
        model = _built(build, choices)
        if not any(count > 1 for count in choices.ways.values()) or not is_measurable(model):
            return model
        name = self._name(model)
        with self._lock:
            made = self._known.get(name) or self._kept(name, choices.ways)
            if made is None:
                self.measured += 1
                made = self._search(build, model, choices.ways)
                if self._store is not None:
                    self._store.write({name: _packed(made)})
            else:
                self.found += 1
            self._known[name] = made
        launch = _built(build, Choices(dict(made.ranks))) if made.ranks else model
        return replace(launch, measured=made)

    def _name(self, launch: Launch) -> str:
        facts = (kernel_name(launch.kernel), self._threads, launch.sizes,
                 tuple([v.shape.sizes for v in launch.buffers]))
        return "gf_choice_" + hashlib.sha256(repr(facts).encode()).hexdigest()[:24]

    def _kept(self, name: str, ways: Mapping[str, int]) -> Measured | None:
        """What the disk has of a kernel; None if that is nothing, or nothing to go by."""
        data = self._store.read(name) if self._store is not None else None
        return None if data is None else _unpacked(data, ways)

    def _search(
        self, build: Callable[[], Launch], model: Launch, ways: Mapping[str, int]
    ) -> Measured:
        tried: list[tuple[Ranks, Launch]] = [({}, model)]
        known = {kernel_name(model.kernel)}

        def add(ranks: Ranks) -> None:
            launch = _built(build, Choices(ranks))
            symbol = kernel_name(launch.kernel)
            if symbol not in known:
                known.add(symbol)
                tried.append((ranks, launch))

        single: list[Ranks] = [{name: rank} for rank in range(1, max(ways.values()))
                               for name, count in ways.items() if rank < count]
        for ranks in single[:MOST_TRIED]:
            add(ranks)
        times = self._times(tried)
        together = _together(tried, times)
        if len(together) > 1:
            add(together)
            times = self._times(tried)
        best = min(range(len(tried)), key=times.__getitem__)
        if times[best] > WORTH * times[0]:
            best = 0
        return Measured(
            tuple(sorted(tried[best][0].items())),
            tuple([(way_name(ranks), t) for (ranks, _), t in zip(tried, times)]), self._threads)

    def _times(self, tried: list[tuple[Ranks, Launch]]) -> list[float]:
        return least_times([launch for _, launch in tried], self._threads)


def _built(build: Callable[[], Launch], choices: Choices) -> Launch:
    with choosing(choices):
        return build()


def _together(tried: list[tuple[Ranks, Launch]], times: list[float]) -> Ranks:
    """For each choice, the change that was worth most, where one was."""
    best: dict[str, tuple[float, int]] = {}
    for (ranks, _), seconds in zip(tried[1:], times[1:]):
        ((name, rank),) = ranks.items()
        if seconds < WORTH * times[0]:
            best[name] = min(best.get(name, (seconds, rank)), (seconds, rank))
    return {name: rank for name, (_, rank) in best.items()}


def _packed(made: Measured) -> bytes:
    return json.dumps([made.ranks, made.seconds, made.threads]).encode()


def _unpacked(data: bytes, ways: Mapping[str, int]) -> Measured | None:
    """A record, if it is one and names choices that there are."""
    try:
        ranks, seconds, threads = json.loads(data)
        made = Measured(tuple([(str(n), int(r)) for n, r in ranks]),
                        tuple([(str(n), float(t)) for n, t in seconds]), int(threads))
    except (ValueError, TypeError):
        return None
    return made if all(0 < r < ways.get(n, 0) for n, r in made.ranks) else None


@cache
def tuner_of(threads: int) -> LaunchTuner:
    """The process's tuner for teams of so many threads."""
    return LaunchTuner(threads, open_store(code_settings()))
