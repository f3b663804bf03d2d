"""The packaged digits, compared with scikit-learn's copy, and their split."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from graphflow.data import digits, digits_dataset, load_digits, stratified_split
from graphflow.errors import DatasetError

# How often each digit occurs, from the description of the data set at UCI.
COUNTS = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_every_value_is_scikit_learns() -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn has the original")
    original = datasets.load_digits()
    images, labels = load_digits(size=8)
    np.testing.assert_array_equal(images[..., 0] * 16, original.images)
    np.testing.assert_array_equal(labels, original.target)


def test_first_image_is_a_zero() -> None:
    """The first row of optdigits.tes, as UCI prints it."""
    images, labels = load_digits(size=8)
    np.testing.assert_array_equal(images[0, 0, :, 0] * 16, [0, 0, 5, 13, 9, 1, 0, 0])
    np.testing.assert_array_equal(images[0, 7, :, 0] * 16, [0, 0, 6, 13, 10, 0, 0, 0])
    assert labels[0] == 0


def test_counts_shapes_types_and_range() -> None:
    images, labels = load_digits()
    assert images.shape == (1797, 28, 28, 1) and images.dtype == np.float32
    assert labels.shape == (1797,) and labels.dtype == np.int32
    assert images.min() == 0 and images.max() == 1
    np.testing.assert_array_equal(np.bincount(labels), COUNTS)


def test_scaled_images_are_bilinear() -> None:
    small, _ = load_digits(size=8)
    expected = ndimage.zoom(
        small[:20].astype(float), (1, 3.5, 3.5, 1), order=1, mode="nearest", grid_mode=True
    )
    np.testing.assert_allclose(load_digits(size=28)[0][:20], expected, atol=1e-6)


def test_dataset_holds_each_digit_once() -> None:
    data = digits_dataset(size=8)
    images, labels = load_digits(size=8)

    def rows(pixels: np.ndarray, numbers: np.ndarray) -> list[bytes]:
        return sorted(p.tobytes() + n.tobytes() for p, n in zip(pixels, numbers, strict=True))

    joined = rows(data.train_images, data.train_labels) + rows(data.test_images, data.test_labels)
    assert sorted(joined) == rows(images, labels)
    assert (data.num_classes, data.name) == (10, "digits")


def test_split_is_stratified() -> None:
    data = digits_dataset(size=8, test_fraction=0.25)
    np.testing.assert_array_equal(
        np.bincount(data.test_labels), [round(0.25 * count) for count in COUNTS]
    )


def test_split_follows_the_seed() -> None:
    once, again = digits_dataset(size=8, seed=3), digits_dataset(size=8, seed=3)
    np.testing.assert_array_equal(once.train_images, again.train_images)
    np.testing.assert_array_equal(once.test_labels, again.test_labels)
    other = digits_dataset(size=8, seed=4)
    assert not np.array_equal(once.train_images, other.train_images)


def test_training_part_is_shuffled() -> None:
    """In class order, the first batch would hold one digit only."""
    assert len(set(digits_dataset(size=8).train_labels[:32].tolist())) > 5


def test_small_classes_are_in_both_parts() -> None:
    labels = np.array([0, 0, 1, 1, 1])
    data = stratified_split(np.arange(5), labels, test_fraction=0.01)
    assert sorted(data.test_labels.tolist()) == [0, 1]
    assert sorted(data.train_labels.tolist()) == [0, 1, 1]
    assert data.num_classes == 2


def test_dataset_is_frozen_and_its_repr_is_short() -> None:
    data = digits_dataset(size=8)
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.name = "other"
    assert repr(data) == (
        "Dataset('digits', train [1438, 8, 8, 1], test [359, 8, 8, 1], 10 classes)"
    )


@pytest.mark.parametrize("size", [0, -1, 2.5, True, "28"])
def test_wrong_size(size: object) -> None:
    with pytest.raises(DatasetError, match="load_digits: size must be a positive integer"):
        load_digits(size)


@pytest.mark.parametrize(
    ("images", "labels", "fraction", "message"),
    [
        (np.zeros(3), np.array([0, 1]), 0.5, r"one label per image: images \[3\], labels \[2\]"),
        (np.zeros(2), np.array([[0, 1]]), 0.5, r"one label per image"),
        (np.zeros(0), np.zeros(0, int), 0.5, r"one label per image"),
        (np.zeros(2), np.array([0.0, 1.0]), 0.5, r"must be integers from 0, got float64"),
        (np.zeros(2), np.array([-1, 1]), 0.5, r"smallest value -1"),
        (np.zeros(2), np.array([0, 0]), 1.0, r"test_fraction must be between 0 and 1.*got 1.0"),
        (np.zeros(3), np.array([0, 0, 1]), 0.5, r"class 1 has a single example"),
    ],
)
def test_split_errors(
    images: np.ndarray, labels: np.ndarray, fraction: float, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        stratified_split(images, labels, test_fraction=fraction)


@pytest.mark.parametrize("damage", ["missing", "cut", "flipped", "empty", "wrong shape"])
def test_damaged_package_file(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path(digits.__file__).parent / "files" / "digits.npz"
    content = bytearray(real.read_bytes())
    (tmp_path / "files").mkdir()
    copy = tmp_path / "files" / "digits.npz"
    if damage == "wrong shape":
        np.savez(copy, images=np.zeros((2, 8, 8), np.uint8), labels=np.zeros(2, np.uint8))
    elif damage == "flipped":
        content[len(content) // 2] ^= 0xFF
        copy.write_bytes(content)
    elif damage != "missing":
        copy.write_bytes(content[: len(content) // 2 if damage == "cut" else 0])
    monkeypatch.setattr(digits.resources, "files", lambda package: tmp_path)
    with pytest.raises(DatasetError, match=r"digits\.npz.*Install graphflow again"):
        load_digits()


def test_file_is_small_and_needs_no_scikit_learn() -> None:
    real = Path(digits.__file__).parent / "files" / "digits.npz"
    assert real.stat().st_size < 100_000
    program = (
        "import sys, graphflow.data as d; d.digits_dataset(); "
        "sys.exit(any(m.split('.')[0] in ('sklearn', 'scipy') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
