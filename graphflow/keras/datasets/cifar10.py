"""`keras.datasets.cifar10`: colour images, uint8 [N, 32, 32, 3]."""

from __future__ import annotations

from typing import Any

from graphflow.keras.datasets.files import Split, read_set


def load_data(path: Any = "cifar-10-batches-bin") -> tuple[Split, Split]:
    """((x_train, y_train), (x_test, y_test)) from files on this machine; see `read_set`.

    Raises DatasetError, which says where it looked, if they are not there.
    """
    return read_set(path, ("cifar-10-batches-bin",), "CIFAR-10")
