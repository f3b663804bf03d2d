"""Loading whichever known data set a directory holds."""

from __future__ import annotations

import os

from graphflow.data.cifar import cifar10_advice, has_cifar10_files, load_cifar10
from graphflow.data.dataset import Dataset
from graphflow.data.idx import has_mnist_files, load_mnist
from graphflow.data.raw_files import contents, open_directory
from graphflow.errors import DatasetError


def load_directory(directory: str | os.PathLike[str]) -> Dataset:
    """Load the MNIST (IDX) or CIFAR-10 (binary) files that a directory holds → Dataset.

    One file of a set is enough to recognise it; what is missing is then an error of its loader.
    Raises DatasetError if there is neither set or both, and as `load_mnist`, `load_cifar10` do.
    """
    folder = open_directory(directory, "load_directory")
    mnist, cifar10 = has_mnist_files(folder), has_cifar10_files(folder)
    if mnist and cifar10:
        raise DatasetError(
            f"load_directory: '{folder}' holds both MNIST and CIFAR-10 files. Give each set a "
            f"directory of its own, or choose one with load_mnist or load_cifar10."
        )
    if mnist:
        return load_mnist(folder)
    if cifar10:
        return load_cifar10(folder)
    advice = cifar10_advice(folder)
    raise DatasetError(
        f"load_directory: '{folder}' holds no data set that graphflow knows; "
        f"{contents(folder, 'load_directory')}. Looked for MNIST (train-images-idx3-ubyte and "
        f"three more, with or without .gz) and CIFAR-10 in its binary version "
        f"(data_batch_1.bin to data_batch_5.bin and test_batch.bin, also in "
        f"cifar-10-batches-bin/)." + (advice and f" {advice}")
    )
