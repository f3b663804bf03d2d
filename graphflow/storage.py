"""Atomic, durable, checksummed files: what Saver, the compile cache and export write with.

`write_atomic` replaces a file as a whole: whoever reads, and whenever the writer is killed, the
file is the old one or the new one. `write_tensors` / `read_tensors` keep named arrays in the
safetensors format, which other programs read too, with a SHA-256 over names, types, shapes,
metadata and contents that is verified on reading.

Layout of what safetensors has no type for, marked in the metadata under `graphflow.encodings`:
complex numbers are pairs of floats along a new last axis; strings are one run of bytes, first
n + 1 little-endian int64 offsets, then the text.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from graphflow.errors import DataLossError, NotFoundError

try:
    import fcntl
except ImportError:  # Windows: leftovers of killed writers stay, harmless
    fcntl = None  # type: ignore[assignment]  # no type says "this module or None"

PathLike = str | os.PathLike[str]
Tensors = dict[str, np.ndarray]
Layout = dict[str, tuple[np.dtype, tuple[int, ...]]]

CHECKSUM_KEY = "graphflow.sha256"
ENCODINGS_KEY = "graphflow.encodings"
_RESERVED = "graphflow."
_BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
STORED_TYPES: dict[str, np.dtype] = {
    "BOOL": np.dtype(np.bool_), "BF16": _BFLOAT16, "F16": np.dtype(np.float16),
    "F32": np.dtype(np.float32), "F64": np.dtype(np.float64),
    "I8": np.dtype(np.int8), "I16": np.dtype(np.int16), "I32": np.dtype(np.int32),
    "I64": np.dtype(np.int64), "U8": np.dtype(np.uint8), "U16": np.dtype(np.uint16),
    "U32": np.dtype(np.uint32), "U64": np.dtype(np.uint64),
}
_STORED_NAMES = {dtype: name for name, dtype in STORED_TYPES.items()}
_PARTS_OF: dict[np.dtype, np.dtype] = {np.dtype(np.complex64): np.dtype(np.float32),
                                       np.dtype(np.complex128): np.dtype(np.float64)}
_COMPLEX_NAMES: dict[str, np.dtype] = {dtype.name: dtype for dtype in _PARTS_OF}


# --- atomic writes ----------------------------------------------------------------------------


def write_atomic(
    path: PathLike, data: bytes | Callable[[BinaryIO], Any], durable: bool = True
) -> None:
    """Replaces the file at `path` with `data`, as a whole and durably.

    Args:
      path: a symbolic link is followed; the directory must exist.
      data: the contents, or a function that writes them to the open binary file that it gets.
      durable: False for files that can be made again and carry a checksum: nothing is synced, so
        that a power failure may damage them, and leftovers stay until `remove_leftovers`.

    The contents go to a temporary file in the same directory, are synced to disk, and take the
    name in one step; then the directory is synced. If anything raises, the temporary file is
    removed and `path` is untouched. What a killed writer left behind is removed by the next
    write to the same path. Raises NotFoundError if the directory does not exist.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise _error(NotFoundError, path, f"its directory {target.parent} does not exist")
    if durable:
        _remove_leftovers(target)
    with _temporary(target) as (name, file):
        if callable(data):
            data(file)
        else:
            file.write(data)
        file.flush()
        if durable:
            os.fsync(file.fileno())
        os.replace(name, target)
    if durable:
        _sync_directory(target.parent)


@contextmanager
def _temporary(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file beside `target`, locked while its writer lives, removed unless renamed."""
    name, file = _create_locked(target)
    try:
        with suppress(FileNotFoundError):
            # Who could not read the old file cannot read the new one.
            os.chmod(name, stat.S_IMODE(target.stat().st_mode))
        with file:
            yield name, file
    except BaseException:
        with suppress(OSError):
            name.unlink()
        raise


def _create_locked(target: Path) -> tuple[Path, BinaryIO]:
    while True:
        name = target.with_name(f"{_temporary_prefix(target)}{secrets.token_hex(8)}.tmp")
        file = open(name, "xb")  # noqa: SIM115 (the caller closes it)
        if fcntl is None:
            return name, file
        # Between the two calls another writer may have taken the file for a leftover.
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return name, file
        file.close()


def _temporary_prefix(target: Path) -> str:
    """Names the target by a digest: its own name may be as long as names can be."""
    return f".graphflow-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}-"


def remove_leftovers(directory: PathLike) -> None:
    """Removes what killed writers left behind in a directory, whatever file they were writing."""
    _remove_dead(Path(os.path.realpath(directory)).glob(".graphflow-*.tmp"))


def _remove_leftovers(target: Path) -> None:
    _remove_dead(target.parent.glob(f"{_temporary_prefix(target)}*.tmp"))


def _remove_dead(names: Iterable[Path]) -> None:
    """Removes temporary files whose writer is dead: the kernel dropped its lock."""
    if fcntl is None:
        return
    for name in names:
        with suppress(OSError), open(name, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            name.unlink()


def _sync_directory(directory: Path) -> None:
    if os.name != "posix":
        return  # directories cannot be opened
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- tensor files -----------------------------------------------------------------------------


def write_tensors(
    path: PathLike, tensors: Mapping[str, Any], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes named arrays to a safetensors file, atomically, with a checksum.

    Args:
      tensors: arrays of bool, integers, float16, bfloat16, float32, float64, complex64,
        complex128 or strings (bytes or str objects; read back as bytes), of any shape.
      metadata: texts; keys that begin with `graphflow.` are taken.

    Raises TypeError for another dtype, ValueError for a reserved name, NotFoundError if the
    directory does not exist.
    """
    write_atomic(path, pack_tensors(tensors, metadata))


def pack_tensors(
    tensors: Mapping[str, Any], metadata: Mapping[str, str] | None = None
) -> bytes:
    """The contents of the file that `write_tensors` writes; equal tensors give equal bytes.

    Raises as it does.
    """
    metadata = dict(metadata or {})
    _check_names(tensors, metadata)
    stored: Tensors = {}
    encodings: dict[str, dict[str, Any]] = {}
    for name, value in tensors.items():
        stored[name], encoding = _encode(name, np.asarray(value))
        if encoding:
            encodings[name] = encoding
    if encodings:
        metadata[ENCODINGS_KEY] = json.dumps(encodings, sort_keys=True)
    metadata[CHECKSUM_KEY] = _checksum(stored, metadata)
    return _serialized(stored, metadata)


def _serialized(stored: Tensors, metadata: Mapping[str, str]) -> bytes:
    """The safetensors format: length of the header, header, arrays; the widest elements first.

    The safetensors package writes metadata in an order that changes from run to run.
    """
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    parts: list[Any] = []
    end = 0
    for name in sorted(stored, key=lambda n: (-stored[n].dtype.itemsize, n)):
        value = stored[name]
        start, end = end, end + value.nbytes
        header[name] = {"dtype": _STORED_NAMES[value.dtype], "shape": list(value.shape),
                        "data_offsets": [start, end]}
        parts.append(value.reshape(-1).view(np.uint8).data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def read_tensors(path: PathLike) -> tuple[Tensors, dict[str, str]]:
    """The arrays and the metadata that `write_tensors` wrote to `path`.

    The arrays are fresh and writable. Raises NotFoundError if there is no such file, and
    DataLossError, which says what is wrong, if it is damaged, cut short, or not written by
    `write_tensors`.
    """
    from safetensors import SafetensorError, deserialize

    contents = _read(path)  # once: a moment later there may be another file
    try:
        entries = deserialize(contents)
    except SafetensorError as error:
        raise _damaged(path, error) from error
    stored = {name: _array(path, name, entry) for name, entry in entries}
    return logical_tensors(stored, _metadata(contents), path)


def logical_tensors(
    stored: Tensors, metadata: dict[str, str], path: PathLike
) -> tuple[Tensors, dict[str, str]]:
    """The arrays that the stored ones stand for, and the rest of the metadata.

    Raises DataLossError, with `path`, if checksum, table of encodings or strings are damaged.
    """
    expected = metadata.pop(CHECKSUM_KEY, None)
    if expected is None:
        raise _foreign(path)
    if _checksum(stored, metadata) != expected:
        raise _error(DataLossError, path, "its checksum does not match its contents: it was "
                     "damaged after it was written")
    layout = {name: (value.dtype, value.shape) for name, value in stored.items()}
    encodings = _encodings(path, metadata, layout)
    try:
        return {n: _decode(value, encodings.get(n)) for n, value in stored.items()}, metadata
    except ValueError as error:
        raise _error(DataLossError, path, str(error)) from error


def tensor_names(path: PathLike) -> Layout:
    """name → (dtype, shape) of the arrays in `path`, in order of name, without reading them.

    Strings have dtype object. The checksum is not verified. Raises as `read_tensors`.
    """
    with _open(path) as file:
        metadata = dict(file.metadata() or {})
        if CHECKSUM_KEY not in metadata:
            raise _foreign(path)
        layout: Layout = {}
        for name in sorted(file.keys()):
            part = file.get_slice(name)
            dtype = _stored_dtype(path, name, part.get_dtype())
            layout[name] = dtype, tuple(part.get_shape())
    encodings = _encodings(path, metadata, layout)
    return {name: _logical_type(*stored, encodings.get(name)) for name, stored in layout.items()}


def _check_names(tensors: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    if "__metadata__" in tensors:
        raise ValueError("'__metadata__' cannot name a tensor: safetensors uses it.")
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"metadata maps str to str, got {key!r}: {value!r}.")
        if key.startswith(_RESERVED):
            raise ValueError(f"metadata key {key!r} is reserved: it begins with {_RESERVED!r}.")


def _encode(name: str, value: np.ndarray) -> tuple[np.ndarray, dict[str, Any] | None]:
    """The array that is stored for `value`, and how it was encoded, if it was."""
    if value.dtype.kind in "OSU":
        return _join_strings(name, value), {"as": "string", "shape": list(value.shape)}
    native = value.dtype.newbyteorder("=")
    dense: np.ndarray = np.array(value, native, order="C", copy=None)
    if native in _PARTS_OF:
        parts = dense.reshape(*dense.shape, 1).view(_PARTS_OF[native])
        return parts, {"as": native.name}
    if native not in STORED_TYPES.values():
        raise TypeError(f"tensor {name!r}: dtype {value.dtype} cannot be stored.")
    return dense, None


def _decode(value: np.ndarray, encoding: dict[str, Any] | None) -> np.ndarray:
    if encoding is None:
        return value
    if encoding["as"] == "string":
        return _split_strings(value, tuple(encoding["shape"]))
    return value.view(_COMPLEX_NAMES[encoding["as"]]).reshape(value.shape[:-1])


def _join_strings(name: str, value: np.ndarray) -> np.ndarray:
    texts = []
    for text in value.ravel().tolist():
        if isinstance(text, str):
            text = text.encode()
        if not isinstance(text, bytes):
            raise TypeError(f"tensor {name!r}: expects strings, got {text!r}.")
        texts.append(text)
    offsets = np.cumsum([0, *map(len, texts)], dtype="<i8")
    return np.frombuffer(offsets.tobytes() + b"".join(texts), np.uint8)


def _split_strings(value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    count = math.prod(shape)
    contents = value.tobytes()
    offsets = np.frombuffer(contents, "<i8", count + 1).tolist()
    text = contents[8 * (count + 1):]
    if offsets[0] != 0 or offsets[-1] != len(text) or any(
            start > end for start, end in zip(offsets, offsets[1:])):
        raise ValueError("the places of its strings are damaged")
    result = np.empty(count, object)
    result[:] = [text[start:end] for start, end in zip(offsets, offsets[1:])]
    return result.reshape(shape)


def _checksum(stored: Tensors, metadata: Mapping[str, str]) -> str:
    """SHA-256, in hexadecimal, of metadata, names, dtypes, shapes and contents."""
    table = {name: [value.dtype.name, list(value.shape)] for name, value in stored.items()}
    digest = hashlib.sha256(json.dumps([dict(metadata), table], sort_keys=True).encode())
    for name in sorted(stored):
        digest.update(stored[name].reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _read(path: PathLike) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise _error(NotFoundError, path, "there is no such file") from None
    except IsADirectoryError:
        raise _error(DataLossError, path, "it is a directory, not a tensor file") from None


@contextmanager
def _open(path: PathLike) -> Iterator[Any]:
    """safetensors' lazy reader, with graphflow's errors."""
    from safetensors import SafetensorError, safe_open

    if not os.path.exists(path):
        raise _error(NotFoundError, path, "there is no such file")
    if os.path.isdir(path):
        raise _error(DataLossError, path, "it is a directory, not a tensor file")
    try:
        file = safe_open(os.fspath(path), framework="numpy")
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(path, error) from error
    with file:
        yield file


def _metadata(contents: bytes) -> dict[str, str]:
    """The metadata in the header: 8 bytes of its length, then JSON. It was parsed before."""
    length = int.from_bytes(contents[:8], "little")
    return json.loads(contents[8:8 + length]).get("__metadata__") or {}


def _array(path: PathLike, name: str, entry: Mapping[str, Any]) -> np.ndarray:
    array = np.frombuffer(entry["data"], _stored_dtype(path, name, entry["dtype"]))
    return (array if array.flags.writeable else array.copy()).reshape(entry["shape"])


def _logical_type(
    stored: np.dtype, shape: tuple[int, ...], encoding: dict[str, Any] | None
) -> tuple[np.dtype, tuple[int, ...]]:
    if encoding is None:
        return stored, shape
    if encoding["as"] == "string":
        return np.dtype(object), tuple(encoding["shape"])
    return _COMPLEX_NAMES[encoding["as"]], shape[:-1]


def _stored_dtype(path: PathLike, name: str, stored: str) -> np.dtype:
    if stored not in STORED_TYPES:
        raise _error(DataLossError, path, f"tensor {name!r} has dtype {stored}, which graphflow "
                     "does not write")
    return STORED_TYPES[stored]


def _encodings(
    path: PathLike, metadata: dict[str, str], layout: Layout
) -> dict[str, dict[str, Any]]:
    """Takes the encodings out of `metadata`, and checks that they fit what is stored."""
    text = metadata.pop(ENCODINGS_KEY, "{}")
    try:
        encodings = json.loads(text)
        for name, encoding in encodings.items():
            if not _fits(encoding, *layout[name]):
                raise ValueError(f"{name!r}: {encoding!r}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"its table of encodings is damaged ({error})"
        raise _error(DataLossError, path, problem) from error
    return encodings


def _fits(encoding: dict[str, Any], stored: np.dtype, stored_shape: tuple[int, ...]) -> bool:
    if encoding["as"] in _COMPLEX_NAMES:
        parts = _PARTS_OF[_COMPLEX_NAMES[encoding["as"]]]
        return stored == parts and stored_shape[-1:] == (2,)
    shape = encoding["shape"]
    is_shape = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
    offsets = 8 * (math.prod(shape) + 1) if is_shape else 0
    return (encoding["as"] == "string" and is_shape and stored == np.uint8
            and len(stored_shape) == 1 and stored_shape[0] >= offsets)


def _damaged(path: PathLike, error: Exception) -> DataLossError:
    size = os.path.getsize(path)
    return _error(DataLossError, path, f"it is damaged, cut short, or not a safetensors file "
                  f"({size} bytes; {error})")


def _foreign(path: PathLike) -> DataLossError:
    return _error(DataLossError, path, "it has no checksum: graphflow did not write it, or its "
                  "header is damaged")


def _error(kind: type, path: PathLike, problem: str) -> Any:
    return kind(None, None, f"{os.fspath(path)}: {problem}.")
