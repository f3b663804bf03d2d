"""MNIST from its four IDX files, gzipped or not.

An IDX file is a big-endian header and then the bytes: 0, 0, the element type (8 = unsigned byte),
the rank, then one 32-bit size per axis. Images have rank 3 (magic number 0x00000803), labels
rank 1 (0x00000801). Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten
digits", http://yann.lecun.com/exdb/mnist/. Sets in the same files (Fashion-MNIST, KMNIST) load
as well.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graphflow.data.dataset import Dataset, unit_interval
from graphflow.data.raw_files import (
    MAX_EXAMPLES,
    ByteStream,
    contents,
    find_file,
    open_directory,
    read_at_most,
    unreadable,
)
from graphflow.errors import DatasetError

_CLASSES = 10
_UNSIGNED_BYTE = 0x08
_GZIP_MAGIC = b"\x1f\x8b"
_GET_AGAIN = "Get the file again."


@dataclass(frozen=True, slots=True)
class _IdxKind:
    """What one kind of MNIST file must hold; item_shape is that of one example."""

    noun: str
    item_shape: tuple[int, ...]

    @property
    def rank(self) -> int:
        return 1 + len(self.item_shape)

    @property
    def magic(self) -> int:
        return _UNSIGNED_BYTE << 8 | self.rank


_IMAGES = _IdxKind("images", (28, 28))
_LABELS = _IdxKind("labels", ())
_BY_MAGIC = {kind.magic: kind for kind in (_IMAGES, _LABELS)}


def load_mnist(directory: str | os.PathLike[str]) -> Dataset:
    """Read the four MNIST files in a directory → Dataset with images [N, 28, 28, 1].

    The files are train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
    t10k-labels-idx1-ubyte, each also with ".idx" for "-idx" and with ".gz" at the end; where
    several spellings of a file are there, the uncompressed one is read. Whether a file is
    gzipped is seen from its first bytes.

    Raises DatasetError, which names the file and the fault, if a file is missing, unreadable,
    damaged, truncated, too long, of another kind, or if images and labels do not go together.
    """
    folder = open_directory(directory, "MNIST")
    train_images, train_labels = _load_part(folder, "train")
    test_images, test_labels = _load_part(folder, "t10k")
    return Dataset(train_images, train_labels, test_images, test_labels, _CLASSES, "mnist")


def has_mnist_files(directory: Path) -> bool:
    """Whether any of the four files is in the directory, in any spelling."""
    return any(
        os.path.lexists(directory / spelling)
        for part in ("train", "t10k")
        for kind in (_IMAGES, _LABELS)
        for spelling in _spellings(part, kind)
    )


def _spellings(part: str, kind: _IdxKind) -> list[str]:
    stems = [f"{part}-{kind.noun}{mark}idx{kind.rank}-ubyte" for mark in "-."]
    return stems + [stem + ".gz" for stem in stems]


def _load_part(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """images float32 [N, 28, 28, 1] and labels int32 [N] of "train" or "t10k"."""
    # Both are found before either is read: a missing file is told at once.
    images_path = _find(folder, part, _IMAGES)
    labels_path = _find(folder, part, _LABELS)
    labels = _read_idx(labels_path, _LABELS)
    pixels = _read_idx(images_path, _IMAGES)
    if len(pixels) != len(labels):
        raise DatasetError(
            f"MNIST files '{images_path}' and '{labels_path}': {len(pixels)} images but "
            f"{len(labels)} labels. Use two files of the same set."
        )
    if labels.max() >= _CLASSES:
        index = int(np.argmax(labels >= _CLASSES))
        raise DatasetError(
            f"MNIST file '{labels_path}': label {labels[index]} at index {index} is not a digit "
            f"0 to {_CLASSES - 1}: the file is damaged or belongs to another data set. "
            f"{_GET_AGAIN}"
        )
    return unit_interval(pixels[..., np.newaxis]), labels.astype(np.int32)


def _find(folder: Path, part: str, kind: _IdxKind) -> Path:
    spellings = _spellings(part, kind)
    path = find_file(folder, spellings, "MNIST")
    if path is None:
        raise DatasetError(
            f"MNIST: '{folder}' has no {spellings[0]} (looked for {', '.join(spellings)}); "
            f"{contents(folder, 'MNIST')}. Put the four MNIST files into this directory."
        )
    return path


def _read_idx(path: Path, kind: _IdxKind) -> np.ndarray:
    """The uint8 array [N, *item_shape] in one IDX file, gzipped or not."""
    try:
        with open(path, "rb") as file:
            zipped = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            file.seek(0)
            if not zipped:
                return _read_stream(file, path, kind)
            with gzip.GzipFile(fileobj=file) as stream:
                return _read_stream(stream, path, kind)
    except EOFError as error:
        raise DatasetError(
            f"MNIST file '{path}': truncated: its gzip stream ends before its end mark. "
            f"{_GET_AGAIN}"
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DatasetError(
            f"MNIST file '{path}': damaged gzip stream: {error}. {_GET_AGAIN}"
        ) from error
    except OSError as error:
        raise unreadable(path, "MNIST", error) from error


def _read_stream(stream: ByteStream, path: Path, kind: _IdxKind) -> np.ndarray:
    shape = _read_header(stream, path, kind)
    expected = math.prod(shape)
    # One byte more than announced shows what trails; it also takes gzip to its checksum.
    data = read_at_most(stream, expected + 1)
    if len(data) == expected:
        return np.frombuffer(data, np.uint8).reshape(shape)
    announced = f"its header announces {_items(shape, kind)}, {expected} bytes after the header"
    if len(data) < expected:
        raise DatasetError(
            f"MNIST file '{path}': truncated: {announced}, but only {len(data)} are there. "
            f"{_GET_AGAIN}"
        )
    raise DatasetError(
        f"MNIST file '{path}': trailing bytes: {announced}, but more follow. {_GET_AGAIN}"
    )


def _read_header(stream: ByteStream, path: Path, kind: _IdxKind) -> tuple[int, ...]:
    """The shape in the header, once it is what a file of this kind can have."""
    size = 4 * (1 + kind.rank)
    header = bytes(read_at_most(stream, size))
    if len(header) >= 4:
        (magic,) = struct.unpack_from(">I", header)
        if magic != kind.magic:
            raise DatasetError(
                f"MNIST file '{path}': wrong magic number: expected 0x{kind.magic:08x} (IDX "
                f"{kind.noun}), found 0x{magic:08x}. {_guess(header, path, kind)}"
            )
    if len(header) < size:
        raise DatasetError(
            f"MNIST file '{path}': truncated: an IDX header of {kind.noun} has {size} bytes, "
            f"found {len(header)}. {_GET_AGAIN}"
        )
    shape = struct.unpack_from(f">{kind.rank}I", header, 4)
    if shape[1:] != kind.item_shape or not 1 <= shape[0] <= MAX_EXAMPLES:
        raise DatasetError(
            f"MNIST file '{path}': implausible header: it announces {_items(shape, kind)}, "
            f"expected 1 to {_items((MAX_EXAMPLES, *kind.item_shape), kind)}. {_GET_AGAIN}"
        )
    return shape


def _items(shape: tuple[int, ...], kind: _IdxKind) -> str:
    """Such as "60000 images of 28 x 28"."""
    size = " of " + " x ".join(map(str, shape[1:])) if shape[1:] else ""
    return f"{shape[0]} {kind.noun}{size}"


def _guess(header: bytes, path: Path, kind: _IdxKind) -> str:
    """What a file with the wrong magic number probably is, and what to do."""
    (magic,) = struct.unpack_from(">I", header)
    (swapped,) = struct.unpack_from("<I", header)
    if magic in _BY_MAGIC:
        return (
            f"It looks like {_BY_MAGIC[magic].noun} rather than {kind.noun}: "
            f"check that the files were not swapped or renamed."
        )
    if swapped in _BY_MAGIC:
        return "Its bytes are in little-endian order; IDX is big-endian. " + _GET_AGAIN
    if header[:2] == b"\0\0" and header[2] in (0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E):
        return (
            f"It is an IDX file of element type 0x{header[2]:02x} and rank {header[3]}; "
            f"MNIST {kind.noun} have type 0x08 (unsigned byte) and rank {kind.rank}."
        )
    if header.lstrip()[:1] == b"<":
        return "It looks like a web page, perhaps the error page of a download. " + _GET_AGAIN
    if path.suffix == ".gz":
        return "Despite its name it is not a gzip file either. " + _GET_AGAIN
    return "It is not an IDX file. " + _GET_AGAIN
