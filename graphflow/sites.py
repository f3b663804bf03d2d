"""Sites: the line of the user's file that built a node, graphflow's own frames left out."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_own_files: dict[str, bool] = {}


class Site(NamedTuple):
    """A file and line."""

    file: str
    line: int

    def __str__(self) -> str:
        path = os.path.relpath(self.file) if os.path.isabs(self.file) else self.file
        if path.startswith(".."):
            path = self.file
        return f"{path}:{self.line}"


def _is_own(file: str) -> bool:
    own = _own_files.get(file)
    if own is None:
        own = _own_files[file] = file.startswith((_PACKAGE, "<frozen", "<string>")) or (
            file == os.path.join(os.path.dirname(os.__file__), "contextlib.py"))
    return own


def user_site() -> Site | None:
    """The innermost frame outside graphflow, or None."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not _is_own(file):
            return Site(file, frame.f_lineno)
        frame = frame.f_back  # type: ignore[assignment]  # the loop ends at the outermost frame
    return None
