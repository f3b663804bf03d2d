"""What references share about element types: wide accumulation and the extreme values."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow import dtypes as dt
from graphflow.dtypes import DType

_NARROW = {dt.float16.numpy, dt.bfloat16.numpy}


def widen(x: np.ndarray) -> np.ndarray:
    """`x` in the type that sums are accumulated in: float32 for float16 and bfloat16."""
    return x.astype(np.float32) if x.dtype in _NARROW else x


def accumulator(dtype: DType) -> DType:
    """The element type of `widen` arrays of `dtype`."""
    return dt.float32 if dtype.numpy in _NARROW else dtype


def lowest(dtype: DType) -> Any:
    """The identity of max: −inf for floats, the least integer, False."""
    return -np.inf if dtype.is_floating else dtype.min


def highest(dtype: DType) -> Any:
    """The identity of min: +inf for floats, the greatest integer, True."""
    return np.inf if dtype.is_floating else dtype.max


def number_of(value: int, dtype: DType) -> Any:
    """0 or 1 as a Python value of the kind of `dtype`; the empty string for string 0."""
    if dtype.is_bool:
        return bool(value)
    if dtype.is_string:
        return b"" if value == 0 else str(value).encode()
    return value
