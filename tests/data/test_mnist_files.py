"""MNIST IDX files: every spelling loads; every kind of damage is told by name."""

from __future__ import annotations

import gzip
import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from graphflow.data import load_mnist, raw_files
from graphflow.errors import DatasetError

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def failure(directory: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        load_mnist(directory)
    return str(caught.value)


def assert_is_mnist(directory: Path, arrays: dict[str, np.ndarray]) -> None:
    data = load_mnist(directory)
    for part, images, labels in (
        ("train", data.train_images, data.train_labels),
        ("t10k", data.test_images, data.test_labels),
    ):
        pixels = arrays[f"{part}-images-idx3-ubyte"]
        assert images.dtype == np.float32 and images.shape == (*pixels.shape, 1)
        np.testing.assert_allclose(images[..., 0], pixels / 255, rtol=1e-6)
        assert labels.dtype == np.int32
        np.testing.assert_array_equal(labels, arrays[f"{part}-labels-idx1-ubyte"])
    assert (data.num_classes, data.name) == (10, "mnist")
    assert data.train_images.max() <= 1


def test_plain_files(mnist: Path, mnist_arrays: dict[str, np.ndarray]) -> None:
    assert_is_mnist(mnist, mnist_arrays)


def test_gzipped_files(mnist_gz: Path, mnist_arrays: dict[str, np.ndarray]) -> None:
    assert_is_mnist(mnist_gz, mnist_arrays)


def test_directory_as_text(mnist: Path, mnist_arrays: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(load_mnist(str(mnist)).test_labels, [7, 0, 2])


@pytest.mark.parametrize("folder", ["mnist", "mnist_gz"])
def test_spelling_with_a_dot(
    folder: str, request: pytest.FixtureRequest, mnist_arrays: dict[str, np.ndarray]
) -> None:
    directory = request.getfixturevalue(folder)
    for path in list(directory.iterdir()):
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    assert_is_mnist(directory, mnist_arrays)


def test_content_tells_whether_a_file_is_gzipped(
    mnist: Path, mnist_arrays: dict[str, np.ndarray]
) -> None:
    """Browsers unpack a .gz and keep its name, or the other way round."""
    (mnist / IMAGES).rename(mnist / (IMAGES + ".gz"))
    (mnist / LABELS).write_bytes(gzip.compress((mnist / LABELS).read_bytes()))
    assert_is_mnist(mnist, mnist_arrays)


def test_file_is_found_beside_a_folder_of_another_spelling(
    mnist: Path, mnist_arrays: dict[str, np.ndarray]
) -> None:
    (mnist / IMAGES).rename(mnist / "train-images.idx3-ubyte")
    (mnist / IMAGES).mkdir()
    assert_is_mnist(mnist, mnist_arrays)


@pytest.mark.parametrize(
    "name", [IMAGES, LABELS, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
)
def test_missing_file(mnist: Path, name: str) -> None:
    (mnist / name).unlink()
    message = failure(mnist)
    dotted = name.replace("-idx", ".idx")
    assert f"'{mnist}' has no {name}" in message
    assert f"looked for {name}, {dotted}, {name}.gz, {dotted}.gz" in message
    others = sorted({IMAGES, LABELS, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"} - {name})
    assert f"it holds {', '.join(others)}." in message


def test_listing_of_a_large_directory_is_short(tmp_path: Path) -> None:
    for number in range(25):
        (tmp_path / f"photo{number:02}").touch()
    message = failure(tmp_path)
    assert "photo00, " in message and "photo19 and 5 more" in message and "photo20" not in message


def test_empty_directory(tmp_path: Path) -> None:
    assert "it is empty" in failure(tmp_path)


def test_directory_that_does_not_exist(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    assert f"the directory '{nowhere}' does not exist" in failure(nowhere)


def test_file_given_for_the_directory(mnist: Path) -> None:
    message = failure(mnist / IMAGES)
    assert f"'{mnist / IMAGES}' is not a directory. Give the directory that holds" in message


def test_images_and_labels_swapped(mnist: Path) -> None:
    (mnist / IMAGES).rename(mnist / "other")
    (mnist / LABELS).rename(mnist / IMAGES)
    (mnist / "other").rename(mnist / LABELS)
    message = failure(mnist)
    assert f"'{mnist / LABELS}': wrong magic number: expected 0x00000801" in message
    assert "found 0x00000803" in message and "looks like images rather than labels" in message


def test_labels_where_images_should_be(mnist: Path) -> None:
    (mnist / IMAGES).write_bytes((mnist / LABELS).read_bytes())
    message = failure(mnist)
    assert f"'{mnist / IMAGES}': wrong magic number: expected 0x00000803" in message
    assert "found 0x00000801" in message and "looks like labels rather than images" in message


@pytest.mark.parametrize(
    ("content", "guess"),
    [
        (b"<!DOCTYPE html><html>404</html>", "looks like a web page"),
        (struct.pack("<IIII", 0x803, 5, 28, 28), "little-endian"),
        (struct.pack(">IIII", 0xD03, 5, 28, 28), "element type 0x0d and rank 3"),
        (b"PK\x03\x04 a zip archive", "found 0x504b0304. It is not an IDX file"),
    ],
)
def test_another_kind_of_file(mnist: Path, content: bytes, guess: str) -> None:
    (mnist / IMAGES).write_bytes(content)
    message = failure(mnist)
    assert f"'{mnist / IMAGES}': wrong magic number" in message and guess in message


def test_name_says_gzip_but_content_is_neither(mnist_gz: Path) -> None:
    (mnist_gz / f"{IMAGES}.gz").write_bytes(b"nonsense")
    assert "Despite its name it is not a gzip file either" in failure(mnist_gz)


@pytest.mark.parametrize("length", [0, 3, 4, 15])
def test_truncated_in_the_header(mnist: Path, length: int) -> None:
    (mnist / IMAGES).write_bytes((mnist / IMAGES).read_bytes()[:length])
    message = failure(mnist)
    assert f"'{mnist / IMAGES}': truncated: an IDX header of images has 16 bytes" in message
    assert f"found {length}." in message


def test_truncated_in_the_data(mnist: Path) -> None:
    (mnist / IMAGES).write_bytes((mnist / IMAGES).read_bytes()[:1016])
    message = failure(mnist)
    assert f"'{mnist / IMAGES}': truncated: its header announces 5 images of 28 x 28" in message
    assert "3920 bytes after the header, but only 1000 are there" in message


def test_truncated_before_it_was_gzipped(mnist: Path, mnist_gz: Path) -> None:
    content = (mnist / LABELS).read_bytes()[:-2]
    (mnist_gz / f"{LABELS}.gz").write_bytes(gzip.compress(content))
    message = failure(mnist_gz)
    assert f"{LABELS}.gz': truncated: its header announces 5 labels, 5 bytes" in message
    assert "only 3 are there" in message


@pytest.mark.parametrize("folder", ["mnist", "mnist_gz"])
def test_trailing_bytes(folder: str, request: pytest.FixtureRequest) -> None:
    directory = request.getfixturevalue(folder)
    (path,) = directory.glob("t10k-labels*")
    extra = b"x" if folder == "mnist" else gzip.compress(b"x")
    path.write_bytes(path.read_bytes() + extra)
    message = failure(directory)
    assert f"'{path}': trailing bytes: its header announces 3 labels, 3 bytes" in message


def test_gzip_cut_short_anywhere(mnist_gz: Path) -> None:
    path = mnist_gz / f"{LABELS}.gz"
    content = path.read_bytes()
    for length in range(2, len(content)):
        path.write_bytes(content[:length])
        message = failure(mnist_gz)
        assert f"'{path}': truncated: its gzip stream ends before its end mark" in message


def test_gzip_with_a_wrong_checksum(mnist_gz: Path) -> None:
    path = mnist_gz / f"{IMAGES}.gz"
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    message = failure(mnist_gz)
    assert f"'{path}': damaged gzip stream: CRC check failed" in message


def test_gzip_with_any_byte_flipped_never_loads_other_values(
    mnist_gz: Path, mnist_arrays: dict[str, np.ndarray]
) -> None:
    """A flip is an error that names the file, or falls in a header field without meaning."""
    path = mnist_gz / f"{LABELS}.gz"
    content = path.read_bytes()
    for index in range(len(content)):
        damaged = bytearray(content)
        damaged[index] ^= 0xFF
        path.write_bytes(damaged)
        try:
            labels = load_mnist(mnist_gz).train_labels
        except DatasetError as error:
            assert str(path) in str(error)
        else:
            assert 4 <= index < 10
            np.testing.assert_array_equal(labels, mnist_arrays[LABELS])


def test_gzip_followed_by_something_else(mnist_gz: Path) -> None:
    path = mnist_gz / f"{IMAGES}.gz"
    path.write_bytes(path.read_bytes() + b"something else")
    assert f"'{path}': damaged gzip stream: Not a gzipped file" in failure(mnist_gz)


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ((5, 32, 32), "5 images of 32 x 32"),
        ((5, 28, 0), "5 images of 28 x 0"),
        ((0, 28, 28), "0 images of 28 x 28"),
        ((2**32 - 1, 28, 28), "4294967295 images of 28 x 28"),
        ((2**32 - 1,) * 3, "4294967295 images of 4294967295 x 4294967295"),
    ],
)
def test_implausible_header(mnist: Path, shape: tuple[int, ...], told: str) -> None:
    (mnist / IMAGES).write_bytes(struct.pack(">IIII", 0x803, *shape))
    message = failure(mnist)
    assert f"'{mnist / IMAGES}': implausible header: it announces {told}" in message
    assert "expected 1 to 10000000 images of 28 x 28" in message


@pytest.mark.parametrize("count", [raw_files.MAX_EXAMPLES, 2**32 - 1])
@pytest.mark.parametrize("zipped", [False, True])
def test_large_claims_allocate_nothing(mnist: Path, count: int, zipped: bool) -> None:
    content = struct.pack(">IIII", 0x803, count, 28, 28) + b"x" * 100
    (mnist / IMAGES).write_bytes(gzip.compress(content) if zipped else content)
    tracemalloc.start()
    message = failure(mnist)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert f"{count} images of 28 x 28" in message
    assert peak < 4_000_000


def test_more_images_than_labels(mnist: Path, to_idx: Callable[[np.ndarray], bytes]) -> None:
    (mnist / LABELS).write_bytes(to_idx(np.array([1, 2, 3])))
    message = failure(mnist)
    assert f"'{mnist / IMAGES}' and '{mnist / LABELS}': 5 images but 3 labels" in message


def test_label_above_nine(mnist: Path, to_idx: Callable[[np.ndarray], bytes]) -> None:
    (mnist / LABELS).write_bytes(to_idx(np.array([1, 2, 3, 10, 11])))
    assert f"'{mnist / LABELS}': label 10 at index 3 is not a digit 0 to 9" in failure(mnist)


def test_folder_in_place_of_a_file(mnist: Path) -> None:
    (mnist / IMAGES).unlink()
    (mnist / IMAGES).mkdir()
    assert f"'{mnist / IMAGES}': is a folder, not a file" in failure(mnist)


def test_link_to_nothing(mnist: Path) -> None:
    (mnist / IMAGES).unlink()
    (mnist / IMAGES).symlink_to(mnist / "gone")
    assert f"'{mnist / IMAGES}': is a link to '{mnist / 'gone'}'" in failure(mnist)


def test_pipe_is_not_opened(mnist: Path) -> None:
    """Opening it would wait for a writer for ever."""
    (mnist / IMAGES).unlink()
    os.mkfifo(mnist / IMAGES)
    assert f"'{mnist / IMAGES}': is not a regular file" in failure(mnist)


def test_file_without_permission(mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal is played, since the superuser may open every file."""
    real_open = open

    def refuse(path: Path, mode: str) -> object:
        if path == mnist / IMAGES:
            raise PermissionError(13, "Permission denied", str(path))
        return real_open(path, mode)

    monkeypatch.setattr("graphflow.data.idx.open", refuse, raising=False)
    message = failure(mnist)
    assert f"'{mnist / IMAGES}': cannot be read: Permission denied. Check its perm" in message


def test_directory_without_permission(mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal is played, since the superuser may read every directory."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert f"the directory '{mnist}' may not be read" in failure(mnist)
