"""Compiled kernels on disk: objects by the name of their kernel, for one environment.

Programs that were made ready (`codegen/kept`) lie beside them in the same form, with an
environment of their own.

What an object depends on besides its kernel is the *environment*: graphflow's own code-generating
sources, the versions of Numba, llvmlite, LLVM and Python, and the processor with its features.
Each environment has a folder of its own under `kernels/`, each kernel a file:

    the mark, SHA-256 of all that follows, environment, newline, kernel, newline, object

The checksum is verified before anything looks at the object: LLVM's reader crashes on damaged
ones. A file that is not right in every respect, or that others could have written, counts as none:
its kernel is compiled and the file replaced. No trouble with the disk is ever an error; at worst,
kernels are not kept.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import stat
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import llvmlite
import numpy as np
from llvmlite import binding

from graphflow.codegen.cache_folder import LIMIT, complaint, is_private, prune
from graphflow.errors import NotFoundError
from graphflow.options import cache_folder, program_folder
from graphflow.sites import LOADED_AT
from graphflow.storage import write_atomic
from graphflow.version import __version__

_MARK = b"graphflow kernel 1\n"
_LARGEST_OBJECT = 2**26
_CLOCK_STEP = 50_000_000          # ns: the times of files are coarse
_TOUCHED_AFTER = 3600             # s: a file that is in use gets a new time at most this often
_PACKAGE = Path(__file__).parent.parent
_ROOMS = ("loop_ir", "codegen", "kernels", "custom_ops")
_COMPILER_ROOMS = (*_ROOMS, "dims", "ops", "passes", "runtime")
_POSIX = os.name == "posix"


# ---- the environment ----------------------------------------------------------------------------


def sources() -> list[Path]:
    """The files of graphflow that machine code depends on, in order."""
    found = [_PACKAGE / "dtypes.py"]
    for room in _ROOMS:
        for place, _, names in os.walk(_PACKAGE / room):
            found += [Path(place, name) for name in names if name.endswith(".py")]
    return sorted(found)


def changed_since_loaded(files: Sequence[Path | str]) -> bool:
    """True if a file is not, or may not be, what this process has imported or will import."""
    return any(_time_of_change(path) > LOADED_AT - _CLOCK_STEP for path in files)


def _time_of_change(path: Path | str) -> int:
    """When a file was last written or put in place, in ns.

    On POSIX it is the inode's time, which is nobody's to set: tools that copy files keep the
    other one.
    """
    status = os.stat(path)
    return status.st_ctime_ns if _POSIX else status.st_mtime_ns


def environment(files: Sequence[Path], settings: Sequence[str]) -> str:
    """A name for all that objects depend on besides their kernel: 32 hexadecimal digits.

    settings: of the code generator.
    """
    digest = hashlib.sha256(_MARK)
    numba = importlib.util.find_spec("numba")  # without importing it
    version = Path(str(numba and numba.origin)).with_name("_version.py")
    for path in (*files, version):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    for text in (*(str(path.relative_to(_PACKAGE)) for path in files), *_machine(), *settings):
        digest.update(hashlib.sha256(text.encode()).digest())
    return digest.hexdigest()[:32]


def _machine() -> Sequence[str]:
    """The versions of what makes code, and the processor."""
    return (llvmlite.__version__, ".".join(map(str, binding.llvm_version_info)), sys.version,
            str(object.__basicsize__), binding.get_process_triple(), binding.get_host_cpu_name(),
            binding.get_host_cpu_features().flatten())


# ---- the store ----------------------------------------------------------------------------------


class KernelStore:
    """The objects of one environment in a folder.

    Several processes may use one folder: files are replaced as a whole, and whoever writes last
    wins, with an equal object.
    """

    def __init__(
        self, folder: Path, name: str, files: Sequence[Path | str], room: str = "kernels"
    ) -> None:
        self._root, self._environment, self._files = folder, name, files
        self._folder = folder / room / name
        self._until_pruned = 0  # bytes

    def read(self, kernel: str) -> bytes | None:
        """The object of a kernel, or None if there is none that can be trusted."""
        with suppress(OSError):
            return self._object_in(_read_private(self._folder / kernel), kernel)
        return None

    def write(self, objects: Mapping[str, bytes]) -> None:
        """Keeps objects by the names of their kernels, if that can be done."""
        with suppress(OSError, NotFoundError):
            if changed_since_loaded(self._files):
                return  # what was imported after the change is not what the environment says
            if self._until_pruned <= 0:
                self._until_pruned = LIMIT // 4
                prune(self._root)
            self._until_pruned -= sum(map(len, objects.values()))
            _make_private(self._folder)
            for kernel, data in objects.items():
                head = f"{self._environment}\n{kernel}\n".encode()
                _write_private(self._folder / kernel, head + data)

    def remove(self, kernel: str) -> None:
        """Forgets a kernel, and the environment if it was the last one."""
        with suppress(OSError):
            (self._folder / kernel).unlink()
            self._folder.rmdir()

    def _object_in(self, contents: bytes, kernel: str) -> bytes | None:
        head = f"{self._environment}\n{kernel}\n".encode()
        checksum_ends = len(_MARK) + 32
        body = memoryview(contents)[checksum_ends:]
        right = (contents.startswith(_MARK)
                 and hashlib.sha256(body).digest() == contents[len(_MARK):checksum_ends]
                 and body[:len(head)] == head)
        return bytes(body[len(head):]) if right else None


def open_store(settings: Sequence[str]) -> KernelStore | None:
    """The store for this process, or None if it has none: see `complaint`.

    settings: of the code generator.
    """
    folder = cache_folder()
    if folder is None or complaint(folder) is not None:
        return None
    with suppress(OSError):
        files = sources()
        store = KernelStore(folder, environment(files, settings), files)
        if not changed_since_loaded(files):
            return store
    return None


def open_program_store(settings: Sequence[str]) -> KernelStore | None:
    """The store of what was made of whole Programs, for this process, or None if it has none.

    What that is, passes and declarations of ops decide beside the code generator. Their files are
    told by place, length and time of change: to read them takes longer than to look them up.
    settings: of the code generator.
    """
    folder = program_folder()
    if folder is None or complaint(folder) is not None:
        return None
    with suppress(OSError):
        files = _compiler_sources()
        lines = [np.__version__, *_machine(), *settings]
        for path in files:
            status = os.stat(path)
            changed = status.st_ctime_ns if _POSIX else status.st_mtime_ns
            if changed > LOADED_AT - _CLOCK_STEP:
                return None
            lines.append(f"{path} {status.st_size} {changed} {status.st_ino}")
        name = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]
        return KernelStore(folder, name, files, "programs")
    return None


def portable_environment(settings: Sequence[str]) -> str:
    """A name for all that compiled programs depend on, the same for equal installations.

    Their files are told by place and length; objects by what they are made from, as in the cache.
    settings: of the code generator.
    """
    lines = [environment(sources(), settings), __version__, np.__version__]
    begin = len(str(_PACKAGE)) + 1  # `relpath` would take longer than all the rest
    for path in _compiler_sources():
        lines.append(f"{path[begin:].replace(os.sep, '/')} {os.stat(path).st_size}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def _compiler_sources() -> list[str]:
    """The files of all layers that a frozen Program goes through, in order."""
    root = str(_PACKAGE)
    found = [entry.path for entry in os.scandir(root) if entry.name.endswith(".py")]
    for room in _COMPILER_ROOMS:
        for place, _, names in os.walk(os.path.join(root, room)):
            found += [os.path.join(place, name) for name in names if name.endswith(".py")]
    return sorted(found)


def _make_private(folder: Path) -> None:
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
    if not is_private(os.lstat(folder)) or not stat.S_ISDIR(os.lstat(folder).st_mode):
        raise PermissionError(folder)


def _read_private(path: Path) -> bytes:
    """The contents of a file that nobody else could have written, and a mark that it is in use."""
    flags = (os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
             | getattr(os, "O_BINARY", 0))
    file = os.open(path, flags)
    try:
        status = os.fstat(file)
        if not (stat.S_ISREG(status.st_mode) and is_private(status)
                and status.st_size <= _LARGEST_OBJECT):
            raise PermissionError(path)
        contents = os.read(file, status.st_size)
    finally:
        os.close(file)
    if time.time() - status.st_mtime > _TOUCHED_AFTER:
        with suppress(OSError):
            os.utime(path)
    return contents


def _write_private(path: Path, body: bytes) -> None:
    if path.is_symlink():
        path.unlink()  # or what it points to would be replaced

    def write(file: BinaryIO) -> None:
        if _POSIX:
            os.fchmod(file.fileno(), 0o600)
        file.write(_MARK + hashlib.sha256(body).digest() + body)

    write_atomic(path, write, durable=False)
