"""Class numbers as one-hot rows, and vectors of length 1."""

from __future__ import annotations

from typing import Any

import numpy as np


def to_categorical(y: Any, num_classes: int | None = None, dtype: Any = "float32") -> np.ndarray:
    """Class numbers [...] (or [..., 1]) as one-hot rows [..., num_classes].

    num_classes: one more than the largest number by default.
    """
    classes = np.asarray(y, dtype="int64")
    shape = classes.shape
    if len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    flat = classes.ravel()
    count = int(flat.max()) + 1 if num_classes is None else num_classes
    rows = np.zeros((flat.size, count), dtype=dtype)
    rows[np.arange(flat.size), flat] = 1
    return rows.reshape(*shape, count)


def normalize(x: Any, axis: int = -1, order: int = 2) -> np.ndarray:
    """x divided by its norm of an order along an axis; zeros stay."""
    norms = np.atleast_1d(np.linalg.norm(x, order, axis))
    norms[norms == 0] = 1
    return x / np.expand_dims(norms, axis)
