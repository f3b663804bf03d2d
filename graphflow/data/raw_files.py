"""Finding and reading data files that somebody else made, with errors that say what is wrong.

Shared by the MNIST and CIFAR-10 readers. Nothing here trusts a file: memory follows the bytes
that are really there, never a number that a header claims.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from graphflow.errors import DatasetError

# Far above any image set in these two formats, and far below what would exhaust a machine.
MAX_EXAMPLES = 10_000_000

_LISTED_NAMES = 20
_CHUNK = 1 << 20


class ByteStream(Protocol):
    """What is read here: a file, or the inside of a gzipped one."""

    def read(self, size: int, /) -> bytes: ...


def open_directory(directory: str | os.PathLike[str], what: str) -> Path:
    """The directory as a Path. Raises DatasetError if it is none or may not be read."""
    path = Path(directory)
    if not os.path.lexists(path):
        raise DatasetError(f"{what}: the directory '{path}' does not exist. Check the path.")
    if not os.path.isdir(path):
        raise DatasetError(
            f"{what}: '{path}' is not a directory. Give the directory that holds the files."
        )
    if not os.access(path, os.R_OK | os.X_OK):
        raise DatasetError(
            f"{what}: the directory '{path}' may not be read. Check its permissions."
        )
    return path


def contents(directory: Path, what: str) -> str:
    """The names in a directory, as the end of a sentence: "it holds a, b and 3 more".

    Folders end in "/". Raises DatasetError if the directory may not be listed.
    """
    try:
        names = sorted(
            entry.name + "/" * entry.is_dir() for entry in os.scandir(directory)
        )
    except OSError as error:
        raise DatasetError(
            f"{what}: the directory '{directory}' cannot be listed: {error.strerror}. "
            f"Check its permissions."
        ) from error
    if not names:
        return "it is empty"
    shown = ", ".join(names[:_LISTED_NAMES])
    more = len(names) - _LISTED_NAMES
    return f"it holds {shown}" + (f" and {more} more" if more > 0 else "")


def find_file(directory: Path, spellings: Sequence[str], what: str) -> Path | None:
    """The first spelling that is a file in the directory; None if there is nothing of the kind.

    Raises DatasetError if a spelling is there but is no regular file (a folder, a pipe, a link
    to nothing) and no other spelling is one.
    """
    for spelling in spellings:
        if (directory / spelling).is_file():
            return directory / spelling
    for spelling in spellings:
        path = directory / spelling
        if path.is_dir():
            raise DatasetError(
                f"{what} file '{path}': is a folder, not a file. Put the file itself there."
            )
        if path.is_symlink() and not path.exists():
            raise DatasetError(
                f"{what} file '{path}': is a link to '{os.readlink(path)}', which does not "
                f"exist. Mend the link or put the file itself there."
            )
        if path.exists():
            raise DatasetError(
                f"{what} file '{path}': is not a regular file. Put the file itself there."
            )
    return None


def unreadable(path: Path, what: str, error: OSError) -> DatasetError:
    """The error for a file that the operating system refuses to open or read."""
    reason = error.strerror or str(error)
    refused = isinstance(error, PermissionError)
    fix = "Check its permissions." if refused else "Check the disk, or get the file again."
    return DatasetError(f"{what} file '{path}': cannot be read: {reason}. {fix}")


def read_at_most(stream: ByteStream, limit: int) -> bytearray:
    """Up to `limit` bytes, fewer at the end of the stream.

    Reads by the megabyte: one read(limit) would allocate `limit` bytes before reading any.
    """
    data = bytearray()
    while len(data) < limit:
        chunk = stream.read(min(limit - len(data), _CHUNK))
        if not chunk:
            break
        data += chunk
    return data
