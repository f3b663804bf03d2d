"""Tiny MNIST and CIFAR-10 files, written byte by byte from the descriptions of the formats."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


def idx_bytes(array: np.ndarray) -> bytes:
    """An IDX file: 0, 0, type 8 (unsigned byte), rank, big-endian sizes, the values."""
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return struct.pack(">BBBB", 0, 0, 8, array.ndim) + sizes + array.astype(np.uint8).tobytes()


@pytest.fixture
def to_idx() -> Callable[[np.ndarray], bytes]:
    return idx_bytes


@pytest.fixture
def mnist_arrays() -> dict[str, np.ndarray]:
    """The four arrays by standard file name: 5 training and 3 test images with labels."""
    random = np.random.RandomState(0)
    return {
        "train-images-idx3-ubyte": random.randint(0, 256, (5, 28, 28)),
        "train-labels-idx1-ubyte": np.array([0, 9, 4, 4, 1]),
        "t10k-images-idx3-ubyte": random.randint(0, 256, (3, 28, 28)),
        "t10k-labels-idx1-ubyte": np.array([7, 0, 2]),
    }


@pytest.fixture
def mnist(tmp_path: Path, mnist_arrays: dict[str, np.ndarray]) -> Path:
    """A directory with four valid files, not gzipped."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    for name, array in mnist_arrays.items():
        (folder / name).write_bytes(idx_bytes(array))
    return folder


@pytest.fixture
def mnist_gz(tmp_path: Path, mnist_arrays: dict[str, np.ndarray]) -> Path:
    """A directory with four valid gzipped files."""
    folder = tmp_path / "mnist_gz"
    folder.mkdir()
    for name, array in mnist_arrays.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(array), mtime=0))
    return folder


@pytest.fixture
def cifar10(tmp_path: Path) -> Path:
    """A directory with the six files, two records each.

    The labels are 0 to 9, then 0 and 1 in the test file. In every record, red is 100 in
    row 0 and 0 elsewhere, green is the column, blue is 255.
    """
    folder = tmp_path / "cifar"
    folder.mkdir()
    red = [100] * 32 + [0] * 31 * 32
    green = list(range(32)) * 32
    blue = [255] * 1024
    names = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]
    for number, name in enumerate(names):
        labels = (2 * number % 10, (2 * number + 1) % 10)
        (folder / name).write_bytes(
            b"".join(bytes([label, *red, *green, *blue]) for label in labels)
        )
    return folder
