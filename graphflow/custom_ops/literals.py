"""Python's float literals take the precision of the elements, as they do everywhere in graphflow.

Numba gives them float64, and so makes `x * 0.5` of a float32 a float64. A function for elements
of single precision is a copy in which floats (constants of the code, globals, what it closes over)
are float32.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow.custom_ops.identity import global_names


def snapshot(function: Callable[..., Any], single: bool) -> Callable[..., Any]:
    """A copy of a Python function that sees the globals and variables of now.

    single: float constants are float32 in it, complex ones complex64.
    """
    assert isinstance(function, types.FunctionType)
    code, literal = function.__code__, _single if single else _same
    changed = code.replace(co_consts=tuple(literal(c) for c in code.co_consts))
    known = dict(function.__globals__)
    known.update((n, literal(known[n])) for n in global_names(code) if n in known)
    cells = tuple(types.CellType(literal(c.cell_contents)) for c in function.__closure__ or ())
    copy = types.FunctionType(changed, known, function.__name__,
                              literal(function.__defaults__), cells or None)
    copy.__module__, copy.__qualname__ = function.__module__, function.__qualname__
    return copy


def _same(value: Any) -> Any:
    return value


def _single(value: Any) -> Any:
    if type(value) is float:
        return np.float32(value)
    if type(value) is complex:
        return np.complex64(value)
    return tuple(_single(v) for v in value) if type(value) is tuple else value
