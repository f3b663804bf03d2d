"""load_directory finds out which set a directory holds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from graphflow.data import load_directory
from graphflow.errors import DatasetError


def failure(directory: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        load_directory(directory)
    return str(caught.value)


def test_mnist_plain_and_gzipped(mnist: Path, mnist_gz: Path) -> None:
    assert load_directory(mnist).name == "mnist"
    assert load_directory(str(mnist_gz)).name == "mnist"


def test_cifar10_in_place_and_in_its_subfolder(cifar10: Path, tmp_path: Path) -> None:
    assert load_directory(cifar10).name == "cifar10"
    above = tmp_path / "download"
    above.mkdir()
    cifar10.rename(above / "cifar-10-batches-bin")
    assert load_directory(above).name == "cifar10"


def test_neither(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    (tmp_path / "photos").mkdir()
    message = failure(tmp_path)
    assert f"'{tmp_path}' holds no data set that graphflow knows" in message
    assert "it holds holiday.jpg, photos/." in message
    assert "train-images-idx3-ubyte" in message and "data_batch_1.bin" in message
    assert message.endswith("cifar-10-batches-bin/).")


def test_an_archive_that_was_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-binary.tar.gz").touch()
    assert failure(tmp_path).endswith(" Unpack cifar-10-binary.tar.gz first.")


def test_both(mnist: Path, cifar10: Path) -> None:
    shutil.copytree(cifar10, mnist / "cifar-10-batches-bin")
    message = failure(mnist)
    assert f"'{mnist}' holds both MNIST and CIFAR-10 files" in message
    assert "choose one with load_mnist or load_cifar10" in message


def test_one_file_is_enough_to_say_what_is_missing(mnist: Path, cifar10: Path) -> None:
    for name in ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (mnist / name).unlink()
    assert f"'{mnist}' has no train-images-idx3-ubyte" in failure(mnist)
    for number in range(1, 6):
        (cifar10 / f"data_batch_{number}.bin").unlink()
    assert f"'{cifar10}' has no data_batch_1.bin" in failure(cifar10)


def test_not_a_directory(mnist: Path) -> None:
    path = mnist / "train-images-idx3-ubyte"
    assert f"'{path}' is not a directory" in failure(path)
    assert f"'{mnist / 'x'}' does not exist" in failure(mnist / "x")
