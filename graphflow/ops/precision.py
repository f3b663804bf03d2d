"""How elementwise references compute: half types in float32, and without NumPy's warnings."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from graphflow import dtypes as dt

_HALVES = (dt.float16.numpy, dt.bfloat16.numpy)


def widened(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of arrays, with float16 and bfloat16 inputs computed in float32.

    The result is rounded once, to the type of the half inputs, which is what a scalar body does.
    Infinities and NaN are results, not warnings.
    """
    @wraps(function)
    def compute(*arrays: Any, **attrs: Any) -> Any:
        half = next((a.dtype for a in arrays if a.dtype in _HALVES), None)
        with np.errstate(all="ignore"):
            if half is None:
                return function(*arrays, **attrs)
            wide = (a.astype(np.float32) if a.dtype == half else a for a in arrays)
            return np.asarray(function(*wide, **attrs)).astype(half)

    return compute
