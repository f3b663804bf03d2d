"""The functions that NumPy gives to C programs, by their places in its table."""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import import_module

import numpy as np

NUMPY_FUNCTIONS = {
    "PyArray_Scalar": 60, "PyArray_NewFromDescr": 94, "PyDataMem_SetHandler": 304}


def numpy_function(name: str) -> int:
    """The address of one of `NUMPY_FUNCTIONS`."""
    found = ctypes.cast(_table(), ctypes.POINTER(ctypes.c_void_p))[NUMPY_FUNCTIONS[name]]
    assert found is not None
    return found


@cache
def _table() -> int:
    """The address of the table."""
    numpy_2 = int(np.__version__.split(".")[0]) >= 2
    umath = import_module(f"numpy.{'_core' if numpy_2 else 'core'}._multiarray_umath")
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(get(umath._ARRAY_API, None))
