"""The plain form of what a program returns: JSON that two implementations can be compared by.

An array is {"dtype", "shape", "values"}, a non-finite float is a string, an error is
{"raises": the well-known classes it belongs to, "stage", "message"}.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

# What a user would write after `except`: an error is compared by membership in these.
WELL_KNOWN_ERRORS = (
    "AbortedError", "AlreadyExistsError", "FailedPreconditionError", "InternalError",
    "InvalidArgumentError", "NotFoundError", "OutOfRangeError", "UnimplementedError", "OpError",
    "AttributeError", "AssertionError", "IndexError", "KeyError", "LookupError", "NameError",
    "NotImplementedError", "OverflowError", "RuntimeError", "TypeError", "UnboundLocalError",
    "UnicodeError", "ValueError", "ZeroDivisionError",
)  # fmt: skip


def outcome(thunk: Callable[[], Any], stage: str = "build") -> Any:
    """The plain result of a call, or the plain error that it raised at `stage`."""
    try:
        return plain(thunk())
    except Exception as error:
        return plain_error(error, stage)


def plain_error(error: Exception, stage: str) -> dict[str, Any]:
    """An error as {"raises": well-known classes, most specific first, "stage", "message"}."""
    names = [base.__name__ for base in type(error).__mro__ if base.__name__ in WELL_KNOWN_ERRORS]
    return {"raises": names, "stage": stage, "message": str(error).splitlines()[:1]}


def plain(value: Any) -> Any:
    """Reduce a result to JSON. Raises TypeError for what has no plain form."""
    if isinstance(value, (np.ndarray, np.number, np.bool_)):
        return plain_array(np.asarray(value))
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return plain_float(value)
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    if isinstance(value, complex):
        return {"complex": [plain_float(value.real), plain_float(value.imag)]}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    raise TypeError(f"no plain form for {type(value).__name__}: {value!r}")


def plain_float(value: float) -> float | str:
    """Finite floats as they are; nan and the infinities as strings, since JSON has none."""
    return value if math.isfinite(value) else str(value)


def plain_array(array: np.ndarray) -> dict[str, Any]:
    """{"dtype", "shape", "values"}; values are flat, in the shortest decimal form of the dtype."""
    if array.dtype.kind == "f":
        values: list[Any] = [plain_float(float(str(item))) for item in array.ravel()]
    elif array.dtype.kind == "c":
        values = [[plain_float(float(x.real)), plain_float(float(x.imag))] for x in array.ravel()]
    elif array.dtype.kind in "OSU":
        values = [plain(item) for item in array.ravel().tolist()]
    elif array.dtype.kind in "biu":
        values = array.ravel().tolist()
    else:  # the ml_dtypes floats, whose kind is "V"
        values = [plain_float(float(item)) for item in array.ravel()]
    name = "object" if array.dtype.kind in "OSU" else array.dtype.name
    return {"dtype": name, "shape": list(array.shape), "values": values}
