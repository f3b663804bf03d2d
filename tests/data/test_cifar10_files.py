"""CIFAR-10 binary files: where they are found, how bytes become pixels, and each damage."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from graphflow.data import load_cifar10
from graphflow.errors import DatasetError

NAMES = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]


def failure(directory: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        load_cifar10(directory)
    return str(caught.value)


def test_pixels_are_channels_last(cifar10: Path) -> None:
    data = load_cifar10(cifar10)
    assert data.train_images.shape == (10, 32, 32, 3) and data.test_images.shape == (2, 32, 32, 3)
    assert data.train_images.dtype == np.float32 and data.train_images.flags.c_contiguous
    red, green, blue = (data.train_images[..., channel] * 255 for channel in range(3))
    np.testing.assert_allclose(red[:, 0], 100, rtol=1e-6)
    np.testing.assert_array_equal(red[:, 1:], 0)
    np.testing.assert_allclose(green, np.broadcast_to(np.arange(32), green.shape), rtol=1e-6)
    np.testing.assert_array_equal(blue, 255)
    assert (data.num_classes, data.name) == (10, "cifar10")


def test_labels_keep_the_order_of_the_batches(cifar10: Path) -> None:
    data = load_cifar10(cifar10)
    assert data.train_labels.dtype == np.int32
    np.testing.assert_array_equal(data.train_labels, np.arange(10))
    np.testing.assert_array_equal(data.test_labels, [0, 1])


def test_files_in_the_subfolder(cifar10: Path, tmp_path: Path) -> None:
    above = tmp_path / "download"
    above.mkdir()
    cifar10.rename(above / "cifar-10-batches-bin")
    np.testing.assert_array_equal(load_cifar10(str(above)).train_labels, np.arange(10))


@pytest.mark.parametrize("name", NAMES)
def test_missing_batch(cifar10: Path, name: str) -> None:
    (cifar10 / name).unlink()
    message = failure(cifar10)
    assert f"'{cifar10}' has no {name}; it holds " in message
    assert ", ".join(other for other in NAMES if other != name) in message


def test_missing_batch_in_the_subfolder(cifar10: Path, tmp_path: Path) -> None:
    subfolder = tmp_path / "cifar-10-batches-bin"
    cifar10.rename(subfolder)
    (subfolder / "test_batch.bin").unlink()
    assert f"'{subfolder}' has no test_batch.bin" in failure(tmp_path)


def test_empty_directory(tmp_path: Path) -> None:
    message = failure(tmp_path)
    assert f"'{tmp_path}' has no data_batch_1.bin and no subfolder cifar-10-batches-bin" in message
    assert "it is empty" in message and "Unpack cifar-10-binary.tar.gz into" in message


@pytest.mark.parametrize(
    ("names", "advice"),
    [
        (["cifar-10-binary.tar.gz"], "Unpack cifar-10-binary.tar.gz first"),
        (["data_batch_1", "test_batch"], "the pickles of the Python version"),
        (["train.bin", "test.bin", "fine_label_names.txt"], "the files of CIFAR-100"),
    ],
)
def test_something_close_to_the_set(tmp_path: Path, names: list[str], advice: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert advice in failure(tmp_path)


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (0, "empty"),
        (3072, "3072 bytes are 0 records and 3072 bytes more"),
        (3074, "3074 bytes are 1 records and 1 bytes more"),
        (6145, "6145 bytes are 1 records and 3072 bytes more"),
    ],
)
def test_size_is_no_whole_number_of_records(cifar10: Path, size: int, told: str) -> None:
    path = cifar10 / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[:size])
    message = failure(cifar10)
    assert f"'{path}': {told}; expected a multiple of 3073 bytes" in message


def test_batch_cut_between_records(cifar10: Path) -> None:
    path = cifar10 / "data_batch_4.bin"
    path.write_bytes(path.read_bytes()[:3073])
    message = failure(cifar10)
    assert f"'{path}': 1 records, but 'data_batch_1.bin' has 2" in message


def test_file_far_too_long(cifar10: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is lowered: at its real height the test would write a file of gigabytes."""
    monkeypatch.setattr("graphflow.data.cifar.MAX_EXAMPLES", 6)
    assert "data_batch_1.bin': longer than 3073 bytes" in failure(cifar10)


def test_label_above_nine(cifar10: Path) -> None:
    path = cifar10 / "test_batch.bin"
    content = bytearray(path.read_bytes())
    content[3073] = 10
    path.write_bytes(content)
    assert f"'{path}': label 10 of record 1 is above 9" in failure(cifar10)


def test_folder_in_place_of_a_file(cifar10: Path) -> None:
    path = cifar10 / "data_batch_5.bin"
    path.unlink()
    path.mkdir()
    assert f"CIFAR-10 file '{path}': is a folder, not a file" in failure(cifar10)


def test_pipe_is_not_opened(cifar10: Path) -> None:
    path = cifar10 / "data_batch_5.bin"
    path.unlink()
    os.mkfifo(path)
    assert f"CIFAR-10 file '{path}': is not a regular file" in failure(cifar10)


def test_file_without_permission(cifar10: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal is played, since the superuser may open every file."""

    def refuse(path: Path, mode: str) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("graphflow.data.cifar.open", refuse, raising=False)
    message = failure(cifar10)
    assert f"'{cifar10 / NAMES[0]}': cannot be read: Permission denied" in message


def test_directory_that_does_not_exist(tmp_path: Path) -> None:
    assert f"CIFAR-10: the directory '{tmp_path / 'x'}' does not exist" in failure(tmp_path / "x")
