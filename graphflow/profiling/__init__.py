"""Where the time of a run goes: `Session.profile`, traces, `RunMetadata.step_stats`.

The room is loaded when it is first used.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Peaks", "Profile", "Timeline", "measured_peaks"]

_FILES = {"Peaks": "peaks", "measured_peaks": "peaks", "Profile": "record",
          "Timeline": "timeline"}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FILES[name]}"), name)
