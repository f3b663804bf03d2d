"""The variable store of a session: values by state key, committed as a whole at the end of a run.

Invariants: stored arrays are C-contiguous, owned by the store, never handed out without a copy,
and never changed in place; a commit replaces all written values at once or none.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np


class VariableStore:
    """State key → value."""

    def __init__(self) -> None:
        self._values: dict[str, np.ndarray] = {}
        self._writer = threading.RLock()
        self._lock = threading.Lock()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Held by a run from its first read to its commit if it writes: runs are atomic."""
        with self._writer:
            yield

    def read(self, initials: Mapping[str, str | None]) -> dict[str, np.ndarray | None]:
        """The values of these keys as they stood at one moment; None where there is none.

        An initial of "zero" or "random" says how a counter without a value starts.
        """
        with self._lock:
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
