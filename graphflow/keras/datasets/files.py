"""Data sets that are on this machine already: nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from graphflow.data.cifar import load_cifar10
from graphflow.data.idx import load_mnist
from graphflow.errors import DatasetError

Split = tuple[np.ndarray, np.ndarray]
_FOLDER = Path("~/.keras/datasets")


def read_set(path: Any, folders: tuple[str, ...], what: str) -> tuple[Split, Split]:
    """((images, labels) to train on, (images, labels) held out), as uint8.

    path: an .npz file with x_train, y_train, x_test and y_test, or a directory with the original
    files; relative ones are also looked for where Keras keeps its data sets, as are `folders`.
    Raises DatasetError if there is none, or if a file is damaged.
    """
    places = [Path(path).expanduser(), (_FOLDER / path).expanduser(),
              *((_FOLDER / f).expanduser() for f in folders)]
    for place in places:
        if place.is_file() and place.suffix == ".npz":
            return _from_npz(place)
        if place.is_dir():
            found = load_cifar10(place) if what == "CIFAR-10" else load_mnist(place)
            return ((_bytes(found.train_images, what), _labels(found.train_labels, what)),
                    (_bytes(found.test_images, what), _labels(found.test_labels, what)))
    looked = ", ".join(f"'{p}'" for p in places)
    raise DatasetError(
        f"{what} is not on this machine, and graphflow downloads nothing. Looked for {looked}. "
        f"Give load_data the path of a directory with its files, or use the packaged digits: "
        "gf.data.digits_dataset().")


def _from_npz(path: Path) -> tuple[Split, Split]:
    try:
        with np.load(path, allow_pickle=False) as found:
            return (found["x_train"], found["y_train"]), (found["x_test"], found["y_test"])
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(
            f"'{path}' is no data set: x_train, y_train, x_test and y_test cannot be read from it "
            f"({error}).") from error


def _bytes(images: np.ndarray, what: str) -> np.ndarray:
    values = np.rint(images * 255).astype(np.uint8)
    return values if what == "CIFAR-10" else values[..., 0]


def _labels(labels: np.ndarray, what: str) -> np.ndarray:
    values = labels.astype(np.uint8)
    return values[:, None] if what == "CIFAR-10" else values
