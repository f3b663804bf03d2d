"""The record that every loader returns, and the split of one labelled set into two.

Images are float32 in [0, 1], channels last; labels are int32 class numbers from 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphflow.errors import DatasetError


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Dataset:
    """Labelled images, in a part to train on and a part held out.

    train_images: float32 [N, H, W, C] in [0, 1]; train_labels: int32 [N] in [0, num_classes).
    test_images: float32 [M, H, W, C] in [0, 1]; test_labels: int32 [M] in [0, num_classes).
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    num_classes: int
    name: str

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name!r}, train {list(self.train_images.shape)}, "
            f"test {list(self.test_images.shape)}, {self.num_classes} classes)"
        )


def unit_interval(pixels: np.ndarray, largest: int = 255) -> np.ndarray:
    """Integer pixels 0..largest → float32 in [0, 1], same shape.

    Divides, because multiplying by a rounded 1/255 can give values just above 1.
    """
    return np.divide(pixels, np.float32(largest), dtype=np.float32)


def stratified_split(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    test_fraction: float = 0.2,
    seed: int = 0,
    name: str = "split",
) -> Dataset:
    """Hold out the same share of every class; the same seed always gives the same split.

    images: [N, ...], labels: integers [N] → a Dataset whose two parts hold every example once,
    each in shuffled order. Of a class with n examples, round(test_fraction * n) are held out,
    but at least 1 and at most n - 1. num_classes is the largest label + 1.

    The shuffle uses numpy.random.RandomState, whose stream NumPy has frozen (NEP 19), so a
    split does not change with the NumPy version.

    Raises DatasetError if the lengths differ, labels are not non-negative integers, a class has
    a single example, or test_fraction is not strictly between 0 and 1.
    """
    _check_split_arguments(images, labels, test_fraction)
    random = np.random.RandomState(seed)
    held_out = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            raise DatasetError(
                f"stratified_split: class {label} has a single example, which cannot be in both "
                f"parts. Leave the class out or add examples."
            )
        count = min(max(round(test_fraction * len(members)), 1), len(members) - 1)
        held_out[random.permutation(members)[:count]] = True
    train = random.permutation(np.flatnonzero(~held_out))
    test = random.permutation(np.flatnonzero(held_out))
    return Dataset(
        train_images=images[train],
        train_labels=labels[train].astype(np.int32),
        test_images=images[test],
        test_labels=labels[test].astype(np.int32),
        num_classes=int(labels.max()) + 1,
        name=name,
    )


def _check_split_arguments(images: np.ndarray, labels: np.ndarray, test_fraction: float) -> None:
    if labels.ndim != 1 or len(images) != len(labels) or len(labels) == 0:
        raise DatasetError(
            f"stratified_split: needs one label per image: images {list(images.shape)}, "
            f"labels {list(labels.shape)}."
        )
    if labels.dtype.kind not in "iu" or labels.min() < 0:
        raise DatasetError(
            f"stratified_split: labels must be integers from 0, got {labels.dtype} with "
            f"smallest value {labels.min()}."
        )
    if not 0 < test_fraction < 1:
        raise DatasetError(
            f"stratified_split: test_fraction must be between 0 and 1, both excluded, "
            f"got {test_fraction}."
        )
