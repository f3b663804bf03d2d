"""CIFAR-10 from the six files of its binary version.

Each file is a row of records of 3,073 bytes: the label, then 32 x 32 red, green and blue values,
each colour row by row. Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny
Images", 2009, https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from graphflow.data.dataset import Dataset, unit_interval
from graphflow.data.raw_files import (
    MAX_EXAMPLES,
    contents,
    find_file,
    open_directory,
    read_at_most,
    unreadable,
)
from graphflow.errors import DatasetError

_CLASSES = 10
_SIDE, _CHANNELS = 32, 3
_RECORD = 1 + _CHANNELS * _SIDE * _SIDE
_TRAIN_NAMES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_TEST_NAME = "test_batch.bin"
_NAMES = (*_TRAIN_NAMES, _TEST_NAME)
_SUBFOLDER = "cifar-10-batches-bin"
_ARCHIVE = "cifar-10-binary.tar.gz"


def load_cifar10(directory: str | os.PathLike[str]) -> Dataset:
    """Read data_batch_1..5.bin and test_batch.bin → Dataset with images [N, 32, 32, 3].

    The files stand in the directory or in its subfolder cifar-10-batches-bin.

    Raises DatasetError, which names the file and the fault, if a file is missing, unreadable,
    empty, not a whole number of records, shorter or longer than the other training files, or
    has a label above 9.
    """
    folder = _batches_folder(open_directory(directory, "CIFAR-10"))
    # All are found before any is read: a missing file is told at once.
    paths = [_find(folder, name) for name in _NAMES]
    train = [_read_records(path) for path in paths[:-1]]
    for path, records in zip(paths[:-1], train, strict=True):
        if len(records) != len(train[0]):
            raise DatasetError(
                f"CIFAR-10 file '{path}': {len(records)} records, but '{paths[0].name}' has "
                f"{len(train[0])}; the training files have equal sizes, so one of them is "
                f"truncated. Unpack {_ARCHIVE} again."
            )
    train_images, train_labels = _images_and_labels(np.concatenate(train))
    test_images, test_labels = _images_and_labels(_read_records(paths[-1]))
    return Dataset(train_images, train_labels, test_images, test_labels, _CLASSES, "cifar10")


def has_cifar10_files(directory: Path) -> bool:
    """Whether any of the six files is in the directory or its subfolder."""
    return _any_batch(directory) or _any_batch(directory / _SUBFOLDER)


def _any_batch(folder: Path) -> bool:
    return any(os.path.lexists(folder / name) for name in _NAMES)


def _batches_folder(directory: Path) -> Path:
    """The directory itself if any batch is in it, else its subfolder if there is one."""
    if _any_batch(directory):
        return directory
    subfolder = directory / _SUBFOLDER
    return subfolder if subfolder.is_dir() else directory


def _find(folder: Path, name: str) -> Path:
    path = find_file(folder, [name], "CIFAR-10")
    if path is None:
        alone = folder.name != _SUBFOLDER and not _any_batch(folder)
        subfolder = f" and no subfolder {_SUBFOLDER}" if alone else ""
        advice = cifar10_advice(folder) or f"Unpack {_ARCHIVE} into this directory."
        raise DatasetError(
            f"CIFAR-10: '{folder}' has no {name}{subfolder}; {contents(folder, 'CIFAR-10')}. "
            f"The set is {', '.join(_NAMES)}. {advice}"
        )
    return path


def cifar10_advice(folder: Path) -> str:
    """What to do where the directory holds something close to the set; else empty."""
    if (folder / _ARCHIVE).exists():
        return f"Unpack {_ARCHIVE} first."
    python_version = (folder, folder / "cifar-10-batches-py")
    if any((place / "data_batch_1").exists() for place in python_version):
        return (
            f"These are the pickles of the Python version of CIFAR-10; get the binary version, "
            f"{_ARCHIVE}, instead."
        )
    if (folder / "train.bin").exists() and (folder / "fine_label_names.txt").exists():
        return f"These are the files of CIFAR-100; get CIFAR-10, {_ARCHIVE}, instead."
    return ""


def _read_records(path: Path) -> np.ndarray:
    """The uint8 records [N, 3073] of one file, N at least 1, labels (column 0) checked."""
    limit = MAX_EXAMPLES // len(_NAMES) * _RECORD
    try:
        with open(path, "rb") as file:
            data = read_at_most(file, limit + 1)
    except OSError as error:
        raise unreadable(path, "CIFAR-10", error) from error
    count, rest = divmod(len(data), _RECORD)
    if len(data) > limit:
        raise DatasetError(
            f"CIFAR-10 file '{path}': longer than {limit} bytes, where 10000 records of {_RECORD} "
            f"are usual: this is another kind of file. Unpack {_ARCHIVE} again."
        )
    if not data or rest:
        size = f"{len(data)} bytes are {count} records and {rest} bytes more" if data else "empty"
        raise DatasetError(
            f"CIFAR-10 file '{path}': {size}; expected a multiple of {_RECORD} bytes: the file "
            f"is truncated or of another kind. Unpack {_ARCHIVE} again."
        )
    records = np.frombuffer(data, np.uint8).reshape(count, _RECORD)
    labels = records[:, 0]
    if labels.max() >= _CLASSES:
        index = int(np.argmax(labels >= _CLASSES))
        raise DatasetError(
            f"CIFAR-10 file '{path}': label {labels[index]} of record {index} is above "
            f"{_CLASSES - 1}: the file is damaged or of another kind. Unpack {_ARCHIVE} again."
        )
    return records


def _images_and_labels(records: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [N, 3073] → images float32 [N, 32, 32, 3] in [0, 1], labels int32 [N]."""
    planes = records[:, 1:].reshape(-1, _CHANNELS, _SIDE, _SIDE)
    pixels = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    return unit_interval(pixels), records[:, 0].astype(np.int32)
