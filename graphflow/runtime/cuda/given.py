"""Code for GPUs that came in files which the user trusts: `export/trusted.py` gives it.

Whether it is for the GPU at hand shows when a session there first compiles something.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from graphflow.runtime.prepared import give_records


@dataclass(frozen=True, slots=True)
class _Given:
    """What one environment was given: cubins and records of Programs, by name."""

    cubins: dict[str, bytes]
    records: dict[str, bytes]


_given: dict[str, _Given] = {}
_lock = threading.Lock()


def give_device_code(
    environment: str, cubins: Mapping[str, bytes], records: Mapping[str, bytes]
) -> None:
    """Code that is trusted, for sessions on GPUs of an environment (`device_environment`)."""
    with _lock:
        known = _given.setdefault(environment, _Given({}, {}))
        known.cubins.update(cubins)
        known.records.update(records)


def anything_given() -> bool:
    """Whether there is any, for whatever GPU."""
    return bool(_given)


def take_device_code(environment: str) -> Mapping[str, bytes]:
    """The cubins for an environment by name; records of Programs are taken up, too."""
    with _lock:
        found = _given.get(environment)
        if found is None:
            return {}
        give_records(found.records)
        return dict(found.cubins)
