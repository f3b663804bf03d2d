"""Teams: the threads that run a program together with the thread that called `Session.run`.

A team is made when a run first needs it. Its threads are Python's, daemons that stay inside the
dispatcher (`codegen/dispatch.py`) without the interpreter lock: they wait there for runs until the
process ends. One run at a time has a team; another one that wants it at that moment works with
its own thread alone. A forked child has none of its parent's threads: it starts them anew when
it first needs them.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from functools import cache

import numpy as np

from graphflow.codegen.dispatch import STATE, dispatcher
from graphflow.codegen.meeting import CALM, LEAST_QUIET, RECORD_WORDS, WORDS
from graphflow.hardware import available_cores

# How long a member looks at what it waits for before it sleeps, at most, in nanoseconds: in a run,
# and between two, when it is not known whether there will be another one. With more members than
# cores, whoever looks keeps others from work.
LEAST_PATIENCE, PATIENCE, IDLE_PATIENCE = 1_000, 1_000_000, 200_000

_MEMBER, _STARTED = STATE.index("member"), ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Team:
    """`members` threads, of which the caller of a run is the first.

    Attributes:
      members: how many.
      address: of the record that runs are given (`codegen/meeting.py`).
    """

    def __init__(self, members: int) -> None:
        self.members = members
        self._words = _lasting_words(RECORD_WORDS)
        self.address = int(self._words.ctypes.data)
        self._start = _STARTED(self._start_threads)
        self._set("start", ctypes.cast(self._start, ctypes.c_void_p).value or 0)
        self._set("members", members)
        self._set("last", -1)
        self._set("sleep", _sleep_function())
        self._set("clock", _clock_function())
        self._set("penalty", LEAST_QUIET)
        self._set("quiet", -CALM)
        crowded = members > available_cores()
        self._set("least", _ticks(LEAST_PATIENCE))
        for word, address in ({} if crowded else _core_functions()).items():
            self._set(word, address)
        for prefix, most in {"": PATIENCE, "idle_": IDLE_PATIENCE}.items():
            for word in ("patience", "most"):
                self._set(prefix + word, _ticks(LEAST_PATIENCE if crowded else most))

    def _set(self, word: str, value: int) -> None:
        self._words[WORDS[word]] = value

    def _start_threads(self, _: int) -> None:
        """Called by the run that has taken the team, when its threads are not there.

        Where they cannot be made, runs do without them from then on.
        """
        try:
            enter = dispatcher()
            for member in range(1, self.members):
                state = _lasting_words(len(STATE))
                state[STATE.index("team")] = self.address
                state[STATE.index("seen")] = self._words[WORDS["go"]]
                state[_MEMBER] = member
                threading.Thread(target=enter, args=(int(state.ctypes.data),), daemon=True,
                                 name=f"graphflow-{member}").start()
            self._set("ready", 1)
        except (RuntimeError, MemoryError):
            self._set("ready", -1)

    def forget_threads(self) -> None:
        """The next run starts threads: this process has none."""
        for word in ("busy", "ready", "idle", "count", "asleep"):
            self._set(word, 0)


_teams: dict[int, Team] = {}


def team_of(members: int) -> Team:
    """The team of that many members, 2 or more."""
    return _teams.setdefault(members, _teams.get(members) or Team(members))


def _forget_threads() -> None:
    for team in _teams.values():
        team.forget_threads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)


def _lasting_words(count: int) -> np.ndarray:
    """Zeros at the start of a cache line, for the life of the process.

    Threads look at them until the very end, when the interpreter has freed all it knows.
    """
    raw = np.zeros(count + 8, np.int64)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(raw))
    start = -raw.ctypes.data % 64 // 8
    return raw[start:start + count]


@cache
def _sleep_function() -> int:
    """The address of what a waiting member calls: see `codegen/meeting.py`."""
    if sys.platform == "win32":
        found = ctypes.WinDLL("kernel32").Sleep
    else:
        library = ctypes.CDLL(None)
        found = library.syscall if sys.platform == "linux" else library.usleep
    return ctypes.cast(found, ctypes.c_void_p).value or 0


@cache
def _clock_function() -> int:
    """The address of what tells the time: see `codegen/meeting.py`."""
    if sys.platform == "win32":
        found = ctypes.WinDLL("kernel32").QueryPerformanceCounter
    else:
        found = ctypes.CDLL(None).clock_gettime
    return ctypes.cast(found, ctypes.c_void_p).value or 0


@cache
def _core_functions() -> dict[str, int]:
    """What tells and changes the cores of a thread: words of a record → addresses; or nothing."""
    names = {"where": "sched_getcpu", "allowed": "sched_getaffinity",
             "allow": "sched_setaffinity"}
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    found = {word: getattr(library, name, None) for word, name in names.items()}
    if None in found.values():
        return {}
    return {word: ctypes.cast(f, ctypes.c_void_p).value or 0  # type: ignore[arg-type]  # functions
            for word, f in found.items()}


def _ticks(nanoseconds: int) -> int:
    """A time as that clock counts it."""
    tick = time.get_clock_info("perf_counter").resolution if sys.platform == "win32" else 1e-9
    return round(nanoseconds * 1e-9 / tick)
