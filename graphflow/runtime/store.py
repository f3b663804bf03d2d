"""The variable store of a session: values by state key, committed as a whole at the end of a run.

Invariants: stored arrays are C-contiguous, owned by the store, never handed out without a copy.
Only a run that has taken them changes them in place; nobody reads them until its commit. A commit
replaces all written values at once or none.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

# To an array that only the store holds: in its dict, a list, a local variable, an argument.
_OWN_REFERENCES = 4


class Writing:
    """Context manager: inside, this thread alone may change the variables that it named.

    It does not wait for those who change others: a run may wait for a queue that another run,
    with variables of its own, has to fill.
    """

    __slots__ = ("_keys", "_store")

    def __init__(self, store: VariableStore, keys: Collection[str] | None) -> None:
        self._store, self._keys = store, keys

    def __enter__(self) -> None:
        self._store._enter(self._keys)

    def __exit__(self, *error: object) -> None:
        self._store._leave()


class VariableStore:
    """State key → value.

    Attributes:
      open: one word, 0 once the session is closed.
    """

    def __init__(self) -> None:
        self.open = np.ones(1, np.int64)
        self._values: dict[str, np.ndarray] = {}
        self._taken: set[str] = set()
        self._writers: dict[int, list[Collection[str] | None]] = {}
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)

    def writing(self, keys: Collection[str] | None = None) -> Writing:
        """Held by a run from its first read to its commit if it writes: runs are atomic.

        keys: what it writes; everything if None. May stand inside itself, with the same keys.
        """
        return Writing(self, keys)

    def _enter(self, keys: Collection[str] | None) -> None:
        thread = threading.get_ident()
        with self._lock:
            own = self._writers.get(thread)
            if own is not None:
                own.append(keys)
                return
            while self._writers and any(
                    _overlap(keys, held[0]) for held in self._writers.values()):
                self._changed.wait()
            self._writers[thread] = [keys]

    def _leave(self) -> None:
        thread = threading.get_ident()
        with self._lock:
            self._end_loans(thread)
            held = self._writers[thread]
            held.pop()
            if not held:
                del self._writers[thread]
                self._changed.notify_all()

    def give_back(self) -> None:
        """Ends what `lend` began, where the run that writes has changed nothing after all."""
        with self._lock:
            self._end_loans(threading.get_ident())

    def _end_loans(self, thread: int) -> None:
        if self._taken:
            held = self._writers.get(thread)
            if held is not None and held[0] is not None:
                self._taken.difference_update(held[0])
            else:
                self._taken.clear()
            self._changed.notify_all()

    def for_entry(self, keys: Collection[str]) -> dict[str, Any]:
        """What the native entry needs of the store for runs that change `keys`, by its words."""
        mine = frozenset(keys)

        def begin() -> bool:
            with self._lock:
                if self._writers or self._taken:
                    return False
                self._writers[threading.get_ident()] = [mine]
                self._taken.update(mine)
                return True

        def end() -> None:
            with self._lock:
                self._taken.difference_update(mine)
                del self._writers[threading.get_ident()]
                self._changed.notify_all()

        return {"values": self._values, "taken": self._taken, "writers": self._writers,
                "lock": self._lock.acquire, "unlock": self._lock.release,
                "begin": begin, "end": end}

    def lend(self, keys: Sequence[str], taken: Collection[int]) -> list[np.ndarray] | None:
        """The values of `keys`; None if one has none, or is being changed by another run.

        taken: the positions of those that the run that is writing changes in place and commits;
          a copy, where somebody else holds the array.
        """
        with self._lock:
            if not self._taken.isdisjoint(keys):
                return None
            arrays = []
            for key in keys:
                array = self._values.get(key)
                if array is None:
                    return None
                arrays.append(array)
            for position in taken:
                array = arrays[position]
                if sys.getrefcount(array) > _OWN_REFERENCES or not array.flags.writeable:
                    arrays[position] = array.copy()
                else:
                    self._taken.add(keys[position])
            return arrays

    def read(self, initials: Mapping[str, str | None]) -> dict[str, np.ndarray | None]:
        """The values of these keys as they stood at one moment; None where there is none.

        An initial of "zero", "random" or "12 zeros" says how counters without values start.
        """
        with self._lock:
            while not self._taken.isdisjoint(initials):
                self._changed.wait()  # until the run that changes them is through
            return self._current(initials)

    def _current(self, initials: Mapping[str, str | None]) -> dict[str, np.ndarray | None]:
        found = {key: self._values.get(key) for key in initials}
        for key, initial in initials.items():
            if found[key] is None and initial is not None:
                found[key] = self._values[key] = _first_value(initial)
        return found

    def get(self, key: str, initial: str | None = None) -> np.ndarray | None:
        """The value of one key; see `read`."""
        return self.read({key: initial})[key]

    def has(self, key: str) -> bool:
        """True if `key` has a value."""
        return key in self._values

    def keys(self) -> list[str]:
        """All keys that have a value."""
        with self._lock:
            return list(self._values)

    def commit(self, items: Iterable[tuple[str, np.ndarray]]) -> None:
        """Replaces values. The arrays must not be used by anybody else."""
        with self._lock:
            self._values.update(items)

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._values.clear()


def _first_value(initial: str) -> np.ndarray:
    """What counters start with: int64."""
    if initial.endswith(" zeros"):
        return np.zeros(int(initial.removesuffix(" zeros")), np.int64)
    if initial == "zero":
        return np.array(0, np.int64)
    import secrets

    return np.array(secrets.randbits(62), np.int64)


def _overlap(some: Collection[str] | None, others: Collection[str] | None) -> bool:
    if some is None or others is None:
        return True
    return any(key in others for key in some)
