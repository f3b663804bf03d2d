"""`keras.preprocessing.sequence`: lists of different lengths become one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import AttributeValueError


def pad_sequences(
    sequences: Sequence[Any], maxlen: int | None = None, dtype: Any = "int32",
    padding: str = "pre", truncating: str = "pre", value: Any = 0.0,
) -> np.ndarray:
    """[count, maxlen, ...]: each sequence filled up with `value`, or cut, at its "pre" or "post".

    maxlen: by default the length of the longest.
    Raises AttributeValueError for another padding or truncating, and for elements whose shapes
    differ.
    """
    for name, choice in (("padding", padding), ("truncating", truncating)):
        if choice not in ("pre", "post"):
            raise AttributeValueError(
                f"pad_sequences: {name} must be 'pre' or 'post', got {choice!r}.")
    lengths = [len(s) for s in sequences]
    size = max(lengths, default=0) if maxlen is None else maxlen
    inner = next((np.shape(s)[1:] for s in sequences if len(s)), ())
    kind = object if isinstance(value, str) else dtype
    out = np.full((len(lengths), size, *inner), value, dtype=kind)
    for row, whole in zip(out, sequences):
        kept = whole[max(len(whole) - size, 0):] if truncating == "pre" else whole[:size]
        if not len(kept):
            continue
        array = np.asarray(kept, dtype=kind)
        if array.shape[1:] != inner:
            raise AttributeValueError(f"pad_sequences: elements of shape {array.shape[1:]} and "
                                      f"{inner} in one list.")
        if padding == "post":
            row[:len(array)] = array
        else:
            row[-len(array):] = array
    return out


__all__ = ["pad_sequences"]
