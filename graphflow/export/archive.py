"""The container: a zip archive with few members of known names, written so that equal contents
give equal bytes, read so that nothing but those members can come out of it.

Reading takes the file into memory once (another process may replace it meanwhile), then refuses
unknown, absolute, climbing, repeated and encrypted names, links and folders, members that overlap
or unpack to far more than they are, anything before, between and after the members, and what the
manifest's SHA-256 does not confirm.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

from graphflow.errors import LoadError, NotFoundError
from graphflow.export.limits import LoadLimits
from graphflow.storage import PathLike, write_atomic

MANIFEST = "manifest.json"
GRAPH = "graph.json"
WEIGHTS = "weights.safetensors"
KERAS = "keras.json"
NATIVE = re.compile(r"native/[A-Za-z0-9_][A-Za-z0-9_.\-]{0,120}")
_NAMES = (MANIFEST, GRAPH, WEIGHTS, KERAS)
_SMALL = 64 * 1024
_LOCAL_HEADER = 30
_REFUSED = (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OSError, RuntimeError,
            LookupError, ArithmeticError, struct.error, zlib.error)


def write_archive(path: PathLike, members: Mapping[str, bytes]) -> None:
    """Replaces the file at `path` by an archive of `members`, as a whole or not at all.

    Texts are deflated, arrays stored as they are. Raises NotFoundError if the directory does not
    exist, OSError if it cannot be written.
    """
    write_atomic(path, lambda file: _write(file, members))


def _write(file: BinaryIO, members: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = 0o644 << 16
            packed = name.endswith(".json")
            info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
            archive.writestr(info, data)


def pack_archive(members: Mapping[str, bytes]) -> bytes:
    """The contents of the file that `write_archive` writes."""
    file = io.BytesIO()
    _write(file, members)
    return file.getvalue()


def digest_of(data: bytes) -> dict[str, Any]:
    """What the manifest says of a member: its size and SHA-256."""
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def read_archive(path: PathLike, limits: LoadLimits) -> dict[str, bytes]:
    """The members of the archive at `path`.

    Raises NotFoundError if there is no such file, LoadError for anything that `write_archive` does
    not write.
    """
    return unpack_archive(_contents(path, limits), limits)


def unpack_archive(data: bytes, limits: LoadLimits) -> dict[str, bytes]:
    """The members of the archive whose contents are `data`. Raises LoadError."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            _check_names(infos, limits)
            _check_places(archive, infos, data)
            _check_sizes(infos, limits)
            return {info.filename: _member(archive, info) for info in infos}
    except _REFUSED as error:
        if isinstance(error, LoadError):
            raise
        raise LoadError(
            f"it is damaged, or no archive that graphflow writes ({error}).") from error


def _contents(path: PathLike, limits: LoadLimits) -> bytes:
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > limits.file_bytes:
                raise LoadError(f"it has {size} bytes, the limit is {limits.file_bytes}.")
            return file.read(size + 1)
    except FileNotFoundError:
        raise NotFoundError(None, None, f"{os.fspath(path)}: there is no such file.") from None
    except IsADirectoryError:
        raise LoadError("it is a directory, not a .gflow file.") from None


def _check_names(infos: list[zipfile.ZipInfo], limits: LoadLimits) -> None:
    if len(infos) > limits.members:
        raise LoadError(f"it has {len(infos)} members, the limit is {limits.members}.")
    seen: set[str] = set()
    for info in infos:
        name = info.orig_filename
        if name != info.filename or (name not in _NAMES and not NATIVE.fullmatch(name)):
            raise LoadError(f"the member {name[:200]!r} is none that a .gflow file has.")
        if name in seen:
            raise LoadError(f"the member {name!r} is there twice.")
        seen.add(name)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or info.external_attr & 0x10:
            raise LoadError(f"the member {name!r} is a link, a folder or a device.")
        if info.flag_bits:
            raise LoadError(f"the member {name!r} is encrypted or streamed (flags "
                            f"{info.flag_bits:#x}).")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise LoadError(f"the member {name!r} is packed by method {info.compress_type}.")
    for needed in (MANIFEST, GRAPH, WEIGHTS):
        if needed not in seen:
            raise LoadError(f"the member {needed!r} is missing.")


def _check_places(archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo], data: bytes) -> None:
    """Members stand one after another from the first byte, without gaps or overlaps."""
    expected = 0
    for info in sorted(infos, key=lambda i: i.header_offset):
        if info.header_offset != expected or expected + _LOCAL_HEADER > len(data):
            raise LoadError(f"the member {info.filename!r} does not begin where the one before it "
                            "ends.")
        names, extra = struct.unpack_from("<HH", data, expected + 26)
        expected += _LOCAL_HEADER + names + extra + info.compress_size
    if archive.comment or expected != archive.start_dir:
        raise LoadError("there is something between or after the members.")


def _check_sizes(infos: list[zipfile.ZipInfo], limits: LoadLimits) -> None:
    total = 0
    for info in infos:
        total += info.file_size
        packed = max(info.compress_size, 1)
        if info.file_size > _SMALL and info.file_size > limits.ratio * packed:
            raise LoadError(f"the member {info.filename!r} unpacks to more than {limits.ratio} "
                            "times its size.")
    if total > limits.file_bytes:
        raise LoadError(f"it unpacks to {total} bytes, the limit is {limits.file_bytes}.")


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The member's bytes: never more than its entry says; zipfile checks the CRC at its end."""
    with archive.open(info) as member:
        data = member.read(info.file_size + 1)
    if len(data) != info.file_size:
        raise LoadError(f"the member {info.filename!r} is cut short.")
    return data
