"""Real handwritten digits that come with the package: 1,797 images of 8 x 8 pixels.

The test part of "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, UCI
Machine Learning Repository, 1998, https://doi.org/10.24432/C50P49, CC BY 4.0, in the order that
scikit-learn carries it. files/README.md tells how the packaged file was made.
"""

from __future__ import annotations

import zipfile
import zlib
from importlib import resources

import numpy as np

from graphflow.data.dataset import Dataset, stratified_split, unit_interval
from graphflow.data.resize import resize_bilinear
from graphflow.errors import DatasetError

_COUNT, _SIDE, _DARKEST = 1797, 8, 16


def load_digits(size: int = 28) -> tuple[np.ndarray, np.ndarray]:
    """All 1,797 digits → (images float32 [1797, size, size, 1] in [0, 1], labels int32 [1797]).

    0 is paper and 1 is full ink. The stored 8 x 8 images hold values 0..16; other sizes are
    scaled by `resize_bilinear`; size=8 gives the stored values / 16.
    Raises DatasetError if size is not a positive integer or the packaged file is damaged.
    """
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
        raise DatasetError(f"load_digits: size must be a positive integer, got {size!r}.")
    pixels, labels = _read_packaged_file()
    images = unit_interval(pixels[..., np.newaxis], _DARKEST)
    return resize_bilinear(images, int(size), int(size)), labels.astype(np.int32)


def digits_dataset(size: int = 28, *, test_fraction: float = 0.2, seed: int = 0) -> Dataset:
    """The packaged digits, split by `stratified_split` into a training and a held-out part.

    With the default arguments: 1,438 images to train on, 359 held out, [*, 28, 28, 1].
    Raises DatasetError as `load_digits` and `stratified_split` do.
    """
    images, labels = load_digits(size)
    return stratified_split(
        images, labels, test_fraction=test_fraction, seed=seed, name="digits"
    )


def _read_packaged_file() -> tuple[np.ndarray, np.ndarray]:
    """uint8 images [1797, 8, 8] with values 0..16, and uint8 labels [1797]."""
    file = resources.files("graphflow.data").joinpath("files", "digits.npz")
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            pixels, labels = arrays["images"], arrays["labels"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(
            f"digits: the package's own data file '{file}' cannot be read ({error}). "
            f"Install graphflow again."
        ) from error
    if pixels.shape != (_COUNT, _SIDE, _SIDE) or labels.shape != (_COUNT,):
        raise DatasetError(
            f"digits: the package's own data file '{file}' holds images {list(pixels.shape)} and "
            f"labels {list(labels.shape)}, expected [{_COUNT}, {_SIDE}, {_SIDE}] and [{_COUNT}]. "
            f"Install graphflow again."
        )
    return pixels, labels
