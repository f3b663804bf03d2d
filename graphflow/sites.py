"""Sites: the line of the user's file that built a node, graphflow's own frames left out.

Also when graphflow's files were loaded: this module is imported before those that make code.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from types import FrameType
from typing import NamedTuple

LOADED_AT = time.time_ns()
_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_own_files: dict[str, bool] = {}


class Site(NamedTuple):
    """A file and line."""

    file: str
    line: int

    def __str__(self) -> str:
        return _shown(self.file, self.line)


@functools.lru_cache(maxsize=4096)
def _shown(file: str, line: int) -> str:
    path = os.path.relpath(file) if os.path.isabs(file) else file
    if path.startswith(".."):
        path = file
    return f"{path}:{line}"


def _is_own(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    if file == "<string>":  # code made by dataclasses, or the user's `python -c`
        return str(frame.f_globals.get("__name__", "")).startswith("graphflow")
    own = _own_files.get(file)
    if own is None:
        own = _own_files[file] = file.startswith((_PACKAGE, "<frozen")) or (
            file == os.path.join(os.path.dirname(os.__file__), "contextlib.py"))
    return own


def user_site() -> Site | None:
    """The innermost frame outside graphflow, or None."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not _is_own(frame):
            return Site(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return None
