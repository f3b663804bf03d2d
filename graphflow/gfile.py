"""`tf.gfile` and `tf.io.gfile`: files and folders of this machine, under TensorFlow's names."""

from __future__ import annotations

import glob as _glob
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from graphflow.errors import AlreadyExistsError, NotFoundError


class GFile:
    """A file. mode: "r", "w" or "a" for text, with "b" for bytes; with "+" for both ways.

    Opened when it is first used. Raises NotFoundError if it is not there.
    """

    def __init__(self, name: Any, mode: str = "r") -> None:
        self.name, self.mode = os.fspath(name), mode
        self._stream: Any = None

    @property
    def _file(self) -> Any:
        if self._stream is None:
            encoding = None if "b" in self.mode else "utf-8"
            with _told(self.name):
                self._stream = open(self.name, self.mode, encoding=encoding)  # noqa: SIM115
        return self._stream

    def read(self, n: int = -1) -> Any:
        """The next `n` characters or bytes, or all."""
        return self._file.read(n)

    def readline(self) -> Any:
        """The next line, with its end."""
        return self._file.readline()

    def readlines(self) -> list[Any]:
        """The lines that are left."""
        return list(self._file.readlines())

    def write(self, file_content: Any) -> None:
        """Appends text, or bytes."""
        self._file.write(file_content)

    def seek(
        self, offset: int | None = None, whence: int = 0, position: int | None = None
    ) -> None:
        """Goes to a place in the file."""
        self._file.seek(position if offset is None else offset, whence)

    def tell(self) -> int:
        """The place in the file."""
        return int(self._file.tell())

    def size(self) -> int:
        """The size in bytes."""
        return os.path.getsize(self.name)

    def flush(self) -> None:
        """Hands what was written to the system."""
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)

    def __enter__(self) -> GFile:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()


Open = FastGFile = GFile


class _told:
    """Errors of the system as TensorFlow's: what is not there is NotFoundError."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, FileNotFoundError):
            raise NotFoundError(None, None, f"{self.name}; No such file or directory") from error
        if isinstance(error, FileExistsError):
            raise AlreadyExistsError(None, None, f"{self.name}; file already exists") from error


@dataclass(frozen=True, slots=True)
class FileStatistics:
    """length: bytes. mtime_nsec: when it was last changed. is_directory."""

    length: int
    mtime_nsec: int
    is_directory: bool


def exists(path: Any) -> bool:
    """True if there is a file or folder of this name."""
    return os.path.exists(path)


def isdir(path: Any) -> bool:
    """True for a folder."""
    return os.path.isdir(path)


def listdir(path: Any) -> list[str]:
    """The names in a folder. Raises NotFoundError if there is none."""
    with _told(os.fspath(path)):
        return os.listdir(path)


def makedirs(path: Any) -> None:
    """Makes a folder and those that it stands in; nothing if it is there."""
    os.makedirs(path, exist_ok=True)


def mkdir(path: Any) -> None:
    """Makes a folder. Raises AlreadyExistsError, or NotFoundError for what it should stand in."""
    with _told(os.fspath(path)):
        os.mkdir(path)


def remove(path: Any) -> None:
    """Removes a file. Raises NotFoundError if it is not there."""
    with _told(os.fspath(path)):
        os.remove(path)


def rmtree(path: Any) -> None:
    """Removes a folder with all that is in it. Raises NotFoundError if it is not there."""
    with _told(os.fspath(path)):
        shutil.rmtree(path)


def copy(src: Any, dst: Any, overwrite: bool = False) -> None:
    """Copies a file. Raises AlreadyExistsError if `dst` is there, unless `overwrite`."""
    _free(dst, overwrite)
    with _told(os.fspath(src)):
        shutil.copyfile(src, dst)


def rename(src: Any, dst: Any, overwrite: bool = False) -> None:
    """Renames a file. Raises AlreadyExistsError if `dst` is there, unless `overwrite`."""
    _free(dst, overwrite)
    with _told(os.fspath(src)):
        os.replace(src, dst)


def _free(path: Any, overwrite: bool) -> None:
    if not overwrite and os.path.exists(path):
        raise AlreadyExistsError(None, None, f"{os.fspath(path)}; file already exists")


def glob(pattern: Any) -> list[str]:
    """The names that fit a pattern, or any of several, in order."""
    patterns = [pattern] if isinstance(pattern, (str, os.PathLike)) else pattern
    return sorted({name for p in patterns for name in _glob.glob(os.fspath(p))})


def stat(path: Any) -> FileStatistics:
    """Size and time of a file. Raises NotFoundError if it is not there."""
    with _told(os.fspath(path)):
        found = os.stat(path)
    return FileStatistics(found.st_size, found.st_mtime_ns, os.path.isdir(path))


def walk(
    top: Any, topdown: bool = True, onerror: Callable[[OSError], Any] | None = None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """(folder, folders in it, files in it) for a folder and all below."""
    return os.walk(top, topdown, onerror)


Exists, IsDirectory, ListDirectory, MakeDirs, MkDir = exists, isdir, listdir, makedirs, mkdir
Remove, DeleteRecursively, Copy, Rename, Glob, Stat = remove, rmtree, copy, rename, glob, stat
Walk = walk

__all__ = [
    "Copy", "DeleteRecursively", "Exists", "FastGFile", "FileStatistics", "GFile", "Glob",
    "IsDirectory", "ListDirectory", "MakeDirs", "MkDir", "Open", "Remove", "Rename", "Stat",
    "Walk", "copy", "exists", "glob", "isdir", "listdir", "makedirs", "mkdir", "remove", "rename",
    "rmtree", "stat", "walk",
]
