"""What public functions need to know of two operands before an op is chosen for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.builder import convert
from graphflow.dtypes import DType


def is_value(operand: Any) -> bool:
    """True for tensors and variables, False for numbers, lists and arrays (to be converted)."""
    return hasattr(operand, "dtype") and not isinstance(operand, (np.ndarray, np.generic))


def typed_pair(x: Any, y: Any) -> tuple[Any, Any]:
    """Both as tensors; what is no tensor takes the type of the tensor beside it."""
    if is_value(y) and not is_value(x):
        y = convert(y)
        return convert(x, y.dtype), y
    x = convert(x)
    return x, convert(y) if is_value(y) else convert(y, x.dtype)


def common_dtype(x: Any, y: Any) -> DType:
    """The type of the first tensor among two operands, or else that which `x` would become."""
    for operand in (x, y):
        if is_value(operand):
            return operand.dtype
    return convert(x).dtype
