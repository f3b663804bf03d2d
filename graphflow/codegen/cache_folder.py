"""The cache's folder on disk as a whole: whether it can be used, what is in it, keeping it small.

The folder has `kernels/` and `programs/`, these have a folder for each environment, those have
files named `gf_…`: nothing else is ever counted or removed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from graphflow.options import cache_folder
from graphflow.storage import remove_leftovers

LIMIT = 256 * 2**20
ANSWERS = "_answers"  # end the names of what is kept beside programs
_KERNELS, _PROGRAMS = "kernels", "programs"
_BLOCK = 4096  # what a small file takes on most disks
_POSIX = os.name == "posix"


def complaint(folder: Path) -> str | None:
    """Why a folder cannot be used, or None."""
    try:
        here = next(p for p in (folder, *folder.parents) if p.exists())
        status = here.stat()
        if not stat.S_ISDIR(status.st_mode):
            return f"{here} is not a folder"
        if here == folder:
            return None if is_private(status) else "others own it or may write to it"
        if not os.access(here, os.W_OK | os.X_OK):
            return "it cannot be made"
        shared = stat.S_ISVTX | stat.S_IWOTH  # /tmp
        if _POSIX and status.st_uid != os.geteuid() and status.st_mode & shared != shared:
            return f"{here} belongs to somebody else"  # sudo keeps the home directory
    except OSError as error:
        return str(error)
    return None


def is_private(status: os.stat_result) -> bool:
    """True if nobody else (but the system's administrator) can write it."""
    if not _POSIX:
        return True  # the folder is in the user's profile
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


@dataclass(frozen=True, slots=True)
class CacheState:
    """What is in the folder of the cache.

    Attributes:
      folder: where it is, or None if there is none.
      kernels: the number of compiled kernels.
      bytes: how long all files are together.
      complaint: why it is not used, or None.
      programs: the number of optimised programs.
    """

    folder: Path | None
    kernels: int
    bytes: int
    complaint: str | None
    programs: int = 0


def cache_state() -> CacheState:
    """What is on disk, of all environments."""
    folder = cache_folder()
    if folder is None:
        return CacheState(None, 0, 0, "GRAPHFLOW_CACHE is 0, or there is no home directory")
    sizes, programs = [], 0
    for entry in _files(folder, (_KERNELS,)):
        with suppress(OSError):
            sizes.append(entry.stat().st_size)
    kernels = len(sizes)
    for entry in _files(folder, (_PROGRAMS,)):
        with suppress(OSError):
            sizes.append(entry.stat().st_size)
            programs += not entry.name.endswith(ANSWERS)
    problem = complaint(folder)
    if problem is None and folder.exists() and not os.access(folder, os.W_OK):
        problem = "it can only be read"
    return CacheState(folder, kernels, sum(sizes), problem, programs)


def clear_cache() -> int:
    """Removes everything from disk; returns how many kernels there were."""
    folder = cache_folder()
    removed = 0
    for room in (_PROGRAMS, _KERNELS):
        for entry in _files(folder, (room,)) if folder is not None else ():
            with suppress(OSError):
                os.unlink(entry)
                removed += room == _KERNELS
    if folder is not None:
        _tidy(folder)
    return removed


def prune(folder: Path, limit: int = LIMIT) -> None:
    """Removes what was not used for longest, until the cache takes three quarters of `limit`.

    Does so only where it takes more than `limit`. What killed writers left goes in any case.
    """
    _tidy(folder)
    found = []
    for entry in _files(folder):
        with suppress(OSError):
            status = entry.stat()
            found.append((status.st_mtime, -(-status.st_size // _BLOCK) * _BLOCK, entry.path))
    total = sum(size for _, size, _ in found)
    if total <= limit:
        return
    for _, size, path in sorted(found):
        if total <= limit * 3 // 4:
            break
        with suppress(OSError):
            os.unlink(path)
            total -= size
    _tidy(folder)


def _environments(folder: Path, rooms: Iterable[str] = (_KERNELS, _PROGRAMS)) -> list[Path]:
    found = []
    for room in rooms:
        with suppress(OSError):
            found += [Path(e.path) for e in os.scandir(folder / room)
                      if e.is_dir(follow_symlinks=False)]
    return found


def _files(
    folder: Path, rooms: Iterable[str] = (_KERNELS, _PROGRAMS)
) -> Iterator[os.DirEntry[str]]:
    for place in _environments(folder, rooms):
        with suppress(OSError), os.scandir(place) as entries:
            yield from (e for e in entries
                        if e.name.startswith("gf_") and e.is_file(follow_symlinks=False))


def _tidy(folder: Path) -> None:
    """Removes leftovers, and the folders of environments that have no files any more."""
    for place in _environments(folder):
        with suppress(OSError):
            remove_leftovers(place)
        with suppress(OSError):
            place.rmdir()
