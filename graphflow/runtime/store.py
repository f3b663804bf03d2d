"""The variable store of a session: values by state key, committed as a whole at the end of a run.

Invariants: stored arrays are C-contiguous, owned by the store, never handed out without a copy.
Only a run that has taken them changes them in place; nobody reads them until its commit. A commit
replaces all written values at once or none.
"""

from __future__ import annotations

import secrets
import sys
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

# To an array that only the store holds: in its dict, a list, a local variable, an argument.
_OWN_REFERENCES = 4


class VariableStore:
    """State key → value."""

    def __init__(self) -> None:
        self._values: dict[str, np.ndarray] = {}
        self._taken: set[str] = set()
        self._writer = threading.RLock()
        self._lock = threading.Lock()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Held by a run from its first read to its commit if it writes: runs are atomic."""
        with self._writer:
            try:
                yield
            finally:
                self.give_back()

    def give_back(self) -> None:
        """Ends what `lend` began, where the run that writes has changed nothing after all."""
        with self._lock:
            self._taken.clear()

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

        An initial of "zero" or "random" says how a counter without a value starts.
        """
        while True:
            with self._lock:
                if self._taken.isdisjoint(initials):
                    return self._current(initials)
            with self._writer:  # until the run that changes them is through
                pass

    def _current(self, initials: Mapping[str, str | None]) -> dict[str, np.ndarray | None]:
        found = {key: self._values.get(key) for key in initials}
        for key, initial in initials.items():
            if found[key] is None and initial is not None:
                start = 0 if initial == "zero" else secrets.randbits(62)
                found[key] = self._values[key] = np.array(start, np.int64)
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
