"""MNIST in batches, as `tensorflow.examples.tutorials.mnist.input_data` gave it.

The four IDX files must lie in the folder: nothing is downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.data.idx import load_mnist
from graphflow.errors import AttributeValueError
from graphflow.ops.graph_functions import get_seed


class DataSet:
    """Images and labels, given out in batches.

    images: [N, 784] float32 in [0, 1], or [N, 28, 28, 1] if reshape=False, or uint8 if dtype says
    so. labels: uint8 [N], or float64 [N, 10] if one_hot.
    """

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, fake_data: bool = False,
        one_hot: bool = False, dtype: Any = dt.float32, reshape: bool = True,
        seed: int | None = None,
    ) -> None:
        kind = dt.as_dtype(dtype)
        if kind not in (dt.uint8, dt.float32):
            raise AttributeValueError(
                f"Invalid image dtype {dtype!r}, expected uint8 or float32.")
        if len(images) != len(labels):
            raise AttributeValueError(
                f"DataSet: images.shape: {images.shape} labels.shape: {labels.shape}")
        flat = len(images), int(np.prod(images.shape[1:]))
        self._images = images.reshape(flat) if reshape else images
        self._labels = labels
        self._rng = np.random.RandomState(_seed(seed))
        self._epochs_completed = self._index = 0

    @property
    def images(self) -> np.ndarray:
        """All images."""
        return self._images

    @property
    def labels(self) -> np.ndarray:
        """All labels."""
        return self._labels

    @property
    def num_examples(self) -> int:
        """N."""
        return len(self._images)

    @property
    def epochs_completed(self) -> int:
        """How often all examples were given out."""
        return self._epochs_completed

    def next_batch(
        self, batch_size: int, fake_data: bool = False, shuffle: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """The next (images, labels), shuffled anew in each epoch.

        A batch at the end of an epoch goes on with the first ones of the next.
        """
        if self._index == 0 and self._epochs_completed == 0:
            self._order(shuffle)
        first = self._index
        if first + batch_size <= self.num_examples:
            self._index += batch_size
            return self._images[first:self._index], self._labels[first:self._index]
        self._epochs_completed += 1
        rest = self._images[first:], self._labels[first:]
        self._order(shuffle)
        self._index = batch_size - len(rest[0])
        return (np.concatenate([rest[0], self._images[:self._index]]),
                np.concatenate([rest[1], self._labels[:self._index]]))

    def _order(self, shuffle: bool) -> None:
        if shuffle:
            order = self._rng.permutation(self.num_examples)
            self._images, self._labels = self._images[order], self._labels[order]


def _seed(seed: int | None) -> int | None:
    found = [s for s in get_seed(seed) if s is not None]
    return int(found[-1] if seed is not None else found[0]) & 0xFFFFFFFF if found else None


@dataclass(frozen=True, slots=True)
class Datasets:
    """The parts of MNIST."""

    train: DataSet
    validation: DataSet
    test: DataSet


def read_data_sets(
    train_dir: Any, fake_data: bool = False, one_hot: bool = False, dtype: Any = dt.float32,
    reshape: bool = True, validation_size: int = 5000, seed: int | None = None,
    source_url: str | None = None,
) -> Datasets:
    """MNIST from the IDX files in `train_dir`, the first `validation_size` for validation.

    Raises DatasetError if files are missing or damaged, AttributeValueError for a
    validation_size that is negative or above the number of images.
    """
    data = load_mnist(train_dir)
    if not 0 <= validation_size <= len(data.train_labels):
        raise AttributeValueError(
            f"Validation size should be between 0 and {len(data.train_labels)}. Received: "
            f"{validation_size}.")

    def part(images: np.ndarray, labels: np.ndarray) -> DataSet:
        if dt.as_dtype(dtype) is dt.uint8:
            images = np.rint(images * 255).astype(np.uint8)
        coded = np.eye(10)[labels] if one_hot else labels.astype(np.uint8)
        return DataSet(images, coded, dtype=dtype, reshape=reshape, seed=seed)

    split = validation_size
    return Datasets(
        train=part(data.train_images[split:], data.train_labels[split:]),
        validation=part(data.train_images[:split], data.train_labels[:split]),
        test=part(data.test_images, data.test_labels))


__all__ = ["DataSet", "Datasets", "read_data_sets"]
