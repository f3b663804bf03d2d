"""The variables of a device session: they stay on the GPU from run to run.

Whoever asks for a value as before (checkpoints, exports, the NumPy reference) gets a copy on the
host. A value that comes from the host goes to the GPU when a run there first needs it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from graphflow.runtime.cuda.array import DeviceArray
from graphflow.runtime.cuda.context import Context
from graphflow.runtime.store import VariableStore

# To an array that only the store holds: in its dict, a local variable, an argument.
_OWN_REFERENCES = 3


class DeviceVariableStore(VariableStore):
    """State key → value, on one GPU."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context

    def read(self, initials: Mapping[str, str | None]) -> dict[str, np.ndarray | None]:
        """The values as NumPy arrays; see `VariableStore.read`."""
        found = super().read(initials)
        return {key: _on_host(array) for key, array in found.items()}

    def device_read(self, initials: Mapping[str, str | None]) -> dict[str, Any]:
        """As `read`, on the GPU, and not to be changed. Strings stay on the host."""
        with self._lock:
            while not self._taken.isdisjoint(initials):
                self._changed.wait()
            found: dict[str, Any] = dict(self._current(initials))
            for key, array in found.items():
                if isinstance(array, np.ndarray) and array.dtype != object:
                    found[key] = DeviceArray.of(self.context, array)
                    self._values[key] = found[key]
            return found

    def borrow(
        self, keys: Sequence[str], changed: frozenset[str], taken: Sequence[int]
    ) -> list[DeviceArray] | None:
        """The values of `keys` for a run that changes some of them in place; see `settle`.

        taken: the positions of those that it changes. None if one is on the host or has no value,
        if somebody else holds what is to be changed, or another run is writing.
        """
        with self._lock:
            if self._writers or self._taken:
                return None
            values: dict[str, Any] = self._values
            arrays: list[Any] = [values.get(key) for key in keys]
            for array in arrays:
                if type(array) is not DeviceArray:
                    return None
            array = None
            if changed:
                for position in taken:  # in the dict, the list, and as an argument
                    if sys.getrefcount(arrays[position]) > _OWN_REFERENCES:
                        return None
                self._writers[threading.get_ident()] = [changed]
                self._taken.update(changed)
            return arrays

    def settle(self, changed: frozenset[str]) -> None:
        """The run that `borrow` began is through, or has failed."""
        if changed:
            with self._lock:
                self._taken.difference_update(changed)
                del self._writers[threading.get_ident()]
                self._changed.notify_all()

    def commit_copies(self, items: Iterable[tuple[str, Any]]) -> None:
        """Replaces values by copies of what lies in memory that others will use.

        A variable keeps its place in memory if nobody else holds that.
        """
        with self._lock:
            held: dict[str, Any] = self._values
            homes = {id(a.buffer) for a in held.values() if isinstance(a, DeviceArray)}
            items = [(key, array.copy() if isinstance(array, DeviceArray)
                      and id(array.buffer) in homes else array) for key, array in items]
            for key, array in items:
                if not isinstance(array, DeviceArray):
                    held[key] = array
                    continue
                home = held.get(key)
                if isinstance(home, DeviceArray) and home.shape == array.shape and (
                        home.dtype == array.dtype
                        and sys.getrefcount(home) <= _OWN_REFERENCES):
                    self.context.driver.copy(
                        home.address, array.address, array.nbytes, self.context.stream)
                else:
                    held[key] = array.copy()


def _on_host(value: Any) -> Any:
    return value.numpy() if isinstance(value, DeviceArray) else value
